"""Intervals hold the truth as often as they say, also where values remember or share a site."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from co2net_phys import metrics
from co2net_phys.errors import UsageError
from co2net_phys.metrics import bootstrap


def test_block_of_one_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=300)
    samples = 20_000
    ours = metrics.block_bootstrap(values, 1, samples)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=samples, method="percentile")
    error = theirs.standard_error
    assert ours.value == pytest.approx(values.mean(), rel=1e-12)
    assert ours.standard_error == pytest.approx(error, rel=0.03)
    # An interval of 300 values is expanded by Student's t: 0.6 %.
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.1 * error)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.1 * error)
    assert ours.level == 0.95


def test_other_statistics_agree_with_scipy() -> None:
    errors = np.random.default_rng(1).normal(0.5, 2, size=200)
    for statistic in (metrics.root_mean_square, metrics.median_absolute):
        ours = metrics.block_bootstrap(errors, 1, 5000, statistic=statistic)
        theirs = stats.bootstrap((errors,), statistic, n_resamples=5000, method="percentile")
        assert ours.standard_error == pytest.approx(theirs.standard_error, rel=0.08)
    assert metrics.root_mean_square([3.0, 4.0]) == pytest.approx(np.sqrt(12.5))
    assert metrics.median_absolute([-3.0, 1.0, 2.0]) == 2


def test_intervals_of_an_ar1_series_hold_its_mean(ar1) -> None:
    count, phi, runs = 1000, 0.7, 300
    lags = np.arange(1, count)
    variance = (1 + 2 * ((1 - lags / count) * phi**lags).sum()) / (1 - phi**2) / count
    held, held_iid, errors = 0, 0, []
    for seed in range(runs):
        series = ar1(count, phi, seed)
        found = metrics.block_bootstrap(series, metrics.block_length(series), 300, seed)
        alone = metrics.block_bootstrap(series, 1, 300, seed)
        held += found.low <= 0 <= found.high
        held_iid += alone.low <= 0 <= alone.high
        errors.append(found.standard_error)
    assert 0.90 <= held / runs <= 0.97
    assert held_iid / runs < 0.70
    assert np.mean(errors) == pytest.approx(np.sqrt(variance), rel=0.1)


def test_every_value_is_drawn_equally_often() -> None:
    drawn = np.concatenate([d.ravel() for d in bootstrap._blocks(7, 3, 4000, 0)])
    assert drawn.size == 7 * 4000
    np.testing.assert_allclose(np.bincount(drawn) / 4000, 1, atol=0.06)


def test_draws_are_blocks_that_go_on_at_the_beginning() -> None:
    (draws,) = bootstrap._blocks(10, 4, 50, 0)
    steps = np.diff(draws, axis=1) % 10
    assert draws.shape == (50, 10)
    assert (np.delete(steps, [3, 7], axis=1) == 1).all()
    assert (np.diff(draws, axis=1) < 0).any()


def test_pieces_of_bounded_size_make_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    series = np.random.default_rng(2).normal(size=100)
    whole = metrics.block_bootstrap(series, 7)
    monkeypatch.setattr(bootstrap, "_VALUES_AT_ONCE", 999)
    assert max(len(draw) for draw in bootstrap._blocks(100, 7, 1000, 0)) == 9
    assert metrics.block_bootstrap(series, 7) == pytest.approx(whole, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(
    shift=st.floats(-400, 400).map(lambda x: round(x, 2)),
    factor=st.floats(0.01, 100),
    block=st.integers(1, 20),
)
def test_intervals_move_with_the_values(shift: float, factor: float, block: int) -> None:
    series = np.random.default_rng(3).normal(size=40)
    plain = metrics.block_bootstrap(series, block, 200)
    moved = metrics.block_bootstrap(shift + factor * series, block, 200)
    for end in ("value", "low", "high"):
        expected = shift + factor * getattr(plain, end)
        assert getattr(moved, end) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert moved.standard_error == pytest.approx(factor * plain.standard_error, rel=1e-6)


def test_few_blocks_make_wide_intervals_and_one_none() -> None:
    series = np.random.default_rng(4).normal(size=12)
    found = metrics.block_bootstrap(series, 4, 2000)
    assert found.high - found.low > 2 * 1.96 * found.standard_error
    nothing = metrics.block_bootstrap(series, 12)
    assert nothing.value == series.mean()
    assert np.isnan(nothing[1:4]).all()
    assert np.isnan(metrics.paired_difference(series, 2 * series, 12).p_value)


def test_missing_values_show() -> None:
    series = np.array([1.0, np.nan, 2.0, 4.0, 3.0, 1.0])
    assert np.isnan(metrics.block_bootstrap(series, 1).value)
    assert np.isnan(metrics.paired_difference(series, np.ones(6), 1)[:5]).all()
    found = metrics.block_bootstrap(series, 1, statistic=np.nanmean)
    assert found.low < found.value == 11 / 5 < found.high


def test_a_shared_difficulty_cancels_in_pairs(ar1) -> None:
    weather = 3 + ar1(400, 0.8, 0)
    better = weather + 0.02 * np.random.default_rng(5).normal(size=400)
    block = metrics.block_length(weather)
    found = metrics.paired_difference(better + 0.05, better, block)
    assert found.value == pytest.approx(0.05, rel=1e-9)
    one = metrics.block_bootstrap(weather, block)
    assert one.high - one.low > 0.2 > found.high - found.low
    assert found.p_value < 0.01
    same = metrics.paired_difference(weather, weather, block)
    assert (same.value, same.p_value) == (0, 1)


def test_p_values_of_equal_methods_are_uniform(ar1) -> None:
    values = [
        metrics.paired_difference(ar1(400, 0.5, s), ar1(400, 0.5, s + 9999), 12, 200, s).p_value
        for s in range(200)
    ]
    assert np.mean(np.array(values) < 0.05) < 0.12
    assert np.mean(values) == pytest.approx(0.5, abs=0.08)


def test_p_value_is_that_of_a_t_test_for_independent_values() -> None:
    rng = np.random.default_rng(6)
    one, other = rng.normal(0.15, 1, 200), rng.normal(0, 1, 200)
    ours = metrics.paired_difference(one, other, 1, 10_000).p_value
    assert ours == pytest.approx(stats.ttest_rel(one, other).pvalue, abs=0.015)


def site_records(seed: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Records of 40 sites, of 5 to 60 each, with a level of its own at each site."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(40), rng.integers(5, 60, 40))
    rng.shuffle(groups)
    return rng.normal(0, spread, 40)[groups] + rng.normal(size=groups.size), groups


def test_sites_hold_the_mean_where_records_do_not() -> None:
    held, held_iid, runs = 0, 0, 200
    for seed in range(runs):
        values, groups = site_records(seed, 2.0)
        found = metrics.cluster_bootstrap(values, groups, 200, seed)
        alone = metrics.block_bootstrap(values, 1, 200, seed)
        held += found.low <= 0 <= found.high
        held_iid += alone.low <= 0 <= alone.high
    assert 0.90 <= held / runs <= 0.99
    assert held_iid / runs < 0.6


def test_sites_of_one_record_are_values() -> None:
    values = np.random.default_rng(7).normal(size=150)
    one = metrics.cluster_bootstrap(values, np.arange(150), 4000)
    other = metrics.block_bootstrap(values, 1, 4000)
    assert one.standard_error == pytest.approx(other.standard_error, rel=0.06)
    assert one.low == pytest.approx(other.low, abs=0.1 * other.standard_error)


def test_the_error_of_equal_sites_has_a_closed_form() -> None:
    levels = np.random.default_rng(8).normal(size=50)
    found = metrics.cluster_bootstrap(np.repeat(levels, 30), np.repeat(np.arange(50), 30), 4000)
    assert found.standard_error == pytest.approx(levels.std(ddof=1) / np.sqrt(50), rel=0.04)


def test_the_order_of_records_does_not_matter() -> None:
    values, groups = site_records(9, 1.0)
    order = np.random.default_rng(10).permutation(values.size)
    plain = metrics.cluster_bootstrap(values, groups, 100)
    assert metrics.cluster_bootstrap(values[order], groups[order], 100) == pytest.approx(plain)
    named = metrics.cluster_bootstrap(values, [f"s{g:02d}" for g in groups], 100)
    assert named == pytest.approx(plain)


def test_methods_are_compared_at_the_same_sites() -> None:
    errors, groups = site_records(11, 2.0)
    rms = metrics.root_mean_square
    found = metrics.cluster_difference(1.05 * errors, errors, groups, statistic=rms)
    assert found.value == pytest.approx(0.05 * rms(errors), rel=1e-9)
    single = metrics.cluster_bootstrap(errors, groups, statistic=rms)
    assert found.standard_error == pytest.approx(0.05 * single.standard_error, rel=1e-6)
    assert found.low > 0 and found.p_value < 0.01


def test_unfit_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="block of 5 steps does not fit a series of 4"):
        metrics.block_bootstrap(np.ones(4), 5)
    with pytest.raises(UsageError, match="one value or more"):
        metrics.block_bootstrap(np.ones((2, 3)), 1)
    with pytest.raises(UsageError, match="no pairs"):
        metrics.paired_difference(np.ones(3), np.ones(4), 1)
    with pytest.raises(UsageError, match="one group each"):
        metrics.cluster_bootstrap(np.ones(3), ["a", "b"])
