import logging
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from co2net_phys.data.fields import open_dataset, read_field
from co2net_phys.data.global_grid import global_longitude_order
from co2net_phys.errors import DataError

LATITUDE = np.arange(-80.0, 81.0, 20.0)
LONGITUDE = np.arange(0.0, 360.0, 30.0)
TIMES = np.array(["2016-11-20T00", "2016-11-20T06", "2016-11-20T12"], dtype="datetime64[ns]")
SAMPLE_DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA", Path(__file__).parents[2].parent / "shared" / "data")
)
needs_sample_data = pytest.mark.skipif(
    not SAMPLE_DATA.is_dir(), reason=f"no real sample data at {SAMPLE_DATA} (CO2PHYS_SAMPLE_DATA)"
)


def smooth(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """A field of shape (latitude, longitude) that differs at every grid point."""
    return (
        400
        + latitude[:, None] / 10
        + np.arange(1, 13)[None, : longitude.size] * 0.001
        + (np.cos(np.deg2rad(longitude))[None, :])
    )


def dataset() -> xr.Dataset:
    values = np.stack([smooth(LATITUDE, LONGITUDE) + i for i in range(3)])
    return xr.Dataset(
        {"co2": (("time", "lat", "lon"), values, {"units": "1e-6"})},
        coords={
            "time": TIMES,
            "lat": ("lat", LATITUDE, {"units": "degrees_north"}),
            "lon": ("lon", LONGITUDE, {"units": "degrees_east"}),
        },
    )


def saved(data: xr.Dataset, folder: Path, name: str = "air.nc", **options: object) -> Path:
    path = folder / name
    data.to_netcdf(path, **options)
    return path


def failure(path: Path, variable: str = "co2", **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read_field(path, variable, **options).record(0)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("file_format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4"])
def test_netcdf_round_trip(tmp_path: Path, file_format: str) -> None:
    field = read_field(saved(dataset(), tmp_path, format=file_format), "co2")
    assert field.data.dims == ("time", "latitude", "longitude")
    assert field.units == "1e-6"
    assert field.record_count == 3
    np.testing.assert_array_equal(field.times, TIMES)
    np.testing.assert_array_equal(field.latitude, LATITUDE)
    np.testing.assert_array_equal(field.record(2), dataset()["co2"].values[2])


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("consolidated", [False, True])
def test_zarr_round_trip(tmp_path: Path, zarr_format: int, consolidated: bool) -> None:
    path = tmp_path / "air.zarr"
    dataset().to_zarr(path, zarr_format=zarr_format, consolidated=consolidated)
    np.testing.assert_array_equal(read_field(path, "co2").record(1), dataset()["co2"].values[1])


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    order=st.permutations(["time", "lat", "lon"]),
    descending=st.booleans(),
    west=st.booleans(),
    repeated_meridian=st.booleans(),
)
def test_reading_does_not_depend_on_the_layout(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[str],
    descending: bool,
    west: bool,
    repeated_meridian: bool,
) -> None:
    data = dataset().transpose(*order)
    if descending:
        data = data.isel(lat=slice(None, None, -1))
    if west:
        data = data.assign_coords(lon=(data.lon + 180) % 360 - 180).sortby("lon")
    if repeated_meridian:
        last = data.isel(lon=[0]).assign_coords(lon=data.lon[:1] + 360)
        data = xr.concat([data, last], "lon")
    data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
    field = read_field(saved(data, tmp_path_factory.mktemp("layout")), "co2")
    np.testing.assert_array_equal(field.latitude, LATITUDE)
    np.testing.assert_array_equal(field.longitude, LONGITUDE)
    np.testing.assert_array_equal(field.record(1), dataset()["co2"].values[1])


@pytest.mark.parametrize("names", [("latitude", "longitude"), ("y", "x"), ("nav_lat", "nav_lon")])
def test_bare_coordinates_are_found_by_name(tmp_path: Path, names: tuple[str, str]) -> None:
    data = dataset().rename(lat=names[0], lon=names[1])
    for name in names:
        data[name].attrs = {}
    np.testing.assert_array_equal(
        read_field(saved(data, tmp_path), "co2").record(0), dataset()["co2"].values[0]
    )


def test_coordinates_are_found_by_attribute_whatever_their_name(tmp_path: Path) -> None:
    data = dataset().rename(lat="a", lon="b", time="c")
    np.testing.assert_array_equal(
        read_field(saved(data, tmp_path), "co2").record(0), dataset()["co2"].values[0]
    )


def test_coordinates_named_unlike_their_dimension(tmp_path: Path) -> None:
    data = dataset().rename_dims(lat="row", lon="column").reset_index(["lat", "lon"])
    np.testing.assert_array_equal(
        read_field(saved(data, tmp_path), "co2").record(0), dataset()["co2"].values[0]
    )


def test_noleap_calendar(tmp_path: Path) -> None:
    times = xr.date_range("2001-02-27", periods=3, calendar="noleap", use_cftime=True)
    field = read_field(saved(dataset().assign_coords(time=times), tmp_path), "co2")
    assert field.times is not None
    assert field.times[2].isoformat() == "2001-03-01T00:00:00"


def test_one_time_is_chosen(tmp_path: Path) -> None:
    path = saved(dataset(), tmp_path)
    chosen = read_field(path, "co2", time="2016-11-20T06")
    assert chosen.times is None
    np.testing.assert_array_equal(chosen.record(), dataset()["co2"].values[1])
    assert "no record at '2016-11-21'" in failure(path, time="2016-11-21")
    assert "3 records at '2016-11-20'" in failure(path, time="2016-11-20")
    static = saved(dataset().isel(time=0, drop=True), tmp_path, "static.nc")
    assert "no time dimension to choose" in failure(static, time="2016-11-20")


def with_levels() -> xr.Dataset:
    levels = xr.DataArray(
        [1000.0, 850.0], dims="lev", coords={"lev": [1000.0, 850.0]}, attrs={"units": "hPa"}
    )
    data = dataset()
    data["co2"] = data["co2"] * xr.DataArray([1.0, 2.0], dims="lev")
    data = data.assign_coords(lev=levels)
    data["lev"].attrs = {"units": "hPa", "axis": "Z"}
    return data


def test_level_is_chosen_by_its_value(tmp_path: Path) -> None:
    field = read_field(saved(with_levels(), tmp_path), "co2", level=850)
    assert field.level_description == "lev = 850 hPa"
    np.testing.assert_array_equal(field.record(0), 2 * dataset()["co2"].values[0])


def test_level_failures_list_the_levels(tmp_path: Path) -> None:
    path = saved(with_levels(), tmp_path)
    assert "2 levels on 'lev'; choose one with --level: 1000, 850 hPa" in failure(path)
    assert "no level 500 on 'lev'; choose one with --level: 1000" in failure(path, level=500.0)
    flat = saved(dataset(), tmp_path, "flat.nc")
    assert "no vertical dimension; drop --level" in failure(flat, level=850.0)


def with_months() -> xr.Dataset:
    data = dataset().isel(time=0, drop=True)
    data["co2"] = data["co2"] + xr.DataArray([0.0, 50.0], dims="month", coords={"month": [1, 7]})
    return data


def test_further_dimension(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = saved(with_months(), tmp_path)
    with caplog.at_level(logging.WARNING):
        first = read_field(path, "co2")
    assert [r.getMessage() for r in caplog.records] == [
        f"{path}: variable 'co2' has the dimension 'month' with 2 entries (1, 7): using the first, "
        "month=1; choose another with --select month=<entry>"
    ]
    caplog.clear()
    july = read_field(path, "co2", select={"month": "7"})
    assert not caplog.records
    np.testing.assert_allclose(july.record() - first.record(), 50.0)
    assert "no month=8; --select month= one of: 1, 7" in failure(path, select={"month": "8"})
    assert "no dimension 'season'" in failure(path, select={"season": "1"})


def test_dimensions_of_size_one_are_dropped_silently(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(dataset().expand_dims(member=[5], height=[2.0]), tmp_path)
    with caplog.at_level(logging.WARNING):
        field = read_field(path, "co2")
    assert not caplog.records
    assert field.data.dims == ("time", "latitude", "longitude")


def test_missing_variable_lists_those_there_are(tmp_path: Path) -> None:
    data = dataset()
    for number in range(10):
        data[f"v{number}"] = data["co2"]
    message = failure(saved(data, tmp_path), "ch4")
    assert message.endswith("no variable 'ch4'; it has co2, v0, v1, v2, v3, v4, v5, v6 and 3 more")


def test_nan_is_named_with_its_time_and_place(tmp_path: Path) -> None:
    data = dataset()
    data["co2"].values[1, 3, 4:6] = np.nan
    field = read_field(saved(data, tmp_path), "co2")
    assert np.isfinite(field.record(0)).all()
    with pytest.raises(DataError, match="2 missing or infinite values at 2016-11-20T06:00") as e:
        field.record(1)
    assert "latitude -20, longitude 120" in str(e.value)


def test_only_the_asked_record_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    field = read_field(saved(dataset(), tmp_path), "co2")
    loaded: list[int] = []
    original = xr.DataArray.compute

    def spy(self: xr.DataArray, **options: object) -> xr.DataArray:
        loaded.append(self.size)
        return original(self, **options)

    monkeypatch.setattr(xr.DataArray, "compute", spy)
    field.record(1)
    assert loaded == [LATITUDE.size * LONGITUDE.size]
    assert field.data.chunks is not None
    assert field.data.chunks[0] == (1, 1, 1)


def test_two_dimensional_coordinates_are_refused(tmp_path: Path) -> None:
    rows, columns = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    data = xr.Dataset(
        {"co2": (("y", "x"), rows)},
        coords={
            "lat": (("y", "x"), rows, {"units": "degrees_north"}),
            "lon": (("y", "x"), columns, {"units": "degrees_east"}),
            "x": np.arange(LONGITUDE.size),
            "y": np.arange(LATITUDE.size),
        },
    )
    assert "curvilinear or projected grid" in failure(saved(data, tmp_path))
    for name in ("lat", "lon"):
        data[name].attrs = {}
    assert "regrid it to latitude-longitude" in failure(saved(data, tmp_path, "bare.nc"))


def test_unstructured_and_projected_grids_are_refused(tmp_path: Path) -> None:
    cells = xr.Dataset(
        {"co2": ("cell", np.ones(5))},
        coords={
            "lat": ("cell", np.arange(5.0), {"units": "degrees_north"}),
            "lon": ("cell", np.arange(5.0), {"units": "degrees_east"}),
        },
    )
    assert "unstructured grid (dimension 'cell')" in failure(saved(cells, tmp_path, "cells.nc"))
    metres = {"units": "m", "standard_name": "projection_x_coordinate"}
    projected = xr.Dataset(
        {"co2": (("y", "x"), np.ones((3, 3)))},
        coords={"x": ("x", [0.0, 1e5, 2e5], metres), "y": ("y", [0.0, 1e5, 2e5], metres)},
    )
    assert "not on a latitude-longitude grid" in failure(saved(projected, tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lon": LONGITUDE / 4}, "does not go round the globe"),
        ({"lon": (LONGITUDE - 180) / 4}, "does not go round the globe"),
        ({"lat": LATITUDE / 4}, "is regional"),
        ({"lat": np.r_[LATITUDE[:4], 0, LATITUDE[3], LATITUDE[6:]]}, "not monotonic"),
        ({"lat": LATITUDE * 1.2}, "beyond 90 degrees"),
        ({"lon": np.r_[np.nan, LONGITUDE[1:]]}, "missing longitudes"),
        ({"time": TIMES[[0, 2, 1]]}, r"times that do not increase (record 3, 2016-11-20T06:00)"),
        ({"time": TIMES[[0, 1, 1]]}, "times that do not increase"),
        ({"time": np.arange(3)}, "time axis without CF units"),
    ],
)
def test_bad_coordinates_are_refused(
    tmp_path: Path, change: dict[str, np.ndarray], message: str
) -> None:
    data = dataset()
    for name, values in change.items():
        data = data.assign_coords({name: (name, values, data[name].attrs)})
    assert message in failure(saved(data, tmp_path))


def test_longitudes_rounded_to_float32_keep_one_meridian() -> None:
    rounded = np.array([-180, -90, -1e-6, 90, 180.00001], dtype=np.float32)
    order, longitude = global_longitude_order(rounded, "air.nc: variable 'co2'")
    np.testing.assert_allclose(longitude, [0, 90, 180, 270], atol=1e-4)
    assert len(order) == 4


def test_undecodable_time_is_explained(tmp_path: Path) -> None:
    data = dataset().assign_coords(time=("time", [0, 1, 2], {"units": "fortnights since 2000"}))
    message = failure(saved(data, tmp_path))
    assert "time axis cannot be decoded" in message
    assert "hours since 2000-01-01" in message


@pytest.mark.parametrize("file_format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4"])
@pytest.mark.parametrize("kept", [0.2, 0.9])
def test_truncated_file_is_refused(tmp_path: Path, file_format: str, kept: float) -> None:
    path = saved(dataset(), tmp_path, format=file_format)
    os.truncate(path, int(path.stat().st_size * kept))
    message = failure(path)
    assert "truncated" in message
    assert "again" in message


def test_damaged_chunk_is_explained_when_it_is_read(tmp_path: Path) -> None:
    path = saved(dataset(), tmp_path, encoding={"co2": {"zlib": True, "fletcher32": True}})
    content = bytearray(path.read_bytes())
    start = content.rfind(b"\x78\x5e")
    assert start > 0
    content[start : start + 40] = bytes(40)
    path.write_bytes(content)
    assert "cannot be read" in failure(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"hello world", "neither NetCDF nor Zarr"), (b"GRIB\0\0", "cdo -f nc4")],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "air.nc"
    path.write_bytes(content)
    assert message in failure(path)


def test_missing_file_and_plain_folder_are_refused(tmp_path: Path) -> None:
    assert "no such file" in failure(tmp_path / "none.nc")
    assert "is a folder but not a Zarr store" in failure(tmp_path)


def test_permission_error_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(dataset(), tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(DataError, match="permission denied; make the file readable"):
        open_dataset(path)


@needs_sample_data
def test_real_co2_column() -> None:
    path = SAMPLE_DATA / "co2" / "SMALL_total_column_co2.nc"
    field = read_field(path, "tcco2")
    assert (field.record_count, field.units) == (31, "kg m**-2")
    with xr.open_dataset(path) as raw:
        np.testing.assert_allclose(field.record(4), raw["tcco2"].values[4, ::-1])


@needs_sample_data
def test_real_canesm_calendar_and_regional_refusal() -> None:
    path = SAMPLE_DATA / "cmip6" / "tas_Amon_CanESM2_rcp85_r1i1p1_200701-200712.nc"
    field = read_field(path, "tas")
    assert field.times is not None
    assert field.times[0].calendar == "noleap"
    assert field.level_description == "height = 2 m"
    name = "prsn_day_CanESM5_historical_r1i1p1f1_gn_19910101-20101231.nc"
    assert "regional" in failure(SAMPLE_DATA / "cmip6" / name, "prsn")


@needs_sample_data
def test_real_boundary_curtain_and_observations_are_refused() -> None:
    curtain = SAMPLE_DATA / "co2" / "co2_EUROPE_201407.nc"
    assert "no latitude" in failure(curtain, "vmr_n")
    flask = SAMPLE_DATA / "obspack" / "ch4_esp_surface-flask_2_representative.nc"
    assert "unstructured grid (dimension 'obs')" in failure(flask, "value")
