"""Files of a comparison: a page of Markdown tables, every score as CSV, everything as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from co2net_phys.comparison.figure import comparison_figure
from co2net_phys.data.atomic import atomic_write_bytes, atomic_write_text
from co2net_phys.figures import picture_bytes
from co2net_phys.json_text import json_text

JSON, TABLE, PAGE, PICTURE = "compare.json", "compare.csv", "compare.md", "compare.png"

MAIN_REGIONS = ("global", "ocean", "asia-europe")
"""Regions of table 3 of the CO2-Net paper; the others are those of its table 14."""

Row = Mapping[str, Any]
Cell = Callable[[Row], str]


def write_comparison(folder: Path, found: Mapping[str, Any]) -> None:
    """Write `compare.json`, `compare.csv`, `compare.md` and `compare.png`.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    atomic_write_text(folder / JSON, json_text(found) + "\n")
    atomic_write_text(folder / TABLE, _as_csv(found))
    atomic_write_text(folder / PAGE, as_markdown(found))
    if _scored(found):
        atomic_write_bytes(folder / PICTURE, picture_bytes(comparison_figure(found)))


def as_markdown(found: Mapping[str, Any]) -> str:
    """Return the tables as a page of Markdown."""
    times, unit = found["times"], found["unit"].replace("umol", "µmol")
    given, held_out = found["stations"]["given"], found["stations"]["held_out"]
    scored = [_named(row, found["seeds"]) for row in _scored(found)]
    parts = [
        f"{times['count']} maps of the test block, {times['first']} to {times['last']}; every "
        f"method sees the same {given} stations, {held_out} are held out. RMSE and bias in {unit}, "
        f"mean ± standard deviation over the seeds {', '.join(map(str, found['seeds']))}, which "
        "draw stations and weights anew."
    ]
    if scored:
        others = [name for name in scored[0]["regions"] if name not in MAIN_REGIONS]
        parts += [
            "## Globe, ocean, Asia and Europe",
            _table(scored, _regional(MAIN_REGIONS)),
            "## Stations",
            _table(scored, _STATIONS),
            "## Against the reference",
            _significance(found),
            _table(scored, _DIFFERENCES),
            "## Cost",
            _table(scored, _COSTS),
            "Medians over the seeds. Training: median seconds of an epoch × number of epochs, "
            "without validation and without the fits of a first guess, whose cost is in the row of "
            "that method. Memory: what fitting or training took beyond what was there. A map: the "
            "method alone, without reading.",
            "## Regions",
            _table(scored, _regional(others)),
        ]
    parts += [
        f"*{row['method']}*: {kind} {row[key]}"
        for row in found["rows"]
        for key, kind in (("impossible", "not possible here."), ("failed", "failed:"))
        if key in row
    ]
    return "\n\n".join(parts) + "\n"


def _scored(found: Mapping[str, Any]) -> list[Row]:
    return [row for row in found["rows"] if "regions" in row]


def _named(row: Row, seeds: Sequence[int]) -> Row:
    """The row, its method with the seeds if there are not all of them yet."""
    own = row["seeds"]
    if len(own) == len(seeds):
        return row
    return {**row, "method": f"{row['method']} (of seed {', '.join(map(str, own))})"}


def _significance(found: Mapping[str, Any]) -> str:
    return (
        f"Difference of the global RMSE from that of {found['reference']} at the same times and "
        "with the same stations, errors averaged over the seeds; 95 % intervals and p-values by "
        f"a bootstrap of blocks of {found['times']['block']} maps, as long as any error or "
        "difference remembers."
    )


def _table(rows: Sequence[Row], columns: Mapping[str, Cell]) -> str:
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for row in rows:
        cells = [cell(row) for cell in columns.values()]
        lines.append(f"| {row['method']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _regional(regions: Sequence[str]) -> dict[str, Cell]:
    columns: dict[str, Cell] = {}
    for region in regions:
        for measure, digits in (("rmse", 2), ("acc", 2)):
            name = f"{region} {measure.upper()}"
            columns[name] = _mean_of("regions", region, measure, digits=digits)
    return columns


def _mean_of(*path: str, digits: int = 2, signed: bool = False) -> Cell:
    def cell(row: Row) -> str:
        value: Any = row
        for name in path:
            value = value.get(name, {})
        return _with_spread(value, digits, signed)

    return cell


def _with_spread(value: Mapping[str, float | None], digits: int, signed: bool) -> str:
    mean, spread = value.get("mean"), value.get("spread")
    if mean is None:
        return "–"
    text = f"{mean:+.{digits}f}" if signed else f"{mean:.{digits}f}"
    return text if spread is None else f"{text} ± {spread:.{digits}f}"


def _interval(row: Row) -> str:
    found = row["interval"]
    return f"{found['value']:.3f} ({found['low']:.3f}, {found['high']:.3f})"


def _difference(row: Row) -> str:
    found = row["difference"]
    if found is None:
        return "reference"
    if found["value"] is None:
        return "no common seed"
    return f"{found['value']:+.3f} ({found['low']:+.3f}, {found['high']:+.3f})"


def _p_value(row: Row) -> str:
    found = row["difference"]
    if found is None or found["p_value"] is None:
        return ""
    return "< 0.001" if found["p_value"] < 0.001 else f"{found['p_value']:.3f}"


def _quantity(name: str, divisor: float, pattern: str) -> Cell:
    def cell(row: Row) -> str:
        value = row["cost"][name]
        return "–" if value is None else pattern.format(value / divisor)

    return cell


_STATIONS: Mapping[str, Cell] = {
    f"{text} {measure.upper()}": _mean_of("stations", group, measure, signed=measure == "bias")
    for group, text in (("held_out", "held out"), ("training", "given"))
    for measure in ("rmse", "bias")
}

_DIFFERENCES: Mapping[str, Cell] = {
    "global RMSE (95 %)": _interval,
    "difference (95 %)": _difference,
    "p": _p_value,
}

_COSTS: Mapping[str, Cell] = {
    "parameters (M)": _quantity("parameters", 1e6, "{:.3g}"),
    "seconds an epoch": _quantity("epoch_seconds", 1, "{:.3g}"),
    "training or fit (s)": _quantity("seconds", 1, "{:.0f}"),
    "memory (GB)": _quantity("memory_bytes", 1e9, "{:.2f}"),
    "a map (ms)": _quantity("map_seconds", 1e-3, "{:.3g}"),
}


def _as_csv(found: Mapping[str, Any]) -> str:
    """A line for each method, region and measure, and for stations."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["method", "where", "measure", "mean", "spread"])
    for row in _scored(found):
        for group in ("regions", "stations"):
            for where, measures in row[group].items():
                label = where if group == "regions" else f"stations {where.replace('_', ' ')}"
                for measure, value in measures.items():
                    table.writerow([row["method"], label, measure, value["mean"], value["spread"]])
    return text.getvalue()
