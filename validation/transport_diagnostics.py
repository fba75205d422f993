"""How far a transported tracer is from the exact one: the diagnostics of the test suite.

As in Lauritzen et al. (2012), doi:10.5194/gmd-5-887-2012. Fields are (nlat, nlon), ``weights`` are
the shares of the sphere's area of the nodes, broadcast against them and summing to one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import UsageError
from co2net_phys.solvers.grid import Grid

Array = NDArray[np.float64]

FILAMENT_LEVELS: Array = np.round(np.linspace(0.1, 1.0, 19), 2)
"""Thresholds τ of the filament diagnostic, from the background to the peak of the bells."""

MINIMAL_RESOLUTION_ERROR = 0.033
"""l2 of the cosine bells in the non-divergent flow that defines the minimal resolution."""

_ROUND_OFF = 1e-12


def area_shares(grid: Grid) -> Array:
    """Share of the sphere of each node's cell, (nlat, nlon); on a Gaussian grid its quadrature."""
    return grid.area_weights / grid.area_weights.size


def error_norms(field: Array, exact: Array, weights: Array) -> dict[str, float]:
    """l1, l2 and linf of the difference, each relative to the same norm of ``exact``."""
    error = np.abs(field - exact)
    return {
        "l1": float((weights * error).sum() / (weights * np.abs(exact)).sum()),
        "l2": float(np.sqrt((weights * error**2).sum() / (weights * exact**2).sum())),
        "linf": float(error.max() / np.abs(exact).max()),
    }


def new_extremes(field: Array, initial: Array) -> tuple[float, float]:
    """Change of minimum and maximum since the start, in units of the initial range.

    A negative first or a positive second number is an extreme that transport cannot make.
    """
    span = float(initial.max() - initial.min())
    return float(field.min() - initial.min()) / span, float(field.max() - initial.max()) / span


def filament_preservation(field: Array, initial: Array, weights: Array) -> Array:
    """l_f(τ) in % for each of :data:`FILAMENT_LEVELS`: area where φ ≥ τ, relative to the start.

    A non-divergent flow keeps the area, 100 %, while it draws the tracer out into filaments. A
    level that the initial field does not reach anywhere gives 0.
    """
    areas = []
    for values in (field, initial):
        inside = values[None] >= FILAMENT_LEVELS[:, None, None] - _ROUND_OFF
        areas.append((weights * inside).sum((-2, -1)))
    now, before = areas
    return np.asarray(100.0 * np.divide(now, before, out=np.zeros_like(now), where=before > 0))


def order_of_convergence(resolutions: Sequence[float], errors: Sequence[float]) -> float:
    """Slope of log error over log resolution by least squares.

    Args:
        resolutions: grid spacings, two or more, degrees.
        errors: the error of each, positive.

    Raises:
        UsageError: fewer than two different resolutions.
    """
    if len(set(resolutions)) < 2:
        raise UsageError("an order of convergence needs two or more resolutions")
    return float(np.polyfit(np.log(resolutions), np.log(errors), 1)[0])


def minimal_resolution(resolutions: Sequence[float], errors: Sequence[float]) -> float | None:
    """Coarsest spacing in degrees at which l2 is :data:`MINIMAL_RESOLUTION_ERROR`.

    Interpolated in the logarithms between the resolutions; None if their errors do not enclose it.
    """
    order = np.argsort(resolutions)
    spacing = np.log(np.asarray(resolutions, dtype=np.float64)[order])
    error = np.log(np.asarray(errors, dtype=np.float64)[order])
    wanted = np.log(MINIMAL_RESOLUTION_ERROR)
    if not error[0] <= wanted <= error[-1]:
        return None
    return float(np.exp(np.interp(wanted, error, spacing)))
