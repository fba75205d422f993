"""Axes, dimensions and levels in other orders than expected, or beyond use."""

import grid_files
import numpy as np
import xarray as xr
from bad_input import Group
from checks import lacks, same_as_clean
from inputs import CARBONTRACKER, days, path_of, without

GRIDS = Group("Axes, dimensions and levels", CARBONTRACKER)


@GRIDS.handled("Latitude from north to south", "turned", same_as_clean)
def descending(folder):
    days(folder, lambda data: data.isel(latitude=slice(None, None, -1)))


@GRIDS.handled("One file of three from north to south", "turned", same_as_clean)
def descending_once(folder):
    days(folder, lambda data: data.isel(latitude=slice(None, None, -1)), of=["2010-01-02"])


@GRIDS.handled("Longitude from 0 to 360", "turned to -180 to 180", same_as_clean)
def greenwich_first(folder):
    days(
        folder, lambda data: data.assign_coords(longitude=data.longitude % 360).sortby("longitude")
    )


@GRIDS.handled("Dimensions in another order", "brought into order", same_as_clean)
def transposed(folder):
    days(
        folder,
        lambda data: data.transpose("longitude", "latitude", "boundary", "level", "time", ...),
    )


@GRIDS.handled("A further dimension of length one", "dropped", same_as_clean)
def single_member(folder):
    def change(data):
        data["co2"] = data["co2"].expand_dims(member=1)
        return data

    days(folder, change)


@GRIDS.refused("A further dimension with several entries")
def two_members(folder):
    def change(data):
        data["co2"] = data["co2"].expand_dims(member=2)
        return data

    days(folder, change)


def _meridian_twice(data):
    again = data.isel(longitude=[0])
    again = again.assign_coords(longitude=again.longitude + 360)
    return xr.concat([data, again], "longitude", data_vars="minimal")


@GRIDS.handled("One meridian twice, as -165 and 195 degrees", "counted once", same_as_clean)
def meridian_twice(folder):
    days(folder, _meridian_twice)


def _swapped(data):
    return data.rename(latitude="x", longitude="y").rename(x="longitude", y="latitude")


@GRIDS.refused("Latitude and longitude swapped")
def swapped(folder):
    days(folder, _swapped)


@GRIDS.refused("A region instead of the globe")
def region(folder):
    days(folder, lambda data: data.isel(latitude=slice(3, 8), longitude=slice(2, 7)))


@GRIDS.refused("A hemisphere")
def hemisphere(folder):
    days(folder, lambda data: data.isel(latitude=slice(4, None)))


def _axis(name, function):
    def change(data):
        values = data[name].values.copy()
        return data.assign_coords({name: (name, function(values), data[name].attrs)})

    return change


def _set(position, value):
    def function(values):
        values[position] = value
        return values

    return function


@GRIDS.refused("A missing latitude (NaN)")
def missing_latitude(folder):
    days(folder, _axis("latitude", _set(3, np.nan)))


@GRIDS.refused("Latitudes as text")
def latitude_as_text(folder):
    days(
        folder,
        _axis("latitude", lambda values: [f"{abs(v):g} {'S' if v < 0 else 'N'}" for v in values]),
    )


@GRIDS.refused("A latitude of 98 degrees")
def beyond_the_pole(folder):
    days(folder, _axis("latitude", _set(-1, 98.0)))


@GRIDS.refused("Latitudes in no order")
def disordered_latitude(folder):
    days(folder, lambda data: data.isel(latitude=[0, 2, 1, *range(3, 9)]))


@GRIDS.refused("One latitude twice")
def repeated_latitude(folder):
    days(folder, lambda data: data.isel(latitude=[0, 1, 1, *range(2, 9)]))


def _curvilinear(data):
    data = data.rename(latitude="y", longitude="x").drop_vars(["y", "x"])
    north, east = np.meshgrid(np.linspace(-80, 80, 9), np.linspace(-165, 165, 12), indexing="ij")
    data = data.assign_coords(latitude=(("y", "x"), north), longitude=(("y", "x"), east))
    data["latitude"].attrs["units"], data["longitude"].attrs["units"] = (
        "degrees_north",
        "degrees_east",
    )
    return data


@GRIDS.refused("A curvilinear grid")
def curvilinear(folder):
    days(folder, _curvilinear)


@GRIDS.refused("No coordinates at all")
def no_coordinates(folder):
    days(folder, lambda data: data.rename(latitude="y", longitude="x").drop_vars(["y", "x"]))


@GRIDS.refused("Days on different grids")
def another_grid(folder):
    days(folder)
    grid_files.carbontracker(folder, "2010-01-04", levels=3, nlat=18, nlon=24)


@GRIDS.refused("Levels upside down")
def upside_down(folder):
    days(
        folder, lambda data: data.isel(level=slice(None, None, -1), boundary=slice(None, None, -1))
    )


@GRIDS.refused("A layer that is not there (`--level 40`)", more="--level 40")
def no_such_layer(folder):
    days(folder)


@GRIDS.refused("No variable of CO2")
def no_gas(folder):
    days(folder, without("co2"))


@GRIDS.refused("Surface fluxes instead of mole fractions")
def fluxes(folder):
    days(folder, lambda data: data.rename(co2="bio_flux_opt"))


@GRIDS.refused("Two releases of the product")
def two_releases(folder):
    days(folder)
    path_of(folder).rename(folder / "CT2019B.molefrac_glb3x2_2010-01-02.nc")


@GRIDS.handled(
    "Files without humidity and orography", "the store goes without", lacks("huss", "oro")
)
def fewer_variables(folder):
    days(folder, without("specific_humidity", "orography"))


@GRIDS.refused("One day of three without humidity")
def fewer_variables_once(folder):
    days(folder, without("specific_humidity"), of=["2010-01-02"])
