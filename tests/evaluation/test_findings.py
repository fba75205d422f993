"""What is made of pairs and maps: scores, intervals, mean errors, events, trends, lines."""

import csv
import io
from datetime import date

import numpy as np
import pytest
from scipy.signal import lfilter

from co2net_phys.data.regions import REGIONS
from co2net_phys.data.stations import Station
from co2net_phys.errors import UsageError
from co2net_phys.evaluate import station_groups
from co2net_phys.evaluation import intervals, tables
from co2net_phys.evaluation.pairs import Pairs, checked_codes, of_series
from co2net_phys.evaluation.report_pictures import chosen
from co2net_phys.evaluation.site_scores import site_scores
from co2net_phys.evaluation.trends import trend_of
from co2net_phys.evaluation.watchers import ErrorMaps, EventCurves, Spectra
from co2net_phys.metrics import Event, zonal_spectrum
from co2net_phys.regional_sums import RegionalSums

LATITUDE, LONGITUDE = np.arange(-85.0, 90, 10), np.arange(-172.5, 180, 15)
TIMES = np.arange("2010-01-01", "2010-05-01", dtype="datetime64[D]")
SITES = tuple(Station(f"S{n}", f"Site {n}", 10.0 * n, 20.0 * n, 0.0) for n in range(6))


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """Six sites, errors of mean 1 and deviation 2, a fifth of the observations missing."""
    rng = np.random.default_rng(1)
    observed = 400 + 5 * rng.standard_normal((len(TIMES), 6))
    predicted = observed + 1 + 2 * rng.standard_normal(observed.shape)
    observed[rng.random(observed.shape) < 0.2] = np.nan
    return of_series(SITES, TIMES, observed, predicted)


def test_scores_of_sites_and_of_all_together(pairs):
    found = site_scores(pairs, {"held_out": ["S1", "S4"], "training": ["S0", "S9"]})
    assert [list(group["sites"]) for group in found.values()] == [["S1", "S4"], ["S0"]]
    row = found["held_out"]["sites"]["S4"]
    error = (pairs.predicted - pairs.observed)[pairs.station == 4]
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert row["median_abs_error"] == pytest.approx(np.median(np.abs(error)))
    assert row["bias"] == pytest.approx(error.mean())
    assert (row["n"], row["latitude"], row["name"]) == (error.size, 40, "Site 4")
    assert row["trend"] is None, "four months"
    pooled = found["held_out"]["pooled"]
    own = np.isin(pairs.station, [1, 4])
    y, u = pairs.predicted[own], pairs.observed[own]
    assert pooled["correlation"] == pytest.approx(np.corrcoef(y, u)[0, 1])
    assert pooled["r2"] == pytest.approx(1 - np.mean((y - u) ** 2) / np.var(u))
    assert pooled["standard_deviation_ratio"] == pytest.approx(np.std(y) / np.std(u))
    assert pooled["intervals"] == {}, "two sites are too few to draw from"


def test_intervals_of_a_site_hold_the_score_and_shrink_with_its_record(pairs):
    own = pairs.at(["S2"])
    found = intervals.of_site(own.observed, own.predicted)
    error = own.predicted - own.observed
    assert found["bias"][0] < error.mean() < found["bias"][1]
    width = np.ptp(found["bias"])
    assert width == pytest.approx(2 * 1.96 * 2 / np.sqrt(error.size), rel=0.5)
    repeated = intervals.of_site(np.tile(own.observed, 9), np.tile(own.predicted, 9))
    assert np.ptp(repeated["rmse"]) < 0.7 * np.ptp(found["rmse"])
    assert intervals.of_site(own.observed[:19], own.predicted[:19]) == {}


def test_an_interval_of_bias_knows_how_long_a_mean_error_lasts(monkeypatch):
    """An AR(1) mean error (0.3 ± a memory of 39 steps) under white local errors of 2."""
    monkeypatch.setattr(intervals, "SAMPLES", 200)
    rng, hits, count, times = np.random.default_rng(4), 0, 40, 400
    truth = rng.standard_normal((times, len(LATITUDE), len(LONGITUDE)))
    for _ in range(count):
        noise = 0.3 * np.sqrt(1 - 0.95**2) * rng.standard_normal(times + 200)
        mean = lfilter([1], [1, -0.95], noise)[200:]
        errors = mean[:, None, None] + 2 * rng.standard_normal(truth.shape)
        sums = RegionalSums(["global"], LATITUDE, LONGITUDE, truth.mean(axis=0))
        sums.add(truth + errors, truth)
        low, high = intervals.of_region(sums, "global")["bias"]
        hits += low < 0 < high
    assert hits >= 0.75 * count, "without it 20 of 40"


def test_an_interval_of_a_site_knows_how_long_its_loudness_lasts():
    """Errors of random sign, large in one half of the record: the RMSE has two blocks, not many."""
    rng = np.random.default_rng(6)
    errors = rng.choice([-1.0, 1], 400) * (1 + np.sin(np.arange(400) / 30))
    found = intervals.of_site(np.zeros(400), errors)
    white = intervals.of_site(np.zeros(400), rng.permutation(errors))
    assert np.ptp(found["rmse"]) > 2 * np.ptp(white["rmse"])


def test_pooled_intervals_draw_sites(pairs):
    """A bias of whole sites is not made certain by many observations of each."""
    shift = np.array([-4.0, 4, -4, 4, -4, 4])[pairs.station]
    found = intervals.of_sites(pairs.observed, pairs.predicted + shift, pairs.station)
    assert set(found) == {"rmse", "median_abs_error", "bias", "correlation", "r2"}
    assert np.ptp(found["bias"]) > 4
    same = intervals.of_sites(pairs.observed, pairs.predicted, pairs.station)
    assert np.ptp(same["bias"]) < 1
    low, high = same["correlation"]
    assert low < np.corrcoef(pairs.observed, pairs.predicted)[0, 1] < high
    lost = np.where(np.arange(pairs.predicted.size) == 3, np.nan, pairs.predicted)
    assert intervals.of_sites(pairs.observed, lost, pairs.station) == {}


def fields(times=40, seed=0):
    rng = np.random.default_rng(seed)
    truth = 400 + 5 * rng.standard_normal((times, 18, 24))
    return truth + 0.5 + rng.standard_normal(truth.shape), truth


def test_intervals_of_regions_hold_their_scores():
    prediction, truth = fields()
    sums = RegionalSums(REGIONS, LATITUDE, LONGITUDE, truth.mean(axis=0))
    sums.add(prediction, truth)
    for region in ("global", "europe"):
        scores, found = sums.scores(region), intervals.of_region(sums, region)
        assert set(found) == {"rmse", "acc", "bias", "mae", "correlation", "r2"}
        for name, (low, high) in found.items():
            assert low < scores[name] < high, name
    assert found["rmse"][1] - found["rmse"][0] > 0.02, "Europe is small"


def test_error_maps_leave_out_unknown_truth():
    prediction, truth = fields()
    truth[:30, 2, 3] = np.nan
    truth[:, 4, 4] = np.nan
    maps = ErrorMaps((18, 24))
    maps.add(prediction[:7], truth[:7])
    maps.add(prediction[7:], truth[7:])
    np.testing.assert_allclose(maps.bias[2, 3], (prediction - truth)[30:, 2, 3].mean())
    np.testing.assert_allclose(
        maps.rmse[0, 0], np.sqrt(((prediction - truth)[:, 0, 0] ** 2).mean())
    )
    assert np.isnan(maps.bias[4, 4]) and np.isnan(maps.rmse).sum() == 1


def test_spectra_are_means_over_whole_maps():
    prediction, truth = fields()
    truth[5, 0, 0] = np.nan
    spectra = Spectra(LATITUDE)
    spectra.add(prediction[:7], truth[:7])
    spectra.add(prediction[7:], truth[7:])
    whole = np.delete(np.arange(40), 5)
    expected = zonal_spectrum(truth[whole], LATITUDE)
    np.testing.assert_allclose(spectra.mean["truth"], expected.power[1:], rtol=1e-12)
    assert spectra.mean["wavenumber"] == list(range(1, 13))
    assert Spectra(LATITUDE).mean == {}


def test_curves_of_events_come_from_their_own_times_and_box():
    prediction, truth = fields(len(TIMES))
    event = Event("box", -10, 0, 0, 15, date(2010, 2, 1), date(2010, 2, 10))
    curves = EventCurves([event], TIMES, LATITUDE, LONGITUDE)
    for first in range(0, len(TIMES), 37):
        part = slice(first, first + 37)
        curves.add(prediction[part], truth[part])
    found = curves.found()["box"]
    np.testing.assert_array_equal(found["times"], TIMES[31:41])
    np.testing.assert_allclose(found["truth"], truth[31:41, 8, 12])  # one cell
    np.testing.assert_allclose(found["prediction"], prediction[31:41, 8, 12])
    error = (prediction - truth)[31:41, 8, 12]
    assert found["scores"]["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    later = Event("later", -10, 0, 0, 15, date(2011, 2, 1), date(2011, 2, 10))
    with pytest.raises(UsageError, match="--event later: 2011-02-01 to 2011-02-10 is not among"):
        EventCurves([later], TIMES, LATITUDE, LONGITUDE).found()


def test_a_known_trend_and_season():
    times = np.arange("2008-01-01", "2011-01-01", dtype="datetime64[D]").astype("datetime64[s]")
    year = np.arange(len(times)) / 365.25
    day = (times - times.astype("datetime64[Y]")) / np.timedelta64(1, "D")
    season = 3 * np.cos(2 * np.pi * (day - 120) / 365.25)
    found = trend_of(times, 1 + 2.5 * year + season, 2.0 * year + 2 * season)
    assert found["truth"]["growth"] == pytest.approx(2, abs=0.01)
    assert found["growth_difference"] == pytest.approx(0.5, abs=0.01)
    assert found["truth"]["amplitude"] == pytest.approx(12, abs=0.05)
    assert found["amplitude_ratio"] == pytest.approx(0.5, abs=0.01)
    assert found["truth"]["day_of_maximum"] == pytest.approx(120, abs=1)
    twice = trend_of(
        np.repeat(times, 2),
        np.repeat(year, 2) + np.tile([-1, 1], len(times)),
        year[[0]].repeat(2 * len(times)),
    )
    assert twice["prediction"]["growth"] == pytest.approx(1, abs=0.01), "two laboratories"
    assert trend_of(times[:690], year[:690], year[:690]) is None, "less than two years"
    assert trend_of(times[::90], year[::90], year[::90]) is None, "too few"


def test_groups_of_stations():
    codes = ["a", "b", "c"]
    assert station_groups(codes, ["b"], ["a", "b"]) == {
        "held_out": ["b"], "training": ["a"], "other": ["c"],
    }  # fmt: skip
    assert station_groups(codes, ["b"]) == {"held_out": ["b"], "training": ["a", "c"]}
    assert station_groups(codes, None, ["a"]) == {"all": codes}
    assert checked_codes(["b"], codes, "w.nc") == ["b"]
    with pytest.raises(UsageError, match=r"--held-out b,x: no observation of x in w\.nc"):
        checked_codes(["b", "x"], codes, "w.nc")
    with pytest.raises(UsageError, match="no observation of any station"):
        checked_codes([], codes, "w.nc")


def test_the_worst_the_middle_and_the_best():
    names = [str(n) for n in range(20)]
    assert chosen(names, 9) == ["0", "1", "2", "8", "9", "10", "17", "18", "19"]
    assert chosen(names[:9], 9) == names[:9]


def test_lines_of_the_table(pairs):
    stations = site_scores(pairs, {"all": [site.code for site in SITES]})
    scores = {"rmse": 1.0, "intervals": {"rmse": [0.5, 2.0]}, "regions": {"land": {"rmse": np.nan}},
              "stations": stations}  # fmt: skip
    lines = list(csv.DictReader(io.StringIO(tables.csv_text(scores))))
    assert [line["kind"] for line in lines] == ["region"] * 2 + ["group"] + ["site"] * 6
    assert (lines[0]["name"], lines[0]["rmse_low"], lines[0]["rmse_high"]) == ("global", "0.5", "2")
    assert (lines[1]["name"], lines[1]["rmse"]) == ("land", "")
    site = lines[5]
    assert (site["group"], site["name"], float(site["latitude"])) == ("all", "S2", 20)
    assert float(site["rmse"]) == pytest.approx(stations["all"]["sites"]["S2"]["rmse"])
