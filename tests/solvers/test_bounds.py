import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.solvers.bounds import Bounded, BoundedInterpolator, restore_mass, total_masses
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.local_interpolation import LocalInterpolator, extend

GRID = Grid("gaussian", 12, 24)


def scattered(count, seed):
    generator = torch.Generator().manual_seed(seed)
    sine = 2.0 * torch.rand(count, generator=generator, dtype=torch.float64) - 1.0
    return sine.asin(), 7.0 * torch.rand(count, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("bounds_width", [2, 4, 8])
def test_bounded_interpolation_agrees_with_plain_numpy(bounds_width):
    interpolator = LocalInterpolator(GRID, 8)
    bounded = BoundedInterpolator(interpolator, bounds_width)
    fields = torch.rand(2, *GRID.shape, dtype=torch.float64)
    stencils = interpolator.stencils(*scattered(300, 1))
    values, lower, upper = bounded(fields, stencils)

    circles = extend(fields, 4)[..., 4:-4].numpy()
    offset = 4 - bounds_width // 2
    for n in range(300):
        boxes = []
        for i in range(offset, offset + bounds_width):
            row = stencils.row[n] + i
            reach = bounded.reach[row]
            first = stencils.column[n] - 4 + offset - reach
            columns = np.arange(first, first + bounds_width + 2 * reach) % GRID.nlon
            boxes.append(circles[:, row, columns])
        box = np.concatenate(boxes, axis=1)
        np.testing.assert_array_equal(lower[:, n], box.min(1))
        np.testing.assert_array_equal(upper[:, n], box.max(1))
    free = interpolator.interpolate(fields, stencils).numpy()
    np.testing.assert_allclose(values, np.clip(free, lower, upper), rtol=0.0, atol=1e-12)


def test_neighbourhood_is_as_wide_at_the_poles():
    interpolator = LocalInterpolator(Grid("gaussian", 48, 96), 8)
    reach = BoundedInterpolator(interpolator, 4).reach
    cosine = np.abs(np.cos(interpolator.rows))
    full = reach == interpolator.grid.nlon // 2
    assert not reach[np.abs(interpolator.rows) < 0.7].any()
    assert (((2 + reach + 1) * cosine > 2.0) | full).all()
    assert ((2 + reach) * cosine <= 2.0 + 1e-12).all()


def plain_restore(values, lower, upper, areas, mass):
    """Clip and assured sum with room enough, in plain numpy."""
    missing = mass - areas @ values
    bound = upper if missing > 0 else lower
    return values + (bound - values) * missing / (areas @ (bound - values))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 1.0))
@example(seed=169, share=1.0)
def test_mass_within_local_bounds(seed, share):
    random = np.random.default_rng(seed)
    lower = random.normal(size=(1, 50))
    upper = lower + random.exponential(size=(1, 50)) * (random.random((1, 50)) < 0.7)
    values = lower + (upper - lower) * random.random((1, 50))
    areas = random.random(50) + 0.1
    mass = (1 - share) * (lower @ areas) + share * (upper @ areas)
    extremes = np.stack([np.full((1, 50), -9.0), np.full((1, 50), 19.0)], axis=1)
    found = restore_mass(Bounded(values, lower, upper), areas, mass, extremes)
    # With all of the room asked for, what sums round off goes beyond the local bounds.
    roundoff = 1e-14 * np.abs(found).max()
    assert (found >= lower - roundoff).all() and (found <= upper + roundoff).all()
    assert found @ areas == pytest.approx(mass, rel=0.0, abs=1e-13 * (np.abs(found) @ areas)[0])
    if upper @ areas > lower @ areas:
        plain = plain_restore(values[0], lower[0], upper[0], areas, mass[0])
        np.testing.assert_allclose(found[0], plain, rtol=0.0, atol=1e-11)


def test_wider_bounds_take_what_the_local_ones_cannot():
    values, lower, upper = np.zeros((1, 4)), np.zeros((1, 4)), np.array([[0.0, 0.0, 0.5, 0.0]])
    extremes = np.stack([np.zeros((1, 4)), np.full((1, 4), 2.0)], axis=1)
    areas = np.ones(4)
    found = restore_mass(Bounded(values, lower, upper), areas, np.array([3.0]), extremes)
    assert found.sum() == pytest.approx(3.0, abs=1e-15)
    np.testing.assert_allclose(found, [[2 / 3, 2 / 3, 1.0, 2 / 3]], rtol=1e-15)


def test_right_mass_is_left_alone():
    values = np.random.default_rng(0).random((2, 30))
    areas = np.ones(30)
    bounded = Bounded(values, values - 1, values + 1)
    found = restore_mass(bounded, areas, values @ areas, np.stack([values - 2, values + 2], 1))
    np.testing.assert_allclose(found, values, rtol=0.0, atol=1e-15)


def test_masses_are_summed_to_round_off():
    random = np.random.default_rng(1)
    values, areas = 400.0 + random.random((3, 100_003)), random.random(100_003)
    exact = [math.fsum(row * areas) for row in values]
    np.testing.assert_allclose(total_masses(values, areas), exact, rtol=4e-16)


@pytest.mark.parametrize("bounds_width", [0, 3, 6])
def test_refuses_other_widths(bounds_width):
    with pytest.raises(UsageError, match="even number from 2"):
        BoundedInterpolator(LocalInterpolator(GRID, 4), bounds_width)
