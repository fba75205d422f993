import numpy as np
import pytest

from co2net_phys.errors import UsageError
from co2net_phys.simulation import climate, mixing, sources
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.config import simulation_config
from co2net_phys.simulation.geography import Geography
from co2net_phys.simulation.sources import SurfaceSources
from co2net_phys.solvers import Grid

GEOGRAPHY = Geography(Grid.gaussian(15))
CLOCK = Clock(np.datetime64("2019-01-01"))
SOURCES = SurfaceSources(GEOGRAPHY, CLOCK)
DAY = 86400.0
NOON, NIGHT = 0.5, 0.0
JUNE, DECEMBER = 171 / 365, 354 / 365


def petagrams(component, source=SOURCES, every=5.0 * 3600):
    """Annual global total by sampling the year."""
    moments = np.arange(0, 365 * DAY, every)
    rates = [GEOGRAPHY.global_integral(source.flux(component, t, 0.5)) for t in moments]
    return np.mean(rates) / sources.petagrams_to_micromoles(1.0)


@pytest.mark.parametrize(
    ("component", "stated", "tolerance"),
    [("fossil", "FOSSIL_PGC", 0.02), ("ocean", "OCEAN_PGC", 0.001)],
)
def test_steady_sources_add_up_to_the_stated_budget(component, stated, tolerance):
    assert petagrams(component) == pytest.approx(getattr(sources, stated), rel=tolerance)


def test_the_biosphere_takes_up_the_stated_land_sink():
    assert petagrams("biosphere") == pytest.approx(sources.LAND_SINK_PGC, rel=0.08)


def test_fires_burn_the_stated_carbon():
    """The flares are random: a mean over seeds."""
    totals = [
        petagrams("fires", SurfaceSources(GEOGRAPHY, CLOCK, seed), 25 * 3600.0) for seed in range(4)
    ]
    assert np.mean(totals) == pytest.approx(sources.FIRE_PGC, rel=0.12)
    assert np.std(totals) > 0, "seeds change the fires"
    steady = petagrams("fires", SurfaceSources(GEOGRAPHY, CLOCK, seed=None), 25 * 3600.0)
    assert steady == pytest.approx(np.mean(totals), rel=0.12)


def test_a_petagram_of_carbon_is_half_a_ppm():
    """2.124 PgC per ppm of the whole atmosphere (Ballantyne et al. 2012), 5.137e18 kg of air."""
    moles_of_air = 5.137e18 / 0.0289647
    per_year = sources.petagrams_to_micromoles(1.0) * sources.SECONDS_PER_YEAR
    assert moles_of_air / per_year == pytest.approx(2.124, rel=0.01)


def test_plants_take_up_by_day_and_breathe_at_night():
    leaves = (GEOGRAPHY.vegetation > 0.4) & (GEOGRAPHY.latitude > 40)
    place = tuple(np.argwhere(leaves)[0])
    hours = CLOCK.start + np.arange(24) * np.timedelta64(1, "h")
    flux = [SOURCES.flux("biosphere", 171 * DAY + h * 3600.0)[place] for h in range(len(hours))]
    local = [climate.local_day_phase(GEOGRAPHY, h / 24)[0, place[1]] for h in range(24)]
    assert -0.2 < local[int(np.argmin(flux))] - NOON < 0.2
    assert flux[int(np.argmin(np.abs(np.array(local) - 0.02)))] > 0
    assert min(flux) < 0


def test_clouds_dim_photosynthesis():
    clear, dull = (SOURCES.flux("biosphere", 171.5 * DAY, cloud) for cloud in (0.0, 1.0))
    assert (clear <= dull).all()
    assert clear.sum() < dull.sum()


def test_northern_land_is_a_sink_in_summer_and_a_source_in_winter():
    north = GEOGRAPHY.latitude > 45
    total = [
        sum(
            GEOGRAPHY.global_integral(SOURCES.flux("biosphere", (day + h / 8) * DAY, 0.5) * north)
            for h in range(8)
        )
        for day in (190, 10)
    ]
    assert total[0] < 0 < total[1]


def test_the_sun():
    light = climate.sunlight(GEOGRAPHY, 0.5, JUNE)
    assert (light >= 0).all()
    assert light.max() == pytest.approx(1, abs=0.01)
    row, column = np.unravel_index(light.argmax(), light.shape)
    assert GEOGRAPHY.latitude[row, 0] == pytest.approx(23.4, abs=3)
    assert abs(GEOGRAPHY.longitude[0, column]) < 6, "12 UTC is noon at Greenwich"
    assert (light[GEOGRAPHY.latitude < -68] == 0).all(), "polar night"
    assert climate.declination(DECEMBER) == pytest.approx(-climate.declination(JUNE), abs=0.01)


def test_seasons_and_afternoons_are_warm():
    june, december = (climate.temperature(GEOGRAPHY, NOON, phase) for phase in (JUNE, DECEMBER))
    inland = (GEOGRAPHY.land > 0.9) & (GEOGRAPHY.latitude > 30)
    assert (june - december)[inland].min() > 0
    assert (june - december)[GEOGRAPHY.latitude < -30].max() < 0
    assert 220 < december.min() < june.max() < 325


@pytest.mark.parametrize("year", range(2000, 2021, 4))
def test_the_free_troposphere_grows_as_observed(year):
    clock, north = Clock(np.datetime64(f"{year}-05-01")), np.array([-80.0, 0.0, 60.0])
    growth = mixing.free_troposphere(north, clock, 366 * DAY) - mixing.free_troposphere(
        north, clock, DAY
    )
    assert (growth > 2.0).all()
    assert (growth < 2.5).all()


def test_the_seasonal_cycle_grows_northward():
    north = np.array([-60.0, -20.0, 0.0, 20.0, 45.0, 70.0])
    year = [mixing.free_troposphere(north, CLOCK, day * DAY) for day in range(0, 365, 5)]
    spread = np.ptp(np.array(year) - 2.3 * np.arange(0, 365, 5)[:, None] / 365, axis=0)
    assert (np.diff(spread[1:]) > 0).all()
    assert 10 < spread[-1] < 25


def test_air_mixes_by_day_and_in_wind():
    sun, dark = np.ones_like(GEOGRAPHY.land), np.zeros_like(GEOGRAPHY.land)
    wind, land = 5 * sun, GEOGRAPHY.land > 0.5
    for measure in (mixing.layer_depth, mixing.exchange_rate):
        assert (measure(GEOGRAPHY, sun, wind) > measure(GEOGRAPHY, dark, wind))[land].all()
        assert (measure(GEOGRAPHY, dark, 2 * wind) > measure(GEOGRAPHY, dark, wind)).all()
        assert measure(GEOGRAPHY, dark, 0 * wind).min() > 0


def test_an_unknown_source_is_refused():
    with pytest.raises(KeyError):
        SOURCES.flux("volcano", 0.0)
    with pytest.raises(UsageError, match=r"'volcano'.*fossil"):
        simulation_config(components=("fossil", "volcano"))
