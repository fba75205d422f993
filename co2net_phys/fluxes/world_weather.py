"""Daily weather over the land of the synthetic carbon world.

Days come from the invented weather of `co2net_phys.simulation`; a slow red-noise anomaly of
temperature and rain, warm where it is dry, makes one year differ from the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.simulation import climate
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Geography
from co2net_phys.simulation.weather import SurfaceAnalysis, Weather
from co2net_phys.solvers import Grid, SphericalHarmonics

Array = NDArray[np.float64]

RECORDS_PER_DAY = 4
"""Weather records in a day."""

SAMPLED = (0, 2)
"""Which of them make a daily mean: twelve hours apart, so that the diurnal wave cancels."""

SOLAR_CONSTANT = 1361.0
"""W m-2 at the mean distance of the sun."""

SLOW_DAYS = 200.0
"""e-folding time of the anomalies that last from season to season."""
SLOW_KELVIN = 0.9
"""Their standard deviation in temperature, K."""
SLOW_RAIN = 0.3
"""Their standard deviation in rain, as a share of it."""
WARM_IS_DRY = 0.6
"""Correlation of warm and dry anomalies."""
_SLOW_DEGREE = 6


@dataclass(frozen=True)
class DailyWeather:
    """Fields (time, cell) for each day and cell of land."""

    temperature: Array
    """K, daily mean near the surface."""
    clouds: Array
    """Cloudiness, 0…1."""
    rain: Array
    """kg m-2 d-1."""
    potential_radiation: Array
    """W m-2 at the top of the atmosphere, daily mean."""

    @property
    def radiation(self) -> Array:
        """Global radiation at the ground, W m-2."""
        return self.potential_radiation * (0.76 - 0.5 * self.clouds)


def daily_weather(
    geography: Geography,
    truncation: int,
    cells: NDArray[np.bool_],
    days: NDArray[np.datetime64],
    seed: int,
    on_day: Callable[[int], None],
) -> DailyWeather:
    """Invent the weather of `days` in the cells (nlat, nlon) that are True.

    `on_day` is called with the number of each finished day.
    """
    harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation)
    clock = Clock(days[0].astype("datetime64[s]"))
    interval = 86400 / RECORDS_PER_DAY
    weather = Weather(harmonics, clock, seed, interval)
    analysis = SurfaceAnalysis(harmonics, geography.grid, clock)
    hemisphere = np.sign(geography.latitude)
    temperature, clouds = np.zeros((2, len(days), int(cells.sum())))
    for day in range(len(days)):
        for record in range(RECORDS_PER_DAY):
            if record in SAMPLED:
                state = weather.state()
                waves = harmonics.synthesise(state.waves, geography.grid).numpy()
                temperature[day] += analysis.fields(state)["tas"][cells] / len(SAMPLED)
                cyclonic = (-waves * hemisphere)[cells]
                clouds[day] += 1 / (1 + np.exp(-cyclonic / 4e6)) / len(SAMPLED)
            weather.advance()
        on_day(day)
    warm, wet = _slow_anomalies(geography.grid, len(days), cells, seed)
    latitude = geography.latitude[cells]
    phase = np.array([clock.year_phase(86400.0 * (day + 0.5)) for day in range(len(days))])
    rain = _normal_rain(geography, cells, phase) * 2.7 * clouds**2 * np.exp(SLOW_RAIN * wet)
    return DailyWeather(
        temperature + SLOW_KELVIN * warm, clouds, rain, potential_radiation(latitude, phase)
    )


def potential_radiation(latitude: Array, year_phase: Array) -> Array:
    """Daily mean radiation (time, cell) on top of the atmosphere, W m-2.

    Integral of the sun's elevation over the day, at its mean distance.
    """
    north = np.radians(latitude)
    sun = np.array([climate.declination(float(phase)) for phase in year_phase])[:, None]
    sunset = np.arccos(np.clip(-np.tan(north) * np.tan(sun), -1, 1))
    lift = sunset * np.sin(north) * np.sin(sun) + np.cos(north) * np.cos(sun) * np.sin(sunset)
    return np.asarray(SOLAR_CONSTANT / np.pi * lift)


def lushness(geography: Geography, cells: NDArray[np.bool_]) -> Array:
    """How much of the land of a cell (cell,) could be green, 0…1."""
    return np.clip(geography.vegetation[cells] / geography.land[cells], 0, 1)


def _normal_rain(geography: Geography, cells: NDArray[np.bool_], phase: Array) -> Array:
    """Mean rain (time, cell), kg m-2 d-1: a belt that follows the sun, storm tracks, deserts."""
    latitude = geography.latitude[cells]
    zone = 2 + 9 * np.cos(2 * np.pi * (phase - 0.58))[:, None]
    belt = 9.0 * np.exp(-(((latitude - zone) / 11) ** 2))
    tracks = 2.6 * np.exp(-(((np.abs(latitude) - 48) / 16) ** 2)) + 0.5
    return np.asarray((belt + tracks) * (0.08 + 0.92 * lushness(geography, cells)))


def _slow_anomalies(
    grid: Grid, days: int, cells: NDArray[np.bool_], seed: int
) -> tuple[Array, Array]:
    """Smooth anomalies (time, cell) of temperature and rain with unit variance on average."""
    random = np.random.default_rng([seed, 11])
    harmonics = SphericalHarmonics(grid, min(_SLOW_DEGREE, grid.max_truncation))
    months = days // 30 + 2
    memory = np.exp(-30 / SLOW_DAYS)
    patterns = np.stack(
        [smooth_noise(harmonics, random)[cells] for _ in range(2 * months)]
    ).reshape(2, months, -1)
    for month in range(1, months):
        patterns[:, month] = (
            memory * patterns[:, month - 1] + np.sqrt(1 - memory**2) * patterns[:, month]
        )
    position = np.arange(days) / 30
    before = position.astype(int)
    share = (position - before)[:, None]
    warm, other = patterns[:, before] * (1 - share) + patterns[:, before + 1] * share
    return warm, np.sqrt(1 - WARM_IS_DRY**2) * other - WARM_IS_DRY * warm


def smooth_noise(harmonics: SphericalHarmonics, random: np.random.Generator) -> Array:
    """A random field (nlat, nlon) of the degrees that `harmonics` resolves, unit variance."""
    white = torch.from_numpy(random.standard_normal(harmonics.grid.shape))
    smooth = harmonics.to_nodal(harmonics.to_modal(white)).numpy()
    weights = harmonics.grid.area_weights / harmonics.grid.area_weights.sum()
    mean = float((smooth * weights).sum())
    spread = float(np.sqrt(((smooth - mean) ** 2 * weights).sum()))
    return np.asarray((smooth - mean) / spread)
