"""Time axes of files: exact to the second, in one calendar, with what is missing in between."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import find_coordinate, is_time_like, shown_time
from co2net_phys.errors import DataError

_EPOCH = "seconds since 1970-01-01"
_DAY = 86400
_MONTH_DAYS = (27.5, 31.5)
_SAME_CALENDAR = {"gregorian": "standard", "proleptic_gregorian": "standard"}


@dataclass(frozen=True)
class TimeAxis:
    """The times of one file.

    Attributes:
        values: (n,) datetime64[ns] or cftime, in the order of the file, whole seconds.
        seconds: (n,) int64, seconds since 1970-01-01 in the calendar of the values.
        calendar: "standard", "noleap", "360_day", …
        dimension: name in the file; None for a scalar time.
    """

    values: NDArray[Any]
    seconds: NDArray[np.int64]
    calendar: str
    dimension: Hashable | None


@dataclass(frozen=True)
class Gap:
    """Times that a series leaves out.

    Attributes:
        after, before: the times on both sides, ISO text.
        missing: how many steps are missing.
    """

    after: str
    before: str
    missing: int

    def __str__(self) -> str:
        return f"{self.missing} missing between {self.after} and {self.before}"


def time_axis(dataset: xr.Dataset, variable: Hashable, where: str) -> TimeAxis | None:
    """Return the times of a variable, None where it has no time or one that says nothing.

    A single record whose time has no CF units (a climatology) counts as having none.

    Args:
        dataset: an open file, times decoded by xarray where it can.
        variable: name of the variable.
        where: ``"<file>: variable '<name>'"``.

    Raises:
        DataError: a record without time, or several records whose times cannot be read.
    """
    name = find_coordinate(dataset, variable, "time")
    if name is None:
        return None
    if name not in dataset.variables:
        if dataset.sizes[name] == 1:
            return None
        raise DataError(
            f"{where} has the dimension '{name}' without any times; give it a coordinate with CF "
            "units such as 'hours since 2000-01-01'"
        )
    coordinate = dataset[name]
    values = np.atleast_1d(np.asarray(coordinate.values))
    dimension = coordinate.dims[0] if coordinate.ndim else None
    if values.size == 0:
        raise DataError(f"{where} has no record (its time axis is empty); leave this file out")
    if not is_time_like(coordinate):
        if not _is_text(values):
            if values.size == 1:
                return None
            raise DataError(
                f"{where} has a time axis without CF units; give it units such as "
                "'hours since 2000-01-01'"
            )
        values = _parsed(values, where)
    return checked_times(values, dimension, where)


def time_gaps(times: NDArray[Any]) -> tuple[Gap, ...]:
    """Return what is missing in an ascending series (n,) of datetime64 or cftime values.

    The step is the median one; steps of about a month are counted on the calendar. Fewer than
    three times tell no step, hence no gap.
    """
    if len(times) < 3:
        return ()
    seconds = seconds_of(times)
    steps = np.diff(seconds)
    step = float(np.median(steps))
    if is_monthly(times):
        missing = np.diff(months_of(times)) - 1
    else:
        missing = np.where(steps > 1.5 * step, np.rint(steps / step).astype(np.int64) - 1, 0)
    return tuple(
        Gap(shown_time(times[place]), shown_time(times[place + 1]), int(missing[place]))
        for place in np.flatnonzero(missing > 0)
    )


def is_monthly(times: NDArray[Any]) -> bool:
    """Whether the median step of two or more times is about a month."""
    if len(times) < 2:
        return False
    days = float(np.median(np.diff(seconds_of(times)))) / _DAY
    return _MONTH_DAYS[0] < days < _MONTH_DAYS[1]


def shown_step(seconds: float) -> str:
    """Return a time step in words: ``"3 h"``, ``"1 d"``."""
    if _MONTH_DAYS[0] < seconds / _DAY < _MONTH_DAYS[1]:
        return "1 month"
    return f"{seconds / _DAY:g} d" if seconds >= _DAY else f"{seconds / 3600:g} h"


def seconds_of(times: NDArray[Any]) -> NDArray[np.int64]:
    """Return seconds since 1970-01-01 (n,) of datetime64 or cftime values, in their calendar."""
    if np.issubdtype(times.dtype, np.datetime64):
        return np.asarray(times.astype("datetime64[s]").astype(np.int64))
    numbers = cftime.date2num(times, _EPOCH, calendar=times[0].calendar)
    return np.asarray(np.rint(numbers), dtype=np.int64)


def months_of(times: NDArray[Any]) -> NDArray[np.int64]:
    """Return months since January of year 0 (n,) of datetime64 or cftime values."""
    if np.issubdtype(times.dtype, np.datetime64):
        return np.asarray(times.astype("datetime64[M]").astype(np.int64) + 12 * 1970)
    return np.array([moment.year * 12 + moment.month - 1 for moment in times], dtype=np.int64)


def checked_times(values: NDArray[Any], dimension: Hashable | None, where: str) -> TimeAxis:
    """Return times to whole seconds.

    Raises:
        DataError: a record has no time.
    """
    if np.issubdtype(values.dtype, np.datetime64):
        absent = np.flatnonzero(np.isnat(values))
    else:
        absent = np.flatnonzero([not hasattr(value, "calendar") for value in values])
    if absent.size:
        raise DataError(
            f"{where} has no time for {absent.size} of {values.size} records (the first is record "
            f"{absent[0] + 1}); correct the time axis, or drop these records"
        )
    if np.issubdtype(values.dtype, np.datetime64):
        half = np.timedelta64(500_000_000, "ns")
        exact = (values.astype("datetime64[ns]") + half).astype("datetime64[s]")
        values = exact.astype("datetime64[ns]")
    else:
        values = np.array([_whole_second(value) for value in values], dtype=object)
    return TimeAxis(values, seconds_of(values), calendar_of(values), dimension)


def calendar_of(times: NDArray[Any]) -> str:
    """Return "standard" for datetime64 (n,), else the calendar of cftime values."""
    if np.issubdtype(times.dtype, np.datetime64):
        return "standard"
    calendar = str(times[0].calendar)
    return _SAME_CALENDAR.get(calendar, calendar)


def _whole_second(moment: Any) -> Any:
    """Return a cftime value to the nearest second."""
    return (moment + timedelta(microseconds=500_000)).replace(microsecond=0)


def _is_text(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "US" or (
        values.dtype == object and all(isinstance(value, str | bytes) for value in values)
    )


def _parsed(values: NDArray[Any], where: str) -> NDArray[np.datetime64]:
    """Return times written as ISO 8601 text; a trailing Z means UTC, as everywhere here."""
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    try:
        return np.array([text.strip().removesuffix("Z") for text in texts], dtype="datetime64[ns]")
    except ValueError as error:
        raise DataError(
            f"{where} has times in a text that is not ISO 8601 ('{texts[0]}'); give numbers with "
            "CF units such as 'hours since 2000-01-01'"
        ) from error
