"""Continents and oceans on any latitude-longitude grid, from a packaged 0.5° raster.

The raster (continents.npz, made by docs/scripts/make_continents.py) derives from the Natural Earth
1:110 million countries, https://www.naturalearthdata.com, public domain. Lakes count as land,
except the Caspian Sea, and ice shelves as ocean; Russia beyond 60°E counts as Asia.
"""

from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.data.cells import cell_bounds, latitude_bounds
from co2net_phys.errors import UsageError

OCEAN_CODE = 0
CONTINENT_CODES = {
    "asia": 1,
    "europe": 2,
    "north-america": 3,
    "south-america": 4,
    "africa": 5,
    "australia": 6,
    "antarctica": 7,
}
"""Code of each continent in the raster; "australia" includes New Zealand, New Guinea, Melanesia."""

REMOTE_ISLANDS_CODE = 8
"""Land that belongs to no continent (Hawaii, Kerguelen): part of "land" and nothing else."""

REGIONS = (
    "global",
    "land",
    "ocean",
    "asia",
    "europe",
    "asia-europe",
    "north-america",
    "south-america",
    "africa",
    "australia",
    "antarctica",
)
"""Every name that `region_mask` knows."""


def region_mask(name: str, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.bool_]:
    """Cells of a grid that belong to a region.

    A cell is land where at least half of its area is; a land cell belongs to the continent with
    the largest share of it. So "land" and "ocean" make up "global", and no cell lies on two
    continents.

    Args:
        name: one of `REGIONS`.
        latitude: cell centres (nlat,) in degrees north, ascending or descending.
        longitude: cell centres (nlon,) in degrees east, −180…180 or 0…360.

    Returns:
        Mask (nlat, nlon), True inside the region.

    Raises:
        UsageError: unknown region, or coordinates that are no grid.
    """
    if name not in REGIONS:
        raise UsageError(f"unknown region {name!r}: choose one of {', '.join(REGIONS)}")
    codes = _majority_codes(_hashable(latitude), _hashable(longitude))
    if name == "global":
        return np.ones(codes.shape, dtype=bool)
    if name == "land":
        return np.not_equal(codes, OCEAN_CODE)
    if name == "ocean":
        return np.equal(codes, OCEAN_CODE)
    return np.isin(codes, [CONTINENT_CODES[continent] for continent in _continents_of(name)])


def land_fraction(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.float64]:
    """Share of land in each cell, by exact area averaging of the raster.

    Args:
        latitude: cell centres (nlat,) in degrees north, ascending or descending.
        longitude: cell centres (nlon,) in degrees east, −180…180 or 0…360.

    Returns:
        Fraction (nlat, nlon) in [0, 1].

    Raises:
        UsageError: the coordinates are no grid.
    """
    land = continent_raster() != OCEAN_CODE
    return np.asarray(_area_shares(land[None], latitude, longitude)[0])


@lru_cache(maxsize=1)
def continent_raster() -> NDArray[np.uint8]:
    """Continent codes (360, 720) at latitude −89.75…89.75 and longitude −179.75…179.75."""
    resource = files("co2net_phys.data") / "continents.npz"
    with as_file(resource) as path, np.load(path, allow_pickle=False) as archive:
        raster: NDArray[np.uint8] = archive["continent"]
    raster.setflags(write=False)  # the cache hands the same array to every caller
    return raster


def _continents_of(region: str) -> tuple[str, ...]:
    return ("asia", "europe") if region == "asia-europe" else (region,)


def _hashable(axis: ArrayLike) -> tuple[float, ...]:
    return tuple(np.asarray(axis, dtype=np.float64).ravel().tolist())


@lru_cache(maxsize=8)  # scores ask for every region of the same grid in turn
def _majority_codes(latitude: tuple[float, ...], longitude: tuple[float, ...]) -> NDArray[np.int64]:
    """Code of each cell (nlat, nlon): ocean, or the land code with the largest area."""
    land_codes = np.arange(OCEAN_CODE + 1, REMOTE_ISLANDS_CODE + 1)
    indicators = continent_raster() == land_codes[:, None, None]
    # Without its round-off a tie falls the same way wherever the grid starts.
    shares = _area_shares(indicators, latitude, longitude).round(6)
    is_land = shares.sum(axis=0) >= 0.5
    return np.where(is_land, land_codes[shares.argmax(axis=0)], OCEAN_CODE)


def _area_shares(
    indicators: NDArray[np.bool_], latitude: ArrayLike, longitude: ArrayLike
) -> NDArray[np.float64]:
    """Share (k, nlat, nlon) of each cell covered by k indicators (k, 360, 720), in [0, 1].

    Running integrals of the raster are piecewise linear, in longitude and in the sine of latitude,
    so their differences between the edges of a cell are exact, whatever the two resolutions.
    """
    by_column = _column_shares(indicators, longitude)  # (k, 360, nlon)
    raster_edges = np.sin(np.radians(np.linspace(-90.0, 90.0, indicators.shape[1] + 1)))
    heights = np.diff(raster_edges)
    integral = _running_sum(by_column * heights[:, None], axis=1)
    edges = np.sin(np.radians(latitude_bounds(latitude)))
    row = np.clip(np.searchsorted(raster_edges, edges, side="right") - 1, 0, heights.size - 1)
    within = ((edges - raster_edges[row]) / heights[row])[:, None]
    at_edges = integral[:, row] * (1 - within) + integral[:, row + 1] * within
    shares = np.diff(at_edges, axis=1) / np.diff(edges)[:, None]
    return np.asarray(np.clip(shares, 0.0, 1.0), dtype=np.float64)


def _column_shares(indicators: NDArray[np.bool_], longitude: ArrayLike) -> NDArray[np.float64]:
    """Share (k, 360, nlon) of each grid column covered within each row of the raster."""
    columns = indicators.shape[2]
    integral = _running_sum(indicators, axis=2)
    # Unwrapping makes 0…180, −180…0 one ascending axis.
    edges = cell_bounds(np.unwrap(np.asarray(longitude, dtype=np.float64), period=360.0))
    position = (edges + 180.0) / 360.0 * columns
    turns, within = np.divmod(position, columns)
    left = np.minimum(within.astype(np.intp), columns - 1)  # round-off may reach a full turn
    within -= left
    at_edges = integral[..., left] * (1 - within) + integral[..., left + 1] * within
    at_edges += turns * integral[..., -1:]
    return np.asarray(np.diff(at_edges, axis=2) / np.diff(position), dtype=np.float64)


def _running_sum(values: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Cumulative sum along an axis, with a 0 before the first value."""
    before = np.zeros_like(np.take(values, [0], axis=axis), dtype=np.float64)
    return np.concatenate([before, np.cumsum(values, axis=axis, dtype=np.float64)], axis=axis)
