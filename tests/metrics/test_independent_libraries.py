"""Scores equal those of `scores` and SciPy to 1e-10, with missing truth, masks and any weights."""

from collections.abc import Callable

import numpy as np
import pytest
import scores.continuous as oracle
import xarray as xr
from scipy.spatial import distance
from scipy.stats import linregress

from co2net_phys import metrics

LATITUDE, LONGITUDE = np.linspace(-90, 90, 37), np.arange(0.0, 360, 7.5)
WEIGHTS = metrics.latitude_weights(LATITUDE)
DIMS = ("time", "lat", "lon")
ALPHA = xr.DataArray(WEIGHTS, dims="lat")
SHAPE = (6, LATITUDE.size, LONGITUDE.size)


class Case:
    """Fields with holes, and a mask; `missing` is where a library must find no truth."""

    def __init__(self, kind: str) -> None:
        rng = np.random.default_rng(len(kind))
        self.truth = 410 + rng.normal(size=SHAPE)
        self.prediction = self.truth + 0.4 + 0.8 * rng.normal(size=SHAPE)
        missing = np.zeros(SHAPE, dtype=bool)
        self.mask = None
        if kind != "complete":
            missing |= rng.random(SHAPE) < 0.2
            self.truth[missing] = np.nan
        if kind == "map mask":
            self.mask = rng.random(SHAPE[1:]) < 0.5
        elif kind == "mask in time":
            self.mask = rng.random(SHAPE) < 0.5
        if self.mask is not None:
            missing |= ~np.broadcast_to(self.mask, SHAPE)
        self.known = ~missing
        self.forecast = xr.DataArray(np.where(missing, np.nan, self.prediction), dims=DIMS)
        self.observed = xr.DataArray(np.where(missing, np.nan, self.truth), dims=DIMS)

    def ours(self, function: Callable[..., float]) -> float:
        return function(self.prediction, self.truth, WEIGHTS, self.mask)

    def flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Known predictions, truths and their weights."""
        alpha = np.broadcast_to(WEIGHTS[:, None], SHAPE)[self.known]
        return self.prediction[self.known], self.truth[self.known], alpha


@pytest.fixture(params=["complete", "missing", "map mask", "mask in time"])
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def close(value: float) -> object:
    return pytest.approx(float(value), rel=1e-10)


def test_rmse_and_its_series(case: Case) -> None:
    theirs = oracle.rmse(case.forecast, case.observed, weights=ALPHA, preserve_dims="time")
    series = case.ours(metrics.rmse_series)
    np.testing.assert_allclose(series, theirs.values, rtol=1e-10)
    assert case.ours(metrics.rmse) == close(theirs.mean())


@pytest.mark.parametrize(("name", "theirs"), [("mae", "mae"), ("bias", "mean_error")])
def test_mean_errors_and_their_series(case: Case, name: str, theirs: str) -> None:
    function = getattr(oracle, theirs)
    assert case.ours(getattr(metrics, name)) == close(
        function(case.forecast, case.observed, weights=ALPHA)
    )
    by_time = function(case.forecast, case.observed, weights=ALPHA, preserve_dims="time")
    np.testing.assert_allclose(case.ours(getattr(metrics, f"{name}_series")), by_time, rtol=1e-10)


def test_median_absolute_error(case: Case) -> None:
    y, u, alpha = case.flat()
    theirs = np.quantile(np.abs(y - u), 0.5, weights=alpha, method="inverted_cdf")
    assert case.ours(metrics.median_abs_error) == close(theirs)


def test_explained_variance(case: Case) -> None:
    u, alpha = case.flat()[1:]
    # `nse` takes the plain mean; about the weighted one, without change of the residuals:
    centre = np.average(u, weights=alpha)
    squares = oracle.mse(case.forecast, case.observed, weights=ALPHA)
    spread = oracle.mse(xr.full_like(case.observed, centre), case.observed, weights=ALPHA)
    assert case.ours(metrics.r2) == close(1 - squares / spread)
    equal = metrics.r2(case.prediction, case.truth, np.ones(LATITUDE.size), case.mask)
    assert equal == close(oracle.nse(case.forecast, case.observed))


def test_correlations(case: Case) -> None:
    y, u, alpha = case.flat()
    assert case.ours(metrics.correlation) == close(1 - distance.correlation(y, u, alpha))
    equal = metrics.correlation(case.prediction, case.truth, np.ones(LATITUDE.size), case.mask)
    assert equal == close(oracle.correlation.pearsonr(case.forecast, case.observed))
    anomaly = metrics.acc(case.prediction, case.truth, 409.5, WEIGHTS, case.mask)
    assert anomaly == close(1 - distance.cosine(y - 409.5, u - 409.5, alpha))


def test_drift(case: Case) -> None:
    error = (case.forecast - case.observed).weighted(ALPHA).mean(("lat", "lon"))
    line = linregress(np.arange(SHAPE[0]), error.values)
    assert case.ours(metrics.global_mean_drift) == close(line.slope * (SHAPE[0] - 1))


def test_area_means(case: Case) -> None:
    theirs = case.observed.weighted(ALPHA).mean(("lat", "lon"))
    ours = metrics.mean_series(case.truth, WEIGHTS, case.known)
    np.testing.assert_allclose(ours, theirs.values, rtol=1e-12)


def test_stations(case: Case) -> None:
    observed, predicted = case.observed.values[:, 18], case.prediction[:, 18]
    codes = [str(n) for n in range(LONGITUDE.size)]
    pooled = metrics.station_scores(predicted, observed, codes)["pooled"]
    y, u = (xr.DataArray(x, dims=("time", "site")) for x in (predicted, observed))
    assert pooled["rmse"] == close(oracle.rmse(y, u))
    assert pooled["bias"] == close(oracle.additive_bias(y, u))
    assert pooled["correlation"] == close(oracle.correlation.pearsonr(y, u))
    assert pooled["median_abs_error"] == close(np.nanmedian(np.abs(predicted - observed)))
