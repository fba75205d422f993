"""Reports for people, in at most 100 columns."""

from __future__ import annotations

import math
import shlex
import textwrap
from collections.abc import Iterable, Sequence

from co2net_phys.inspection.report import (
    DatasetReport,
    GridReport,
    LevelReport,
    Report,
    StationReport,
    TimeReport,
    Use,
    VariableReport,
)

WIDTH = 100
_MOST_ROWS = 20
_MOST_DATASETS = 10
_MOST_GAPS = 5
_MARKS = {"error": "ERROR", "warning": "warning", "note": "note"}


def as_text(reports: Sequence[Report]) -> str:
    """All reports, one below the other, those of unreadable files as a list at the end."""
    blocks = ["\n".join(_block(report)) for report in reports if report.kind != "unreadable"]
    bad = [report for report in reports if report.kind == "unreadable"]
    if bad:
        lines = ["cannot be read"]
        for report in bad:
            lines += _wrapped(f"{report.files[0]}: {report.problems[0].text}", "  ", "    ")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _block(report: Report) -> Iterable[str]:
    yield from _wrapped(report.title, "", "  ")
    yield from _row("files", _files(report))
    if report.grid is not None:
        yield from _row("grid", _grid(report.grid))
    for levels in report.levels:
        yield from _row("levels", _levels(levels))
    if report.time is not None:
        yield from _row("time", _time(report.time))
        yield from _row("gaps", _gaps(report.time))
    if report.stations is not None:
        yield from _station_rows(report.stations)
    if report.variables:
        yield "  variables"
        yield from _variables(report.variables)
    if report.problems:
        yield "  look out"
        for problem in report.problems:
            mark = f"    {_MARKS[problem.severity]:<8}"
            yield from _wrapped(problem.text, mark, " " * len(mark))
    if report.uses:
        yield "  good for"
        for use in report.uses:
            yield from _use(use)


def _row(name: str, text: str) -> Iterable[str]:
    return _wrapped(text, f"  {name:<10}", " " * 12)


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )


def _files(report: Report) -> str:
    size = _size(report.bytes)
    if len(report.files) == 1:
        return f"{report.files[0]} ({size})"
    return f"{len(report.files)} ({size}), {report.files[0]} to {report.files[-1]}"


def _size(count: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"


def _grid(grid: GridReport) -> str:
    text = f"{grid.kind}, {grid.rows} × {grid.columns}"
    if grid.latitude is None or grid.longitude is None:
        return text
    north, east = ([f"{end:.6g}" for end in ends] for ends in (grid.latitude, grid.longitude))
    text += (
        f" (about {grid.latitude_step:.4g}° × {grid.longitude_step:.4g}°), {grid.coverage}; "
        f"latitude {north[0]} to {north[1]} ({grid.latitude_order}), longitude {east[0]} to "
        f"{east[1]} ({grid.longitude_convention})"
    )
    text += "; rows at the poles" if grid.poles_included else ""
    return text + ("; with bounds" if grid.bounds_included else "")


def _levels(levels: LevelReport) -> str:
    text = f"{levels.count} of '{levels.name}', {levels.kind}"
    if levels.first is not None and levels.last is not None:
        text += f" {levels.first:g} to {levels.last:g} {levels.units}".rstrip()
    return f"{text}; the lowest is {'the ' if levels.lowest != 'unknown' else ''}{levels.lowest}"


def _time(time: TimeReport) -> str:
    if time.count == 1:
        return f"{time.first}, calendar {time.calendar}"
    every = f", every {time.step_text}" if time.step_text else ""
    return f"{time.first} to {time.last}, {time.count} times{every}, calendar {time.calendar}"


def _gaps(time: TimeReport) -> str:
    if time.count < 3:
        return "unknown with fewer than three times"
    if not time.gaps:
        return "none"
    more = len(time.gaps) - _MOST_GAPS
    return "; ".join(time.gaps[:_MOST_GAPS]) + (f"; and {more} more" if more > 0 else "")


def _variables(variables: Sequence[VariableReport]) -> Iterable[str]:
    shown = [v for v in variables if v.schema_name] or list(variables)
    shown = shown + [v for v in variables if v not in shown]
    width = min(30, max(len(v.name) for v in shown[:_MOST_ROWS]))
    for variable in shown[:_MOST_ROWS]:
        known = f"{variable.schema_name or '–':<5}"
        described = f"    {variable.name:<{width}} {known}"
        facts = [_range(variable), variable.dtype, f"({', '.join(variable.dimensions)})"]
        yield from _wrapped("  ".join(facts), described, " " * (11 + width))
        named = variable.standard_name or variable.long_name
        if named:
            yield from _wrapped(named, " " * (11 + width), " " * (11 + width))
    if len(shown) > _MOST_ROWS:
        yield f"    and {len(shown) - _MOST_ROWS} more (--json lists all)"


def _range(variable: VariableReport) -> str:
    units = variable.units or "no units"
    if variable.minimum is None or variable.maximum is None:
        return units
    text = f"{variable.minimum:.5g} to {variable.maximum:.5g} {units}"
    if variable.schema_units and variable.schema_units != variable.units:
        text += f" → {variable.schema_units}"
    return text + (f", {variable.missing:.2g} missing" if variable.missing else "")


def _station_rows(stations: StationReport) -> Iterable[str]:
    sites = f"{_count(len(stations.datasets), 'dataset')} at {_count(stations.sites, 'site')}"
    yield from _row("stations", sites)
    if stations.records:
        yield from _row(
            "records",
            f"{stations.records} of {stations.tracer.upper()}; {stations.valid} not rejected, "
            f"{stations.representative} that stand for large scales",
        )
    for one in stations.datasets[:_MOST_DATASETS]:
        yield from _wrapped(_dataset(one, stations.units), "    ", "      ")
    if len(stations.datasets) > _MOST_DATASETS:
        yield f"    and {len(stations.datasets) - _MOST_DATASETS} more (--json lists all)"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _dataset(one: DatasetReport, units: str) -> str:
    place = "no place" if math.isnan(one.latitude) else f"{one.latitude:.4g} {one.longitude:.5g}"
    heights = [(one.elevation, "m"), (one.intake_height, "m above ground")]
    place += "".join(f", {value:g} {text}" for value, text in heights if not math.isnan(value))
    text = f"{one.site}  {one.dataset}  ({place})"
    if not one.valid:
        return text
    kind = " monthly means" if one.is_monthly_mean else ""
    return (
        f"{text}  {one.valid}{kind}, {(one.first or '')[:10]} to {(one.last or '')[:10]}, "
        f"{one.minimum:.5g} to {one.maximum:.5g} {units}"
    )


def _use(use: Use) -> Iterable[str]:
    note = f" ({use.note})" if use.note and use.command else f": {use.note}" if use.note else ""
    yield from _wrapped(use.purpose + note, "    ", "      ")
    if use.command:
        yield from _command(use.command)


def _command(words: Sequence[str]) -> Iterable[str]:
    """A command line to copy, continued with backslashes before options."""
    parts: list[str] = []
    for word in map(shlex.quote, words):
        if parts and not word.startswith("--"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    line = f"      {parts[0]}"
    for part in parts[1:]:
        if len(line) + len(part) + 3 > WIDTH:
            yield f"{line} \\"
            line = f"        {part}"
        else:
            line += f" {part}"
    yield line
