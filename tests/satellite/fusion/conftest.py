"""Samples of a small made-up world: tracks of a satellite over features that tell XCO2."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from co2net_phys.satellite.covariate_store import CovariateMap, Covariates
from co2net_phys.satellite.points import Samples
from co2net_phys.satellite.region import Region

MakeSamples = Callable[..., Samples]


@pytest.fixture
def make_samples() -> MakeSamples:
    """Samples on random days and places, XCO2 a function of their features plus noise."""

    def make(count: int = 400, seed: int = 0, days: int = 120, noise: float = 0.1) -> Samples:
        rng = np.random.default_rng(seed)
        day = rng.integers(days, size=count)
        latitude, longitude = rng.uniform(26, 34, count), rng.uniform(92, 108, count)
        elevation, wind = rng.uniform(0, 4000, count), rng.normal(5, 2, count)
        features = np.stack([latitude, longitude, elevation, wind, day.astype(float)], axis=1)
        season = np.sin(2 * np.pi * day / 365.25)
        xco2 = (
            410 + 2 * season + 0.3 * (wind - 5) - elevation / 4000 + noise * rng.normal(size=count)
        )
        return Samples(
            np.datetime64("2019-01-01") + day,
            latitude,
            longitude,
            features.astype(np.float32),
            ("latitude", "longitude", "elevation", "wind_speed", "day"),
            xco2,
            rng.choice([1, 2, 4], count),
            "made up",
        )

    return make


@pytest.fixture
def region() -> Region:
    return Region(92.0, 26.0, 94.0, 27.5, 0.25)


@pytest.fixture
def covariates() -> Covariates:
    """Elevation and daily temperature, on a grid coarser than the region's, for 20 days."""
    rng = np.random.default_rng(5)
    latitude, longitude = np.arange(25.5, 28.6, 0.5), np.arange(91.5, 95.1, 0.5)
    days = np.datetime64("2019-01-01", "ns") + np.arange(20) * np.timedelta64(1, "D")
    shape = (len(latitude), len(longitude))
    dataset = xr.Dataset(
        {
            "elevation": (("latitude", "longitude"), rng.uniform(0, 4000, shape), {"units": "m"}),
            "temperature": (
                ("time", "latitude", "longitude"),
                rng.normal(10, 5, (20, *shape)),
                {"units": "degC"},
            ),
        },
        coords={"time": days, "latitude": latitude, "longitude": longitude},
    )
    return Covariates([CovariateMap(dataset, "made up")])
