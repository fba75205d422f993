"""Scores as tidy lines: one for each region, each group of stations and each site."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

SCORES = ("rmse", "median_abs_error", "mae", "bias", "acc", "correlation", "r2")
"""Scores of a line, each followed by the ends of its 95 % interval."""

COLUMNS = (
    *("kind", "group", "name", "latitude", "longitude", "n"),
    *(f"{score}{end}" for score in SCORES for end in ("", "_low", "_high")),
    "standard_deviation_ratio",
)
"""Header of the table: `kind` is region, group or site; empty where a line has no such value."""

Row = Mapping[str, Any]


def rows(scores: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Row]]:
    """Kind, group and name of each line, and the scores that it shows."""
    if "regions" in scores:
        yield "region", "", "global", scores
        for name, row in scores["regions"].items():
            yield "region", "", name, row
    for group, found in scores["stations"].items():
        yield "group", group, group, found["pooled"]
        for code, row in found["sites"].items():
            yield "site", group, code, row


def csv_text(scores: Mapping[str, Any]) -> str:
    """All scores of `co2net_phys.evaluation.assess.assess` as a CSV table of `COLUMNS`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for kind, group, name, row in rows(scores):
        line = [kind, group, name, *(_cell(row.get(key)) for key in COLUMNS[3:6])]
        for score in SCORES:
            line += [_cell(row.get(score)), *_ends(row, score)]
        writer.writerow([*line, _cell(row.get("standard_deviation_ratio"))])
    return text.getvalue()


def _ends(row: Row, score: str) -> list[str]:
    low, high = row.get("intervals", {}).get(score, (None, None))
    return [_cell(low), _cell(high)]


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.10g}"
