"""What keeps interpolated values within the values around them, and their total what it was.

High-order interpolation overshoots at edges and conserves no mass. Here each value is brought back
between the smallest and the largest node around its point, and then all values are moved a little
further, within the same bounds, until the mass is right: clip and assured sum. The share of a
value is its distance from the bound, so that nothing happens where the field is flat. The mass is
therefore restored globally, within local bounds, and not by fluxes between neighbours.

References: Bradley et al. (2019), doi:10.1137/18M1165414, and (2022),
doi:10.5194/gmd-15-6285-2022.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.local_interpolation import (
    LocalInterpolator,
    Stencils,
    extend,
    weighted_sum,
)
from co2net_phys.solvers.threads import share_threads

Array = NDArray[np.float64]
EPSILON = float(np.finfo(np.float64).eps)


class Bounded(NamedTuple):
    """Interpolated values and the bounds they keep, each (fields, points), float64."""

    values: Array
    lower: Array
    upper: Array


class BoundedInterpolator:
    """Interpolation whose results stay between the nodes around each point.

    The bounds are the extremes of ``bounds_width`` × ``bounds_width`` nodes around the point.
    Towards the poles, where columns crowd, more columns are taken, so that the neighbourhood is
    about as wide as at the equator: a single polar cell, which lies between the points, is then
    still within some point's bounds and its mass is not lost.

    Args:
        interpolator: gives the values, float64.
        bounds_width: even, from 2 to the width of ``interpolator``.

    Raises:
        UsageError: another ``bounds_width``.
    """

    def __init__(self, interpolator: LocalInterpolator, bounds_width: int) -> None:
        if bounds_width % 2 or not 2 <= bounds_width <= interpolator.width:
            raise UsageError(
                f"bounds over {bounds_width} × {bounds_width} nodes: choose an even number from 2 "
                f"to the interpolation width, {interpolator.width}"
            )
        self.interpolator, self.bounds_width = interpolator, bounds_width
        self._offset = (interpolator.width - bounds_width) // 2
        # Beyond the poles the cosine is negative.
        crowding = 1.0 / np.abs(np.cos(interpolator.rows))
        reach = np.floor(bounds_width / 2 * (crowding - 1.0)).astype(np.int64)
        self.reach = np.minimum(reach, interpolator.grid.nlon // 2)
        """(nlat + 2 halo,) further columns on either side that each extended row looks at."""

    def __call__(self, fields: Tensor, stencils: Stencils) -> Bounded:
        """Values of ``fields`` (fields, nlat, nlon), any unit, at the points of ``stencils``."""
        share_threads()
        extended = extend(fields, self.interpolator.halo).contiguous().numpy()
        lowest, highest = _widen(extended, self.reach, self.interpolator.halo)
        found = _bounded(extended, lowest, highest, *stencils[:4], self._offset, self.bounds_width)
        return Bounded(*found)


def total_masses(values: Array, areas: Array) -> Array:
    """Σ areas × values of (fields, points), summed as :func:`restore_mass` does: (fields,)."""
    share_threads()
    masses: Array = _masses(values, areas)
    return masses


def restore_mass(bounded: Bounded, areas: Array, masses: Array, extremes: Array) -> Array:
    """Move the values within their bounds until Σ areas × values are the ``masses``.

    Should the local bounds not hold the mass, the values go to these bounds and the rest is
    spread in proportion to the distance from the wider bounds ``extremes``, which must hold it.

    Args:
        bounded: values and bounds, any unit.
        areas: (points,), any unit.
        masses: (fields,), units of area times value.
        extremes: (fields, 2, points), smallest and largest value allowed anywhere.

    Returns:
        (fields, points).
    """
    share_threads()
    values: Array = _restore(*bounded, areas, masses, extremes)
    return values


@njit(cache=True, parallel=True)
def _widen(extended: Array, reach: NDArray[np.int64], halo: int) -> Any:
    """Extremes of the extended fields over ``reach`` columns to the west and to the east."""
    lowest, highest = extended.copy(), extended.copy()
    batch, rows, columns = extended.shape
    nlon = columns - 2 * halo
    for row in prange(rows):
        if reach[row] > 0:
            for b in range(batch):
                circle = extended[b, row, halo : halo + nlon]
                low, high = (
                    -_highest_around(-circle, reach[row]),
                    _highest_around(circle, reach[row]),
                )
                for column in range(columns):
                    lowest[b, row, column] = low[(column - halo) % nlon]
                    highest[b, row, column] = high[(column - halo) % nlon]
    return lowest, highest


@njit(cache=True)
def _highest_around(circle: Array, reach: int) -> Any:
    """Largest of the ``reach`` values before and after each on a circle, and of itself.

    The extremes of stretches of 2^k values come from those of half the length, and two such
    stretches that overlap cover the window.
    """
    stretch, length = circle, 1
    while 2 * length <= 2 * reach + 1:
        stretch = np.maximum(stretch, np.roll(stretch, -length))
        length *= 2
    return np.maximum(np.roll(stretch, reach), np.roll(stretch, length - reach - 1))


@njit(cache=True, parallel=True, fastmath={"reassoc", "contract"})
def _bounded(
    extended: Array,
    lowest: Array,
    highest: Array,
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    row_weights: Array,
    column_weights: Array,
    offset: int,
    bounds_width: int,
) -> Any:
    """Tensor-product interpolation, the bounds of each point, and the values brought inside."""
    batch = extended.shape[0]
    values = np.empty((batch, row.size))
    lower, upper = np.empty((batch, row.size)), np.empty((batch, row.size))
    for n in prange(row.size):
        for b in range(batch):
            total = weighted_sum(extended[b], row, column, row_weights, column_weights, n)
            low, high = np.inf, -np.inf
            for i in range(offset, offset + bounds_width):
                for j in range(offset, offset + bounds_width):
                    low = min(low, lowest[b, row[n] + i, column[n] + j])
                    high = max(high, highest[b, row[n] + i, column[n] + j])
            # Written so that what is not a number stays so.
            if total < low:
                total = low
            if total > high:
                total = high
            values[b, n], lower[b, n], upper[b, n] = total, low, high
    return values, lower, upper


@njit(cache=True)
def _mass(values: Array, areas: Array) -> Any:
    """Σ areas × values, by blocks whose sum is compensated (Kahan 1965, doi:10.1145/363707.363723).

    Round-off differs little from step to step, so that any would add up.
    """
    total = lost = 0.0
    for start in range(0, values.size, 128):
        block = -lost
        for n in range(start, min(start + 128, values.size)):
            block += areas[n] * values[n]
        following = total + block
        lost = (following - total) - block
        total = following
    return total


@njit(cache=True, parallel=True)
def _masses(values: Array, areas: Array) -> Any:
    """Of each field; see :func:`total_masses`."""
    result = np.empty(values.shape[0])
    for b in prange(values.shape[0]):
        result[b] = _mass(values[b], areas)
    return result


@njit(cache=True, parallel=True)
def _restore(
    values: Array, lower: Array, upper: Array, areas: Array, masses: Array, extremes: Array
) -> Any:
    """See :func:`restore_mass`; the fields in parallel."""
    result = values.copy()
    for b in prange(values.shape[0]):
        low, high = lower[b], upper[b]
        # Round-off leaves something to a second and a third attempt.
        for _ in range(4):
            total = _mass(result[b], areas)
            missing = masses[b] - total
            if abs(missing) <= EPSILON * _mass(np.abs(result[b]), areas):
                break
            bound = high if missing > 0.0 else low
            room = abs(_mass(bound, areas) - total)
            share = min(abs(missing) / room, 1.0) if room > 0.0 else 0.0
            for n in range(result.shape[1]):
                moved = result[b, n] + share * (bound[n] - result[b, n])
                result[b, n] = min(moved, bound[n]) if missing > 0.0 else max(moved, bound[n])
            if abs(missing) > room:
                low, high = extremes[b, 0], extremes[b, 1]
    return result
