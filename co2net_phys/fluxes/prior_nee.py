"""What bridges are fitted to: gridded NEE, read in blocks of days so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.errors import DataError
from co2net_phys.fluxes.regions import cell_areas, region_fractions, regional_sums
from co2net_phys.fluxes.schema import NEE, daily_axis, require
from co2net_phys.regridding import LatLonGrid

BLOCK = 64
"""Days read at a time."""

PARTS_OF_YEAR = 36
"""Of a mean seasonal cycle, about ten days each."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PriorNee:
    """One or several NEE stores of one grid, taken one after the other.

    Several, such as the members of an ensemble, let a bridge see regions that differ in the mean
    and not only in the course of the year.

    Raises
    ------
    DataError
        A store is no NEE store of one value a day, or its grid is not that of the first.
    """

    stores: Sequence[xr.Dataset]
    source: str
    """For messages."""

    def __post_init__(self) -> None:
        for store in self.stores:
            require(store, self.source, (NEE,), ("time", "latitude", "longitude"))
            if not LatLonGrid.of(store, self.source).is_like(self.grid):
                raise DataError(f"{self.source}: latitude, longitude: differ between NEE stores")
            daily_axis(store, self.source)

    @property
    def days(self) -> NDArray[np.datetime64]:
        """(T,) datetime64[D] of all stores, one after the other."""
        return np.concatenate([daily_axis(store, self.source) for store in self.stores])

    @property
    def grid(self) -> LatLonGrid:
        """Grid of all stores."""
        return LatLonGrid.of(self.stores[0], self.source)

    def summary(self) -> tuple[Array, Array]:
        """Mean seasonal cycle (PARTS_OF_YEAR, H, W), g m-2 d-1, and daily sums (T, 18), Pg d-1.

        A part of the year without a day takes its value from those beside it.
        """
        grid = self.grid
        fractions, areas = region_fractions(grid), cell_areas(grid)
        total = np.zeros((PARTS_OF_YEAR, *grid.shape))
        count = np.zeros(PARTS_OF_YEAR)
        sums = []
        for part, nee in self._blocks():
            np.add.at(total, part, nee)
            count += np.bincount(part, minlength=PARTS_OF_YEAR)
            sums.append(regional_sums(nee, fractions, areas))
        known = np.flatnonzero(count)
        nearest = known[np.abs(known - np.arange(PARTS_OF_YEAR)[:, None]).argmin(axis=1)]
        return total[nearest] / count[nearest][:, None, None], np.concatenate(sums)

    def series(self, pixels: NDArray[np.int64]) -> Array:
        """Daily NEE (T, N), g m-2 d-1, at pixels (N, 2)."""
        return np.concatenate([nee[:, pixels[:, 0], pixels[:, 1]] for _, nee in self._blocks()])

    def _blocks(self) -> Iterator[tuple[NDArray[np.int64], Array]]:
        """Part of the year of each day, and their NEE."""
        for store in self.stores:
            field = store[NEE].transpose("time", "latitude", "longitude")
            part = (store["time"].dt.dayofyear.values - 1) * PARTS_OF_YEAR // 366
            for first in range(0, len(part), BLOCK):
                block = slice(first, first + BLOCK)
                yield part[block].astype(np.int64), field[block].values.astype(np.float64)
