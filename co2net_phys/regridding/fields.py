"""Regrid labelled, lazy fields: which method for which variable, and what becomes of the labels.

Scalars go conservatively by default, so that the global mean of CO2 is that of the product. Wind
components are directions at a point and go bilinearly, both together: between the last row and a
pole lies the one vector that the row has in common (see `co2net_phys.data.interpolation`), so no
speed exceeds the source's. Bilinear scalars have the mean of the last row at a pole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.interpolation import BilinearInterpolator
from co2net_phys.errors import DataError, UsageError
from co2net_phys.regridding.conservative import COVERAGE, ConservativeRegridder
from co2net_phys.regridding.grid import LatLonGrid

Method = Literal["conservative", "bilinear"]
Choice = Literal["auto", "conservative", "bilinear"]

WINDS = ("uas", "vas")
_GRID = ("latitude", "longitude")

Values = NDArray[Any]


def regrid_field(
    field: xr.DataArray,
    source: LatLonGrid,
    target: LatLonGrid,
    method: Method = "conservative",
    coverage: float = COVERAGE,
) -> xr.DataArray:
    """Return a scalar on the target grid, (..., latitude, longitude), lazy where it was.

    Computed in float64 and returned in the type of `field`. A cell is missing where values cover
    less than `coverage` of it.
    """
    if method == "conservative":
        function: Callable[[Values], Values] = ConservativeRegridder(source, target, coverage)
    else:
        function = _Bilinear(source, target, coverage)

    def apply(values: Values) -> Values:
        return function(values).astype(values.dtype, copy=False)

    return _applied(apply, target, field)[0]


def regrid_wind(
    eastward: xr.DataArray, northward: xr.DataArray, source: LatLonGrid, target: LatLonGrid
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return both components of a wind on the target grid, bilinearly; see `regrid_field`.

    A missing component makes every target that it touches missing.
    """
    interpolator = _interpolator(source, target)

    def apply(east: Values, north: Values) -> tuple[Values, Values]:
        one, other = interpolator.wind(east, north)
        return one.astype(east.dtype, copy=False), other.astype(north.dtype, copy=False)

    results = _applied(apply, target, eastward, northward)
    return results[0], results[1]


def regrid_dataset(
    dataset: xr.Dataset,
    target: LatLonGrid,
    *,
    method: Choice = "auto",
    coverage: float = COVERAGE,
    where: str = "dataset",
) -> xr.Dataset:
    """Return every gridded variable on the target grid, lazily; bounds are those of the target.

    Parameters
    ----------
    dataset
        Ascending `latitude` and `longitude`; bounds are used where it has them.
    method
        "auto": the wind (`uas` and `vas`) bilinearly, all else conservatively; or one for all. A
        conservative wind is one of components, without regard to how they turn near the poles.
    where
        Name of the data in errors.

    Raises
    ------
    DataError
        The grid is not global, or only one component of the wind is there to go bilinearly.
    """
    if method not in ("auto", "conservative", "bilinear"):
        raise UsageError(f"--method {method!r}: choose auto, conservative or bilinear")
    source = LatLonGrid.of(dataset, where)
    gridded = [name for name, array in dataset.data_vars.items() if {*_GRID} <= {*array.dims}]
    gridded = [name for name in gridded if not str(name).endswith("_bounds")]
    if source.is_like(target):
        return with_grid(dataset[gridded].drop_vars(_bounds_in(dataset[gridded])), target)
    winds = [name for name in WINDS if name in gridded and method != "conservative"]
    if len(winds) == 1:
        raise DataError(
            f"{where}: {winds[0]}: the other component of the wind is missing; add its file, or "
            "leave this one out"
        )
    done = {}
    if winds:
        moved = regrid_wind(dataset[winds[0]], dataset[winds[1]], source, target)
        done = dict(zip(winds, moved, strict=True))
    scalar: Method = "bilinear" if method == "bilinear" else "conservative"
    for name in gridded:
        if name not in winds:
            done[str(name)] = regrid_field(dataset[name], source, target, scalar, coverage)
    return with_grid(xr.Dataset(done, attrs=dataset.attrs), target)


def with_grid(dataset: xr.Dataset, grid: LatLonGrid) -> xr.Dataset:
    """Return a dataset whose latitude, longitude and bounds are those of `grid`."""
    coordinates: dict[str, Any] = {}
    for name, unit, centres, edges in (
        ("latitude", "degrees_north", grid.latitude, grid.latitude_edges),
        ("longitude", "degrees_east", grid.longitude, grid.longitude_edges),
    ):
        attributes = {"standard_name": name, "units": unit, "bounds": f"{name}_bounds"}
        coordinates[name] = (name, centres, attributes)
        pairs = np.stack([edges[:-1], edges[1:]], axis=1)
        coordinates[f"{name}_bounds"] = ((name, "bnds"), pairs)
    return dataset.assign_coords(coordinates)


def _bounds_in(dataset: xr.Dataset) -> list[str]:
    return [name for name in ("latitude_bounds", "longitude_bounds") if name in dataset.coords]


class _Bilinear:
    """Bilinear interpolation that passes over missing values where enough is left."""

    def __init__(self, source: LatLonGrid, target: LatLonGrid, coverage: float) -> None:
        self._interpolate, self._coverage = _interpolator(source, target), coverage

    def __call__(self, values: Values) -> Values:
        missing = np.isnan(values)
        if not missing.any():
            return self._interpolate(values)
        covered = self._interpolate(np.where(missing, 0.0, 1.0))
        total = self._interpolate(np.where(missing, 0.0, values))
        known = covered >= max(self._coverage, 1e-9) - 1e-9
        return np.where(known, total / np.where(known, covered, 1.0), np.nan)


def _interpolator(source: LatLonGrid, target: LatLonGrid) -> BilinearInterpolator:
    return BilinearInterpolator(
        source.latitude, source.longitude, target.latitude, target.longitude
    )


def _applied(
    function: Callable[..., Any], target: LatLonGrid, *fields: xr.DataArray
) -> list[xr.DataArray]:
    """Apply a function of (..., latitude, longitude) to whole maps, chunk by chunk in time."""
    whole = [field.chunk(dict.fromkeys(_GRID, -1)) if field.chunks else field for field in fields]
    bare = [field.drop_vars([n for n in field.coords if {*_GRID} & {*field[n].dims}])
            for field in whole]  # fmt: skip
    outcome = xr.apply_ufunc(
        function,
        *(field.rename(latitude="row", longitude="column") for field in bare),
        input_core_dims=[["row", "column"]] * len(fields),
        output_core_dims=[list(_GRID)] * len(fields),
        dask="parallelized",
        output_dtypes=[field.dtype for field in fields],
        dask_gufunc_kwargs={
            "output_sizes": dict(zip(_GRID, target.shape, strict=True)),
        },
    )
    results = outcome if isinstance(outcome, tuple) else (outcome,)
    places = {"latitude": target.latitude, "longitude": target.longitude}
    return [
        result.assign_coords(places).assign_attrs(field.attrs).rename(field.name)
        for result, field in zip(results, fields, strict=True)
    ]
