"""The covariates of the invented world, in one store for each way of changing.

Ground and people are known on the truth's grid; the weather, as from a reanalysis, on one of a
quarter of a degree that reaches beyond the region.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from co2net_phys.satellite.clouds import cloud_chance, elevation_effect
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import LAND_USES, Floats
from co2net_phys.satellite.truth import Truth

WEATHER_SPACING = 0.25
"""Degrees, as ERA5; a wider grid of the truth has weather on it as wide."""

VEGETATION_DAYS = 8
"""A vegetation index is made every eight days, as MODIS does."""

POPULATION_GROWTH = 0.005
"""A year."""
PRODUCT_GROWTH = 0.05
"""A year."""

CARBON_UPTAKE = 4.5
"""g m-2 d-1 of net primary production in full, warm growth."""


@dataclass(frozen=True)
class CovariateStore:
    """One store to write: its grid, its times, and how to make a record.

    Attributes:
        name: of the folder, ends in .zarr.
        times: of the records, datetime64[D]; none for a store of maps that never change.
        variables: names from the schema.
        fields: makes all maps (rows, columns) for a time; for a store without times, of any.
    """

    name: str
    region: Region
    times: Sequence[np.datetime64]
    variables: tuple[str, ...]
    fields: Callable[[np.datetime64], Mapping[str, Floats]]


def covariate_stores(truth: Truth) -> list[CovariateStore]:
    """All stores of a world."""
    region, dates = truth.region, truth.config.dates
    weather = CoarseWeather(truth)
    people = People(truth)
    vegetation = np.arange(dates[0], dates[-1] + 1, VEGETATION_DAYS)
    years = np.arange(
        dates[0].astype("datetime64[Y]"), dates[-1].astype("datetime64[Y]") + 1
    ).astype("datetime64[D]")
    return [
        CovariateStore(
            "elevation.zarr", region, (), ("elevation",), lambda _: {"elevation": truth.elevation}
        ),
        CovariateStore(
            "people.zarr", region, list(years), tuple(people.fields(years[0])), people.fields
        ),
        CovariateStore(
            "vegetation.zarr",
            region,
            list(vegetation),
            ("ndvi", "net_primary_productivity"),
            lambda day: vegetation_fields(truth, day),
        ),
        CovariateStore(
            "weather.zarr", weather.region, list(dates), CoarseWeather.names, weather.fields
        ),
    ]


def vegetation_fields(truth: Truth, day: np.datetime64) -> dict[str, Floats]:
    """Vegetation index and net primary productivity (rows, columns) of the days from `day` on."""
    middle = day + VEGETATION_DAYS // 2
    index = truth.vegetation_index(middle)
    places = truth.region.latitude, truth.region.longitude
    warmth = truth.weather.temperature(*places, truth.elevation, middle)
    growth = np.clip(warmth / 20, 0, 1) * np.maximum(index, 0)
    return {"ndvi": index, "net_primary_productivity": CARBON_UPTAKE * growth}


class People:
    """Who lives where, and what the land is used for; a year's maps."""

    def __init__(self, truth: Truth) -> None:
        region, landscape = truth.region, truth.landscape
        places = region.latitude, region.longitude
        self._first_year = _year(np.datetime64("2015", "D"))
        self._density = landscape.population_density(*places)
        self._district = landscape.district_population(*places)
        self._product = landscape.domestic_product(*places)
        self._land_use = landscape.land_use(*places)

    def fields(self, day: np.datetime64) -> dict[str, Floats]:
        """Maps (rows, columns) of the year that begins on `day`."""
        years = _year(day) - self._first_year
        people, product = (1 + POPULATION_GROWTH) ** years, (1 + PRODUCT_GROWTH) ** years
        return {
            "population_density": people * self._density,
            **{f"{use}_fraction": self._land_use[use] for use in LAND_USES},
            "gross_domestic_product": product * self._product,
            "district_population": people * self._district,
        }


class CoarseWeather:
    """The day's weather on its own grid."""

    names = (
        "evaporation",
        "precipitation",
        "surface_pressure",
        "relative_humidity",
        "sunshine_duration",
        "temperature",
        "wind_speed",
    )

    def __init__(self, truth: Truth) -> None:
        self.truth, self.region = truth, surrounding_grid(truth.region)
        self._elevation = truth.landscape.elevation(self.region.latitude, self.region.longitude)
        self._mean_effect = float(elevation_effect(truth.elevation).mean())

    def fields(self, day: np.datetime64) -> dict[str, Floats]:
        """Maps (rows, columns) of all `names`."""
        weather, ground = self.truth.weather, self._elevation
        places = self.region.latitude, self.region.longitude
        chance = cloud_chance(
            self.truth.config.cloud_fraction, ground, self._mean_effect, weather.season(day)
        )
        cover = weather.cloud_cover(*places, chance, day)
        temperature = weather.temperature(*places, ground, day)
        return weather.moist_weather(places[0], cover, temperature, day) | {
            "surface_pressure": weather.surface_pressure(*places, ground, day),
            "temperature": temperature,
            "wind_speed": weather.wind_speed(*places, day),
        }


def surrounding_grid(region: Region) -> Region:
    """A grid of `WEATHER_SPACING`, or the region's own if that is wider, round the whole region."""
    spacing = max(WEATHER_SPACING, region.spacing)
    rows = int(np.ceil((region.north - region.south) / spacing)) + 1
    columns = int(np.ceil((region.east - region.west) / spacing)) + 1
    south, west = region.south - spacing / 2, region.west - spacing / 2
    if west < -180:
        west += 360
    return Region(west, south, west + columns * spacing, south + rows * spacing, spacing)


def _year(day: np.datetime64) -> int:
    years: NDArray[np.int64] = np.asarray(day.astype("datetime64[Y]")).astype(np.int64)
    return int(years) + 1970
