"""Bring covariates to a region's grid and write the store that holds them.

Weather is finer in time than a day and coarser in space than the region: means or sums of days,
bilinear interpolation. Elevation, vegetation and people are finer in space: area-weighted means.
Land-use maps hold classes: the share of each class in a cell (paper, table 2). Fields given as
chunked arrays are worked on lazily, a tile and a few steps in time at once.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.atomic import atomic_target
from co2net_phys.data.cells import cell_bounds
from co2net_phys.data.interpolation import BilinearInterpolator
from co2net_phys.data.writer_backends import write_zarr
from co2net_phys.errors import DataError
from co2net_phys.regridding import ConservativeRegridder, LatLonGrid
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import COVARIATES, LAND_USES, Floats

logger = logging.getLogger(__name__)

_TILE_SOURCE_CELLS = 2048
"""Side of the part of a fine map that is in memory at once, in its own cells."""

_CHUNK = {"time": 32, "latitude": 256, "longitude": 256}
"""Chunks of the store: a tile of a map, and a month for the means over past days."""

_GRID = ("latitude", "longitude")


def daily(field: xr.DataArray, how: Literal["mean", "sum"] = "mean") -> xr.DataArray:
    """Mean or sum over each UTC day of a field with dimension `time`, in its unit (per day).

    Days with fewer steps than the fullest day are left out with a warning: a sum over half a day
    is no daily sum, and a mean over half a day is one of the night or of the noon.
    """
    steps = xr.ones_like(field["time"], dtype=np.int64).resample(time="1D").sum().values
    days = field.resample(time="1D")
    whole = (days.mean() if how == "mean" else days.sum(skipna=False)).isel(
        time=np.flatnonzero(steps == steps.max())
    )
    incomplete = int(((steps > 0) & (steps < steps.max())).sum())
    if incomplete:
        logger.warning("%s: %d incomplete days are left out", field.name, incomplete)
    return whole.assign_attrs(field.attrs)


def resample_bilinear(field: xr.DataArray, region: Region) -> xr.DataArray:
    """Interpolate a coarse field (..., latitude, longitude) to the centres of the region's cells.

    Between the last centre of the field and its border, values are those of the last centre; a
    field of the whole circle may begin at any longitude.

    Raises:
        DataError: the field does not cover the region.
    """
    field = _without_seam(field, region)
    latitude, longitude = _axes(field, region)
    turned = _turned(region.longitude, longitude)
    interpolate = BilinearInterpolator(
        latitude,
        longitude,
        np.clip(region.latitude, latitude.min(), latitude.max()),
        np.clip(turned, longitude.min(), longitude.max()),
    )
    return _applied(interpolate, field, region.latitude, region.longitude)


def resample_area_mean(field: xr.DataArray, region: Region) -> xr.DataArray:
    """Area-weighted mean (..., latitude, longitude) of a field over each cell of the region.

    Exact on the sphere; of the part that has values where some are missing, missing where less
    than half of the cell has one. A field of the whole circle may begin at any longitude.

    Raises:
        DataError: the field does not cover the region.
    """
    field = _without_seam(field, region)
    latitude, longitude = _axes(field, region)
    ascending = field.isel(
        latitude=np.argsort(latitude), longitude=np.argsort(longitude)
    ).assign_coords(latitude=np.sort(latitude), longitude=np.sort(longitude))
    step = min(np.diff(ascending[name].values).min() for name in _GRID)
    tile = max(1, int(_TILE_SOURCE_CELLS * step / region.spacing))
    tiles = [
        [_mean_over(ascending, region, rows, columns) for columns in _slices(region.shape[1], tile)]
        for rows in _slices(region.shape[0], tile)
    ]
    bands = [xr.concat(row, "longitude", combine_attrs="override") for row in tiles]
    return xr.concat(bands, "latitude", combine_attrs="override")


def land_use_fractions(
    classes: xr.DataArray, region: Region, codes: Mapping[str, Collection[int]]
) -> xr.Dataset:
    """Share of each land use in each cell, from a map of class numbers (..., latitude, longitude).

    Args:
        classes: map of codes; one that no land use claims counts as missing.
        region: whose cells are filled.
        codes: the class numbers of each land use, keys from `LAND_USES`.

    Returns:
        `<use>_fraction` for every land use, all between 0 and 1; their sum is 1.

    Raises:
        DataError: unknown land use, or the map does not cover the region.
    """
    unknown = sorted(set(codes) - set(LAND_USES))
    if unknown:
        raise DataError(
            f"land use: {', '.join(unknown)}: unknown; choose from {', '.join(LAND_USES)}"
        )
    known = classes.isin([code for group in codes.values() for code in group])
    shares = {
        use: resample_area_mean(
            classes.isin(list(codes.get(use, ()))).astype(np.float64).where(known), region
        )
        for use in LAND_USES
    }
    total = xr.concat(list(shares.values()), dim="use").sum("use", skipna=False)
    return xr.Dataset({f"{use}_fraction": share / total for use, share in shares.items()})


def write_covariates(
    fields: Mapping[str, xr.DataArray],
    path: str | Path,
    attributes: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write covariates that share one grid and one time axis as a Zarr store of the schema.

    Args:
        fields: by name from `COVARIATES`, dimensions ([time,] latitude, longitude), in the units of
            the schema; lazy ones are written chunk by chunk.
        path: ending in .zarr.
        attributes: global attributes, see `co2net_phys.provenance`.
        overwrite: whether an existing store is replaced.

    Raises:
        DataError: unknown covariate, axes that do not fit, or the store cannot be written.
    """
    unknown = sorted(set(fields) - set(COVARIATES))
    if unknown:
        raise DataError(f"{path}: {', '.join(unknown)}: no covariate of the schema; see COVARIATES")
    try:
        dataset = xr.merge(
            [field.rename(name) for name, field in fields.items()],
            join="exact",
            compat="equals",
            combine_attrs="drop",
        )
    except ValueError as error:
        raise DataError(
            f"{path}: the covariates differ in grid or time; write one store for each grid"
        ) from error
    dataset = dataset.transpose("time", *_GRID, missing_dims="ignore").assign_attrs(
        Conventions="CF-1.11", **dict(attributes or {})
    )
    dataset["latitude"].attrs = {"standard_name": "latitude", "units": "degrees_north"}
    dataset["longitude"].attrs = {"standard_name": "longitude", "units": "degrees_east"}
    for name in fields:
        covariate = COVARIATES[name]
        dataset[name].attrs = {"long_name": covariate.long_name, "units": covariate.units}
    sizes = {name: min(size, _CHUNK[str(name)]) for name, size in dataset.sizes.items()}
    if dataset.chunks:
        dataset = dataset.chunk(sizes)
    with atomic_target(path, overwrite=overwrite) as temporary:
        write_zarr(dataset, temporary, mode="w", chunk_sizes={str(k): v for k, v in sizes.items()})


def _mean_over(field: xr.DataArray, region: Region, rows: slice, columns: slice) -> xr.DataArray:
    """Area means of one tile, from the part of an ascending field that it overlaps."""
    grid = grid_between(
        region.latitude_edges[rows.start : rows.stop + 1],
        _turned(
            region.longitude_edges[columns.start : columns.stop + 1], field["longitude"].values
        ),
    )
    parts = {}
    for name, edges in (("latitude", grid.latitude_edges), ("longitude", grid.longitude_edges)):
        bounds = cell_bounds(field[name].values)
        part = overlapped(bounds, edges)
        parts[name] = part, bounds[part.start : part.stop + 1]
    source = grid_between(parts["latitude"][1], parts["longitude"][1])
    overlap = field.isel({name: found for name, (found, _) in parts.items()})
    regrid = ConservativeRegridder(source, grid)
    return _applied(regrid, overlap, region.latitude[rows], region.longitude[columns])


def overlapped(bounds: Floats, edges: Floats) -> slice:
    """Cells between `bounds` (n + 1,) that overlap those between `edges` (m + 1,), ascending."""
    first = int(np.searchsorted(bounds, edges[0], side="right")) - 1
    last = int(np.searchsorted(bounds, edges[-1], side="left"))
    return slice(max(first, 0), min(last, len(bounds) - 1))


def grid_between(rows: Floats, columns: Floats) -> LatLonGrid:
    """Cells between given edges; unlike other grids of that class they need not be global."""
    rows = np.clip(rows, -90.0, 90.0)
    return LatLonGrid((rows[1:] + rows[:-1]) / 2, (columns[1:] + columns[:-1]) / 2, rows, columns)


def _axes(field: xr.DataArray, region: Region) -> tuple[Floats, Floats]:
    """Latitude and longitude of a field whose cells cover the region."""
    axes = []
    for name, wanted in (
        ("latitude", region.latitude_edges),
        ("longitude", region.longitude_edges),
    ):
        if name not in field.dims or field.sizes[name] < 2:
            raise DataError(f"{field.name}: no axis {name!r} of two cells or more; give a map")
        values = np.asarray(field[name].values, dtype=np.float64)
        bounds = np.sort(cell_bounds(values))
        border = _turned(wanted, values) if name == "longitude" else wanted
        slack = 1e-6 * (bounds[1] - bounds[0]) + 1e-9
        if border[0] < bounds[0] - slack or border[-1] > bounds[-1] + slack:
            raise DataError(
                f"{field.name}: {name}: reaches from {bounds[0]:g} to {bounds[-1]:g} degrees, the "
                f"region from {wanted[0]:g} to {wanted[-1]:g}; give a map of the whole region"
            )
        axes.append(values)
    return axes[0], axes[1]


def _without_seam(field: xr.DataArray, region: Region) -> xr.DataArray:
    """A field of the whole circle from opposite the region on; any other field as it is."""
    if "longitude" not in field.dims or field.sizes["longitude"] < 2:
        return field
    longitude = np.asarray(field["longitude"].values, dtype=np.float64)
    step = 360.0 / len(longitude)
    if abs(np.ptp(longitude) + step - 360.0) > 0.01 * step:
        return field
    west = (region.west + region.east) / 2 - 180.0
    eastward = west + np.mod(longitude - west, 360.0)
    order = np.argsort(eastward)
    return field.isel(longitude=order).assign_coords(longitude=eastward[order])


def _turned(longitude: Floats, others: Floats) -> Floats:
    """Ascending longitudes by the full turn that brings their middle nearest that of others."""
    away = (others.min() + others.max()) / 2 - (longitude[0] + longitude[-1]) / 2
    return longitude + 360.0 * np.round(away / 360.0)


def _slices(size: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, size)) for start in range(0, size, step))


def _applied(function: Any, field: xr.DataArray, latitude: Floats, longitude: Floats) -> Any:
    """Apply a function of whole maps (..., latitude, longitude), step by step where lazy."""
    if field.chunks:
        field = field.chunk(dict.fromkeys(_GRID, -1))
    result = xr.apply_ufunc(
        lambda values: np.asarray(function(values), dtype=_float_type(values)),
        field.drop_vars(_GRID).rename(latitude="row", longitude="column"),
        input_core_dims=[["row", "column"]],
        output_core_dims=[list(_GRID)],
        dask="parallelized",
        output_dtypes=[_float_type(field)],
        dask_gufunc_kwargs={
            "output_sizes": {"latitude": len(latitude), "longitude": len(longitude)}
        },
    )
    places = {"latitude": latitude, "longitude": longitude}
    return result.assign_coords(places).assign_attrs(field.attrs).rename(field.name)


def _float_type(values: xr.DataArray | NDArray[Any]) -> np.dtype[Any]:
    """Type of the means of values: their own where they are floating-point numbers."""
    return np.dtype(values.dtype if values.dtype.kind == "f" else np.float64)
