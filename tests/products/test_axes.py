"""One order of latitude and longitude, with bounds, whatever the file's own."""

import numpy as np
import pytest
import xarray as xr
from grid_files import gaussian_latitudes
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import DataError
from co2net_phys.products.axes import grid_axes
from co2net_phys.products.levels import lowest_level

LATITUDE = np.arange(-85.0, 90, 10)
LONGITUDE = np.arange(-175.0, 180, 10)


def on(latitude, longitude, **attributes):
    """A map whose values are the places themselves."""
    values = np.asarray(latitude)[:, None] + np.asarray(longitude) * 1j
    return xr.Dataset(
        {"f": (("y", "x"), np.abs(values))},
        coords={
            "lat": ("y", latitude, {"units": "degrees_north"} | attributes.get("lat", {})),
            "lon": ("x", longitude, {"units": "degrees_east"} | attributes.get("lon", {})),
        },
    )


def axes_of(latitude, longitude):
    axes, row, column = grid_axes(on(latitude, longitude), "f", "a.nc: variable 'f'")
    assert (row, column) == ("y", "x")
    return axes


def tiles_the_sphere(axes):
    north, east = axes.latitude_bounds, axes.longitude_bounds
    assert (north[0, 0], north[-1, 1]) == (-90, 90)
    np.testing.assert_array_equal(north[1:, 0], north[:-1, 1])
    np.testing.assert_array_equal(east[1:, 0], east[:-1, 1])
    assert east[-1, 1] == east[0, 0] + 360
    for bounds, centres in ((north, axes.latitude), (east, axes.longitude)):
        assert np.all((bounds[:, 0] <= centres) & (centres <= bounds[:, 1]))
        assert np.all(np.diff(bounds, axis=1) > 0)


@pytest.mark.parametrize("latitude", [LATITUDE, LATITUDE[::-1], np.linspace(90, -90, 19)])
@pytest.mark.parametrize(
    "longitude",
    [
        *(LONGITUDE, LONGITUDE % 360, np.arange(0.0, 360, 10), np.arange(0, 361.0, 10)),
        *(np.arange(-180, 181.0, 10), np.arange(180.0, 540, 10)),
    ],
)
def test_every_convention_becomes_one(latitude, longitude):
    axes = axes_of(latitude, longitude)
    assert axes.is_global
    np.testing.assert_array_equal(axes.latitude, np.sort(latitude))
    np.testing.assert_array_equal(np.asarray(latitude)[axes.rows], axes.latitude)
    assert axes.longitude.size == 36
    assert axes.longitude.min() >= -180
    assert axes.longitude.max() < 180
    assert np.all(np.diff(axes.longitude) > 0)
    turns = (np.asarray(longitude)[axes.columns] - axes.longitude) / 360
    np.testing.assert_array_equal(turns, np.rint(turns))
    tiles_the_sphere(axes)


@settings(max_examples=40, deadline=None)
@given(
    nlat=st.integers(4, 40),
    nlon=st.integers(4, 60),
    first=st.floats(-180, 180),
    gaussian=st.booleans(),
    descending=st.booleans(),
)
def test_bounds_tile_the_sphere_on_any_global_grid(nlat, nlon, first, gaussian, descending):
    equal = -90 + (np.arange(nlat) + 0.5) * 180 / nlat
    latitude = gaussian_latitudes(nlat) if gaussian else equal
    axes = axes_of(latitude[::-1] if descending else latitude, first + np.arange(nlon) * 360 / nlon)
    assert axes.is_global
    tiles_the_sphere(axes)


def test_polar_rows_of_half_height_get_their_true_bounds():
    """GEOS-Chem 4 x 5: boxes of 2 degrees at the poles, whose centres are at 89."""
    axes = axes_of(np.r_[-89.0, np.arange(-86.0, 87, 4), 89.0], np.arange(-180.0, 180, 5))
    np.testing.assert_allclose(axes.latitude_bounds[:3], [[-90, -88], [-88, -84], [-84, -80]])
    tiles_the_sphere(axes)


def with_bounds(latitude, longitude, north, east):
    data = on(latitude, longitude, lat={"bounds": "lat_bnds"}, lon={"bounds": "lon_bnds"})
    data["lat_bnds"], data["lon_bnds"] = (("y", "b"), north), (("x", "b"), east)
    return grid_axes(data, "f", "a.nc")[0]


def test_bounds_of_the_file_are_kept_in_the_new_order():
    latitude = np.array([60.0, 10.0, -50.0])  # uneven rows: midpoints would be 35 and -20
    north = np.array([[90.0, 40.0], [40.0, -20.5], [-20.5, -90.0]])
    longitude = np.arange(0.0, 360, 60)
    east = np.stack([longitude - 20, longitude + 40], axis=1)
    axes = with_bounds(latitude, longitude, north, east)
    np.testing.assert_allclose(axes.latitude_bounds, [[-90, -20.5], [-20.5, 40], [40, 90]])
    np.testing.assert_allclose(np.diff(axes.longitude_bounds, axis=1), 60)
    np.testing.assert_allclose(axes.longitude_bounds[:, 0], axes.longitude - 20)
    tiles_the_sphere(axes)


@pytest.mark.parametrize("wrong", ["shifted", "missing", "overlapping"])
def test_bounds_that_do_not_fit_are_not_believed(wrong):
    edges = np.linspace(-90, 90, 19)
    north = np.stack([edges[:-1], edges[1:]], axis=1)
    bad = {
        "shifted": north + 10,
        "missing": north * np.nan,
        "overlapping": north + np.array([0, 3]),
    }[wrong]
    east = np.stack([LONGITUDE - 5, LONGITUDE + 5], axis=1)
    np.testing.assert_allclose(with_bounds(LATITUDE, LONGITUDE, bad, east).latitude_bounds, north)


def test_a_region_is_told_from_the_globe():
    axes = axes_of(np.array([40.5, 43.3, 46.0, 48.8]), np.array([281.25, 284.0625, 286.875]))
    assert not axes.is_global
    np.testing.assert_allclose(axes.longitude, [-78.75, -75.9375, -73.125])
    np.testing.assert_allclose(axes.latitude_bounds[0, 0], 39.1)
    across = axes_of(LATITUDE, np.array([170.0, 175.0, 180.0, 185.0]))
    np.testing.assert_allclose(np.diff(across.longitude_bounds, axis=1), 5, err_msg="dateline")


@pytest.mark.parametrize(
    ("latitude", "longitude", "said"),
    [
        (LONGITUDE, LATITUDE, "swapped"),
        (np.r_[LATITUDE[:5], LATITUDE[4:]], LONGITUDE, "repeated latitude"),
        (LATITUDE[[0, 2, 1, 3]], LONGITUDE, "not monotonic"),
        (LATITUDE * np.nan, LONGITUDE, "missing latitudes"),
        (LATITUDE, np.where(LONGITUDE > 100, np.nan, LONGITUDE), "missing longitudes"),
        (LATITUDE, LONGITUDE * 1e5, "no degrees"),
        (LATITUDE[:1], LONGITUDE, "no map"),
    ],
)
def test_axes_that_are_none(latitude, longitude, said):
    with pytest.raises(DataError, match=said) as caught:
        axes_of(latitude, longitude)
    assert str(caught.value).startswith("a.nc: variable 'f'")
    assert "\n" not in str(caught.value)


def test_other_kinds_of_grid_are_refused():
    flat = xr.Dataset({"f": ("cell", np.zeros(4))}, coords={"lat": ("cell", np.arange(4.0))})
    flat = flat.assign_coords(lon=("cell", np.arange(4.0)))
    with pytest.raises(DataError, match="unstructured"):
        grid_axes(flat, "f", "a.nc")
    point = on(LATITUDE, LONGITUDE).isel(y=0)
    with pytest.raises(DataError, match="single latitude"):
        grid_axes(point, "f", "a.nc")
    with pytest.raises(DataError, match="no latitude"):
        grid_axes(xr.Dataset({"f": (("a", "b"), np.zeros((2, 2)))}), "f", "a.nc")


@pytest.mark.parametrize(
    ("values", "attributes", "lowest"),
    [
        ([1000.0, 500.0], {"units": "hPa"}, 0),
        ([500.0, 1000.0], {"units": "hPa"}, 1),
        (
            [0.99, 0.5],
            {
                "standard_name": "atmosphere_hybrid_sigma_pressure_coordinate",
                "positive": "up",
                "units": "level",
            },
            0,
        ),
        ([10.0, 80.0], {"units": "m"}, 0),
        ([1.0, 60.0], {"positive": "down"}, 1),
        ([1.0, 60.0], {}, None),
    ],
)
def test_the_lowest_level_by_what_the_coordinate_means(values, attributes, lowest):
    assert lowest_level(xr.DataArray(values, dims="z", attrs=attributes)) == lowest
