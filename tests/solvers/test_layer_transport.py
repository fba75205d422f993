import numpy as np
import pytest
import torch

from co2net_phys.solvers.equations import AdvectionDiffusion
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.layer_transport import LayerTransport
from co2net_phys.solvers.monotone import monotone
from co2net_phys.solvers.winds import SolidBodyRotation, SteadyWind

DAY = 86400.0


def set_up(truncation=10):
    grid = Grid.gaussian(truncation)
    return grid, SphericalHarmonics(grid, truncation)


def random_wind(harmonics, seed, speed=30.0):
    """A smooth wind of the first three degrees, half of it divergent, and its divergence."""
    generator = torch.Generator().manual_seed(seed)
    size = harmonics.truncation + 1
    parts = torch.randn(2, size, size, 2, generator=generator, dtype=torch.float64)
    psi, chi = (torch.view_as_complex(part.contiguous()).tril() for part in parts)
    for modal in (psi, chi):
        modal[4:], modal[0] = 0.0, 0.0
        modal[:, 0] = modal[:, 0].real.to(modal.dtype)
    scale = speed / float(torch.hypot(*harmonics.wind(psi, chi)).max())
    u, v = harmonics.wind(psi * scale, chi * scale)
    divergence = harmonics.to_nodal(harmonics.laplacian(chi * scale))
    return u.numpy(), v.numpy(), divergence.numpy()


def test_solid_rotation_comes_back_with_the_order_of_the_interpolation():
    """Twenty-four steps of one turn, over the poles, of a smooth field."""

    def error(truncation):
        grid, harmonics = set_up(truncation)
        wind = SolidBodyRotation(harmonics, 2 * np.pi / (12 * DAY), 90.0)
        u, v = (part.numpy() for part in torch.broadcast_tensors(*wind(0.0)))
        north, east = np.radians(grid.latitude)[:, None], np.radians(grid.longitude)
        start = 2.0 + np.sin(4.0 * np.cos(north) * np.cos(east - 0.3))
        step, air = LayerTransport(harmonics, DAY / 2), np.ones(grid.shape)
        ratio = start
        for _ in range(24):
            ratio = step(ratio, air, air, u, v)
        return np.sqrt((grid.area_weights * (ratio - start) ** 2).mean())

    errors = [error(truncation) for truncation in (10, 15, 21)]
    sizes = np.array([Grid.gaussian(truncation).nlat for truncation in (10, 15, 21)])
    slopes = -np.diff(np.log(errors)) / np.diff(np.log(sizes))
    assert np.all(slopes > 1.7), (errors, slopes)  # the bounds take order 2 at the extremes
    assert errors[-1] < 5e-3


def test_with_even_air_it_is_the_monotone_scheme():
    grid, harmonics = set_up()
    wind = SolidBodyRotation(harmonics, 2 * np.pi / (12 * DAY), 40.0)
    u, v = torch.broadcast_tensors(*wind(0.0))
    rough = np.random.default_rng(0).uniform(0, 1, grid.shape)
    air = np.full(grid.shape, 3.0)
    found = LayerTransport(harmonics, DAY / 4)(rough, air, air, u.numpy(), v.numpy())
    equation = AdvectionDiffusion(harmonics, SteadyWind(u.contiguous(), v.contiguous()))
    expected = monotone(equation, DAY / 4, width=6)(torch.from_numpy(rough), 0.0)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_divergent_winds_keep_mass_bounds_and_constants(seed):
    grid, harmonics = set_up()
    u, v, divergence = random_wind(harmonics, seed)
    random = np.random.default_rng(seed)
    before = 1000.0 * (1.0 + 0.3 * np.sin(np.radians(grid.latitude))[:, None] + 0 * u)
    after = before - DAY / 4 * 1000.0 * divergence
    assert after.min() > 0.0
    step = LayerTransport(harmonics, DAY / 4)
    ratio = np.where(random.uniform(size=grid.shape) < 0.1, 1.0, 0.0)
    moved = step(ratio, before, after, u, v)
    mass = (grid.area_weights * before * ratio).sum()
    np.testing.assert_allclose((grid.area_weights * after * moved).sum(), mass, rtol=1e-13)
    assert 0.0 <= moved.min() <= moved.max() <= 1.0
    constant = step(np.full(grid.shape, 4.2), before, after, u, v)
    np.testing.assert_allclose(constant, 4.2, rtol=1e-14)
