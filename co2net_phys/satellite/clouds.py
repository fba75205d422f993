"""Where the invented sky is clear: the reason why soundings are missing, and not at random.

A standard normal field of clearness is cut at the quantile of the chance of clouds, which depends
on the season and on the ground: basins lie under cloud, high plateaus are clear.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from co2net_phys.satellite.schema import Floats
from co2net_phys.satellite.synthetic_weather import Weather

SEASONAL_CHANGE = 0.10
"""How much the chance of clouds rises from its mean to the height of summer."""

BASIN_CHANGE = 0.30
"""How much the chance of clouds falls from sea level to very high ground."""

HIGHEST_CHANCE = 0.99


def cloud_chance(
    mean: float, elevation: Floats, mean_elevation_effect: float, season: Floats | float
) -> Floats:
    """Chance of clouds at ground of an altitude in m, in the shape of `elevation`.

    Args:
        mean: of the region and the year, in [0, 1).
        elevation: m.
        mean_elevation_effect: the region's mean of `elevation_effect`.
        season: fraction of the year since midwinter's January, one or one for each altitude.
    """
    if mean == 0:
        return np.zeros_like(elevation)
    summer = SEASONAL_CHANGE * np.cos(2 * np.pi * (season - 0.55))
    basin = BASIN_CHANGE * (elevation_effect(elevation) - mean_elevation_effect)
    # Towards a cloudless or an overcast climate both effects shrink, so that the mean stays.
    room = min(mean, HIGHEST_CHANCE - mean) / 0.5
    return np.clip(mean + room * (summer + basin), 0, HIGHEST_CHANCE)


def elevation_effect(elevation: Floats) -> Floats:
    """1 at sea level, towards 0 above 3 km."""
    return np.exp(-np.maximum(elevation, 0) / 1000)


def sky(
    weather: Weather, latitude: Floats, longitude: Floats, days: Floats, chance: Floats
) -> Floats:
    """How far each point (n,) is from clouds: below 0 cloudy, up to 1 in the clearest air.

    A share of 1 − `chance` of all points is clear, and among these the value is spread evenly, so
    that a quantile of it is a share of the clear points.
    """
    rank = ndtr(weather.clearness_at(latitude, longitude, days))
    return np.asarray((rank - chance) / (1 - chance))
