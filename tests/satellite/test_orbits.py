"""The ground tracks: physics by closed forms and against an integrated equation of motion."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from co2net_phys.satellite import orbits
from co2net_phys.satellite.orbits import (
    CircularOrbit,
    gosat_orbit,
    nodal_precession,
    oco2_orbit,
    space_station_orbit,
    wrapped_longitude,
)
from co2net_phys.satellite.region import Region
from co2net_phys.solvers.constants import EARTH_RADIUS_M

DAY = 86400.0


def distance_km(first, second):
    """Great-circle distances between places in degrees (chord formula)."""

    def point(place):
        north, east = map(np.radians, place)
        return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])

    chord = np.linalg.norm(point(first) - point(second), axis=0)
    return 2 * EARTH_RADIUS_M / 1e3 * np.arcsin(np.minimum(chord / 2, 1))


@pytest.mark.parametrize(
    ("orbit", "revolutions", "days"), [(oco2_orbit(), 233, 16), (gosat_orbit(), 44, 3)]
)
def test_the_track_closes_after_its_repeat_cycle_and_not_before(orbit, revolutions, days):
    seconds = np.arange(0, DAY, 60.0)
    there, back = orbit.ground_track(seconds), orbit.ground_track(seconds + days * DAY)
    assert distance_km(there, back).max() < 1e-3
    assert orbit.period_s * revolutions == pytest.approx(days * DAY, rel=1e-12)
    early = [
        distance_km(there, orbit.ground_track(seconds + n * DAY)).max() for n in range(1, days)
    ]
    assert min(early) > 100


@pytest.mark.parametrize(
    ("orbit", "altitude_km", "inclination"),
    [(oco2_orbit(), 705, 98.2), (gosat_orbit(), 666, 98.06)],
)
def test_the_solved_orbits_are_the_published_ones(orbit, altitude_km, inclination):
    assert orbit.altitude_m / 1e3 == pytest.approx(altitude_km, abs=6)
    assert orbit.inclination_deg == pytest.approx(inclination, abs=0.1)
    yearly = nodal_precession(orbit.semi_major_axis_m, orbit.inclination) * 365.2422 * DAY
    assert np.degrees(yearly) == pytest.approx(360, rel=0.01)


@pytest.mark.parametrize("orbit", [oco2_orbit(), gosat_orbit(), space_station_orbit()])
def test_the_inclination_is_the_limit_of_latitude(orbit):
    latitude, longitude = orbit.ground_track(np.arange(0, 3 * DAY, 1.0))
    limit = min(orbit.inclination_deg, 180 - orbit.inclination_deg)
    assert latitude.max() == pytest.approx(limit, abs=1e-3)
    assert latitude.min() == pytest.approx(-limit, abs=1e-3)
    assert (longitude >= -180).all() and (longitude < 180).all()


def local_hour_at_equator(orbit, is_northward, begin):
    seconds = begin + np.arange(0, DAY, 1.0)
    latitude, longitude = orbit.ground_track(seconds)
    step = np.diff(np.sign(latitude))
    crossing = np.flatnonzero(step > 0 if is_northward else step < 0)
    hours = np.remainder((seconds / 3600 + longitude / 15)[crossing], 24)
    return hours


@pytest.mark.parametrize("years", [0, 4, 7.5])
def test_the_sun_synchronous_satellites_keep_their_local_time(years):
    begin = round(years * 365.25) * DAY
    north = local_hour_at_equator(oco2_orbit(), True, begin)
    south = local_hour_at_equator(gosat_orbit(), False, begin)
    np.testing.assert_allclose(north, 13.6, atol=0.01)
    np.testing.assert_allclose(south, 12.8, atol=0.01)


def test_the_local_time_of_the_space_station_goes_round_in_two_months():
    noon = [local_hour_at_equator(space_station_orbit(), True, n * DAY).mean() for n in (0, 1)]
    daily = np.remainder(noon[1] - noon[0] + 12, 24) - 12
    assert 55 < 24 / abs(daily) < 65


def test_the_node_turns_as_that_of_an_integrated_orbit():
    """Against the equation of motion with J2 over 14 orbits."""
    orbit = oco2_orbit()
    axis, tilt = orbit.semi_major_axis_m, orbit.inclination

    def acceleration(_, state):
        place, speed = state[:3], state[3:]
        radius = np.linalg.norm(place)
        sine = (place[2] / radius) ** 2
        factor = 1.5 * orbits.OBLATENESS * (orbits.EQUATORIAL_RADIUS_M / radius) ** 2
        pull = np.array([1 - 5 * sine, 1 - 5 * sine, 3 - 5 * sine])
        force = -orbits.GRAVITATIONAL_PARAMETER / radius**3 * place * (1 + factor * pull)
        return np.concatenate([speed, force])

    speed = np.sqrt(orbits.GRAVITATIONAL_PARAMETER / axis)
    start = np.array([axis, 0, 0, 0, speed * np.cos(tilt), speed * np.sin(tilt)])
    length = 14 * orbit.period_s
    path = solve_ivp(acceleration, (0, length), start, method="DOP853", rtol=1e-9, atol=1e-3)
    ends = path.y[:, [0, -1]]
    spin = np.cross(ends[:3].T, ends[3:].T)
    node = np.arctan2(spin[:, 0], -spin[:, 1])
    assert node[1] - node[0] == pytest.approx(nodal_precession(axis, tilt) * length, rel=0.01)


def test_the_heading_is_that_of_neighbouring_points():
    orbit, seconds = oco2_orbit(), np.array([0.0, 700.0, 1400.0])
    heading = np.degrees(orbit.heading(seconds))
    # At the node: 90° − i against the stars, turned further west by the Earth's own rotation.
    along = orbit.ground_speed * np.array([np.cos(orbit.inclination), np.sin(orbit.inclination)])
    eastward = along[0] - EARTH_RADIUS_M * 2 * np.pi / DAY
    assert heading[0] == pytest.approx(np.degrees(np.arctan2(eastward, along[1])), abs=0.05)
    assert heading[2] < -15


@pytest.mark.parametrize("west", [92.0, 175.0, -178.0])
def test_passes_find_every_second_over_the_region(west):
    orbit, region = oco2_orbit(), Region(west, 26.0, west + 16, 34.0, 1.0)
    day = np.datetime64("2019-09-03")
    found = orbit.passes(day, region, 10.0)
    seconds = orbits.seconds_after_epoch(day) + np.arange(0, DAY, 0.5)
    inside = region.cells(*orbit.ground_track(seconds))[2]
    covered = np.zeros(len(seconds), dtype=bool)
    for begin, end in found:
        covered |= (seconds >= begin) & (seconds <= end)
    assert inside.any() and covered[inside].all()
    assert covered.mean() < 0.01


def test_a_pass_is_seen_to_the_end_of_the_day():
    """OCO-2 crosses 156° W at 13:36 local time, which is midnight in Greenwich."""
    orbit, region = oco2_orbit(), Region(-176.0, -30.0, -136.0, 60.0, 1.0)
    ends = 0
    for day in np.datetime64("2019-09-01") + np.arange(16):
        midnight = orbits.seconds_after_epoch(day + 1)
        seconds = midnight - np.arange(0.5, 10, 0.5)
        over = region.cells(*orbit.ground_track(seconds))[2]
        if over.any():
            begin, end = orbit.passes(day, region, 10.0)[-1]
            assert begin <= seconds[over].min() and end >= seconds[over].max()
            ends += 1
    assert ends > 0


def test_places_do_not_depend_on_how_many_are_asked_for():
    orbit = CircularOrbit(7e6, 51.6, 10.0)
    many, one = orbit.ground_track(np.array([5.0, 1e8, 3.0])), orbit.ground_track(np.array([1e8]))
    assert many[0][1] == one[0][0] and many[1][1] == one[1][0]
    assert wrapped_longitude(np.array([180.0, 540.0, -181.0])).tolist() == [-180, -180, 179]
