"""A small world for every test: 18 × 24 cells, 8 stations, all auxiliaries, smooth in time."""

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
