"""Edges of grid cells from their centres: the one rule by which areas are counted."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.errors import UsageError

Array = NDArray[np.float64]

_SAME_DEGREES = 1e-2
"""Latitudes this close to those of a known grid are its own: files round, some to two digits."""


def cell_bounds(centres: ArrayLike) -> Array:
    """Edges (n+1,) of cells with given centres (n,): midpoints, and half a spacing at both ends.

    Raises:
        UsageError: fewer than two centres, or not strictly monotonic.
    """
    values = np.asarray(centres, dtype=np.float64)
    steps = np.diff(values)
    if values.ndim != 1 or steps.size == 0 or not (np.all(steps > 0) or np.all(steps < 0)):
        raise UsageError(
            "a grid axis must hold at least two coordinates, strictly ascending or descending:"
            " sort the axis and drop repeated values"
        )
    first, last = values[0] - steps[0] / 2, values[-1] + steps[-1] / 2
    return np.concatenate([[first], values[:-1] + steps / 2, [last]])


def latitude_bounds(latitude: ArrayLike) -> Array:
    """Edges (nlat+1,) of latitude rows in degrees north, within the poles, in the rows' order.

    The rows of a global grid are recognised by their number and centres:

    * the centres of equal cells have edges midway between them;
    * equal steps from pole to pole end in caps of half a step, whether the file writes the polar
      rows at the poles or in the middle of their caps;
    * Gaussian rows have the area of their quadrature weights: sin(edge) = −1 + Σ w.

    Other rows, those of a region for example, have edges midway between them and half a spacing
    at both ends.

    Raises:
        UsageError: a latitude beyond ±90, fewer than two, or not strictly monotonic.
    """
    values = np.asarray(latitude, dtype=np.float64)
    if np.any(np.abs(values) > 90):
        raise UsageError("latitude must lie in −90…90 degrees north: check the order of the axes")
    midway = np.clip(cell_bounds(values), -90.0, 90.0)
    known = _global_edges(np.sort(values))
    if known is None:
        return midway
    return known if values[0] < values[-1] else known[::-1]


def _global_edges(latitude: Array) -> Array | None:
    """Edges of ascending rows if they are those of a global grid."""
    rows = latitude.size
    equal = np.linspace(-90.0, 90.0, rows + 1)
    from_pole_to_pole = np.linspace(-90.0, 90.0, rows)
    capped = np.concatenate([[-90.0], _midpoints(from_pole_to_pole), [90.0]])
    for centres, edges in (
        (_midpoints(equal), equal),
        (from_pole_to_pole, capped),
        (_midpoints(capped), capped),
    ):
        if _same(latitude, centres):
            return edges
    # Gaussian rows are symmetric: without this every region would ask for the solvers.
    if not _same(latitude, -latitude[::-1]):
        return None
    centres, edges = _gaussian(rows)
    return edges.copy() if _same(latitude, centres) else None


@lru_cache(maxsize=8)
def _gaussian(rows: int) -> tuple[Array, Array]:
    """Latitudes and edges of a Gaussian grid."""
    # Imported here because PyTorch comes with it, seconds that few callers need to wait for.
    from co2net_phys.solvers.grid import Grid

    grid = Grid("gaussian", rows, 1)
    return grid.latitude, grid.latitude_bounds


def _midpoints(edges: Array) -> Array:
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def _same(one: Array, other: Array) -> bool:
    return bool(np.abs(one - other).max() < _SAME_DEGREES)
