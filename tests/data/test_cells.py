"""Edges of cells make areas right on every kind of grid."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import roots_legendre

from co2net_phys.data.cells import cell_bounds, latitude_bounds
from co2net_phys.data.regions import land_fraction, region_mask
from co2net_phys.errors import UsageError
from co2net_phys.metrics import latitude_weights
from co2net_phys.solvers.grid import Grid


def gaussian(rows: int) -> np.ndarray:
    return np.degrees(np.arcsin(roots_legendre(rows)[0]))


def caps(latitude: np.ndarray) -> np.ndarray:
    """Area north of each row's southern edge, on the unit sphere."""
    weights = latitude_weights(latitude)
    return 4 * np.pi * np.cumsum(weights[::-1])[::-1] / weights.sum()


@pytest.mark.parametrize("rows", [2, 3, 36, 90, 181, 720])
def test_caps_of_a_cell_centre_grid(rows: int) -> None:
    edges = -90 + 180 * np.arange(rows) / rows
    expected = 2 * np.pi * (1 - np.sin(np.radians(edges)))
    np.testing.assert_allclose(caps(edges + 90 / rows), expected, atol=1e-12)


@pytest.mark.parametrize("rows", [3, 19, 73, 91, 192, 721])
@pytest.mark.parametrize("inset", [False, True], ids=["at the pole", "middle of the cap"])
def test_caps_of_a_grid_with_half_rows_at_the_poles(rows: int, inset: bool) -> None:
    step = 180 / (rows - 1)
    latitude = np.linspace(-90, 90, rows)
    if inset:  # as GEOS-Chem writes them
        latitude[[0, -1]] += step / 4, -step / 4
    edges = np.append(-90, -90 + (np.arange(1, rows) - 0.5) * step)
    expected = 2 * np.pi * (1 - np.sin(np.radians(edges)))
    np.testing.assert_allclose(caps(latitude), expected, atol=1e-12)


@pytest.mark.parametrize("rows", [2, 3, 32, 64, 128, 257])
def test_caps_of_a_gaussian_grid_are_sums_of_quadrature_weights(rows: int) -> None:
    weights = roots_legendre(rows)[1]
    expected = 2 * np.pi * np.cumsum(weights[::-1])[::-1]
    np.testing.assert_allclose(caps(gaussian(rows)), expected, atol=1e-12)


@pytest.mark.parametrize("rows", [64, 94, 160])
def test_rounded_latitudes_are_those_of_the_grid_all_the_same(rows: int) -> None:
    for latitude in (gaussian(rows), np.linspace(-90, 90, rows)):
        for rounded in (latitude.astype("f4"), latitude.round(2)):
            np.testing.assert_array_equal(latitude_bounds(rounded), latitude_bounds(latitude))


@pytest.mark.parametrize("grid", [Grid.carbontracker(), Grid("gaussian", 48, 96)])
def test_the_solvers_count_the_same_areas(grid: Grid) -> None:
    np.testing.assert_allclose(latitude_weights(grid.latitude), grid.area_weights[:, 0], rtol=1e-12)


GRIDS = {
    "cell-centre": (np.arange(-89.0, 90, 2), np.arange(-178.5, 180, 3)),
    "pole-including": (np.linspace(-90, 90, 73), np.arange(0, 360, 3.75)),
    "gaussian, north first": (gaussian(94)[::-1], np.arange(0, 360, 1.875)),
    "half rows": (np.array([-89.5, *np.arange(-88.0, 89, 2), 89.5]), np.arange(-180, 180, 2.5)),
}


def test_land_has_one_area_on_all_grids() -> None:
    areas = {
        name: latitude_weights(latitude)
        @ land_fraction(latitude, east).mean(axis=1)
        / latitude.size
        for name, (latitude, east) in GRIDS.items()
    }
    assert areas["cell-centre"] == pytest.approx(0.29, abs=0.01)
    np.testing.assert_allclose(list(areas.values()), areas["cell-centre"], rtol=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
def test_whole_cells_of_land_and_ocean_have_about_that_area(grid: str) -> None:
    latitude, east = GRIDS[grid]
    weights = latitude_weights(latitude) / latitude.size
    exact = weights @ land_fraction(latitude, east).mean(axis=1)
    land, ocean = (weights @ region_mask(n, latitude, east).mean(axis=1) for n in ("land", "ocean"))
    assert land == pytest.approx(exact, abs=0.005)
    assert land + ocean == pytest.approx(1, abs=1e-12)


@given(st.lists(st.floats(-90, 90), min_size=2, max_size=40, unique=True))
def test_edges_enclose_any_rows_in_their_order(latitudes: list[float]) -> None:
    rows = np.sort(latitudes)
    assume(np.diff(rows).min() > 0.05)  # recognised grids may be off by less
    edges = latitude_bounds(rows)
    assert (np.diff(edges) > 0).all() and np.abs(edges).max() <= 90
    assert (edges[:-1] <= rows + 0.01).all() and (rows <= edges[1:] + 0.01).all()
    np.testing.assert_allclose(latitude_bounds(rows[::-1]), edges[::-1], rtol=1e-12, atol=1e-12)


def test_a_region_has_edges_midway() -> None:
    np.testing.assert_allclose(latitude_bounds([20, 22, 24]), [19, 21, 23, 25])
    np.testing.assert_allclose(latitude_bounds([-3, 0, 5]), [-4.5, -1.5, 2.5, 7.5])
    np.testing.assert_allclose(latitude_bounds([80, 88]), [76, 84, 90])
    np.testing.assert_allclose(cell_bounds([0, 1, 3]), [-0.5, 0.5, 2, 4])
    np.testing.assert_allclose(latitude_bounds([90, 0, -90]), [90, 45, -45, -90])


@pytest.mark.parametrize("axis", [[0.0], [0.0, 0.0], [0.0, 2.0, 1.0], [[0.0, 1.0]]])
def test_an_axis_without_order_is_refused(axis: list[float]) -> None:
    with pytest.raises(UsageError, match="strictly ascending or descending"):
        cell_bounds(axis)


def test_equal_cells_need_no_pytorch() -> None:
    code = (
        "import sys, numpy as np; from co2net_phys.metrics import latitude_weights;"
        "latitude_weights(np.arange(-89.0, 90, 2)); latitude_weights([10, 20, 25]);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
