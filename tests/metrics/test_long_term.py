"""Planted growth and yearly cycles are found, with honest errors, in any calendar."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from co2net_phys import metrics
from co2net_phys.errors import UsageError

DAY = 86_400.0


def monthly(years: int = 10, first: float = 0.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calendar years, seconds and year phases of the middles of months."""
    t = first + np.arange(12 * years) / 12
    return t, t * 365.25 * DAY, t % 1


def cycle(phase: np.ndarray, amplitude: float, day: float) -> np.ndarray:
    """Harmonic with that trough-to-peak range and day of maximum."""
    return amplitude / 2 * np.cos(2 * np.pi * (phase - day / 365.25))


@settings(max_examples=30, deadline=None)
@given(
    growth=st.floats(-5, 5), amplitude=st.floats(0.1, 20), day=st.floats(1, 364), gaps=st.booleans()
)
def test_a_line_and_a_harmonic_are_found(
    growth: float, amplitude: float, day: float, gaps: bool
) -> None:
    t, seconds, phase = monthly()
    series = 370 + growth * t + cycle(phase, amplitude, day)
    if gaps:
        series[[3, 4, 50, -1]] = np.nan
    found = metrics.trend(series, seconds, phase)
    assert found.growth == pytest.approx(growth, abs=1e-10)
    assert found.amplitude == pytest.approx(amplitude, rel=1e-9)
    assert found.day_of_maximum == pytest.approx(day, abs=1e-5)
    assert found.growth_error < 1e-10


def test_a_second_harmonic_moves_the_peak() -> None:
    _, seconds, phase = monthly()
    # cos x + 0.5 cos 2x (x from the peak): 1.5 at x = 0, −0.75 where cos x = −1/2.
    x = 2 * np.pi * (phase - 0.3)
    found = metrics.trend(np.cos(x) + 0.5 * np.cos(2 * x), seconds, phase)
    assert found.amplitude == pytest.approx(2.25, rel=1e-12)
    assert found.day_of_maximum == pytest.approx(0.3 * 365.25, rel=1e-9)
    fine = np.linspace(0, 1, 100_001)
    skewed = np.cos(2 * np.pi * fine) + 0.4 * np.sin(4 * np.pi * fine)
    found = metrics.trend(
        np.cos(2 * np.pi * phase) + 0.4 * np.sin(4 * np.pi * phase), seconds, phase
    )
    assert found.amplitude == pytest.approx(np.ptp(skewed), rel=1e-8)
    assert found.day_of_maximum == pytest.approx(365.25 * fine[skewed.argmax()], abs=0.01)


def test_quadratic_growth_is_that_of_the_middle() -> None:
    t, seconds, phase = monthly(20)
    series = 320 + 0.7 * t + 0.05 * t**2 + cycle(phase, 6, 130)
    middle = (t[0] + t[-1]) / 2
    found = metrics.trend(series, seconds, phase, quadratic=True)
    assert found.growth == pytest.approx(0.7 + 0.1 * middle, rel=1e-10)
    assert found.growth_error < 1e-9 < 1e-3 < metrics.trend(series, seconds, phase).growth_error


def test_growth_and_its_error_agree_with_a_plain_line() -> None:
    t, seconds, phase = monthly(15)
    noise = np.random.default_rng(0).normal(size=t.size)
    # Nothing of the noise in the waves, and waves across the line: least squares is the line's.
    angle = 2 * np.pi * np.outer(phase, [1, 2])
    waves = np.linalg.qr(np.concatenate([np.cos(angle), np.sin(angle)], axis=1))[0]
    span = np.linalg.qr(np.concatenate([np.vander(t - t.mean(), 2), waves], axis=1))[0]
    series = noise - span @ (span.T @ noise) + 2 * t
    line = linregress(t, series)
    found = metrics.trend(series, seconds, phase)
    assert found.growth == pytest.approx(line.slope, rel=1e-10) == pytest.approx(2, rel=1e-10)
    assert found.amplitude == pytest.approx(0, abs=1e-10)
    # Six parameters instead of two, and of the slope's variance a little goes to the waves.
    assert found.growth_error == pytest.approx(line.stderr, rel=0.05)


@pytest.mark.parametrize(("phi", "low", "high"), [(0.0, 0.9, 1.2), (0.7, 0.85, 1.2)])
def test_the_error_is_the_spread_of_growths(ar1, phi: float, low: float, high: float) -> None:
    t, seconds, phase = monthly(25)
    found = [
        metrics.trend(370 + 2 * t + cycle(phase, 6, 130) + ar1(t.size, phi, seed), seconds, phase)
        for seed in range(300)
    ]
    spread = np.std([one.growth for one in found])
    stated = np.sqrt(np.mean([one.growth_error**2 for one in found]))
    assert low < stated / spread < high
    assert np.mean([one.growth for one in found]) == pytest.approx(2, abs=4 * spread / 300**0.5)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
@pytest.mark.parametrize("step", ["D", "MS"])
def test_years_are_those_of_the_calendar(calendar: str, step: str) -> None:
    times = xr.date_range(
        "1990-03-01",
        periods=400 if step == "MS" else 9000,
        freq=step,
        calendar=calendar,
        use_cftime=True,
    )
    elapsed = np.array([(time - times[0]).total_seconds() for time in times])
    years = np.array([type(times[0])(year, 1, 1) for year in range(times[0].year, 2030)])
    starts = np.array([(year - times[0]).total_seconds() for year in years])
    year = np.searchsorted(starts, elapsed, side="right") - 1
    phase = (elapsed - starts[year]) / np.diff(starts)[year]
    series = 1.5 * (year + phase) + cycle(phase, 4, 100)
    found = metrics.trend(series, elapsed, phase)
    assert found.growth == pytest.approx(1.5, rel=1e-10)
    assert found.amplitude == pytest.approx(4, rel=1e-9)
    assert found.day_of_maximum == pytest.approx(100, abs=1e-5)


def test_gaps_of_years_are_counted() -> None:
    t, seconds, phase = monthly(12)
    chosen = (t < 3) | (t > 9.4)
    series = 2.5 * t + cycle(phase, 3, 40)
    found = metrics.trend(series[chosen], seconds[chosen], phase[chosen])
    assert found.growth == pytest.approx(2.5, rel=1e-10)


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(-400, 400), factor=st.floats(0.1, 10), start=st.floats(0, 1e9))
def test_level_and_scale_do_not_matter(shift: float, factor: float, start: float) -> None:
    t, seconds, phase = monthly(6)
    series = 2 * t + cycle(phase, 3, 40) + np.random.default_rng(1).normal(size=t.size)
    plain = metrics.trend(series, seconds, phase)
    other = metrics.trend(shift + factor * series, start + seconds, phase)
    for name in ("growth", "growth_error", "amplitude"):
        expected = factor * getattr(plain, name)
        assert getattr(other, name) == pytest.approx(expected, rel=1e-7)
    assert other.day_of_maximum == pytest.approx(plain.day_of_maximum, abs=1e-6)


def test_prediction_and_truth_are_compared_at_the_same_times() -> None:
    t, seconds, phase = monthly()
    truth = 2.0 * t + cycle(phase, 6, 5)
    prediction = 400 + 1.8 * t + cycle(phase, 4.5, 365.25 - 7)
    known = metrics.trend_comparison(prediction, truth, seconds, phase)
    assert known["growth_difference"] == pytest.approx(-0.2, rel=1e-9)
    assert known["amplitude_ratio"] == pytest.approx(0.75, rel=1e-9)
    assert known["phase_difference"] == pytest.approx(-12, abs=1e-5)  # across the new year
    assert known["truth"] == metrics.trend(truth, seconds, phase)._asdict()
    truth[:30], prediction[:30] = np.nan, 1e6
    other = metrics.trend_comparison(prediction, truth, seconds, phase)
    assert other["growth_difference"] == pytest.approx(-0.2, rel=1e-8)
    prediction[40] = np.nan
    spoiled = metrics.trend_comparison(prediction, truth, seconds, phase)
    assert np.isnan(list(spoiled["prediction"].values())).all()
    assert np.isnan(spoiled["phase_difference"])
    assert np.isfinite(list(spoiled["truth"].values())).all()


def test_short_and_constant_series_tell_nothing_of_the_year() -> None:
    t, seconds, phase = monthly(1)
    assert np.isnan(metrics.trend(2 * t, seconds, phase)).all()
    assert np.isnan(metrics.trend([1.0, 2.0], [0.0, 4e8], [0.0, 0.5])).all()
    assert np.isnan(metrics.trend([], [], [])).all()
    t, seconds, phase = monthly(3)
    assert np.isnan(metrics.trend(np.full(t.size, np.nan), seconds, phase)).all()
    yearly = np.arange(20.0)
    assert np.isnan(metrics.trend(yearly, yearly * 365.25 * DAY, np.full(20, 0.3))).all()
    flat = metrics.trend(np.zeros(t.size), seconds, phase)
    assert flat[:3] == (0, 0, 0) and np.isnan(flat.day_of_maximum)


def test_unfit_series_are_refused() -> None:
    t, seconds, phase = monthly(3)
    with pytest.raises(UsageError, match="do not ascend"):
        metrics.trend(t, seconds[::-1], phase)
    with pytest.raises(UsageError, match="share"):
        metrics.trend(t[:-1], seconds, phase)
    with pytest.raises(UsageError, match="both"):
        metrics.trend(t, seconds, phase[:-1])
    with pytest.raises(UsageError, match="share"):
        metrics.trend_comparison(t[:-1], t, seconds, phase)
