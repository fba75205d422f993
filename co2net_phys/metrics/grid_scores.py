"""Area-weighted scores of a reconstruction on a grid."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from co2net_phys.data.regions import region_mask
from co2net_phys.metrics.cells import (
    aligned_cells,
    centred,
    latitude_weights,
    means_over_cells,
    ratio,
    weighted_mean,
    weighted_median,
)


def rmse(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Mean over time of the root of the area-mean squared error, in µmol mol⁻¹.

    RMSE = mean_t sqrt(Σ α (y − u)² / Σ α), the definition of the CO2-Net paper; times without
    a valid cell are left out.
    """
    cells = aligned_cells(prediction, truth, weights, mask)
    squares = means_over_cells((cells.prediction - cells.truth) ** 2, cells.weights)
    roots = np.sqrt(squares[cells.weights.sum(axis=1) > 0])
    return ratio(roots.sum(), roots.size)


def mae(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Mean absolute error over area and time, in µmol mol⁻¹."""
    cells = aligned_cells(prediction, truth, weights, mask)
    return weighted_mean(np.abs(cells.prediction - cells.truth), cells.weights)


def median_abs_error(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Absolute error that half of the area and time stays below, in µmol mol⁻¹.

    Unlike `rmse` it does not move when a few cells next to strong sources are far off.
    """
    cells = aligned_cells(prediction, truth, weights, mask)
    return weighted_median(np.abs(cells.prediction - cells.truth), cells.weights)


def bias(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Mean of prediction minus truth over area and time, in µmol mol⁻¹."""
    cells = aligned_cells(prediction, truth, weights, mask)
    return weighted_mean(cells.prediction - cells.truth, cells.weights)


def acc(
    prediction: ArrayLike,
    truth: ArrayLike,
    climatology: ArrayLike,
    weights: ArrayLike,
    mask: ArrayLike | None = None,
) -> float:
    """Anomaly correlation coefficient over time and grid, uncentred.

    ACC = Σ α (y − C)(u − C) / sqrt(Σ α (y − C)² · Σ α (u − C)²), sums over time and cells. The
    mean anomaly is not removed again: an error of the mean level lowers the score.

    Args:
        prediction: y (time, lat, lon).
        truth: u (time, lat, lon).
        climatology: C, a scalar, (lat, lon) or (time, lat, lon), in the units of the truth.
        weights: α (lat,) or (lat, lon).
        mask: cells that count, (lat, lon) or (time, lat, lon).
    """
    reference = np.asarray(climatology, dtype=np.float64)
    # NaN in the climatology makes the true anomaly NaN, which takes away the cell's weight.
    anomalies = np.subtract(prediction, reference), np.subtract(truth, reference)
    y, u, alpha = aligned_cells(*anomalies, weights, mask)
    scale = np.sqrt((alpha * y**2).sum() * (alpha * u**2).sum())
    return ratio((alpha * y * u).sum(), scale)


def correlation(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Weighted Pearson correlation over time and grid, in −1…1."""
    cells = aligned_cells(prediction, truth, weights, mask)
    y, u = centred(cells.prediction, cells.weights), centred(cells.truth, cells.weights)
    scale = np.sqrt((cells.weights * y**2).sum() * (cells.weights * u**2).sum())
    return ratio((cells.weights * y * u).sum(), scale)


def r2(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Explained variance 1 − Σ α (y − u)² / Σ α (u − ū)²: 1 is perfect, 0 as good as the mean."""
    cells = aligned_cells(prediction, truth, weights, mask)
    residual = (cells.weights * (cells.prediction - cells.truth) ** 2).sum()
    spread = (cells.weights * centred(cells.truth, cells.weights) ** 2).sum()
    return 1.0 - ratio(residual, spread)


def global_mean_drift(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> float:
    """Growth of the area-mean error over the whole record, in µmol mol⁻¹.

    The slope of a straight line fitted to the area-mean error, times the length of the record:
    0 for a constant bias, and the difference of the two errors for two times.
    """
    cells = aligned_cells(prediction, truth, weights, mask)
    error = means_over_cells(cells.prediction - cells.truth, cells.weights)
    step = np.flatnonzero(cells.weights.sum(axis=1) > 0)
    if step.size < 2:
        return float("nan")
    slope, _ = np.polyfit(step, error[step], deg=1)
    return float(slope * (error.size - 1))


def score(
    prediction: ArrayLike,
    truth: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    climatology: ArrayLike,
    regions: Iterable[str] = (),
) -> dict[str, Any]:
    """All scores of a reconstruction on a grid.

    Args:
        prediction: (time, lat, lon) in µmol mol⁻¹.
        truth: (time, lat, lon) in µmol mol⁻¹, NaN where unknown.
        latitude: cell centres (lat,) in degrees north.
        longitude: cell centres (lon,) in degrees east, either convention.
        climatology: scalar, (lat, lon) or (time, lat, lon) in µmol mol⁻¹.
        regions: names from `co2net_phys.data.regions.REGIONS`.

    Returns:
        "rmse", "acc", "mae", "median_abs_error", "bias", "correlation", "r2",
        "global_mean_drift", and "regions": for each name its "rmse", "acc" and "bias".

    Raises:
        UsageError: shapes disagree, or a region is unknown.
    """
    weights = latitude_weights(latitude)

    def regional(mask: ArrayLike | None) -> dict[str, Any]:
        return {
            "rmse": rmse(prediction, truth, weights, mask),
            "acc": acc(prediction, truth, climatology, weights, mask),
            "bias": bias(prediction, truth, weights, mask),
        }

    return regional(None) | {
        "mae": mae(prediction, truth, weights),
        "median_abs_error": median_abs_error(prediction, truth, weights),
        "correlation": correlation(prediction, truth, weights),
        "r2": r2(prediction, truth, weights),
        "global_mean_drift": global_mean_drift(prediction, truth, weights),
        "regions": {name: regional(region_mask(name, latitude, longitude)) for name in regions},
    }
