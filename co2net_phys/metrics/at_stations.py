"""Scores at stations, where every observation counts the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from co2net_phys.errors import UsageError
from co2net_phys.metrics import grid_scores
from co2net_phys.metrics.cells import Floats


def station_scores(
    prediction_at_sites: ArrayLike, observed: ArrayLike, codes: Sequence[str]
) -> dict[str, Any]:
    """Scores at stations, for each site and for all observations together.

    Unlike `rmse`, which averages over time, these are roots of plain means over observations.

    Args:
        prediction_at_sites: (time, S) in µmol mol⁻¹.
        observed: (time, S) in µmol mol⁻¹, NaN where nothing was observed.
        codes: the S station codes.

    Returns:
        "pooled", and "sites" by code: each with "rmse", "median_abs_error", "bias",
        "correlation" and "n".

    Raises:
        UsageError: shapes disagree, or a code occurs twice.
    """
    predicted = np.asarray(prediction_at_sites, dtype=np.float64)
    truth = np.asarray(observed, dtype=np.float64)
    if predicted.shape != truth.shape or truth.ndim != 2 or truth.shape[1] != len(codes):
        raise UsageError(
            f"predictions {predicted.shape}, observations {truth.shape} and {len(codes)} station"
            " codes do not match: expected (time, station) twice, and one code for each station"
        )
    if len(set(codes)) < len(codes):
        raise UsageError("a station code occurs twice: merge the series of each site first")
    sites = {code: series_scores(predicted[:, i], truth[:, i]) for i, code in enumerate(codes)}
    return {"sites": sites, "pooled": series_scores(predicted.ravel(), truth.ravel())}


def series_scores(predicted: Floats, observed: Floats) -> dict[str, float | int]:
    """Scores of one series (n,), leaving out missing observations."""
    # As one map of n equal cells the grid's scores apply: (time, lat, lon) = (1, n, 1).
    y, u, equal = predicted[None, :, None], observed[None, :, None], np.ones(observed.size)
    return {
        "rmse": grid_scores.rmse(y, u, equal),
        "median_abs_error": grid_scores.median_abs_error(y, u, equal),
        "bias": grid_scores.bias(y, u, equal),
        "correlation": grid_scores.correlation(y, u, equal),
        "n": int((~np.isnan(observed)).sum()),
    }
