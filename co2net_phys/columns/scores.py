"""How stable long roll-outs are, in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.columns.stability import Course, Stability
from co2net_phys.metrics import correlation, latitude_weights, root_mean_square
from co2net_phys.metrics.cells import ratio

DAYS_PER_YEAR = 365.2425
LEAD_DAYS = (1, 3, 10, 30, 100, 365)
"""Lead times at which errors are stated, as far as a roll-out reaches."""

Floats = NDArray[np.float64]


def stability_scores(stability: Stability) -> dict[str, Any]:
    """Return the scores of each method by its name, plain values for JSON.

    "rmse" and "rmse_after" (by days) are in kg kg-1, the mean square over all frames and at the
    frames with that lead time. Percentages are relative to the truth:

    * "burden_bias_percent": mean error of the global burden;
    * "burden_rms_percent": root mean square error of it;
    * "drift_percent_per_year": slope of a straight line through that error. Over less than some
      years it holds a part of the seasonal cycle of the error;
    * "profile_error_percent": root mean square error of the mean profile, levels weighted by mass;
    * "column_error_percent": that of the mean column burden, weighted by area, and
      "column_correlation" its pattern correlation;
    * "small_scale_power": power of the column burden at zonal wavenumbers above half of the
      largest, over that of the truth: below 1 where the roll-out is too smooth.

    "blown_up_after_days" is None, or when the roll-out ended; then the others are NaN.
    """
    return {
        "days": float(stability.days[-1]),
        "frames": len(stability.days),
        "methods": {name: _scores(course, stability) for name, course in stability.methods.items()},
    }


def drift(days: Floats, error: Floats) -> float:
    """Slope of a straight line through an error (n,) at times in days, per year; NaN if n < 2."""
    if len(days) < 2:
        return float("nan")
    slope, _ = np.polyfit(days, error, deg=1) if np.isfinite(error).all() else (np.nan, np.nan)
    return float(slope * DAYS_PER_YEAR)


def _scores(course: Course, stability: Stability) -> dict[str, Any]:
    truth, days = stability.truth, stability.days
    error = (course.burden - truth.burden) * ratio(100.0, float(truth.burden.mean()))
    area = latitude_weights(stability.latitude)
    cells = np.broadcast_to(area[:, None], truth.column.shape)
    half = len(truth.power) // 2 + 1
    ended = course.blown_up
    return {
        "rmse": float(root_mean_square(course.rmse)),
        "rmse_after": {
            str(lead): float(course.rmse[np.argmin(np.abs(days - lead))])
            for lead in LEAD_DAYS
            if days[0] <= lead <= days[-1]
        },
        "burden_bias_percent": float(error.mean()),
        "burden_rms_percent": float(root_mean_square(error)),
        "drift_percent_per_year": drift(days, error),
        "profile_error_percent": _relative(course.profile, truth.profile, stability.layer_mass),
        "column_error_percent": _relative(course.column, truth.column, cells),
        "column_correlation": correlation(course.column[None], truth.column[None], area),
        "small_scale_power": ratio(
            float(course.power[half:].sum()), float(truth.power[half:].sum())
        ),
        "blown_up_after_days": None if ended is None else float(days[ended - 1]),
    }


def _relative(values: Floats, truth: Floats, weights: Floats) -> float:
    """Weighted root mean square error over that of the truth itself, per cent."""
    error, size = (weights * (values - truth) ** 2).sum(), (weights * truth**2).sum()
    return float(100 * np.sqrt(ratio(float(error), float(size))))
