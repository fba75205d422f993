"""ObsPack and NOAA NetCDF: every layout is read, every flag honoured, every trap named."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from co2net_phys.errors import DataError
from co2net_phys.products import obspack
from co2net_phys.products.observation_flags import SELECTIONS

sys.path.insert(0, str(Path(__file__).parent))
writers = importlib.import_module("station_writers")

DEFAULT, VALID = SELECTIONS["representative"], SELECTIONS["valid"]
TIMES = writers.seconds("2016-02-28T23:59:59", "2016-02-29T12:00:00", "2016-03-01T00:00:01")
VALUES = np.array([400e-6, 401e-6, 402e-6])
NAME = "co2_xyz_surface-flask_1_representative.nc"


def only(path, tracer="co2", selection=DEFAULT, units=None):
    """The single part of a file, and the counts of what was left out."""
    ((series, records),), dropped = obspack.read(path, tracer, selection, units)
    return series, records, +dropped


@pytest.mark.parametrize("dim", ["obs", "time"])
def test_a_dataset_keeps_times_units_places_and_heights(tmp_path, dim):
    path = writers.write_obspack(
        tmp_path / NAME, TIMES, VALUES, dim=dim, value_std_dev=np.array([1e-7, -99.99, 2e-7], "f4")
    )
    series, records, dropped = only(path)
    assert (series.site, series.dataset, series.laboratory) == ("XYZ", NAME[:-3], "1")
    assert (series.project, series.selection_tag) == ("surface-flask", "representative")
    assert (series.elevation, series.series_height, series.is_mobile) == (100, 40, False)
    np.testing.assert_array_equal(records.time, TIMES.astype("datetime64[s]"))
    np.testing.assert_allclose(records.value, [400, 401, 402], rtol=1e-7)
    np.testing.assert_allclose(records.standard_deviation, [0.1, np.nan, 0.2], rtol=1e-6)
    assert set(records.altitude) == {140}
    assert not dropped


def test_the_centre_of_the_interval_is_the_time_not_its_start(tmp_path):
    start = writers.components(TIMES - 1800)
    path = writers.write_obspack(tmp_path / NAME, TIMES, VALUES, time_components=start)
    np.testing.assert_array_equal(only(path)[1].time, TIMES.astype("datetime64[s]"))
    native = tmp_path / "ch4_bao_surface-flask_1_ccgg_Event.nc"
    writers.write_noaa(
        native, TIMES, VALUES * 1e6 * 5, VALUES * 1e4, units="nanomol mol-1", half=1800
    )
    np.testing.assert_array_equal(
        only(native, "ch4")[1].time, (TIMES + 1800).astype("datetime64[s]")
    )


@pytest.mark.parametrize(
    ("tracer", "units", "factor"),
    [("co2", "micromol mol-1", 1.0), ("co2", "nanomol mol-1", 1e3), ("ch4", "nanomol mol-1", 5.0)],
)
def test_native_files_by_their_units(tmp_path, tracer, units, factor):
    path = tmp_path / f"{tracer}_bao_tower-insitu_1_ccgg_all.nc"
    writers.write_noaa(path, TIMES, VALUES * 1e6 * factor, np.full(3, factor), units=units)
    _, records, _ = only(path, tracer)
    expected = VALUES * 1e6 * (5 if tracer == "ch4" else 1)
    np.testing.assert_allclose(records.value, expected, rtol=1e-6)
    np.testing.assert_allclose(records.standard_deviation, 5 if tracer == "ch4" else 1, rtol=1e-6)


def test_one_file_a_day_gives_every_dataset_apart(tmp_path):
    rows = [
        ("co2_aaa_surface-flask_1_representative", "2016-01-01T03:00:00", 4e-4, 10, 20, 5),
        ("co2_bbb_tower-insitu_1_allvalid-396magl", "2016-01-01T04:00:00", 4.1e-4, 45, -90, 396),
        ("co2_aaa_surface-flask_1_representative", "2016-01-01T05:00:00", 4.2e-4, 10, 20, 5),
    ]
    parts, dropped = obspack.read(
        writers.write_day(tmp_path / "flask_input.20160101.nc", rows), "co2", DEFAULT
    )
    (first, records), (second, _) = parts
    assert (first.site, records.value.round(3).tolist()) == ("AAA", [400, 420])
    assert (second.site, second.series_height, second.project) == ("BBB", 396, "tower-insitu")
    assert (first.site_latitude, second.site_longitude) == (10, -90)
    assert not +dropped


def test_every_flag_is_honoured_and_counted(tmp_path):
    size = 9
    value = np.full(size, 400e-6)
    value[0], value[1] = np.nan, -4e-6
    flags, large_scale = ["..."] * size, np.ones(size, "i4")
    flags[2], flags[3], flags[4] = "+..", ".X.", "..L"
    large_scale[5], large_scale[6] = 0, -9
    concerns = np.zeros((size, writers.CONCERNS), "i4")
    concerns[7, 1], concerns[8, 0] = 1, -9
    path = writers.write_obspack(
        tmp_path / NAME, TIMES[0] + np.arange(size), value, qcflag=flags, obs_flag=large_scale,
        assimilation_concerns=concerns,
    )  # fmt: skip
    _, records, dropped = only(path)
    assert (records.time.astype(int) - TIMES[0]).tolist() == [4, 6, 8], "missing flags reject none"
    assert dropped == {
        "missing value": 1, "negative": 1, "rejected by flag": 1, "not background by flag": 1,
        "not large-scale (obs_flag)": 1, "assimilation concerns": 1,
    }  # fmt: skip
    _, records, _ = only(path, selection=VALID)
    assert (records.time.astype(int) - TIMES[0]).tolist() == [3, 4, 5, 6, 7, 8]


def test_what_carbontracker_assimilated(tmp_path, caplog):
    chosen = {"CT_assim": np.array([0, 1, 2], "i4")}
    path = writers.write_obspack(tmp_path / NAME, TIMES, VALUES, **chosen)
    assert only(path, selection=SELECTIONS["assimilated"])[1].time.astype(int) == TIMES[1]
    assert only(path)[1].time.size == 3
    path = writers.write_obspack(tmp_path / NAME, TIMES, VALUES)
    assert only(path, selection=SELECTIONS["assimilated"])[1].time.size == 3
    assert "no variable 'CT_assim'" in caplog.text


def test_flags_of_other_styles_are_ignored_and_said(tmp_path, caplog):
    path = writers.write_obspack(tmp_path / NAME, TIMES, VALUES, qcflag=["O", "U", "*.."])
    assert only(path)[1].time.size == 2, "the third is in NOAA's style, and rejected"
    assert "not in NOAA's three characters in 2 of 3" in caplog.text


@pytest.mark.parametrize("fill", [-999.99, -99.99, -1e34, np.nan, np.inf])
def test_fill_values_in_disguise(tmp_path, fill):
    value = np.array([4e-4, fill, 4e-4])
    path = writers.write_obspack(tmp_path / NAME, TIMES, value)
    _, records, dropped = only(path)
    assert (records.time.size, dropped) == (2, {"missing value": 1})


def test_several_heights_in_one_tower_file_are_apart_but_not_a_moved_intake(tmp_path):
    name = "co2_bao_tower-insitu_1_ccgg_all.nc"
    time = np.repeat(TIMES[0] + 3600 * np.arange(10), 3)
    heights = {"intake_height": np.tile([22.0, 100, 300], 10)}
    path = tmp_path / name
    writers.write_noaa(path, time, np.full(30, 400.0), np.ones(30), units="ppm", **heights)
    parts, _ = obspack.read(path, "co2", DEFAULT)
    assert [(s.series_height, r.time.size) for s, r in parts] == [(22, 10), (100, 10), (300, 10)]
    heights = {"intake_height": np.repeat([27.0, 40], 15)}
    time = TIMES[0] + 3600 * np.arange(30)
    writers.write_noaa(path, time, np.full(30, 400.0), np.ones(30), units="ppm", **heights)
    (part,), _ = obspack.read(path, "co2", DEFAULT)
    assert part[1].time.size == 30


@pytest.mark.parametrize(
    ("attributes", "columns", "moves"),
    [
        ({}, {}, False),
        ({"dataset_platform": "aircraft"}, {}, True),
        ({"dataset_project": "shipboard-flask"}, {}, True),
        ({}, {"longitude": np.array([-179.99, 179.99, -179.98], "f4")}, False),
        ({}, {"longitude": np.array([-170, 179.99, 150], "f4")}, True),
        ({}, {"latitude": np.full(3, -90, "f4"), "longitude": np.array([0, 90, 180], "f4")}, False),
    ],
)
def test_moving_platforms_the_dateline_and_the_pole(tmp_path, attributes, columns, moves):
    path = writers.write_obspack(tmp_path / NAME, TIMES, VALUES, attributes=attributes, **columns)
    series, records, _ = only(path)
    assert series.is_mobile == moves
    assert np.all((records.longitude >= -180) & (records.longitude < 180))


def test_a_missing_place_is_that_of_the_site(tmp_path):
    path = writers.write_obspack(
        tmp_path / NAME, TIMES, VALUES, latitude=np.full(3, writers.FILL, "f4")
    )
    series, records, _ = only(path)
    assert set(records.latitude) == {45}
    lost = dict.fromkeys(("site_latitude", "site_longitude"), writers.FILL)
    path = writers.write_obspack(
        tmp_path / NAME, TIMES, VALUES, latitude=np.full(3, writers.FILL, "f4"), attributes=lost
    )
    series, records, dropped = only(path)
    assert np.isnan(series.site_latitude)
    assert (records.time.size, dropped) == (0, {"missing position": 3})


def test_old_releases_that_give_the_start_are_named(tmp_path, caplog):
    import netCDF4

    path = tmp_path / "co2_xyz_tower-insitu_1_allvalid.nc"
    writers.write_obspack(path, TIMES, VALUES)
    with netCDF4.Dataset(path, "a") as file:
        file["time"].comment = "Averages are reported at the beginning of the averaging interval."
    assert only(path)[1].time.size == 3
    assert "is the start of the averaging intervals" in caplog.text


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"units": "kg m-2"}, ("units 'kg m-2'", "--units")),
        ({"units": "ppm"}, ("contradicted by its values", "pass --units")),
        ({"units": ""}, ("units ''", "--units")),
        ({"attributes": {"dataset_parameter": "ch4"}}, ("of CH4, not of CO2", "leave")),
    ],
)
def test_wrong_units_and_tracers_are_refused(tmp_path, options, parts):
    path = writers.write_obspack(tmp_path / NAME, TIMES, VALUES, **options)
    with pytest.raises(DataError) as caught:
        obspack.read(path, "co2", DEFAULT)
    message = str(caught.value)
    for part in (str(path), "'value'", *parts):
        assert part in message
    assert "\n" not in message
    assert "--initial-units" not in message


def test_given_units_replace_the_attribute(tmp_path):
    path = writers.write_obspack(tmp_path / NAME, TIMES, VALUES, units="ppm")
    np.testing.assert_allclose(only(path, units="mol mol-1")[1].value, VALUES * 1e6, rtol=1e-7)


def test_files_without_values_are_refused(tmp_path):
    import xarray as xr

    path = tmp_path / "grid.nc"
    xr.Dataset({"co2": (("latitude", "longitude"), np.ones((2, 2)))}).to_netcdf(path)
    with pytest.raises(DataError, match="no one-dimensional variable 'value'"):
        obspack.read(path, "co2", DEFAULT)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="truncated or damaged"):
        obspack.read(path, "co2", DEFAULT)
