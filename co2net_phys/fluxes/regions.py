"""The 18 land regions of RECCAP2 on any grid, and sums over them.

The packaged 0.5° raster (reccap2.npz, made by docs/scripts/make_reccap2.py, where doubtful borders
are named) derives from the Natural Earth 1:110 million countries, https://www.naturalearthdata.com,
public domain. Small islands are missing in it, lakes count as land; Greenland and Antarctica belong
to no region.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import DataError
from co2net_phys.fluxes.schema import REGION_CODES
from co2net_phys.regridding import ConservativeRegridder, LatLonGrid
from co2net_phys.solvers.constants import EARTH_RADIUS_M

Array = NDArray[np.float64]

NO_REGION = -1
"""Number of cells that belong to no region."""

_RASTER_DEGREES = 0.5


@lru_cache(maxsize=1)
def region_raster() -> NDArray[np.int8]:
    """Number of the region, or `NO_REGION`, (360, 720) from −89.75° north and −179.75° east on."""
    resource = files("co2net_phys.fluxes") / "reccap2.npz"
    with as_file(resource) as path, np.load(path, allow_pickle=False) as archive:
        raster: NDArray[np.int8] = archive["region"].astype(np.int8) - 1
    raster.setflags(write=False)  # the cache hands the same array to every caller
    return raster


def region_fractions(grid: LatLonGrid) -> Array:
    """Share (18, nlat, nlon) of each cell's area that is land of each region, in [0, 1]."""
    raster = LatLonGrid.regular(_RASTER_DEGREES, _RASTER_DEGREES)
    indicators = region_raster() == np.arange(len(REGION_CODES))[:, None, None]
    return ConservativeRegridder(raster, grid)(indicators.astype(np.float64))


def region_numbers(fractions: Array) -> NDArray[np.int64]:
    """Number (nlat, nlon) of the region with the largest share, `NO_REGION` where none has any."""
    # Without its round-off a tie falls the same way wherever the grid starts.
    shares = fractions.round(9)
    return np.where(shares.max(axis=0) > 0, shares.argmax(axis=0), NO_REGION)


def cell_areas(grid: LatLonGrid) -> Array:
    """Areas (nlat, nlon) of the cells, m2."""
    return grid.area_weights * (4 * np.pi * EARTH_RADIUS_M**2)


def region_areas(fractions: Array, areas: Array) -> Array:
    """Land area (18,) of each region, m2, of fractions (18, nlat, nlon) and areas (nlat, nlon)."""
    return np.einsum("ryx,yx->r", fractions, areas)


def regional_sums(nee: NDArray[Any], fractions: Array, areas: Array) -> Array:
    """Sums (time, 18) over the land of each region, Pg d-1 of carbon.

    Args:
        nee: (time, nlat, nlon) in g m-2 d-1, NaN where there is no land.
        fractions: (18, nlat, nlon) of `region_fractions`.
        areas: (nlat, nlon) in m2.

    Raises:
        DataError: a value is missing on land of a region.
    """
    on_land = fractions.sum(axis=0) > 0
    values = np.asarray(nee, dtype=np.float64)[:, on_land]
    if not np.isfinite(values).all():
        raise DataError("nee: missing on land of a region; give a field without gaps")
    weights = (fractions * areas)[:, on_land]
    return np.asarray(values @ weights.T * 1e-15)


def monthly_sums(daily: Array, days: NDArray[np.datetime64]) -> tuple[Array, NDArray[Any]]:
    """Add up daily values (time, ...) by calendar month: (months, ...) and the months.

    Raises:
        DataError: the days are not consecutive, or do not begin and end with whole months.
    """
    dates = days.astype("datetime64[D]")
    if np.any(np.diff(dates) != np.timedelta64(1, "D")):
        raise DataError("time: days are missing or repeated; give a record without gaps")
    months = dates.astype("datetime64[M]")
    if dates[0] != months[0] or (dates[-1] + 1).astype("datetime64[M]") == months[-1]:
        raise DataError("time: does not begin and end with whole months; cut it to whole months")
    starts = np.flatnonzero(np.diff(months, prepend=months[0] - 1))
    return np.add.reduceat(daily, starts, axis=0), months[starts]
