"""The invented ground of a region: mountains and basins, people, what covers the land.

Coarse mountains and coasts are those of the Earth; relief, towns and fields are drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from co2net_phys.data.regions import land_fraction
from co2net_phys.satellite.random_fields import KM_PER_DEGREE, RandomField
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import LAND_USES, Floats
from co2net_phys.simulation.geography import MOUNTAINS, great_circle_distance

RELIEF = ((120.0, 0.35), (45.0, 0.25), (15.0, 0.15))
"""Correlation length (km) of hills and the part of the mean altitude that they add or take."""

AREA_PER_CITY_KM2 = 1.2e5
LARGEST_CITY = 9e6
"""Inhabitants; the k-th city has this over k (Zipf's law)."""

RURAL_DENSITY = 40.0
"""Inhabitants per km2 of the best farmland."""

INCOME_USD = 12000.0
"""Yearly product of a person in a town; people elsewhere make half of it."""

GREENNESS = {
    "cropland": 0.65,
    "forest": 0.85,
    "orchard": 0.70,
    "mountain": 0.35,
    "urban": 0.20,
    "water": 0.03,
}
"""Largest vegetation index of each land use in the year."""


@dataclass(frozen=True)
class Cities:
    """Centres in degrees (n,), inhabitants (n,), and radius in km (n,)."""

    latitude: Floats
    longitude: Floats
    inhabitants: Floats
    radius_km: Floats


class Landscape:
    """Fixed maps of a region on any grid of rows and columns inside or around it."""

    def __init__(self, region: Region, seed: int) -> None:
        self.region, self.seed = region, seed

        def field(key: tuple[int, ...], length_km: float) -> RandomField:
            return RandomField(
                (seed, *key),
                length_km,
                np.inf,
                middle_latitude=(region.south + region.north) / 2,
                middle_longitude=(region.west + region.east) / 2,
            )

        self._relief = [(share, field((10, n), length)) for n, (length, share) in enumerate(RELIEF)]
        self._lakes, self._farms = field((11,), 25.0), field((12,), 60.0)

    def elevation(self, latitude: Floats, longitude: Floats) -> Floats:
        """Altitude of the ground in m (rows, columns); 0 over the sea."""
        north, east = np.meshgrid(latitude, longitude, indexing="ij")
        coarse = np.full(north.shape, 250.0)
        for centre_north, centre_east, radius, height in MOUNTAINS:
            distance = great_circle_distance(north, east, centre_north, centre_east)
            coarse += height * np.exp(-((distance / (radius * 1e3)) ** 2))
        relief = sum(
            share * field.on_grid(latitude, longitude, 0.0) for share, field in self._relief
        )
        return land_fraction(latitude, longitude) * coarse * np.exp(relief)

    @cached_property
    def cities(self) -> Cities:
        """Towns in the lowlands; their number grows with the region's area."""
        region, random = self.region, np.random.default_rng([self.seed, 13])
        elevation = self.elevation(region.latitude, region.longitude)
        suitable = np.exp(-elevation / 1000) * land_fraction(region.latitude, region.longitude)
        area = cell_areas_km2(region.latitude, region.longitude)
        count = int(np.clip(round(area.sum() / AREA_PER_CITY_KM2), 3, 60))
        places = np.stack([random.uniform(size=40 * count), random.uniform(size=40 * count)])
        row, column = (places * np.array(elevation.shape)[:, None]).astype(int)
        weight = suitable[row, column] + 1e-12  # over the sea only where there is nothing else
        chosen = random.choice(40 * count, count, replace=False, p=weight / weight.sum())
        inhabitants = LARGEST_CITY / np.arange(1, count + 1)
        return Cities(
            region.south + places[0, chosen] * (region.north - region.south),
            region.west + places[1, chosen] * (region.east - region.west),
            inhabitants,
            10 * (inhabitants / 1e6) ** 0.3,
        )

    def population_density(self, latitude: Floats, longitude: Floats) -> Floats:
        """Inhabitants per km2 (rows, columns)."""
        cities = self.cities
        towns = gaussian_spots(
            latitude,
            longitude,
            cities.latitude,
            cities.longitude,
            cities.radius_km,
            cities.inhabitants,
        )
        rural = RURAL_DENSITY * np.exp(-self.elevation(latitude, longitude) / 900)
        return land_fraction(latitude, longitude) * (towns + rural)

    def district_population(self, latitude: Floats, longitude: Floats) -> Floats:
        """Inhabitants of the district, which is whatever lies nearest to one city."""
        north, east = np.meshgrid(latitude, longitude, indexing="ij")
        nearest, least = np.zeros(north.shape, np.int64), np.full(north.shape, np.inf)
        centres = zip(self.cities.latitude, self.cities.longitude, strict=True)
        for number, (centre_north, centre_east) in enumerate(centres):
            distance = great_circle_distance(north, east, centre_north, centre_east)
            nearest = np.where(distance < least, number, nearest)
            least = np.minimum(distance, least)
        people = self.population_density(latitude, longitude) * cell_areas_km2(latitude, longitude)
        total: Floats = np.bincount(
            nearest.ravel(), people.ravel(), len(self.cities.latitude)
        ).astype(np.float64)
        return total[nearest]

    def domestic_product(self, latitude: Floats, longitude: Floats) -> Floats:
        """Yearly product in USD per km2 (rows, columns)."""
        density = self.population_density(latitude, longitude)
        return INCOME_USD * density * (0.5 + 0.5 * density / (density + 500))

    def land_use(self, latitude: Floats, longitude: Floats) -> dict[str, Floats]:
        """Fraction of each of `LAND_USES` (rows, columns); they sum to 1."""
        elevation = self.elevation(latitude, longitude)
        farms = self._farms.on_grid(latitude, longitude, 0.0)
        land = land_fraction(latitude, longitude)
        lakes = 0.06 * expit(3 * self._lakes.on_grid(latitude, longitude, 0.0) - 3)
        urban = land * (1 - np.exp(-self.population_density(latitude, longitude) / 2500))
        water = (1 - land) + (land - urban) * lakes
        weights = {
            "cropland": np.exp(-((elevation / 900) ** 2) + 0.4 * farms),
            "forest": np.exp(-(((elevation - 1700) / 1100) ** 2)),
            "orchard": 0.12 * np.exp(-(((elevation - 600) / 500) ** 2) - 0.4 * farms),
            "mountain": 0.03 + expit((elevation - 3200) / 400),
        }
        rest = (1 - urban - water) / sum(weights.values())
        shares = {use: weight * rest for use, weight in weights.items()}
        shares |= {"urban": urban, "water": water}
        return {use: shares[use] for use in LAND_USES}

    def greenness(self, latitude: Floats, longitude: Floats) -> Floats:
        """Largest vegetation index in the year (rows, columns)."""
        shares = self.land_use(latitude, longitude)
        return np.asarray(sum(GREENNESS[use] * share for use, share in shares.items()))


def cell_areas_km2(latitude: Floats, longitude: Floats) -> Floats:
    """Areas of cells around equally spaced centres (rows, columns), km2."""
    height = KM_PER_DEGREE * np.gradient(latitude)
    width = KM_PER_DEGREE * np.gradient(longitude)
    return np.outer(height * np.cos(np.radians(latitude)), width)


def gaussian_spots(
    latitude: Floats,
    longitude: Floats,
    centre_latitude: Floats,
    centre_longitude: Floats,
    radius_km: Floats,
    weight: Floats,
) -> NDArray[np.float64]:
    """Sum of round Gaussians, each with an area integral of `weight` (rows, columns), km-2.

    A round Gaussian is a product of one in latitude and one in longitude, so that the sum over all
    of them is one product of matrices.
    """
    north = (latitude[:, None] - centre_latitude) * KM_PER_DEGREE / radius_km
    shrink = np.cos(np.radians(centre_latitude))
    east = (longitude[:, None] - centre_longitude) * KM_PER_DEGREE * shrink / radius_km
    height = weight / (2 * np.pi * radius_km**2)
    return np.asarray((height * np.exp(-0.5 * north**2)) @ np.exp(-0.5 * east**2).T)
