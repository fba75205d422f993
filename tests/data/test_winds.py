import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.winds import read_wind
from co2net_phys.errors import DataError

LATITUDE = np.arange(80.0, -81.0, -20.0)
LONGITUDE = np.arange(-180.0, 180.0, 30.0)
TIMES = np.array(["2016-11-20T00", "2016-11-20T06"], dtype="datetime64[ns]")
SAMPLE_DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA", Path(__file__).parents[2].parent / "shared" / "data")
)
needs_sample_data = pytest.mark.skipif(
    not SAMPLE_DATA.is_dir(), reason=f"no real sample data at {SAMPLE_DATA} (CO2PHYS_SAMPLE_DATA)"
)


def winds(
    names: tuple[str, str] = ("u10", "v10"), units: str = "m s-1", records: int = 2
) -> xr.Dataset:
    shape = (records, LATITUDE.size, LONGITUDE.size)
    east = np.arange(np.prod(shape), dtype=float).reshape(shape) / 100
    return xr.Dataset(
        {
            names[0]: (("time", "latitude", "longitude"), east, {"units": units}),
            names[1]: (("time", "latitude", "longitude"), -east, {"units": units}),
        },
        coords={"time": TIMES[:records], "latitude": LATITUDE, "longitude": LONGITUDE},
    )


def saved(data: xr.Dataset, folder: Path) -> Path:
    path = folder / "wind.nc"
    data.to_netcdf(path)
    return path


def failure(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read_wind(path, **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        ("u10", "v10"),
        ("uas", "vas"),
        ("U", "V"),
        ("ua", "va"),
        ("UGRD", "VGRD"),
        ("u_component_of_wind", "v_component_of_wind"),
    ],
)
def test_components_are_found_by_name_and_reordered(tmp_path: Path, names: tuple[str, str]) -> None:
    series = read_wind(saved(winds(names), tmp_path))
    east, north = series.record(1)
    expected = np.roll(winds()["u10"].values[1, ::-1], -6, axis=-1)
    np.testing.assert_array_equal(east, expected)
    np.testing.assert_array_equal(north, -expected)
    assert east.dtype == np.float64
    assert not series.is_steady
    assert series.record_count == 2
    np.testing.assert_array_equal(series.longitude, np.arange(0.0, 360.0, 30.0))
    np.testing.assert_array_equal(series.latitude, LATITUDE[::-1])


def test_components_are_found_by_standard_name_before_name(tmp_path: Path) -> None:
    data = winds(("east", "north")).assign(u=winds()["u10"] * 7, v=winds()["v10"] * 7)
    data["east"].attrs["standard_name"] = "eastward_wind"
    data["north"].attrs["standard_name"] = "northward_wind"
    assert read_wind(saved(data, tmp_path)).eastward.name == "east"


def test_units_are_converted(tmp_path: Path) -> None:
    east, _ = read_wind(saved(winds(units="knots"), tmp_path)).record(0)
    assert east.max() == pytest.approx(winds()["u10"].values[0].max() * 1852 / 3600)


def test_wrong_units_are_refused(tmp_path: Path) -> None:
    message = failure(saved(winds(units="Pa s-1"), tmp_path))
    assert "variable 'u10' has units 'Pa s-1'" in message


def test_missing_component_is_named(tmp_path: Path) -> None:
    message = failure(saved(winds(("uas", "vas")).drop_vars("vas"), tmp_path))
    assert "has no northward wind" in message
    assert "it has uas" in message
    assert "--v-name" in message


def test_ambiguous_components_need_a_choice(tmp_path: Path) -> None:
    path = saved(winds().assign(u=winds()["u10"], v=winds()["v10"] * 2), tmp_path)
    assert "several eastward winds (u10, u); choose one with --u-name" in failure(path)
    assert "several northward winds" in failure(path, u_name="u")
    assert read_wind(path, u_name="u", v_name="v").northward.name == "v"
    assert "no variable 'w'" in failure(path, u_name="u", v_name="w")


def test_one_time_step_needs_steady(tmp_path: Path) -> None:
    path = saved(winds(records=1), tmp_path)
    assert "has one time step where two are needed; use --steady" in failure(path)
    series = read_wind(path, steady=True)
    assert series.is_steady
    assert series.record()[0].shape == (9, 12)


def test_steady_does_not_ignore_time_steps(tmp_path: Path) -> None:
    assert "2 time steps, which --steady would ignore" in failure(
        saved(winds(), tmp_path), steady=True
    )


@pytest.mark.parametrize("drop", [True, False])
def test_no_time_axis_is_a_steady_wind(tmp_path: Path, drop: bool) -> None:
    series = read_wind(saved(winds().isel(time=0, drop=drop), tmp_path))
    assert series.is_steady
    assert series.times is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_wind_is_named_when_its_record_is_loaded(tmp_path: Path, bad: float) -> None:
    data = winds()
    data["v10"].values[1, 0, 0] = bad
    series = read_wind(saved(data, tmp_path))
    series.record(0)
    with pytest.raises(DataError, match="'v10' has 1 missing or infinite values at 2016-11-20T06"):
        series.record(1)


def test_undeclared_fill_value_is_refused(tmp_path: Path) -> None:
    data = winds()
    data["u10"].values[0, 2, 2] = -9999.0
    with pytest.raises(DataError, match=r"'u10' reaches 1e\+04 m s-1.*_FillValue"):
        read_wind(saved(data, tmp_path)).record(0)


def test_components_on_different_grids_are_refused(tmp_path: Path) -> None:
    staggered = winds()["v10"].isel(latitude=slice(1, None)).rename(latitude="lat_v")
    data = winds().drop_vars("v10").assign(v10=staggered)
    data["lat_v"].attrs["units"] = "degrees_north"
    assert "different latitude" in failure(saved(data, tmp_path))


@needs_sample_data
def test_real_gfs_wind_has_westerlies_and_trades() -> None:
    series = read_wind(SAMPLE_DATA / "winds" / "gfs_10m_6h_1deg_20161120-22.nc")
    assert series.record_count == 9
    assert series.times is not None
    assert str(series.times[1])[:16] == "2016-11-20T06:00"
    zonal = np.mean([series.record(i)[0].mean(axis=1) for i in range(9)], axis=0)
    assert np.interp([45.0, -15.0, -50.0], series.latitude, zonal) == pytest.approx(
        [2.6, -3.8, 5.9], abs=0.5
    )


@needs_sample_data
def test_real_reanalysis_month_and_level() -> None:
    path = SAMPLE_DATA / "winds" / "eraint_uvz.nc"
    assert "3 levels on 'level'" in failure(path)
    series = read_wind(path, level=850, select={"month": "7"})
    assert series.is_steady
    assert series.level_description == "level = 850 millibars"
    with xr.open_dataset(path) as raw:
        expected = raw["v"].sel(level=850, month=7, latitude=45.0, longitude=-90.0).item()
    row = int(np.flatnonzero(series.latitude == 45.0)[0])
    column = int(np.flatnonzero(series.longitude == 270.0)[0])
    assert series.record()[1][row, column] == pytest.approx(expected)


@needs_sample_data
@pytest.mark.parametrize(
    ("name", "level", "steady", "shape"),
    [
        ("era5_tl31_19590102T00.nc", 1000, False, (32, 64)),
        ("ecmwf_fc_uv_1000_700_500_5deg_20171018.nc", 700, False, (37, 72)),
        ("NCEP_06_climo.nc", 925, True, (64, 128)),
    ],
)
def test_real_layouts(name: str, level: float, steady: bool, shape: tuple[int, int]) -> None:
    series = read_wind(SAMPLE_DATA / "winds" / name, level=level, steady=steady)
    east, north = series.record(0)
    assert east.shape == north.shape == shape
    speed = np.hypot(east, north)
    assert 3.0 < speed.mean() < 15.0


@needs_sample_data
def test_real_climatology_needs_steady() -> None:
    assert "one time step" in failure(SAMPLE_DATA / "winds" / "NCEP_06_climo.nc", level=925)


@needs_sample_data
def test_real_cmip_component_in_a_file_of_its_own() -> None:
    message = failure(SAMPLE_DATA / "cmip6" / "uas_rectilinear_grid_2D.nc")
    assert "has no northward wind" in message
    assert "put both components in one file" in message
