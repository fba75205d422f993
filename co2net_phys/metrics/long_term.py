"""The long run of a series: its growth, and the size and date of its yearly cycle."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from co2net_phys.errors import UsageError
from co2net_phys.metrics.autocorrelation import correlation_time
from co2net_phys.metrics.cells import Floats

DAYS_OF_YEAR = 365.25
"""Days in the mean year in which the phase of the yearly cycle is told."""

_YEAR_S = DAYS_OF_YEAR * 86_400.0


class Trend(NamedTuple):
    """Long-term behaviour of a series; all NaN where it is too short to tell."""

    growth: float
    """Mean growth rate over the record, µmol mol⁻¹ a⁻¹."""
    growth_error: float
    """Standard error of the growth, with allowance for autocorrelated residuals."""
    amplitude: float
    """Yearly cycle from trough to peak, µmol mol⁻¹."""
    day_of_maximum: float
    """Days from the start of the year to the peak of the yearly cycle, in a year of 365.25."""


def trend(
    series: ArrayLike,
    seconds: ArrayLike,
    year_phase: ArrayLike,
    harmonics: int = 2,
    quadratic: bool = False,
) -> Trend:
    """Growth and yearly cycle by least squares of a line and annual harmonics.

    f(t) = a + b t (+ c t²) + Σ_k (p_k cos 2πkφ + q_k sin 2πkφ), t in calendar years from the middle
    of the record, so that b is the growth there with the quadratic term too. The residuals count
    for as many independent ones as their `correlation_time` allows: the variance of b is larger
    by that factor, and so many fewer degrees of freedom are left (after Santer et al. 2000,
    doi:10.1029/1999JD901105, who take the time of an AR(1) series).

    Args:
        series: (time,) such as a global mean, in µmol mol⁻¹; NaN where missing.
        seconds: (time,) since any moment, ascending, in nearly equal steps.
        year_phase: (time,) share of the year gone by, 0…1, in the calendar of the data.
        harmonics: of the year, 1 or more.
        quadratic: whether growth may change steadily.

    Returns:
        A `Trend`, all NaN from less than a year of data, as many parameters as values, or too few
        different phases.

    Raises:
        UsageError: lengths disagree, or times do not ascend.
    """
    values = np.asarray(series, dtype=np.float64)
    phase = np.asarray(year_phase, dtype=np.float64)
    years = _calendar_years(np.asarray(seconds, dtype=np.float64), phase)
    if not values.shape == years.shape == phase.shape:
        raise UsageError(
            f"series {values.shape}, seconds {years.shape} and phases {phase.shape} must share"
            " their times (time,)"
        )
    known = ~np.isnan(values)
    order = np.arange(1, harmonics + 1)
    if known.sum() <= 2 + quadratic + 2 * harmonics + 1 or np.ptp(years[known]) < 1.0:
        return Trend(*[float("nan")] * 4)
    t = years - (years[known].min() + years[known].max()) / 2
    angle = 2 * np.pi * np.outer(phase, order)
    powers = np.vander(t, 3 if quadratic else 2, increasing=True)
    design = np.concatenate([powers, np.cos(angle), np.sin(angle)], axis=1)
    fit, _, rank, _ = np.linalg.lstsq(design[known], values[known])
    if rank < design.shape[1]:  # one date in every year tells nothing of its cycle
        return Trend(*[float("nan")] * 4)
    residual = values - design @ fit
    cosine, sine = np.split(fit[powers.shape[1] :], 2)
    amplitude, peak = _peak(cosine, sine)
    return Trend(float(fit[1]), _slope_error(design, residual), amplitude, DAYS_OF_YEAR * peak)


def trend_comparison(
    prediction: ArrayLike,
    truth: ArrayLike,
    seconds: ArrayLike,
    year_phase: ArrayLike,
    harmonics: int = 2,
    quadratic: bool = False,
) -> dict[str, float | dict[str, float]]:
    """Trends of prediction and truth (time,) over the times where the truth is known.

    Returns:
        "prediction" and "truth", each a `Trend` as a dictionary; "growth_difference" in
        µmol mol⁻¹ a⁻¹, "amplitude_ratio", and "phase_difference", days by which the peak of the
        prediction comes late, −183…183. All of the prediction is NaN if it lacks a known time.

    Raises:
        UsageError: as for `trend`.
    """
    y, u = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if y.shape != u.shape:
        raise UsageError(f"series {y.shape} and {u.shape} must share their times (time,)")
    known = ~np.isnan(u)
    y = np.where(known & ~np.isnan(y[known]).any(), y, np.nan)
    found, true = (trend(x, seconds, year_phase, harmonics, quadratic) for x in (y, u))
    late = (found.day_of_maximum - true.day_of_maximum) / DAYS_OF_YEAR
    return {
        "prediction": found._asdict(),
        "truth": true._asdict(),
        "growth_difference": found.growth - true.growth,
        "amplitude_ratio": found.amplitude / true.amplitude if true.amplitude else float("nan"),
        "phase_difference": DAYS_OF_YEAR * float(late - np.round(late)),
    }


def _calendar_years(seconds: Floats, phase: Floats) -> Floats:
    """Years (time,) since the first time: the seconds tell how often the phase went round."""
    if seconds.shape != phase.shape or seconds.ndim != 1:
        raise UsageError(f"seconds {seconds.shape} and phases {phase.shape} must be (time,) both")
    steps, turns = np.diff(seconds), np.diff(phase)
    if (steps <= 0).any():
        raise UsageError("times do not ascend: sort the series by time")
    turns += np.round(steps / _YEAR_S - turns)
    return np.concatenate([np.zeros(min(1, phase.size)), np.cumsum(turns)])


def _slope_error(design: Floats, residual: Floats) -> float:
    """Standard error of the second coefficient, from residuals (time,) with NaN where missing."""
    known = ~np.isnan(residual)
    memory = correlation_time(residual)
    freedom = max(1.0, known.sum() / memory - design.shape[1])
    variance = (residual[known] ** 2).sum() / memory / freedom
    independent = np.linalg.inv(design[known].T @ design[known])[1, 1]
    return float(np.sqrt(variance * memory * independent))


def _peak(cosine: Floats, sine: Floats) -> tuple[float, float]:
    """Trough-to-peak range of Σ p_k cos 2πkφ + q_k sin 2πkφ, and the phase of its maximum, 0…1."""
    order = np.arange(1, cosine.size + 1)
    # With z = exp 2πiφ the derivative is Re Σ i k (p − i q) z^k, a polynomial in z over z^n.
    slopes = 1j * order * (cosine - 1j * sine)
    polynomial = np.concatenate([slopes[::-1], [0.0], slopes.conj()])
    phases = np.angle(np.roots(polynomial)) / (2 * np.pi) % 1.0
    if phases.size == 0:
        return 0.0, float("nan")
    angle = 2 * np.pi * np.outer(phases, order)
    heights = np.cos(angle) @ cosine + np.sin(angle) @ sine
    return float(np.ptp(heights)), float(phases[np.argmax(heights)])
