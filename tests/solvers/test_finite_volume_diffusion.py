import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from co2net_phys.solvers import finite_volume_diffusion
from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.finite_volume_diffusion import (
    ExactDiffusion,
    ImplicitDiffusion,
    diffusion,
)
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics

DAY = 86400.0
GRIDS = [Grid("gaussian", 10, 20), Grid("cell-centre", 12, 24, first_longitude=-7.5)]


def areas(grid):
    return torch.from_numpy(grid.area_weights)


def plain_matrix(grid, field):
    """∇·D∇ of the finite volumes on the unit sphere, cell by cell, faces from the geometry."""
    theta, edge = np.deg2rad(grid.latitude), np.deg2rad(grid.latitude_bounds)
    width, size = 2 * math.pi / grid.nlon, grid.nlat * grid.nlon
    matrix = np.zeros((size, size))
    for k in range(grid.nlat):
        area = width * (math.sin(edge[k + 1]) - math.sin(edge[k]))
        for i in range(grid.nlon):
            faces = [
                (k, (i + s) % grid.nlon, (edge[k + 1] - edge[k]) / (width * math.cos(theta[k])))
                for s in (-1, 1)
            ]
            for s, face in ((-1, k), (1, k + 1)):
                if 0 <= k + s < grid.nlat:
                    length = width * math.cos(edge[face])
                    faces.append((k + s, i, length / abs(theta[k + s] - theta[k])))
            for row, column, conductance in faces:
                rate = (field[k, i] + field[row, column]) / 2 * conductance / area
                matrix[k * grid.nlon + i, row * grid.nlon + column] += rate
                matrix[k * grid.nlon + i, k * grid.nlon + i] -= rate
    return matrix


@pytest.mark.parametrize("grid", GRIDS)
def test_exact_diffusion_is_the_exponential_of_the_plain_matrix(grid):
    state = torch.rand(2, 1, *grid.shape, dtype=torch.float64)
    propagator = expm(0.05 * plain_matrix(grid, np.ones(grid.shape)))
    expected = state.reshape(2, -1) @ torch.from_numpy(propagator).T
    found = ExactDiffusion(grid, 2.0)(state, 0.2)
    torch.testing.assert_close(found.reshape(2, -1), expected, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
def test_implicit_diffusion_solves_the_plain_matrix(grid):
    field = np.random.default_rng(0).random(grid.shape)
    state = torch.rand(2, *grid.shape, dtype=torch.float64)
    implicit = ImplicitDiffusion(grid, 2.0, torch.from_numpy(field), 0.3)
    assert implicit.steps > 1
    size = grid.nlat * grid.nlon
    matrix = np.eye(size) - 0.3 / implicit.steps / 4.0 * plain_matrix(grid, field)
    backwards = np.linalg.matrix_power(np.linalg.inv(matrix), implicit.steps)
    expected = state.reshape(2, -1) @ torch.from_numpy(backwards).T
    torch.testing.assert_close(implicit(state).reshape(2, -1), expected, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("kind", ["gaussian", "cell-centre"])
def test_second_order_in_space(kind):
    errors = []
    for nlat in (24, 48):
        harmonics = SphericalHarmonics(Grid(kind, nlat, 2 * nlat), 4)
        modal = torch.zeros(5, 5, dtype=torch.complex128)
        modal[0, 0], modal[2, 0], modal[3, 2], modal[4, 1] = 2.0, 0.3, 1.0, 0.5j
        decay = torch.exp(1e5 * 20 * DAY * harmonics.laplacian_eigenvalues)[:, None]
        spread = diffusion(harmonics.grid, EARTH_RADIUS_M, 1e5, 20 * DAY)
        error = spread(harmonics.to_nodal(modal), 0.0) - harmonics.to_nodal(modal * decay)
        errors.append(float((areas(harmonics.grid) * error**2).mean().sqrt()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.15)


@settings(max_examples=20, deadline=None)
@given(
    grid=st.sampled_from(GRIDS),
    seed=st.integers(0, 10**6),
    amount=st.floats(1.0, 1e7),
    varies=st.booleans(),
)
def test_mass_range_and_constants(grid, seed, amount, varies):
    generator = torch.Generator().manual_seed(seed)
    field = amount * torch.rand(grid.shape, generator=generator, dtype=torch.float64)
    spread = diffusion(grid, EARTH_RADIUS_M, field if varies else amount, 3600.0)
    # A point source somewhere, on a rough background, on none, and a constant.
    state = torch.rand(3, *grid.shape, generator=generator, dtype=torch.float64)
    state[1] = 0.0
    state[1].view(-1)[seed % state[1].numel()] = 1e3
    state[2] = 0.7
    found = spread(state, 0.0)
    for before, after in zip(state, found, strict=True):
        assert after.min() >= before.min() and after.max() <= before.max()
        mass = (areas(grid) * before).sum()
        torch.testing.assert_close((areas(grid) * after).sum(), mass, rtol=2e-13, atol=0.0)
    assert torch.equal(found[2], state[2])


def test_turns_with_the_sphere_and_is_linear():
    grid = GRIDS[0]
    spread = diffusion(grid, EARTH_RADIUS_M, 1e6, DAY)
    state = torch.rand(2, *grid.shape, dtype=torch.float64)
    found = spread(state, 0.0)
    torch.testing.assert_close(spread(state.roll(3, -1), 0.0), found.roll(3, -1))
    torch.testing.assert_close(spread(state.sum(0), 0.0), found.sum(0))


def test_time_dependent_coefficients_are_those_of_the_middle():
    grid = GRIDS[1]
    state = torch.rand(grid.shape, dtype=torch.float64)
    number = diffusion(grid, EARTH_RADIUS_M, lambda time: 10.0 * time, 3600.0)(state, 200.0)
    expected = diffusion(grid, EARTH_RADIUS_M, 2e4, 3600.0)(state, 0.0)
    torch.testing.assert_close(number, expected, rtol=0.0, atol=1e-15)
    shape = torch.rand(grid.shape, dtype=torch.float64)
    field = diffusion(grid, EARTH_RADIUS_M, lambda time: time * shape, 3600.0)
    for time in (0.0, 7200.0):
        fixed = diffusion(grid, EARTH_RADIUS_M, (time + 1800.0) * shape, 3600.0)
        torch.testing.assert_close(field(state, time), fixed(state, 0.0), rtol=0.0, atol=0.0)


def test_without_diffusivity_nothing_happens():
    state = torch.rand(GRIDS[0].shape, dtype=torch.float64)
    assert torch.equal(diffusion(GRIDS[0], EARTH_RADIUS_M, 0.0, DAY)(state, 0.0), state)


def test_large_grids_take_implicit_steps(monkeypatch):
    grid, state = GRIDS[1], torch.rand(GRIDS[1].shape, dtype=torch.float64)
    exact = diffusion(grid, EARTH_RADIUS_M, 1e5, 3600.0)(state, 0.0)
    monkeypatch.setattr(finite_volume_diffusion, "LARGEST_TABLE_BYTES", 0)
    implicit = diffusion(grid, EARTH_RADIUS_M, 1e5, 3600.0)(state, 0.0)
    difference = float((implicit - exact).abs().max())
    assert 0.0 < difference < 0.1 * float((exact - state).abs().max())
