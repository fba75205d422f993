"""One score for each time: missing times stay, and a hole in a prediction shows."""

import numpy as np
import pytest

from co2net_phys import metrics
from co2net_phys.errors import UsageError

WEIGHTS = np.array([1.0, 3.0])


def test_series_by_hand() -> None:
    truth = np.zeros((2, 2, 1))
    prediction = np.array([[[2.0], [0.0]], [[-1.0], [3.0]]])
    np.testing.assert_allclose(
        metrics.rmse_series(prediction, truth, WEIGHTS), [1.0, np.sqrt((1 + 27) / 4)]
    )
    np.testing.assert_allclose(metrics.mae_series(prediction, truth, WEIGHTS), [0.5, 2.5])
    np.testing.assert_allclose(metrics.bias_series(prediction, truth, WEIGHTS), [0.5, 2.0])
    np.testing.assert_allclose(metrics.mean_series(prediction, WEIGHTS), [0.5, 2.0])


@pytest.mark.parametrize("name", ["rmse_series", "mae_series", "bias_series"])
def test_a_time_without_truth_is_nan_and_so_is_one_without_prediction(name: str) -> None:
    prediction, truth = np.ones((3, 2, 4)), np.zeros((3, 2, 4))
    truth[0] = np.nan
    truth[2, 0, 0] = prediction[1, 1, 1] = np.nan
    found = getattr(metrics, name)(prediction, truth, WEIGHTS)
    np.testing.assert_allclose(found, [np.nan, np.nan, 1.0])


def test_a_hole_makes_a_mean_nan_unless_it_is_masked() -> None:
    field = np.arange(16.0).reshape(2, 2, 4)
    field[1, 0, 0] = np.nan
    assert np.isnan(metrics.mean_series(field, WEIGHTS)).tolist() == [False, True]
    masked = metrics.mean_series(field, WEIGHTS, ~np.isnan(field))
    assert masked[1] == pytest.approx((9 + 10 + 11 + 3 * (12 + 13 + 14 + 15)) / 15)
    without_weight = np.array([[0.0, 1, 1, 1], [1, 1, 1, 1]])
    assert np.isfinite(metrics.mean_series(field, without_weight)).all()


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(UsageError, match="must share"):
        metrics.rmse_series(np.ones((2, 2, 4)), np.ones((3, 2, 4)), WEIGHTS)
