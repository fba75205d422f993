"""Choose one entry along the vertical, the time and any further dimension of a variable."""

import logging
from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import shown_time
from co2net_phys.errors import DataError

_logger = logging.getLogger(__name__)

_RELATIVE_TOLERANCE = 1e-3
"""A level this close to the asked one is the asked one (rounded or float32 coordinates)."""

_MOST_LEVELS_SHOWN = 40


def select_level(
    field: xr.DataArray, vertical: Hashable | None, level: float | None, where: str
) -> tuple[xr.DataArray, str]:
    """Return the field at one level, and the level in words (``"level = 850 millibars"``).

    Args:
        field: any variable.
        vertical: name of its vertical coordinate, None if it has none.
        level: value in the coordinate's own units; may be None with a single level.
        where: ``"<file>: variable '<name>'"``.

    Raises:
        DataError: several levels and none asked for, or the asked level is absent.
    """
    if vertical is None:
        if level is not None:
            raise DataError(f"{where} has no vertical dimension; drop --level")
        return field, ""
    if vertical not in field.coords:
        field = field.assign_coords({vertical: (vertical, np.arange(field.sizes[vertical]))})
    coordinate = field[vertical]
    levels = np.atleast_1d(np.asarray(coordinate.values, dtype=np.float64))
    unit = str(coordinate.attrs.get("units", ""))
    index = _level_index(levels, level, str(vertical), unit, where)
    description = f"{vertical} = {levels[index]:g} {unit}".rstrip()
    if coordinate.ndim:
        field = field.isel({coordinate.dims[0]: index})
    return field, description


def select_time(field: xr.DataArray, time: str | None, where: str) -> xr.DataArray:
    """Return the one record at ``time`` (ISO text), or the field unchanged for None.

    Raises:
        DataError: no record, or more than one, matches ``time``.
    """
    if time is None:
        return field
    if "time" not in field.dims:
        raise DataError(f"{where} has no time dimension to choose '{time}' from; drop the time")
    first, last = map(shown_time, field["time"].values[[0, -1]])
    try:
        chosen = field.sel(time=time)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{where} has no record at '{time}'; its times go from {first} to {last}"
        ) from error
    if chosen.sizes.get("time", 1) != 1:
        raise DataError(
            f"{where} has {chosen.sizes['time']} records at '{time}'; give one full time between "
            f"{first} and {last}"
        )
    return chosen.squeeze("time") if "time" in chosen.dims else chosen


def select_entries(field: xr.DataArray, select: Mapping[str, str], where: str) -> xr.DataArray:
    """Reduce every dimension other than time, latitude and longitude to one entry.

    A dimension that ``select`` does not name gives its first entry, with a warning.

    Raises:
        DataError: ``select`` names an unknown dimension or entry.
    """
    others = [name for name in field.dims if name not in ("time", "latitude", "longitude")]
    unknown = sorted(set(select) - set(map(str, others)))
    if unknown:
        choice = ", ".join(map(str, others)) or "none"
        raise DataError(
            f"{where} has no dimension '{unknown[0]}' to select from; it can be one of: {choice}"
        )
    for name in others:
        index = _entry_index(field, name, select.get(str(name)), where)
        field = field.isel({name: index})
    return field


def _level_index(
    levels: NDArray[np.float64], level: float | None, name: str, unit: str, where: str
) -> int:
    """Return the index of ``level`` among ``levels``, or raise listing them."""
    hidden = levels.size - _MOST_LEVELS_SHOWN
    shown = ", ".join(f"{value:g}" for value in levels[:_MOST_LEVELS_SHOWN])
    more = f" and {hidden} more" if hidden > 0 else ""
    remedy = f"choose one with --level: {shown}{more} {unit}".rstrip()
    if level is None:
        if levels.size > 1:
            raise DataError(f"{where} has {levels.size} levels on '{name}'; {remedy}")
        return 0
    distance = np.abs(levels - level)
    index = int(np.argmin(distance))
    if distance[index] > _RELATIVE_TOLERANCE * max(abs(level), 1e-6):
        raise DataError(f"{where} has no level {level:g} on '{name}'; {remedy}")
    return index


def _entry_index(field: xr.DataArray, name: Hashable, wanted: str | None, where: str) -> int:
    """Return the index of the ``wanted`` entry of a dimension; the first one for None."""
    has_labels = name in field.coords
    entries = field[name].values if has_labels else np.arange(field.sizes[name])
    shown = ", ".join(str(entry) for entry in entries[:12])
    if wanted is None:
        if len(entries) > 1:
            _logger.warning(
                "%s has the dimension '%s' with %d entries (%s): using the first, %s=%s; "
                "choose another with --select %s=<entry>",
                *(where, name, len(entries), shown, name, entries[0], name),
            )
        return 0
    matches = [index for index, entry in enumerate(entries) if _is_same(entry, wanted)]
    if not matches:
        raise DataError(f"{where} has no {name}={wanted}; --select {name}= one of: {shown}")
    return matches[0]


def _is_same(entry: object, wanted: str) -> bool:
    """Compare a coordinate value with the text of an option, as numbers where both are."""
    try:
        return bool(np.isclose(float(entry), float(wanted)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(entry) == wanted
