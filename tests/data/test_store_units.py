"""Units of a store: converted to those of the schema without reading, or refused."""

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.store import TrainingStore, open_store
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError

FRAMES = [7, 2, 2, 30]


@pytest.fixture(scope="module")
def data(small_world):
    return small_world(40)


def in_units(data, name, units, scale, offset=0.0, **attributes):
    """`data` with one variable written in other units, of which `scale` make one of ours."""
    array = (data[name] - offset) / scale
    array.attrs = {**data[name].attrs, "units": units, **attributes}
    return data.assign({name: array})


@pytest.mark.parametrize("limit", [2**40, 0], ids=["memory", "lazy"])
@pytest.mark.parametrize("where", ["dataset", "world.nc", "world.zarr"])
@pytest.mark.parametrize(
    ("name", "units", "scale", "offset"),
    [
        (CO2, "mol mol-1", 1e6, 0),
        (CO2, "ppb", 1e-3, 0),
        ("uas", "knots", 0.514444, 0),
        ("vas", "km h-1", 1 / 3.6, 0),
        ("ps", "hPa", 100, 0),
        ("ps", "mb", 100, 0),
        ("huss", "g kg-1", 1e-3, 0),
        ("tas", "degC", 1, 273.15),
        ("oro", "km", 1000, 0),
    ],
)
def test_other_units_are_converted(data, tmp_path, limit, where, name, units, scale, offset):
    other = in_units(data, name, units, scale, offset)
    if where == "dataset":
        store = TrainingStore(other, "w", limit)
    else:
        write_dataset(other, tmp_path / where)
        store = open_store(tmp_path / where, limit)
        assert not store.dataset[name].variable._in_memory, "opened, not read"
    expected = data[name].values if name == "oro" else data[name].values[FRAMES]
    np.testing.assert_allclose(store.field(name, FRAMES), expected, rtol=2e-5, atol=2e-4)
    assert store.dataset[name].attrs["units"] == VARIABLES[name].units
    np.testing.assert_array_equal(store.field("gph", [3]), data["gph"].values[[3]].astype("f4"))


@pytest.mark.parametrize("limit", [2**40, 0], ids=["memory", "lazy"])
def test_observations_are_converted(data, limit):
    store = TrainingStore(in_units(data, STATION_CO2, "mol mol-1", 1e6), "w", limit)
    expected = data[STATION_CO2].values[FRAMES][:, [5, 1]]
    np.testing.assert_allclose(store.observations(FRAMES, [5, 1]), expected, rtol=1e-6)


def test_packed_integers_in_other_units(data, tmp_path):
    """Their own scale factor is applied before the conversion."""
    other = in_units(data, "ps", "hPa", 100)
    packing = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 0.5, "_FillValue": -32768}
    other.to_netcdf(tmp_path / "w.nc", encoding={"ps": packing})
    found = open_store(tmp_path / "w.nc", 0).field("ps", FRAMES)
    np.testing.assert_allclose(found, data["ps"].values[FRAMES], atol=0.51)


def test_a_mass_fraction_becomes_a_mole_fraction(data):
    name = {"standard_name": "mass_fraction_of_carbon_dioxide_in_air"}
    store = TrainingStore(in_units(data, CO2, "kg kg-1", 1e6 * 28.9647 / 44.0095, **name), "w")
    np.testing.assert_allclose(store.field(CO2, [3]), data[CO2].values[[3]], rtol=1e-6)
    standard_name = store.dataset[CO2].attrs["standard_name"]
    assert standard_name == "mole_fraction_of_carbon_dioxide_in_air"


@pytest.mark.parametrize(
    ("name", "units"),
    [
        *((CO2, units) for units in (None, "", "kg m-2", "Pa", "kg kg-1")),
        *((STATION_CO2, units) for units in (None, "mg m-3")),
        *(("uas", units) for units in (None, "m", "Pa s-1")),
        *(("ps", units) for units in ("m", "rubbish")),
        ("gph", "m2 s-2"),
    ],
)
def test_units_of_another_kind_are_refused(data, name, units):
    other = data.assign({name: data[name].copy()})
    other[name].attrs = {} if units is None else {"units": units}
    with pytest.raises(DataError, match=rf"^world\.nc: variable '{name}' has .*units") as caught:
        TrainingStore(other, "world.nc")
    assert "correct the units attribute" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weather_without_units_is_taken_as_it_is(data):
    other = data.assign(ps=xr.DataArray(data["ps"].values, data["ps"].coords, data["ps"].dims))
    store = TrainingStore(other, "w")
    np.testing.assert_array_equal(store.field("ps", [3]), data["ps"].values[[3]].astype("f4"))
