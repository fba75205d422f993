"""Read one variable of any CF NetCDF or Zarr file as a field on a global latitude-longitude grid.

A field comes out with dimensions (time?, latitude, longitude), latitude ascending from south to
north, longitude ascending in [0, 360), whatever the order in the file. Nothing is loaded until a
record is asked for.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import find_coordinate, is_time_like, shown_time
from co2net_phys.data.global_grid import global_latitude_order, global_longitude_order
from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.data.selection import select_entries, select_level, select_time
from co2net_phys.errors import DataError

__all__ = ["LatLonField", "field_from_dataset", "open_dataset", "read_field"]


@dataclass(frozen=True)
class LatLonField:
    """A lazily loaded variable on a global latitude-longitude grid.

    Attributes:
        data: dims (time?, latitude, longitude); latitude ascending in degrees north, longitude
            ascending in [0, 360) degrees east; values in the file's own units (``units``).
        name: the variable's name in the file.
        source: the file or Zarr store.
        level_description: the chosen level, for example ``"level = 850 millibars"``, or ``""``.
    """

    data: xr.DataArray
    name: str
    source: Path
    level_description: str = ""

    @property
    def where(self) -> str:
        """The beginning of an error message: ``"<file>: variable '<name>'"``."""
        return f"{self.source}: variable '{self.name}'"

    @property
    def units(self) -> str:
        """The units attribute as written in the file, ``""`` where there is none."""
        return str(self.data.attrs.get("units", ""))

    @property
    def standard_name(self) -> str:
        """The CF standard name, ``""`` where there is none."""
        return str(self.data.attrs.get("standard_name", ""))

    @cached_property
    def latitude(self) -> NDArray[np.float64]:
        """Degrees north, shape (latitude,), ascending."""
        return np.asarray(self.data["latitude"].values, dtype=np.float64)

    @cached_property
    def longitude(self) -> NDArray[np.float64]:
        """Degrees east in [0, 360), shape (longitude,), ascending."""
        return np.asarray(self.data["longitude"].values, dtype=np.float64)

    @cached_property
    def times(self) -> NDArray[Any] | None:
        """Record times as datetime64 or cftime, shape (time,); None without a time dimension."""
        return np.asarray(self.data["time"].values) if "time" in self.data.dims else None

    @property
    def record_count(self) -> int:
        """Number of records along time; 1 without a time dimension."""
        return int(self.data.sizes.get("time", 1))

    def record(self, index: int = 0) -> NDArray[np.float64]:
        """Load one record as float64, shape (latitude, longitude), in the file's units.

        Raises:
            DataError: the record cannot be read, or holds missing or infinite values.
        """
        chosen = self.data.isel(time=index) if "time" in self.data.dims else self.data
        with explained_reading_errors(self.source):
            values = np.asarray(chosen.compute(scheduler="synchronous").values, dtype=np.float64)
        bad = np.argwhere(~np.isfinite(values))
        if bad.size:
            row, column = bad[0]
            when = "" if self.times is None else f" at {shown_time(self.times[index])}"
            raise DataError(
                f"{self.where} has {len(bad)} missing or infinite values{when} (first at "
                f"latitude {self.latitude[row]:g}, longitude {self.longitude[column]:g}); "
                "fill the gaps before use"
            )
        return values


def read_field(
    path: str | Path,
    variable: str,
    *,
    level: float | None = None,
    time: str | None = None,
    select: Mapping[str, str] | None = None,
) -> LatLonField:
    """Open one variable of ``path`` as a global latitude-longitude field.

    Args:
        path: NetCDF file or Zarr store.
        variable: name of the variable.
        level: value of the vertical coordinate in its own units; needed if there are several.
        time: ISO time of one record (``"2016-11-20T06"``); None keeps the whole time axis.
        select: entry of each further dimension, for example ``{"month": "7"}``.

    Raises:
        DataError: unreadable file, no such variable, not on a global latitude-longitude grid,
            several levels and no ``level``, or a selection that does not exist.
    """
    return field_from_dataset(
        open_dataset(path), Path(path), variable, level=level, time=time, select=select
    )


def field_from_dataset(
    dataset: xr.Dataset,
    source: Path,
    variable: str,
    *,
    level: float | None = None,
    time: str | None = None,
    select: Mapping[str, str] | None = None,
) -> LatLonField:
    """Do the work of `read_field` on a dataset that `open_dataset` returned."""
    if variable not in dataset.data_vars:
        raise DataError(
            f"{source}: has no variable '{variable}'; it has {listed_variables(dataset)}"
        )
    where = f"{source}: variable '{variable}'"
    _load_small_variables(dataset, variable, source)
    latitude, longitude = _horizontal_coordinates(dataset, variable, where)
    vertical = find_coordinate(dataset, variable, "vertical")
    clock = find_coordinate(dataset, variable, "time")
    field = dataset[variable].drop_encoding()
    field = _with_standard_names(field, dataset, latitude, longitude, clock)
    field, level_description = select_level(field, vertical, level, where)
    field = select_time(field, time, where)
    field = select_entries(field, select or {}, where)
    kept = ("time", "latitude", "longitude")
    field = field.reset_coords([c for c in field.coords if c not in kept], drop=True)
    field = _in_standard_order(field, where)
    _check_times(field, where)
    return LatLonField(field, variable, source, level_description)


def listed_variables(dataset: xr.Dataset, limit: int = 8) -> str:
    """Return up to ``limit`` variable names of the dataset for an error message."""
    names = [str(n) for n in dataset.data_vars if not str(n).endswith(("_bnds", "_bounds"))]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "no variable at all") + more


def _load_small_variables(dataset: xr.Dataset, variable: str, source: Path) -> None:
    """Load the scalars and vectors that may be coordinates of the variable."""
    dimensions = set(dataset[variable].dims)
    with explained_reading_errors(source):
        for candidate in dataset.variables.values():
            if candidate.ndim <= 1 and set(candidate.dims) <= dimensions:
                candidate.load()


def _horizontal_coordinates(
    dataset: xr.Dataset, variable: str, where: str
) -> tuple[Hashable, Hashable]:
    """Return the names of latitude and longitude, or raise if the grid is of another kind."""
    latitude = find_coordinate(dataset, variable, "latitude")
    longitude = find_coordinate(dataset, variable, "longitude")
    remedy = "regrid it to latitude-longitude first"
    if latitude is None or longitude is None:
        absent = "latitude" if latitude is None else "longitude"
        raise DataError(
            f"{where} is not on a latitude-longitude grid (dimensions "
            f"{', '.join(map(str, dataset[variable].dims)) or 'none'}; no {absent}); {remedy}"
        )
    if dataset[latitude].ndim > 1 or dataset[longitude].ndim > 1:
        kind = "a curvilinear or projected grid (two-dimensional latitude and longitude)"
    elif dataset[latitude].ndim == 0 or dataset[longitude].ndim == 0:
        kind = "a single latitude or longitude"
    elif dataset[latitude].dims == dataset[longitude].dims:
        kind = f"an unstructured grid (dimension '{dataset[latitude].dims[0]}')"
    else:
        return latitude, longitude
    raise DataError(f"{where} is on {kind}, not on a latitude-longitude grid; {remedy}")


def _with_standard_names(
    field: xr.DataArray,
    dataset: xr.Dataset,
    latitude: Hashable,
    longitude: Hashable,
    clock: Hashable | None,
) -> xr.DataArray:
    """Rename the dimensions to latitude, longitude and time, with those coordinates on them."""
    roles: dict[str, Hashable] = {"latitude": latitude, "longitude": longitude}
    if clock is not None:
        roles["time"] = clock
    for standard, name in roles.items():
        coordinate = dataset.variables.get(name)
        dimension = name if coordinate is None else next(iter(coordinate.dims), None)
        stale = {name, dimension, standard} & set(field.coords)
        field = field.drop_vars(list(stale))
        if dimension is not None and dimension != standard:
            field = field.rename({dimension: standard})
        if coordinate is not None:
            dimensions = () if dimension is None else (standard,)
            values = (dimensions, coordinate.values, coordinate.attrs)
            field = field.assign_coords({standard: values})
    return field


def _in_standard_order(field: xr.DataArray, where: str) -> xr.DataArray:
    """Transpose and sort to (time?, latitude ascending, longitude ascending in [0, 360))."""
    rows, latitude = global_latitude_order(np.asarray(field["latitude"].values), where)
    columns, longitude = global_longitude_order(np.asarray(field["longitude"].values), where)
    dimensions = [name for name in ("time", "latitude", "longitude") if name in field.dims]
    # One record per dask chunk: reordering longitudes then stays lazy and memory bounded.
    chunks = {name: 1 if name == "time" else -1 for name in field.dims}
    field = field.chunk(chunks).transpose(*dimensions)
    field = field.isel(latitude=rows, longitude=columns)
    return field.assign_coords(
        latitude=("latitude", latitude, {"units": "degrees_north", "standard_name": "latitude"}),
        longitude=("longitude", longitude, {"units": "degrees_east", "standard_name": "longitude"}),
    )


def _check_times(field: xr.DataArray, where: str) -> None:
    """Raise unless several records have real, strictly increasing times."""
    if field.sizes.get("time", 1) < 2:
        return
    if "time" not in field.coords or not is_time_like(field["time"]):
        raise DataError(
            f"{where} has a time axis without CF units; give it units such as "
            "'hours since 2000-01-01'"
        )
    times = field["time"].values
    disordered = np.flatnonzero(~(times[1:] > times[:-1]))  # NaT compares false, so it is found
    if disordered.size:
        number = int(disordered[0]) + 1
        raise DataError(
            f"{where} has times that do not increase (record {number + 1}, "
            f"{shown_time(times[number])}); sort the file and drop repeated times"
        )
