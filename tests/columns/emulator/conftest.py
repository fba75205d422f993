"""A small world of columns: waves of a tracer carried around the Earth, faster higher up."""

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.columns.network_config import ColumnConfig
from co2net_phys.columns.schema import PROFILE_INPUTS, SURFACE_INPUTS, VARIABLES
from co2net_phys.columns.store import ColumnStore

RADIUS, HOURS = 6.371e6, 6


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def world():
    """Make a dataset whose tracer turns with a wind that changes in time: known at every time."""

    def make(frames=60, levels=3, rows=8, columns=16):
        edges = np.linspace(-90, 90, rows + 1)
        north, east = (edges[1:] + edges[:-1]) / 2, np.arange(columns) * 360 / columns
        step = np.timedelta64(HOURS, "h")
        times = np.datetime64("2003-01-01", "ns") + np.arange(frames) * step
        t, height = np.arange(frames)[:, None], np.arange(levels)
        # Degrees a frame: about half a cell, faster in some weeks and higher up.
        speed = 360 / columns * (0.5 + 0.3 * np.sin(t / 9 + height))  # (frames, levels)
        turned = np.cumsum(speed, axis=0)[:, :, None, None]
        phi, lam = np.radians(north)[:, None], np.radians(east - turned)
        wave = np.cos(phi) * np.cos(lam) + 0.5 * np.cos(phi) ** 2 * np.sin(2 * lam + phi)
        amount = 1e-10 * 3.0 ** -height[:, None, None]
        metres = np.radians(speed)[:, :, None, None] * RADIUS * np.cos(phi) / (3600 * HOURS)
        grid = (frames, levels, rows, columns)
        random = np.random.default_rng(1)
        flat, deep = ("time", "latitude", "longitude"), ("time", "level", "latitude", "longitude")
        fields = {name: (flat, random.random((frames, rows, columns))) for name in SURFACE_INPUTS}
        fields |= {name: (deep, random.random(grid)) for name in PROFILE_INPUTS}
        fields["emibc"] = flat, 1e-20 * random.random((frames, rows, columns))
        fields["ps"] = flat, 1e5 + 2e3 * random.standard_normal((frames, rows, columns))
        fields["mmrbc"] = deep, amount * (2 + wave)
        fields["ua"] = deep, np.broadcast_to(metres, grid)
        fields["va"] = deep, np.zeros(grid)
        data = xr.Dataset({name: (dims, v.astype("f4")) for name, (dims, v) in fields.items()})
        for name in data.data_vars:
            data[name].attrs["units"] = VARIABLES[name].units
        share = np.linspace(1, 0, levels + 1)
        data["b_bnds"] = ("level", "bnds"), np.stack([share[:-1], share[1:]], axis=1)
        data["ap_bnds"] = xr.zeros_like(data["b_bnds"])
        return data.assign_coords(level=height, latitude=north, longitude=east, time=times)

    return make


@pytest.fixture(scope="session")
def store(world):
    return ColumnStore(world(), "world")


@pytest.fixture(scope="session")
def config():
    """Make a configuration with plain scales: those of a variable are its own numbers."""

    def make(levels=3, rows=8, columns=16, **options):
        edges = np.linspace(-90, 90, rows + 1)
        one = (1.0, 0.0, 1.0)
        flat = {name: [one] for name in SURFACE_INPUTS}
        sizes = {
            "latitude": options.pop("latitude", ((edges[1:] + edges[:-1]) / 2).tolist()),
            "columns": columns,
            "levels": levels,
            "statistics": flat | {name: [one] * levels for name in PROFILE_INPUTS},
            "increment": [0.1] * levels,
            "thickness": [(-9.80665, 0.0)] * levels,  # 1 kg of air per m² in each layer
            "interval": 1.0,
            "frames": 3,
            "width": 6,
        }
        return ColumnConfig(**(sizes | options))

    return make


@pytest.fixture(scope="session")
def inputs():
    """Make random inputs of a configuration, of order 1; no tracer or emission is negative."""

    def make(config, size=2, dtype=torch.float32, seed=0):
        draw = torch.Generator().manual_seed(seed)
        grid = (len(config.latitude), config.columns)
        surface = torch.randn(size, config.frames, 6, *grid, generator=draw, dtype=dtype)
        shape = (size, config.frames, 8, config.levels, *grid)
        profiles = torch.randn(*shape, generator=draw, dtype=dtype)
        profiles[:, :, 0], surface[:, :, 0] = profiles[:, :, 0].abs(), surface[:, :, 0].abs()
        return surface, profiles

    return make
