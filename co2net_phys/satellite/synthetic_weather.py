"""The invented weather of a region: travelling pressure systems, and all that goes with them.

Anomalies are random fields that drift with the wind; so any moment can be asked for, in any order.
Pressure, temperature, clouds and XCO2 share some of their fields, as they do under a real sky.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from co2net_phys.satellite.orbits import seconds_after_epoch
from co2net_phys.satellite.random_fields import RandomField
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import Floats
from co2net_phys.simulation.climate import LAPSE_RATE, SCALE_HEIGHT, declination
from co2net_phys.solvers.constants import SECONDS_PER_DAY

DRIFT = (8.0, 1.5)
"""m s-1, eastward and northward: how fast weather systems travel."""

MEAN_WIND = (2.5, 0.5)
"""m s-1, of the layer in which plumes travel."""

LARGE_CLOUDS = 0.75
"""Share of the variance of clouds in systems of hundreds of kilometres; the rest is in puffs."""

SEA_LEVEL_PRESSURE = 1013.25
"""hPa."""

SUNLIT_SHARE = 0.85
"""Of the sunshine that clouds can take away."""


def days_after_epoch(day: np.datetime64, middle_longitude: float) -> float:
    """Days from the orbits' epoch to 13:30 local mean solar time of a UTC day."""
    return seconds_after_epoch(day) / SECONDS_PER_DAY + 0.5625 - middle_longitude / 360


def year_phase(day: np.datetime64) -> float:
    """Fraction of the calendar year at the start of a day, in [0, 1)."""
    year = day.astype("datetime64[Y]")
    length = (year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")
    return float((day - year) / length)


class Weather:
    """Fields of a region's weather; places on grids of rows and columns, times as days."""

    def __init__(self, region: Region, seed: int) -> None:
        self.middle_latitude = (region.south + region.north) / 2
        self.middle_longitude = (region.west + region.east) / 2

        def field(number: int, length_km: float, days: float) -> RandomField:
            return RandomField(
                (seed, 20, number),
                length_km,
                days,
                middle_latitude=self.middle_latitude,
                middle_longitude=self.middle_longitude,
                drift_m_s=DRIFT,
            )

        self.pressure_systems = field(0, 700.0, 4.0)
        self.air_masses = field(1, 450.0, 3.0)
        self.gusts = (field(2, 400.0, 2.0), field(3, 400.0, 2.0))
        self._cloud_systems = field(4, 180.0, 1.0)
        self._cloud_puffs = field(5, 8.0, 0.1)
        self.background_air = field(6, 350.0, 2.5)

    def moment(self, day: np.datetime64) -> float:
        """Days after the epoch at 13:30 local time in the middle of the region."""
        return days_after_epoch(day, self.middle_longitude)

    def season(self, day: np.datetime64) -> float:
        """Fraction of the year since northern midwinter's January, shifted by half in the south."""
        return (year_phase(day) + (0.5 if self.middle_latitude < 0 else 0.0)) % 1.0

    def wind_at(
        self, latitude: Floats, longitude: Floats, days: Floats | float
    ) -> tuple[Floats, Floats]:
        """Eastward and northward wind at points (n,), m s-1."""
        eastward, northward = (gust.at(latitude, longitude, days) for gust in self.gusts)
        return MEAN_WIND[0] + 2.5 * eastward, MEAN_WIND[1] + 2.5 * northward

    def wind_speed(self, latitude: Floats, longitude: Floats, day: np.datetime64) -> Floats:
        """m s-1 (rows, columns)."""
        moment = self.moment(day)
        east, north = (gust.on_grid(latitude, longitude, moment) for gust in self.gusts)
        return np.hypot(MEAN_WIND[0] + 2.5 * east, MEAN_WIND[1] + 2.5 * north)

    def surface_pressure(
        self, latitude: Floats, longitude: Floats, elevation: Floats, day: np.datetime64
    ) -> Floats:
        """hPa (rows, columns) at ground of that altitude in m."""
        systems = self.pressure_systems.on_grid(latitude, longitude, self.moment(day))
        return (SEA_LEVEL_PRESSURE + 6 * systems) * np.exp(-elevation / SCALE_HEIGHT)

    def temperature(
        self, latitude: Floats, longitude: Floats, elevation: Floats, day: np.datetime64
    ) -> Floats:
        """°C (rows, columns)."""
        moment = self.moment(day)
        systems = self.pressure_systems.on_grid(latitude, longitude, moment)
        masses = self.air_masses.on_grid(latitude, longitude, moment)
        sine = np.abs(np.sin(np.radians(latitude)))[:, None]
        summer = np.cos(2 * np.pi * (self.season(day) - 0.55))
        normal = 29 - 48 * sine**2 + (2 + 17 * sine) * summer - LAPSE_RATE * elevation
        return np.asarray(normal + 2.5 * masses - 1.5 * systems)

    def clearness_at(self, latitude: Floats, longitude: Floats, days: Floats) -> Floats:
        """A standard normal field at points (n,): the lower it is, the likelier clouds are."""
        systems = self.pressure_systems.at(latitude, longitude, days)
        large = np.sqrt(0.8) * self._cloud_systems.at(latitude, longitude, days)
        large += np.sqrt(0.2) * systems
        small = self._cloud_puffs.at(latitude, longitude, days)
        return np.sqrt(LARGE_CLOUDS) * large + np.sqrt(1 - LARGE_CLOUDS) * small

    def cloud_cover(
        self, latitude: Floats, longitude: Floats, chance: Floats, day: np.datetime64
    ) -> Floats:
        """Share of each cell under cloud (rows, columns), given the climate's chance of clouds.

        The puffs are averaged out: P(clearness < threshold | large systems).
        """
        moment = self.moment(day)
        large = np.sqrt(0.8) * self._cloud_systems.on_grid(latitude, longitude, moment)
        large += np.sqrt(0.2) * self.pressure_systems.on_grid(latitude, longitude, moment)
        distance = ndtri(chance) - np.sqrt(LARGE_CLOUDS) * large
        return np.asarray(ndtr(distance / np.sqrt(1 - LARGE_CLOUDS)))

    def moist_weather(
        self, latitude: Floats, cover: Floats, temperature: Floats, day: np.datetime64
    ) -> dict[str, Floats]:
        """Sunshine, humidity, rain and evaporation (rows, columns) that belong to a cloud cover.

        Returns:
            The schema's `sunshine_duration`, `relative_humidity`, `precipitation`, `evaporation`.
        """
        monsoon = 0.5 + 0.5 * np.cos(2 * np.pi * (self.season(day) - 0.55))
        sunshine = day_length(latitude, day)[:, None] * (1 - SUNLIT_SHARE * cover)
        humidity = np.clip(42 + 18 * monsoon + 35 * cover, 5, 100)
        rain = (4 + 26 * monsoon) * np.maximum(cover - 0.6, 0)
        warmth = np.exp(0.05 * (temperature - 15))
        return {
            "sunshine_duration": sunshine,
            "relative_humidity": humidity,
            "precipitation": rain,
            "evaporation": 0.03 * sunshine * warmth * (120 - humidity) / 10,
        }


def day_length(latitude: Floats, day: np.datetime64) -> Floats:
    """Hours from sunrise to sunset (n,) at latitudes in degrees."""
    sun = declination(year_phase(day))
    cosine = np.clip(-np.tan(np.radians(latitude)) * np.tan(sun), -1, 1)
    return np.asarray(24 / np.pi * np.arccos(cosine))
