"""Conservative regridding between the grids of the solver, cell by cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.regridding import ConservativeRegridder, LatLonGrid
from co2net_phys.solvers import Grid

GRIDS = [Grid.gaussian(21), Grid.carbontracker(), Grid("cell-centre", 12, 30, first_longitude=7.0)]
pairs = pytest.mark.parametrize(
    ("source", "target"), [(a, b) for a in GRIDS for b in GRIDS if a != b]
)


def regridder(source, target):
    return ConservativeRegridder(LatLonGrid.of_solver(source), LatLonGrid.of_solver(target))


@pairs
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_mass_is_kept_and_no_new_extremes_appear(source, target, seed):
    field = np.random.default_rng(seed).lognormal(0, 3, (2, *source.shape))
    out = regridder(source, target)(field)
    assert out.shape == (2, *target.shape)
    mass, after = ((f * g.cell_area).sum((1, 2)) for f, g in ((field, source), (out, target)))
    np.testing.assert_allclose(after, mass, rtol=1e-12)
    assert out.min() >= field.min() * (1 - 1e-12)
    assert out.max() <= field.max() * (1 + 1e-12)


@pairs
def test_each_value_is_the_mean_over_the_cells_beneath(source, target):
    """One cell after another, against the overlap of two boxes worked out by hand."""
    random = np.random.default_rng(0)
    regrid = regridder(source, target)

    def box(grid, row, column):
        south, north = grid.latitude_bounds[row : row + 2]
        west, east = grid.longitude_bounds[column : column + 2]
        return np.sin(np.radians([south, north])), np.array([west, east])

    for _ in range(20):
        row, column = (int(random.integers(size)) for size in source.shape)
        single = np.zeros(source.shape)
        single[row, column] = 1.0
        out = regrid(single)
        sines, edges = box(source, row, column)
        for at in zip(*np.nonzero(out > 1e-14), strict=True):
            other_sines, other = box(target, *at)
            height = min(sines[1], other_sines[1]) - max(sines[0], other_sines[0])
            width = max(
                min(edges[1] + turn, other[1]) - max(edges[0] + turn, other[0])
                for turn in (-720, -360, 0, 360, 720)
            )
            area = np.diff(other_sines)[0] * np.diff(other)[0]
            assert out[at] == pytest.approx(height * width / area, rel=1e-9)


def test_the_same_grid_changes_nothing():
    grid = Grid.carbontracker()
    field = np.random.default_rng(1).random(grid.shape)
    np.testing.assert_allclose(regridder(grid, grid)(field), field, rtol=1e-13)
