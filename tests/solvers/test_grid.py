import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers import EARTH_RADIUS_M, Grid

GRIDS = [Grid.gaussian(10), Grid.gaussian(42), Grid.carbontracker(), Grid("cell-centre", 7, 12)]


@pytest.mark.parametrize("truncation, shape", [(1, (2, 4)), (42, (64, 128)), (85, (128, 256))])
def test_gaussian_sizes(truncation, shape):
    assert Grid.gaussian(truncation).shape == shape


@given(st.integers(1, 300))
def test_gaussian_is_smallest_even_grid_free_of_quadratic_aliasing(truncation):
    nlat, nlon = Grid.gaussian(truncation).shape
    assert 2 * nlat - 1 >= 3 * truncation
    assert nlon >= 3 * truncation + 1
    assert nlat % 2 == 0
    assert 2 * (nlat - 2) < 3 * truncation + 1


def test_carbontracker_coordinates():
    grid = Grid.carbontracker()
    np.testing.assert_array_equal(grid.latitude, np.arange(-89.0, 90.0, 2.0))
    np.testing.assert_array_equal(grid.longitude, np.arange(-178.5, 180.0, 3.0))
    np.testing.assert_allclose(grid.latitude_bounds, np.arange(-90.0, 91.0, 2.0), atol=1e-12)
    np.testing.assert_array_equal(grid.longitude_bounds, np.arange(-180.0, 181.0, 3.0))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_areas_and_weights(grid):
    sphere = 4 * math.pi * EARTH_RADIUS_M**2
    assert grid.cell_area.sum() == pytest.approx(sphere, rel=1e-14)
    assert grid.area_weights.mean() == pytest.approx(1.0, abs=1e-14)
    assert grid.quadrature_weights.sum() == pytest.approx(2.0, abs=1e-14)
    assert (grid.quadrature_weights > 0).all()
    assert (np.diff(grid.latitude) > 0).all()
    assert (grid.latitude_bounds[:-1] < grid.latitude).all()
    assert (grid.latitude < grid.latitude_bounds[1:]).all()
    np.testing.assert_allclose(grid.latitude_bounds, -grid.latitude_bounds[::-1], atol=1e-6)


def test_cell_area_is_exact_on_a_hemisphere_and_a_polar_cap():
    area = Grid.carbontracker().cell_area
    assert area[45:].sum() == pytest.approx(2 * math.pi * EARTH_RADIUS_M**2, rel=1e-14)
    cap = 2 * math.pi * EARTH_RADIUS_M**2 * (1 - math.cos(math.radians(2)))
    assert area[-1].sum() == pytest.approx(cap, rel=1e-12)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_quadrature_is_exact_for_polynomials_to_its_degree_and_no_further(grid):
    sine = np.sin(np.deg2rad(grid.latitude))
    degree = 2 * grid.nlat - 1 if grid.kind == "gaussian" else grid.nlat - 1

    def legendre(n):  # ∫ P_n = 0 for n > 0, and P_n stays of order one
        return np.polynomial.legendre.Legendre.basis(n)(sine) @ grid.quadrature_weights

    assert max(abs(legendre(n)) for n in range(1, degree + 1)) < 1e-13
    first_wrong = degree + 1 + (degree + 1) % 2  # odd degrees vanish by symmetry
    assert abs(legendre(first_wrong)) > 1e-6


def test_three_gauss_nodes_typed_by_hand():
    grid = Grid("gaussian", 3, 6)
    root = math.degrees(math.asin(math.sqrt(0.6)))
    np.testing.assert_allclose(grid.latitude, [-root, 0.0, root], atol=1e-13)
    np.testing.assert_allclose(grid.quadrature_weights, [5 / 9, 8 / 9, 5 / 9], atol=1e-15)
    edge = math.degrees(math.asin(4 / 9))
    np.testing.assert_allclose(grid.latitude_bounds, [-90, -edge, edge, 90], atol=1e-6)


def test_fejer_weights_typed_by_hand():
    # Two Chebyshev nodes have equal weights, three have 4/9, 10/9, 4/9.
    np.testing.assert_allclose(Grid("cell-centre", 2, 4).quadrature_weights, [1, 1], atol=1e-15)
    three = Grid("cell-centre", 3, 6).quadrature_weights
    np.testing.assert_allclose(three, [4 / 9, 10 / 9, 4 / 9], atol=1e-15)


@pytest.mark.parametrize(
    "grid, largest",
    [(Grid.gaussian(42), 63), (Grid.carbontracker(), 44), (Grid("gaussian", 40, 9), 4)],
)
def test_max_truncation(grid, largest):
    assert grid.max_truncation == largest


@pytest.mark.parametrize(
    "grid", [*GRIDS, Grid("gaussian", 96, 192, -180.0), Grid("cell-centre", 50, 100, 1.8)], ids=str
)
def test_from_coordinates_recognises_float32(grid):
    found = Grid.from_coordinates(
        grid.latitude.astype(np.float32), grid.longitude.astype(np.float32)
    )
    assert found == grid


def test_from_coordinates_keeps_an_odd_first_longitude():
    grid = Grid("gaussian", 8, 16, first_longitude=0.7)
    assert Grid.from_coordinates(grid.latitude, grid.longitude).first_longitude == 0.7


@pytest.mark.parametrize(
    "latitude, longitude, reason",
    [
        (np.linspace(-90, 90, 91), np.arange(0, 360, 3.0), "node at the pole"),
        (np.arange(89, -90, -2.0), np.arange(0, 360, 3.0), "latitude: values must ascend"),
        (np.arange(-89, 90, 2.0), np.arange(0, 180, 3.0), "longitude: 60 values"),
        (np.arange(-89, 90, 2.0), np.r_[0:357:3.0, 359], "longitude"),
        (np.array([-89.0, np.nan, 89.0]), np.arange(0, 360, 3.0), "latitude: contains"),
        (np.zeros((2, 2)), np.arange(0, 360, 3.0), "latitude: need a vector"),
        (np.arange(-88.9, 90, 2.0), np.arange(0, 360, 3.0), "off by 0.1"),
    ],
)
def test_from_coordinates_says_what_is_wrong(latitude, longitude, reason):
    with pytest.raises(DataError, match=reason):
        Grid.from_coordinates(latitude, longitude)


@pytest.mark.parametrize(
    "make",
    [lambda: Grid.gaussian(0), lambda: Grid("gaussian", 0, 4), lambda: Grid("icosahedral", 4, 8)],
)
def test_senseless_grids_are_usage_errors(make):
    with pytest.raises(UsageError):
        make()
