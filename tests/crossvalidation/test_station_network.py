"""CO2-Net among the methods of a cross-validation: what it sees, what it learns, how it goes on."""

import numpy as np
import pytest
import torch

from co2net_phys.crossvalidation.groups import left_out_groups
from co2net_phys.crossvalidation.method import Task
from co2net_phys.crossvalidation.monthly_weather import monthly_weather, places_of
from co2net_phys.crossvalidation.records import MonthlyRecords
from co2net_phys.crossvalidation.simple import mean_of_others
from co2net_phys.crossvalidation.station_network import StationNetwork, network_config
from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.errors import DataError, UsageError
from co2net_phys.metrics import root_mean_square
from co2net_phys.products.observations import Series
from co2net_phys.trainer import Interrupted

PLAIN = {
    "wind_weight": 0, "precision": "fp32", "device": "cpu", "epochs": 1, "windows_per_epoch": 8,
    "background": "station-mean",
}  # fmt: skip
MODEL = {"embedding": "climode", "frames": 2}


@pytest.fixture(scope="module")
def world(monthly_world, tmp_path_factory):
    """A task, and the store of its weather."""
    path = tmp_path_factory.mktemp("world") / "weather.nc"
    dataset, sites, calendar, table = monthly_world()
    dataset.to_netcdf(path)
    series = tuple(
        Series(
            site=code, site_name=code, dataset=f"co2_{code}_{n}", site_latitude=north,
            site_longitude=east, elevation=0.0, is_monthly_mean=True,
        )
        for n, (code, north, east) in enumerate(sites)
    )  # fmt: skip
    table_file = path.with_name("observed.csv")
    table_file.write_text("the networks record its checksum\n")
    records = MonthlyRecords(str(table_file), series, calendar, table)
    return Task(records, left_out_groups(records, "site", 3, 1)[0]), path


def networks(path, folder, **options):
    model = MODEL | options.pop("model", {})
    config = network_config({**PLAIN, "model": model, **options}, None, 1)
    return StationNetwork(config, path, folder, ["co2phys"])


def errors(task, predictions):
    return predictions.values - task.records.values


@pytest.mark.slow
def test_it_beats_the_mean_where_weather_tells_co2(world, tmp_path):
    task, path = world
    seen = []
    method = networks(
        path, tmp_path, model={"patch": [2, 3]}, epochs=4, windows_per_epoch=None,
        learning_rate=3e-3, validate_every=4,
    )  # fmt: skip
    found = method.predict(task, seen.append)
    assert np.isfinite(found.values).all()
    own, mean = (
        float(root_mean_square(errors(task, one)))
        for one in (found, mean_of_others(task, lambda share: None))
    )
    assert own < 0.6 * mean
    validated = found.details["validation RMSE by network (ppm)"]
    assert len(validated) == 3
    assert max(validated) < mean
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    "background", ["station-mean", pytest.param("kriging", marks=pytest.mark.slow)]
)
def test_a_site_left_out_has_no_influence_on_its_prediction(world, tmp_path, background):
    """Not by input, target, statistics, first guess or validation: the same bits for absurd CO2."""
    task, path = world
    plain = networks(path, tmp_path / "plain", background=background).predict(task)
    table = task.records.table.copy()
    out = task.groups == 1
    table[out] = 900.0
    records = MonthlyRecords(task.records.source, task.records.series, task.records.months, table)
    other = networks(path, tmp_path / "absurd", background=background)
    absurd = other.predict(Task(records, task.groups))
    mine = out[task.records.rows]
    np.testing.assert_array_equal(plain.values[mine], absurd.values[mine])
    assert np.abs(plain.values[~mine] - absurd.values[~mine]).max() > 10


def test_gridded_co2_and_stations_of_the_store_are_not_read(world, monthly_world, tmp_path):
    task, path = world
    dataset = monthly_world()[0]
    dataset[CO2] = dataset["tas"] * 0 + 700.0
    dataset[STATION_CO2] = ("time", "station"), np.full((dataset.sizes["time"], 2), 800.0)
    dataset.to_netcdf(tmp_path / "more.nc")
    before = monthly_weather(path, task.records.months, 1)
    after = monthly_weather(tmp_path / "more.nc", task.records.months, 1)
    assert after.dataset.identical(before.dataset)


def test_months_and_values_come_together(world):
    task, path = world
    months = task.records.months[6:18]
    weather, places = monthly_weather(path, months, 3), places_of(task)
    chosen = np.arange(len(places.stations)) % 2 == 0
    cut = places.__class__(places.stations, places.groups, places.of_series, places.values[:, 6:18])
    store = weather.store(cut, months, chosen)
    assert str(store.times.values[0])[:7] == str(months[0] - 3)
    values = store.observations(np.arange(15), np.arange(len(store.stations)))
    assert np.isnan(values[:3]).all(), "weather alone before the first month"
    np.testing.assert_allclose(values[3:].T, places.values[chosen, 6:18], rtol=1e-6)
    assert [one.code for one in store.stations] == [
        one.code for one, use in zip(places.stations, chosen, strict=True) if use
    ]


def test_two_heights_of_a_tower_are_one_station(invented):
    task, _ = invented(sites=6, months=5)
    places = places_of(task)
    assert len(places.stations) == 5
    assert places.of_series[0] == places.of_series[1]
    both = task.records.table[:2]
    known = np.isfinite(both).any(axis=0)
    np.testing.assert_allclose(places.values[0, known], np.nanmean(both[:, known], axis=0))
    assert np.isnan(places.values[0, ~known]).all()


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped(world, tmp_path):
    task, path = world
    through = networks(path, tmp_path / "through").predict(task)
    parts, asked = networks(path, tmp_path / "parts"), []

    def stop():
        asked.append(None)
        return len(asked) == 3

    with pytest.raises(Interrupted):
        parts.predict(task, should_stop=stop)
    assert parts.has_runs()
    torch.rand(7)
    again = parts.predict(task, continued=True)
    np.testing.assert_array_equal(again.values, through.values)
    table = task.records.table + 1.0
    other = MonthlyRecords(task.records.source, task.records.series, task.records.months, table)
    with pytest.raises(UsageError, match="other data"):
        parts.predict(Task(other, task.groups), continued=True)


def test_the_plan_says_which_records_have_a_map(world, tmp_path):
    task, path = world
    plan = networks(path, tmp_path, model={"frames": 4}).plan(task)
    assert plan["networks"] == 3
    first = np.isin(task.records.columns, [0, 1])  # the store begins one month before the table
    assert plan["records_with_a_map"] == (~first).sum()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.drop_vars("tas"), "has none of ps, huss"),
        (lambda data: data.isel(time=slice(0, 3)), "are too few for windows"),
        (
            lambda data: data.assign_coords(time=data["time"] + np.timedelta64(9000, "D")),
            "give the weather of its months",
        ),
        (
            lambda data: data.assign_coords(
                time=data["time"].values[0] + np.arange(data.sizes["time"]).astype("m8[D]")
            ),
            "several time steps in 2007-12; give monthly means",
        ),
    ],
)
def test_wrong_stores_are_one_line(world, monthly_world, tmp_path, change, words):
    task, _ = world
    change(monthly_world()[0]).to_netcdf(tmp_path / "wrong.nc")
    with pytest.raises(DataError, match=words) as refusal:
        networks(tmp_path / "wrong.nc", tmp_path / "out").predict(task)
    assert str(refusal.value).startswith(f"{tmp_path / 'wrong.nc'}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "size", "words"),
    [
        ({"target": "dense"}, None, "target: a table of sites has no field"),
        ({"split": {}}, None, "split: follows from the sites"),
        ({"background": "climatology"}, None, None),
        ({"architecture": "senseiver"}, "S", "--size S: is one of CO2-Net"),
        ({"epoch": 3}, None, "epoch"),
    ],
)
def test_options_that_make_no_sense_are_refused(world, tmp_path, options, size, words):
    task, path = world
    with pytest.raises(UsageError, match=words or "--background climatology is fitted to gridded"):
        StationNetwork(network_config(options, size, 1), path, tmp_path, []).predict(task)


def test_defaults_suit_monthly_stations():
    config = network_config({}, None, 5)
    assert (config.size, config.background, config.target) == ("XS", "kriging", "stations")
    assert (config.batch_size, config.seed, config.model["frames"]) == (4, 5, 4)
    other = network_config({"size": "S", "seed": 2, "background": "none"}, "B", 5)
    assert (other.size, other.seed, other.background) == ("B", 2, "none")
    rival = network_config({"architecture": "senseiver"}, None, 5)
    assert (rival.background, rival.wind_weight) == ("none", 0.0)
