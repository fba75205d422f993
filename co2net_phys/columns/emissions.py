"""Black carbon from the invented Earth's fires, whose regions have good and bad years."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

from co2net_phys.columns.levels import Array
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Geography
from co2net_phys.simulation.sources import FIRE_SEASONS, SurfaceSources

BLACK_CARBON_PER_CARBON = 1.0e-3
"""kg of black carbon per kg of carbon burnt: 1.9 PgC a-1 give 1.9 Tg a-1, near the 1.8 Tg a-1 of
van Marle et al. (2017), doi:10.5194/gmd-10-3329-2017, rounded."""

KILOGRAMS_PER_MICROMOLE = 12.011e-9
"""Of carbon."""

TRENDS = (-0.15, -0.1, 0.6, 0.35, 0.9, 0.3, 0.2, -0.05)
"""Relative change of each of `FIRE_SEASONS` from 1850 to 2020: savannas burn less, forests more."""

SPREADS = (0.1, 0.1, 0.35, 0.25, 0.8, 0.5, 0.5, 0.35)
"""Standard deviation of the logarithm of a year's burning, by region; largest in Indonesia."""


class FireEmissions:
    """Emission of black carbon in kg m-2 s-1 at any time.

    Places, seasons, daily course and flares are those of the twin's fires of CO2
    (`SurfaceSources`); each region is multiplied by its trend and by a lognormal number per year,
    linear between the middles of two years, so that 1 January brings no jump.
    """

    def __init__(self, geography: Geography, clock: Clock, seed: int) -> None:
        self.geography, self.clock, self.seed = geography, clock, seed
        self._fires = SurfaceSources(geography, clock, seed)
        self._years = lru_cache(maxsize=4)(self._year_map)

    def __call__(self, seconds: float) -> Array:
        """Emission at a time in seconds, (nlat, nlon)."""
        carbon = self._fires.flux("fires", seconds) * KILOGRAMS_PER_MICROMOLE
        return np.asarray(carbon * BLACK_CARBON_PER_CARBON * self._activity(seconds))

    def _activity(self, seconds: float) -> Array:
        """Burning relative to the normal of 1850, (nlat, nlon)."""
        middle = self.clock.years(seconds) - 0.5
        year = int(np.floor(middle))
        share = middle - year
        return (1 - share) * self._years(2000 + year) + share * self._years(2001 + year)

    def _year_map(self, year: int) -> Array:
        """The regions' factors of a year, blended where regions overlap."""
        factors = year_factors(year, self.seed)
        return np.asarray(np.tensordot(factors, self._weights, axes=1))

    @cached_property
    def _weights(self) -> Array:
        """(region, nlat, nlon) share of each region in the fires of a place, summing to 1."""
        # The small number keeps the shares defined far from every fire.
        spots = np.stack([self.geography.spots([spot]) + 1e-12 for spot, _ in FIRE_SEASONS])
        return np.asarray(spots / spots.sum(axis=0))


def year_factors(year: int, seed: int) -> Array:
    """(region,) burning of the regions in a calendar year, relative to the normal of 1850."""
    draws = np.random.default_rng([seed, 7, year]).standard_normal(len(SPREADS))
    spread = np.array(SPREADS)
    trend = 1.0 + np.array(TRENDS) * (year - 1850) / 170.0
    return np.asarray(np.maximum(trend, 0.1) * np.exp(spread * draws - spread**2 / 2))
