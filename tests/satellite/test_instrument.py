"""What the invented satellites report against what is true."""

import numpy as np
import pytest

from co2net_phys.satellite.footprints import footprints, instruments, solar_angles
from co2net_phys.satellite.instrument import biased_xco2, footprint_means, observe
from co2net_phys.satellite.orbits import seconds_after_epoch
from co2net_phys.satellite.profiles import (
    averaging_kernel,
    pressure_weights,
    prior_profile,
    true_profile,
)
from co2net_phys.satellite.simulate import world
from co2net_phys.satellite.simulation_options import satellite_simulation_config
from co2net_phys.satellite.soundings import averaging_kernel_xco2, seen_by
from co2net_phys.satellite.truth import at_places

DAYS = np.datetime64("2019-09-01") + np.arange(16)
OVERPASS = DAYS[5]
"""A day on which OCO-2 crosses the whole region in the sun."""
BOX = {"spacing": 0.5, "east": 107.85, "north": 34.05}


@pytest.fixture(scope="module")
def truth():
    return world(satellite_simulation_config(**BOX, cloud_fraction=0.3))


@pytest.fixture(scope="module")
def month(truth):
    """Retrievals of every sensor on 16 days, and the truth of each day."""
    maps = [truth.xco2(day) for day in DAYS]
    return {
        sensor: [observe(one, truth, day, xco2) for day, xco2 in zip(DAYS, maps, strict=True)]
        for sensor, one in instruments().items()
    }


def test_profiles_have_the_wanted_columns():
    columns, weights = np.array([400.0, 407.3, 411.0]), pressure_weights()
    assert weights.sum() == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(true_profile(405.0, columns) @ weights, columns, rtol=1e-14)
    np.testing.assert_allclose(prior_profile(405.0, 2) @ weights, 405, rtol=1e-14)
    # A plume is near the ground, old air above.
    assert true_profile(405.0, columns)[2].argmax() == 19
    assert true_profile(405.0, columns)[1].argmin() == 0


def test_a_truth_that_is_the_prior_is_retrieved_exactly():
    prior, kernel = prior_profile(405.0, 5), averaging_kernel(np.linspace(0, 70, 5))
    weights = np.tile(pressure_weights(), (5, 1))
    seen = averaging_kernel_xco2(prior, prior, kernel, weights)
    np.testing.assert_array_equal(seen, (weights * prior).sum(axis=1))


def test_kernels_look_like_those_of_the_real_instrument():
    kernel = averaging_kernel(np.array([30.0]))[0]
    assert 0.15 < kernel[0] < 0.35 and kernel.argmin() == 0
    assert abs(kernel[8:] - 1).max() < 0.1
    assert (np.diff(averaging_kernel(np.array([20.0, 65.0]))[:, -1]) < 0).all()


@pytest.mark.parametrize("sensor", ["oco2", "oco3", "gosat"])
def test_errors_have_the_stated_noise(truth, month, sensor):
    """χ² of the good retrievals about the kernel's view of the truth, with GOSAT's bias known."""
    normalised = []
    for day, seen in zip(DAYS, month[sensor], strict=True):
        background = truth.background(day)
        without_error = biased_xco2(
            truth.config, sensor, seen_by(seen.soundings, true_profile(background, seen.true_xco2))
        )
        good = seen.soundings.quality_flag == 0
        error = (seen.soundings.xco2 - without_error) / seen.soundings.uncertainty
        normalised.append(error[good])
    errors = np.concatenate(normalised)
    count = len(errors)
    assert count > (80 if sensor == "gosat" else 3000)
    assert abs(errors.mean()) < 4 / np.sqrt(count)
    assert abs((errors**2).sum() - count) < 4 * np.sqrt(2 * count)


@pytest.mark.parametrize("sensor", ["oco2", "oco3", "gosat"])
def test_the_uncertainties_lie_in_their_range(truth, month, sensor):
    low, high = truth.config.gosat_noise if sensor == "gosat" else truth.config.oco_noise
    spread = np.concatenate([seen.soundings.uncertainty for seen in month[sensor]])
    assert low <= spread.min() < low + 0.5 * (high - low) < spread.max() <= high


def test_the_kernel_alone_keeps_reports_near_the_truth(truth, month):
    """The smoothing error is the small one: less than the least noise."""
    for day, seen in zip(DAYS, month["oco2"], strict=True):
        profile = true_profile(truth.background(day), seen.true_xco2)
        assert abs(seen_by(seen.soundings, profile) - seen.true_xco2).max(initial=0) < 0.5


def test_flagged_retrievals_are_as_many_as_asked_and_worse(truth, month):
    flags = np.concatenate([seen.soundings.quality_flag for seen in month["oco2"]])
    error = np.concatenate([seen.soundings.xco2 - seen.true_xco2 for seen in month["oco2"]])
    assert flags.mean() == pytest.approx(truth.config.bad_fraction, abs=0.1)
    assert error[flags == 1].std() > 3 * error[flags == 0].std()
    assert error[flags == 1].mean() < -0.5


def test_the_bias_of_gosat_is_the_stated_line(truth):
    config = truth.config
    values = biased_xco2(config, "gosat", np.array([400.0, 410.0]))
    assert values[0] - 400 == pytest.approx(config.gosat_offset)
    assert (values[1] - values[0]) / 10 == pytest.approx(config.gosat_slope)
    assert biased_xco2(config, "oco3", values) is values


def test_oco_footprints_make_a_swath_of_eight(truth):
    one = instruments()["oco2"]
    found = footprints(one, truth.region, OVERPASS)
    inner = found.take(abs(found.seconds - np.median(found.seconds)) < 0.01)
    assert inner.number.tolist() == list(range(1, 9))
    north = np.radians(inner.latitude)
    gap = np.hypot(
        np.diff(inner.latitude), np.diff(inner.longitude) * np.cos(north[1:])
    ) * np.radians(6371)
    np.testing.assert_allclose(gap, 1.29, rtol=0.01)
    row = found.take(found.number == 4)
    along = np.hypot(
        np.diff(row.latitude), np.diff(row.longitude) * np.cos(np.radians(row.latitude[1:]))
    ) * np.radians(6371)
    np.testing.assert_allclose(along, 2.25, rtol=0.05)


def test_gosat_looks_at_points_far_apart(truth):
    gosat = instruments()["gosat"]
    found = footprints(gosat, truth.region, DAYS[1])
    assert 10 < len(found) < 60
    north, east = np.radians(found.latitude), np.radians(found.longitude)
    cosine = np.sin(north) * np.sin(north[:, None])
    cosine += np.cos(north) * np.cos(north[:, None]) * np.cos(east - east[:, None])
    away = 6371 * np.arccos(np.clip(cosine, -1, 1)) + 1e6 * np.eye(len(found))
    assert away.min() > 120


@pytest.mark.parametrize(("sensor", "hour"), [("oco2", 13.6), ("gosat", 12.8)])
def test_sunlit_passes_are_early_in_the_afternoon(truth, month, sensor, hour):
    local = [
        np.remainder(seen.footprints.seconds / 3600 + seen.footprints.longitude / 15, 24)
        for seen in month[sensor]
    ]
    # At 30° the satellite is some 8 minutes from its local time at the equator, or up to 20 aside.
    assert abs(np.concatenate(local) - hour).max() < 0.6


def test_nothing_flies_at_night_or_outside(truth, month):
    for seen in [one for day in month.values() for one in day]:
        assert (seen.footprints.solar_zenith < 70).all()
        assert truth.region.cells(seen.soundings.latitude, seen.soundings.longitude)[2].all()


def test_the_sun_stands_where_it_should():
    noon = seconds_after_epoch(np.datetime64("2019-06-21")) + 43200
    zenith, azimuth = solar_angles(np.full(3, 50.0), np.array([0, -45, 45.0]), np.full(3, noon))
    assert zenith[0] == pytest.approx(50 - 23.44, abs=0.05)
    assert azimuth[0] == pytest.approx(180, abs=1e-6)
    assert azimuth[1] < 120 and azimuth[2] > 240 and zenith[1] == pytest.approx(zenith[2])
    assert len(solar_angles(np.zeros(0), np.zeros(0), np.zeros(0))[0]) == 0


def test_a_wide_footprint_sees_the_mean_over_its_area(truth):
    """Over a plane the mean of a disc is the value at its centre; a single peak is smeared."""
    region, gosat = truth.region, instruments()["gosat"]
    found = footprints(gosat, region, DAYS[1])
    inner = abs(found.latitude - 30) < 3
    inner &= abs(found.longitude - 100) < 7
    found = found.take(inner)
    plane = 0.3 * region.latitude[:, None] + 0.1 * region.longitude
    exact = 0.3 * found.latitude + 0.1 * found.longitude
    np.testing.assert_allclose(footprint_means(gosat, truth, plane, found), exact, atol=2e-4)
    peak = -np.abs(region.latitude[:, None] - found.latitude[0]) + 0 * region.longitude
    at_centre = at_places(
        peak, region.latitude, region.longitude, (found.latitude[:1], found.longitude[:1])
    )
    assert footprint_means(gosat, truth, peak, found.take(np.array([0])))[0] <= at_centre[0]


def test_a_day_has_its_own_random_numbers(truth):
    one, day = instruments()["oco2"], OVERPASS
    first, again = (observe(one, truth, day, truth.xco2(day)) for _ in range(2))
    assert len(first.soundings) > 100
    np.testing.assert_array_equal(first.soundings.xco2, again.soundings.xco2)
    other = world(satellite_simulation_config(**BOX, cloud_fraction=0.3, seed=1))
    assert abs(other.xco2(day) - truth.xco2(day)).max() > 0.1


def test_without_clouds_nothing_is_lost():
    clear = world(satellite_simulation_config(**BOX, cloud_fraction=0, bad_fraction=0))
    one = instruments()["oco2"]
    seen = observe(one, clear, OVERPASS, clear.xco2(OVERPASS))
    assert len(seen.soundings) == len(footprints(one, clear.region, OVERPASS)) > 3000
    assert (seen.soundings.quality_flag == 0).all()
