from datetime import datetime
from itertools import islice

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2, validate_store
from co2net_phys.data.stations import load_stations
from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.simulation.config import SimulationConfig, simulation_config
from co2net_phys.simulation.integration import time_step_of
from co2net_phys.simulation.run import plan, simulate
from co2net_phys.simulation.world import twin_world
from co2net_phys.solvers import AdvectionDiffusion, lawson_rk4, trajectory

TINY = SimulationConfig(truncation=10, frames=4, spin_up=21600.0, grid="model", seed=3)


def tiny(**options):
    return TINY.model_copy(update=options)


def run(tmp_path, config, name="twin.nc", **options):
    path = tmp_path / name
    simulate(twin_world(config), config, path, attributes={"title": "a test"}, **options)
    options = {"engine": "zarr", "consolidated": False} if path.suffix == ".zarr" else {}
    return xr.open_dataset(path, **options)


def test_tracers_of_single_sources_add_up_to_the_total():
    config = tiny(separate=True)
    world = twin_world(config)
    step_length = time_step_of(world, config)
    equation = AdvectionDiffusion(world.harmonics, world.wind, config.diffusivity, world.source)
    states = trajectory(
        lawson_rk4(equation, step_length), world.initial, world.first_second, step_length, 4
    )
    *_, (_, state) = islice(states, 5)
    total, parts = state[0], state[1:]
    assert len(parts) == 5
    assert (parts[1:].abs().amax(dim=(1, 2)) > 0).all(), "every source did something"
    assert (total - parts.sum(dim=0)).abs().max() < 1e-9 * total.abs().max()


def test_the_total_does_not_depend_on_the_separate_tracers(tmp_path):
    alone = run(tmp_path, tiny(), "alone.nc")
    among = run(tmp_path, tiny(separate=True), "among.nc")
    np.testing.assert_allclose(among[CO2].values, alone[CO2].values, rtol=1e-6)
    assert "co2s_from_fossil" in among


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    config = SimulationConfig(truncation=31, frames=24, spin_up=4 * 86400.0, grid="model", seed=1)
    return run(tmp_path_factory.mktemp("twin"), config)


def test_the_twin_is_believable(twin):
    assert all(np.isfinite(twin[name].values).all() for name in (CO2, *AUXILIARIES))
    weights = np.cos(np.radians(twin["latitude"]))
    mean = twin[CO2].weighted(weights).mean()
    assert 395 < mean < 420, "the world of 2018"
    spread = twin[CO2].weighted(weights).std()
    assert 2 < spread < 8
    assert twin[CO2].max() - mean > 10, "hot spots"
    assert twin[CO2].min() > mean - 40


def test_hot_spots_stand_over_emitters(twin):
    mean = twin[CO2].mean("time")
    east_asia = mean.sel(latitude=slice(25, 40), longitude=slice(105, 125))
    pacific = mean.sel(latitude=slice(25, 40), longitude=slice(185, 225))
    assert east_asia.mean() > pacific.mean() + 3


def test_there_is_a_diurnal_cycle_over_land_and_none_over_the_sea(twin):
    cycle = twin[CO2].groupby("time.hour").mean().std("hour")
    amazon = cycle.sel(latitude=slice(-10, 0), longitude=slice(290, 310)).mean()
    ocean = cycle.sel(latitude=slice(-30, 0), longitude=slice(200, 260)).mean()
    assert amazon > 3 * ocean


def test_co2_grows_from_year_to_year(tmp_path):
    means = [
        run(tmp_path, tiny(start=datetime(year, 3, 1)), f"{year}.nc")[CO2].mean()
        for year in (2017, 2018)
    ]
    assert 1.8 < float(means[1] - means[0]) < 2.8


def test_switched_off_sources_leave_the_free_troposphere(tmp_path):
    quiet = run(tmp_path, tiny(components=(), exchange=False, diffusivity=0.0))
    drift = quiet[CO2].isel(time=-1).mean() - quiet[CO2].isel(time=0).mean()
    assert abs(float(drift)) < 0.1


@pytest.mark.parametrize("name", ["twin.nc", "twin.zarr"])
def test_simulate_writes_what_it_says(tmp_path, name):
    config, seen = tiny(), []
    stations = load_stations()[:5]
    extents = simulate(
        twin_world(config), config, tmp_path / name,
        attributes={}, stations=stations, progress=seen.append,
    )  # fmt: skip
    options = {"engine": "zarr", "consolidated": False} if name.endswith("zarr") else {}
    data = validate_store(xr.open_dataset(tmp_path / name, **options), name)
    planned = plan(twin_world(config), config, stations)
    assert set(planned.variables) == {CO2, STATION_CO2, *AUXILIARIES}
    assert set(planned.variables) <= set(data.data_vars)
    assert data[CO2].shape == (config.frames, *planned.output_grid)
    assert data[STATION_CO2].shape == (4, 5)
    assert list(data["station_code"].values) == [station.code for station in stations]
    hours = np.diff(data["time"].values) / np.timedelta64(1, "h")
    assert (hours == 3).all()
    assert data["time"].values[0] == np.datetime64("2018-01-01T01:30")
    assert seen == list(range(1, 7)), "two frames of spin-up and four of output"
    assert extents[CO2].lowest == pytest.approx(float(data[CO2].min()), rel=1e-6)
    assert extents[CO2].highest == pytest.approx(float(data[CO2].max()), rel=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_seed_gives_identical_files(tmp_path):
    stations = load_stations()[:4]
    first = run(tmp_path, tiny(), "a.nc", stations=stations)
    world = twin_world(tiny())
    plan(world, tiny())  # what a command does before: must not move the weather
    simulate(world, tiny(), tmp_path / "b.nc", attributes={"title": "a test"}, stations=stations)
    xr.testing.assert_identical(first.drop_attrs(), xr.open_dataset(tmp_path / "b.nc").drop_attrs())
    other = run(tmp_path, tiny(seed=4), "c.nc", stations=stations)
    assert not np.array_equal(first["uas"].values, other["uas"].values)


def test_a_longer_run_begins_like_a_shorter_one(tmp_path):
    short, long = run(tmp_path, tiny(), "s.nc"), run(tmp_path, tiny(frames=6), "l.nc")
    np.testing.assert_array_equal(long[CO2].values[:4], short[CO2].values)
    np.testing.assert_array_equal(long["tas"].values[:4], short["tas"].values)


@pytest.mark.parametrize(
    ("spin_up", "begins"), [(0.0, 0.0), (3600.0, -10800.0), (21600.0, -21600.0)]
)
def test_the_spin_up_falls_on_the_output_interval(spin_up, begins):
    assert twin_world(tiny(spin_up=spin_up)).first_second == begins


def test_the_default_step_divides_the_output_interval():
    world = twin_world(tiny())
    ratio = TINY.output_every / time_step_of(world, TINY)
    assert ratio == round(ratio) >= 3


def test_a_step_that_does_not_divide_the_interval_is_refused(tmp_path):
    with pytest.raises(UsageError, match="does not divide"):
        run(tmp_path, tiny(time_step=1000.0))
    assert not list(tmp_path.iterdir())


def test_an_unstable_step_is_refused_with_the_largest_stable_one(tmp_path):
    with pytest.raises(NumericalError, match=r"unstable at T63.*use at most"):
        run(tmp_path, tiny(truncation=63, time_step=10800.0))
    assert not list(tmp_path.iterdir())


def test_a_tracer_that_is_not_finite_leaves_nothing_behind(tmp_path):
    world = twin_world(TINY)
    world.initial[0, 2, 1] = complex("nan")
    with pytest.raises(NumericalError, match="not finite"):
        simulate(world, TINY, tmp_path / "x.nc", attributes={})
    assert not list(tmp_path.iterdir())


def test_output_between_weather_records_is_refused():
    with pytest.raises(UsageError, match="multiple of 3h"):
        twin_world(tiny(output_every=3600.0))


@pytest.mark.parametrize(
    "wrong", [{"truncation": 0}, {"frames": 0}, {"diffusivity": -1.0}, {"unknown": 1}]
)
def test_wrong_options_are_explained_in_one_line(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))) as caught:
        simulation_config(**wrong)
    assert "\n" not in str(caught.value)


def test_world_is_double_precision():
    assert twin_world(TINY).initial.dtype == torch.complex128
