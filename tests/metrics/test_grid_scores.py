"""Scores on a grid by hand, and what must hold for any fields, weights and masks."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from co2net_phys import metrics
from co2net_phys.errors import UsageError

LATITUDE, LONGITUDE = np.arange(-89.0, 90, 2), np.arange(-178.5, 180, 3)
EQUAL = np.ones(2)
TWO_BY_TWO = np.array([[[1.0, 2.0], [3.0, 4.0]], [[2.0, 2.0], [2.0, 6.0]]])
Score = Callable[..., float]
GRID_SCORES: tuple[Score, ...] = (
    metrics.rmse,
    metrics.mae,
    metrics.median_abs_error,
    metrics.bias,
    metrics.correlation,
    metrics.r2,
)


def random_pair(seed: int = 0, times: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = 400 + rng.normal(size=(times, LATITUDE.size, LONGITUDE.size))
    return truth + 0.5 + 0.7 * rng.normal(size=truth.shape), truth


def test_weights_are_areas_of_the_cells() -> None:
    np.testing.assert_allclose(metrics.latitude_weights([-45, 45]), [1, 1])
    # Rows 90…45, 45…−45, −45…−90: the caps hold 1 − sin 45° of 2 each.
    cap = (1 - np.sqrt(0.5)) / 2
    expected = np.array([cap, 1 - 2 * cap, cap]) * 3
    np.testing.assert_allclose(metrics.latitude_weights([90, 0, -90]), expected)


@given(st.lists(st.floats(-90, 90), min_size=2, max_size=40, unique=True))
def test_weights_have_mean_one_whatever_the_rows(latitudes: list[float]) -> None:
    rows = np.sort(latitudes)
    assume(np.diff(rows).min() > 1e-6)
    weights = metrics.latitude_weights(rows)
    assert weights.mean() == pytest.approx(1)
    assert (weights >= 0).all()
    np.testing.assert_allclose(metrics.latitude_weights(rows[::-1]), weights[::-1])


def test_rmse_is_the_mean_over_time_of_roots() -> None:
    errors = np.array([[[3.0, 3.0], [3.0, 3.0]], [[0.0, 0.0], [0.0, 2.0]]])
    assert metrics.rmse(TWO_BY_TWO + errors, TWO_BY_TWO, EQUAL) == pytest.approx((3 + 1) / 2)
    upper = metrics.rmse(TWO_BY_TWO + errors, TWO_BY_TWO, [0.0, 2.0])
    assert upper == pytest.approx((3 + np.sqrt(2)) / 2)


def test_mae_bias_and_r2_by_hand() -> None:
    errors = np.array([[[4.0, 0.0], [-2.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]]])
    prediction = TWO_BY_TWO + errors
    assert metrics.mae(prediction, TWO_BY_TWO, EQUAL) == pytest.approx(8 / 8)
    assert metrics.bias(prediction, TWO_BY_TWO, EQUAL) == pytest.approx(4 / 8)
    spread = ((TWO_BY_TWO - 22 / 8) ** 2).sum()
    assert metrics.r2(prediction, TWO_BY_TWO, EQUAL) == pytest.approx(1 - 24 / spread)


def test_acc_by_hand_is_uncentred() -> None:
    truth, prediction = np.array([[[1.0, 2.0]]]), np.array([[[2.0, 1.0]]])
    assert metrics.acc(prediction, truth, 0.0, [1.0]) == pytest.approx(4 / 5)
    assert metrics.acc(prediction, truth, [[1.0, 1.0]], [1.0]) == pytest.approx(0)
    assert np.isnan(metrics.acc(np.ones((1, 1, 2)), truth, 1.0, [1.0]))  # predicts no anomaly
    assert metrics.acc(truth + 5, truth, 0.0, [1.0]) < metrics.correlation(truth + 5, truth, [1.0])


def test_acc_takes_a_climatology_per_cell_and_per_time() -> None:
    prediction, truth = random_pair()
    climate = truth.mean(axis=0)
    weights = metrics.latitude_weights(LATITUDE)
    per_cell = metrics.acc(prediction, truth, climate, weights)
    full = np.broadcast_to(climate, truth.shape)
    assert metrics.acc(prediction, truth, full, weights) == pytest.approx(per_cell, abs=1e-14)
    assert metrics.acc(prediction - climate, truth - climate, 0, weights) == pytest.approx(per_cell)
    assert metrics.acc(2 * climate - truth, truth, climate, weights) == pytest.approx(-1)


def test_drift_is_the_growth_of_the_mean_error() -> None:
    truth = np.zeros((5, 2, 3))
    growth = np.array([1.0, 2.0, 3.0, 4.0, 5.0])[:, None, None]
    assert metrics.global_mean_drift(truth + growth, truth, EQUAL) == pytest.approx(4.0)
    assert metrics.global_mean_drift(truth + 7, truth, EQUAL) == pytest.approx(0, abs=1e-12)
    truth[2] = np.nan  # a time without observations
    assert metrics.global_mean_drift(growth - truth * 0, truth, EQUAL) == pytest.approx(4.0)
    assert np.isnan(metrics.global_mean_drift(truth[:1], truth[:1], EQUAL))


def test_weighted_correlation_equals_the_correlation_of_repeated_rows() -> None:
    rng = np.random.default_rng(3)
    truth, prediction = rng.normal(size=(2, 4, 3, 5))
    repeats = np.array([1, 3, 2])
    repeated = [np.repeat(x, repeats, axis=1).ravel() for x in (prediction, truth)]
    expected = np.corrcoef(*repeated)[0, 1]
    assert metrics.correlation(prediction, truth, repeats) == pytest.approx(expected, rel=1e-12)


fields = arrays(np.float64, (2, 3, 4), elements=st.floats(-50, 50).map(lambda x: round(x, 3)))


@settings(max_examples=40, deadline=None)
@given(prediction=fields, truth=fields, factor=st.floats(0.1, 10))
def test_only_the_ratios_of_weights_matter(
    prediction: np.ndarray, truth: np.ndarray, factor: float
) -> None:
    weights = np.array([0.5, 1.5, 1.0])
    for function in GRID_SCORES:
        plain = function(prediction, truth, weights)
        scaled = function(prediction, truth, factor * weights)
        assert scaled == pytest.approx(plain, rel=1e-9, abs=1e-9, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(prediction=fields, truth=fields, offset=st.floats(-400, 400).map(lambda x: round(x, 2)))
def test_bounds_and_shifts(prediction: np.ndarray, truth: np.ndarray, offset: float) -> None:
    weights = np.array([0.5, 1.5, 1.0])
    size = metrics.rmse(prediction, truth, weights)
    assert abs(metrics.bias(prediction, truth, weights)) <= metrics.mae(prediction, truth, weights)
    assert metrics.rmse(prediction + offset, truth + offset, weights) == pytest.approx(
        size, abs=1e-9
    )
    assert metrics.rmse(truth + offset, truth, weights) == pytest.approx(abs(offset), abs=1e-9)
    correlation = metrics.correlation(prediction, truth, weights)
    assert np.isnan(correlation) or abs(correlation) <= 1 + 1e-12


@pytest.mark.parametrize("function", GRID_SCORES)
def test_missing_truth_has_no_weight_and_equals_a_mask(function: Score) -> None:
    prediction, truth = random_pair(4)
    missing = np.random.default_rng(5).random(truth.shape) < 0.3
    weights = metrics.latitude_weights(LATITUDE)
    holed = np.where(missing, np.nan, truth)
    masked = function(prediction, truth, weights, ~missing)
    assert function(prediction, holed, weights) == pytest.approx(masked, rel=1e-12)
    spoiled = np.where(missing, 1e9, prediction)  # what is predicted there cannot matter
    assert function(spoiled, holed, weights) == pytest.approx(masked, rel=1e-12)
    assert function(prediction, truth, weights) != masked


@pytest.mark.parametrize("function", GRID_SCORES)
def test_a_mask_of_the_grid_selects_rows(function: Score) -> None:
    prediction, truth = random_pair(6)
    north = np.broadcast_to(LATITUDE[:, None] > 0, truth.shape[1:])
    weights = metrics.latitude_weights(LATITUDE)
    expected = function(prediction[:, 45:], truth[:, 45:], weights[45:])
    assert function(prediction, truth, weights, north) == pytest.approx(expected, rel=1e-12)
    full = np.broadcast_to(weights[:, None], truth.shape[1:])
    assert function(prediction, truth, full, north) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("function", [*GRID_SCORES, metrics.global_mean_drift])
def test_no_valid_cell_gives_nan_and_a_missing_prediction_too(function: Score) -> None:
    nothing = np.full_like(TWO_BY_TWO, np.nan)
    assert np.isnan(function(TWO_BY_TWO, nothing, EQUAL))
    assert np.isnan(function(TWO_BY_TWO, TWO_BY_TWO, EQUAL, np.zeros((2, 2), dtype=bool)))
    partial = TWO_BY_TWO.copy()
    partial[0, 0, 0] = np.nan
    assert np.isnan(function(partial, TWO_BY_TWO, EQUAL))


def test_missing_climatology_takes_the_cell_out_of_acc() -> None:
    prediction, truth = random_pair(7)
    climate = truth.mean(axis=0)
    climate[:45] = np.nan
    north = np.isfinite(climate)
    weights = metrics.latitude_weights(LATITUDE)
    expected = metrics.acc(prediction, truth, truth.mean(axis=0), weights, north)
    assert metrics.acc(prediction, truth, climate, weights) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(metrics.acc(prediction, truth, np.nan, weights))


def test_a_constant_series_has_no_correlation() -> None:
    constant = np.full((7, 2, 3), 412.1)  # its mean is off by round-off
    other = np.random.default_rng(8).normal(size=constant.shape)
    assert np.isnan(metrics.correlation(constant, other, EQUAL))
    assert np.isnan(metrics.r2(other, constant, EQUAL))


def test_single_precision_is_scored_in_double() -> None:
    prediction, truth = random_pair(9)
    weights = metrics.latitude_weights(LATITUDE)
    single = metrics.bias(prediction.astype("f4"), truth.astype("f4"), weights)
    assert single == pytest.approx(metrics.bias(prediction, truth, weights), abs=1e-6)


def test_score_gathers_all_and_regions() -> None:
    prediction, truth = random_pair(10)
    prediction[:, :15] += 3  # south of 60°S
    climate = truth.mean(axis=0)
    result = metrics.score(
        prediction, truth, LATITUDE, LONGITUDE, climate, ("global", "antarctica", "europe")
    )
    weights = metrics.latitude_weights(LATITUDE)
    for name in (
        "rmse",
        "mae",
        "median_abs_error",
        "bias",
        "correlation",
        "r2",
        "global_mean_drift",
    ):
        assert result[name] == getattr(metrics, name)(prediction, truth, weights)
    assert result["acc"] == metrics.acc(prediction, truth, climate, weights)
    regions = result["regions"]
    assert regions["global"] == {name: result[name] for name in ("rmse", "acc", "bias")}
    assert regions["antarctica"]["bias"] == pytest.approx(3.5, abs=0.1)
    assert regions["europe"]["bias"] == pytest.approx(0.5, abs=0.1)
    assert regions["antarctica"]["acc"] < regions["europe"]["acc"]


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(UsageError, match=r"must share \(time, lat, lon\)"):
        metrics.rmse(TWO_BY_TWO[0], TWO_BY_TWO, EQUAL)
    with pytest.raises(UsageError, match="must share"):
        metrics.rmse(TWO_BY_TWO[0], TWO_BY_TWO[0], EQUAL)
    with pytest.raises(UsageError, match=r"mask \(3, 2\)"):
        metrics.rmse(TWO_BY_TWO, TWO_BY_TWO, EQUAL, np.ones((3, 2)))


def test_median_absolute_error_by_hand() -> None:
    truth = np.zeros((1, 3, 1))
    prediction = np.array([[[1.0], [-2.0], [9.0]]])
    assert metrics.median_abs_error(prediction, truth, np.ones(3)) == 2
    assert metrics.median_abs_error(prediction, truth, [1, 1, 2.5]) == 9
    assert metrics.median_abs_error(prediction, truth, [1, 1, 2]) == (2 + 9) / 2  # a tie
    assert metrics.median_abs_error(prediction, truth, [3, 1, 0]) == 1


@settings(max_examples=40, deadline=None)
@given(prediction=fields, truth=fields, factor=st.floats(0.01, 100))
def test_median_is_that_of_numpy_and_robust(
    prediction: np.ndarray, truth: np.ndarray, factor: float
) -> None:
    equal = np.full(3, factor)
    found = metrics.median_abs_error(prediction, truth, equal)
    assert found == pytest.approx(np.median(np.abs(prediction - truth)), abs=1e-12)
    worst = np.unravel_index(np.argmax(np.abs(prediction - truth)), truth.shape)
    prediction[worst] += 1e6 * np.sign(prediction[worst] - truth[worst] + 0.5)
    assert metrics.median_abs_error(prediction, truth, equal) == pytest.approx(found, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(prediction=fields, truth=fields, turn=st.integers(0, 3), flip=st.booleans())
def test_turning_the_globe_and_reordering_times_change_nothing(
    prediction: np.ndarray, truth: np.ndarray, turn: int, flip: bool
) -> None:
    weights = np.array([0.5, 1.5, 1.0])
    times = slice(None, None, -1 if flip else 1)
    y, u = (np.roll(x, turn, axis=2)[times] for x in (prediction, truth))
    for function in GRID_SCORES:
        expected = function(prediction, truth, weights)
        assert function(y, u, weights) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(prediction=fields, truth=fields, factor=st.floats(0.1, 10))
def test_scores_scale_with_the_fields(
    prediction: np.ndarray, truth: np.ndarray, factor: float
) -> None:
    weights = np.array([0.5, 1.5, 1.0])
    for function in (metrics.rmse, metrics.mae, metrics.median_abs_error, metrics.bias):
        expected = factor * function(prediction, truth, weights)
        found = function(factor * prediction, factor * truth, weights)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assume(np.ptp(truth) > 1e-2 and np.ptp(prediction) > 1e-2)
    for function in (metrics.correlation, metrics.r2):
        expected = function(prediction, truth, weights)
        found = function(factor * prediction, factor * truth, weights)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
