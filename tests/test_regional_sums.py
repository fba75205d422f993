"""Sums over regions, added map by map, give the scores of whole arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys import metrics
from co2net_phys.data.regions import REGIONS, region_mask
from co2net_phys.regional_sums import RegionalSums

LATITUDE, LONGITUDE = np.arange(-85.0, 90, 10), np.arange(-172.5, 180, 15)
NAMES = ("rmse", "acc", "bias", "mae", "correlation", "r2", "global_mean_drift")


def fields(seed=0, times=11, holes=True):
    """Prediction and truth (time, lat, lon) with holes in the truth."""
    rng = np.random.default_rng(seed)
    truth = 400 + 5 * rng.standard_normal((times, 18, 24))
    prediction = truth + rng.normal(0.5, 2, truth.shape)
    if holes:
        truth[rng.random(truth.shape) < 0.1] = np.nan
        truth[3:4] = np.nan
        truth[:, 5, 7] = np.nan
    return prediction, truth


def summed(prediction, truth, sizes=(4, 1, 6)):
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(truth)
        count = known.sum(axis=0)
        climatology = np.where(known, truth, 0).sum(axis=0) / np.where(count > 0, count, np.nan)
    sums = RegionalSums(REGIONS, LATITUDE, LONGITUDE, climatology)
    first = 0
    for size in sizes:
        sums.add(prediction[first : first + size], truth[first : first + size])
        first += size
    return sums, climatology


@pytest.mark.parametrize("region", REGIONS)
def test_they_are_the_metrics(region):
    prediction, truth = fields()
    sums, climatology = summed(prediction, truth)
    weights, mask = metrics.latitude_weights(LATITUDE), region_mask(region, LATITUDE, LONGITUDE)
    found = sums.scores(region)
    assert set(found) == set(NAMES)
    for name in set(NAMES) - {"acc"}:
        expected = getattr(metrics, name)(prediction, truth, weights, mask)
        assert found[name] == pytest.approx(expected, rel=1e-10), name
    expected = metrics.acc(prediction, truth, climatology, weights, mask)
    assert found["acc"] == pytest.approx(expected, rel=1e-10)


def test_the_median_is_that_of_the_metrics():
    prediction, truth = fields()
    expected = metrics.median_abs_error(prediction, truth, metrics.latitude_weights(LATITUDE))
    assert summed(prediction, truth)[0].median_abs_error() == pytest.approx(expected, rel=1e-4)
    exact = fields(holes=False)[1]
    assert summed(exact, exact)[0].median_abs_error() == pytest.approx(0, abs=1e-12)
    assert summed(exact + 2, exact)[0].median_abs_error() == pytest.approx(2, rel=1e-6)


def test_the_series_are_area_means():
    prediction, truth = fields()
    sums, _ = summed(prediction, truth)
    area = np.cos(np.radians(LATITUDE))[:, None] * region_mask("europe", LATITUDE, LONGITUDE)
    known = np.where(np.isnan(truth), 0, area)
    with np.errstate(invalid="ignore"):
        expected = (known * np.nan_to_num(prediction)).sum((1, 2)) / known.sum((1, 2))
    found, true = sums.mean_series("europe")
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isnan(true[3]) and np.isfinite(np.delete(true, 3)).all()


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=11), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_how_the_record_is_cut_does_not_matter(sizes, seed):
    prediction, truth = fields(seed, sum(sizes))
    pieces, _ = summed(prediction, truth, sizes)
    whole, _ = summed(prediction, truth, [sum(sizes)])
    for region in ("global", "africa"):
        expected = whole.scores(region)
        for name, value in pieces.scores(region).items():
            assert value == pytest.approx(expected[name], rel=1e-9, nan_ok=True), name
    assert pieces.median_abs_error() == whole.median_abs_error()


def test_a_missing_prediction_spoils_its_own_regions_only():
    prediction, truth = fields(holes=False)
    mask = region_mask("africa", LATITUDE, LONGITUDE)
    row, column = np.argwhere(mask)[0]
    prediction[2, row, column] = np.nan
    sums, _ = summed(prediction, truth)
    assert all(np.isnan(sums.scores("africa")[name]) for name in NAMES)
    assert all(np.isfinite(sums.scores("europe")[name]) for name in NAMES)
    assert np.isnan(sums.median_abs_error())
    assert np.isnan(sums.mean_series("africa")[0]).sum() == 1


def test_constant_fields_have_no_correlation():
    _, truth = fields(holes=False)
    for prediction, true in ((truth * 0 + 400.1, truth), (truth, truth * 0 + 400.1)):
        found = summed(prediction, true)[0].scores("global")
        assert np.isnan(found["correlation"])
    assert np.isnan(found["r2"])


def test_spreads_are_standard_deviations():
    prediction, truth = fields(holes=False)
    weights = np.broadcast_to(metrics.latitude_weights(LATITUDE)[:, None], truth.shape)
    found = summed(prediction, truth)[0].spreads("global")
    for value, field in zip(found, (prediction, truth), strict=True):
        mean = np.average(field, weights=weights)
        assert value == pytest.approx(np.sqrt(np.average((field - mean) ** 2, weights=weights)))
