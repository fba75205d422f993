"""What stations would have measured of a simulated field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.stations import Station
from co2net_phys.metrics import sample_at
from co2net_phys.simulation.geography import Field

NOISE = 0.3
"""µmol mol-1, standard deviation: calibration and what one grid cell cannot represent."""

OUTAGE_EVERY_DAYS = 40.0
"""Mean days of operation between two failures of an instrument."""

OUTAGE_DAYS = 1.5
"""Mean length of a failure."""


class StationNetwork:
    """Samples fields at stations, with noise and outages drawn from a seed."""

    def __init__(
        self, stations: Sequence[Station], latitude: Field, longitude: Field, seed: int, step: float
    ):
        self.stations = tuple(stations)
        self.grid = (latitude, longitude)
        self.site_latitude = np.array([station.latitude for station in stations])
        self.site_longitude = np.array([station.longitude for station in stations])
        self.random = np.random.default_rng([seed, 2])
        days = step / 86400
        self.fails = 1 - np.exp(-days / OUTAGE_EVERY_DAYS)
        self.mends = 1 - np.exp(-days / OUTAGE_DAYS)
        self.down = self.random.random(len(self.stations)) < OUTAGE_DAYS / OUTAGE_EVERY_DAYS

    def observe(self, field: Field) -> NDArray[np.float32]:
        """Return one value per station, (S,), NaN where the instrument is down.

        `field` is (nlat, nlon) in µmol mol-1; each call is one time step later.
        """
        noise = self._advance()
        value = sample_at(field, *self.grid, self.site_latitude, self.site_longitude)
        return np.where(self.down, np.nan, value + NOISE * noise).astype(np.float32)

    def skip(self, steps: int) -> None:
        """Pass over `steps` observations: the next one is as if they had been made."""
        for _ in range(steps):
            self._advance()

    def _advance(self) -> NDArray[np.float64]:
        """Break and mend instruments for one step; return standard normal noise (S,)."""
        noise = self.random.standard_normal(len(self.stations))
        chance = self.random.random(len(self.stations))
        self.down = np.where(self.down, chance >= self.mends, chance < self.fails)
        return noise
