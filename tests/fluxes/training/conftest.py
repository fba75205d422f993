"""A coarse land with drivers, NEE, towers and inversions that follow simple known rules."""

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.fluxes.drivers import DriverStore
from co2net_phys.fluxes.inversions import Inversions
from co2net_phys.fluxes.regions import (
    cell_areas,
    monthly_sums,
    region_fractions,
    regional_sums,
)
from co2net_phys.fluxes.schema import DRIVERS, NEE, QUANTITIES, STATIC_DRIVERS
from co2net_phys.fluxes.sites import Site
from co2net_phys.fluxes.towers import TowerTable
from co2net_phys.regridding import LatLonGrid


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


class CoarseLand:
    """NEE is 2·WAI2 + Tair/10 in all it has, so that a network can learn it."""

    def __init__(self, years, step=10.0):
        random = np.random.default_rng(3)
        self.grid = LatLonGrid.regular(step, step)
        self.fractions, self.areas = region_fractions(self.grid), cell_areas(self.grid)
        self.days = np.arange(f"{years[0]}-01-01", f"{years[-1] + 1}-01-01", dtype="datetime64[D]")
        year_phase = np.arange(len(self.days)) / 365.25
        latitude = self.grid.latitude[:, None]
        season = np.sin(2 * np.pi * year_phase)[:, None, None] * np.sin(np.radians(latitude))
        waves = np.cos(np.radians(np.outer([1, 2, 3], self.grid.longitude)))
        weather = (
            0.2
            * np.einsum(
                "tkw,ky,kx->twyx",
                random.standard_normal((len(self.days), 3, 1)),
                np.cos(np.radians(np.outer([1, 2, 3], self.grid.latitude))),
                waves,
            )[:, 0]
        )
        weather += 0.03 * random.standard_normal(weather.shape)
        shape = self.grid.shape
        fields = {}
        for name in DRIVERS:
            if name in STATIC_DRIVERS:
                fields[name] = random.standard_normal(shape)
            else:
                fields[name] = season * (1 + 0.3 * random.standard_normal(shape)) + weather
        land = self.fractions.sum(axis=0) > 0
        self.nee = np.where(land, 2 * fields["WAI2"] + fields["Tair"] / 10, np.nan)
        axes = ("time", "latitude", "longitude")
        self.coords = {
            "time": self.days.astype("datetime64[ns]"),
            "latitude": self.grid.latitude,
            "longitude": self.grid.longitude,
        }
        self.drivers = xr.Dataset(
            {
                name: (
                    axes[-values.ndim :],
                    np.where(land, values, np.nan),
                    DRIVERS[name].attributes,
                )
                for name, values in fields.items()
            },
            coords=self.coords,
        )
        self.land = np.argwhere(land)
        self.nee_store = xr.Dataset(
            {NEE: (axes, self.nee, QUANTITIES[NEE].attributes)}, coords=self.coords
        )

    def towers(self, sites=12, bias=0.0, noise=0.0):
        """A table of towers in some land cells, all days of good quality."""
        random = np.random.default_rng(5)
        cells = self.land[random.choice(len(self.land), sites, replace=False)]
        inputs = DriverStore(self.drivers, "drivers.nc").at(np.arange(len(self.days)), cells)
        nee = self.nee[:, cells[:, 0], cells[:, 1]].T + bias
        nee = nee + noise * random.standard_normal(nee.shape)
        places = [
            Site(f"XX-{number:03d}", self.grid.latitude[row], self.grid.longitude[column])
            for number, (row, column) in enumerate(cells)
        ]
        quality = np.ones_like(nee)
        return TowerTable(tuple(places), self.days, inputs.transpose(1, 0, 2), nee, quality)

    def inversions(self, members=3):
        """The true regional totals, each member off by its own share."""
        daily = regional_sums(self.nee, self.fractions, self.areas)
        totals, months = monthly_sums(daily, self.days)
        return Inversions(months, np.linspace(0.9, 1.1, members)[:, None, None] * totals)


@pytest.fixture(scope="session")
def coarse_land():
    return CoarseLand(range(2001, 2004))
