"""Levels, circulation, weather and fires of the world of columns."""

import numpy as np
import pytest
import torch

from co2net_phys.columns.circulation import Circulation
from co2net_phys.columns.emissions import SPREADS, TRENDS, FireEmissions, year_factors
from co2net_phys.columns.levels import Levels
from co2net_phys.columns.weather import ColumnWeather
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Geography
from co2net_phys.simulation.sources import FIRE_SEASONS
from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.solvers.constants import GRAVITY

COUNTS = [2, 20, 62]
STEP = 21600.0
CLOCK = Clock(np.datetime64("2012-07-01"))


def circulation(levels, truncation=10, seed=1):
    harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation)
    return Circulation(harmonics, CLOCK, seed, levels, STEP, 0.0)


@pytest.mark.parametrize("count", COUNTS)
def test_layers_fill_the_column_and_are_finest_at_the_ground(count):
    levels = Levels(count)
    assert levels.interfaces[0] == 1.0
    assert levels.interfaces[-1] == 0.0
    assert np.all(np.diff(levels.interfaces) < 0)
    assert levels.thickness.argmin() == 0
    air = levels.air(np.full((2, 3), 98000.0))
    np.testing.assert_allclose(air.sum(axis=0), 98000.0 / GRAVITY, rtol=1e-14)


@pytest.mark.parametrize("count", COUNTS)
def test_a_slice_of_air_is_shared_out_among_the_layers(count):
    levels = Levels(count)
    top = np.array([0.2, 0.55])
    shares = levels.share_between(top, np.array([0.9, 0.6]))
    np.testing.assert_allclose(shares.sum(axis=0), 1.0, rtol=1e-13)
    whole = levels.share_between(0.0, 1.0)
    np.testing.assert_allclose(whole, levels.thickness[:, 0, 0], rtol=1e-13)


@pytest.mark.parametrize("count", COUNTS)
def test_what_flows_into_a_column_is_what_its_pressure_rises_by(count):
    world = circulation(Levels(count))
    for _ in range(3):
        start = world.pressure
        flow = world.advance()
        column = flow.gathered.sum(axis=0)
        np.testing.assert_allclose(column, flow.pressure / GRAVITY, rtol=1e-13)
        np.testing.assert_allclose(flow.before.sum(axis=0), start / GRAVITY, rtol=1e-13)
        np.testing.assert_allclose(flow.after.sum(axis=0), flow.pressure / GRAVITY, rtol=1e-13)
        areas = world.harmonics.grid.area_weights
        means = [(areas * air).mean(axis=(1, 2)) for air in (flow.before, flow.gathered)]
        np.testing.assert_allclose(means[1], means[0], rtol=1e-13)
        assert flow.gathered.min() > 0.0


def test_the_divergence_of_the_winds_mass_flux_is_what_gathers():
    """Recomputed from the winds by another route: products at the nodes, divergence by parts."""
    world = circulation(Levels(5))
    start = world.pressure
    flow = world.advance()
    middle = world.levels.air(0.5 * (start + flow.pressure))
    flux_u, flux_v = (torch.from_numpy(middle * wind) for wind in (flow.u, flow.v))
    divergence = world.harmonics.to_nodal(world.harmonics.divergence(flux_u, flux_v)).numpy()
    scale = np.abs(flow.before - flow.gathered).max()
    np.testing.assert_allclose(
        flow.before - flow.gathered, STEP * divergence, rtol=0, atol=1e-9 * scale
    )


def test_trades_meet_below_where_they_part_aloft():
    flow = circulation(Levels(20)).advance()
    tropics = np.abs(Grid.gaussian(10).latitude) < 12
    piled = (flow.gathered - flow.before)[:, tropics].mean(axis=(1, 2))
    rising = -flow.pressure_velocity[8:14][:, tropics].mean()
    assert piled[0] > 0.0
    assert piled[-1] < 0.0
    assert rising > 0.0
    assert np.abs(flow.u[15]).max() > np.abs(flow.u[0]).max()


def test_skipped_weather_is_the_weather_that_was_drawn():
    first, second = circulation(Levels(3)), circulation(Levels(3))
    for _ in range(3):
        first.advance()
    second.skip(3)
    one, other = first.advance(), second.advance()
    np.testing.assert_array_equal(one.u, other.u)
    np.testing.assert_array_equal(one.before, other.before)
    assert one.seconds == other.seconds


@pytest.mark.parametrize("count", COUNTS)
def test_weather_is_believable(count):
    world = circulation(Levels(count))
    weather = ColumnWeather(world.analysis.geography, CLOCK, world.levels)
    air = weather(world.advance())
    mean_rain = 86400 * (world.harmonics.grid.area_weights * air.pr).mean()
    assert 1.0 < mean_rain < 6.0  # mm a day; the Earth has 2.7
    assert np.all(air.prc <= air.pr)
    assert air.ta.min() > 180.0
    assert 0.0 < air.hus.min() <= air.hus.max() < 0.03
    assert 100.0 < air.bldep.min() < air.bldep.max() < 3000.0
    assert np.all(air.mc >= 0.0)
    assert np.all(air.mc[-1] == 0.0)
    assert air.mc.max() > 1e-3
    np.testing.assert_array_equal(air.exchange[-1], 0.0)
    detrained = air.entrainment - np.diff(air.mc, axis=0, prepend=0.0)
    assert detrained.min() > -1e-16
    assert air.scavenging.max() < 1e-4


def test_a_year_of_fires_is_the_normal_of_its_regions():
    geography = Geography(Grid.gaussian(10))
    fires = FireEmissions(geography, CLOCK, seed=2)
    times = np.arange(0, 365) * 86400.0 + 21600.0 * (np.arange(365) % 4)
    emission = np.mean([fires(seconds) for seconds in times], axis=0)
    total = geography.global_integral(emission) * 365.25 * 86400 / 1e9
    assert emission.min() >= 0.0
    assert 1.0 < total < 4.0  # Tg a-1; the normal is 1.9


def test_years_of_fires_differ_without_bias():
    spread = np.array([[year_factors(year, seed) for seed in range(300)] for year in (1853, 2021)])
    expected = 1.0 + np.array(TRENDS) * (np.array([[1853], [2021]]) - 1850) / 170.0
    error = np.sqrt(np.expm1(np.array(SPREADS) ** 2) / 300)
    assert np.all(np.abs(spread.mean(axis=1) / expected - 1.0) < 4.5 * error)
    assert len(SPREADS) == len(TRENDS) == len(FIRE_SEASONS)
    assert not np.allclose(year_factors(2020, 0), year_factors(2021, 0))


def test_new_year_brings_no_jump():
    clock = Clock(np.datetime64("2012-12-31T23:59:30"))
    geography = Geography(Grid.gaussian(10))
    fires = FireEmissions(geography, clock, seed=0)
    before, after = fires._activity(0.0), fires._activity(60.0)
    np.testing.assert_allclose(after, before, rtol=1e-5)
