"""Latitude and longitude of any file in one order, with the bounds of the cells.

Latitude ascends in degrees north, longitude ascends in [-180, 180) degrees east, a repeated
meridian is dropped. Bounds are those of the file where they fit its centres, otherwise those of
`co2net_phys.data.cells`, the rule by which areas are counted everywhere. The edges of a global grid
reach from pole to pole and round the globe.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.cells import latitude_bounds
from co2net_phys.data.coordinates import Role, find_coordinate
from co2net_phys.errors import DataError

Array = NDArray[np.float64]

_SAME_DEGREES = 1e-4
"""Coordinates closer than this many degrees (about 11 m) are the same: float32 rounding."""

_LOOSE_DEGREES = 1e-3
"""Bounds written in float32 agree with their neighbours to this many degrees."""

LATITUDE_ATTRIBUTES = {
    "units": "degrees_north",
    "standard_name": "latitude",
    "axis": "Y",
    "bounds": "latitude_bounds",
}
LONGITUDE_ATTRIBUTES = {
    "units": "degrees_east",
    "standard_name": "longitude",
    "axis": "X",
    "bounds": "longitude_bounds",
}


class _UnfitAxisError(ValueError):
    """What is wrong with an axis, the end of a message that begins with its file."""


@dataclass(frozen=True, eq=False)
class GridAxes:
    """The horizontal grid of a variable, and how to bring its values into the standard order.

    Attributes:
        latitude, longitude: (nlat,), (nlon,) degrees, ascending; longitude in [-180, 180).
        rows, columns: (nlat,), (nlon,) positions of these in the file.
        latitude_bounds, longitude_bounds: (nlat, 2), (nlon, 2) degrees, ascending; a longitude
            cell that holds the dateline ends beyond 180 or starts before -180.
        is_global: whether the cells cover the whole sphere.
    """

    latitude: Array
    longitude: Array
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    latitude_bounds: Array
    longitude_bounds: Array
    is_global: bool
    description: str = field(default="")

    def same_places(self, other: "GridAxes") -> bool:
        """Whether both grids have the same centres."""
        return self is other or (
            self.latitude.shape == other.latitude.shape
            and self.longitude.shape == other.longitude.shape
            and bool(np.allclose(self.latitude, other.latitude, rtol=0, atol=_SAME_DEGREES))
            and bool(np.allclose(self.longitude, other.longitude, rtol=0, atol=_SAME_DEGREES))
        )

    @property
    def coordinates(self) -> dict[str, xr.Variable]:
        """`latitude`, `longitude` and their bounds, as coordinates of a Dataset."""
        return {
            "latitude": xr.Variable("latitude", self.latitude, LATITUDE_ATTRIBUTES),
            "longitude": xr.Variable("longitude", self.longitude, LONGITUDE_ATTRIBUTES),
            "latitude_bounds": xr.Variable(("latitude", "bnds"), self.latitude_bounds),
            "longitude_bounds": xr.Variable(("longitude", "bnds"), self.longitude_bounds),
        }


def grid_axes(
    dataset: xr.Dataset, variable: Hashable, where: str
) -> tuple[GridAxes, Hashable, Hashable]:
    """Return the grid of a variable and the names of its dimensions along and across meridians.

    Files on the same grid get the same object, so that a long series stays small.

    Args:
        dataset: an open file.
        variable: name of a variable on a latitude-longitude grid, dimensions in any order.
        where: ``"<file>: variable '<name>'"``.

    Raises:
        DataError: another kind of grid, or coordinates that are missing, repeated, unsorted,
            swapped or out of range.
    """
    latitude = _axis_name(dataset, variable, "latitude", where)
    longitude = _axis_name(dataset, variable, "longitude", where)
    (row_dimension,) = dataset[latitude].dims
    (column_dimension,) = dataset[longitude].dims
    if row_dimension == column_dimension:
        raise DataError(
            f"{where} is on an unstructured grid (dimension '{row_dimension}'), not on a "
            "latitude-longitude grid; regrid it to latitude-longitude first"
        )
    try:
        axes = _normalised(
            _numbers(dataset[latitude].values, "latitudes"),
            _numbers(dataset[longitude].values, "longitudes"),
            _bounds_of(dataset, latitude),
            _bounds_of(dataset, longitude),
        )
    except _UnfitAxisError as error:
        raise DataError(f"{where} {error}") from error
    return axes, row_dimension, column_dimension


def _axis_name(dataset: xr.Dataset, variable: Hashable, role: Role, where: str) -> Hashable:
    """Return the name of a one-dimensional coordinate of the variable."""
    name = find_coordinate(dataset, variable, role)
    remedy = "regrid it to latitude-longitude first"
    if name is None:
        _refuse_unfit_values(dataset, variable, role, where)
        dimensions = ", ".join(map(str, dataset[variable].dims)) or "none"
        raise DataError(
            f"{where} is not on a latitude-longitude grid (dimensions {dimensions}; no {role}); "
            f"{remedy}"
        )
    if dataset[name].ndim == 0:
        raise DataError(f"{where} has a single {role}, so it is no map; give a gridded file")
    if dataset[name].ndim > 1:
        raise DataError(
            f"{where} is on a curvilinear or projected grid (two-dimensional {role}); {remedy}"
        )
    return name


def _refuse_unfit_values(dataset: xr.Dataset, variable: Hashable, role: Role, where: str) -> None:
    """Raise if a coordinate has the right name, but values that keep it from being one."""
    for name in dataset[variable].coords:
        values = dataset[name].values
        if str(name).lower() not in (role, role[:3]) or values.size == 0:
            continue
        if not np.issubdtype(values.dtype, np.number):
            raise DataError(f"{where} has {role}s that are not numbers; correct the coordinate")
        raise DataError(
            f"{where} has {role}s up to {np.nanmax(np.abs(values)):g} degrees; correct the "
            "coordinate (are latitude and longitude swapped?)"
        )


def _numbers(values: NDArray[Any], kind: str) -> tuple[float, ...]:
    try:
        return tuple(np.asarray(values, dtype=np.float64).tolist())
    except (TypeError, ValueError) as error:
        raise _UnfitAxisError(f"has {kind} that are not numbers; correct the coordinate") from error


def _bounds_of(dataset: xr.Dataset, name: Hashable) -> tuple[float, ...]:
    """Return the file's bounds of a coordinate, flattened; empty where it has none."""
    bounds = str(dataset[name].attrs.get("bounds", ""))
    if bounds not in dataset.variables or dataset[bounds].shape != (dataset[name].size, 2):
        return ()
    return tuple(np.asarray(dataset[bounds].values, dtype=np.float64).ravel().tolist())


@lru_cache(maxsize=64)  # the files of a series share one grid
def _normalised(
    latitude: tuple[float, ...],
    longitude: tuple[float, ...],
    latitude_bounds: tuple[float, ...],
    longitude_bounds: tuple[float, ...],
) -> GridAxes:
    rows, north = _ordered_latitude(np.array(latitude))
    columns, east = _ordered_longitude(np.array(longitude))
    reaches_poles = _reaches_poles(north)
    goes_round = _goes_round(east)
    north_bounds = _latitude_bounds(np.array(latitude_bounds), rows, north, reaches_poles)
    east_bounds = _longitude_bounds(np.array(longitude_bounds), columns, east, goes_round)
    ends = f"{north[0]:g} to {north[-1]:g} north, {east[0]:g} to {east[-1]:g} east"
    return GridAxes(
        *(north, east, rows, columns, north_bounds, east_bounds),
        is_global=reaches_poles and goes_round,
        description=f"{north.size} x {east.size} ({ends})",
    )


def _ordered_latitude(latitude: Array) -> tuple[NDArray[np.intp], Array]:
    """Return the rows that make latitude ascend, and the ordered latitudes."""
    _require_finite(latitude, "latitudes")
    if np.abs(latitude).max() > 90.0 + _SAME_DEGREES:
        raise _UnfitAxisError(
            f"has latitudes up to {np.abs(latitude).max():g} degrees, beyond 90; correct the "
            "coordinate (are latitude and longitude swapped?)"
        )
    steps = np.diff(latitude)
    if np.any(steps == 0):
        raise _UnfitAxisError("has a repeated latitude; drop the second row")
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise _UnfitAxisError("has latitudes that are not monotonic; sort the file by latitude")
    order = np.argsort(latitude)
    return order, np.clip(latitude[order], -90.0, 90.0)


def _ordered_longitude(longitude: Array) -> tuple[NDArray[np.intp], Array]:
    """Return the columns that make longitude ascend in [-180, 180), each meridian once."""
    _require_finite(longitude, "longitudes")
    if np.abs(longitude).max() > 540.0:
        raise _UnfitAxisError(
            f"has longitudes up to {np.abs(longitude).max():g}, which are no degrees; correct the "
            "coordinate"
        )
    # Adding and taking off 180 would cost digits of the many longitudes that are right already.
    wrapped = np.where(np.abs(longitude) <= 180.0, longitude, np.mod(longitude + 180, 360) - 180)
    wrapped[wrapped > 180.0 - _SAME_DEGREES] = -180.0
    order = np.argsort(wrapped, kind="stable")
    is_new = np.concatenate(([True], np.diff(wrapped[order]) > _SAME_DEGREES))
    order = order[is_new]
    return order, wrapped[order]


def _require_finite(degrees: Array, kind: str) -> None:
    if degrees.size < 2:
        raise _UnfitAxisError(f"has {degrees.size} {kind}, so it is no map; give a gridded file")
    if not np.isfinite(degrees).all():
        raise _UnfitAxisError(f"has missing {kind}; correct the coordinate")


def _reaches_poles(latitude: Array) -> bool:
    """Tell whether the rows reach both poles: Gaussian grids stop about one spacing short."""
    reach = 1.5 * float(np.diff(latitude).max()) + 0.01
    return bool(latitude[-1] + reach >= 90.0 and latitude[0] - reach <= -90.0)


def _goes_round(longitude: Array) -> bool:
    gaps = np.diff(longitude, append=longitude[0] + 360.0)
    return bool(gaps.max() < 1.5 * np.median(gaps))


def _latitude_edges(latitude: Array, reaches_poles: bool) -> Array:
    """Return the bounds (nlat, 2) of rows that carry none."""
    edges = latitude_bounds(latitude)
    if reaches_poles:
        edges[[0, -1]] = -90.0, 90.0
    return np.stack([edges[:-1], edges[1:]], axis=1)


def _longitude_edges(longitude: Array) -> Array:
    """Return the bounds (nlon, 2) of columns that carry none."""
    gaps = np.diff(longitude, append=longitude[0] + 360.0)
    regular = 1.5 * np.median(gaps)
    # At the edge of a region the neighbour is far away: the cell is as wide as on its other side.
    right = np.where(gaps < regular, gaps, np.roll(gaps, 1))
    left = np.where(np.roll(gaps, 1) < regular, np.roll(gaps, 1), gaps)
    edges = np.stack([longitude - left / 2, longitude + right / 2], axis=1)
    if gaps.max() < regular:
        edges[-1, 1] = edges[0, 0] + 360.0  # exactly once round
        edges[1:, 0] = edges[:-1, 1]
    return edges


def _latitude_bounds(
    given: Array, rows: NDArray[np.intp], latitude: Array, reaches_poles: bool
) -> Array:
    """Return the file's bounds of the rows in standard order, or computed ones."""
    computed = _latitude_edges(latitude, reaches_poles)
    if given.size == 0:
        return computed
    bounds = np.clip(np.sort(given.reshape(-1, 2)[rows], axis=1), -90.0, 90.0)
    whole = np.abs(bounds[[0, -1], [0, 1]]) > 90.0 - _LOOSE_DEGREES
    if (reaches_poles and not whole.all()) or not _fit(bounds, latitude, computed):
        return computed
    if reaches_poles:
        bounds[[0, -1], [0, 1]] = -90.0, 90.0
    return _joined(bounds, computed)


def _longitude_bounds(
    given: Array, columns: NDArray[np.intp], longitude: Array, goes_round: bool
) -> Array:
    """Return the file's bounds of the columns in standard order, or computed ones."""
    computed = _longitude_edges(longitude)
    if given.size == 0:
        return computed
    # A cell on the dateline may be written as (178.5, -178.5): unwrap about the centre.
    offset = given.reshape(-1, 2)[columns] - longitude[:, None]
    bounds = np.sort(longitude[:, None] + np.mod(offset + 180.0, 360.0) - 180.0, axis=1)
    once_round = abs(bounds[-1, 1] - bounds[0, 0] - 360.0) < _LOOSE_DEGREES
    if (goes_round and not once_round) or not _fit(bounds, longitude, computed):
        return computed
    if goes_round:
        bounds[-1, 1] = bounds[0, 0] + 360.0
    return _joined(bounds, computed)


def _fit(bounds: Array, centres: Array, computed: Array) -> bool:
    """Tell whether cells hold their centres and meet wherever the computed ones do."""
    outside = np.maximum(bounds[:, 0] - centres, centres - bounds[:, 1])
    apart = np.abs(bounds[1:, 0] - bounds[:-1, 1])[_meet(computed)]
    return bool(np.all(outside < _LOOSE_DEGREES) and np.all(apart < _LOOSE_DEGREES))


def _joined(bounds: Array, computed: Array) -> Array:
    """Make neighbouring cells share one edge exactly."""
    bounds[1:, 0] = np.where(_meet(computed), bounds[:-1, 1], bounds[1:, 0])
    return bounds


def _meet(computed: Array) -> NDArray[np.bool_]:
    """Tell which of the neighbouring cells touch: not those across a hole of a region."""
    return np.abs(computed[1:, 0] - computed[:-1, 1]) < _LOOSE_DEGREES
