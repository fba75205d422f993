import math

import pytest
import torch

from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.solvers.wind_closure import (
    ProjectedProduct,
    WindClosure,
    degree_power,
    inner,
    solve_projected,
)

HARMONICS = SphericalHarmonics(Grid.gaussian(15), 15)
FINER = SphericalHarmonics(HARMONICS.grid, 22)


def random_field(count, seed=0):
    """(count, l, m) of a spectrum that reaches the truncation, as those of tracers and winds do."""
    generator = torch.Generator().manual_seed(seed)
    nodal = torch.randn(count, *HARMONICS.grid.shape, generator=generator, dtype=torch.float64)
    degree = torch.arange(16.0, dtype=torch.float64)
    return HARMONICS.to_modal(nodal) / (1.0 + degree[:, None]) ** 2


def operator(equations, seed=1):
    gradient = HARMONICS.gradient(random_field(equations, seed))
    return ProjectedProduct(HARMONICS, HARMONICS.radius * torch.stack(gradient, dim=-1))


def winds(seed=2):
    """(2, l, m) without the constant, which is no wind."""
    coefficients = random_field(2, seed)
    coefficients[:, 0] = 0.0
    return coefficients


def test_adjoint():
    product, wind, residual = operator(3), winds(), random_field(3, 5)
    left, right = inner(product(wind), residual), inner(wind, product.adjoint(residual))
    assert left == pytest.approx(right, rel=1e-10)
    assert abs(left) > 1e-6


def test_squares_add_up_to_those_of_the_wind():
    u, v = operator(1).wind(winds())
    energy = HARMONICS.integrate(u**2 + v**2) / HARMONICS.radius**2
    assert inner(winds(), winds()) == pytest.approx(float(energy), rel=1e-12)
    assert degree_power(winds()).sum() == pytest.approx(float(energy), rel=1e-12)


def test_three_tracers_give_the_wind_back():
    product, wind = operator(3), winds()
    solution = solve_projected(product, product(wind))
    error = solution.coefficients - wind
    assert inner(error, error) < 1e-4 * inner(wind, wind)
    again = solve_projected(product, product(wind), iterations=3)
    assert again.iterations == 3
    assert inner(again.coefficients - wind, again.coefficients - wind) > inner(error, error)


def test_what_no_equation_sees_stays_calm():
    """Of a wind along the contours of the only tracer nothing is found."""
    psi = random_field(1)[0]
    gradient = HARMONICS.radius * torch.stack(HARMONICS.gradient(psi), dim=-1)[None]
    product = ProjectedProduct(HARMONICS, gradient)
    degree = torch.arange(16.0, dtype=torch.float64)
    wind = torch.stack([psi * (degree * (degree + 1)).sqrt()[:, None], 0 * psi])
    assert inner(product(wind), product(wind)) < 1e-20 * inner(wind, wind)
    found = solve_projected(product, product(wind)).coefficients
    assert inner(found, found) < 1e-20 * inner(wind, wind)


def test_values_are_the_part_beyond_the_truncation():
    """Against the coefficients of a finer truncation on the same grid."""
    product, wind = operator(3), winds()
    whole = FINER.to_modal(product.product(wind))
    whole[:, :16, :16] = 0.0
    beyond = FINER.to_modal(product.beyond(wind))
    torch.testing.assert_close(beyond[:, 16:], whole[:, 16:])
    assert float(beyond[:, :16].abs().max()) < 1e-12 * float(whole.abs().max())


def columns_of(product, wind):
    right = HARMONICS.to_nodal(product(wind))
    return torch.stack([product.east, product.north, right], dim=-1)[:, :, :, None]


def test_closed_equations_hold_at_the_nodes():
    product, wind = operator(3), winds()
    columns = columns_of(product, wind)
    ones = torch.ones(columns.shape[:4], dtype=torch.float64)
    closure = WindClosure(HARMONICS, columns, ones, 0.0 * ones)
    missing = product.beyond(wind)
    error = closure.values()[..., 0] - missing
    assert float(error.square().mean()) < 0.01 * float(missing.square().mean())
    noise = torch.zeros(3, 1, *wind.shape[1:], dtype=torch.complex128)
    claimed = float(closure.error(noise).square().mean() / error.square().mean())
    assert math.sqrt(claimed) == pytest.approx(1.0, abs=0.7)


def test_nothing_lies_beyond_the_truncation_of_smooth_equations():
    """One smooth tracer: w̃ is rough where it says nothing, but the equations are not."""
    latitude, longitude = torch.broadcast_tensors(*HARMONICS.coordinates())
    tracer = latitude.cos() * longitude.cos() + latitude.sin() ** 2
    wind = winds()
    wind[..., 4:, :] = 0.0
    gradient = HARMONICS.gradient(HARMONICS.to_modal(tracer[None]))
    product = ProjectedProduct(HARMONICS, HARMONICS.radius * torch.stack(gradient, dim=-1))
    columns = columns_of(product, wind)
    ones = torch.ones(columns.shape[:4], dtype=torch.float64)
    closure = WindClosure(HARMONICS, columns, ones, 0.0 * ones)
    assert float(product.beyond(closure.solution.coefficients).abs().max()) > 1e-4
    assert float(closure.values().abs().max()) < 1e-12
