import numpy as np
import pytest

from co2net_phys.data.stations import Station
from co2net_phys.simulation import observing
from co2net_phys.simulation.observing import StationNetwork

LATITUDE, LONGITUDE = np.arange(-88.0, 90, 4), np.arange(-178.0, 180, 4)
LEVEL = np.full((len(LATITUDE), len(LONGITUDE)), 400.0)


def network(count=300, seed=0, step=10800.0):
    random = np.random.default_rng(5)
    stations = [
        Station(f"S{n}", "", random.uniform(-80, 80), random.uniform(-170, 170), 0.0)
        for n in range(count)
    ]
    return StationNetwork(stations, LATITUDE, LONGITUDE, seed, step)


@pytest.fixture(scope="module")
def record():
    sites = network()
    return np.stack([sites.observe(LEVEL) for _ in range(3000)])


def test_noise_has_the_stated_size_and_no_memory(record):
    noise = record - 400
    assert np.nanstd(noise) == pytest.approx(observing.NOISE, rel=0.02)
    assert abs(np.nanmean(noise)) < 0.01
    assert abs(np.nanmean(noise[1:] * noise[:-1])) < 0.01 * observing.NOISE**2 * 3


def test_outages_are_as_frequent_and_as_long_as_stated(record):
    down = np.isnan(record)
    expected = observing.OUTAGE_DAYS / (observing.OUTAGE_DAYS + observing.OUTAGE_EVERY_DAYS)
    assert down.mean() == pytest.approx(expected, rel=0.15)
    mended = down[:-1] & ~down[1:]
    assert down.sum() / mended.sum() / 8 == pytest.approx(observing.OUTAGE_DAYS, rel=0.2)


def test_a_seed_gives_the_same_observations():
    first, again, other = network(seed=1), network(seed=1), network(seed=2)
    np.testing.assert_array_equal(first.observe(LEVEL), again.observe(LEVEL))
    assert not np.array_equal(first.observe(LEVEL), other.observe(LEVEL))


def test_sampling_is_bilinear(monkeypatch):
    monkeypatch.setattr(observing, "NOISE", 0.0)
    sites = network()
    field = 300 + LATITUDE[:, None] + 0 * LONGITUDE
    seen = sites.observe(field)
    there = np.isfinite(seen)
    assert there.sum() > 200
    np.testing.assert_allclose(seen[there], 300 + sites.site_latitude[there], rtol=1e-6)


def test_passing_over_observations_leaves_the_next_ones_as_they_were():
    first, other = network(), network()
    for _ in range(7):
        first.observe(LEVEL)
    other.skip(7)
    np.testing.assert_array_equal(first.observe(LEVEL), other.observe(LEVEL))
