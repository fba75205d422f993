"""Cell means of one latitude–longitude grid from those of another, by the area they share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from co2net_phys.solvers.grid import Grid

Array = NDArray[np.float64]


class AreaWeightedRegridder:
    """First-order conservative regridding: every value is a mean over the overlapping cells.

    Means weighted by area are kept to round-off and nothing leaves the range of the source, unlike
    a truncated series, which rings at edges. Reference: Jones (1999),
    doi:10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2, first order.

    Args:
        source: grid of the values given.
        target: grid of the values wanted.
    """

    def __init__(self, source: Grid, target: Grid):
        heights = (np.sin(np.radians(grid.latitude_bounds)) for grid in (target, source))
        self._rows = _shares(*heights)
        self._columns = _circular_shares(target.longitude_bounds, source.longitude_bounds)

    def __call__(self, field: Array) -> Array:
        """Return (..., nlat, nlon) on the target grid of a field on the source grid."""
        return np.asarray(self._rows @ field @ self._columns.T)


def _overlap(target: Array, source: Array) -> Array:
    """Length (n_target, n_source) that the intervals between two sets of edges share."""
    low = np.maximum(target[:-1, None], source[None, :-1])
    high = np.minimum(target[1:, None], source[None, 1:])
    return np.maximum(high - low, 0.0)


def _shares(target: Array, source: Array) -> Array:
    return _normalised(_overlap(target, source))


def _circular_shares(target: Array, source: Array) -> Array:
    turns = (source + 360.0 * turn for turn in (-2, -1, 0, 1, 2))
    return _normalised(np.sum([_overlap(target, turned) for turned in turns], axis=0))


def _normalised(overlap: Array) -> Array:
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True))
