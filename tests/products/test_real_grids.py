"""The sample files: read, dates to the second, values as in the file."""

import os
from pathlib import Path

import cftime
import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2
from co2net_phys.errors import DataError
from co2net_phys.products import cmip6, gridded

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no sample data in {DATA}; set CO2PHYS_SAMPLE_DATA"
)
SNOW = "cmip6/{}_day_CanESM5_historical_r1i1p1f1_gn_19910101-20101231.nc"
TAS = "cmip6/tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc"
TCCO2 = "co2/SMALL_total_column_co2.nc"
GEOS = "co2/GEOSChem.SpeciesConc.20150101_0000z_reduced.nc4"


def raw(name):
    return xr.open_dataset(DATA / name, decode_times=False, decode_timedelta=False)


def equal_everywhere(result, values, latitude, longitude):
    """Compare (…, latitude, longitude) values of a file with the result at the same places."""
    expected = xr.DataArray(
        values, dims=("n", "y", "x"), coords={"y": np.ravel(latitude), "x": np.ravel(longitude)}
    )
    turned = (result["longitude"].values + 360.0) % 360.0 if expected["x"].max() > 181 else None
    columns = result["longitude"].values if turned is None else turned
    picked = expected.sel(y=result["latitude"].values, method="nearest")
    picked = picked.sel(x=columns, method="nearest")
    assert np.abs(picked["x"].values - columns).max() < 1e-4
    np.testing.assert_array_equal(result.values, picked.values.astype("f4"))


@pytest.mark.parametrize("variable", ["prsn", "snw"])
def test_twenty_years_of_days_without_leap_days(variable):
    path = DATA / SNOW.format(variable)
    data = cmip6.read([path], variables=[variable])
    times = data["time"].values
    assert len(times) == 7300
    assert times[0] == cftime.DatetimeNoLeap(1991, 1, 1, 12)
    assert times[-1] == cftime.DatetimeNoLeap(2010, 12, 31, 12)
    assert data.attrs["time_gaps"] == ""
    assert data.attrs["coverage"] == "regional"
    assert "CanESM5 historical r1i1p1f1" in data.attrs["source"]
    with raw(SNOW.format(variable)) as file:
        equal_everywhere(data[variable], file[variable].values, file["lat"], file["lon"])


def test_two_variables_of_a_run_go_together():
    data = cmip6.read([DATA / SNOW.format(v) for v in ("prsn", "snw")], variables=["prsn", "snw"])
    assert set(data.data_vars) == {"prsn", "snw"}
    assert data.sizes["time"] == 7300


def test_a_global_model_grid():
    data = cmip6.read([DATA / TAS])
    assert data.sizes == {"time": 12, "latitude": 64, "longitude": 128, "bnds": 2}
    assert data["time"].values[0] == cftime.DatetimeNoLeap(2006, 12, 16, 12)
    assert data.attrs["coverage"] == "global"
    with raw(TAS) as file:
        equal_everywhere(data["tas"], file["tas"].values, file["lat"], file["lon"])
        np.testing.assert_array_equal(data["latitude_bounds"], file["lat_bnds"])
    assert float(data["longitude_bounds"][-1, 1] - data["longitude_bounds"][0, 0]) == 360


def test_paired_winds():
    names = [f"cmip6/{name}_rectilinear_grid_2D.nc" for name in ("uas", "vas")]
    data = cmip6.read([DATA / name for name in names])
    assert list(data["time"].values[:2]) == [
        np.datetime64("2005-01-16T12:00:00", "ns"),
        np.datetime64("2005-02-15T00:00:00", "ns"),
    ]
    for name, variable in zip(names, ("uas", "vas"), strict=True):
        with raw(name) as file:
            equal_everywhere(data[variable], file[variable].values, file["lat"], file["lon"])


def test_two_models_are_not_mixed():
    with pytest.raises(DataError, match=r"CanESM2.*|CanESM5.*"):
        cmip6.read([DATA / TAS, DATA / SNOW.format("snw")], variables=["tas", "snw"])


def test_the_carbon_dioxide_sequence():
    path = DATA / TCCO2
    with pytest.raises(DataError, match="--units tcco2="):
        gridded.read([path])
    data = gridded.read([path], units={"tcco2": "ppm"})
    expected = np.datetime64("2006-01-01T06") + np.arange(31) * np.timedelta64(6, "h")
    np.testing.assert_array_equal(data["time"].values, expected.astype("M8[ns]"))
    assert data.sizes == {"time": 31, "latitude": 161, "longitude": 320, "bnds": 2}
    with raw(TCCO2) as file:
        equal_everywhere(data[CO2], file["tcco2"].values, file["latitude"], file["longitude"])


def test_geos_chem_has_half_boxes_at_the_poles():
    data = gridded.read([DATA / GEOS], variables=["SpeciesConc_CH4"])
    assert data["time"].values.tolist() == [np.datetime64("2015-01-16T12", "ns").astype(int)]
    with raw(GEOS) as file:
        lowest = file["SpeciesConc_CH4"].values[:, 0]
        equal_everywhere(data["SpeciesConc_CH4"], lowest, file["lat"], file["lon"])
        area = file["AREA"].values[:, 0]
    ours = np.diff(np.sin(np.radians(data["latitude_bounds"].values)), axis=1)[:, 0]
    np.testing.assert_allclose(ours / ours.sum(), area / area.sum(), rtol=1e-4)


def test_transposed_reanalysis():
    name = "winds/era5_tl31_19590102T00.nc"
    data = gridded.read([DATA / name], level=850)
    assert str(data["time"].values[0]) == "1959-01-02T00:00:00.000000000"
    with raw(name) as file:
        at = int(np.flatnonzero(file["level"].values == 850)[0])
        u = file["u_component_of_wind"].values[at].T[None]
        equal_everywhere(data["uas"], u, file["latitude"], file["longitude"])


def test_a_climatology_gets_its_date_from_the_user():
    name = "winds/NCEP_06_climo.nc"
    data = gridded.read([DATA / name], variables=["PS", "TREFHT"], time="1979-06-15")
    with raw(name) as file:
        pressure = file["PS"].values.astype("f8") * 100
        equal_everywhere(data["ps"], pressure, file["lat"], file["lon"])
        equal_everywhere(data["tas"], file["TREFHT"].values, file["lat"], file["lon"])


def test_monthly_means_by_their_entry():
    name = "winds/eraint_uvz.nc"
    data = gridded.read([DATA / name], level=500, select={"month": "7"}, time="1979-07-15")
    with raw(name) as file:
        for ours, theirs, factor in (("uas", "u", 1), ("vas", "v", 1), ("gph", "z", 1 / 9.80665)):
            values = file[theirs].values[1:, 1] * factor
            equal_everywhere(data[ours], values, file["latitude"], file["longitude"])
