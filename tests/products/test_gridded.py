"""Any other CF file: ECMWF sequences, reanalyses, GEOS-Chem, winds."""

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2, validate_store
from co2net_phys.errors import DataError, UsageError
from co2net_phys.products import gridded

LATITUDE, LONGITUDE = np.linspace(90, -90, 13), np.arange(0.0, 360, 20)
TIMES = np.datetime64("2016-11-20T00", "ns") + np.arange(4) * np.timedelta64(6, "h")


def field(units, middle=5.0, dims=("time", "latitude", "longitude"), **sizes):
    sizes = {"time": 4, "latitude": 13, "longitude": 18} | sizes
    shape = [sizes[name] for name in dims]
    values = middle * (1 + 1e-3 * np.arange(np.prod(shape)).reshape(shape) / np.prod(shape))
    return dims, values.astype("f4"), {"units": units}


def saved(tmp_path, variables, name="a.nc", encoding=None, **coordinates):
    coords = {"latitude": LATITUDE, "longitude": LONGITUDE}
    if any("time" in entry[0] for entry in variables.values()):
        coords["time"] = TIMES
    path = tmp_path / name
    data = xr.Dataset(variables, coords=coords | coordinates)
    (data.to_zarr if name.endswith("zarr") else data.to_netcdf)(path, encoding=encoding or {})
    return path


def fails(path, said, **options):
    with pytest.raises(DataError, match=said) as caught:
        gridded.read([path], **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.nc", "a.zarr"])
def test_winds_by_their_common_names(tmp_path, name):
    winds = {"u10": field("m s**-1"), "v10": field("km/h", 18.0)}
    path = saved(tmp_path, winds, name)
    data = gridded.read([path])
    validate_store(data, "store", need_target=False)
    assert set(data.data_vars) == {"uas", "vas"}
    expected = np.roll(winds["u10"][1][:, ::-1], 9, axis=-1)
    np.testing.assert_array_equal(data["uas"].values, expected)
    expected = np.roll(winds["v10"][1][:, ::-1], 9, axis=-1) / 3.6
    np.testing.assert_allclose(data["vas"].values, expected, rtol=1e-6)
    np.testing.assert_array_equal(data["time"].values, TIMES)
    assert data.attrs["coverage"] == "global"


def test_standard_names_find_what_names_do_not(tmp_path):
    dims, values, attributes = field("m s-1")
    variables = {"W1": (dims, values, attributes | {"standard_name": "eastward_wind"})}
    assert set(gridded.read([saved(tmp_path, variables)]).data_vars) == {"uas"}
    variables["W2"] = variables["W1"]
    fails(saved(tmp_path, variables, "b.nc"), "no variable that is known")


def test_variables_in_files_of_their_own_are_joined(tmp_path, told):
    one = saved(tmp_path, {"u10": field("m s-1")}, "u.nc")
    two = saved(tmp_path, {"v10": field("m s-1")}, "v.nc")
    data = gridded.read([one, two])
    assert set(data.data_vars) == {"uas", "vas"}
    assert told() == []


def test_wrong_units_of_a_column_are_set_right_by_the_user(tmp_path, told):
    values = field("kg m**-2", 380.0)
    packed = {
        "tcco2": {"dtype": "i2", "scale_factor": 1e-3, "add_offset": 380.0, "_FillValue": -32767}
    }
    path = saved(tmp_path, {"tcco2": values}, encoding=packed)
    line = fails(path, "not a mole fraction")
    assert "--units tcco2=<true units>, for example tcco2=ppm" in line
    data = gridded.read([path], units={"tcco2": "ppm"})
    expected = np.roll(values[1][:, ::-1], 9, axis=-1)
    np.testing.assert_allclose(data[CO2].values, expected, atol=6e-4)
    column, told_units = told()
    assert "the mean of the column of air, not its surface" in column
    assert "taken to be in 'ppm', not in 'kg m**-2'" in told_units


class TestLevels:
    pressure = ("level", [500.0, 850.0, 1000.0], {"units": "millibars"})

    def test_a_pressure_level_must_be_chosen(self, tmp_path):
        dims = ("time", "level", "latitude", "longitude")
        winds = {"u": field("m s-1", dims=dims, level=3)}
        path = saved(tmp_path, winds, level=self.pressure)
        fails(path, "has 3 levels on 'level'; choose one with --level: 500, 850, 1000 millibars")
        data = gridded.read([path], level=850)
        expected = np.roll(winds["u"][1][:, 1, ::-1], 9, axis=-1)
        np.testing.assert_array_equal(data["uas"].values, expected)
        assert data["uas"].attrs["original_level"] == "level = 850 millibars"
        fails(path, "no level 700", level=700)

    def test_the_lowest_model_level_is_taken(self, tmp_path):
        described = {
            "standard_name": "atmosphere_hybrid_sigma_pressure_coordinate",
            "positive": "up",
            "units": "level",
        }
        dims = ("time", "lev", "latitude", "longitude")
        gas = {"SpeciesConc_CO2": field("mol mol-1 dry", 4e-4, dims=dims, lev=3)}
        path = saved(tmp_path, gas, lev=("lev", [0.99, 0.5, 0.1], described))
        data = gridded.read([path])
        expected = np.roll(gas["SpeciesConc_CO2"][1][:, 0, ::-1], 9, axis=-1) * 1e6
        np.testing.assert_allclose(data[CO2].values, expected, rtol=1e-6)

    def test_a_geopotential_becomes_a_height(self, tmp_path):
        path = saved(tmp_path, {"z": field("m**2 s**-2", 9806.65)})
        np.testing.assert_allclose(gridded.read([path])["gph"].values, 1000, rtol=2e-3)

    def test_a_further_dimension_by_its_entry(self, tmp_path, told):
        dims = ("month", "latitude", "longitude")
        winds = {"u": field("m s-1", dims=dims, month=2)}
        path = saved(tmp_path, winds, month=("month", [1, 7]))
        data = gridded.read([path], select={"month": "7"}, time="1979-07-15")
        expected = np.roll(winds["u"][1][1, ::-1], 9, axis=-1)
        np.testing.assert_array_equal(data["uas"].values[0], expected)
        assert str(data["time"].values[0])[:10] == "1979-07-15"
        assert told() == []
        gridded.read([path])
        assert "using the first, month=1" in told()[0]


def test_transposed_dimensions_and_a_scalar_time(tmp_path):
    winds = {"u": field("m s-1", dims=("longitude", "latitude"))}
    path = saved(tmp_path, winds, time=np.datetime64("1959-01-02T00", "ns"))
    data = gridded.read([path])
    assert data["uas"].dims == ("time", "latitude", "longitude")
    expected = np.roll(winds["u"][1].T[::-1], 9, axis=-1)
    np.testing.assert_array_equal(data["uas"].values[0], expected)
    assert data["time"].values.tolist() == [np.datetime64("1959-01-02", "ns").astype(int)]


def test_a_file_without_time_is_a_map_until_it_gets_a_date(tmp_path):
    path = saved(tmp_path, {"t2m": field("degC", 15.0, dims=("latitude", "longitude"))})
    assert gridded.read([path])["tas"].dims == ("latitude", "longitude")
    dated = gridded.read([path], time="1979-06-15")
    assert dated["tas"].dims == ("time", "latitude", "longitude")
    np.testing.assert_allclose(dated["tas"].values, 288.15, rtol=1e-3)
    with pytest.raises(UsageError, match="no ISO 8601 date"):
        gridded.read([path], time="June")


def test_variables_by_the_names_the_user_gives(tmp_path):
    path = saved(tmp_path, {"blowing": field("m s-1"), "CH4": field("mol mol-1", 2e-6)})
    data = gridded.read([path], variables={"uas": "blowing"})
    assert data["uas"].attrs["original_name"] == "blowing"
    other = gridded.read([path], variables=["CH4"])
    assert other["CH4"].attrs["units"] == "mol mol-1"
    fails(path, "has no variable 'CO2'; it has blowing, CH4", variables=["CO2"])


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"u10": field("K")}, "cannot be converted to 'm s-1'; pass --units u10="),
        ({"sp": field("Pa", 1013.0)}, "contradicted by its values.*--units sp="),
        ({"q2m": field("kg kg-1", 8.0)}, "contradicted by its values.*--units q2m="),
        ({"t2m": field("K", 15.0)}, "contradicted by its values.*--units t2m="),
        ({"co2": field("ppm", -5.0)}, "contradicted by its values.*--units co2="),
        ({"u10": field("m s-1", dims=("time", "member", "latitude"), member=2)}, "no longitude"),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path, variables, said):
    fails(saved(tmp_path, variables), said)


def test_bytes_that_are_no_text_do_not_stop_the_reader(tmp_path):
    from scipy.io import netcdf_file

    path = tmp_path / "latin1.nc"
    with netcdf_file(path, "w") as file:
        file.title = b"donn\xe9es"
        for name, values in (("latitude", LATITUDE), ("longitude", LONGITUDE)):
            file.createDimension(name, values.size)
            file.createVariable(name, "f8", (name,))[:] = values
        wind = file.createVariable("u10", "f4", ("latitude", "longitude"))
        wind[:], wind.units, wind.long_name = 3.0, b"m s-1", b"vent \xe0 10 m"
        gas = file.createVariable("co2", "f4", ("latitude", "longitude"))
        gas[:], gas.units = 400.0, b"\xb5mol mol-1"
    data = gridded.read([path], variables=["u10"])
    np.testing.assert_array_equal(data["uas"].values, 3.0)
    fails(path, "not UTF-8 text.*pass --units co2=", variables=["co2"])
