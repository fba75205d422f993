"""Write what a cross-validation found: one HTML page, scores.csv and scores.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from co2net_phys.crossvalidation.drawing import (
    error_map,
    floor_figure,
    kinds_figure,
    series_figure,
)
from co2net_phys.crossvalidation.kinds import scores_by_kind
from co2net_phys.crossvalidation.records import Floats
from co2net_phys.crossvalidation.running import REFERENCE, Outcome
from co2net_phys.crossvalidation.scoring import at_shared_records
from co2net_phys.data.atomic import atomic_write_text
from co2net_phys.figures import CO2_UNITS
from co2net_phys.json_text import json_text
from co2net_phys.report import Heading, Paragraph, Picture, Section, Table, write_report

PAGE, TABLE, SCORES = "report.html", "scores.csv", "scores.json"
FILES = (PAGE, TABLE, SCORES)

MOST_WORST_SITES = 30
SERIES_SHOWN = 9

Scores = Mapping[str, Any]


def write_page(folder: Path, outcome: Outcome, scores: Scores) -> None:
    """Write the page and the scores of `co2net_phys.crossvalidation.scoring.summary` to a folder.

    Raises
    ------
    DataError
        They cannot be written.
    """
    write_report(folder / PAGE, "Sites left out", sections(outcome, scores))
    atomic_write_text(folder / TABLE, scores_table(scores))
    atomic_write_text(folder / SCORES, json_text(scores))


def scores_table(scores: Scores) -> str:
    """The scores as CSV, one line a method."""
    columns = ("rmse", "median_abs_error", "bias", "n", "mae", "trimmed_rmse", "median_site_rmse")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "label", *columns, "rmse_low", "rmse_high",
                     "median_abs_error_low", "median_abs_error_high"])  # fmt: skip
    for name, row in scores["methods"].items():
        ends = [*row["intervals"]["rmse"], *row["intervals"]["median_abs_error"]]
        writer.writerow([name, row["label"], *(row[column] for column in columns), *ends])
    return text.getvalue()


def sections(outcome: Outcome, scores: Scores) -> list[Section]:
    """What the page holds."""
    best = scores["best"]
    shown = _shown_methods(outcome, scores)
    floor = scores["floor"]
    return [
        Paragraph(
            f"{scores['records']} monthly means of {scores['series']} series in "
            f"{outcome.records.source}, {scores['first_month']} to {scores['last_month']}. Every "
            f"one is predicted from the {scores['groups'] - 1} other groups; what is left out is "
            "used for nothing. Errors are predicted − observed; intervals (95 %) draw whole sites."
        ),
        Heading("Scores"),
        _score_table(outcome, scores),
        Paragraph(
            "RMSE is decided by a few sites near strong sources. The trimmed RMSE leaves out the "
            "largest 5 % of errors; the last column is the median over sites of the RMSE of each."
        ),
        _difference_table(scores),
        *_stated(scores),
        Heading("Where"),
        Picture(error_map(outcome, best), "Map of the errors at the sites"),
        Heading("Sites that hold the floor"),
        Picture(
            floor_figure(floor, {outcome.labels[name]: _without(outcome, name, best)
                                 for name in shown}),
            "Shares of the squared error by site, and RMSE without the worst sites",
        ),
        _floor_table(floor),
        Heading("Kinds of sites"),
        *_kinds(outcome, shown),
        Heading("Series"),
        Picture(
            series_figure(outcome, _examples(outcome, best), shown[:2]),
            "Observed and predicted series of some sites",
            "The sites at the quantiles of RMSE, from the best to the worst.",
        ),
    ]  # fmt: skip


def _shown_methods(outcome: Outcome, scores: Scores) -> list[str]:
    """The best method, the best simple one and the reference, as far as there are any."""
    wanted = [scores["best"], scores["best_simple"], REFERENCE]
    return [name for name in dict.fromkeys(wanted) if name in outcome.predictions]


def _interval(row: Scores, key: str) -> str:
    low, high = row["intervals"][key]
    return f"{low:.2f} … {high:.2f}"


def _score_table(outcome: Outcome, scores: Scores) -> Table:
    return Table(
        columns=[
            "method", "n", "RMSE (ppm)", "95 %", "median abs. error", "95 %", "bias",
            "trimmed RMSE", "by site",
        ],
        rows=[
            [row["label"], row["n"], row["rmse"], _interval(row, "rmse"), row["median_abs_error"],
             _interval(row, "median_abs_error"), row["bias"], row["trimmed_rmse"],
             row["median_site_rmse"]]
            for row in scores["methods"].values()
        ],
        caption=f"Errors in {CO2_UNITS} (ppm). Bold: the best at the records that all of them "
        "predict.",
        best=[None, None, "min", None, "min", None, "zero", "min", "min"],
        compared=[
            [None, None, row["rmse"], None, row["median_abs_error"], None, row["bias"],
             row["trimmed_rmse"], row["median_site_rmse"]]
            for row in at_shared_records(outcome, list(scores["methods"])).values()
        ],
    )  # fmt: skip


def _difference_table(scores: Scores) -> Section:
    methods = scores["methods"]
    rows = []
    for row in methods.values():
        if "difference" in row:
            ends = [row["difference"][key] for key in ("rmse", "median_abs_error")]
            cells = [
                cell
                for one in ends
                for cell in (
                    one["value"],
                    f"{one['interval'][0]:+.2f} … {one['interval'][1]:+.2f}".replace("-", "−"),
                )
            ]
            rows.append([row["label"], row["difference"]["n"], *cells])
    if not rows:
        return Paragraph("There is no simple method to compare with.")
    other = methods[scores["best_simple"]]["label"]
    return Table(
        columns=["method", "n", "RMSE", "95 %", "median abs. error", "95 %"],
        rows=rows,
        caption=f"Paired differences from {other} (ppm); negative is better.",
    )


def _stated(scores: Scores) -> list[Section]:
    return [
        Paragraph(
            f"Stated standard errors of the {row['label']}: {100 * stated['within_1']:.0f} % of "
            f"errors lie within one (68 % if Gaussian), {100 * stated['within_1.96']:.0f} % within "
            "1.96 (95 %)."
        )
        for row in scores["methods"].values()
        if (stated := row.get("stated_errors"))
    ]


def _floor_table(floor: list[dict[str, Any]]) -> Table:
    return Table(
        columns=["dataset", "share (%)", "RMSE", "bias", "n", "height (m)", "what it is"],
        rows=[
            [row["dataset"], 100 * row["share_of_squared_error"], row["rmse"], row["bias"],
             row["n"], round(row["height_masl"]), row["why"]]
            for row in floor
        ],
        caption="Largest shares of the squared error of the best method (ppm).",
        decimals=1,
    )  # fmt: skip


def _kinds(outcome: Outcome, shown: list[str]) -> list[Section]:
    labels = [outcome.labels[name] for name in shown]
    kinds = scores_by_kind(outcome, shown)
    medians = {
        kind: {outcome.labels[name]: row[name]["median_abs_error"] for name in shown}
        for kind, row in kinds.items()
    }
    columns = [f"{label}: {what}" for label in labels for what in ("RMSE", "median")]
    return [
        Picture(kinds_figure(medians, labels), "Median absolute error by kind of site"),
        Table(
            columns=["kind", "n", *columns],
            rows=[
                [kind, next(iter(row.values()))["n"],
                 *(row[name][key] for name in shown for key in ("rmse", "median_abs_error"))]
                for kind, row in kinds.items()
            ],
            caption="RMSE and median absolute error (ppm).",
        ),
    ]  # fmt: skip


def _without(outcome: Outcome, name: str, judge: str) -> Floats:
    """RMSE (n + 1,) of a method without the 0, 1, … n sites that are worst for `judge`."""
    rows, count = outcome.records.rows, len(outcome.records.series)
    errors = outcome.errors(name)
    squared = np.bincount(rows, np.nan_to_num(errors) ** 2, minlength=count)
    number = np.bincount(rows, np.isfinite(errors), minlength=count)
    judged = np.bincount(rows, np.nan_to_num(outcome.errors(judge)) ** 2, minlength=count)
    order = np.argsort(-judged)
    most = min(MOST_WORST_SITES, count - 1)
    removed, fewer = (np.concatenate([[0.0], x[order][:most].cumsum()]) for x in (squared, number))
    return np.sqrt((squared.sum() - removed) / np.maximum(number.sum() - fewer, 1))


def _examples(outcome: Outcome, name: str) -> list[int]:
    """Series at evenly spaced quantiles of the RMSE, of those with at least half of the months."""
    rows, count = outcome.records.rows, len(outcome.records.series)
    number = np.bincount(rows, minlength=count)
    squared = np.bincount(rows, np.nan_to_num(outcome.errors(name)) ** 2, minlength=count)
    long = np.flatnonzero(number >= min(number.max(), outcome.records.months.size / 2))
    order = long[np.argsort(squared[long] / number[long])]
    chosen = np.unique(np.linspace(0, order.size - 1, min(SERIES_SHOWN, order.size)).astype(int))
    return [int(row) for row in order[chosen]]
