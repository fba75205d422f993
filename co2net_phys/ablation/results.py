"""Ablation tables from the scores of runs: means, spread over seeds, differences seed by seed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from co2net_phys.ablation.experiment import LOSSES, Experiment
from co2net_phys.ablation.tables import Ablation, Variant
from co2net_phys.config import TrainingConfig
from co2net_phys.data.atomic import atomic_write_text
from co2net_phys.data.schema import VARIABLES
from co2net_phys.data.splits import time_labels
from co2net_phys.json_text import json_text

JSON, TABLE, PAGE = "ablation.json", "ablation.csv", "ablation.md"

MEASURES = ("rmse", "acc", "bias", "held_out_station_rmse")
"""Scores of a run that are averaged over seeds."""

SIGNED = ("rmse_difference", "bias")
"""Columns shown with their sign."""

Scores = Mapping[tuple[str, int], Mapping[str, Any]]
"""Scores of a run by the variant's key and the seed."""


def summary(
    experiment: Experiment, results: Sequence[Mapping[str, Any]], base: TrainingConfig
) -> dict[str, Any]:
    """Return all tables as plain values.

    Returns
    -------
    dict
        "tables" (each "name", "title" and "rows"), "options", "variable", "unit", "times"
        ("first", "last", "count" of what was scored). A row has its "label", "options",
        "seeds" (the scores of each run), and for every measure "mean" and "spread" (standard
        deviation over seeds, None of one), "rmse_difference": mean and spread of the RMSE minus
        that of the table's first row with the same seed, and "losses": of each the mean over seeds
        in the "first" and the "last" epoch. Instead, a row that cannot run on this store has
        "impossible", the reason.
    """
    scores: Scores = {(row["key"], row["seed"]): row for row in results}
    labels = [time_labels(experiment.store)[frame] for frame in experiment.ends[[0, -1]]]
    target = base.target_variable
    return {
        "tables": [_table(table, experiment, scores, base) for table in experiment.tables],
        "options": base.model_dump(mode="json"),
        "variable": target,
        "unit": VARIABLES[target].units,
        "times": {"first": labels[0], "last": labels[1], "count": len(experiment.ends)},
    }


def write_results(folder: Path, found: Mapping[str, Any]) -> None:
    """Write `ablation.json`, `ablation.csv` (a line for each run) and `ablation.md`.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    atomic_write_text(folder / JSON, json_text(found) + "\n")
    atomic_write_text(folder / TABLE, _as_csv(found))
    atomic_write_text(folder / PAGE, as_markdown(found))


def as_markdown(found: Mapping[str, Any]) -> str:
    """Return the tables as a page of Markdown."""
    times, unit = found["times"], found["unit"].replace("umol", "µmol")
    parts = [
        f"Scores of {times['count']} times from {times['first']} to {times['last']}, whole globe; "
        f"RMSE, bias and differences in {unit}. Mean ± standard deviation over seeds; the "
        "difference is of the RMSE from that of the first row with the same seed."
    ]
    for table in found["tables"]:
        parts += [f"## Table {table['name']}: {table['title']}", _as_rows(table)]
        if table["name"] == "losses":
            parts += ["Losses in the first and in the last epoch:", _loss_rows(table)]
        parts += [
            f"*{row['label']}*: not possible here. {row['impossible']}"
            for row in table["rows"]
            if "impossible" in row
        ]
    return "\n\n".join(parts) + "\n"


def _table(
    table: Ablation, experiment: Experiment, scores: Scores, base: TrainingConfig
) -> dict[str, Any]:
    variants = [variant.over(base) for variant in table.variants]
    rows = [
        {"label": variant.label, "impossible": experiment.impossible[variant.key]}
        if variant.key in experiment.impossible
        else _row(variant, variants[0].key, scores)
        for variant in variants
    ]
    return {"name": table.name, "title": table.title, "rows": rows}


def _row(variant: Variant, reference: str, scores: Scores) -> dict[str, Any]:
    runs = {seed: run for (key, seed), run in scores.items() if key == variant.key}
    row: dict[str, Any] = {"label": variant.label, "options": dict(variant.options)}
    row["seeds"] = [dict(run) for run in runs.values()]
    for name in MEASURES:
        row[name] = _spread([run[name] for run in runs.values()])
    pairs = [
        run["rmse"] - scores[reference, seed]["rmse"]
        for seed, run in runs.items()
        if (reference, seed) in scores
    ]
    row["losses"] = _losses(list(runs.values()))
    row["rmse_difference"] = _spread(pairs) if pairs and variant.key != reference else None
    return row


def _losses(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name in runs[0]["losses"]:
        first, last = np.mean([run["losses"][name] for run in runs], axis=0)
        found[name] = {"first": float(first), "last": float(last)}
    return found


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "spread": deviation}


def _as_rows(table: Mapping[str, Any]) -> str:
    lines = [
        "| variant | RMSE | difference | ACC | bias | RMSE at held-out stations |",
        "|---|---|---|---|---|---|",
    ]
    for row in table["rows"]:
        if "impossible" in row:
            cells = ["–"] * 5
        else:
            columns = ("rmse", "rmse_difference", "acc", "bias", "held_out_station_rmse")
            cells = [_shown(row[name], signed=name in SIGNED) for name in columns]
        lines.append(f"| {row['label']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _loss_rows(table: Mapping[str, Any]) -> str:
    lines = [f"| variant | {' | '.join(LOSSES)} |", "|---" * (1 + len(LOSSES)) + "|"]
    for row in table["rows"]:
        known = row.get("losses", {})
        cells = [
            f"{known[name]['first']:.3g} → {known[name]['last']:.3g}" if name in known else ""
            for name in LOSSES
        ]
        lines.append(f"| {row['label']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(value: Mapping[str, float | None] | None, *, signed: bool) -> str:
    if value is None:
        return ""
    mean = f"{value['mean']:+.3f}" if signed else f"{value['mean']:.3f}"
    mean = mean.replace("-", "−")
    return mean if value["spread"] is None else f"{mean} ± {value['spread']:.3f}"


def _as_csv(found: Mapping[str, Any]) -> str:
    text = io.StringIO()
    columns = ["table", "variant", "seed", *MEASURES, "parameters", "seconds"]
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for table in found["tables"]:
        for row in table["rows"]:
            for run in row.get("seeds", ()):
                writer.writerow({**run, "table": table["name"], "variant": row["label"]})
    return text.getvalue()
