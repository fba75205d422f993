"""A small world for every test: 18 × 24 cells, 8 stations, all auxiliaries, smooth in time."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2, VARIABLES


@pytest.fixture(scope="session")
def small_world():
    torch.set_num_threads(1)

    def make(frames=200, hours=3):
        north, east = np.arange(-85.0, 90, 10), np.arange(-172.5, 180, 15)
        phi, lam, t = np.radians(north)[:, None], np.radians(east), np.arange(frames)[:, None, None]
        wave = np.cos(phi) * np.cos(lam - t / 30) + np.sin(phi) * np.sin(t / 20)
        grid, site = ("latitude", "longitude"), np.arange(8)
        fields = {name: (("time", *grid), wave + np.sin(3 * phi)) for name in AUXILIARIES}
        fields[CO2] = ("time", *grid), 400 + 4 * wave + 2 * np.sin(phi)
        data = xr.Dataset(fields | {"oro": (grid, wave[0] + phi)})
        data[STATION_CO2] = ("time", "station"), data[CO2].values[:, 2 * site + 1, 3 * site]
        for name in data.data_vars:
            data[name].attrs["units"] = VARIABLES.get(name, VARIABLES[CO2]).units
        times = np.datetime64("2010-03-01", "ns") + t.ravel() * np.timedelta64(hours, "h")
        data = data.assign_coords(latitude=north, longitude=east, time=times)
        places = {"latitude": north[2 * site + 1], "longitude": east[3 * site]}
        places |= {"elevation": 0.0 * site, "code": [f"c{n}" for n in site], "name": ["site"] * 8}
        return data.assign_coords({f"station_{k}": ("station", v) for k, v in places.items()})

    return make


@pytest.fixture(scope="session")
def monthly_world():
    """Monthly weather on 18 × 24 cells, and sites where CO2 follows it but for a little noise.

    Gives the dataset, (code, latitude, longitude) of each site, the months of the table, which
    begin one month after the weather, and the table (site, month), ppm.
    """
    torch.set_num_threads(1)

    def make(sites=48, months=24, noise=0.2):
        rng = np.random.default_rng(5)
        north, east = np.arange(-85.0, 90, 10), np.arange(-172.5, 180, 15)
        phi, lam = np.radians(north)[:, None], np.radians(east)
        t = np.arange(months + 1)[:, None, None]
        tas = np.cos(phi) * np.cos(2 * lam - t / 3) + np.sin(2 * phi) * np.cos(lam + t / 4)
        calendar = np.datetime64("2007-12", "M") + np.arange(months + 1)
        data = xr.Dataset(
            {"tas": (("time", "latitude", "longitude"), 280 + 5 * tas, {"units": "K"})},
            {"time": calendar.astype("M8[ns]"), "latitude": north, "longitude": east},
        )
        row, column = rng.integers(2, 16, sites), rng.integers(0, 24, sites)
        places = [(f"S{n:02d}", north[row[n]], east[column[n]]) for n in range(sites)]
        table = 390 + 0.15 * t[1:, 0] + 4 * tas[1:, row, column]
        return data, places, calendar[1:], (table + rng.normal(0, noise, table.shape)).T

    return make


@pytest.fixture
def real_lite_file():
    """The real OCO-2 file of the sample data: one sounding, names altered by another tool."""
    data = Path(
        os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[1] / "../shared/data"
    ).resolve()
    path = data / "satellite/oco2-spectrometer_oco2_20150131-336_co2-column.nc"
    if not path.exists():
        pytest.skip(f"no sample data in {data}; set CO2PHYS_SAMPLE_DATA")
    return path
