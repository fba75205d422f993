import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2
from co2net_phys.data.store import TrainingStore, open_store
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError

FRAMES = [7, 2, 2, 30]


@pytest.fixture(scope="module")
def data(small_world):
    return small_world(40)


@pytest.fixture(params=["memory", "lazy"])
def limit(request):
    return {"memory": 2**40, "lazy": 0}[request.param]


def test_both_ways_of_reading_give_what_is_in_the_dataset(data, limit):
    store = TrainingStore(data, "world", limit)
    for name in (CO2, "ps"):
        expected = data[name].values[FRAMES].astype(np.float32)
        np.testing.assert_array_equal(store.field(name, FRAMES), expected)
    np.testing.assert_array_equal(store.field("oro", FRAMES), data["oro"].values.astype("f4"))
    seen = store.observations(FRAMES, [5, 1])
    np.testing.assert_array_equal(seen, data[STATION_CO2].values[FRAMES][:, [5, 1]].astype("f4"))
    assert (len(store), store.shape, store.time_step) == (40, (18, 24), 10800.0)
    assert store.auxiliaries == AUXILIARIES
    assert [station.code for station in store.stations] == [f"c{n}" for n in range(8)]


@pytest.mark.parametrize("name", ["world.nc", "world.zarr"])
def test_both_formats_are_read(data, tmp_path, limit, name):
    write_dataset(data, tmp_path / name)
    store = open_store(tmp_path / name, limit)
    np.testing.assert_array_equal(store.field(CO2, FRAMES), data[CO2].values[FRAMES].astype("f4"))
    assert store.stations[3].latitude == data["station_latitude"].values[3]


def test_dimensions_in_any_order(data, limit):
    store = TrainingStore(data.transpose("longitude", "time", "station", "latitude"), "w", limit)
    np.testing.assert_array_equal(store.field("tas", [3]), data["tas"].values[[3]].astype("f4"))
    expected = data[STATION_CO2].values[[3]].astype("f4")
    np.testing.assert_array_equal(store.observations([3], range(8)), expected)


def test_missing_weather_is_refused_with_file_and_variable(data, limit):
    hole = data.copy(deep=True)
    hole["uas"][7, 3, 4] = np.nan
    store = TrainingStore(hole, "world.nc", limit)
    with pytest.raises(DataError, match=r"world\.nc: variable 'uas' has 1 missing"):
        store.field("uas", range(40))


def test_missing_co2_is_allowed(data, limit):
    hole = data.copy(deep=True)
    hole[CO2][7, 3, 4] = np.nan
    assert np.isnan(TrainingStore(hole, "w", limit).field(CO2, [7])[0, 3, 4])


def test_unknown_names_are_refused(data):
    store = TrainingStore(data, "world.nc")
    with pytest.raises(DataError, match=r"world\.nc: no variable 'rain'"):
        store.field("rain", [0])
    assert list(store.station_indices(["c4", "c0"])) == [4, 0]
    with pytest.raises(DataError, match=r"world\.nc: no observations at XYZ"):
        store.station_indices(["c4", "XYZ"])


def test_a_store_without_observations(data):
    store = TrainingStore(data.drop_dims("station"), "world.nc")
    assert store.stations == ()
    with pytest.raises(DataError, match=STATION_CO2):
        store.observations([0], [0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars(CO2), f"no variable '{CO2}'"),
        (lambda d: d.isel(time=[0]), "one step where at least two"),
        (lambda d: d.isel(time=[1, 0]), "'time' does not ascend"),
        (lambda d: d.isel(latitude=slice(None, None, -1)), "'latitude' does not ascend"),
        (lambda d: d.drop_vars("longitude"), "no coordinate 'longitude'"),
        (lambda d: d.assign(ps=d["ps"][0]), r"'ps' has dimensions"),
        (lambda d: d.drop_vars("station_latitude"), "no coordinate 'station_latitude'"),
        (lambda d: d.assign_coords(time=np.arange(40.0)), "time"),
        (lambda d: d.rename(latitude="y", longitude="x"), "no coordinate 'latitude'"),
    ],
)
def test_what_is_wrong_with_a_store_is_said(data, change, message):
    with pytest.raises(DataError, match=message) as caught:
        TrainingStore(change(data), "world.nc")
    assert str(caught.value).startswith("world.nc: ")
    assert "\n" not in str(caught.value)


def test_phases(data):
    store = TrainingStore(data, "w")
    np.testing.assert_allclose(store.seconds, np.arange(40) * 10800.0)
    np.testing.assert_allclose(store.day_phase, np.arange(40) % 8 / 8)
    np.testing.assert_allclose(store.year_phase, (59 + np.arange(40) / 8) / 365)


@pytest.mark.parametrize(
    ("calendar", "start", "expected"),
    [
        ("noleap", "2004-03-01", 59 / 365),
        ("standard", "2004-03-01", 60 / 366),
        ("360_day", "2004-02-30", 59 / 360),
    ],
)
def test_phases_in_other_calendars(data, limit, calendar, start, expected):
    times = xr.date_range(start, periods=40, freq="3h", calendar=calendar, use_cftime=True)
    store = TrainingStore(data.assign_coords(time=times), "w", limit)
    assert store.year_phase[0] == pytest.approx(expected)
    np.testing.assert_allclose(store.seconds, np.arange(40) * 10800.0)
    np.testing.assert_allclose(store.day_phase, np.arange(40) % 8 / 8)
    assert store.year_phase[8] - store.year_phase[0] == pytest.approx(expected / 59, rel=0.02)


def test_a_store_without_the_truth_only_where_it_is_not_needed(data, tmp_path):
    write_dataset(data.drop_vars(CO2), tmp_path / "w.nc")
    store = open_store(tmp_path / "w.nc", need_target=False)
    np.testing.assert_array_equal(store.field("ps", [3]), data["ps"].values[[3]].astype("f4"))
    with pytest.raises(DataError, match=rf"w\.nc: no variable '{CO2}'"):
        store.field(CO2, [3])
    with pytest.raises(DataError, match=rf"w\.nc: no variable '{CO2}'"):
        open_store(tmp_path / "w.nc")


def with_codes(data, codes):
    return data.assign_coords(station_code=("station", codes))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([f"c {n}" for n in range(8)], r"code 'c 0' holds a blank"),
        (["A", "B", "A", "C", "D", "E", "F", "G"], r"repeats 'A'"),
        (["A", "", "B", "C", "D", "E", "F", "G"], r"code is empty"),
    ],
)
def test_codes_that_outputs_could_not_list(data, codes, message):
    with pytest.raises(DataError, match=rf"^world\.nc: 'station_code'.*{message}"):
        TrainingStore(with_codes(data, codes), "world.nc")


def test_codes_and_names_written_as_characters(data, tmp_path):
    codes = np.array([f"c{n}" for n in range(8)], "S5")
    names = np.array(["Jokioinen ä   ".encode()] * 8)
    other = with_codes(data, codes).assign_coords(station_name=("station", names))
    other.to_netcdf(tmp_path / "w.nc")
    store = open_store(tmp_path / "w.nc")
    assert [station.code for station in store.stations] == [f"c{n}" for n in range(8)]
    assert store.stations[3].name == "Jokioinen ä"
    assert list(store.station_indices(["c4"])) == [4]
