"""Diagnostics against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.solvers import Grid
from co2net_phys.validation.tracer_mixing import distance_to_curve, mixing
from co2net_phys.validation.transport_cases import cosine_bells
from co2net_phys.validation.transport_diagnostics import (
    FILAMENT_LEVELS,
    area_shares,
    error_norms,
    filament_preservation,
    minimal_resolution,
    new_extremes,
    order_of_convergence,
)

GRIDS = [Grid.gaussian(21), Grid("cell-centre", 30, 60)]


@pytest.mark.parametrize("grid", GRIDS)
def test_the_norms_of_a_known_error(grid):
    """Exact 2, error 1 on the northern hemisphere: 1/4, √(1/8) and 1/2."""
    exact = np.full(grid.shape, 2.0)
    field = exact + (grid.latitude > 0)[:, None]
    norms = error_norms(field, exact, area_shares(grid))
    assert norms["l1"] == pytest.approx(0.25)
    assert norms["l2"] == pytest.approx(np.sqrt(1 / 8))
    assert norms["linf"] == pytest.approx(0.5)
    assert area_shares(grid).sum() == pytest.approx(1.0)


def test_new_extremes_are_relative_to_the_range():
    initial = np.array([[1.0, 3.0]])
    assert new_extremes(np.array([[0.8, 3.1]]), initial) == pytest.approx((-0.1, 0.05))
    assert new_extremes(np.array([[1.2, 2.8]]), initial) == pytest.approx((0.1, -0.1))


def test_filaments_that_keep_or_lose_their_area():
    grid = GRIDS[1]
    theta, lam = np.radians(grid.latitude)[:, None], np.radians(grid.longitude)[None, :]
    bells, weights = cosine_bells(theta, lam), area_shares(grid)
    turned = np.roll(bells, 7, axis=1)
    kept = filament_preservation(turned, bells, weights)
    reached = bells.max() >= FILAMENT_LEVELS - 1e-12
    assert kept == pytest.approx(np.where(reached, 100.0, 0.0))
    flat = filament_preservation(np.full_like(bells, 0.5), bells, weights)
    assert flat[0] == pytest.approx(100.0)  # 0.1 is reached everywhere
    assert (flat[FILAMENT_LEVELS > 0.5] == 0).all()
    assert flat[8] > 500.0  # 0.5 everywhere
    assert FILAMENT_LEVELS.size == 19


def test_order_and_minimal_resolution():
    spacing = [3.0, 1.5, 0.75]
    errors = [0.033 * (x / 2.0) ** 2.5 for x in spacing]
    assert order_of_convergence(spacing, errors) == pytest.approx(2.5)
    assert minimal_resolution(spacing, errors) == pytest.approx(2.0)
    assert minimal_resolution(spacing[:1], errors[:1]) is None
    assert minimal_resolution([1.5, 0.75], [e / 100 for e in errors[1:]]) is None
    with pytest.raises(UsageError):
        order_of_convergence([1.5], [0.1])


@settings(max_examples=100, deadline=None)
@given(chi=st.floats(-0.2, 1.3), xi=st.floats(-0.2, 1.2))
def test_the_distance_is_the_shortest(chi, xi):
    """Against a search over a fine division of the curve."""
    on_curve = np.linspace(0.1, 1.0, 20001)
    apart = ((chi - on_curve) / 0.9) ** 2 + ((xi + 0.8 * on_curve**2 - 0.9) / 0.792) ** 2
    distance = distance_to_curve(np.array([chi]), np.array([xi]))
    assert distance[0] == pytest.approx(np.sqrt(apart.min()), abs=5e-5)


def test_each_kind_of_mixing_is_recognised():
    """On the curve, half-way on the chord, above the curve, and beyond the range."""
    weights = np.full((1, 1), 1.0)

    def of(chi, xi):
        found = mixing(np.array([[chi]]), np.array([[xi]]), weights)
        return found.real, found.unmixing, found.overshooting

    assert of(0.6, 0.9 - 0.8 * 0.36) == pytest.approx((0, 0, 0), abs=1e-12)
    real = of(0.55, (0.892 + 0.1) / 2)
    assert real[0] > 0.05
    assert real[1:] == (0, 0)
    assert of(0.6, 0.8)[1] > 0.05
    assert of(0.2, 0.3)[1] > 0.05  # below the chord
    assert of(0.05, 0.892)[2] == pytest.approx(0.05 / 0.9, rel=1e-2)
    assert of(1.0, 0.05)[0] == 0


def test_blending_with_the_background_is_real_mixing():
    grid = GRIDS[1]
    theta, lam = np.radians(grid.latitude)[:, None], np.radians(grid.longitude)[None, :]
    chi = cosine_bells(theta, lam)
    xi = 0.9 - 0.8 * chi**2
    blended = [0.7 * chi + 0.3 * 0.1, 0.7 * xi + 0.3 * 0.892]
    found = mixing(*blended, area_shares(grid))
    assert found.real > 1e-3
    assert found.unmixing == found.overshooting == 0
    unchanged = mixing(chi, xi, area_shares(grid))
    assert unchanged.real + unchanged.unmixing + unchanged.overshooting < 1e-8
