"""At stations every observation counts the same, and missing ones do not count."""

import numpy as np
import pytest

from co2net_phys import metrics
from co2net_phys.errors import UsageError

NAN = float("nan")


def test_station_scores_by_hand() -> None:
    observed = np.array([[1.0, NAN, NAN], [2.0, 5.0, NAN], [3.0, 7.0, NAN]])
    predicted = np.array([[2.0, 0.0, 1.0], [4.0, 6.0, 1.0], [6.0, 4.0, 1.0]])
    result = metrics.station_scores(predicted, observed, ["A", "B", "C"])
    first, second, third = (result["sites"][code] for code in "ABC")
    assert first == pytest.approx(
        {"rmse": np.sqrt(14 / 3), "median_abs_error": 2, "bias": 2, "correlation": 1, "n": 3}
    )
    assert second == pytest.approx(
        {"rmse": np.sqrt(5), "median_abs_error": 2, "bias": -1, "correlation": -1, "n": 2}
    )
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


def test_pooled_scores_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    observed = 400 + rng.normal(size=(50, 4))
    predicted = observed + rng.normal(0.3, 1, observed.shape)
    missing = rng.random(observed.shape) < 0.3
    result = metrics.station_scores(predicted, np.where(missing, NAN, observed), list("ABCD"))
    errors = (predicted - observed)[~missing]
    pooled = result["pooled"]
    assert pooled["median_abs_error"] == pytest.approx(np.median(np.abs(errors)), rel=1e-12)
    assert pooled["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-12)
    first = np.abs(predicted - observed)[~missing[:, 0], 0]
    assert result["sites"]["A"]["median_abs_error"] == pytest.approx(np.median(first), rel=1e-12)
    predicted[0, 0], missing[0, 0] = NAN, False
    spoiled = metrics.station_scores(predicted, np.where(missing, NAN, observed), list("ABCD"))
    assert np.isnan(spoiled["pooled"]["median_abs_error"])
    assert spoiled["sites"]["B"] == result["sites"]["B"]
