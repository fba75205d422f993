"""One number for each time: what a bootstrap, a curve or a trend needs."""

import numpy as np
from numpy.typing import ArrayLike

from co2net_phys.metrics.cells import Floats, aligned_cells, means_over_cells


def rmse_series(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> Floats:
    """Root of the area-mean squared error (time,); its mean over time is `rmse`.

    Here and in the series below, NaN at a time without a valid cell and where a known truth has
    no prediction.
    """
    cells = aligned_cells(prediction, truth, weights, mask)
    return np.sqrt(means_over_cells((cells.prediction - cells.truth) ** 2, cells.weights))


def mae_series(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> Floats:
    """Area-mean absolute error (time,)."""
    cells = aligned_cells(prediction, truth, weights, mask)
    return means_over_cells(np.abs(cells.prediction - cells.truth), cells.weights)


def bias_series(
    prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None
) -> Floats:
    """Area mean of prediction minus truth (time,)."""
    cells = aligned_cells(prediction, truth, weights, mask)
    return means_over_cells(cells.prediction - cells.truth, cells.weights)


def mean_series(field: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None) -> Floats:
    """Area mean (time,) of one field (time, lat, lon) over the cells of non-zero weight.

    A missing value makes its time NaN unless the mask leaves the cell out: prediction and truth
    are comparable only over the same cells, so mask both where the truth is missing.
    """
    values = np.asarray(field, dtype=np.float64)
    # Zeros as truth: with the field itself there, its missing values would lose their weight.
    cells = aligned_cells(values, np.zeros_like(values), weights, mask)
    return means_over_cells(np.where(cells.weights > 0, cells.prediction, 0.0), cells.weights)
