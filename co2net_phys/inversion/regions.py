"""A partition of the globe for factors of fluxes: the continents and the sea."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.regions import CONTINENT_CODES, region_mask
from co2net_phys.solvers import Grid

REGION_NAMES = (*CONTINENT_CODES, "ocean")
"""Seven continents; the rest, remote islands included, is called ocean."""


def region_partition(grid: Grid) -> NDArray[np.float64]:
    """(R, nlat, nlon) of ones and zeros that add up to one everywhere, in this order."""
    continents = [region_mask(name, grid.latitude, grid.longitude) for name in CONTINENT_CODES]
    rest = ~np.any(continents, axis=0)
    return np.stack([*continents, rest]).astype(np.float64)
