"""Surface CO2 exchange of the invented Earth: fossil points, biosphere, ocean and fires.

Fluxes are positive into the air, µmol m-2 s-1. Yearly totals follow the global carbon budget
(Friedlingstein et al. 2022, doi:10.5194/essd-14-4811-2022), rounded.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from co2net_phys.simulation import climate
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Field, Geography, Spot

SECONDS_PER_YEAR = 365.2425 * 86400

FOSSIL_PGC = 9.9
"""PgC a-1 from fuels and cement."""
OCEAN_PGC = -2.8
"""PgC a-1 taken up by the ocean, net."""
LAND_SINK_PGC = -3.9
"""PgC a-1 taken up by plants, net of fires."""
FIRE_PGC = 1.9
"""PgC a-1 from open burning."""

PRODUCTION_PGC = 130.0
"""PgC a-1 of gross photosynthesis under a clear sky."""

COMPONENTS = ("fossil", "biosphere", "ocean", "fires")

# Centre, radius (km) and relative strength of the large emitting regions.
EMITTERS: tuple[Spot, ...] = (
    (34.5, 115, 480, 6.0),
    (31, 120.5, 220, 6.0),
    (23, 113.5, 220, 3.5),
    (30, 105, 300, 1.8),
    (42, 123.5, 280, 2.5),
    (36, 128, 220, 3.5),
    (35.5, 138, 260, 4.0),
    (26, 81, 500, 2.4),
    (19, 75, 400, 1.6),
    (12, 79, 300, 1.2),
    (51, 6.5, 330, 3.6),
    (52.5, -1.5, 180, 2.6),
    (50.5, 18, 350, 2.4),
    (45, 10, 200, 2.2),
    (55.5, 38, 350, 1.8),
    (56, 62, 500, 0.8),
    (40.5, -75, 330, 3.6),
    (41, -86, 420, 2.6),
    (30.5, -93, 420, 2.2),
    (34.5, -118.5, 220, 2.4),
    (20, -100, 320, 1.6),
    (27.5, 49.5, 480, 2.4),
    (35.5, 52, 350, 1.5),
    (40, 30, 330, 1.2),
    (30.5, 31, 200, 1.6),
    (-26.5, 29, 260, 2.6),
    (6.5, 4, 250, 0.6),
    (-23, -46, 320, 1.2),
    (-34.5, -59, 250, 0.8),
    (-7, 110, 300, 1.6),
    (14.5, 101.5, 350, 1.2),
    (-34, 150, 300, 1.3),
    (53, -113.5, 280, 1.0),
)

# Centre, radius (km), relative strength; then the year phase of the season's peak.
FIRE_SEASONS: tuple[tuple[Spot, float], ...] = (
    ((8, 20, 900, 1.0), 0.02),
    ((-11, 24, 900, 1.3), 0.62),
    ((-11, -56, 700, 0.7), 0.70),
    ((19, 100, 450, 0.8), 0.22),
    ((-2, 112, 350, 0.8), 0.76),
    ((61, 118, 700, 0.45), 0.55),
    ((54, -118, 500, 0.4), 0.60),
    ((-15, 132, 550, 0.4), 0.78),
)


def petagrams_to_micromoles(petagrams_of_carbon: float) -> float:
    """Convert PgC a-1 to µmol s-1 (12.011 g of carbon per mole)."""
    return petagrams_of_carbon * 1e15 / 12.011 * 1e6 / SECONDS_PER_YEAR


class SurfaceSources:
    """Fluxes of every component at any moment, each (nlat, nlon) in µmol m-2 s-1.

    `seed` decides which days the fires flare up; without one they burn as on the mean of all days.
    """

    def __init__(self, geography: Geography, clock: Clock, seed: int | None = 0):
        self.geography, self.clock, self.seed = geography, clock, seed

    def flux(self, component: str, seconds: float, cloudiness: Field | float = 0.0) -> Field:
        """Flux of one of `COMPONENTS`; `cloudiness` in [0, 1] dims photosynthesis."""
        day, year = self.clock.day_phase(seconds), self.clock.year_phase(seconds)
        if component == "fossil":
            return self._fossil_pattern * self._fossil_rhythm(day, year)
        if component == "biosphere":
            return self._respiration(day, year) - self._photosynthesis(day, year, cloudiness)
        if component == "ocean":
            return self._ocean_pattern
        if component == "fires":
            return self._fires(seconds, day, year)
        raise KeyError(component)

    def _scaled(self, pattern: Field, petagrams: float) -> Field:
        return pattern * (
            petagrams_to_micromoles(petagrams) / self.geography.global_integral(pattern)
        )

    @cached_property
    def _fossil_pattern(self) -> Field:
        spots = self.geography.spots(EMITTERS) * (0.15 + 0.85 * self.geography.land)
        return 0.85 * self._scaled(spots, FOSSIL_PGC) + 0.15 * self._scaled(
            self.geography.land * (np.abs(self.geography.latitude - 15) < 45), FOSSIL_PGC
        )

    def _fossil_rhythm(self, day: float, year: float) -> Field:
        """Working hours and winter heating; the mean over day and year is one."""
        work = 1 + 0.25 * np.cos(2 * np.pi * (climate.local_day_phase(self.geography, day) - 0.6))
        heating = np.abs(np.sin(np.radians(self.geography.north)))
        return work * (1 - 0.25 * heating * climate.summer(self.geography, year, 0.55))

    @cached_property
    def _ocean_pattern(self) -> Field:
        north = self.geography.latitude
        uptake = np.exp(-(((np.abs(north) - 45) / 16) ** 2)) - 0.45 * np.exp(-((north / 9) ** 2))
        return self._scaled((1 - self.geography.land) * uptake, OCEAN_PGC)

    def _photosynthesis(self, day: float, year: float, cloudiness: Field | float) -> Field:
        return (
            self._production_scale * self._raw_photosynthesis(day, year) * (1 - 0.45 * cloudiness)
        )

    def _raw_photosynthesis(self, day: float, year: float) -> Field:
        """Light that saturates, on leaves that are out, at a temperature that suits them."""
        light = climate.sunlight(self.geography, day, year)
        celsius = climate.temperature(self.geography, day, year) - 273.15
        warmth = 1 / (1 + np.exp(-(celsius - 7) / 3))
        heat = 1 / (1 + np.exp((celsius - 38) / 3))
        return self.geography.vegetation * light / (light + 0.35) * warmth * heat

    def _respiration(self, day: float, year: float) -> Field:
        return self._respiration_scale * self._raw_respiration(day, year)

    def _raw_respiration(self, day: float, year: float) -> Field:
        """Doubles with every 18 K; stops in frozen ground."""
        celsius = climate.temperature(self.geography, day, year) - 273.15
        return 2 ** ((celsius - 15) / 18) / (1 + np.exp(-(celsius + 6) / 3))

    @cached_property
    def _annual_means(self) -> tuple[Field, Field]:
        """Unscaled photosynthesis and respiration, averaged over 24 seasons and 12 hours."""
        photosynthesis = np.zeros_like(self.geography.latitude)
        respiration = np.zeros_like(photosynthesis)
        moments = [(day / 12, (year + 0.5) / 24) for day in range(12) for year in range(24)]
        for day, year in moments:
            photosynthesis += self._raw_photosynthesis(day, year) / len(moments)
            respiration += self._raw_respiration(day, year) / len(moments)
        return photosynthesis, respiration

    @cached_property
    def _production_scale(self) -> float:
        annual = self.geography.global_integral(self._annual_means[0])
        return petagrams_to_micromoles(PRODUCTION_PGC) / annual

    @cached_property
    def _respiration_scale(self) -> Field:
        """Makes every place return what it took up in the year, less the land sink."""
        photosynthesis, respiration = self._annual_means
        mean_clouds = 1 - 0.45 * 0.5
        returned = 1 + LAND_SINK_PGC / (mean_clouds * PRODUCTION_PGC)
        return self._production_scale * mean_clouds * returned * photosynthesis / respiration

    @cached_property
    def _fire_patterns(self) -> list[tuple[Field, float]]:
        land = self.geography.land
        return [(self.geography.spots([spot]) * land, peak) for spot, peak in FIRE_SEASONS]

    def _fires(self, seconds: float, day: float, year: float) -> Field:
        afternoon = climate.local_day_phase(self.geography, day) - 0.6
        rhythm = 1 + 0.7 * np.cos(2 * np.pi * afternoon)
        days = int(np.floor(seconds / 86400))
        total = np.zeros_like(self.geography.latitude)
        for number, (pattern, peak) in enumerate(self._fire_patterns):
            season = np.exp((np.cos(2 * np.pi * (year - peak)) - 1) * 5)
            total += pattern * season * self._flare(number, days)
        return total * rhythm * self._fire_scale

    def _flare(self, number: int, day: int) -> float:
        """How a fire burns on a day; 1 on the mean of all days."""
        if self.seed is None:
            return 1.0
        random = np.random.default_rng([self.seed, 3, number, day + 10**6])
        return float(random.lognormal(-0.32, 0.8))

    @cached_property
    def _fire_scale(self) -> float:
        """Normalises the seasons' mean burning to `FIRE_PGC`."""
        phases = np.arange(48) / 48
        seasons = sum(
            self.geography.global_integral(pattern)
            * np.exp((np.cos(2 * np.pi * (phases - peak)) - 1) * 5).mean()
            for pattern, peak in self._fire_patterns
        )
        return petagrams_to_micromoles(FIRE_PGC) / float(seasons)
