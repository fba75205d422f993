import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.data.interpolation import BilinearInterpolator

SOURCE_LATITUDE = np.arange(-88.0, 89.0, 4.0)
SOURCE_LONGITUDE = np.arange(0.0, 360.0, 5.0)
TARGET_LATITUDE = np.array([-90.0, -89.0, -61.3, 0.0, 12.5, 87.9, 89.5, 90.0])
TARGET_LONGITUDE = np.array([-179.0, -2.5, 0.0, 3.3, 177.7, 357.5, 359.9])


def interpolator() -> BilinearInterpolator:
    return BilinearInterpolator(
        SOURCE_LATITUDE, SOURCE_LONGITUDE, TARGET_LATITUDE, TARGET_LONGITUDE
    )


def cartesian_wind(
    latitude: np.ndarray, longitude: np.ndarray, vector: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Eastward and northward parts of one vector in space, each (latitude, longitude)."""
    phi = np.deg2rad(latitude)[:, None]
    lam = np.deg2rad(longitude)[None, :]
    x, y, z = vector
    east = -x * np.sin(lam) + y * np.cos(lam) + 0 * phi
    north = -np.sin(phi) * (x * np.cos(lam) + y * np.sin(lam)) + z * np.cos(phi)
    return east, north


@given(value=st.floats(-1e6, 1e6))
@settings(max_examples=20, deadline=None)
def test_constants_are_exact(value: float) -> None:
    constant = np.full((SOURCE_LATITUDE.size, SOURCE_LONGITUDE.size), value)
    assert np.all(interpolator()(constant) == value)


def test_linear_in_latitude_is_exact_between_the_rows() -> None:
    inside = np.abs(TARGET_LATITUDE) <= 88.0
    field = np.broadcast_to(3.0 * SOURCE_LATITUDE[:, None] + 1.0, (45, 72))
    result = interpolator()(field)[inside]
    expected = np.broadcast_to(3.0 * TARGET_LATITUDE[inside, None] + 1.0, result.shape)
    np.testing.assert_allclose(result, expected, rtol=1e-14, atol=1e-12)


def test_the_pole_is_the_zonal_mean_of_the_last_row() -> None:
    field = np.random.default_rng(1).random((45, 72))
    result = interpolator()(field)
    np.testing.assert_allclose(result[0], field[0].mean(), rtol=1e-14)
    np.testing.assert_allclose(result[-1], field[-1].mean(), rtol=1e-14)


def test_zonal_mean_counts_uneven_columns_by_their_width() -> None:
    longitude = np.array([0.0, 10.0, 180.0])
    widths = np.array([95.0, 90.0, 175.0])
    row = np.array([1.0, 5.0, -2.0])
    field = np.stack([row, row])
    result = BilinearInterpolator(np.array([-10.0, 10.0]), longitude, np.array([90.0]), longitude)(
        field
    )
    np.testing.assert_allclose(result, np.full((1, 3), row @ widths / 360.0))


def test_a_row_at_the_pole_is_kept() -> None:
    latitude = np.array([-90.0, 0.0, 90.0])
    field = np.random.default_rng(2).random((3, 4))
    longitude = np.arange(0.0, 360.0, 90.0)
    same = BilinearInterpolator(latitude, longitude, latitude, longitude)(field)
    np.testing.assert_array_equal(same, field)


@pytest.mark.parametrize("vector", [(7.0, 0.0, 0.0), (0.0, -4.0, 0.0), (3.0, 2.0, 5.0)])
def test_one_vector_in_space_is_accurate_up_to_the_poles(
    vector: tuple[float, float, float],
) -> None:
    winds = cartesian_wind(SOURCE_LATITUDE, SOURCE_LONGITUDE, vector)
    expected = cartesian_wind(TARGET_LATITUDE, TARGET_LONGITUDE, vector)
    length = np.linalg.norm(vector)
    for result, truth in zip(interpolator().wind(*winds), expected, strict=True):
        # Linear interpolation over 5 degrees is wrong by (5 deg)**2 / 8 = 1e-3 of the amplitude.
        np.testing.assert_allclose(result, truth, atol=2e-3 * length)


def test_the_polar_wind_is_one_vector_on_every_meridian() -> None:
    rng = np.random.default_rng(3)
    source_columns = BilinearInterpolator(
        SOURCE_LATITUDE, SOURCE_LONGITUDE, np.array([-90.0, 90.0]), SOURCE_LONGITUDE
    )
    east, north = source_columns.wind(rng.random((45, 72)), rng.random((45, 72)))
    turn = np.exp(1j * np.deg2rad(SOURCE_LONGITUDE))
    wind = east + 1j * north
    np.testing.assert_allclose(wind[0] / turn, (wind[0] / turn)[0], atol=1e-13)
    np.testing.assert_allclose(wind[1] * turn, (wind[1] * turn)[0], atol=1e-13)


def test_conventions_and_orders_do_not_matter() -> None:
    field = np.random.default_rng(4).random((3, 45, 72))
    west = (SOURCE_LONGITUDE + 180.0) % 360.0 - 180.0
    order = np.argsort(west)
    other = BilinearInterpolator(
        SOURCE_LATITUDE[::-1], west[order], TARGET_LATITUDE, TARGET_LONGITUDE % 360.0
    )
    np.testing.assert_allclose(other(field[:, ::-1][..., order]), interpolator()(field), rtol=1e-12)


def test_interior_agrees_with_xarray() -> None:
    field = np.random.default_rng(5).random((2, 45, 72))
    latitude = np.linspace(-87.0, 86.0, 31)
    longitude = np.linspace(1.0, 354.0, 47)
    oracle = xr.DataArray(
        field,
        dims=("time", "latitude", "longitude"),
        coords={"latitude": SOURCE_LATITUDE, "longitude": SOURCE_LONGITUDE},
    ).interp(latitude=latitude, longitude=longitude)
    result = BilinearInterpolator(SOURCE_LATITUDE, SOURCE_LONGITUDE, latitude, longitude)(field)
    np.testing.assert_allclose(result, oracle.values, rtol=1e-12)


def test_the_seam_lies_between_the_last_and_the_first_column() -> None:
    field = np.broadcast_to(np.arange(72.0), (45, 72))
    seam = BilinearInterpolator(
        SOURCE_LATITUDE, SOURCE_LONGITUDE, np.array([0.0]), np.array([357.5, -2.5, 355.0, 360.0])
    )(field)
    np.testing.assert_allclose(seam, [[35.5, 35.5, 71.0, 0.0]])


@pytest.mark.parametrize(
    "coordinates",
    [
        ([0.0, 0.0], [0.0, 180.0], [0.0], [0.0]),
        ([-10.0, 10.0], [0.0, 360.0], [0.0], [0.0]),
        ([-10.0, 10.0], [0.0, 180.0], [91.0], [0.0]),
        ([-10.0, np.nan], [0.0, 180.0], [0.0], [0.0]),
        ([-10.0, 10.0], [], [0.0], [0.0]),
    ],
)
def test_bad_coordinates_are_refused(coordinates: tuple[list[float], ...]) -> None:
    with pytest.raises(ValueError, match=r"distinct|lie in|finite"):
        BilinearInterpolator(*map(np.array, coordinates))


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(latitude, longitude\) = \(45, 72\)"):
        interpolator()(np.zeros((72, 45)))
