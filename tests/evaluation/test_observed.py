"""Observations and predictions in pairs: the right ones, at the right place, and counted."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2
from co2net_phys.errors import DataError
from co2net_phys.evaluation.observed import observed
from co2net_phys.evaluation.sampling import maps_of
from co2net_phys.products import station_files

sys.path.insert(0, str(Path(__file__).parents[1] / "products"))
writers = importlib.import_module("station_writers")

FLASK = "co2_aaa_surface-flask_1_representative.nc"


@pytest.fixture
def maps():
    """Two months of six-hourly maps, 400 + latitude/10 + days since the start."""
    times = np.datetime64("2016-01-01", "ns") + np.arange(4 * 60) * np.timedelta64(6, "h")
    north, east = np.arange(-85.0, 90, 10), np.arange(0.0, 360, 20)
    days = np.arange(4 * 60)[:, None, None] / 4
    field = 400 + days + north[:, None] / 10 + 0 * east
    data = xr.Dataset(
        {CO2: (("time", "latitude", "longitude"), field, {"units": "umol mol-1"})},
        {"time": times, "latitude": north, "longitude": east},
    )
    return maps_of(data, "rec.nc")


def flasks(folder, *instants, name=FLASK, **options):
    time = writers.seconds(*instants)
    return writers.write_obspack(folder / name, time, np.full(len(time), 4.1e-4), **options)


def test_every_measurement_meets_the_map_of_its_time_and_place(tmp_path, maps):
    flasks(
        tmp_path, "2016-01-02T12:00:00", "2016-01-03T00:00:00", "2017-01-01T00:00:00",
        latitude=np.array([45, 45.2, 45], "f4"),
    )  # fmt: skip
    pairs, described = observed(station_files.read([tmp_path]), maps)
    np.testing.assert_allclose(pairs.predicted, [400 + 1.5 + 4.5, 400 + 2 + 4.52], rtol=1e-7)
    np.testing.assert_allclose(pairs.observed, 410, rtol=1e-6)
    assert pairs.codes == ["AAA"]
    assert described == {
        "observations": 2, "sites": 1,
        "first": "2016-01-02T12:00:00Z", "last": "2016-01-03T00:00:00Z",
        "left_out": {"outside the times of the prediction": 1},
    }  # fmt: skip


def test_monthly_means_meet_means_of_whole_months(tmp_path, maps):
    rows = [(2015, 12, 400.0), (2016, 1, 401.0), (2016, 2, 402.0), (2016, 3, 403.0)]
    writers.write_month(tmp_path / "co2_mhd_surface-flask_1_ccgg_month.txt", rows, site="MHD")
    pairs, described = observed(station_files.read([tmp_path]), maps)
    days = np.arange(4 * 31) / 4
    expected = [400 + days.mean() + 5.333, 400 + 31 + (np.arange(4 * 29) / 4).mean() + 5.333]
    np.testing.assert_allclose(pairs.predicted, expected, atol=1e-2)
    assert described["months"] == {"count": 2, "least_coverage": 1}
    assert described["left_out"] == {"month not covered by the prediction": 2}


def test_measurements_go_before_monthly_means(tmp_path, maps):
    flasks(tmp_path, "2016-01-02T12:00:00", name="co2_mhd_surface-flask_1_representative.nc")
    rows = [(2016, 1, 401.0)]
    writers.write_month(tmp_path / "co2_mhd_surface-flask_1_ccgg_month.txt", rows, site="MHD")
    pairs, described = observed(station_files.read([tmp_path]), maps)
    assert (pairs.codes, len(pairs.time)) == (["MHD"], 1)
    assert described["left_out"] == {"monthly mean beside measurements": 1}


def test_the_highest_intake_counts_unless_the_codes_tell_heights_apart(tmp_path, maps):
    for height in (30, 90):
        flasks(
            tmp_path, "2016-01-02T20:00:00",
            name=f"co2_lef_tower-flask_1_representative-{height}magl.nc",
            intake_height=np.array([height], "f4"),
        )  # fmt: skip
    table = station_files.read([tmp_path])
    pairs, described = observed(table, maps)
    assert pairs.codes == ["LEF"]
    assert described["left_out"] == {"lower intake, moving, or without position": 1}
    pairs, _ = observed(table, maps, codes=["LEF-30magl"])
    assert pairs.codes == ["LEF-30magl", "LEF-90magl"]


@pytest.mark.parametrize(
    ("period", "count"),
    [(("2016-01-03", None), 1), ((None, "2016-01-02"), 1), (("2016", "2016"), 2)],
)
def test_a_period(tmp_path, maps, period, count):
    flasks(tmp_path, "2016-01-02T12:00:00", "2016-01-03T00:00:00")
    pairs, described = observed(station_files.read([tmp_path]), maps, period=period)
    assert len(pairs.time) == count
    assert described["left_out"].get("outside --start and --end", 0) == 2 - count


def test_no_observation_in_common(tmp_path, maps):
    flasks(tmp_path, "2017-01-02T12:00:00")
    message = r"FLASK: no observation \(2017-01-02 to 2017-01-02\).*rec\.nc \(2016-01-01 to"
    with pytest.raises(DataError, match=message.replace("FLASK", FLASK)):
        observed(station_files.read([tmp_path]), maps)


def test_a_prediction_that_is_missing_is_said(tmp_path, maps, caplog):
    maps.dataset[CO2][:] = np.nan
    flasks(tmp_path, "2016-01-02T12:00:00")
    pairs, _ = observed(station_files.read([tmp_path]), maps)
    assert np.isnan(pairs.predicted).all()
    assert "rec.nc: is missing at 1 observations (AAA)" in caplog.text
