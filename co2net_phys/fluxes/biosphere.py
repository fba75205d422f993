"""How the land of the synthetic carbon world breathes, and what satellites see of it.

Photosynthesis and respiration answer the weather of the day through water, warmth, light and
leaves. Two things the drivers do not tell decide much of what is left between them: the age of the
stands, a field fixed in time, and disturbances, after which respiration decays over years.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from co2net_phys.fluxes.schema import DRIVERS
from co2net_phys.fluxes.world_weather import DailyWeather

Array = NDArray[np.float64]

PRODUCTION_PGC = 125.0
"""PgC a-1 of photosynthesis, rounded (Beer et al. 2010, doi:10.1126/science.1184984: 123)."""

LAND_SINK = 0.025
"""Share of photosynthesis that land keeps: 3.1 PgC a-1, as in the paper's abstract."""

AGE_SPREAD = 0.05
"""Standard deviation, over stands of different age, of the share of photosynthesis respired."""

DISTURBANCES_PER_YEAR = 0.02
"""Chance of a cell to be struck in a year."""
DISTURBED_RESPIRATION = 0.25
"""Mean share by which a disturbance raises respiration at first."""
RECOVERY_DAYS = 900.0
"""e-folding time of what a disturbance does."""

SOIL_WATER = 150.0
"""kg m-2 that the soil holds when it is full."""

LEAF_DAYS = 20.0
"""Days over which leaves remember warmth and water."""

CYCLE_DAYS = 15
"""Width of the running mean that smooths a mean seasonal cycle."""


@dataclass(frozen=True)
class Biosphere:
    """What the land does and shows, by day and cell."""

    nee: Array
    """(time, cell) g m-2 d-1 of carbon, positive into the air."""
    respiration: Array
    """(time, cell) g m-2 d-1 of carbon."""
    drivers: dict[str, Array]
    """The ten drivers: (time, cell), or (cell,) for those that do not change."""


def breathe(
    weather: DailyWeather, lush: Array, area: Array, day_of_year: NDArray[np.int64], seed: int
) -> Biosphere:
    """Work out exchange and drivers.

    Args:
        weather: fields (time, cell).
        lush: (cell,) how much of the land could be green, 0…1.
        area: (cell,) land area, m2.
        day_of_year: (time,) from 0 on, 365 at most.
        seed: of stand ages and disturbances.
    """
    water = soil_water(weather)
    leaves = _leaves(weather, water, lush)
    production, respiration = _exchange(weather, water, leaves)
    scale = PRODUCTION_PGC / 365.25 / float((production.mean(axis=0) * area).sum() * 1e-15)
    production *= scale
    # Every place returns on average what it took up, but for the sink, its age and its past.
    returned = production.mean(axis=0) / np.maximum(respiration.mean(axis=0), 1e-12)
    respiration *= returned * (1 + _unseen(len(production), area, production, seed))
    drivers = _drivers(weather, water, leaves, day_of_year)
    return Biosphere(respiration - production, respiration, drivers)


def soil_water(weather: DailyWeather) -> Array:
    """Water availability (time, cell), 0…1: a bucket that rain fills and evaporation empties.

    The record is run through once before, so that its start is forgotten.
    """
    warm = _logistic(weather.temperature, 274.0, 3.0)
    demand = 0.021 * weather.radiation * warm  # kg m-2 d-1, from latent heat of 2.45 MJ kg-1
    available = np.full(demand.shape[1], 0.5)
    states = np.zeros_like(demand)
    for _ in range(2):
        for day, (rain, dries) in enumerate(zip(weather.rain, demand, strict=True)):
            change = (rain - dries * available) / SOIL_WATER
            available = np.clip(available + change, 0.0, 1.0)
            states[day] = available
    return states


def mean_seasonal_cycle(values: Array, day_of_year: NDArray[np.int64]) -> Array:
    """Mean over the years for each day (time, cell), smoothed over `CYCLE_DAYS`.

    The last day of a leap year takes the value of the day before.
    """
    day = np.minimum(day_of_year, 364)
    count = np.bincount(day, minlength=365)
    total = np.zeros((365, values.shape[1]))
    np.add.at(total, day, values)
    cycle = total / np.maximum(count, 1)[:, None]
    half = CYCLE_DAYS // 2
    wrapped = np.concatenate([cycle[-half:], cycle, cycle[:half]])
    sums = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), wrapped]), axis=0)
    return np.asarray(((sums[CYCLE_DAYS:] - sums[:-CYCLE_DAYS]) / CYCLE_DAYS)[day])


def _leaves(weather: DailyWeather, water: Array, lush: Array) -> Array:
    """Leaf cover (time, cell), 0…1."""
    wanted = _logistic(weather.temperature, 280.0, 3.0) * (0.3 + 0.7 * water)
    leaves = np.zeros_like(wanted)
    now = wanted.mean(axis=0)
    for _ in range(2):
        for day, target in enumerate(wanted):
            now = now + (target - now) / LEAF_DAYS
            leaves[day] = now
    return leaves * lush


def _exchange(weather: DailyWeather, water: Array, leaves: Array) -> tuple[Array, Array]:
    """Photosynthesis and respiration (time, cell), not yet scaled."""
    warmth = _logistic(weather.temperature, 278.0, 3.0) * _logistic(weather.temperature, 311, -3.0)
    light = weather.radiation / (weather.radiation + 180.0)
    production = _absorbed(leaves) * light * warmth * (0.25 + 0.75 * water)
    heat = 2 ** ((weather.temperature - 288.0) / 13.0)
    return production, heat * (0.2 + 0.8 * water) * _logistic(weather.temperature, 267.0, 3.0)


def _unseen(days: int, area: Array, production: Array, seed: int) -> Array:
    """What stand age and disturbances add to the share respired, (time, cell).

    Shifted so that the land as a whole keeps `LAND_SINK` of its photosynthesis.
    """
    random = np.random.default_rng([seed, 12])
    cells = len(area)
    added = np.repeat(AGE_SPREAD * random.standard_normal((1, cells)), days, axis=0)
    years = days / 365.25
    for cell, strikes in enumerate(random.poisson(DISTURBANCES_PER_YEAR * years, cells)):
        for _ in range(strikes):
            since = np.arange(days) - random.integers(days)
            blow = DISTURBED_RESPIRATION * random.exponential()
            added[:, cell] += np.where(since >= 0, blow * np.exp(-since / RECOVERY_DAYS), 0.0)
    weight = production.mean(axis=0) * area
    return np.asarray(added - (added.mean(axis=0) @ weight / weight.sum() + LAND_SINK))


def _drivers(
    weather: DailyWeather, water: Array, leaves: Array, day_of_year: NDArray[np.int64]
) -> dict[str, Array]:
    """The ten drivers of table A2, in order."""

    def cycle(values: Array) -> Array:
        return mean_seasonal_cycle(values, day_of_year)

    light, warmth = weather.radiation, weather.temperature
    ndvi, evi = 0.08 + 0.80 * leaves, 0.05 + 0.55 * leaves**1.2
    surface = warmth - 273.15 + 10.0 * light / 300.0 * (1.2 - leaves)
    moisture = -0.2 + 0.35 * leaves + 0.25 * water
    band_4 = 0.28 - 0.18 * leaves - 0.05 * water
    found = {
        "WAI2": water,
        "MSC_EVIRpot": cycle(evi * light),
        "MSC_FparLST": cycle(_absorbed(leaves) * surface),
        "MIN_MSC_NDWI": cycle(moisture).min(axis=0),
        "AMP_Band4": np.ptp(cycle(band_4), axis=0),
        "MSC_LST_Night": cycle(warmth - 4.0 - 5.0 * (1 - water)),
        "Rg_VIMSC": cycle(ndvi) * cycle(weather.potential_radiation),
        "AMP_MSC_NDVI": np.ptp(cycle(ndvi), axis=0),
        "Tair": warmth,
        "AMP_MSC_WAI": np.ptp(cycle(water), axis=0),
    }
    return {name: found[name] for name in DRIVERS}


def _absorbed(leaves: Array) -> Array:
    """Share of photosynthetic radiation that leaves absorb (Beer's law)."""
    return np.asarray(1 - np.exp(-2.5 * leaves))


def _logistic(values: Array, middle: float, width: float) -> Array:
    return np.asarray(1 / (1 + np.exp(-(values - middle) / width)))
