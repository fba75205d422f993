"""What one satellite alone can say: its soundings where they are, and the simplest map of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from co2net_phys.errors import DataError
from co2net_phys.satellite.points import Days, Floats, Integers, Points, Samples
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.simple_rivals import SeasonPredictor, TrendAndSeason
from co2net_phys.satellite.tiles import Tile

EARTH_RADIUS_KM = 6371.0


@dataclass(frozen=True)
class InverseDistance:
    """Trend and season of the soundings, and what near soundings differ from them.

    The difference is the mean over the nearest soundings in space and time, weighted by
    1/(d² + s²). The settings were chosen before any result was seen: weather moves XCO2 over some
    hundred kilometres in a day.
    """

    neighbours: int = 12
    kilometres_per_day: float = 100.0
    smoothing_km: float = 20.0
    """s: nearer soundings weigh no more, for the noise of one is not a map."""

    def fit(self, samples: Samples) -> InverseDistancePredictor:
        """Return the fitted method."""
        if len(samples) == 0:
            raise DataError(f"{samples.origin}: there is no sounding to interpolate")
        season = TrendAndSeason().fit(samples)
        differences = samples.xco2 - season.predict(samples)
        return InverseDistancePredictor(self, season, KDTree(self.place(samples)), differences)

    def place(self, points: Points) -> Floats:
        """Position (n, 4): on the sphere and in time, km."""
        north, east = np.radians(points.latitude), np.radians(points.longitude)
        across = np.cos(north)
        sphere = [across * np.cos(east), across * np.sin(east), np.sin(north)]
        days = points.time.astype("datetime64[D]").astype(np.float64)
        return np.stack([*(EARTH_RADIUS_KM * x for x in sphere), self.kilometres_per_day * days], 1)


@dataclass(frozen=True)
class InverseDistancePredictor:
    """What `InverseDistance` has learned."""

    method: InverseDistance
    season: SeasonPredictor
    tree: KDTree
    differences: Floats

    def predict(self, points: Points) -> Floats:
        """XCO2 (n,), µmol mol-1."""
        count = min(self.method.neighbours, len(self.differences))
        distance, near = self.tree.query(self.method.place(points), k=np.arange(1, count + 1))
        weight = 1 / (distance**2 + self.method.smoothing_km**2)
        difference = (weight * self.differences[near]).sum(axis=1) / weight.sum(axis=1)
        return np.asarray(self.season.predict(points) + difference)


class GriddedSoundings:
    """The samples themselves as maps, NaN where there is none."""

    def __init__(self, samples: Samples, region: Region, days: Days) -> None:
        rows, columns, inside = region.cells(samples.latitude, samples.longitude)
        day = np.searchsorted(days, samples.time.astype("datetime64[D]")).clip(0, len(days) - 1)
        inside &= days[day] == samples.time
        self._places: Integers = np.stack([day, rows, columns])[:, inside]
        self._values = samples.xco2[inside]

    def __call__(self, tile: Tile) -> Floats:
        """XCO2 (days, rows, columns) of a tile; the mean where several samples share a cell."""
        first = np.array([part.start for part in tile])[:, None]
        last = np.array([part.stop for part in tile])[:, None]
        chosen = ((self._places >= first) & (self._places < last)).all(axis=0)
        cell = np.ravel_multi_index(tuple(self._places[:, chosen] - first), tile.shape)
        size = int(np.prod(tile.shape))
        count = np.bincount(cell, minlength=size)
        total = np.bincount(cell, weights=self._values[chosen], minlength=size)
        with np.errstate(invalid="ignore"):
            return np.asarray(total / count).reshape(tile.shape)


def of_sensor(samples: Samples, code: int) -> Samples:
    """Return the samples that a sensor has a part in, see `schema.SENSORS`."""
    return samples.at((samples.sensors & code) > 0)
