"""The invented Earth's fixed maps: land, mountains, vegetation, and spots drawn on the sphere.

Places and sizes are rounded facts of geography; the maps are smooth caricatures, good enough for a
believable tracer and small enough to read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.regions import land_fraction
from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.grid import Grid

Field = NDArray[np.float64]
Spot = tuple[float, float, float, float]
"""Latitude and longitude (degrees), radius (km), and height of a Gaussian spot."""

MOUNTAINS: tuple[Spot, ...] = (
    (33, 88, 900, 4600),  # Tibet and the Himalaya
    (42, 72, 500, 1800),  # Tien Shan and Pamir
    (40, -110, 800, 1700),  # Rocky Mountains
    (24, -103, 400, 1500),  # Mexican plateau
    (-16, -68, 450, 3200),  # central Andes
    (-33, -70, 300, 2000),  # southern Andes
    (3, -75, 300, 1500),  # northern Andes
    (72, -40, 700, 2300),  # Greenland
    (-82, 60, 1600, 2900),  # East Antarctica
    (-80, -110, 700, 1300),  # West Antarctica
    (9, 39, 500, 1700),  # Ethiopian highlands
    (-28, 28, 500, 1200),  # South African plateau
    (33, 53, 600, 1200),  # Iranian plateau
    (46, 10, 200, 1000),  # Alps
    (47, 103, 700, 1300),  # Mongolian plateau
)

DESERTS: tuple[Spot, ...] = (
    (23, 5, 1500, 0.97),  # Sahara, west
    (24, 25, 1200, 0.97),  # Sahara, east
    (23, 47, 900, 0.95),  # Arabia
    (32, 58, 700, 0.8),  # Iran
    (41, 85, 900, 0.9),  # Taklamakan
    (43, 107, 700, 0.8),  # Gobi
    (45, 60, 700, 0.75),  # Kazakhstan
    (27, 72, 400, 0.7),  # Thar
    (-25, 130, 1100, 0.85),  # central Australia
    (36, -114, 600, 0.8),  # south-western North America
    (-23, -69, 400, 0.9),  # Atacama
    (-24, 18, 500, 0.7),  # Namib and Kalahari
    (-45, -69, 400, 0.6),  # Patagonia
    (75, -42, 1100, 1.0),  # Greenland
)


def great_circle_distance(
    latitude: Field, longitude: Field, centre_latitude: float, centre_longitude: float
) -> Field:
    """Distance in metres of every point to a centre; angles in degrees (haversine formula)."""
    north, centre_north = np.radians(latitude), np.radians(centre_latitude)
    east = np.radians(longitude - centre_longitude)
    half = (
        np.sin((north - centre_north) / 2) ** 2
        + np.cos(north) * np.cos(centre_north) * np.sin(east / 2) ** 2
    )
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


@dataclass(frozen=True)
class Geography:
    """Fixed maps on a grid, each (nlat, nlon)."""

    grid: Grid

    @property
    def north(self) -> Field:
        """Degrees north, (nlat, 1): what depends on latitude alone is worked out once a row."""
        return self.grid.latitude[:, None]

    @property
    def east(self) -> Field:
        """Degrees east, (1, nlon)."""
        return self.grid.longitude[None, :]

    @cached_property
    def latitude(self) -> Field:
        """Degrees north, broadcast to the grid."""
        return np.repeat(self.grid.latitude[:, None], self.grid.nlon, axis=1)

    @cached_property
    def longitude(self) -> Field:
        """Degrees east, broadcast to the grid."""
        return np.repeat(self.grid.longitude[None, :], self.grid.nlat, axis=0)

    @cached_property
    def land(self) -> Field:
        """Land fraction, in [0, 1]."""
        return land_fraction(self.grid.latitude, self.grid.longitude)

    @cached_property
    def orography(self) -> Field:
        """Surface altitude in metres; zero over the sea."""
        return self.land * (150 + self.spots(MOUNTAINS))

    @cached_property
    def vegetation(self) -> Field:
        """Productive land, in [0, 1]: none in deserts, on ice and on mountain tops."""
        bare = 1 - np.prod([1 - self.spots([spot]) for spot in DESERTS], axis=0)
        north = np.abs(self.latitude)
        climate = np.exp(-((north / 12) ** 2)) + 0.85 * np.exp(-(((self.latitude - 50) / 22) ** 2))
        climate += 0.5 * np.exp(-(((self.latitude + 28) / 14) ** 2))
        ice = (self.latitude < -60) | (self.latitude > 75)
        thin_air = np.clip(1 - self.orography / 4000, 0, 1)
        return np.where(ice, 0, self.land * np.clip(climate, 0, 1) * (1 - bare) * thin_air)

    def spots(self, spots: Iterable[Spot]) -> Field:
        """Sum of Gaussian spots (latitude, longitude, radius in km, height)."""
        total = np.zeros(self.latitude.shape)
        for latitude, longitude, radius, height in spots:
            distance = great_circle_distance(self.latitude, self.longitude, latitude, longitude)
            total += height * np.exp(-((distance / (radius * 1e3)) ** 2))
        return total

    def global_integral(self, field: Field) -> float:
        """Area integral over the sphere, [field] m2."""
        return float((field * self.grid.cell_area).sum())
