"""The residual against trajectories of the solver, and both losses against closed forms."""

import numpy as np
import pytest
import torch

from co2net_phys.physics_losses import TransportResidual, mass_loss
from co2net_phys.solvers import (
    AdvectionDiffusion,
    Grid,
    SphericalHarmonics,
    SteadySource,
    SteadyWind,
    lawson_rk4,
    trajectory,
)

GRID = Grid("cell-centre", 30, 40)
TRUNCATION, DIFFUSIVITY, SPACING = 13, 2e5, 6 * 3600.0


def harmonics():
    return SphericalHarmonics(GRID, TRUNCATION)


def solved(frames, source=None):
    """A trajectory of the solver, (1, frames, H, W), and its wind at frames and between."""
    space = harmonics()
    latitude, longitude = torch.broadcast_tensors(*space.coordinates())
    psi = space.radius * (-8 * latitude.sin() + 6 * latitude.cos() ** 2 * (2 * longitude).cos())
    u, v = space.wind(space.to_modal(psi))
    initial = 400 + 5 * latitude.cos() * longitude.cos() + 3 * latitude.sin() ** 3
    rate = None if source is None else SteadySource(source)
    equation = AdvectionDiffusion(space, SteadyWind(u, v), DIFFUSIVITY, rate)
    state, step = space.to_modal(initial), lawson_rk4(equation, SPACING / 12)
    states = trajectory(step, state, 0.0, SPACING / 12, 12)
    fields = [space.to_nodal(next(states)[1]) for _ in range(frames)]
    times = (1, 2 * frames - 1, *GRID.shape)
    return torch.stack(fields)[None], (u.expand(times), v.expand(times))


def residual(scale=5.0):
    return TransportResidual(GRID, DIFFUSIVITY, scale, TRUNCATION).double()


@pytest.mark.parametrize("with_source", [False, True])
def test_a_trajectory_of_the_solver_has_next_to_none(with_source):
    latitude, longitude = torch.broadcast_tensors(*harmonics().coordinates())
    source = 1e-5 * (latitude.cos() * longitude.sin() + 0.3) if with_source else None
    tracer, wind = solved(5, source)
    loss = residual()
    shuffled = tracer[:, [2, 0, 4, 1, 3]]
    assert loss(tracer, wind, SPACING) <= 1e-5 * loss(shuffled, wind, SPACING)
    assert loss(tracer, wind, SPACING) <= 1e-2 * loss(tracer, (-wind[0], -wind[1]), SPACING)


def test_a_prior_source_counts_where_it_is_wrong():
    latitude, _ = torch.broadcast_tensors(*harmonics().coordinates())
    source = 1e-5 * latitude.sin()
    tracer, wind = solved(4, source)
    loss = residual()
    right = loss(tracer, wind, SPACING, source[None])
    wrong = loss(tracer, wind, SPACING, 0 * source[None])
    expected = (1e-5 * SPACING / 5.0) ** 2 / 3  # sin² has the mean 1/3
    assert wrong - right == pytest.approx(expected, rel=0.02)
    assert right < 0.01 * wrong


def test_two_frames_say_nothing_without_a_prior():
    tracer, wind = solved(2)
    assert residual()(tracer, wind, SPACING) == 0


def test_units_do_not_matter():
    tracer, wind = solved(4)
    noisy = tracer + torch.randn(tracer.shape, dtype=tracer.dtype, generator=seeded(0))
    one, other = residual(5.0), residual(5e-3)
    torch.testing.assert_close(one(noisy, wind, SPACING), other(noisy / 1e3, wind, SPACING))


def test_single_precision_agrees():
    tracer, wind = solved(4)
    noisy = tracer + torch.randn(tracer.shape, dtype=tracer.dtype, generator=seeded(0))
    single = TransportResidual(GRID, DIFFUSIVITY, 5.0, TRUNCATION)
    value = single(noisy.float(), (wind[0].float(), wind[1].float()), SPACING)
    torch.testing.assert_close(value.double(), residual()(noisy, wind, SPACING), rtol=1e-4, atol=0)


def test_gradient():
    grid = Grid("cell-centre", 8, 10)
    loss = TransportResidual(grid, 1e6, 2.0, 3).double()
    tracer = torch.randn(1, 3, 8, 10, dtype=torch.float64, generator=seeded(1))
    u, v = torch.randn(2, 1, 5, 8, 10, dtype=torch.float64, generator=seeded(2)) * 10
    prior = 1e-5 * torch.randn(1, 8, 10, dtype=torch.float64, generator=seeded(3))
    inputs = [part.requires_grad_() for part in (tracer, u, v, prior)]

    def loss_of(tracer, u, v, prior):
        return loss(tracer, (u, v), 1e5, prior * 1e-5)

    assert torch.autograd.gradcheck(loss_of, inputs, eps=1e-5, atol=1e-7, rtol=1e-4)


def test_mass_loss_against_a_closed_form():
    area = torch.from_numpy(GRID.area_weights)
    latitude = torch.from_numpy(np.deg2rad(GRID.latitude))[:, None]
    shape = (2 + latitude.sin() ** 2).expand(GRID.shape)  # of the mean 7/3
    level = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    tracer = level[None, :, None, None] * shape
    found = mass_loss(tracer, area, 10.0, 0.1, 0.5)
    changes = [7 / 3 * 1 - 1, 7 / 3 * 2 - 1]
    assert float(found) == pytest.approx(sum((c / 0.5) ** 2 for c in changes) / 2, rel=1e-3)
    growth = torch.tensor([[7 / 30, 14 / 30]], dtype=torch.float64)
    assert float(mass_loss(tracer, area, 10.0, growth, 0.5)) < 1e-5


def test_mass_loss_gradient():
    tracer = torch.randn(2, 3, 4, 6, dtype=torch.float64, generator=seeded(4), requires_grad=True)
    area = torch.rand(4, 1, dtype=torch.float64, generator=seeded(5)) + 0.1
    assert torch.autograd.gradcheck(lambda t: mass_loss(t, area, 3.0, 0.1, 2.0), (tracer,))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_nothing_is_left_for_a_steady_zonal_state():
    """A zonal tracer in a zonal wind without diffusion does not change."""
    latitude, _ = torch.broadcast_tensors(*harmonics().coordinates())
    tracer = latitude.sin().expand(1, 3, *GRID.shape)
    u = 10 * latitude.cos().expand(1, 5, *GRID.shape)
    wind = (u, torch.zeros_like(u))
    loss = TransportResidual(GRID, 0.0, 1.0, TRUNCATION).double()
    assert float(loss(tracer, wind, SPACING)) < 1e-28
