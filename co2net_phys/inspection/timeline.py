"""The times of one file, and of all files of a series together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import find_coordinate, shown_time
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.errors import DataError
from co2net_phys.inspection.report import Problem, TimeReport
from co2net_phys.products.times import (
    TimeAxis,
    is_monthly,
    seconds_of,
    shown_step,
    time_axis,
    time_gaps,
)

_NAMED_PERIOD = re.compile(r"_(\d{4,12})-(\d{4,12})(?=[_.])")
_MOST_FILES_NAMED = 3

Times = Mapping[Path, TimeAxis | None]


def times_of(
    dataset: xr.Dataset, variable: str, path: Path
) -> tuple[TimeAxis | None, list[Problem]]:
    """The times of a variable of an open file, and what is odd about them."""
    where = f"{path}: variable '{variable}'"
    try:
        with explained_reading_errors(path):
            axis = time_axis(dataset, variable, where)
            name = find_coordinate(dataset, variable, "time")
            bounds = [] if axis is None else _outside_bounds(dataset, axis)
    except DataError as error:
        return None, [Problem("error", "time", str(error).removeprefix(f"{path}: "))]
    if axis is None and name is None:
        return None, []
    if axis is None:
        text = f"the only entry of '{name}' has no CF units: the file counts as one without time"
        return None, [Problem("warning", "time", text)]
    problems = bounds + _named_otherwise(axis, path)
    if axis.dimension is None:
        text = "the time is a scalar, not a dimension: the file is one record"
        problems.append(Problem("note", "time", text))
    return axis, problems


def timeline(times: Times) -> tuple[TimeReport | None, list[Problem]]:
    """All times of a series in one order, and what is odd about them."""
    dated = {path: axis for path, axis in times.items() if axis is not None and len(axis.values)}
    if not dated:
        return None, []
    problems = _mixed(times, dated)
    calendar = next(iter(dated.values())).calendar
    axes = [axis for axis in dated.values() if axis.calendar == calendar]
    seconds = np.concatenate([axis.seconds for axis in axes])
    values = np.concatenate([axis.values for axis in axes])
    _, first_of_kind = np.unique(seconds, return_index=True)
    ordered = values[first_of_kind]
    duplicates = int(seconds.size - first_of_kind.size)
    disordered = [path for path, axis in dated.items() if np.any(np.diff(axis.seconds) < 0)]
    gaps = time_gaps(ordered)
    step = float(np.median(np.diff(seconds[first_of_kind]))) if len(ordered) > 1 else None
    problems += _series_problems(ordered, calendar, gaps, duplicates, disordered)
    return TimeReport(
        calendar,
        shown_time(ordered[0]),
        shown_time(ordered[-1]),
        len(ordered),
        step,
        "" if step is None else shown_step(step),
        tuple(map(str, gaps)),
        sum(gap.missing for gap in gaps),
        duplicates,
        len(disordered),
    ), problems


def _series_problems(
    ordered: NDArray[Any],
    calendar: str,
    gaps: Sequence[Any],
    duplicates: int,
    disordered: Sequence[Path],
) -> list[Problem]:
    problems = []
    if calendar != "standard":
        text = f"the calendar is '{calendar}': it is kept, and dates are never moved to another"
        problems.append(Problem("note", "time", text))
    if duplicates:
        text = f"{duplicates} times are there more than once: allowed only with equal values"
        problems.append(Problem("warning", "time", text))
    if disordered:
        text = f"times do not ascend in {_named(disordered)}: the readers sort them"
        problems.append(Problem("warning", "time", text))
    if gaps:
        missing = sum(gap.missing for gap in gaps)
        kind = "months" if is_monthly(ordered) else "times"
        places = f"{len(gaps)} gaps" if len(gaps) > 1 else "one gap"
        text = f"{missing} {kind} are missing in {places}: windows never cross them"
        problems.append(Problem("warning", "time", text))
    return problems


def _mixed(times: Times, dated: Mapping[Path, TimeAxis]) -> list[Problem]:
    """Files that differ in calendar or step, or have no time."""
    problems = []
    calendars: dict[str, Path] = {}
    for path, axis in dated.items():
        calendars.setdefault(axis.calendar, path)
    if len(calendars) > 1:
        shown = ", ".join(f"'{name}' ({path.name})" for name, path in sorted(calendars.items()))
        text = f"the files mix calendars: {shown}; give files of one calendar"
        problems.append(Problem("error", "time", text))
    without = [path for path, axis in times.items() if axis is None]
    if without:
        text = f"{_named(without)} without times among files that have them; leave them out"
        problems.append(Problem("error", "time", text))
    steps = {
        path: float(np.median(np.abs(np.diff(axis.seconds))))
        for path, axis in dated.items()
        if len(axis.values) > 1
    }
    positive = {path: step for path, step in steps.items() if step > 0}
    if positive and max(positive.values()) > 1.25 * min(positive.values()):
        low, high = (pick(positive, key=lambda p: positive[p]) for pick in (min, max))
        text = (
            f"the files differ in time step: {shown_step(steps[low])} in {low.name}, "
            f"{shown_step(steps[high])} in {high.name}; give files of one step"
        )
        problems.append(Problem("error", "time", text))
    return problems


def _outside_bounds(dataset: xr.Dataset, axis: TimeAxis) -> list[Problem]:
    """Times that do not lie within their own bounds."""
    if axis.dimension is None or axis.dimension not in dataset.variables:
        return []
    bounds = dataset.get(str(dataset[axis.dimension].attrs.get("bounds", "")))
    if bounds is None or bounds.shape != (len(axis.values), 2) or bounds.dtype.kind not in "MO":
        return []
    first, last = seconds_of(bounds.values[:, 0]), seconds_of(bounds.values[:, 1])
    count = int(np.count_nonzero((axis.seconds < first) | (axis.seconds > last)))
    text = f"{count} times lie outside their own bounds; they are kept as they are"
    return [Problem("warning", "time", text)] if count else []


def _named_otherwise(axis: TimeAxis, path: Path) -> list[Problem]:
    """Times that the name of the file excludes, as in CMIP: ``…_200701-200712.nc``."""
    period = _NAMED_PERIOD.search(path.name)
    if period is None:
        return []
    months = sorted(shown_time(value)[:7].replace("-", "") for value in axis.values[[0, -1]])
    named = [text[:6] for text in period.groups()]
    if all(have.startswith(text) for have, text in zip(months, named, strict=True)):
        return []
    text = (
        f"the times run from {shown_time(axis.values[0])} to {shown_time(axis.values[-1])}, but "
        f"the name of {path.name} says {period[1]} to {period[2]}; the times count"
    )
    return [Problem("warning", "time", text)]


def _named(paths: Sequence[Path]) -> str:
    shown = ", ".join(path.name for path in paths[:_MOST_FILES_NAMED])
    more = len(paths) - _MOST_FILES_NAMED
    return shown + (f" and {more} more files" if more > 0 else "")
