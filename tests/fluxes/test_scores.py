"""Scores of regional and tower exchange against scipy and the scores package."""

import json

import numpy as np
import pytest
import scipy.signal
import scipy.stats
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import DataError
from co2net_phys.fluxes.schema import (
    EXTRATROPICS,
    GLOBE,
    REGION_CODES,
    TROPICAL_REGIONS,
    TROPICS,
)
from co2net_phys.fluxes.scores import (
    interannual_variability,
    nash_sutcliffe,
    normalised_nash_sutcliffe,
    regional_scores,
    score_table,
    tower_scores,
)
from co2net_phys.json_text import json_text


def sums(years=5, start="2001-01", seed=0):
    months = np.datetime64(start, "M") + np.arange(12 * years)
    random = np.random.default_rng(seed)
    phase = 2 * np.pi * (months.astype(int) % 12)[:, None] / 12
    truth = np.cos(phase + np.arange(18)) + 0.3 * random.standard_normal((12 * years, 18))
    return truth + 0.4 * random.standard_normal(truth.shape) + 0.2, truth, months


def by_year(series):
    return series.reshape(-1, 12).sum(axis=1)


def test_the_parts_of_the_globe_add_up():
    predicted, truth, months = sums()
    found = regional_scores(predicted, truth, months)
    means = {name: scores["annual"]["mean"] for name, scores in found.items()}
    assert means[TROPICS] + means[EXTRATROPICS] == pytest.approx(means[GLOBE])
    assert means[TROPICS] == pytest.approx(sum(means[code] for code in TROPICAL_REGIONS))


@pytest.mark.parametrize("region", [GLOBE, "BRA", "OCE"])
def test_regional_scores_against_scipy(region):
    predicted, truth, months = sums()
    found = regional_scores(predicted, truth, months)[region]
    place = None if region == GLOBE else REGION_CODES.index(region)
    one, other = (x.sum(axis=1) if place is None else x[:, place] for x in (predicted, truth))
    pairs = {
        "monthly": (one, other),
        "annual": (by_year(one), by_year(other)),
        "mean_seasonal_cycle": tuple(x.reshape(-1, 12).mean(axis=0) for x in (one, other)),
    }
    for name, (y, r) in pairs.items():
        assert found[name]["r"] == pytest.approx(scipy.stats.pearsonr(y, r).statistic, rel=1e-10)
        assert found[name]["rmse"] == pytest.approx(np.sqrt(np.mean((y - r) ** 2)), rel=1e-12)
    for which, series in (("predicted", one), ("reference", other)):
        expected = scipy.signal.detrend(by_year(series)).std()
        assert found["interannual_variability"][which] == pytest.approx(expected, rel=1e-9)
    assert found["annual"]["reference_mean"] == pytest.approx(by_year(other).mean())


def test_nash_sutcliffe_against_the_scores_package():
    continuous = pytest.importorskip("scores.continuous", reason="scores is absent")
    random = np.random.default_rng(3)
    one, other = random.standard_normal((2, 50))
    expected = continuous.nse(xr.DataArray(one, dims="t"), xr.DataArray(other, dims="t"))
    assert nash_sutcliffe(one, other) == pytest.approx(float(expected), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 50))
def test_normalised_score_lies_between_zero_and_one(seed, error):
    random = np.random.default_rng(seed)
    truth = random.standard_normal(30)
    score = normalised_nash_sutcliffe(truth + error * random.standard_normal(30), truth)
    assert 0 < score < 1
    assert normalised_nash_sutcliffe(truth, truth) == 1
    mean = np.full(30, truth.mean())
    assert normalised_nash_sutcliffe(mean, truth) == pytest.approx(0.5)


def test_a_bias_moves_errors_but_no_correlation():
    _, truth, months = sums()
    found = regional_scores(truth + 0.1, truth, months)
    assert found["EU"]["monthly"] == {"r": pytest.approx(1), "rmse": pytest.approx(0.1)}
    assert found["EU"]["annual"]["rmse"] == pytest.approx(1.2)
    assert found[GLOBE]["monthly"]["rmse"] == pytest.approx(1.8)


def test_annual_scores_use_whole_calendar_years():
    predicted, truth, months = sums(start="2001-01")
    cut = regional_scores(predicted[7:-2], truth[7:-2], months[7:-2])["USA"]["annual"]
    whole = regional_scores(predicted[12:-12], truth[12:-12], months[12:-12])["USA"]["annual"]
    assert cut == whole


def test_a_trend_is_no_interannual_variability():
    assert interannual_variability(np.arange(6.0)) == pytest.approx(0, abs=1e-12)
    assert interannual_variability(np.array([1.0, -1, 1, -1])) == pytest.approx(
        scipy.signal.detrend([1.0, -1, 1, -1]).std()
    )
    assert np.isnan(interannual_variability(np.ones(2)))


def test_what_cannot_be_told_is_missing_and_json_is_plain():
    _, truth, months = sums(years=1)
    found = regional_scores(np.zeros_like(truth), truth, months)
    assert np.isnan(found["USA"]["monthly"]["r"]) and np.isnan(found["USA"]["annual"]["r"])
    assert json.loads(json_text(found))["USA"]["monthly"]["r"] is None
    assert list(found) == [GLOBE, TROPICS, EXTRATROPICS, *REGION_CODES]


def test_wrong_sums_are_refused():
    predicted, truth, months = sums()
    with pytest.raises(DataError, match="one a month and region"):
        regional_scores(predicted[:, :3], truth, months)
    with pytest.raises(DataError, match="missing or repeated"):
        regional_scores(predicted, truth, np.roll(months, 1))
    truth[3, 3] = np.nan
    with pytest.raises(DataError, match="missing values"):
        regional_scores(predicted, truth, months)


def test_tower_scores():
    random = np.random.default_rng(1)
    observed = random.standard_normal(300)
    sites = np.repeat([4, 7], 150)
    predicted = 0.5 * observed + np.where(sites == 4, 1.0, 0.0)
    found = tower_scores(predicted, observed, sites, {4: "DE-Tha", 7: "FR-Pue"})
    assert set(found["sites"]) == {"DE-Tha", "FR-Pue"}
    own = found["sites"]["DE-Tha"]
    assert own["r"] == pytest.approx(1) and own["n"] == 150
    assert own["bias"] == pytest.approx(1 - 0.5 * observed[:150].mean())
    expected = scipy.stats.pearsonr(predicted, observed).statistic
    assert found["pooled"]["r"] == pytest.approx(expected)
    both = [scores["rmse"] for scores in found["sites"].values()]
    assert found["median"]["rmse"] == pytest.approx(np.mean(both))
    with pytest.raises(DataError, match="missing"):
        tower_scores(np.where(sites == 4, np.nan, 1), observed, sites, {})


def test_the_table_has_a_row_for_each_region():
    predicted, truth, months = sums()
    scores = {"EC": regional_scores(predicted, truth, months)}
    table = score_table(scores, "monthly")
    assert table.columns == ["region", "R, EC", "RMSE (PgC month-1), EC"]
    assert [row[0] for row in table.rows] == [GLOBE, TROPICS, EXTRATROPICS, *REGION_CODES]
    assert table.rows[3][2] == scores["EC"]["USA"]["monthly"]["rmse"]
