"""The table of a comparison from the scores of its runs: means, spread, intervals, differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.comparison.config import Comparison
from co2net_phys.comparison.experiment import REGIONAL, Experiment
from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.data.splits import time_labels
from co2net_phys.metrics import Difference, block_bootstrap, block_length, paired_difference

COSTS = ("parameters", "epoch_seconds", "seconds", "memory_bytes", "map_seconds")

Results = Sequence[Mapping[str, Any]]
"""Scores of runs, each with its "method" and "seed"."""


def summary(experiment: Experiment, results: Results) -> dict[str, Any]:
    """Return the table as plain values; runs that are missing leave their method out.

    Returns
    -------
    dict
        "rows", "reference", "variable", "unit", "times" ("first", "last", "count", "block": steps
        of the block bootstrap), "seeds", "stations" (given and held out). A row has its "method",
        its "seeds", for every region and measure "mean" and "spread" (standard deviation over
        seeds, None of one), "interval" of the global RMSE (95 %, blocks of time, errors averaged
        over seeds), "difference" of it from the reference's with the same stations and times
        ("value", "low", "high", "p_value", each None without a common seed; None of the reference),
        "stations", and "cost", medians over seeds. A method that failed has "failed", one that
        cannot run "impossible": why.
    """
    comparison, ends = experiment.comparison, experiment.ends
    runs = {label: _runs(label, results) for label in comparison.methods}
    whole = {label: found for label, found in runs.items() if found and not _failure(found)}
    reference = _reference(comparison, whole)
    block = _block(whole, reference)
    rows: list[dict[str, Any]] = []
    for label in comparison.methods:
        if label in experiment.impossible:
            rows.append({"method": label, "impossible": experiment.impossible[label]})
        elif label in whole:
            rows.append(_row(label, whole, reference, block))
        elif runs[label]:
            rows.append({"method": label, "failed": _failure(runs[label])})
    labels = [time_labels(experiment.store)[frame] for frame in ends[[0, -1]]]
    task = experiment.runs[0].task
    times = {"first": labels[0], "last": labels[1], "count": len(ends), "block": block}
    return {
        "rows": rows,
        "reference": reference,
        "variable": CO2,
        "unit": VARIABLES[CO2].units,
        "times": times,
        "seeds": list(comparison.seeds),
        "stations": {"given": len(task.training), "held_out": len(task.held_out)},
        "options": comparison.model_dump(mode="json"),
    }


def _runs(label: str, results: Results) -> list[Mapping[str, Any]]:
    return [run for run in results if run["method"] == label]


def _failure(runs: Results) -> str | None:
    return next((str(run["failed"]) for run in runs if "failed" in run), None)


def _reference(comparison: Comparison, whole: Mapping[str, Results]) -> str | None:
    """The method asked for; else the simple one with the smallest error."""
    if comparison.reference in whole:
        return comparison.reference
    simple = [label for label in whole if comparison.methods[label].baseline]
    return min(simple, key=lambda label: _mean_series(whole[label]).mean(), default=None)


def _block(whole: Mapping[str, Results], reference: str | None) -> int:
    """Steps of the bootstrap's blocks: as long as any error, or difference of two, remembers.

    What two methods share may hide a small lasting difference between them.
    """
    series = [_mean_series(runs) for runs in whole.values()]
    pairs = [_paired(label, whole, reference) for label in whole]
    series += [ours - theirs for ours, theirs in filter(None, pairs)]
    return max(map(block_length, series), default=1)


def _mean_series(runs: Results) -> NDArray[np.float64]:
    """Global RMSE at each time (n,), averaged over seeds."""
    # null, as JSON has NaN, becomes NaN again
    return np.mean([np.asarray(run["rmse_series"], dtype=np.float64) for run in runs], axis=0)


def _paired(
    label: str, whole: Mapping[str, Results], reference: str | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """RMSE (n,) of a method and of the reference over the seeds of both; None if there are none."""
    if reference is None or label == reference:
        return None
    both = (whole[label], whole[reference])
    seeds = set.intersection(*({run["seed"] for run in runs} for runs in both))
    if not seeds:
        return None
    ours, theirs = (_mean_series([run for run in runs if run["seed"] in seeds]) for runs in both)
    return ours, theirs


def _row(
    label: str, whole: Mapping[str, Results], reference: str | None, block: int
) -> dict[str, Any]:
    runs = whole[label]
    series = _mean_series(runs)
    difference: dict[str, float | None] | None = None
    if reference is not None and label != reference:
        pair = _paired(label, whole, reference)
        difference = (
            paired_difference(*pair, block)._asdict() if pair else dict.fromkeys(Difference._fields)
        )
    return {
        "method": label,
        "seeds": [run["seed"] for run in runs],
        "regions": {
            region: {name: _spread(runs, "regions", region, name) for name in REGIONAL}
            for region in runs[0]["regions"]
        },
        "interval": block_bootstrap(series, block)._asdict(),
        "difference": difference,
        "stations": {
            group: {name: _spread(runs, "stations", group, name) for name in ("rmse", "bias")}
            for group in runs[0]["stations"]
        },
        "cost": {name: _median([run["cost"][name] for run in runs]) for name in COSTS},
    }


def _spread(runs: Results, *path: str) -> dict[str, float | None]:
    values = []
    for run in runs:
        value: Any = run
        for name in path:
            value = value[name]
        values.append(value)
    if any(value is None for value in values):
        return {"mean": None, "spread": None}
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "spread": deviation}


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
