"""Series of different variables as one Dataset: one grid, one calendar, the times all have."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import shown_time
from co2net_phys.errors import DataError
from co2net_phys.products.times import calendar_of, is_monthly, months_of, seconds_of

_logger = logging.getLogger(__name__)

_SAME_DEGREES = 1e-3

Parts = Mapping[str, tuple[Path, xr.Dataset]]
"""Series by the name of their variable, each with its first file."""


def merged(parts: Parts) -> xr.Dataset:
    """Return all variables on the times that all of them have; the first part gives the times.

    Monthly series match by their months, whatever the day; others to the second.

    Raises:
        DataError: naming two files: other grids or calendars, or no time in common.
    """
    _refuse_other_grids(parts)
    dated = {name: part for name, part in parts.items() if "time" in part[1].dims}
    _refuse_other_calendars(dated)
    places = _common_places(dated) if dated else {}
    (_, (_, result)), *_ = (dated or parts).items()
    if dated:
        result = result.isel(time=places[next(iter(dated))])
    for name, (_, part) in parts.items():
        chosen = part.isel(time=places[name]) if name in places else part
        result = result.assign({key: array.variable for key, array in chosen.data_vars.items()})
    return result


def _refuse_other_grids(parts: Parts) -> None:
    (one, (path, first)), *others = parts.items()
    for name, (other_path, part) in others:
        for axis in ("latitude", "longitude"):
            here, there = part[axis].values, first[axis].values
            if here.shape != there.shape or np.abs(here - there).max() > _SAME_DEGREES:
                raise DataError(
                    f"{other_path}: variable '{name}' has another {axis} than '{one}' in {path} "
                    "(a staggered grid?); read it by itself"
                )


def _refuse_other_calendars(parts: Parts) -> None:
    found = {path: calendar_of(part["time"].values) for path, part in parts.values()}
    for path, calendar in found.items():
        first, usual = next(iter(found.items()))
        if calendar != usual:
            raise DataError(
                f"{path}: time is in the calendar '{calendar}', but in {first} in '{usual}'; give "
                "files of one calendar"
            )


def _common_places(parts: Parts) -> dict[str, Any]:
    """Return which times of each variable all others have too."""
    times = {name: part["time"].values for name, (_, part) in parts.items()}
    monthly = all(is_monthly(values) for values in times.values())
    keys = {name: (months_of if monthly else seconds_of)(values) for name, values in times.items()}
    one = next(iter(keys))
    common = keys[one]
    for name, numbers in keys.items():
        shared = np.intersect1d(common, numbers)
        if shared.size == 0:
            raise DataError(
                f"{parts[name][0]}: variable '{name}' ({_span(times[name])}) has no time in common "
                f"with '{one}' ({_span(times[one])}); give files of the same times"
            )
        common = shared
    for name, numbers in keys.items():
        if len(numbers) > len(common):
            _logger.warning(
                "%s: %d of %d times of '%s' are left out, since other variables lack them",
                *(parts[name][0], len(numbers) - len(common), len(numbers), name),
            )
    return {name: _as_slice(np.searchsorted(numbers, common)) for name, numbers in keys.items()}


def _as_slice(places: NDArray[np.intp]) -> Any:
    """Return neighbouring places as a slice, which keeps the blocks of the series."""
    whole = bool(np.all(np.diff(places) == 1))
    return slice(int(places[0]), int(places[-1]) + 1) if whole else places


def _span(times: NDArray[Any]) -> str:
    return f"{shown_time(times[0])} to {shown_time(times[-1])}"
