"""What every score on a grid starts from: aligned values and the weight of each cell."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.data.cells import latitude_bounds
from co2net_phys.errors import UsageError

Floats = NDArray[np.float64]


class Cells(NamedTuple):
    """Aligned arrays (time, cell); cells without a valid truth have weight and truth 0."""

    prediction: Floats
    truth: Floats
    weights: Floats


def latitude_weights(latitude: ArrayLike) -> Floats:
    """Relative area (lat,) of each row of cells, normalised to mean 1.

    The area between two latitudes is proportional to the difference of their sines, so rows are
    weighted by sin(north edge) − sin(south edge), with the edges of
    `co2net_phys.data.cells.latitude_bounds`.

    Args:
        latitude: cell centres (lat,) in degrees north, ascending or descending.

    Raises:
        UsageError: a latitude beyond ±90, fewer than two, or not strictly monotonic.
    """
    areas = np.abs(np.diff(np.sin(np.radians(latitude_bounds(latitude)))))
    return np.asarray(areas / areas.mean(), dtype=np.float64)


def aligned_cells(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None
) -> Cells:
    """Flatten the grid, drop what the mask excludes and weigh what remains.

    Raises:
        UsageError: shapes disagree.
    """
    y, u = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    counted = np.ones(u.shape[1:], dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if y.shape != u.shape or u.ndim != 3 or counted.shape not in (u.shape, u.shape[1:]):
        raise UsageError(
            f"prediction {y.shape}, truth {u.shape} and mask {counted.shape} must share"
            " (time, lat, lon), the mask perhaps without time: regrid or select before scoring"
        )
    alpha = np.asarray(weights, dtype=np.float64)
    alpha = np.broadcast_to(alpha[:, None] if alpha.ndim == 1 else alpha, u.shape[1:])
    inside = counted.any(axis=0) if counted.ndim == 3 else counted  # (lat, lon)
    y, u, alpha = y[:, inside], u[:, inside], alpha[inside]  # (time, cell), (cell,)
    valid = ~np.isnan(u)
    if counted.ndim == 3:
        valid &= counted[:, inside]
    return Cells(np.where(valid, y, 0.0), np.where(valid, u, 0.0), valid * alpha)


def means_over_cells(values: Floats, weights: Floats) -> Floats:
    """Weighted means (time,) of values (time, cell), NaN where no cell has weight."""
    total = weights.sum(axis=1)
    sums = (weights * values).sum(axis=1)
    return np.divide(sums, total, out=np.full(total.shape, np.nan), where=total > 0)


def weighted_mean(values: Floats, weights: Floats) -> float:
    """Mean over everything, NaN without weight."""
    return ratio((weights * values).sum(), weights.sum())


def weighted_median(values: Floats, weights: Floats) -> float:
    """Value with half of the weight below it, NaN without weight or with a NaN value.

    Where exactly half of the weight lies below a gap, the middle of the gap: with equal weights
    this is the usual median.
    """
    counted = weights > 0
    found, shares = values[counted], weights[counted]
    if found.size == 0 or np.isnan(found).any():
        return float("nan")
    order = np.argsort(found)
    below = np.cumsum(shares[order])
    # Round-off of the sum must not decide on which side of the gap the median falls.
    half = below[-1] / 2 * np.array([1 - 1e-12, 1 + 1e-12])
    return float(found[order[np.searchsorted(below, half)]].mean())


def centred(values: Floats, weights: Floats) -> Floats:
    """Deviations from the weighted mean, exactly 0 where they are nothing but round-off."""
    deviations = values - weighted_mean(values, weights)
    raw, spread = ((weights * x**2).sum() for x in (values, deviations))
    return np.zeros_like(deviations) if spread <= 1e-28 * raw else deviations


def ratio(numerator: float, denominator: float) -> float:
    """Quotient, NaN where the denominator is not positive."""
    return float(numerator / denominator) if denominator > 0 else float("nan")
