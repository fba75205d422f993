"""What a site tells before it measures: sea or land, height, people near by.

None of it depends on a measurement, so a site that is left out may be described as well.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.baselines.sphere import great_circle_degrees, unit_vectors
from co2net_phys.data.regions import OCEAN_CODE, continent_raster
from co2net_phys.products.observations import Series
from co2net_phys.solvers.constants import EARTH_RADIUS_M

Floats = NDArray[np.float64]

EARTH_RADIUS_KM = EARTH_RADIUS_M / 1e3
LAND_RADIUS_KM = 100.0
NEAR_KM, WIDE_KM = 60.0, 250.0
"""Radii of the Gaussian neighbourhoods in which land and people count."""

FEWEST_PEOPLE = 1e4
"""Inhabitants of a neighbourhood below which it counts as empty."""

MOUNTAIN_METRES = 1500.0
"""Height over which the influence of the lowland falls by e."""

LOWLAND_METRES = 200.0
"""Elevation of a site of which none is known, and no other site within `SAME_TERRAIN_KM`."""

SAME_TERRAIN_KM = 100.0
ALL_HOURS = "allhours"
"""Selection tag of means that include the night, when CO2 of the ground stays below."""


@dataclass(frozen=True)
class Surroundings:
    """Descriptions of S series, each (S,).

    Attributes:
        latitude, longitude: degrees.
        land: share of land within about 100 km, 0…1.
        height: intake above sea level, metres.
        mountain: 1 − exp(−height / 1500 m), 0…1.
        people: orders of magnitude of the inhabitants within about 60 km above ten thousand.
        people_wide: the same within about 250 km.
        all_hours: 1 where the means include the night, else 0.
    """

    latitude: Floats
    longitude: Floats
    land: Floats
    height: Floats
    mountain: Floats
    people: Floats
    people_wide: Floats
    all_hours: Floats


def surroundings(series: Sequence[Series]) -> Surroundings:
    """Describe series from their place, name and the packaged maps."""
    latitude = np.array([one.site_latitude for one in series])
    longitude = np.array([one.site_longitude for one in series])
    intake = np.nan_to_num([one.series_height for one in series])
    height = np.maximum(known_elevations(series), 0.0) + intake
    near, wide = (inhabitants(latitude, longitude, radius) for radius in (NEAR_KM, WIDE_KM))
    return Surroundings(
        latitude=latitude,
        longitude=longitude,
        land=land_near(latitude, longitude),
        height=height,
        mountain=-np.expm1(-height / MOUNTAIN_METRES),
        people=np.log10(1 + near / FEWEST_PEOPLE),
        people_wide=np.log10(1 + wide / FEWEST_PEOPLE),
        all_hours=np.array([float(one.selection_tag == ALL_HOURS) for one in series]),
    )


def distances_km(
    latitude: Floats, longitude: Floats, other_latitude: Floats, other_longitude: Floats
) -> Floats:
    """Great-circle distances (n, m) in km between places (n,) and places (m,)."""
    degrees = great_circle_degrees(
        *(torch.as_tensor(x) for x in (latitude, longitude, other_latitude, other_longitude))
    )
    return np.radians(degrees.numpy()) * EARTH_RADIUS_KM


def known_elevations(series: Sequence[Series]) -> Floats:
    """Elevation (S,) of the ground in metres: of the file, of the packaged list, or a guess.

    The guess is that of the nearest site of known elevation within 100 km, or a lowland.
    """
    listed = _site_elevations()
    known = np.array(
        [
            one.elevation if np.isfinite(one.elevation) else listed.get(one.site, np.nan)
            for one in series
        ]
    )
    there = np.flatnonzero(np.isfinite(known))
    if not there.size:
        return np.full(known.shape, LOWLAND_METRES)
    north = np.array([one.site_latitude for one in series])
    east = np.array([one.site_longitude for one in series])
    distance = distances_km(north, east, north[there], east[there])
    nearest = distance.argmin(axis=1)
    is_near = distance[np.arange(known.size), nearest] <= SAME_TERRAIN_KM
    guess = np.where(is_near, known[there][nearest], LOWLAND_METRES)
    return np.where(np.isfinite(known), known, guess)


def land_near(latitude: Floats, longitude: Floats) -> Floats:
    """Share of land (S,) around places, Gaussian weights of 100 km."""
    raster = continent_raster() != OCEAN_CODE
    centres, area = _cells(raster.shape)
    shares = []
    for place in _vectors(latitude, longitude):
        weight = area * _closeness(centres @ place, LAND_RADIUS_KM)
        shares.append(weight[raster.ravel()].sum() / weight.sum())
    return np.array(shares)


def inhabitants(latitude: Floats, longitude: Floats, radius_km: float) -> Floats:
    """Inhabitants (S,) of towns around places, Gaussian weights of the radius."""
    people = _town_inhabitants()
    settled = people.ravel() > 0
    centres = _cells(people.shape)[0][settled]
    closeness = _closeness(_vectors(latitude, longitude) @ centres.T, radius_km)
    return np.asarray(closeness @ people.ravel()[settled])


def _closeness(cosine: Floats, radius_km: float) -> Floats:
    """Gaussian of the chord between points whose vectors have this scalar product."""
    squared_km = 2 * (1 - cosine) * EARTH_RADIUS_KM**2
    return np.asarray(np.exp(-squared_km / (2 * radius_km**2)))


def _vectors(latitude: Floats, longitude: Floats) -> Floats:
    return unit_vectors(torch.as_tensor(latitude), torch.as_tensor(longitude)).numpy()


@lru_cache(maxsize=2)
def _cells(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Unit vectors (cells, 3) and relative areas (cells,) of a raster from the south-west."""
    latitude = (np.arange(shape[0]) + 0.5) * 180 / shape[0] - 90
    longitude = (np.arange(shape[1]) + 0.5) * 360 / shape[1] - 180
    north, east = (axis.ravel() for axis in np.meshgrid(latitude, longitude, indexing="ij"))
    return _vectors(north, east), np.cos(np.radians(north))


@lru_cache(maxsize=1)
def _town_inhabitants() -> Floats:
    """Inhabitants of towns (720, 1440); © GeoNames, https://www.geonames.org, CC BY 4.0."""
    resource = files("co2net_phys.crossvalidation") / "town_inhabitants.npz"
    with as_file(resource) as path, np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive["thousands"] * 1e3, dtype=np.float64)


@lru_cache(maxsize=1)
def _site_elevations() -> dict[str, float]:
    """Elevation by site code, metres."""
    resource = files("co2net_phys.crossvalidation") / "site_elevations.csv"
    lines = resource.read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {row["code"]: float(row["elevation_masl"]) for row in rows}
