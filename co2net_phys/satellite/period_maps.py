"""Maps of the means of every year, season and month, written tile by tile (paper, figures 8–10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import dask.array
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from co2net_phys.data.atomic import atomic_target
from co2net_phys.data.cells import cell_bounds, latitude_bounds
from co2net_phys.data.output_layout import CONVENTIONS, latitude_longitude_template
from co2net_phys.data.writer import is_zarr_path
from co2net_phys.data.writer_backends import filled, write_zarr
from co2net_phys.errors import UsageError
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.points import Floats, Integers
from co2net_phys.satellite.statistics import SEASONS, months_of, seasons_of, years_of
from co2net_phys.satellite.tiles import Tile, TileSize, tiles


def write_period_maps(
    maps: DailyMaps,
    path: Path,
    *,
    attributes: Mapping[str, str | float],
    size: TileSize | None = None,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write "annual" (year), "seasonal" (season) and "monthly" (month) means of every cell as Zarr.

    A mean is over the days that are known; NaN where none is. The coordinates "annual_days",
    "seasonal_days" and "monthly_days" say how many days of each period the record has.

    Raises
    ------
    UsageError
        The name is not that of a Zarr store.
    DataError
        The output exists and may not be replaced, or cannot be written.
    """
    if not is_zarr_path(path):
        raise UsageError(f"--output {path}: maps are written tile by tile; name it *.zarr")
    size = size or TileSize()
    years, year = np.unique(years_of(maps.days), return_inverse=True)
    kinds: dict[str, tuple[str, NDArray[np.str_] | Integers, Integers]] = {
        "annual": ("year", years, year),
        "seasonal": ("season", np.array(SEASONS), seasons_of(maps.days)),
        "monthly": ("month", np.arange(1, 13), months_of(maps.days)),
    }
    with atomic_target(path, overwrite=overwrite) as temporary:
        _begin(temporary, maps, kinds, size, attributes)
        arrays = {name: zarr.open_array(temporary / name, mode="r+") for name in kinds}
        whole = (1, *maps.shape[1:])
        for done, place in enumerate(tiles(whole, size), start=1):
            means = _place_means(
                maps, place, {n: (k[2], len(k[1])) for n, k in kinds.items()}, size
            )
            for name, array in arrays.items():
                array[:, place.rows, place.columns] = filled(means[name].astype(np.float32))
            progress(done)


def _place_means(
    maps: DailyMaps, place: Tile, kinds: Mapping[str, tuple[Integers, int]], size: TileSize
) -> dict[str, Floats]:
    """Means (period, rows, columns) of some cells, by kind of period."""
    cells = place.shape[1:]
    sums = {name: np.zeros((count, *cells)) for name, (_, count) in kinds.items()}
    counts = {name: np.zeros((count, *cells)) for name, (_, count) in kinds.items()}
    for first in range(0, maps.shape[0], size.days):
        days = slice(first, min(first + size.days, maps.shape[0]))
        values = maps(Tile(days, place.rows, place.columns))
        there = np.isfinite(values)
        for name, (period, _) in kinds.items():
            np.add.at(sums[name], period[days], np.where(there, values, 0.0))
            np.add.at(counts[name], period[days], there)
    with np.errstate(invalid="ignore"):
        return {name: sums[name] / counts[name] for name in kinds}


def _begin(
    path: Path,
    maps: DailyMaps,
    kinds: Mapping[str, tuple[str, NDArray[np.str_] | Integers, Integers]],
    size: TileSize,
    attributes: Mapping[str, str | float],
) -> None:
    """Make the store without values."""
    data = latitude_longitude_template(
        maps.latitude, maps.longitude,
        latitude_bounds(maps.latitude), cell_bounds(maps.longitude),
    )  # fmt: skip
    for name, (axis, labels, period) in kinds.items():
        # Text of no fixed length, the only kind that Zarr v3 defines.
        values = labels.astype(object) if labels.dtype.kind == "U" else labels
        data = data.assign_coords({axis: xr.Variable(axis, values, {"long_name": axis})})
        days = np.bincount(period, minlength=len(labels)).astype(np.int32)
        counted = {"long_name": f"Days of each {axis} in the record", "units": "1"}
        data = data.assign_coords({f"{name}_days": xr.Variable(axis, days, counted)})
        empty = dask.array.full(  # type: ignore[no-untyped-call]
            (len(labels), *maps.shape[1:]), np.nan, dtype=np.float32, chunks=-1
        )
        described = {
            "long_name": f"{name.capitalize()} mean of the column-averaged mole fraction of CO2",
            "units": "umol mol-1",
        }
        data[name] = xr.Variable((axis, "latitude", "longitude"), empty, described)
    chunks = {"latitude": size.rows, "longitude": size.columns}
    whole = data.assign_attrs({**attributes, "Conventions": CONVENTIONS})
    write_zarr(whole, path, mode="w", chunk_sizes=chunks, compute=False)
