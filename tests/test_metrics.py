"""Scores equal hand calculations and an independent library, with missing data and any weights."""

from collections.abc import Callable

import numpy as np
import pytest
import scores.continuous as oracle
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import RegularGridInterpolator

from co2net_phys import metrics
from co2net_phys.errors import UsageError

LATITUDE, LONGITUDE = np.arange(-89.0, 90, 2), np.arange(-178.5, 180, 3)
EQUAL = np.ones(2)
TWO_BY_TWO = np.array([[[1.0, 2.0], [3.0, 4.0]], [[2.0, 2.0], [2.0, 6.0]]])
Score = Callable[..., float]
GRID_SCORES: tuple[Score, ...] = (
    metrics.rmse,
    metrics.mae,
    metrics.bias,
    metrics.correlation,
    metrics.r2,
)
NAN = float("nan")


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


@pytest.mark.parametrize("name", ["rmse", "mae", "mean_error", "correlation"])
def test_agreement_with_the_library_scores(name: str) -> None:
    prediction, truth = random_pair(1)
    truth[np.random.default_rng(2).random(truth.shape) < 0.2] = np.nan
    weights = metrics.latitude_weights(LATITUDE)
    dims = ("time", "lat", "lon")
    fcst, obs = xr.DataArray(prediction, dims=dims), xr.DataArray(truth, dims=dims)
    alpha = xr.DataArray(weights, dims="lat")
    if name == "rmse":
        # One time at a time, as the definition takes the root before the mean over time.
        theirs = np.mean([oracle.rmse(fcst[t], obs[t], weights=alpha) for t in range(len(obs))])
        ours = metrics.rmse(prediction, truth, weights)
    elif name == "correlation":
        ones = np.ones(LATITUDE.size)
        theirs = oracle.correlation.pearsonr(fcst, obs)
        ours = metrics.correlation(prediction, truth, ones)
    else:
        theirs = getattr(oracle, name)(fcst, obs, weights=alpha)
        function = metrics.mae if name == "mae" else metrics.bias
        ours = function(prediction, truth, weights)
    assert ours == pytest.approx(float(theirs), rel=1e-10)


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
    for name in ("rmse", "mae", "bias", "correlation", "r2", "global_mean_drift"):
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


def test_station_scores_by_hand() -> None:
    observed = np.array([[1.0, NAN, NAN], [2.0, 5.0, NAN], [3.0, 7.0, NAN]])
    predicted = np.array([[2.0, 0.0, 1.0], [4.0, 6.0, 1.0], [6.0, 4.0, 1.0]])
    result = metrics.station_scores(predicted, observed, ["A", "B", "C"])
    first, second, third = (result["sites"][code] for code in "ABC")
    assert first == pytest.approx({"rmse": np.sqrt(14 / 3), "bias": 2, "correlation": 1, "n": 3})
    assert second == pytest.approx({"rmse": np.sqrt(5), "bias": -1, "correlation": -1, "n": 2})
    assert third["n"] == 0 and np.isnan([third[k] for k in ("rmse", "bias", "correlation")]).all()
    pooled = result["pooled"]
    assert (pooled["n"], pooled["bias"]) == (5, pytest.approx(4 / 5))
    assert pooled["rmse"] == pytest.approx(np.sqrt(24 / 5))  # not the mean of the sites
    expected = np.corrcoef([1, 2, 3, 5, 7], [2, 4, 6, 6, 4])[0, 1]
    assert pooled["correlation"] == pytest.approx(expected)


@pytest.mark.parametrize("codes", [["A"], ["A", "A"]])
def test_station_codes_must_fit(codes: list[str]) -> None:
    with pytest.raises(UsageError):
        metrics.station_scores(np.ones((3, 2)), np.ones((3, 2)), codes)


def test_bilinear_sampling_agrees_with_scipy() -> None:
    rng = np.random.default_rng(11)
    field = rng.normal(size=(3, LATITUDE.size, LONGITUDE.size))
    sites = rng.uniform(-89, 89, 200), rng.uniform(-178.5, 178.5, 200)
    theirs = RegularGridInterpolator((LATITUDE, LONGITUDE), np.moveaxis(field, 0, -1))(
        np.column_stack(sites)
    )
    ours = metrics.sample_at(field, LATITUDE, LONGITUDE, *sites)
    np.testing.assert_allclose(ours, theirs.T, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    flip=st.booleans(),
    shift=st.integers(0, 119),
    method=st.sampled_from(["bilinear", "nearest"]),
)
def test_sampling_does_not_depend_on_the_order_of_the_axes(
    latitude: float, longitude: float, flip: bool, shift: int, method: str
) -> None:
    longitude = round(longitude, 2)  # no site within round-off of a boundary between cells
    latitude = round(latitude, 2)
    assume(method == "bilinear" or (longitude % 1.5 != 0 and latitude % 1 != 0))
    field = np.random.default_rng(12).normal(size=(LATITUDE.size, LONGITUDE.size))
    rows = slice(None, None, -1 if flip else 1)
    rolled = np.roll(LONGITUDE % 360, shift)
    turned = np.roll(field, shift, axis=1)[rows]
    plain = metrics.sample_at(field, LATITUDE, LONGITUDE, latitude, longitude, method)
    other = metrics.sample_at(turned, LATITUDE[rows], rolled, latitude, longitude + 360, method)
    assert other == pytest.approx(plain, abs=1e-9)


def test_sampling_across_the_date_line_and_at_the_poles() -> None:
    field = np.zeros((LATITUDE.size, LONGITUDE.size))
    field[:, 0], field[:, -1] = 1.0, 3.0  # on both sides of the date line
    across = metrics.sample_at(field, LATITUDE, LONGITUDE, [0, 0, 0], [180, -179.25, 179.25])
    np.testing.assert_allclose(across, [2.0, 1.5, 2.5])
    rows = np.repeat(LATITUDE[:, None], LONGITUDE.size, axis=1)
    poles = metrics.sample_at(rows, LATITUDE, LONGITUDE, [-89.98, 90, 88.5], [-24.8, 0, 0])
    np.testing.assert_allclose(poles, [-89, 89, 88.5])


def test_nearest_takes_the_cell_that_holds_the_site() -> None:
    field = np.arange(LATITUDE.size * LONGITUDE.size, dtype=float).reshape(90, 120)
    value = metrics.sample_at(field, LATITUDE, LONGITUDE, [19.5], [-155.6], "nearest")
    assert value == field[54, 8]  # the cell 18…20°N, 156…153°W
    halfway = metrics.sample_at(field, LATITUDE, LONGITUDE, [0.0], [0.0], "nearest")
    assert halfway[0] in field  # a tie goes to one cell


def test_missing_neighbours_spoil_only_what_they_touch() -> None:
    field = np.zeros((LATITUDE.size, LONGITUDE.size))
    field[45, 60] = np.nan  # at 1°N, 1.5°E
    value = metrics.sample_at(field, LATITUDE, LONGITUDE, [1, 1, 1], [1.5, 3.0, 4.5])
    np.testing.assert_array_equal(np.isnan(value), [True, True, False])


def test_sampling_refuses_what_is_no_global_field() -> None:
    field = np.zeros((90, 120))
    with pytest.raises(UsageError, match="does not end in"):
        metrics.sample_at(field.T, LATITUDE, LONGITUDE, [0], [0])
    with pytest.raises(UsageError, match="unknown sampling method 'cubic'"):
        metrics.sample_at(field, LATITUDE, LONGITUDE, [0], [0], "cubic")
    with pytest.raises(UsageError, match="around the globe"):
        metrics.sample_at(field[:, :30], LATITUDE, LONGITUDE[:30], [0], [0])
