"""First-order conservative regridding: every value is a mean over the area that cells share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from co2net_phys.regridding.grid import LatLonGrid

Array = NDArray[np.float64]

COVERAGE = 0.5
"""Share of a target cell that source cells with a value must cover; otherwise it is missing."""


class ConservativeRegridder:
    """Area-weighted means over overlapping cells, exact on the sphere.

    The area that two latitude–longitude cells share is the product of an overlap in the sine of
    latitude and one in longitude, so two sparse matrices of one dimension each do it. The global
    mean is kept to round-off, constants stay, nothing leaves the range of the source. Reference:
    Jones (1999), doi:10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2, first order: errors on smooth
    fields shrink with the width of the cells, with its square where target cells are made of whole
    source cells.

    A result does not depend on which frames are regridded together, to the last bit.

    Parameters
    ----------
    source, target
        Grids of the values given and wanted.
    coverage
        Smallest share of a target cell's area with values; less is missing. Means are over what
        there is.
    """

    def __init__(self, source: LatLonGrid, target: LatLonGrid, coverage: float = COVERAGE) -> None:
        heights = (np.sin(np.radians(grid.latitude_edges)) for grid in (target, source))
        self.coverage = coverage
        self._shape = source.shape
        self._rows = _means(_overlap(*heights))
        turns = (source.longitude_edges + 360.0 * turn for turn in range(-2, 3))
        self._columns = _means(
            np.sum([_overlap(target.longitude_edges, turned) for turned in turns], axis=0)
        )

    def __call__(self, values: NDArray[Any]) -> Array:
        """Regrid values of shape (..., nlat, nlon) in any unit; NaN is missing.

        Raises
        ------
        ValueError
            The last two axes are not those of the source grid.
        """
        field = np.asarray(values, dtype=np.float64)
        if field.shape[-2:] != self._shape:
            raise ValueError(f"values must be (..., {self._shape}), got {field.shape}")
        missing = np.isnan(field)
        if not missing.any():
            return self._apply(field)
        covered = self._apply(np.where(missing, 0.0, 1.0))
        total = self._apply(np.where(missing, 0.0, field))
        known = covered >= max(self.coverage, 1e-9) - 1e-9  # round-off of a share that is just met
        return np.where(known, total / np.where(known, covered, 1.0), np.nan)

    def _apply(self, field: Array) -> Array:
        """Both matrices, one after the other; sparse products, so that the order of sums is set."""
        frames = field.reshape(-1, *self._shape)
        by_longitude = np.ascontiguousarray(frames.transpose(2, 1, 0))  # (nlon, nlat, n)
        count, rows = frames.shape[:2]
        wide = (self._columns @ by_longitude.reshape(by_longitude.shape[0], -1)).reshape(
            -1, rows, count
        )
        by_latitude = np.ascontiguousarray(wide.transpose(1, 0, 2))  # (nlat, target nlon, n)
        done = self._rows @ by_latitude.reshape(rows, -1)
        result = done.reshape(-1, wide.shape[0], count).transpose(2, 0, 1)
        return np.ascontiguousarray(result).reshape(*field.shape[:-2], *result.shape[1:])


def _overlap(target: Array, source: Array) -> Array:
    """Length (n_target, n_source) that the intervals between two sets of edges share."""
    low = np.maximum(target[:-1, None], source[None, :-1])
    high = np.minimum(target[1:, None], source[None, 1:])
    return np.maximum(high - low, 0.0)


def _means(overlap: Array) -> csr_array:
    """Sparse matrix whose rows are weights of a mean."""
    return csr_array(overlap / overlap.sum(axis=1, keepdims=True))
