"""Find the latitude, longitude, time and vertical coordinates of a variable by CF attributes.

The attribute criteria are those of cf_xarray; common names are the fallback for bare files.
"""

from collections.abc import Hashable
from typing import Any, Literal

import numpy as np
import xarray as xr
from cf_xarray.criteria import coordinate_criteria

Role = Literal["latitude", "longitude", "time", "vertical"]
"""What a coordinate stands for."""

_CRITERIA: dict[Role, tuple[str, ...]] = {
    "latitude": ("latitude",),
    "longitude": ("longitude",),
    "time": ("time", "T"),
    "vertical": ("vertical", "Z"),
}

_COMMON_NAMES: dict[Role, frozenset[str]] = {
    "latitude": frozenset({"lat", "latitude", "lats", "nav_lat", "xlat", "y"}),
    "longitude": frozenset({"lon", "longitude", "lons", "long", "nav_lon", "xlong", "x"}),
    "time": frozenset({"time", "times", "valid_time", "date", "t"}),
    "vertical": frozenset(
        {
            *("level", "levels", "lev", "lev1", "lev2", "plev", "pressure", "pressure_level"),
            *("isobaric", "isobaricinhpa", "isobaricinpa", "height", "altitude", "hybrid", "z"),
            *("model_level", "bottom_top", "sigma", "ilev"),
        }
    ),
}


def find_coordinate(dataset: xr.Dataset, variable: Hashable, role: Role) -> Hashable | None:
    """Return the name of the coordinate with ``role`` for ``variable``, or None.

    Attributes (standard_name, units, axis, positive) go before names, and among equals a
    one-dimensional coordinate goes before a two-dimensional one.
    """
    dimensions = set(dataset[variable].dims)
    nearby = [
        name
        for name in dataset.variables
        if name != variable
        and set(dataset[name].dims) <= dimensions
        and dataset[name].ndim <= (1 if role in ("time", "vertical") else 2)
    ]
    by_attribute = [name for name in nearby if _has_attributes_of(dataset[name], role)]
    by_name = [name for name in nearby if _is_named_like(dataset[name], name, role)]
    bare = [name for name in dimensions if str(name).lower() in _COMMON_NAMES[role]]
    for group in (by_attribute, by_name):
        if group:
            return min(group, key=lambda name: _remoteness(dataset, name, dimensions))
    return bare[0] if bare and role in ("time", "vertical") else None


def is_time_like(coordinate: xr.DataArray) -> bool:
    """Tell whether the values are datetimes (numpy or cftime)."""
    if np.issubdtype(coordinate.dtype, np.datetime64):
        return True
    if coordinate.dtype != object:
        return False
    first = coordinate.values.ravel()[:1]
    return bool(first.size) and hasattr(first[0], "calendar")


def shown_time(time: Any) -> str:
    """Return a datetime64 or cftime value to the minute, or a plain number as it is."""
    if isinstance(time, np.datetime64):
        return str(np.datetime_as_string(time, unit="m"))
    return str(time.isoformat(timespec="minutes")) if hasattr(time, "isoformat") else str(time)


def _remoteness(
    dataset: xr.Dataset, name: Hashable, dimensions: set[Hashable]
) -> tuple[bool, bool, bool]:
    """Return a sorting key: the smaller, the better ``name`` serves as the coordinate.

    A bare "x" or "y" is usually the index of a two-dimensional grid, hence the last choice.
    """
    return str(name).lower() in ("x", "y"), dataset[name].ndim != 1, name not in dimensions


def _has_attributes_of(coordinate: xr.DataArray, role: Role) -> bool:
    """Tell whether CF attributes (or a datetime type) give the coordinate this role."""
    if role == "time" and is_time_like(coordinate):
        return True
    return any(
        coordinate.attrs.get(attribute) in accepted
        for criterion in _CRITERIA[role]
        for attribute, accepted in coordinate_criteria[criterion].items()
    )


def _is_named_like(coordinate: xr.DataArray, name: Hashable, role: Role) -> bool:
    """Tell whether a bare coordinate has a common name and values that fit the role."""
    if str(name).lower() not in _COMMON_NAMES[role]:
        return False
    if role not in ("latitude", "longitude"):
        return True
    if not np.issubdtype(coordinate.dtype, np.number) or coordinate.size == 0:
        return False
    # "x" and "y" are also metres of a projection: degrees stay within these limits.
    limit = 90.001 if role == "latitude" else 540.0
    return bool(np.nanmax(np.abs(coordinate.values)) <= limit)
