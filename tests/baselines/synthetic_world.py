"""A small world that looks like a training store: moving waves, a daily cycle, a slow drift."""

import numpy as np
import torch
import xarray as xr

from co2net_phys.baselines.base import Baseline
from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.schema import CO2, STATION_CO2
from co2net_phys.data.store import TrainingStore

LATITUDE = np.arange(-85.0, 90.0, 10.0)  # 18
LONGITUDE = np.arange(-172.5, 180.0, 15.0)  # 24
FRAMES = 200
STATIONS = 30
WINDOW = 8
UNITS = {"units": "umol mol-1"}


def axes():
    """Frame number, latitude and longitude in radians, ready to broadcast to (N, H, W)."""
    time = np.arange(FRAMES, dtype=np.float64)[:, None, None]
    return time, np.deg2rad(LATITUDE)[None, :, None], np.deg2rad(LONGITUDE)[None, None, :]


def daily_cycle():
    """(N, H, W) a fixed pattern and a cycle that follows the sun; exactly periodic in 8 frames."""
    time, north, east = axes()
    pattern = 400.0 + 6.0 * np.sin(north) + 3.0 * np.cos(2 * east) * np.cos(north)
    sun = np.cos(2 * np.pi * (time / 8.0) + east)
    return pattern + 4.0 * sun * np.cos(north) * (1 + np.sin(3 * east) * np.sin(2 * north))


def waves(seed=0, count=14):
    """(N, H, W) smooth waves that travel at different speeds, standard deviation about 2 ppm."""
    random = np.random.default_rng(seed)
    time, north, east = axes()
    total = np.zeros((FRAMES, len(LATITUDE), len(LONGITUDE)))
    for _ in range(count):
        zonal = random.integers(1, 4)
        speed, phase, tilt = random.uniform(-0.15, 0.15), *random.uniform(0, 2 * np.pi, 2)
        envelope = np.cos(north) ** zonal * np.cos(random.integers(1, 3) * north + tilt)
        total += random.normal() * envelope * np.cos(zonal * east - speed * time + phase)
    return total


def drift(seed=0):
    """(N, 1, 1) a global random walk of about 1 ppm."""
    steps = np.random.default_rng(seed + 1).normal(size=FRAMES)
    return 0.1 * np.cumsum(steps)[:, None, None]


def cells(seed=0, count=STATIONS):
    """Rows and columns of the cells that have a station in their centre."""
    chosen = np.random.default_rng(seed + 2).choice(
        len(LATITUDE) * len(LONGITUDE), size=count, replace=False
    )
    return np.divmod(chosen, len(LONGITUDE))


def make_store(field, missing=0.0, seed=0):
    """A store whose stations see `field` (N, H, W) exactly; a fraction `missing` is lost."""
    rows, columns = cells(seed)
    seen = field[:, rows, columns].copy()
    seen[np.random.default_rng(seed + 3).random(seen.shape) < missing] = np.nan
    dataset = xr.Dataset(
        {
            CO2: (("time", "latitude", "longitude"), field.astype(np.float32), UNITS),
            STATION_CO2: (("time", "station"), seen.astype(np.float32), UNITS),
        },
        coords={
            "time": np.datetime64("2010-03-01", "ns") + np.arange(FRAMES) * np.timedelta64(3, "h"),
            "latitude": LATITUDE,
            "longitude": LONGITUDE,
            "station_code": ("station", [f"S{i:02d}" for i in range(len(rows))]),
            "station_name": ("station", [f"Station {i}" for i in range(len(rows))]),
            "station_latitude": ("station", LATITUDE[rows]),
            "station_longitude": ("station", LONGITUDE[columns]),
            "station_elevation": ("station", np.zeros(len(rows))),
        },
    )
    return TrainingStore(dataset, "synthetic")


def make_batch(store, last_frames, stations, window=WINDOW):
    """Windows that end at `last_frames`, with the target among the fields."""
    last = np.asarray(last_frames)
    frames = last[:, None] + np.arange(1 - window, 1)  # (B, T)
    values = store.observations(frames.ravel(), stations).reshape(*frames.shape, -1)
    chosen = [store.stations[index] for index in stations]
    return Batch(
        {CO2: torch.from_numpy(store.field(CO2, last))[:, None]},
        Observations(
            torch.from_numpy(values),
            torch.tensor([station.latitude for station in chosen]),
            torch.tensor([station.longitude for station in chosen]),
        ),
        Coordinates(
            torch.from_numpy(store.latitude).float(),
            torch.from_numpy(store.longitude).float(),
            torch.from_numpy(store.seconds[frames] - store.seconds[frames[:, :1]]),
            torch.from_numpy(store.day_phase[frames]).float(),
            torch.from_numpy(store.year_phase[frames]).float(),
        ),
    )


def error(baseline: Baseline, batch: Batch) -> float:
    """Root mean square error in ppm over all cells and windows."""
    difference = baseline(batch).fields[CO2] - batch.fields[CO2]
    return float(difference.square().mean().sqrt())


ALL_STATIONS = np.arange(STATIONS)
TRAINING = np.arange(150)
TEST = np.arange(165, 200, 3)
