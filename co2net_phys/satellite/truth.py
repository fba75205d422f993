"""The true XCO2 of the invented world, a known sum of known causes.

    XCO2 = growth + season + weather + plumes of towns − uptake of plants − high ground

Each part is one method, in µmol mol-1; a day's map is for 13:30 local time and stands for the day.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.regions import land_fraction
from co2net_phys.satellite.landscape import Landscape, gaussian_spots
from co2net_phys.satellite.orbits import EPOCH
from co2net_phys.satellite.random_fields import KM_PER_DEGREE, RandomField
from co2net_phys.satellite.schema import Floats
from co2net_phys.satellite.simulation_options import SatelliteSimulationConfig
from co2net_phys.satellite.synthetic_weather import Weather
from co2net_phys.simulation.climate import SCALE_HEIGHT
from co2net_phys.solvers.constants import GRAVITY, SECONDS_PER_DAY

START_OF_2015 = 398.0
"""µmol mol-1, deseasonalised, at `EPOCH`."""

SEASON_WAVES = ((0.38633, 103.69, 1), (0.19102, -33.28, 2))
"""Amplitude (of a unit range), day of the year of a crest, waves in a year. These are the least
amplitudes that peak on 15 May, have their trough on 14 September, and differ by 1 between them."""

WEATHER_AMPLITUDE = 1.0
"""Standard deviation of the part that comes with the weather, µmol mol-1."""

UPTAKE_AMPLITUDE = 2.5
"""µmol mol-1 for a difference of 1 in the vegetation index."""

HIGH_GROUND_AMPLITUDE = 0.35
"""µmol mol-1 that a column loses with a kilometre of its lowest, richest air."""

PLUME_HOURS = 24.0
"""Age at which a plume has become part of the background."""

PUFF_MINUTES = 30.0
"""A town's smoke is a row of puffs, one each half hour."""

EDDY_DIFFUSIVITY = 1e4
"""m2 s-1: how puffs spread, σ² = σ0² + 2Kt."""

MOLAR_MASS_CO2 = 0.0440095
"""kg mol-1."""
MOLAR_MASS_AIR = 0.0289644
"""kg mol-1 of dry air."""

SECONDS_PER_YEAR = 365.25 * SECONDS_PER_DAY


class Truth:
    """True fields of the region, on its own grid; nothing depends on the days before."""

    def __init__(
        self, config: SatelliteSimulationConfig, landscape: Landscape, weather: Weather
    ) -> None:
        self.config, self.landscape, self.weather = config, landscape, weather
        self.region = config.region
        self._vegetation_noise = RandomField(
            (config.seed, 14),
            80.0,
            25.0,
            middle_latitude=weather.middle_latitude,
            middle_longitude=weather.middle_longitude,
        )

    @cached_property
    def elevation(self) -> Floats:
        """Altitude of the ground in m (rows, columns)."""
        return self.landscape.elevation(self.region.latitude, self.region.longitude)

    @cached_property
    def land(self) -> Floats:
        """Share of land (rows, columns) in [0, 1]."""
        return land_fraction(self.region.latitude, self.region.longitude)

    @cached_property
    def greenness(self) -> Floats:
        """Largest vegetation index in the year (rows, columns)."""
        return self.landscape.greenness(self.region.latitude, self.region.longitude)

    def xco2(self, day: np.datetime64) -> Floats:
        """Column mean of CO2 in dry air, µmol mol-1 (rows, columns)."""
        return (
            self.background(day)
            + self.weather_part(day)
            + self.plumes(day)
            - self.uptake(day)
            - self.high_ground()
        )

    def background(self, day: np.datetime64) -> float:
        """Growth and season, µmol mol-1; one number for the region."""
        years = float((day - EPOCH.astype("datetime64[D]")) / np.timedelta64(1, "D")) / 365.25
        return START_OF_2015 + self.config.growth * years + self.season(day)

    def season(self, day: np.datetime64) -> float:
        """The yearly wave, µmol mol-1."""
        day_of_year = 365.25 * self.weather.season(day)
        wave = sum(
            amplitude * np.cos(2 * np.pi * count * (day_of_year - crest) / 365.25)
            for amplitude, crest, count in SEASON_WAVES
        )
        return float(self.config.season_range * wave)

    def weather_part(self, day: np.datetime64) -> Floats:
        """What air from elsewhere brings (rows, columns): high pressure and cold air hold more."""
        moment, places = self.weather.moment(day), (self.region.latitude, self.region.longitude)
        return WEATHER_AMPLITUDE * (
            0.5 * self.weather.pressure_systems.on_grid(*places, moment)
            - 0.4 * self.weather.air_masses.on_grid(*places, moment)
            + np.sqrt(1 - 0.5**2 - 0.4**2) * self.weather.background_air.on_grid(*places, moment)
        )

    def vegetation_index(self, day: np.datetime64) -> Floats:
        """NDVI (rows, columns): latest and weakest on high ground."""
        phase = self.weather.season(day) - 0.56 - 0.01 * self.elevation / 1000
        season = 0.5 + 0.5 * np.cos(2 * np.pi * phase)
        noise = self._vegetation_noise.on_grid(
            self.region.latitude, self.region.longitude, self.weather.moment(day)
        )
        return np.clip(self.greenness * (0.45 + 0.5 * season + 0.05 * noise), -0.1, 1)

    def uptake(self, day: np.datetime64) -> Floats:
        """What plants here take up more than the region's mean (rows, columns)."""
        index = self.vegetation_index(day)
        return UPTAKE_AMPLITUDE * (index - index.mean())

    def high_ground(self) -> Floats:
        """What columns over high ground lack against the region's mean (rows, columns)."""
        return HIGH_GROUND_AMPLITUDE * (self.elevation - self.elevation.mean()) / 1000

    def plumes(self, day: np.datetime64) -> Floats:
        """Enhancement by the last day's emissions of the towns (rows, columns).

        Puffs drift with the wind at the town since their release, and spread. Their mass per area,
        in moles, over the moles of air above the ground, gives the mole fraction.
        """
        cities, (latitude, longitude, radius) = self.landscape.cities, self.puffs(day)
        kilograms = cities.inhabitants * self.config.emission_per_person * 1e3 / SECONDS_PER_YEAR
        each = np.repeat(kilograms * PUFF_MINUTES * 60, radius.shape[1])
        mass_per_km2 = gaussian_spots(
            self.region.latitude,
            self.region.longitude,
            latitude.ravel(),
            longitude.ravel(),
            radius.ravel(),
            each,
        )
        return mass_per_km2 / 1e6 / MOLAR_MASS_CO2 / self.moles_of_air * 1e6

    @cached_property
    def moles_of_air(self) -> Floats:
        """mol m-2 above the ground (rows, columns)."""
        pressure_pa = 101325 * np.exp(-self.elevation / SCALE_HEIGHT)
        return pressure_pa / (GRAVITY * MOLAR_MASS_AIR)

    def puffs(self, day: np.datetime64) -> tuple[Floats, Floats, Floats]:
        """Latitude, longitude (degrees) and radius (km) of every puff (towns, puffs)."""
        cities = self.landscape.cities
        step = PUFF_MINUTES * 60
        age = np.arange(step / 2, PLUME_HOURS * 3600, step)
        times = self.weather.moment(day) - age / SECONDS_PER_DAY
        shape = (len(cities.latitude), len(age))
        east, north = self.weather.wind_at(
            np.repeat(cities.latitude, len(age)),
            np.repeat(cities.longitude, len(age)),
            np.tile(times, len(cities.latitude)),
        )
        # A puff has felt every wind since its release; of its own interval only half.
        along_east, along_north = (
            step / 1e3 * (np.cumsum(wind.reshape(shape), axis=1) - wind.reshape(shape) / 2)
            for wind in (east, north)
        )
        shrink = np.cos(np.radians(cities.latitude))[:, None]
        latitude = cities.latitude[:, None] + along_north / KM_PER_DEGREE
        longitude = cities.longitude[:, None] + along_east / (KM_PER_DEGREE * shrink)
        radius = np.hypot(cities.radius_km[:, None], np.sqrt(2 * EDDY_DIFFUSIVITY * age) / 1e3)
        return latitude, longitude, radius


def at_places(
    field: Floats, latitude: Floats, longitude: Floats, places: tuple[Floats, Floats]
) -> NDArray[np.float64]:
    """Bilinear values of a field (rows, columns) at places (n,), held constant beyond the centres.

    Args:
        field: on the centres `latitude` and `longitude`, degrees, ascending and equally spaced.
        latitude: degrees north (rows,).
        longitude: degrees east (columns,).
        places: latitude and longitude (n,), in any turn of 360°.
    """
    rows, row = _bracket(latitude, places[0])
    eastward = longitude[0] - 180 + np.remainder(places[1] - longitude[0] + 180, 360)
    columns, column = _bracket(longitude, eastward)
    south = field[rows[0], columns[0]] * (1 - column) + field[rows[0], columns[1]] * column
    north = field[rows[1], columns[0]] * (1 - column) + field[rows[1], columns[1]] * column
    return np.asarray(south * (1 - row) + north * row)


def _bracket(
    centres: Floats, places: Floats
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], Floats]:
    """Indices of the centres on both sides, and the position in between in [0, 1]."""
    position = np.interp(places, centres, np.arange(len(centres), dtype=np.float64))
    lower = np.floor(position).astype(np.int64)
    return (lower, np.minimum(lower + 1, len(centres) - 1)), position - lower
