"""4D-Var: its gradient, its minimum against linear algebra, and what it says of itself."""

import math

import numpy as np
import pytest
import torch

from co2net_phys.inversion.four_dimensional_variational import minimise


def observed_part(problem):
    """The linear map from controls to reports in units of their errors, and the prior's misfit."""
    reported = torch.isfinite(problem.observations.values)
    size = problem.control.size
    with torch.no_grad():
        columns = torch.cat([torch.zeros(1, size), torch.eye(size)]).double()
        modelled = problem.operator(problem.states(columns)[0])  # (F, 1 + n, S)
    modelled = modelled.transpose(0, 1)[:, reported]  # (1 + n, p)
    errors = problem.observations.errors.expand_as(problem.observations.values)[reported]
    prior = (problem.observations.values[reported] - modelled[0]) / errors
    return ((modelled[1:] - modelled[0]) / errors).T.numpy(), prior.numpy()


def best_linear_unbiased(problem):
    """Mean and covariance of the posterior controls: P = (I + GᵀG)⁻¹, x = P Gᵀ d."""
    matrix, innovation = observed_part(problem)
    covariance = np.linalg.inv(np.eye(matrix.shape[1]) + matrix.T @ matrix)
    return covariance @ matrix.T @ innovation, covariance


def test_the_gradient_passes_the_taylor_test(laboratory):
    setup = laboratory(truncation=8, frames=3, periods=2, length=2e6)
    problem, _ = setup.twin()
    random = np.random.default_rng(1)
    point, way = (torch.from_numpy(random.standard_normal((1, setup.control.size))) for _ in "ab")
    draws = setup.draws()
    cost, gradient = problem.gradient(point, draws)
    slope = float((gradient * way).sum())
    sizes = 10.0 ** -np.arange(0, 5)
    with torch.no_grad():
        moved = [float(problem.cost(point + size * way, draws)) for size in sizes]
    remainders = np.abs(np.array(moved) - float(cost) - sizes * slope)
    orders = np.diff(np.log10(remainders)) / np.diff(np.log10(sizes))
    assert np.abs(orders - 2).max() < 0.01, orders  # over four decades of the step
    # J is quadratic: the remainder is the curvature along the way, the same at every size.
    assert remainders / sizes**2 == pytest.approx(remainders[0], rel=1e-3)


def test_the_adjoint_of_the_whole_map_from_control_to_observations(laboratory):
    setup = laboratory(truncation=8, frames=3, periods=2, length=2e6)
    problem, _ = setup.twin()
    random = np.random.default_rng(2)
    white = torch.zeros(1, setup.control.size, dtype=torch.float64).requires_grad_()
    modelled = problem.operator(problem.states(white)[0])
    covector = torch.from_numpy(random.standard_normal(tuple(modelled.shape)))
    (pulled,) = torch.autograd.grad(modelled, white, covector)
    other = torch.from_numpy(random.standard_normal((1, setup.control.size)))
    with torch.no_grad():
        pushed = problem.operator(problem.states(other)[0]) - modelled
    left, right = float((pushed * covector).sum()), float((other * pulled).sum())
    assert left == pytest.approx(right, rel=1e-12 * 400)  # differences of values near 400


def test_the_minimum_is_the_best_linear_unbiased_estimate(laboratory):
    setup = laboratory(truncation=3, frames=3, periods=2)
    problem, _ = setup.twin()
    found = minimise(problem, setup.draws(), iterations=80, reduction=1e-10)
    expected, _ = best_linear_unbiased(problem)
    assert np.abs(found.white[0].numpy() - expected).max() < 1e-8
    assert found.gradient_reduction < 1e-8
    assert found.costs == sorted(found.costs, reverse=True)


def test_perturbed_inversions_are_draws_from_the_posterior(laboratory):
    setup = laboratory(truncation=3, frames=3)
    problem, _ = setup.twin()
    members = 60
    found = minimise(problem, setup.draws(members), iterations=60, reduction=1e-5)
    expected, covariance = best_linear_unbiased(problem)
    assert found.white[0].numpy() == pytest.approx(expected, abs=1e-3)
    departures = found.white[1:].numpy() - expected
    distances = np.einsum("mi,ij,mj->m", departures, np.linalg.inv(covariance), departures)
    # Each is chi-square distributed with as many degrees as there are controls.
    degrees = members * len(expected)
    assert distances.sum() / degrees == pytest.approx(1.0, abs=4 * math.sqrt(2 / degrees))


def test_members_do_not_see_one_another(laboratory):
    setup = laboratory(truncation=3, frames=3)
    problem, _ = setup.twin()
    draws = setup.draws(members=2)
    white = torch.from_numpy(np.random.default_rng(3).standard_normal((3, setup.control.size)))
    together, _ = problem.gradient(white, draws)
    single = type(draws)(draws.centre[2:], draws.noise[:, 2:])
    alone, slope = problem.gradient(white[2:], single)
    assert float(together[2]) == pytest.approx(float(alone[0]), rel=1e-13)
    assert torch.allclose(problem.gradient(white, draws)[1][2:], slope, rtol=1e-11, atol=1e-11)
