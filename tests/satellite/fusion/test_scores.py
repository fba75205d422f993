from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress

from co2net_phys.errors import UsageError
from co2net_phys.satellite.scores import SCORES, scores


def pairs(count: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    observed = 410 + rng.normal(0, 3, count)
    predicted = 1.0 + 0.9 * (observed - 410) + 410 + rng.normal(0, 1, count)
    return observed, predicted, rng.integers(30, size=count)


def test_scores_against_other_libraries() -> None:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    observed, predicted, blocks = pairs()
    found = scores(observed, predicted, blocks, samples=50)
    assert found["n"] == 300 and found["blocks"] == 30
    expected = {
        "rmse": root_mean_squared_error(observed, predicted),
        "mae": mean_absolute_error(observed, predicted),
        "bias": (predicted - observed).mean(),
        "r2": r2_score(observed, predicted),
        "slope": linregress(observed, predicted).slope,
    }
    assert set(expected) == set(SCORES)
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, rel=1e-9), name
        assert found[name]["low"] < value < found[name]["high"]


def test_interval_is_that_of_drawn_blocks() -> None:
    """The bias of blocks that are each of one piece is as uncertain as a mean of 20 values."""
    rng = np.random.default_rng(0)
    errors = np.repeat(rng.normal(0, 2, 20), 50)
    observed = 410 + rng.normal(0, 3, 1000)
    blocks = np.repeat(np.arange(20), 50)
    found = scores(observed, observed + errors, blocks, samples=4000)["bias"]
    spread = errors[::50].std(ddof=1) / np.sqrt(20)
    assert found["high"] - found["low"] == pytest.approx(2 * 2.09 * spread, rel=0.1)
    alone = scores(observed, observed + errors, np.arange(1000), samples=400)["bias"]
    assert alone["high"] - alone["low"] < 0.25 * (found["high"] - found["low"])


def test_a_missing_prediction_and_one_block_have_no_interval() -> None:
    observed, predicted, blocks = pairs(20)
    one = scores(observed, predicted, np.zeros(20, int), samples=20)["rmse"]
    assert np.isfinite(one["value"]) and np.isnan(one["low"])
    predicted[3] = np.nan
    assert np.isnan(scores(observed, predicted, blocks, samples=20)["rmse"]["value"])


def test_constant_truth_has_no_r2() -> None:
    found = scores(np.full(6, 410.0), np.arange(6) + 408.0, np.arange(6), samples=20)
    assert np.isnan(found["r2"]["value"]) and np.isfinite(found["rmse"]["value"])


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(UsageError, match="no pairs"):
        scores(np.zeros(3), np.zeros(2), np.zeros(3, int))
    with pytest.raises(UsageError, match="no pairs"):
        scores(np.zeros(0), np.zeros(0), np.zeros(0, int))
