"""Small clean files, to be spoilt: three days of CarbonTracker, a year of CMIP6, stations."""

import functools
import tempfile
from pathlib import Path

import grid_files
import numpy as np
import station_writers

DAYS = ("2010-01-01", "2010-01-02", "2010-01-03")
GRID = {"levels": 3, "nlat": 9, "nlon": 12}

CARBONTRACKER = "data prepare carbontracker --input 'CT*.nc' --output store.zarr --grid source"
CMIP = "data prepare cmip6 --input '*.nc' --output store.zarr --grid source"
STATIONS = f"{CARBONTRACKER} --stations stations"


UNUSED = ("air_mass", "blh")


def days(folder, change=None, *, of=DAYS):
    """Write daily files; ``change(dataset)`` spoils those of the days ``of``."""
    paths = [path_of(folder, number) for number in range(len(DAYS))]
    for path, day in zip(paths, DAYS, strict=True):
        if change is None or day not in of:
            path.write_bytes(_clean_bytes(day))
        else:
            _write(folder, day, change)
    return paths


@functools.cache
def _clean_bytes(day):
    with tempfile.TemporaryDirectory() as folder:
        return _write(Path(folder), day, lambda data: data).read_bytes()


def _write(folder, day, change):
    return grid_files.carbontracker(
        folder, day, change=lambda data: change(data.drop_vars(UNUSED)), **GRID
    )


def path_of(folder, day=1):
    return folder / f"CT2022.molefrac_glb3x2_{DAYS[day]}.nc"


def without(*names):
    """Leave variables out."""
    return lambda data: data.drop_vars(names)


def with_values(name, function):
    """Change the values of a variable; its attributes stay."""

    def change(data):
        data[name] = data[name].dims, function(data[name].values.copy()), data[name].attrs
        return data

    return change


def with_attribute(variable, **attributes):
    """Change attributes of a variable."""

    def change(data):
        data[variable].attrs |= attributes
        return data

    return change


def put(value, *place):
    """Put a value in one place of an array."""

    def function(values):
        values[place] = value
        return values

    return function


MODEL = ("co2s", "tas")


def model(folder, variables=MODEL, **options):
    """Write one file for each variable, twelve months on 8 x 12 cells."""
    shape = {"nlat": 8, "nlon": 12, **options}
    return [grid_files.cmip(folder, variable, **shape) for variable in variables]


TOWER = "co2_lef_tower-insitu_1_allvalid-396magl"
FLASK = "co2_mid_surface-flask_1_representative"


def hours(count=48, start="2010-01-01T00:00:00"):
    return station_writers.seconds(start) + 3600 * np.arange(count)


def obspack(folder, name=FLASK, *, count=48, value=4e-4, **options):
    """Write one ObsPack file into the folder ``stations``."""
    place = folder / "stations"
    place.mkdir(exist_ok=True)
    time = options.pop("time", hours(count))
    values = np.broadcast_to(np.asarray(value, dtype=float), len(time))
    return station_writers.write_obspack(place / f"{name}.nc", time, values, **options)


def sites(folder, text, name="stations.csv", **options):
    """Write a list of stations beside three clean days."""
    days(folder)
    (folder / name).write_text(text, **options)
