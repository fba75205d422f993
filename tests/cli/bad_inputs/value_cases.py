"""Units that are missing or wrong, and values that cannot be."""

import netCDF4
import numpy as np
import xarray as xr
from bad_input import Group
from checks import missing_at, same_as_clean
from inputs import CARBONTRACKER, days, path_of, put, with_attribute, with_values

VALUES = Group("Units and values", CARBONTRACKER)
ONE_DAY = {"of": ["2010-01-02"]}


@VALUES.refused("CO2 without units")
def no_units(folder):
    days(folder, lambda data: data.assign(co2=data.co2.drop_attrs()))


@VALUES.handled(
    "The same, with `--units co2=ppm`", "read as ppm", same_as_clean, more="--units co2=ppm"
)
def told_units(folder):
    no_units(folder)


@VALUES.refused("CO2 in kg m-2")
def column_units(folder):
    days(folder, with_attribute("co2", units="kg m-2"))


@VALUES.refused("Mole fractions in mol mol-1, labelled ppm")
def fraction_as_ppm(folder):
    days(
        folder,
        lambda data: with_attribute("co2", units="ppm")(
            with_values("co2", lambda v: v / 1e6)(data)
        ),
    )


@VALUES.refused("Mole fractions in ppm, labelled mol mol-1")
def ppm_as_fraction(folder):
    days(folder, with_attribute("co2", units="mol mol-1"))


@VALUES.handled("Mole fractions in mol mol-1, labelled so", "converted", same_as_clean)
def fraction(folder):
    days(
        folder,
        lambda data: with_attribute("co2", units="mol mol-1")(
            with_values("co2", lambda v: v.astype(float) / 1e6)(data)
        ),
    )


@VALUES.refused("Units that are not UTF-8 (the Latin-1 µ)")
def latin_units(folder):
    days(folder)
    with netCDF4.Dataset(path_of(folder, 0), "a") as file:
        file["co2"].setncattr("units", b"\xb5mol mol-1")


@VALUES.handled("Another attribute that is not UTF-8", "read past", same_as_clean)
def latin_title(folder):
    days(folder)
    with netCDF4.Dataset(path_of(folder, 0), "a") as file:
        file.setncattr("institution", b"Z\xfcrich")
        file["co2"].setncattr("comment", b"gr\xfc\xdfe")


@VALUES.handled("Temperature in degrees Celsius, labelled so", "converted", same_as_clean)
def celsius(folder):
    days(
        folder,
        lambda data: with_attribute("temperature", units="degC")(
            with_values("temperature", lambda v: v.astype(float) - 273.15)(data)
        ),
    )


@VALUES.refused("Temperature in degrees Celsius, labelled K")
def celsius_as_kelvin(folder):
    days(folder, with_values("temperature", lambda v: v - 273.15))


@VALUES.refused("Pressure in hPa, labelled Pa")
def hectopascal(folder):
    days(folder, with_values("pressure", lambda v: v / 100))


@VALUES.handled("Units of one day in another spelling, ppm", "converted", same_as_clean)
def other_spelling(folder):
    days(folder, with_attribute("co2", units="ppm"), **ONE_DAY)


@VALUES.refused("Negative mole fractions")
def negative(folder):
    days(folder, with_values("co2", put(-12.5, 2, 0, 3, 4)))


@VALUES.handled("A fill value of 1e20 that is not declared", "missing in the store", missing_at(3))
def undeclared_fill(folder):
    days(folder, with_values("co2", put(1e20, 0, 0, 3, 4)))


@VALUES.handled("Fill values of -999 that are not declared", "missing in the store", missing_at(3))
def undeclared_999(folder):
    days(folder, with_values("co2", put(-999.0, 0, 0, 3, 4)))


@VALUES.refused("NetCDF's own fill value, 9.97e36, in temperature")
def default_fill(folder):
    days(folder, with_values("temperature", put(9.96921e36, 0, 0, 3, 4)))


@VALUES.handled("A declared fill value (a masked array)", "missing in the store", missing_at(1))
def masked(folder):
    days(folder)
    with netCDF4.Dataset(path_of(folder), "a") as file:
        values = np.ma.masked_invalid(file["co2"][:])
        values[1, 0, 2, 2] = np.ma.masked
        file["co2"][:] = values


@VALUES.handled("NaN in CO2", "missing in the store", missing_at(24))
def missing_co2(folder):
    days(folder, with_values("co2", put(np.nan, slice(None), 0, 3, 4)))


@VALUES.refused("No CO2 at all: every value is NaN")
def nothing_but_missing(folder):
    days(folder, with_values("co2", lambda v: v * np.nan))


@VALUES.refused("NaN in temperature")
def missing_temperature(folder):
    days(folder, with_values("temperature", put(np.nan, 2, 0, 3, 4)))


@VALUES.refused("Infinity in the wind")
def infinite_wind(folder):
    days(folder, with_values("u", put(np.inf, 2, 0, 3, 4)))


@VALUES.refused("A variable that never varies")
def constant(folder):
    days(folder, with_values("temperature", lambda v: 0 * v + 280))


def nearly_clean(store, clean):
    """Within half of what the last of 16 bits stands for."""
    np.testing.assert_allclose(store["co2s"], clean["co2s"], rtol=0, atol=0.0051)


@VALUES.handled("Values packed into 16 bits", "unpacked", nearly_clean)
def packed(folder):
    for path in days(folder):
        with xr.open_dataset(path) as data:
            data = data.load()
        data["co2"].encoding = {
            "dtype": "i2",
            "scale_factor": 0.01,
            "add_offset": 390.0,
            "_FillValue": -32767,
        }
        data.to_netcdf(path)
