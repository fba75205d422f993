"""Covariates that are finer than the cells of a region, as means over these cells."""

from __future__ import annotations

import numpy as np
import xarray as xr

from co2net_phys.data.cells import cell_bounds
from co2net_phys.errors import DataError
from co2net_phys.regridding import ConservativeRegridder
from co2net_phys.satellite.covariate_map import CovariateMap, Window
from co2net_phys.satellite.covariates import grid_between, overlapped
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import Floats

_CELLS_AT_ONCE = 4_000_000
"""Of the store in memory together, unless one row of the region's cells takes more."""


class CellMeans(CovariateMap):
    """Area-weighted means of one store over the cells of a region, continued beyond its borders.

    The cells go as far as the store covers half of one. A mean is over what has a value, missing
    where less than half of the cell has one; it is exact on the sphere.

    Args:
        dataset: see `CovariateMap`.
        source: see `CovariateMap`.
        region: whose cells they are; coarser than the store.

    Raises:
        DataError: see `CovariateMap`, or the store is narrower than two cells.
    """

    def __init__(self, dataset: xr.Dataset, source: str, region: Region) -> None:
        middle = (region.west + region.east) / 2
        super().__init__(dataset, source, middle)
        turn = 360.0 * np.round((middle - self._longitude.mean()) / 360.0)
        self._fine = cell_bounds(self._latitude), cell_bounds(self._longitude + turn)
        self._edges = tuple(
            _edges(corner, region.spacing, bounds)
            for corner, bounds in zip((region.south, region.west), self._fine, strict=True)
        )
        if min(map(len, self._edges)) < 3:
            raise DataError(
                f"{source}: the grid covers fewer than two rows or columns of cells of "
                f"{region.spacing:g}°; give covariates of the whole region and around it"
            )
        self._finer = region.spacing / self.spacing
        self._latitude, self._longitude = ((e[:-1] + e[1:]) / 2 for e in self._edges)

    def _read(self, name: str, steps: slice | None, window: Window) -> Floats:
        """Means (steps, rows, columns), a step and a band of rows in memory at a time."""
        rows, columns = window
        in_a_row = (columns.stop - columns.start) * self._finer**2
        height = max(1, int(_CELLS_AT_ONCE / in_a_row))
        bands = [
            slice(first, min(first + height, rows.stop))
            for first in range(rows.start, rows.stop, height)
        ]
        each: list[slice | None] = [None]
        if steps is not None:
            each = [slice(number, number + 1) for number in range(steps.start, steps.stop)]
        means = [[self._means(name, step, (band, columns)) for band in bands] for step in each]
        return np.block([[[band] for band in bands_of_step] for bands_of_step in means])

    def _means(self, name: str, step: slice | None, window: Window) -> Floats:
        """Means (1, rows, columns) over the cells of a window."""
        edges = [e[part.start : part.stop + 1] for e, part in zip(self._edges, window, strict=True)]
        parts = [overlapped(bounds, e) for bounds, e in zip(self._fine, edges, strict=True)]
        bounds = [b[p.start : p.stop + 1] for b, p in zip(self._fine, parts, strict=True)]
        regrid = ConservativeRegridder(grid_between(*bounds), grid_between(*edges))
        return regrid(super()._read(name, step, (parts[0], parts[1])))


def _edges(corner: float, spacing: float, bounds: Floats) -> Floats:
    """Edges of cells that go on from a corner as far as half of each lies within bounds."""
    first, last = ((end - corner) / spacing for end in (bounds[0], bounds[-1]))
    half = 0.5 + 1e-6  # round-off in degrees
    numbers = np.arange(np.ceil(first - half), np.floor(last + half) + 1)
    return corner + spacing * numbers
