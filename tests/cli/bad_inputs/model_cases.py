"""CMIP6: runs, calendars and grids that do not belong together."""

import grid_files
import numpy as np
import xarray as xr
from bad_input import Group
from checks import missing_at, same_as_clean
from inputs import CMIP, model, with_attribute

MODELS = Group("CMIP6", CMIP)
SHAPE = {"nlat": 8, "nlon": 12}


def frames(count):
    """So many months are in the store."""

    def check(store, clean):
        assert store.sizes["time"] == count
        assert np.isfinite(store["co2s"]).all()

    return check


def _another(folder, variable="tas", attributes=None, **options):
    """A further file whose global attributes differ."""

    def change(data):
        data.attrs |= attributes or {}
        return data

    return grid_files.cmip(folder, variable, change=change, **{**SHAPE, **options})


@MODELS.refused("Two members in one folder")
def two_members(folder):
    model(folder)
    _another(folder, attributes={"variant_label": "r2i1p1f1"})


@MODELS.refused("Two experiments in one folder")
def two_experiments(folder):
    model(folder)
    _another(folder, attributes={"experiment_id": "ssp585"}, start=(2015, 1))


@MODELS.refused("Two models in one folder")
def two_models(folder):
    model(folder)
    _another(folder, attributes={"source_id": "UKESM1-0-LL"})


@MODELS.refused("Daily files beside monthly ones")
def two_frequencies(folder):
    model(folder)
    _another(folder, attributes={"frequency": "day", "table_id": "day"})


@MODELS.refused("Calendars that differ (noleap and 360_day)")
def two_calendars(folder):
    model(folder, ["co2s"])
    _another(folder, calendar="360_day")


@MODELS.refused("Calendars that differ within one variable")
def two_calendars_in_series(folder):
    model(folder)
    grid_files.cmip(folder, "tas", start=(2002, 1), calendar="standard", **SHAPE)


@MODELS.handled("Missing months", "a gap: no window of training reaches over it", frames(21))
def missing_months(folder):
    model(folder)
    model(folder, start=(2002, 4), months=9)


@MODELS.handled("Variables of different years", "the months that all have are kept", frames(12))
def unequal_years(folder):
    model(folder, ["co2s"], months=24)
    model(folder, ["tas"], start=(2002, 1))


@MODELS.refused("Variables without a month in common")
def no_common_time(folder):
    model(folder, ["co2s"])
    model(folder, ["tas"], start=(2005, 1))


@MODELS.refused("Variables on different grids")
def two_grids(folder):
    model(folder, ["co2s"])
    model(folder, ["uas", "vas"], nlat=10)


@MODELS.refused("The global mean of CO2 (co2mass)")
def global_mean(folder):
    times = xr.date_range("2001-01-16", periods=12, freq="MS", calendar="noleap", use_cftime=True)
    mass = xr.Dataset({"co2mass": ("time", np.full(12, 3e15), {"units": "kg"})}, {"time": times})
    mass.attrs = {
        "variable_id": "co2mass",
        "source_id": "CanESM5",
        "grid_label": "gm",
        "table_id": "Amon",
    }
    mass.to_netcdf(folder / "co2mass_Amon_CanESM5_historical_r1i1p1f1_gm_200101-200112.nc")


@MODELS.refused("No CO2 among the files")
def no_gas(folder):
    model(folder, ["tas", "ps"])


@MODELS.refused("Variables that a store does not take")
def of_no_use(folder):
    model(folder, ["prsn"])


@MODELS.handled("Variables that a store does not take, beside others", "left out", same_as_clean)
def some_of_no_use(folder):
    model(folder, ["co2s", "tas", "prsn"])


@MODELS.refused("Several variables in a file, and none named")
def several(folder):
    model(folder)

    def change(data):
        data["extra"] = data["tas"]
        data.attrs.pop("variable_id")
        return data

    grid_files.cmip(folder, "tas", change=change, name="mystery.nc", **SHAPE)


@MODELS.refused(
    "Only one component of the wind, on another grid (`--grid 20x30`)",
    more="--grid 20x30",
    command="data prepare cmip6 --input '*.nc' --output store.zarr",
)
def half_a_wind(folder):
    model(folder, ["co2s", "uas"])


def like_the_surface(store, clean):
    """The lowest of the levels holds what co2s holds in the clean files."""
    np.testing.assert_allclose(store["co2s"], clean["co2s"], rtol=1e-6)


@MODELS.handled("CO2 on pressure levels only", "the lowest level with a value", like_the_surface)
def on_levels(folder):
    model(folder, ["co2", "tas"])


@MODELS.handled("Missing values of 1e20, declared", "missing in the store", missing_at(1))
def declared(folder):
    model(folder, ["tas"])

    def change(data):
        data["co2s"].values[0, 0, 0] = np.nan
        return data

    grid_files.cmip(folder, "co2s", change=change, **SHAPE)


@MODELS.handled("Times outside their bounds", "kept as they are", same_as_clean)
def outside_bounds(folder):
    model(folder, ["tas"])

    def change(data):
        data["time_bnds"] = data["time_bnds"].dims, np.roll(data["time_bnds"].values, 1, axis=0)
        return data

    grid_files.cmip(folder, "co2s", change=change, **SHAPE)


@MODELS.refused("CO2 with the units 1, in ppm")
def wrong_units(folder):
    model(folder, ["tas"])
    grid_files.cmip(folder, "co2s", change=with_attribute("co2s", units="1"), **SHAPE)
