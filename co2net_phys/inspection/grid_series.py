"""Gridded files: what is kept of each, which belong together, and the report of each series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from co2net_phys.data.coordinates import Role, find_coordinate
from co2net_phys.data.kinds import SAMPLES
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.inspection.carbontracker_layout import from_ground, layout_problems
from co2net_phys.inspection.grid_uses import Places, uses_of
from co2net_phys.inspection.grids import describe_grid, describe_levels
from co2net_phys.inspection.naming import main_variable, schema_names
from co2net_phys.inspection.opening import open_to_inspect
from co2net_phys.inspection.recognition import (
    CARBONTRACKER,
    CMIP5,
    CMIP6,
    SYSTEM_STORES,
    Origin,
    contradictions,
    gridded_variables,
)
from co2net_phys.inspection.refusals import refusals
from co2net_phys.inspection.report import LevelReport, Problem, Report
from co2net_phys.inspection.timeline import timeline, times_of
from co2net_phys.inspection.variables import describe_variables, dimensions_of, units_by_name
from co2net_phys.products.times import TimeAxis

_WORDS = ("release", "source", "experiment", "member", "grid", "table", "variable", "frequency")


@dataclass(frozen=True)
class GridHeader:
    """What the header of a file tells.

    Attributes:
        path: of the file or store.
        origin: what it is.
        title: what the file says of itself; empty if nothing.
        sizes: length of every dimension other than time, of the variables that have a map.
        units: of every variable.
        times: of the main variable, None where there are none.
        problems: of this file.
        bytes: its size.
    """

    path: Path
    origin: Origin
    title: str
    sizes: tuple[tuple[str, int], ...]
    units: Mapping[str, str]
    times: TimeAxis | None
    problems: tuple[Problem, ...]
    bytes: int

    @property
    def series(self) -> tuple[Any, ...]:
        """Equal for files that belong to one series."""
        names = () if self.origin.product in (CARBONTRACKER, CMIP5, CMIP6) else tuple(self.units)
        return (
            self.origin.product,
            self.origin.kind,
            *sorted(self.origin.identity.items()),
            *self.sizes,
            *sorted(names),
            *([self.path] if self.origin.kind in ("store", "other") else []),
        )


def header_of(
    dataset: xr.Dataset, path: Path, origin: Origin, problems: Iterable[Problem]
) -> GridHeader:
    """Read what is needed of an open file to group it with others.

    Raises
    ------
    DataError
        A coordinate cannot be read.
    """
    found = list(problems)
    with explained_reading_errors(path):
        gridded = gridded_variables(dataset)
        main = main_variable(dataset, schema_names(dataset, origin), gridded)
        anything = main or next(map(str, dataset.data_vars), None)
        times: TimeAxis | None = None
        if anything is not None and not found:
            times, odd = times_of(dataset, anything, path)
            found += odd
        clock = None if times is None else times.dimension
        dimensions = dataset[main].sizes if main is not None else {}
        if origin.product in (CMIP5, CMIP6):
            found += contradictions(dataset, path)
    return GridHeader(
        path,
        origin,
        _title(dataset),
        tuple(sorted((str(k), n) for k, n in dimensions.items() if k != clock)),
        units_by_name(dataset),
        times,
        tuple(found),
        size_of(path),
    )


def grouped(headers: Sequence[GridHeader]) -> list[list[GridHeader]]:
    """Headers of each series, the earliest first."""
    groups: dict[tuple[Any, ...], list[GridHeader]] = {}
    for header in headers:
        groups.setdefault(header.series, []).append(header)
    return [sorted(group, key=_start) for group in groups.values()]


def report_of(headers: Sequence[GridHeader], others: Sequence[Sequence[GridHeader]]) -> Report:
    """The report of one series; `others` are all series, which may complete it.

    Raises
    ------
    DataError
        The first file cannot be read.
    """
    first = headers[0]
    time, problems = timeline({header.path: header.times for header in headers})
    if SYSTEM_STORES.get(first.origin.product) == SAMPLES:
        problems = []  # many samples of one day, and days without any, are as they should be
    problems += _repeated_once(headers) + _differing(headers)
    dataset, _ = open_to_inspect(first.path)
    with dataset, explained_reading_errors(first.path):
        variables, odd = describe_variables(dataset, first.origin, str(first.path))
        names = schema_names(dataset, first.origin)
        main = main_variable(dataset, names, gridded_variables(dataset))
        grid = None
        entries = _further_entries(dataset, main)
        levels, vertical = _levels(dataset, main, names)
        if main is not None:
            grid, found = describe_grid(dataset, main, f"{first.path}: variable '{main}'")
            if first.origin.product not in SYSTEM_STORES:  # those may be of a region
                problems += found
        if first.origin.product == CARBONTRACKER:
            levels, vertical = from_ground(levels), layout_problems(dataset, first.path)
    problems += vertical + odd
    problems += refusals(first.path, first.origin, problems)
    is_timeless = time is None and first.origin.kind == "grid"
    if is_timeless and not any(problem.topic == "time" for problem in problems):
        problems.append(Problem("note", "time", "there is no time axis: the fields hold for ever"))
    report = Report(
        kind=first.origin.kind,
        product=first.origin.product,
        title=_named(first),
        files=tuple(str(header.path) for header in headers),
        bytes=sum(header.bytes for header in headers),
        identity={key: value for key, value in first.origin.identity.items() if value},
        grid=grid,
        levels=tuple(dict.fromkeys(levels.values())),
        time=time,
        variables=tuple(variables),
        problems=tuple(sorted(dict.fromkeys(problems), key=_severity)),
    )
    run = [header for series in others for header in series if _same_run(header, first)]
    uses = uses_of(report, [h.path for h in run], _frequencies(run), Places(levels, entries))
    return Report(**{**vars(report), "uses": uses})


def _start(header: GridHeader) -> tuple[int, Path]:
    """First time of a file; files without any come last."""
    seconds = None if header.times is None else header.times.seconds
    return int(seconds.min()) if seconds is not None and seconds.size else 2**62, header.path


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a store."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _severity(problem: Problem) -> int:
    return ("error", "warning", "note").index(problem.severity)


def _title(dataset: xr.Dataset) -> str:
    for name in ("title", "source", "institution"):
        text = " ".join(str(dataset.attrs.get(name, "")).split())
        if text:
            return text if len(text) <= 80 else f"{text[:77]}…"
    return ""


def _named(header: GridHeader) -> str:
    """The series in one line."""
    told = [header.origin.identity.get(word, "") for word in _WORDS]
    text = " ".join(dict.fromkeys(part for part in told if part)) or header.title
    return f"{header.origin.product}: {text}" if text else header.origin.product


def _repeated_once(headers: Sequence[GridHeader]) -> list[Problem]:
    """Problems of single files; one that many files have is told once."""
    files: dict[Problem, list[Path]] = {}
    for header in headers:
        for problem in header.problems:
            files.setdefault(problem, []).append(header.path)
    told = []
    for problem, paths in files.items():
        more = f" (so in {len(paths)} of {len(headers)} files)" if len(headers) > 1 else ""
        told.append(Problem(problem.severity, problem.topic, problem.text + more))
    return told


def _differing(headers: Sequence[GridHeader]) -> list[Problem]:
    """Files that lack a variable of the first one, or give it other units."""
    first, problems = headers[0], []
    for name, units in first.units.items():
        lacking = [h.path for h in headers if name not in h.units]
        if lacking:
            text = f"{len(lacking)} files lack '{name}', the first is {lacking[0].name}"
            problems.append(Problem("error", "files", text))
        other = [h for h in headers if h.units.get(name, units) != units]
        if other:
            text = (
                f"variable '{name}' is in '{units}' in {first.path.name}, but in "
                f"'{other[0].units[name]}' in {other[0].path.name}"
            )
            problems.append(Problem("warning", "units", text))
    return problems


def _same_run(header: GridHeader, other: GridHeader) -> bool:
    """Whether two CMIP files are of one run, or two files of one series."""
    if other.origin.product not in (CMIP5, CMIP6):
        return header.series == other.series
    keys = ("source", "experiment", "member", "grid")
    one, two = header.origin.identity, other.origin.identity
    is_static = "fx" in (one.get("table"), one.get("frequency"))
    return header.origin.product == other.origin.product and all(
        one.get(key) == two.get(key) for key in (keys[:1] if is_static else keys)
    )


def _frequencies(run: Sequence[GridHeader]) -> dict[str, dict[Path, str]]:
    """Frequency of the files of every variable of a run."""
    found: dict[str, dict[Path, str]] = {}
    for header in run:
        told = header.origin.identity
        if "variable" in told:
            found.setdefault(told["variable"], {})[header.path] = told.get("frequency", "")
    return found


def _levels(
    dataset: xr.Dataset, main: str | None, names: Mapping[str, str]
) -> tuple[dict[str, LevelReport], list[Problem]]:
    """Levels of every known variable that has some, and what is odd about them."""
    reports: dict[str, LevelReport] = {}
    problems: list[Problem] = []
    for name in dict.fromkeys([*([main] if main is not None else []), *names]):
        report, odd, _ = describe_levels(dataset, name)
        if report is not None:
            reports[name] = report
            problems += odd
    return reports, problems


def _further_entries(dataset: xr.Dataset, main: str | None) -> dict[str, str]:
    """First entry of the dimensions that are neither time, level nor horizontal."""
    if main is None:
        return {}
    roles: tuple[Role, ...] = ("time", "vertical", "latitude", "longitude")
    axes = [find_coordinate(dataset, main, role) for role in roles]
    known = {d for axis in axes if axis is not None for d in dimensions_of(dataset, axis)}
    return {
        str(d): str(dataset[d].values[0]) if d in dataset.coords else "0"
        for d in dataset[main].dims
        if d not in known and dataset.sizes[d] > 1
    }
