"""Ground tracks of satellites on circular orbits round an oblate Earth.

Only the secular effects of the Earth's flattening (J2) are kept: the node turns and the satellite
runs a little faster than Kepler's third law says (Vallado 2013, Fundamentals of Astrodynamics,
section 9.6, for eccentricity zero)::

    dΩ/dt = −(3/2) J2 (a_E/a)² n cos i
    du/dt = n [1 + (3/4) J2 (a_E/a)² (6 − 8 sin² i)]

u is the angle from the ascending node along the orbit, Ω the right ascension of the node, i the
inclination, a the mean semi-major axis, n the mean motion of Kepler's law. Places are on the sphere
of the transport solver.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import Floats
from co2net_phys.solvers.constants import EARTH_RADIUS_M, SECONDS_PER_DAY

GRAVITATIONAL_PARAMETER = 3.986004418e14
"""G times the mass of the Earth, m3 s-2 (IERS Conventions 2010)."""
EQUATORIAL_RADIUS_M = 6378137.0
"""a_E, m (GRS 80)."""
OBLATENESS = 1.0826359e-3
"""J2, dimensionless (IERS Conventions 2010)."""
TROPICAL_YEAR_DAYS = 365.2421897
"""Mean solar days in which the Sun comes back to the same equinox."""
SUN_RATE = 2 * np.pi / (TROPICAL_YEAR_DAYS * SECONDS_PER_DAY)
"""Mean motion of the Sun along the equator, rad s-1."""
ROTATION_RATE = 2 * np.pi / SECONDS_PER_DAY + SUN_RATE
"""Of the Earth against the stars, rad s-1: once a solar day against the mean Sun."""
EPOCH = np.datetime64("2015-01-01", "us")
"""When every orbit here crosses the equator northward (UTC)."""

_COARSE_SECONDS = 10.0
"""Spacing at which a day's track is searched for a region; 68 km on the ground."""


def nodal_precession(semi_major_axis_m: float, inclination_rad: float) -> float:
    """Rate dΩ/dt of the node in rad s-1; eastward is positive."""
    flattening = OBLATENESS * (EQUATORIAL_RADIUS_M / semi_major_axis_m) ** 2
    return float(-1.5 * flattening * mean_motion(semi_major_axis_m) * np.cos(inclination_rad))


def mean_motion(semi_major_axis_m: float) -> float:
    """Kepler's n in rad s-1."""
    return float(np.sqrt(GRAVITATIONAL_PARAMETER / semi_major_axis_m**3))


def orbital_rate(semi_major_axis_m: float, inclination_rad: float) -> float:
    """Rate du/dt in rad s-1: full turns from ascending node to ascending node."""
    flattening = OBLATENESS * (EQUATORIAL_RADIUS_M / semi_major_axis_m) ** 2
    correction = 0.75 * flattening * (6 - 8 * np.sin(inclination_rad) ** 2)
    return float(mean_motion(semi_major_axis_m) * (1 + correction))


@dataclass(frozen=True)
class CircularOrbit:
    """An orbit that crosses the equator northward at `node_longitude_deg` at `EPOCH`."""

    semi_major_axis_m: float
    inclination_deg: float
    node_longitude_deg: float

    @property
    def inclination(self) -> float:
        """Radians."""
        return float(np.radians(self.inclination_deg))

    @property
    def altitude_m(self) -> float:
        """Height above the equatorial radius, m."""
        return self.semi_major_axis_m - EQUATORIAL_RADIUS_M

    @property
    def period_s(self) -> float:
        """Seconds from ascending node to ascending node."""
        return 2 * np.pi / orbital_rate(self.semi_major_axis_m, self.inclination)

    @property
    def ground_speed(self) -> float:
        """Mean speed of the point below the satellite, m s-1, the Earth's rotation left out."""
        return 2 * np.pi * EARTH_RADIUS_M / self.period_s

    def ground_track(self, seconds: Floats) -> tuple[Floats, Floats]:
        """Latitude and longitude (degrees, −180 ≤ longitude < 180) `seconds` after `EPOCH`."""
        angle = np.remainder(seconds / self.period_s, 1.0) * 2 * np.pi
        node_rate = nodal_precession(self.semi_major_axis_m, self.inclination) - ROTATION_RATE
        north = np.arcsin(np.sin(self.inclination) * np.sin(angle))
        along = np.arctan2(np.cos(self.inclination) * np.sin(angle), np.cos(angle))
        east = self.node_longitude_deg + np.degrees(along + node_rate * seconds)
        return np.degrees(north), wrapped_longitude(east)

    def heading(self, seconds: Floats) -> Floats:
        """Direction in which the ground track runs, radians clockwise from north."""
        south, west = self.ground_track(seconds - 0.5)
        north, east = self.ground_track(seconds + 0.5)
        eastward = wrapped_longitude(east - west) * np.cos(np.radians((north + south) / 2))
        return np.asarray(np.arctan2(eastward, north - south))

    def revolution(self, seconds: Floats) -> NDArray[np.int64]:
        """Number of ascending nodes passed since `EPOCH`."""
        return np.floor(seconds / self.period_s).astype(np.int64)

    def passes(
        self, day: np.datetime64, region: Region, margin_km: float
    ) -> list[tuple[float, float]]:
        """First and last second, after `EPOCH`, of every pass over a region in a UTC day.

        Args:
            day: the UTC date.
            region: what is flown over.
            margin_km: how far beside the region the track may run.
        """
        begin = seconds_after_epoch(day)
        seconds = begin + np.arange(0.0, SECONDS_PER_DAY + _COARSE_SECONDS, _COARSE_SECONDS)
        latitude, longitude = self.ground_track(seconds)
        reach = np.degrees((margin_km * 1e3 + self.ground_speed * _COARSE_SECONDS) / EARTH_RADIUS_M)
        farthest = max(abs(region.south), abs(region.north)) + reach
        sideways = reach / np.cos(np.radians(min(farthest, 85.0)))
        eastward = np.remainder(longitude - region.west + sideways, 360.0)
        over = (latitude > region.south - reach) & (latitude < region.north + reach)
        over &= eastward < region.east - region.west + 2 * sideways
        edges = np.diff(np.concatenate([[0], over.astype(np.int8), [0]]))
        first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
        return [(float(seconds[a]), float(seconds[b])) for a, b in zip(first, last, strict=True)]


def seconds_after_epoch(moment: np.datetime64) -> float:
    """Seconds from `EPOCH` to a UTC moment."""
    return float((moment.astype("datetime64[us]") - EPOCH) / np.timedelta64(1, "s"))


def wrapped_longitude(degrees: Floats) -> Floats:
    """Bring longitudes into [−180, 180)."""
    return np.asarray(np.remainder(degrees + 180.0, 360.0) - 180.0)


@cache
def sun_synchronous_orbit(
    revolutions: int, days: int, local_hour: float, *, is_ascending: bool
) -> CircularOrbit:
    """Return the orbit whose track repeats and whose node keeps its local mean solar time.

    Two conditions fix height and inclination: the node turns with the mean Sun, and `revolutions`
    orbits take exactly `days` solar days.

    Args:
        revolutions: orbits in a repeat cycle.
        days: length of the cycle.
        local_hour: local mean solar time at which the sunlit side crosses the equator.
        is_ascending: whether it does so northward.
    """

    def inclination(axis: float) -> float:
        polar = nodal_precession(axis, 0.0)  # at i = 0: the rate divided by cos i
        return float(np.arccos(SUN_RATE / polar))

    wanted = 2 * np.pi * revolutions / (days * SECONDS_PER_DAY)
    axis = brentq(
        lambda a: orbital_rate(a, inclination(a)) - wanted, 6.6e6, 7.6e6, xtol=1e-6, rtol=1e-14
    )
    # At the epoch it is midnight in Greenwich: 15° of longitude for every hour of local time.
    ascending_hour = local_hour if is_ascending else local_hour - 12.0
    longitude = float(wrapped_longitude(np.asarray(15.0 * ascending_hour)))
    return CircularOrbit(float(axis), float(np.degrees(inclination(axis))), longitude)


def oco2_orbit() -> CircularOrbit:
    """233 orbits in 16 days near 705 km, northward at 13:36 (Crisp et al. 2017,
    doi:10.5194/amt-10-59-2017).
    """
    return sun_synchronous_orbit(233, 16, 13.6, is_ascending=True)


def gosat_orbit() -> CircularOrbit:
    """44 orbits in 3 days near 666 km, southward at 12:48 (Kuze et al. 2009,
    doi:10.1364/AO.48.006716).
    """
    return sun_synchronous_orbit(44, 3, 12.8, is_ascending=False)


def space_station_orbit() -> CircularOrbit:
    """The International Space Station: 51.64° and 415 km (Eldering et al. 2019,
    doi:10.5194/amt-12-2341-2019); its local time drifts through the day in two months.
    """
    return CircularOrbit(EQUATORIAL_RADIUS_M + 415e3, 51.64, 40.0)
