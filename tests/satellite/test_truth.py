"""The parts of the true XCO2 against closed forms, and the random fields under them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.satellite.clouds import cloud_chance, elevation_effect, sky
from co2net_phys.satellite.landscape import cell_areas_km2, gaussian_spots
from co2net_phys.satellite.random_fields import KM_PER_DEGREE, RandomField
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.simulate import world
from co2net_phys.satellite.simulation_options import satellite_simulation_config
from co2net_phys.satellite.synthetic_weather import Weather, day_length
from co2net_phys.satellite.truth import (
    MOLAR_MASS_AIR,
    MOLAR_MASS_CO2,
    SECONDS_PER_YEAR,
    at_places,
)
from co2net_phys.solvers.constants import GRAVITY

DAY = np.datetime64("2019-07-14")


def config(**options):
    return satellite_simulation_config(
        **({"spacing": 0.5, "east": 107.85, "north": 34.05} | options)
    )


@pytest.fixture(scope="module")
def truth():
    return world(config())


def test_the_season_peaks_in_may_and_has_its_trough_in_september(truth):
    days = np.arange("2018-01-01", "2019-01-01", dtype="datetime64[D]")
    season = np.array([truth.season(day) for day in days])
    assert days[season.argmax()].astype("datetime64[M]") == np.datetime64("2018-05")
    assert days[season.argmin()].astype("datetime64[M]") == np.datetime64("2018-09")
    assert np.ptp(season) == pytest.approx(5.0, abs=1e-3)
    assert season.mean() == pytest.approx(0, abs=0.01)


def test_the_background_grows_by_the_given_rate(truth):
    start, end = (truth.background(np.datetime64(f"{year}-03-01")) for year in (2015, 2023))
    assert (end - start) / 8 == pytest.approx(2.2, abs=0.01)


def test_the_map_is_the_sum_of_its_parts_and_the_local_parts_have_no_mean(truth):
    parts = truth.weather_part(DAY) + truth.plumes(DAY) - truth.uptake(DAY) - truth.high_ground()
    np.testing.assert_allclose(truth.xco2(DAY), truth.background(DAY) + parts, rtol=1e-12)
    assert truth.uptake(DAY).mean() == pytest.approx(0, abs=1e-12)
    assert truth.high_ground().mean() == pytest.approx(0, abs=1e-12)
    assert 0.3 < truth.xco2(DAY).std() < 3


def test_plumes_hold_what_the_towns_emitted_in_a_day(truth):
    """Mass over a region that the puffs do not leave, against inhabitants × emission."""
    wide = world(config(west=80.35, east=120.35, south=12.05, north=48.05))
    moles_of_air = 1013.25e2 / (GRAVITY * MOLAR_MASS_AIR)
    thin = wide.moles_of_air / moles_of_air
    area = cell_areas_km2(wide.region.latitude, wide.region.longitude) * 1e6
    cities = wide.landscape.cities
    central = abs(cities.latitude - 30) < 12
    central &= abs(cities.longitude - 100) < 14
    # Only towns far from the border count: the others' share is taken out by linearity.
    wide.landscape.__dict__["cities"] = type(cities)(
        *(column[central] for column in vars(cities).values())
    )
    enhancement = wide.plumes(DAY) * thin * moles_of_air * 1e-6 * MOLAR_MASS_CO2
    emitted = cities.inhabitants[central].sum() * 8e3 / SECONDS_PER_YEAR * 86400
    assert (enhancement * area).sum() == pytest.approx(emitted, rel=0.02)


def test_plumes_lie_downwind(truth):
    latitude, longitude, radius = truth.puffs(DAY)
    cities = truth.landscape.cities
    east, north = truth.weather.wind_at(
        cities.latitude, cities.longitude, np.full(len(radius), truth.weather.moment(DAY))
    )
    moved_east = (longitude[:, 3] - cities.longitude) * np.cos(np.radians(cities.latitude))
    moved_north = latitude[:, 3] - cities.latitude
    along = (moved_east * east + moved_north * north) / np.hypot(east, north)
    away = np.hypot(moved_east, moved_north)
    assert np.median(along / away) > 0.95
    # 3.5 half hours at the wind of that time: straight and steady within an hour or two.
    kilometres = 3.5 * 1.8 * np.hypot(east, north)
    assert np.median(away * KM_PER_DEGREE / kilometres) == pytest.approx(1, abs=0.1)
    assert (np.diff(radius, axis=1) > 0).all()


def test_towns_and_plants_and_mountains_leave_their_mark(truth):
    region = truth.region
    assert truth.elevation[:, :6].mean() > 3000 > 1500 > truth.elevation[:, -6:].mean()
    density = truth.landscape.population_density(region.latitude, region.longitude)
    assert np.corrcoef(density.ravel(), truth.plumes(DAY).ravel())[0, 1] > 0.2
    shares = truth.landscape.land_use(region.latitude, region.longitude)
    np.testing.assert_allclose(sum(shares.values()), 1, atol=1e-12)
    assert min(share.min() for share in shares.values()) >= 0
    summer, winter = (
        truth.vegetation_index(np.datetime64(d)) for d in ("2019-07-25", "2019-01-20")
    )
    assert (summer > winter).mean() > 0.99


def test_districts_hold_all_people_once(truth):
    places = truth.region.latitude, truth.region.longitude
    people = truth.landscape.population_density(*places) * cell_areas_km2(*places)
    districts = np.unique(truth.landscape.district_population(*places))
    assert len(districts) == len(truth.landscape.cities.latitude)
    assert districts.sum() == pytest.approx(people.sum())


def test_a_gaussian_spot_integrates_to_its_weight():
    north, east = np.arange(28, 32, 0.05), np.arange(98, 102, 0.05)
    one = np.array([1.0])
    spot = gaussian_spots(north, east, 30 * one, 100 * one, 25 * one, 7e5 * one)
    assert (spot * cell_areas_km2(north, east)).sum() == pytest.approx(7e5, rel=1e-3)
    assert spot.max() == pytest.approx(7e5 / (2 * np.pi * 625), rel=1e-2)


def test_random_fields_have_unit_variance_and_the_stated_correlations():
    values, beside, later = [], [], []
    for seed in range(400):
        one = RandomField(
            (seed,), 100.0, 2.0, middle_latitude=0.0, middle_longitude=0.0, drift_m_s=(10.0, 0.0)
        )
        zero = np.zeros(1)
        values.append(one.at(zero, zero, 0.0)[0])
        beside.append(one.at(zero, zero + 100 / KM_PER_DEGREE, 0.0)[0])
        later.append(one.at(zero, zero + 864 / KM_PER_DEGREE, 1.0)[0])  # as far as it drifts
    assert np.mean(values) == pytest.approx(0, abs=4 / np.sqrt(400))
    assert np.var(values) == pytest.approx(1, abs=4 * np.sqrt(2 / 400))
    assert np.mean(np.multiply(values, beside)) == pytest.approx(np.exp(-0.5), abs=0.25)
    assert np.mean(np.multiply(values, later)) == pytest.approx(np.exp(-0.125), abs=0.25)


@given(st.integers(0, 2**31), st.floats(-5000, 5000))
@settings(max_examples=20, deadline=None)
def test_a_random_field_is_the_same_on_grids_and_at_points(seed, days):
    field = RandomField(
        (seed, 3), 150.0, 1.5, middle_latitude=30.0, middle_longitude=100.0, drift_m_s=(8.0, 1.0)
    )
    latitude, longitude = np.linspace(26, 34, 4), np.linspace(92, 108, 5)
    grid = field.on_grid(latitude, longitude, days)
    north, east = np.meshgrid(latitude, longitude, indexing="ij")
    np.testing.assert_allclose(grid.ravel(), field.at(north.ravel(), east.ravel(), days), atol=1e-8)


@given(st.floats(26.3, 33.8), st.floats(92.7, 107.5), st.sampled_from([-360, 0, 360]))
@settings(max_examples=30, deadline=None)
def test_bilinear_values_of_a_plane_are_exact(north, east, turn):
    region = Region(92.35, 26.05, 107.85, 34.05, 0.5)
    plane = 3 + 0.7 * region.latitude[:, None] - 0.2 * region.longitude
    places = np.array([north]), np.array([east + turn])
    value = at_places(plane, region.latitude, region.longitude, places)[0]
    assert value == pytest.approx(3 + 0.7 * north - 0.2 * east, abs=1e-9)


def test_bilinear_values_beyond_the_outer_centres_are_those_of_the_border():
    grid = np.array([[1.0, 2.0], [3.0, 4.0]])
    places = np.array([-1.0, 9.0]), np.array([-1.0, 9.0])
    values = at_places(grid, np.array([0.0, 1.0]), np.array([0.0, 1.0]), places)
    assert values.tolist() == [1, 4]


@pytest.mark.parametrize("mean", [0.0, 0.2, 0.6, 0.9])
def test_clouds_cover_the_given_share_of_the_year(mean):
    random, weather = np.random.default_rng(0), Weather(config().region, 3)
    elevation = random.uniform(0, 5000, 20_000)
    latitude, longitude = random.uniform(26, 34, 20_000), random.uniform(92, 108, 20_000)
    days = random.uniform(0, 4000, 20_000)
    effect = float(elevation_effect(elevation).mean())
    season = np.remainder(days / 365.25, 1)
    chance = cloud_chance(mean, elevation, effect, season)
    above = sky(weather, latitude, longitude, days, chance)
    assert (above < 0).mean() == pytest.approx(mean, abs=0.02)
    # Among clear places the value is even: a tenth of them lies in its lowest tenth.
    assert (above[above >= 0] < 0.1).mean() == pytest.approx(0.1, abs=0.02)


def test_gaps_are_not_random(truth):
    season = truth.weather.season(DAY)
    effect = float(elevation_effect(truth.elevation).mean())
    chance = cloud_chance(0.6, truth.elevation, effect, season)
    assert np.corrcoef(chance.ravel(), truth.elevation.ravel())[0, 1] < -0.8
    winter = cloud_chance(0.6, truth.elevation, effect, 0.05)
    assert (chance > winter).mean() > 0.95


def test_the_day_is_half_a_day_long_at_the_equator_and_endless_in_polar_summer():
    lengths = day_length(np.array([0.0, 80.0, -80.0]), np.datetime64("2019-06-21"))
    np.testing.assert_allclose(lengths, [12, 24, 0], atol=1e-9)


def test_southern_regions_have_their_summer_in_january():
    south = world(config(south=-34.05, north=-26.05))
    index = [south.vegetation_index(np.datetime64(d)).mean() for d in ("2019-01-20", "2019-07-20")]
    assert index[0] > index[1]
