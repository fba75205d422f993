"""The table, hours, duplicates, and the raster: what is kept, what is averaged, where it lands."""

import importlib
import json
import sys
from datetime import datetime
from pathlib import Path

import cftime
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.products.dataset_names import parsed
from co2net_phys.products.observation_duplicates import merged, with_one_selection
from co2net_phys.products.observation_flags import (
    at_suitable_hours,
    is_mountain,
    local_solar_hour,
)
from co2net_phys.products.observation_raster import STATION_COUNT, at_times, stations_of
from co2net_phys.products.observations import (
    Records,
    Series,
    instants,
    nominal_position,
    observation_table,
    series_of,
    without_series,
    wrapped,
)

sys.path.insert(0, str(Path(__file__).parent))
writers = importlib.import_module("station_writers")

STEP = np.timedelta64(3, "h")
FRAMES = np.datetime64("2016-02-28T01:30:00", "s") + np.arange(24) * STEP


def part(time, value, site="AAA", *, height=np.nan, latitude=45.0, longitude=7.5, **series):
    """A series and its records; one value or place serves all times."""
    time = np.atleast_1d(np.array(time, "datetime64[s]"))

    def full(number):
        return np.broadcast_to(np.asarray(number, dtype=np.float64), time.shape).copy()

    known = {"dataset": f"co2_{site.lower()}", "site_latitude": 45.0, "site_longitude": 7.5}
    records = Records(
        *(time, full(value), full(np.nan), full(latitude), full(longitude)),
        *(full(np.nan), full(height), np.ones(time.size, np.int32)),
    )
    return Series(site, site, **(known | {"series_height": height} | series)), records


def raster(*parts, times=FRAMES, **options):
    return at_times(observation_table("co2", parts), times, **options)


def test_the_table_is_sorted_and_its_series_come_back():
    first = part(["2016-01-02", "2016-01-01"], [402, 401])
    second = part("2016-01-01T12:00", 410, "BBB", is_mobile=True, elevation=7.0)
    table = observation_table("co2", [first, second])
    assert table["co2"].values.tolist() == [401, 402, 410]
    assert table["co2"].attrs["units"] == "umol mol-1"
    assert table["time"].dtype == "datetime64[s]"
    one, other = series_of(table)
    assert (one.site, other) == ("AAA", second[0]) or other.site == "BBB"
    assert (other.is_mobile, other.elevation, one.is_mobile) == (True, 7.0, False)
    fewer = without_series(table, np.array([False, True]))
    assert (fewer["co2"].values.tolist(), fewer["series_index"].values.tolist()) == ([410], [0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("co2_lef_tower-insitu_1_allvalid-396magl", ("LEF", "tower-insitu", "allvalid", 396)),
        ("CH4_bao_tower-insitu_1_ccgg_all", ("BAO", "tower-insitu", "ccgg_all", None)),
        ("co2_inx01_surface-insitu_60_allhours", ("INX01", "surface-insitu", "allhours", None)),
        ("co2_nor_tower-insitu_424_allvalid-100.5magl", ("NOR", "tower-insitu", "allvalid", 100.5)),
    ],
)
def test_names_of_datasets(name, expected):
    found = parsed(name)
    height = None if np.isnan(found.height) else found.height
    assert (found.site, found.project, found.tag, height) == expected
    assert parsed("temperature") is None


@given(st.datetimes(min_value=datetime(1900, 1, 1)))
def test_instants_are_dates(moment):
    row = [moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second]
    time, valid = instants(np.array([row, [moment.year, 2, 30, 0, 0, 0]]))
    assert time[0] == np.datetime64(moment.replace(microsecond=0), "s")
    assert valid.tolist() == [True, False]
    assert np.isnat(time[1])


@given(st.floats(-180, 360))
def test_longitudes_are_wrapped_once(east):
    once = wrapped(np.array(east))
    assert -180 <= once < 180
    assert wrapped(once) == once
    assert np.isclose(np.exp(1j * np.radians(once)), np.exp(1j * np.radians(east)))
    north, middle = nominal_position(np.full(3, 10.0), wrapped(east + np.array([-0.01, 0, 0.01])))
    assert north == 10
    assert abs(wrapped(np.array(middle - east))) < 1e-5


@pytest.mark.parametrize(
    ("site", "elevation", "height", "expected"),
    [
        ("MLO", 3397, 40, True), ("PUY", 1465, 10, True), ("BAO", 1584, 300, False),
        ("LEF", 472, 396, False), ("QQQ", 2500, 10, True), ("QQQ", 2500, 80, False),
        ("QQQ", np.nan, np.nan, False),
    ],
)  # fmt: skip
def test_mountains(site, elevation, height, expected):
    assert is_mountain(site, elevation, height) is expected


def test_continuous_data_of_the_afternoon_or_of_the_night_on_mountains():
    hours = np.datetime64("2016-07-01", "s") + np.arange(24) * np.timedelta64(1, "h")
    options = {"project": "tower-insitu", "selection_tag": "allvalid"}
    parts = [
        part(hours, 400, "LOW", longitude=-90.0, **options),
        part(hours, 400, "TOP", longitude=30.0, elevation=3000.0, **options),
        part(hours, 400, "POLE", latitude=-89.98, **options),
        part(hours, 400, "FLASK", project="surface-flask", selection_tag="allvalid"),
        part(hours, 400, "CHOSEN", project="surface-insitu", selection_tag="nonlocal"),
        part(hours, 400, "SHIP", project="shipboard-insitu", selection_tag="all", is_mobile=True),
    ]
    table = at_suitable_hours(observation_table("co2", parts))
    sites = table["site"].values[table["series_index"].values]
    local = {
        s: (table["time"].values[sites == s] - hours[0]) // np.timedelta64(1, "h") for s in sites
    }
    assert {site: len(of) for site, of in local.items()} == {
        "LOW": 4, "TOP": 4, "POLE": 24, "FLASK": 24, "CHOSEN": 24, "SHIP": 24
    }  # fmt: skip
    assert local["LOW"].astype(int).tolist() == [18, 19, 20, 21], "UTC, six hours ahead"
    assert sorted((local["TOP"].astype(int) + 2) % 24) == [0, 1, 2, 3]
    assert json.loads(table.attrs["dropped"]) == {"hour of the day": 40}
    assert local_solar_hour(hours[:1], np.array([180.0])) == 12


def test_the_providers_selection_goes_first(caplog):
    source = {"project": "surface-insitu", "laboratory": "1"}
    table = observation_table(
        "co2",
        [
            part("2016-01-01", 1, selection_tag="allvalid", dataset="a", **source),
            part("2016-01-01", 2, selection_tag="representative", dataset="b", **source),
            part("2016-01-01", 3, selection_tag="allvalid", dataset="c", height=40, **source),
            part(
                "2016-01-01",
                4,
                selection_tag="allvalid",
                dataset="d",
                **source | {"laboratory": "2"},
            ),
        ],
    )
    kept = with_one_selection(table)
    assert kept["dataset"].values.tolist() == ["b", "c", "d"]
    assert "1 datasets are there in another selection too: left out a" in caplog.text


def test_repeated_records_are_averaged_and_counted(caplog):
    twice = part(["2016-01-01", "2016-01-01", "2016-01-02"], [400, 402, 410], dataset="a")
    again = part(["2016-01-01", "2016-01-03"], [404, 420], dataset="b")
    higher = part("2016-01-01", 300, dataset="c", height=50)
    elsewhere = part("2016-01-01", 500, "BBB")
    table = merged(observation_table("co2", [twice, again, higher, elsewhere]))
    assert table["co2"].values.tolist() == [402, 410, 420, 300, 500]
    assert table["number_of_records"].values.tolist() == [3, 1, 1, 1, 1]
    assert table["series_index"].values.tolist() == [0, 0, 1, 2, 3]
    assert "2 records repeat the time and height" in caplog.text
    assert json.loads(table.attrs["dropped"]) == {"merged with another record": 2}
    xr.testing.assert_identical(merged(table), table)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(300, 500)), min_size=1, max_size=40))
def test_merging_keeps_the_weighted_mean_of_every_time(rows):
    days, values = np.array(rows).T
    time = np.datetime64("2016-01-01", "s") + days * np.timedelta64(1, "D")
    table = merged(observation_table("co2", [part(time, values)]))
    assert table["number_of_records"].values.sum() == len(rows)
    for moment, value in zip(table["time"].values, table["co2"].values, strict=True):
        assert value == pytest.approx(values[time == moment].mean(), rel=1e-12)


def test_ships_repeat_only_in_one_place():
    places = {"latitude": [1, 1, 1], "longitude": [2, 2, 3], "is_mobile": True}
    table = merged(observation_table("co2", [part(["2016-01-01"] * 3, [1, 3, 5], **places)]))
    assert table["co2"].values.tolist() == [2, 5]


def test_frames_hold_the_mean_of_their_interval():
    edge = FRAMES[2] - np.timedelta64(90, "m")
    times = [edge, edge + STEP - np.timedelta64(1, "s"), edge + STEP, edge - np.timedelta64(1, "s")]
    data = raster(part(times, [400, 402, 500, 300]))
    values = data[STATION_CO2].values[:, 0]
    assert (values[1:4].tolist(), np.isfinite(values).sum()) == ([300, 401, 500], 3)
    assert data[STATION_COUNT].values[1:4, 0].tolist() == [1, 2, 1]
    assert data[STATION_COUNT].sum() == 4
    gap = FRAMES[[0, 1, 5]]
    ends = [gap[1] + np.timedelta64(90, "m"), gap[2] + np.timedelta64(90, "m"), gap[2]]
    assert raster(part(ends, 400), times=gap)[STATION_COUNT].values[:, 0].tolist() == [0, 0, 1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-20000, 24 * 10800 + 20000), min_size=1, max_size=50), st.booleans())
def test_no_observation_is_lost_or_counted_twice(offsets, cf):
    time = FRAMES[0] + np.array(offsets) * np.timedelta64(1, "s")
    frames = FRAMES
    if cf:
        frames = xr.date_range("2016-02-28T01:30", periods=24, freq="3h", use_cftime=True).values
    start = np.array(offsets) + 5400
    inside = (start >= 0) & (start < 24 * 10800)
    if not inside.any():
        with pytest.raises(DataError, match="no observation falls into the times"):
            raster(part(time, 1), times=frames)
        return
    data = raster(part(time, np.arange(time.size)), times=frames)
    assert data[STATION_COUNT].sum() == inside.sum()
    expected = np.bincount(start[inside] // 10800, minlength=24)
    np.testing.assert_array_equal(data[STATION_COUNT].values[:, 0], expected)


@pytest.mark.parametrize(
    ("calendar", "lost"), [("noleap", 1), ("360_day", 0), ("all_leap", 0), ("standard", 0)]
)
def test_calendars_of_models(calendar, lost, caplog):
    days = ["2016-02-28T12:00", "2016-02-29T12:00", "2016-03-01T12:00"]
    frames = xr.date_range(
        "2016-02-25T12:00", periods=9, freq="D", calendar=calendar, use_cftime=True
    ).values
    data = raster(part(days, [1, 2, 3]), times=frames)
    found = {
        t.strftime("%m-%d"): v for t, v in zip(frames, data[STATION_CO2].values[:, 0], strict=True)
    }
    known = {day: value for day, value in found.items() if np.isfinite(value)}
    expected = {"02-28": 1, "02-29": 2, "03-01": 3}
    if lost:
        del expected["02-29"]
    assert known == expected
    assert ("the 365_day calendar of the fields lacks" in caplog.text) == bool(lost)


def test_the_31st_is_no_day_of_the_360_day_calendar(caplog):
    frames = xr.date_range("2016-01-25", periods=9, calendar="360_day", use_cftime=True).values
    data = raster(part(["2016-01-30", "2016-01-31"], [1, 2]), times=frames)
    assert data[STATION_COUNT].sum() == 1
    assert "1 observations fall on days" in caplog.text
    julian = xr.date_range("2016-01-25", periods=9, calendar="julian", use_cftime=True).values
    with pytest.raises(DataError, match="calendar 'julian'"):
        raster(part("2016-01-30", 1), times=julian)


@pytest.mark.parametrize("calendar", ["numpy", "noleap"])
def test_monthly_means_fill_months_without_measurements_only(calendar, caplog):
    months = np.array(["2016-01-16", "2016-02-15", "2016-03-16", "2016-04-16"], "M8[s]")
    frames = months
    if calendar == "noleap":
        frames = np.array([cftime.DatetimeNoLeap(2016, m, 15) for m in (1, 2, 3, 4)])
    monthly = part(months, [1, 2, 3, 4], dataset="m", is_monthly_mean=True)
    single = part(["2016-02-29T23:59:59", "2016-02-01"], [10, 20], dataset="s")
    data = raster(monthly, single, times=frames)
    assert data[STATION_CO2].values[:, 0].tolist() == [1, 15, 3, 4]
    assert data[STATION_COUNT].values[:, 0].tolist() == [1, 2, 1, 1]
    with pytest.raises(DataError, match="no observation"):
        raster(part(FRAMES[:2], 1, is_monthly_mean=True))
    assert "2 monthly means cannot be placed in frames of 3 h" in caplog.text
    with pytest.raises(DataError, match="several frames lie in one calendar month"):
        raster(single, time_step="month")


def tower():
    source = {"project": "tower-insitu", "laboratory": "1", "elevation": 472.0}
    moment = FRAMES[3]
    return (
        *(part(moment, h, "LEF", height=h, dataset=f"i{h}", **source) for h in (30, 370, 396)),
        part(moment, 380, "LEF", height=390, dataset="p", project="surface-pfp", laboratory="1"),
        part(moment, 1, "LEF", height=10, dataset="f", project="surface-flask", laboratory="9"),
        part(moment, 7, "AAA", height=10),
    )


def test_of_a_tower_the_highest_intakes_make_the_column():
    data = raster(*tower())
    assert data["station_code"].values.tolist() == ["AAA", "LEF"]
    assert data[STATION_CO2].values[3].tolist() == [7, (396 + 380) / 2]
    every = raster(*tower(), heights="all")
    assert every["station_code"].values.tolist() == [
        "AAA", "LEF-10magl", "LEF-30magl", "LEF-370magl", "LEF-390magl", "LEF-396magl"
    ]  # fmt: skip
    assert every[STATION_CO2].values[3].tolist() == [7, 1, 30, 370, 380, 396]


def test_moving_platforms_are_left_out_unless_asked_for(caplog):
    track = {"latitude": [-10, 0, 10], "longitude": [179, -179, -177], "is_mobile": True}
    ship = part(FRAMES[:3], [1, 2, 3], "POC", site_latitude=np.nan, site_longitude=np.nan, **track)
    fixed = part(FRAMES[:1], 5)
    lost = part(FRAMES[:1], 5, "LOST", site_latitude=np.nan, site_longitude=np.nan)
    data = raster(ship, fixed, lost)
    assert data["station_code"].values.tolist() == ["AAA"]
    assert "1 sites are ships, aircraft or otherwise move" in caplog.text
    asked = raster(part(FRAMES[:3], [1, 2, 3], "POC", **track), fixed, mobile=True)
    assert asked["station_code"].values.tolist() == ["AAA", "POC"]
    assert float(asked["station_longitude"][1]) == -179


def test_stations_without_observations_in_the_frames_are_left_out(caplog):
    late = part("2030-01-01", 5, "LATE")
    data = raster(part(FRAMES[:1], 5), late)
    assert data["station_code"].values.tolist() == ["AAA"]
    assert "1 stations have no observation in the times of the fields: left out LATE" in caplog.text
    table = observation_table("co2", [part(FRAMES[:1], 5), late])
    assert [station.code for station in stations_of(table)] == ["AAA", "LATE"]
    with pytest.raises(DataError, match="one time has no interval"):
        at_times(table, FRAMES[:1])
    with pytest.raises(DataError, match="are of CH4, not CO2"):
        at_times(observation_table("ch4", [late]), FRAMES)


def test_a_training_store_reads_the_raster(small_world):
    world = small_world(frames=24).drop_dims("station")
    times = world["time"].values.astype("M8[s]")
    stations = raster(*(part(times, 400 + n, f"S{n}") for n in range(3)), times=times)
    with_stations = world.merge(stations)
    store = TrainingStore(with_stations, "world")
    assert [station.code for station in store.stations] == ["S0", "S1", "S2"]
    assert (store.stations[0].latitude, store.stations[0].longitude) == (45, 7.5)
    np.testing.assert_array_equal(store.observations([0, 23], [2, 0]), [[402, 400]] * 2)
    assert with_stations[STATION_CO2].attrs["units"] == with_stations[CO2].attrs["units"]
