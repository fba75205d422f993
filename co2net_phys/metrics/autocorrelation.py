"""How long a series remembers: automatic block lengths and effective sample sizes."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from co2net_phys.metrics.cells import Floats


def block_length(series: ArrayLike) -> int:
    """Block of the circular bootstrap that estimates the variance of the mean best.

    b = (2 Ĝ² / D)^(1/3) n^(1/3) with D = 4/3 ĝ(0)², ĝ(0) = Σ R(k) and Ĝ = Σ |k| R(k) from
    autocovariances R tapered by a flat-top window (Politis and White 2004,
    doi:10.1081/ETC-120028836; correction of 2009, doi:10.1080/07474930802459016). At least 1, at
    most min(3 √n, n/3).

    Args:
        series: (time,) at equal steps; NaN where a time is missing.
    """
    found = _covariance_sums(series)
    known = found.values
    if not found.total > 0:  # constant, empty, or as good as alternating
        return 1
    best = (1.5 * known) ** (1 / 3) * abs(found.moment / found.total) ** (2 / 3)
    largest = max(1, math.ceil(min(3 * math.sqrt(known), known / 3)))
    return int(min(max(1, math.ceil(best)), largest))


def correlation_time(series: ArrayLike) -> float:
    """Σ R(k) / R(0) over all lags k, in steps and at least 1.

    n values of a series vary in their mean, and in slowly varying regressors, as much as
    n / correlation_time independent ones. 1 for white noise; (1 + φ) / (1 − φ) for an AR(1) series.
    """
    found = _covariance_sums(series)
    return max(1.0, found.total / found.variance) if found.variance > 0 else 1.0


class _CovarianceSums(NamedTuple):
    """Of tapered autocovariances R(k): Σ R(k), Σ |k| R(k) and R(0), and the number of values."""

    total: float
    moment: float
    variance: float
    values: int


def _covariance_sums(series: ArrayLike) -> _CovarianceSums:
    values = np.asarray(series, dtype=np.float64)
    known = ~np.isnan(values)
    count = int(known.sum())
    if count < 2:
        return _CovarianceSums(0.0, 0.0, 0.0, count)
    deviations = np.where(known, values - values[known].mean(), 0.0)
    run = max(5, math.ceil(math.sqrt(math.log10(count))))  # lags that must look like noise
    lags = np.arange(min(math.ceil(math.sqrt(count)) + run, values.size - 1) + 1)
    covariance = np.array([deviations[: values.size - k] @ deviations[k:] for k in lags]) / count
    if covariance[0] <= 1e-28 * np.mean(values[known] ** 2):
        return _CovarianceSums(0.0, 0.0, 0.0, count)
    band = 2 * max(1, _last_correlated_lag(covariance / covariance[0], count, run))
    taper = np.clip(2 * (1 - lags / band), 0.0, 1.0)
    tapered = taper * covariance * np.where(lags > 0, 2.0, 1.0)  # both signs of each lag
    return _CovarianceSums(float(tapered.sum()), float(lags @ tapered), float(covariance[0]), count)


def _last_correlated_lag(correlations: Floats, count: int, run: int) -> int:
    """Smallest lag after which `run` correlations in a row are within the noise."""
    noise = 2 * math.sqrt(math.log10(count) / count)
    loud = np.flatnonzero(np.abs(correlations) >= noise)  # lag 0 among them
    gaps = np.diff(np.append(loud, correlations.size + run))
    return int(loud[np.argmax(gaps > run)])
