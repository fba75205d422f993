"""Small files on the layouts of the real ones, and stores of covariates of known values."""

from functools import partial

import netCDF4
import numpy as np
import pytest
import xarray as xr

from co2net_phys.satellite.covariates import write_covariates
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import COVARIATES, LAND_USE_COVARIATES, LEVELS

FILL = np.float32(-999999)


def lite_values(latitude, longitude, xco2, day="2019-06-01", flag=0, uncertainty=0.5, mode=0):
    """Values of the variables of a Lite file by path, for soundings a second apart."""
    count = len(latitude)
    whole = np.ones(count)
    start = np.datetime64(day, "s").astype(float) + 6 * 3600
    layers = np.full(LEVELS, 1 / (LEVELS - 1))
    layers[[0, -1]] /= 2
    kernel = np.linspace(0.3, 1.0, LEVELS)
    profile = np.linspace(390.0, 410.0, LEVELS)
    return {
        "sounding_id": 2019060106000000 + np.arange(count),
        "time": start + np.arange(count),
        "latitude": np.asarray(latitude),
        "longitude": np.asarray(longitude),
        "xco2": np.asarray(xco2) * whole,
        "xco2_uncertainty": uncertainty * whole,
        "xco2_apriori": layers @ profile * whole,
        "xco2_quality_flag": flag * whole,
        "pressure_levels": np.outer(whole, np.linspace(0.1, 1000.0, LEVELS)),
        "pressure_weight": np.outer(whole, layers),
        "xco2_averaging_kernel": np.outer(whole, kernel),
        "co2_profile_apriori": np.outer(whole, profile),
        "Sounding/operation_mode": mode * whole,
        "Retrieval/psurf": 1000.0 * whole,
    }


UNITS = {
    "time": "seconds since 1970-01-01 00:00:00",
    "latitude": "degrees_north",
    "longitude": "degrees_east",
    "xco2": "ppm",
    "xco2_uncertainty": "ppm",
    "xco2_apriori": "ppm",
    "pressure_levels": "hPa",
    "co2_profile_apriori": "ppm",
    "Retrieval/psurf": "hPa",
}
TYPES = {
    "sounding_id": "i8",
    "time": "f8",
    "xco2_quality_flag": "i1",
    "Sounding/operation_mode": "i1",
}


def write_lite_file(folder, name, *places, leave_out=(), units=None, **options):
    """Write a Lite file of the real layout; `leave_out` and `units` spoil it."""
    values = lite_values(*places, **options)
    path = folder / name
    with netCDF4.Dataset(path, "w") as root:
        root.createDimension("sounding_id", len(values["time"]))
        root.createDimension("levels", LEVELS)
        for full_name, array in values.items():
            if full_name in leave_out:
                continue
            kind = TYPES.get(full_name, "f4")
            dims = ("sounding_id", "levels")[: np.ndim(array)]
            fill = FILL if kind == "f4" else None
            variable = root.createVariable(full_name, kind, dims, fill_value=fill)
            variable[:] = array
            variable.units = {**UNITS, **(units or {})}.get(full_name, "none")
    return path


@pytest.fixture
def write_lite(tmp_path):
    """Function that writes a Lite file of a name to the folder of the test."""
    return partial(write_lite_file, tmp_path)


@pytest.fixture(scope="session")
def write_lite_in():
    """The same for any folder."""
    return write_lite_file


@pytest.fixture(scope="session")
def region():
    """Eight rows and twelve columns of a tenth of a degree."""
    return Region(100.0, 30.0, 101.2, 30.8, 0.1)


def write_planes(folder, region, days=("2019-05-25", "2019-06-10"), name="planes.zarr", **changed):
    """Write all covariates on a grid over a region: each a plane, the weather growing by day."""
    time = np.arange(np.datetime64(days[0]), np.datetime64(days[1]) + 1).astype("datetime64[ns]")
    axes = {"latitude": region.latitude, "longitude": region.longitude}
    fields = {}
    for number, covariate in enumerate(COVARIATES):
        plane = number + region.latitude[:, None] + 2 * region.longitude
        fields[covariate] = xr.DataArray(plane, axes, ("latitude", "longitude"))
        if covariate in LAND_USE_COVARIATES:
            fields[covariate] = xr.zeros_like(fields[covariate]) + 1 / len(LAND_USE_COVARIATES)
        if COVARIATES[covariate].cadence == "daily":
            growth = xr.DataArray(np.arange(len(time)) * 3.0, {"time": time}, ("time",))
            fields[covariate] = growth + fields[covariate]
    path = folder / name
    write_covariates(fields | changed, path)
    return path


@pytest.fixture
def make_covariates(tmp_path):
    """Function that writes a store of covariates to the folder of the test."""
    return partial(write_planes, tmp_path)


@pytest.fixture(scope="session")
def planes(tmp_path_factory, region):
    """Store of covariates on the region's grid; not to be changed."""
    return write_planes(tmp_path_factory.mktemp("covariates"), region)
