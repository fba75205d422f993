"""Synthetic CarbonTracker and CMIP6 files on the documented layouts, small or in real size."""

import cftime
import numpy as np
import xarray as xr
from numpy.polynomial.legendre import leggauss

CT_CLOCK = {"units": "days since 2000-01-01 00:00:00 UTC", "dtype": "f8"}

CT_UNITS = {
    "co2": "micromol mol-1",
    "pressure": "Pa",
    "gph": "m",
    "temperature": "K",
    "specific_humidity": "kg/kg",
    "u": "m/s",
    "v": "m/s",
    "orography": "m",
    "air_mass": "kg",
    "blh": "m",
}


def carbontracker_dataset(day="2010-01-01", *, levels=4, nlat=18, nlon=24, records=8):
    """Every value tells its place: record, layer, row and column."""
    latitude = -90 + (np.arange(nlat) + 0.5) * 180 / nlat
    longitude = -180 + (np.arange(nlon) + 0.5) * 360 / nlon
    start = np.datetime64(day, "s") + np.timedelta64(90, "m")
    times = start + np.arange(records) * np.timedelta64(3, "h")
    hour = (times - np.datetime64("2010-01-01")).astype(float).reshape(-1, 1, 1, 1) / 3600 % 1000
    layer = np.arange(levels).reshape(1, -1, 1, 1)
    edge = np.arange(levels + 1).reshape(1, -1, 1, 1)
    north, east = latitude.reshape(1, 1, -1, 1), longitude.reshape(1, 1, 1, -1)
    ground = 500 * np.cos(np.radians(north)) * np.cos(np.radians(east)) ** 2 + 0 * hour
    fields = {
        "co2": 390 + 0.01 * hour - layer + 0.05 * north + 0.005 * east,
        "pressure": (100_000 - 8 * ground + 0.1 * hour) * (1 - edge / levels),
        "gph": ground + 60 * edge**1.5,
        "temperature": 290 - 6 * layer - 0.4 * abs(north) + 0 * hour + 0 * east,
        "specific_humidity": 0.01 * np.cos(np.radians(north)) / (1 + layer) + 0 * hour + 0 * east,
        "u": 5 + layer + 0.02 * north + 0.01 * hour + 0 * east,
        "v": -3 + layer + 0.01 * east + 0 * hour + 0 * north,
        "air_mass": 1e15 + 0 * (hour + layer + north + east),
    }
    data = xr.Dataset(coords={"latitude": latitude, "longitude": longitude, "time": times})
    data["level"] = "level", np.arange(1.0, levels + 1)
    data["boundary"] = "boundary", np.arange(1.0, levels + 2)
    for name, values in fields.items():
        vertical = "boundary" if name in ("pressure", "gph") else "level"
        data[name] = ("time", vertical, "latitude", "longitude"), values.astype("f4")
    data["orography"] = ("latitude", "longitude"), ground[0, 0].astype("f4")
    data["blh"] = ("time", "latitude", "longitude"), 800 + 0 * fields["co2"][:, 0].astype("f4")
    for name in CT_UNITS:
        data[name].attrs["units"] = CT_UNITS[name]
    stamps = [
        [getattr(t, k) for k in ("year", "month", "day", "hour", "minute", "second")]
        for t in times.tolist()
    ]
    data["time_components"] = ("time", "calendar_components"), np.array(stamps, "i4")
    year = times.astype("M8[Y]")
    part = (times - year) / ((year + 1).astype("M8[s]") - year.astype("M8[s]"))
    data["decimal_time"] = "time", year.astype(int) + 1970 + part
    data.attrs["title"] = "CarbonTracker CT2022"
    return data


def carbontracker(folder, day, *, change=None, name=None, **shape):
    """Write a daily file, after `change(dataset)`; return its path."""
    data = carbontracker_dataset(day, **shape)
    data = data if change is None else change(data)
    path = folder / (name or f"CT2022.molefrac_glb3x2_{day}.nc")
    clock = "date" if "date" in data.variables else "time"
    data.to_netcdf(path, encoding={clock: CT_CLOCK})
    return path


def gaussian_latitudes(count):
    return np.degrees(np.arcsin(leggauss(count)[0]))


CMIP_UNITS = {
    "co2s": ("Emon", "1e-06", 400.0),
    "co2": ("Amon", "mol mol-1", 400e-6),
    "tas": ("Amon", "K", 285.0),
    "uas": ("Amon", "m s-1", 4.0),
    "vas": ("Amon", "m s-1", -2.0),
    "huss": ("Amon", "1", 0.008),
    "ps": ("Amon", "Pa", 98_000.0),
    "zg": ("Amon", "m", 110.0),
    "orog": ("fx", "m", 200.0),
    "prsn": ("Amon", "kg m-2 s-1", 1e-5),
}
LEVELS = {"co2", "zg"}


def cmip_dataset(variable, start=(2001, 1), months=12, *, nlat=16, nlon=32, calendar="noleap"):
    """Monthly means on a Gaussian grid from 0 to 360; values tell month, row and column."""
    table, units, middle = CMIP_UNITS[variable]
    latitude, longitude = gaussian_latitudes(nlat), np.arange(nlon) * 360 / nlon
    first = [
        cftime.datetime(
            start[0] + (start[1] - 1 + k) // 12, (start[1] - 1 + k) % 12 + 1, 1, calendar=calendar
        )
        for k in range(months + 1)
    ]
    bounds = np.array([first[:-1], first[1:]]).T
    times = np.array([a + (b - a) / 2 for a, b in bounds])
    month = np.arange(months).reshape(-1, 1, 1) + 12 * start[0] + start[1]
    north, east = latitude.reshape(1, -1, 1), longitude.reshape(1, 1, -1)
    values = middle * (1 + 1e-4 * (month % 97) + 1e-4 * north + 1e-5 * east)
    values = values[0] if table == "fx" else values
    dims = ("lat", "lon") if table == "fx" else ("time", "lat", "lon")
    data = xr.Dataset(
        coords={
            "lat": ("lat", latitude, {"units": "degrees_north"}),
            "lon": ("lon", longitude, {"units": "degrees_east"}),
        }
    )
    if variable in LEVELS:
        dims, values = ("time", "plev", "lat", "lon"), np.stack([values, values + middle], axis=1)
        described = {"units": "Pa", "positive": "down", "standard_name": "air_pressure"}
        data["plev"] = "plev", [100_000.0, 92_500.0], described
    data[variable] = dims, values.astype("f4"), {"units": units}
    edges = np.concatenate([[-90], (latitude[1:] + latitude[:-1]) / 2, [90]])
    data["lat_bnds"] = ("lat", "bnds"), np.stack([edges[:-1], edges[1:]], 1)
    half = 180 / nlon
    data["lon_bnds"] = ("lon", "bnds"), np.stack([longitude - half, longitude + half], 1)
    data["lat"].attrs["bounds"], data["lon"].attrs["bounds"] = "lat_bnds", "lon_bnds"
    if table != "fx":
        data = data.assign_coords(time=("time", times, {"bounds": "time_bnds"}))
        data["time_bnds"] = ("time", "bnds"), bounds
    data.attrs = {
        "source_id": "CanESM5",
        "experiment_id": "historical",
        "variant_label": "r1i1p1f1",
        "grid_label": "gn",
        "table_id": table,
        "variable_id": variable,
        "frequency": "fx" if table == "fx" else "mon",
        "mip_era": "CMIP6",
    }
    return data


def cmip(folder, variable, *, change=None, name=None, **shape):
    """Write one file under its CMIP6 name, after `change(dataset)`; return its path."""
    data = cmip_dataset(variable, **shape)
    data = data if change is None else change(data)
    start = shape.get("start", (2001, 1))
    told = data.attrs
    path = folder / (
        name
        or (
            f"{variable}_{told['table_id']}_{told['source_id']}_{told['experiment_id']}_"
            f"{told['variant_label']}_{told['grid_label']}_{start[0]}{start[1]:02d}.nc"
        )
    )
    encoding = (
        {variable: {"_FillValue": 1e20}}
        if "plain" not in told
        else {variable: {"_FillValue": None}}
    )
    if "time" in data.variables:
        encoding["time"] = {"units": "days since 1850-01-01"}
    data.to_netcdf(path, encoding=encoding)
    return path
