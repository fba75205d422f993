"""CMIP6 files: many a variable, model calendars, levels, runs that must not be mixed."""

import cftime
import grid_files
import numpy as np
import pytest

from co2net_phys.data.schema import AUXILIARIES, CO2, validate_store
from co2net_phys.errors import DataError
from co2net_phys.products import cmip6

ALL = ("co2s", "tas", "uas", "vas", "huss", "ps", "zg", "orog")


def fails(paths, said, **options):
    with pytest.raises(DataError, match=said) as caught:
        cmip6.read(paths, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def attributes(**changes):
    return lambda data: data.assign_attrs(changes)


def raw(variable, **shape):
    return grid_files.cmip_dataset(variable, **shape)[variable]


def in_order(values):
    """From longitudes 0…360 to -180…180."""
    return np.roll(values, values.shape[-1] // 2, axis=-1)


def test_a_folder_of_variables_becomes_one_store(cmip_file, told):
    data = cmip6.read([cmip_file(name) for name in ALL])
    assert set(data.data_vars) == {CO2, *AUXILIARIES}
    validate_store(data, "store")
    for name, variable in (("co2s", CO2), ("tas", "tas"), ("uas", "uas"), ("ps", "ps")):
        expected = in_order(raw(name).values)
        np.testing.assert_array_equal(data[variable].values, expected, err_msg=name)
    np.testing.assert_array_equal(data["oro"].values, in_order(raw("orog").values))
    np.testing.assert_array_equal(data["gph"].values, in_order(raw("zg").values[:, 0]))
    assert data.attrs["source"] == "CMIP CanESM5 historical r1i1p1f1 gn mon"
    assert data.attrs["coverage"] == "global"
    assert data["oro"].dims == ("latitude", "longitude")
    (line,) = told()
    assert "'zg' is on pressure levels" in line


def test_the_calendar_stays_that_of_the_model(cmip_file):
    times = cmip6.read([cmip_file()])["time"].values
    assert {type(time) for time in times} == {cftime.DatetimeNoLeap}
    assert times[0] == cftime.DatetimeNoLeap(2001, 1, 16, 12)
    assert times[1] == cftime.DatetimeNoLeap(2001, 2, 15)


def test_bounds_are_those_of_the_file(cmip_file):
    data = cmip6.read([cmip_file()])
    file = grid_files.cmip_dataset("co2s")
    np.testing.assert_array_equal(data["latitude_bounds"], file["lat_bnds"])
    assert float(data["longitude_bounds"][-1, 1] - data["longitude_bounds"][0, 0]) == 360


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_pieces_in_any_order_are_one_series(cmip_file, told, calendar):
    pieces = [cmip_file(start=(year, 1), calendar=calendar) for year in (2003, 2001, 2002)]
    data = cmip6.read(pieces)
    expected = raw("co2s", months=36, calendar=calendar).values
    np.testing.assert_array_equal(data[CO2].values, in_order(expected))
    assert told() == []


def test_pieces_that_overlap_and_leave_months_out(cmip_file, told):
    pieces = [cmip_file(), cmip_file(start=(2001, 10), months=6), cmip_file(start=(2002, 6))]
    data = cmip6.read(pieces)
    assert data.sizes["time"] == 12 + 3 + 12
    twice, gap = told()
    assert "3 times are there twice" in twice
    assert data.attrs["time_gaps"] in gap
    assert data.attrs["time_gaps"].startswith("2 missing between 2002-03-16")


class TestCarbonDioxide:
    def test_surface_values_go_before_levels(self, cmip_file, told):
        data = cmip6.read([cmip_file("co2"), cmip_file("co2s")])
        assert data[CO2].attrs["original_name"] == "co2s"
        assert data[CO2].attrs["original_units"] == "1e-06"
        (line,) = told()
        assert line.endswith("variables not read: co2")

    def test_pressure_levels_give_the_lowest_above_ground(self, cmip_file, told):
        def change(data):
            data["co2"][:, 0, 5:7] = np.nan
            return data.isel(plev=slice(None, None, -1))  # top first

        data = cmip6.read([cmip_file("co2", change=change)])
        values = raw("co2").values * 1e6
        expected = values[:, 0].copy()
        expected[:, 5:7] = values[:, 1, 5:7]
        np.testing.assert_allclose(data[CO2].values, in_order(expected), rtol=1e-6)
        (line,) = told()
        assert "may be below the ground (co2s would be better)" in line

    def test_a_level_by_its_value(self, cmip_file, told):
        path = cmip_file(
            "co2", change=lambda d: d.assign(co2=(d["co2"] * 0.6).assign_attrs(d["co2"].attrs))
        )
        data = cmip6.read([path], level=92_500)
        np.testing.assert_allclose(
            data[CO2].values, in_order(raw("co2")[:, 1].values * 6e5), rtol=1e-6
        )
        assert data[CO2].attrs["original_level"] == "plev = 92500 Pa"
        assert told() == []
        fails([path], "no level 50000 on 'plev'; choose one with --level", level=50_000)

    def test_model_levels_give_the_lowest(self, cmip_file):
        described = {
            "standard_name": "atmosphere_hybrid_sigma_pressure_coordinate",
            "positive": "down",
            "units": "1",
        }

        def change(data):
            data = data.rename(plev="lev").assign_coords(lev=("lev", [0.2, 0.99], described))
            return data.assign_attrs(table_id="AERmon")

        data = cmip6.read([cmip_file("co2", change=change)])
        expected = raw("co2")[:, 1].values * 1e6
        np.testing.assert_allclose(data[CO2].values, in_order(expected), rtol=1e-6)

    @pytest.mark.parametrize("units", ["1e-06", "1.e-6", "ppm", "umol mol-1", "mol mol-1"])
    def test_units_by_the_attribute(self, cmip_file, units):
        factor = 1e6 if units == "mol mol-1" else 1

        def change(data):
            data["co2s"] = (data["co2s"] / factor).assign_attrs(units=units)
            return data

        data = cmip6.read([cmip_file(change=change)])
        np.testing.assert_allclose(data[CO2].values, in_order(raw("co2s").values), rtol=1e-6)

    def test_values_against_the_attribute_are_refused(self, cmip_file):
        path = cmip_file(change=lambda d: d.assign(co2s=d["co2s"].assign_attrs(units="mol mol-1")))
        line = fails([path], "contradicted by its values")
        assert line.startswith(str(path))
        assert "--units co2s=" in line
        data = cmip6.read([path], units={"co2s": "1e-06"})
        np.testing.assert_array_equal(data[CO2].values, in_order(raw("co2s").values))

    def test_total_mass_is_no_map(self, cmip_file, told):
        def change(data):
            data = data.drop_vars(["lat_bnds", "lon_bnds", "lat", "lon"]).isel(lat=0, lon=0)
            data = data.rename(co2s="co2mass")
            data["co2mass"].attrs["units"] = "kg"
            return data.assign_attrs(variable_id="co2mass", grid_label="gm", table_id="Amon")

        folder = cmip_file("tas").parent
        data = change(grid_files.cmip_dataset("co2s"))
        mass = folder / "co2mass_Amon_CanESM5_historical_r1i1p1f1_gm_200101-200112.nc"
        data.to_netcdf(mass)
        line = fails([mass], "'co2mass' is one number for the globe at each time, no map")
        assert line.startswith(str(mass))
        fails([mass], "no map", variables=["co2mass"])
        assert set(cmip6.read([mass, cmip_file("tas")]).data_vars) == {"tas"}
        assert told()[-1].endswith("variables not read: co2mass")


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("experiment_id", "ssp585", "the experiment"),
        ("variant_label", "r2i1p1f1", "the member"),
        ("source_id", "MIROC-ES2L", "the model"),
        ("grid_label", "gr", "the grid"),
        ("frequency", "day", "the frequency"),
    ],
)
def test_runs_are_not_mixed(cmip_file, key, value, word):
    one = cmip_file("co2s")
    two = cmip_file("co2s", start=(2002, 1), change=attributes(**{key: value}), name="other.nc")
    line = fails([one, two], f"{word} is '{value}', but in .* it is")
    assert line.startswith(str(two))
    assert one.name in line


def test_two_tables_of_one_variable_are_not_mixed(cmip_file):
    two = cmip_file("tas", start=(2002, 1), change=attributes(table_id="Emon"))
    fails([cmip_file("tas"), two], "the table is 'Emon'")
    both = cmip6.read([cmip_file("co2s"), cmip_file("tas")])
    assert set(both.data_vars) == {CO2, "tas"}, "variables come from different tables"


def test_static_fields_of_another_experiment_are_welcome(cmip_file):
    ground = cmip_file("orog", change=attributes(experiment_id="piControl"))
    data = cmip6.read([ground, cmip_file("tas")])
    assert set(data.data_vars) == {"tas", "oro"}
    other = cmip_file("orog", change=attributes(source_id="CanESM2"))
    fails([other, cmip_file("tas")], "the model is")


def test_variables_share_their_times(cmip_file, told):
    def to_the_first(data):
        times = [time.replace(day=1, hour=0) for time in data["time"].values]
        return data.assign_coords(time=("time", times)).drop_vars("time_bnds")

    data = cmip6.read([cmip_file("co2s"), cmip_file("tas", months=24, change=to_the_first)])
    np.testing.assert_array_equal(data["tas"].values, in_order(raw("tas").values))
    assert data["time"].values[0] == cftime.DatetimeNoLeap(2001, 1, 16, 12)
    (line,) = told()
    assert "12 of 24 times of 'tas' are left out" in line
    fails([cmip_file("co2s"), cmip_file("tas", start=(2005, 1))], "'tas' .* has no time in common")


def test_calendars_are_not_mixed(cmip_file):
    two = cmip_file(start=(2002, 1), calendar="360_day")
    line = fails([cmip_file(), two], "in the calendar '360_day', but in .* in 'noleap'")
    assert line.startswith(str(two))
    fails([cmip_file(), cmip_file("tas", calendar="standard")], "in the calendar 'standard'")


def test_variables_on_staggered_grids_are_not_mixed(cmip_file):
    def staggered(data):
        return data.drop_vars(["lon_bnds"]).assign_coords(lon=data["lon"] + 5.625)

    fails([cmip_file("tas"), cmip_file("uas", change=staggered)], "another longitude than 'tas'")


def test_fill_values_without_an_attribute_are_missing(cmip_file, told):
    def change(data):
        data["tas"][2, 3, 4] = 1e20
        return data.assign_attrs(plain=1)

    data = cmip6.read([cmip_file("tas", change=change)])
    assert np.isnan(data["tas"].values).sum() == 1
    (line,) = told()
    assert "1e+20 (1 times)" in line
    path = cmip_file("tas", change=lambda d: d.assign(tas=d["tas"].where(d["tas"] < 285.2)))
    declared = cmip6.read([path])
    assert np.isnan(declared["tas"].values).any()
    assert len(told()) == 1, "declared fill values are no surprise"


def test_times_outside_their_bounds_are_told(cmip_file, told):
    def change(data):
        return data.assign(time_bnds=data["time_bnds"] + np.timedelta64(400, "D").astype(object))

    cmip6.read([cmip_file(change=change)])
    (line,) = told()
    assert "12 times lie outside their bounds" in line


def test_other_variables_only_if_asked(cmip_file, told):
    snow, tas = cmip_file("prsn"), cmip_file("tas")
    assert set(cmip6.read([snow, tas]).data_vars) == {"tas"}
    assert told()[-1].endswith("variables not read: prsn")
    fails([snow], "no variable of a training store among prsn")
    data = cmip6.read([snow, tas], variables=["prsn"])
    assert data["prsn"].attrs["units"] == "kg m-2 s-1"
    np.testing.assert_array_equal(data["prsn"].values, in_order(raw("prsn").values))
    fails([snow, tas], "no file has the variable 'pr'; found prsn, tas", variables=["pr"])


def test_files_without_attributes_are_known_by_name_or_content(cmip_file):
    def bare(data):
        data.attrs = {}
        return data

    def write(variable, name):
        data = bare(grid_files.cmip_dataset(variable))
        path = cmip_file(variable).parent / name
        data.to_netcdf(path, encoding={"time": {"units": "days since 1850-01-01"}})
        return path

    named = write("tas", "tas_Amon_CanESM5_historical_r1i1p1f1_gn_200101-200112.nc")
    data = cmip6.read([named, write("uas", "anything.nc")])
    assert set(data.data_vars) == {"tas", "uas"}
    several = grid_files.cmip_dataset("tas").merge(
        grid_files.cmip_dataset("uas"), compat="override"
    )
    path = named.parent / "several.nc"
    bare(several).to_netcdf(path, encoding={"time": {"units": "days since 1850-01-01"}})
    fails([path], "nothing tells which variable it is about")
