"""Writers of synthetic files, those of the tests of the readers."""

import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1] / "products"))

import grid_files
import station_writers


@pytest.fixture
def carbontracker_day(tmp_path):
    """Write one daily CarbonTracker file: `write(day, **changes) -> Path`."""
    return lambda day="2010-01-01", **changes: grid_files.carbontracker(tmp_path, day, **changes)


@pytest.fixture
def cmip_file(tmp_path):
    """Write one CMIP6 file: `write(variable, **changes) -> Path`."""
    return lambda variable="co2s", **changes: grid_files.cmip(tmp_path, variable, **changes)


@pytest.fixture
def stations():
    """The writers of station files."""
    return station_writers


@pytest.fixture
def grid_file(tmp_path):
    """Write a global file of any CF kind, after `change(dataset)`; three-hourly co2, u10, v10."""

    def write(change=None, name="field.nc", records=8, **encoding):
        north, east = np.arange(-85.0, 90, 10), np.arange(0.0, 360, 15)
        time = np.datetime64("2010-01-01", "ns") + np.arange(records) * np.timedelta64(3, "h")
        shape, dims = (records, north.size, east.size), ("time", "lat", "lon")
        random = np.random.default_rng(0)
        data = xr.Dataset(
            {
                "co2": (dims, 400 + random.normal(0, 2, shape), {"units": "ppm"}),
                "u10": (dims, random.normal(0, 5, shape), {"units": "m/s"}),
                "v10": (dims, random.normal(0, 5, shape), {"units": "m/s"}),
            },
            {
                "time": time,
                "lat": ("lat", north, {"units": "degrees_north"}),
                "lon": ("lon", east, {"units": "degrees_east"}),
            },
        )
        data = data if change is None else change(data)
        data.to_netcdf(tmp_path / name, encoding=encoding)
        return tmp_path / name

    return write


@pytest.fixture
def found():
    """Texts of the problems of a report: `found(report, topic=None, severity=None)`."""

    def texts(report, topic=None, severity=None):
        return [
            problem.text
            for problem in report.problems
            if topic in (None, problem.topic) and severity in (None, problem.severity)
        ]

    return texts
