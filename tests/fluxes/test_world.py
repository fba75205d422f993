"""The synthetic carbon world: budgets, closed forms, what it hides, and what it writes."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.data.schema import STATION_CO2
from co2net_phys.data.stations import load_stations
from co2net_phys.errors import DataError
from co2net_phys.fluxes.biosphere import LAND_SINK, PRODUCTION_PGC, mean_seasonal_cycle, soil_water
from co2net_phys.fluxes.config import CarbonWorldConfig
from co2net_phys.fluxes.drivers import open_drivers
from co2net_phys.fluxes.half_hourly import GRAMS_PER_MICROMOLE, TO_GRAMS_PER_DAY
from co2net_phys.fluxes.inversions import read_inversions
from co2net_phys.fluxes.regions import monthly_sums, region_areas, regional_sums
from co2net_phys.fluxes.schema import DRIVERS, REGION_CODES, STATIC_DRIVERS, TROPICAL_REGIONS
from co2net_phys.fluxes.simulate import (
    BACKGROUND_FILE,
    CONFIG_FILE,
    DRIVERS_FILE,
    INVERSIONS_FILE,
    NEE_FILE,
    open_world_stations,
    simulate_carbon_world,
)
from co2net_phys.fluxes.simulated_inversions import simulate_inversions
from co2net_phys.fluxes.transport import (
    CarbonFluxes,
    initial_state,
    station_mole_fractions,
    transport_model,
)
from co2net_phys.fluxes.world_weather import SOLAR_CONSTANT, DailyWeather, potential_radiation
from co2net_phys.solvers import SteadyWind

TINY = CarbonWorldConfig(years=1, grid_step=15.0, truncation=5, towers=12, transport_days=2)
PLACES = load_stations()[:4]


def test_radiation_has_its_closed_forms():
    equinox, midsummer = 0.2206, 0.4706
    found = potential_radiation(np.array([0.0, 90.0, -90.0]), np.array([equinox, midsummer]))
    assert found[0, 0] == pytest.approx(SOLAR_CONSTANT / np.pi, rel=1e-6)
    assert found[1, 1] == pytest.approx(SOLAR_CONSTANT * np.sin(np.radians(23.44)), rel=1e-6)
    assert found[1, 2] == pytest.approx(0, abs=1e-9)


def test_the_mean_over_the_sphere_is_a_quarter_of_the_sun():
    sine, weight = np.polynomial.legendre.leggauss(400)
    found = potential_radiation(np.degrees(np.arcsin(sine)), np.array([0.1, 0.4]))
    np.testing.assert_allclose(found @ weight / 2, SOLAR_CONSTANT / 4, rtol=1e-5)


def weather_of(rain, days=400, kelvin=300.0):
    shape = (days, 2)
    still = np.full(shape, kelvin), np.full(shape, 0.5)
    return DailyWeather(*still, np.full(shape, rain), np.full(shape, 400.0))


def test_soil_dries_fills_and_balances():
    assert soil_water(weather_of(0.0))[-1].max() < 1e-3
    np.testing.assert_allclose(soil_water(weather_of(100.0))[-1], 1.0)
    demand = 0.021 * weather_of(0.0).radiation[0, 0] / (1 + np.exp(-(300 - 274) / 3))
    np.testing.assert_allclose(soil_water(weather_of(2.0))[-1], 2.0 / demand, rtol=1e-4)


def test_mean_seasonal_cycle_keeps_an_annual_wave_but_for_the_running_mean():
    day = np.tile(np.arange(365), 3)
    wave = np.cos(2 * np.pi * day / 365)[:, None] + 5
    half = np.pi / 365
    damping = np.sin(15 * half) / (15 * np.sin(half))
    expected = 5 + damping * np.cos(2 * np.pi * day / 365)
    np.testing.assert_allclose(mean_seasonal_cycle(wave, day)[:, 0], expected, rtol=1e-12)
    leap = np.r_[np.arange(366), np.arange(365)]
    cycle = mean_seasonal_cycle(np.ones((731, 1)) * 3.0, leap)
    np.testing.assert_allclose(cycle, 3.0)


def test_production_and_sink_are_as_stated(world):
    area = (world.land * world.areas)[world.cells]
    per_year = 365.25 * 1e-15
    respired = (world.biosphere.respiration.mean(axis=0) * area).sum() * per_year
    net = (world.biosphere.nee.mean(axis=0) * area).sum() * per_year
    assert respired - net == pytest.approx(PRODUCTION_PGC, rel=1e-9)
    assert net == pytest.approx(-LAND_SINK * PRODUCTION_PGC, rel=0.25)


def test_regions_months_and_cells_hold_the_same_carbon(world):
    nee = world.on_grid(world.biosphere.nee).astype(np.float64)
    monthly, _ = monthly_sums(regional_sums(nee, world.fractions, world.areas), world.days)
    total = np.nansum(nee * world.land * world.areas) * 1e-15
    assert monthly.sum() == pytest.approx(total, rel=1e-12)


def test_drivers_are_those_of_the_contract(world):
    drivers = world.biosphere.drivers
    assert list(drivers) == list(DRIVERS)
    for name, values in drivers.items():
        assert np.isfinite(values).all()
        assert values.ndim == (1 if name in STATIC_DRIVERS else 2), name
        assert np.ptp(values) > 0, name
    assert 0 <= drivers["WAI2"].min() < drivers["WAI2"].max() <= 1
    assert 200 < drivers["Tair"].min() < drivers["Tair"].max() < 325


def test_seasons_are_opposite_and_years_differ(world):
    nee = world.on_grid(world.biosphere.nee)
    monthly, _ = monthly_sums(regional_sums(nee, world.fractions, world.areas), world.days)
    cycle = monthly.reshape(-1, 12, 18).mean(axis=0)
    for code in ("RUS", "CAN", "EU", "USA"):
        series = cycle[:, REGION_CODES.index(code)]
        assert series[6] < 0 < series[0], code
    annual = monthly.reshape(-1, 12, 18).sum(axis=1)
    assert (np.ptp(annual, axis=0) > 0).all()


def test_drivers_tell_much_but_not_all(world):
    """A linear fit misses what a fit with squares and products finds; neither finds everything."""
    drivers = world.biosphere.drivers
    shape = world.biosphere.nee.shape
    columns = [np.broadcast_to(values, shape)[::7].ravel() for values in drivers.values()]
    inputs = np.column_stack(columns)
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    target = world.biosphere.nee[::7].ravel()
    pairs = np.einsum("ni,nj->nij", inputs, inputs)[:, *np.triu_indices(10)]

    def explained(design):
        design = np.column_stack([np.ones(len(design)), design])
        fit = design @ np.linalg.lstsq(design, target)[0]
        return 1 - np.var(target - fit) / np.var(target)

    linear, curved = explained(inputs), explained(np.column_stack([inputs, pairs]))
    assert 0.1 < linear < curved - 0.1
    assert curved < 0.95


def test_inversions_err_most_in_the_tropics_and_agree_on_the_globe():
    truth = np.random.default_rng(0).standard_normal((240, 18)) * 0.1
    error = simulate_inversions(truth, np.full(18, 1e13), 200, seed=1) - truth
    spread = error.std(axis=(0, 1))
    tropical = np.isin(REGION_CODES, TROPICAL_REGIONS)
    assert spread[tropical].min() > 2 * spread[~tropical].max()
    independent = np.sqrt((spread**2).sum())
    assert error.sum(axis=2).std() == pytest.approx(0.1 * independent, rel=0.15)
    noise = error - error.mean(axis=1, keepdims=True)
    lagged = (noise[:, 1:] * noise[:, :-1]).mean() / (noise**2).mean()
    assert lagged == pytest.approx(0.6, abs=0.03)
    assert error.mean(axis=1).std() > 0.5 * spread.mean()  # each has a bias of its own


@pytest.fixture(scope="module")
def transport(world_folder, world):
    store = open_world_stations(world_folder)
    model = transport_model(store, 8)

    def fluxes(nee):
        path = world_folder / BACKGROUND_FILE
        grid = model.harmonics.grid
        return CarbonFluxes(nee, world.land, world.grid, world.days[0], path, grid, model.clock)

    return model, fluxes


def test_the_transport_grid_gets_every_gram(transport, world):
    model, fluxes = transport
    nee = world.on_grid(world.biosphere.nee).astype(np.float64)
    for day in (0, 5):
        moles = fluxes(nee).nee_at(day * 86400.0 + 3600)
        grams = (moles * model.harmonics.grid.cell_area).sum() * TO_GRAMS_PER_DAY
        assert grams == pytest.approx(np.nansum(nee[day] * world.land * world.areas), rel=1e-12)


def test_the_tracer_holds_what_the_surface_gave(transport, world):
    """In a closed layer of constant depth under a wind without divergence."""
    model, fluxes = transport
    nee = world.on_grid(world.biosphere.nee[:1].repeat(3, axis=0)).astype(np.float64)
    given = fluxes(nee)
    window = model.window(np.arange(9), given)  # two days
    moles = torch.full_like(window.forcing.moles, 40_000.0)
    closed = dataclasses.replace(
        window.forcing, moles=moles, exchange=torch.zeros_like(window.forcing.exchange)
    )
    harmonics, random = model.harmonics, np.random.default_rng(0)
    noise = torch.from_numpy(random.standard_normal(harmonics.grid.shape))
    stream = harmonics.to_modal(noise) * 1e7
    wind = SteadyWind(*harmonics.wind(stream, torch.zeros_like(stream)))
    window = dataclasses.replace(window, forcing=closed, wind=wind)
    states = window.states(initial_state(model), torch.ones(1, 3, 1, 1).double())
    area = torch.as_tensor(harmonics.grid.cell_area)
    grams = (harmonics.to_nodal(states) * area).sum((-2, -1)) * 40_000.0 * GRAMS_PER_MICROMOLE
    background = [given.at(s)[1:].sum(axis=0) for s in (0.0, 2 * 86400.0)]  # linear in between
    other = (np.mean(background, axis=0) * harmonics.grid.cell_area).sum() * TO_GRAMS_PER_DAY * 2
    land = np.nansum(nee[0] * world.land * world.areas) * 2
    assert abs(float(grams[-1] - grams[0]) - (land + other)) < 1e-12 * float(grams[0])
    assert float(grams[-1] - grams[0]) == pytest.approx(land + other, rel=1e-9)


def test_stations_answer_linearly_and_above_their_noise(transport, world):
    model, fluxes = transport
    nee = world.on_grid(world.biosphere.nee)
    stations = model.store.stations
    none, one, two = (
        station_mole_fractions(model, fluxes(scale * nee), stations) for scale in (0.0, 1.0, 2.0)
    )
    np.testing.assert_allclose(two - one, one - none, atol=1e-9)
    assert np.abs(one - none)[20:].max() > 3.0, "µmol mol-1, ten times the noise"


def test_what_is_written_is_what_the_transport_gives(transport, world, world_folder):
    model, fluxes = transport
    with xr.open_dataset(world_folder / NEE_FILE, engine="zarr", consolidated=False) as data:
        nee = data["nee"].values
    np.testing.assert_array_equal(nee, world.on_grid(world.biosphere.nee))
    expected = station_mole_fractions(model, fluxes(nee), model.store.stations)
    frames = np.arange(len(model.store))
    observed = model.store.observations(frames, np.arange(len(model.store.stations)))
    seen = np.isfinite(observed)
    assert 0.9 < seen.mean() < 1
    error = (observed - expected)[seen]
    assert error.std() == pytest.approx(0.3, rel=0.05) and abs(error.mean()) < 0.02
    assert 330 < expected.min() < expected.max() < 480


def test_the_store_of_stations_has_winds_and_no_field(world_folder, small_config):
    store = open_world_stations(world_folder)
    assert store.auxiliaries == ("uas", "vas")
    assert store.time_step == 21600.0 and len(store) == 4 * small_config.transport_days + 1
    assert list(store.dataset.data_vars).count(STATION_CO2) == 1
    assert "co2s" not in store.dataset


def test_inversions_in_other_units_are_refused(world_folder, tmp_path):
    with xr.open_dataset(world_folder / INVERSIONS_FILE) as data:
        for units, problem in (("Tg", "units are 'Tg'; convert it to 'Pg'"), ("ppm", "'ppm'")):
            data["regional_nee"].attrs["units"] = units
            data.to_netcdf(tmp_path / f"{units}.nc")
            with pytest.raises(DataError, match=rf"{units}\.nc: regional_nee.*{problem}"):
                read_inversions(tmp_path / f"{units}.nc")


def test_inversions_as_written(world_folder, world, small_config):
    found = read_inversions(world_folder / INVERSIONS_FILE)
    nee = world.on_grid(world.biosphere.nee)
    daily = regional_sums(nee, world.fractions, world.areas)
    monthly, months = monthly_sums(daily, world.days)
    np.testing.assert_array_equal(found.months, months)
    assert found.nee.shape == (small_config.inversions, len(months), 18)
    areas = region_areas(world.fractions, world.areas)
    expected = simulate_inversions(monthly, areas, small_config.inversions, small_config.seed)
    np.testing.assert_allclose(found.nee, expected, rtol=1e-5, atol=1e-7)  # float32 in the file
    np.testing.assert_allclose(found.range, found.nee.max(axis=0) - found.nee.min(axis=0))


@pytest.mark.slow
def test_a_world_can_be_made_again_and_replaced(tmp_path):
    folders = [tmp_path / "one", tmp_path / "other"]
    stages = []
    summaries = [
        simulate_carbon_world(TINY, folder, lambda stage, *_: stages.append(stage), stations=PLACES)
        for folder in folders
    ]
    assert set(stages) == {"weather and land", "towers", "transport"}
    assert summaries[0] == summaries[1] == json.loads((folders[0] / CONFIG_FILE).read_text())
    for name in ("nee.zarr", "drivers.zarr", "stations.zarr"):
        one, other = (
            xr.open_dataset(folder / name, engine="zarr", consolidated=False) for folder in folders
        )
        xr.testing.assert_equal(one, other)
    for path in sorted((folders[0] / "towers").iterdir()):
        assert path.read_bytes() == (folders[1] / "towers" / path.name).read_bytes()
    before = open_drivers(folders[0] / DRIVERS_FILE)
    changed = TINY.model_copy(update={"inversions": 7, "seed": 1})
    simulate_carbon_world(changed, folders[1], stations=PLACES, overwrite=True)
    assert len(read_inversions(folders[1] / INVERSIONS_FILE).nee) == 7
    after = open_drivers(folders[1] / DRIVERS_FILE)
    first = [store.at(np.arange(3), np.argwhere(store.land)) for store in (before, after)]
    assert not np.array_equal(*first), "another seed, another weather"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


def test_what_is_there_is_not_touched(tmp_path, world_folder, small_config):
    with pytest.raises(DataError, match="pass --overwrite"):
        simulate_carbon_world(small_config, world_folder)
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="is no carbon world"):
        simulate_carbon_world(small_config, other, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_stopped_run_leaves_nothing(tmp_path):
    def stop(stage, done, total):
        if stage == "towers":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_carbon_world(TINY, tmp_path / "world", stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"grid_step": 7.0}, "does not divide 180"),
        ({"years": 1, "transport_days": 400}, "exceeds the record"),
        ({"night_loss": 1.5}, "less than or equal to 0.9"),
        ({"size": 3}, "Extra inputs"),
        ({"towers": 1001}, "less than or equal to 1000"),  # a site code has three digits
    ],
)
def test_options_that_make_no_sense(options, problem):
    with pytest.raises(ValueError, match=problem):
        CarbonWorldConfig(**options)
