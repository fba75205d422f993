from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.points import Method, Points, Samples
from co2net_phys.satellite.simple_rivals import LinearFit, NearestDay, Ridge, TrendAndSeason
from co2net_phys.satellite.single_satellite import InverseDistance
from co2net_phys.satellite.trees import RandomForest, XGBoost, XGBoostPredictor


def rmse(found: Any, samples: Samples) -> float:
    return float(np.sqrt(np.mean((found - samples.xco2) ** 2)))


@pytest.mark.parametrize(
    "method",
    [
        RandomForest(trees=30), XGBoost(trees=60), Ridge(), TrendAndSeason(), NearestDay(),
        InverseDistance(),
    ],
    ids=lambda method: type(method).__name__,
)  # fmt: skip
def test_each_beats_the_mean_and_repeats_itself(method: Method, make_samples: Any) -> None:
    samples, fresh = make_samples(800), make_samples(300, seed=1)
    predictor = method.fit(samples)
    found = predictor.predict(fresh)
    assert found.dtype == np.float64 and found.shape == (300,)
    assert rmse(found, fresh) < 0.95 * fresh.xco2.std()
    np.testing.assert_array_equal(method.fit(samples).predict(fresh), found)


def test_trees_find_what_a_line_cannot(make_samples: Any) -> None:
    samples, fresh = make_samples(1500, noise=0.0), make_samples(300, seed=1, noise=0.0)
    for data in (samples, fresh):  # a threshold
        data.xco2[:] = 410 + 4 * (data.features[:, 2] > 2000)
    floor = rmse(Ridge().fit(samples).predict(fresh), fresh)
    for method in (RandomForest(trees=50), XGBoost(trees=100)):
        assert rmse(method.fit(samples).predict(fresh), fresh) < 0.4 * floor


def test_boosted_trees_come_back_from_json(make_samples: Any, tmp_path: Path) -> None:
    samples = make_samples(200)
    fitted = XGBoost(trees=20).fit(samples)
    file = tmp_path / "trees.json"
    fitted.save(file)
    again = XGBoostPredictor.load(file)
    np.testing.assert_array_equal(again.predict(samples), fitted.predict(samples))
    assert file.read_bytes().startswith(b"{")
    with pytest.raises(DataError, match="already exists"):
        fitted.save(file)
    other = Points(
        samples.time, samples.latitude, samples.longitude, samples.features, samples.names[::-1]
    )
    with pytest.raises(UsageError, match="not those that the trees learned from"):
        again.predict(other)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[1, 2]", b"\x80\x04K\x01."])
def test_a_damaged_file_of_trees_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "trees.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match="holds no fitted trees"):
        XGBoostPredictor.load(file)


@pytest.mark.parametrize(
    ("method", "name", "library"),
    [(RandomForest(), "sklearn.ensemble", "sklearn"), (XGBoost(), "xgboost", "xgboost")],
)
def test_a_missing_library_is_named(
    method: Method, name: str, library: str, make_samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=rf"{library} is not .* 'co2phys\[satellite\]'"):
        method.fit(make_samples(10))


def test_linear_fit_without_penalty_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    design, values = rng.normal(3, 2, (50, 3)), rng.normal(400, 1, 50)
    whole = np.column_stack([np.ones(50), design])
    expected = whole @ np.linalg.lstsq(whole, values)[0]
    np.testing.assert_allclose(LinearFit.of(design, values, 0.0)(design), expected, rtol=1e-12)


def test_a_constant_feature_has_no_slope() -> None:
    design = np.column_stack([np.full(9, 0.1), np.arange(9.0)])
    fit = LinearFit.of(design, 400 + np.arange(9.0), 1e-9)
    np.testing.assert_allclose(fit(design + np.array([5.0, 0.0])), 400 + np.arange(9.0), atol=1e-6)


def test_trend_and_season_find_a_known_cycle(make_samples: Any) -> None:
    samples = make_samples(2000, days=1461)
    years = (samples.time - np.datetime64("2000-01-01")).astype(float) / 365.25
    samples.xco2[:] = 350 + 2.5 * years + 3 * np.cos(2 * np.pi * years)
    found = TrendAndSeason(penalty=1e-9).fit(samples).predict(samples)
    np.testing.assert_allclose(found, samples.xco2, atol=1e-4)


def test_nearest_day_by_hand(make_samples: Any) -> None:
    samples = make_samples(4)
    samples.time[:] = np.array(["2019-01-01", "2019-01-05", "2019-01-05", "2019-01-20"], "M8[D]")
    samples.xco2[:] = [400.0, 410.0, 412.0, 420.0]
    asked = np.array(
        ["2018-01-01", "2019-01-02", "2019-01-03", "2019-01-05", "2019-06-01"], "M8[D]"
    )
    places = np.zeros(5)
    points = Points(asked, places, places, np.empty((5, 0), np.float32), ())
    found = NearestDay().fit(samples).predict(points)
    np.testing.assert_allclose(found, [400.0, 400.0, 405.5, 411.0, 420.0])


def test_inverse_distance_by_hand(make_samples: Any) -> None:
    """Two soundings on the equator, 1° apart, and a place a quarter of the way between them."""
    samples = make_samples(2)
    samples.time[:] = np.datetime64("2019-01-01")
    samples.latitude[:], samples.longitude[:] = 0.0, [10.0, 11.0]
    samples.xco2[:] = [400.0, 404.0]
    point = Points(
        samples.time[:1], np.zeros(1), np.array([10.25]), np.empty((1, 0), np.float32), ()
    )
    degree = 2 * np.pi * 6371.0 / 360
    weights = 1 / ((degree * np.array([0.25, 0.75])) ** 2 + 20.0**2)
    expected = (weights * samples.xco2).sum() / weights.sum()
    found = InverseDistance(smoothing_km=20.0).fit(samples).predict(point)
    assert found[0] == pytest.approx(expected, abs=1e-3)  # chord and arc differ by 1e-5
