"""Against tracers of one harmonic whose coefficient is a known function of time."""

import pytest
import torch

from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.solvers.wind_terms import DIFFERENCES, centred_difference, wind_problem
from co2net_phys.solvers.wind_time_error import errors_at_a_jump, time_error

HARMONICS = SphericalHarmonics(Grid.gaussian(4), 4)
STEP = 0.1


def problem_of(amplitude, order):
    """One tracer amplitude(t) sin θ at fifteen instants around zero."""
    time = STEP * (torch.arange(15, dtype=torch.float64) - 7)
    latitude, _ = torch.broadcast_tensors(*HARMONICS.coordinates())
    tracer = amplitude(time)[None, :, None, None] * latitude.sin()
    return wind_problem(
        tracer, STEP, 0.0, None, None, harmonics=HARMONICS, order=order, window=1
    )  # fmt: skip


def found_and_true(amplitude, derivative, order):
    """Estimated and true error of ∂φ/∂t at the centres, in units of sin θ."""
    problem = problem_of(amplitude, order)
    estimate, _ = time_error(problem)
    difference = centred_difference(problem.tracers, DIFFERENCES[order]) / STEP
    time = STEP * (torch.arange(15, dtype=torch.float64) - 7)
    unit = problem_of(torch.ones_like, order).tracers[0, 0, 1, 0].real
    inside = slice(order // 2, 15 - order // 2)
    true = difference[0, :, 1, 0].real / unit - derivative(time)[inside]
    return estimate[0, :, 1, 0].real / unit, true


@pytest.mark.parametrize("order", [2, 4, 6])
def test_smooth_tracers(order):
    found, true = found_and_true(torch.sin, torch.cos, order)
    torch.testing.assert_close(found[1:-1], true[1:-1], rtol=0.02, atol=0)


@pytest.mark.parametrize("order", [2, 4, 6])
def test_jump_of_the_second_derivative(order):
    """Where the first derivative has a kink, in a smooth tracer."""
    found, true = found_and_true(
        lambda t: t.sin() + t * t.abs(), lambda t: t.cos() + 2 * t.abs(), order
    )
    near = slice(7 - order // 2 - order // 2 + 1, 7 - order // 2 + order // 2)
    assert float(true[near].abs().max()) > 50 * 0.1 * STEP**order
    torch.testing.assert_close(found[near].abs(), true[near].abs(), rtol=0.25, atol=0.0)


def test_errors_at_a_jump():
    assert errors_at_a_jump(2) == pytest.approx([3])
    assert errors_at_a_jump(4) == pytest.approx([10, 2.5])
    assert errors_at_a_jump(6) == pytest.approx([21, 35 / 6, 7 / 6])


def test_noise_does_not_stand_out():
    """A sample of noise is as large at every instant, so that no jump is seen in it."""
    harmonics = SphericalHarmonics(Grid.gaussian(21), 21)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 40, *harmonics.grid.shape, generator=generator, dtype=torch.float64)
    problem = wind_problem(
        noise, STEP, 0.0, None, None, harmonics=harmonics, order=4, window=1
    )  # fmt: skip
    _, variance = time_error(problem)
    assert float(variance.max() - variance.min()) == 0.0
