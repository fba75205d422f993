"""Exact propagators: against closed forms, against each other, and against RK4's fine limit."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.solvers import (
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadyWind,
    lawson_rk4,
)
from co2net_phys.solvers.chebyshev import ChebyshevPropagator
from co2net_phys.solvers.equations import FORMS, SteadySource
from co2net_phys.solvers.propagators import (
    SolidBodyPropagator,
    ZonalPropagator,
    as_step,
    phi_1,
)
from co2net_phys.validation.harmonic_series import closed_form

DAY = 86400.0
GAUSS = np.polynomial.legendre.leggauss(60)
HARMONICS = SphericalHarmonics(Grid.gaussian(10), 10)
LATITUDE, LONGITUDE = HARMONICS.coordinates()
NOTHING = torch.zeros(HARMONICS.grid.shape, dtype=torch.float64)
JETS = SteadyWind(30 * (2 * LATITUDE).sin() ** 2 + 10 * LATITUDE.cos() + NOTHING, NOTHING)
FIELD = 1e6 * (1.5 + LATITUDE.cos() * (LONGITUDE - 1.0).cos())


def noise(seed, *leading, harmonics=HARMONICS):
    generator = torch.Generator().manual_seed(seed)
    shape = (*leading, *harmonics.grid.shape)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def run(equation, state, time, steps):
    step = lawson_rk4(equation, time / steps)
    for n in range(steps):
        state = step(state, n * time / steps)
    return state


def relative(value, reference):
    return float((value - reference).abs().max() / reference.abs().max())


def assert_limit_of_rk4(equation, start, exact):
    """Errors fall 16-fold with half the step, and the extrapolation to no step is far closer."""
    coarse, fine = (run(equation, start, 2 * DAY, n) for n in (80, 160))
    assert relative(fine, exact) < 1e-5
    assert relative(coarse, exact) / relative(fine, exact) == pytest.approx(16.0, rel=0.15)
    assert relative(fine + (fine - coarse) / 15, exact) < 0.2 * relative(fine, exact)


@pytest.mark.parametrize("build", [SolidBodyPropagator, ZonalPropagator, ChebyshevPropagator])
def test_theorem_2_over_twelve_days_at_t42(build):
    """The corrected series with diffusion and a steady source, mean included."""
    harmonics = SphericalHarmonics(Grid.gaussian(42), 42)
    initial, emitted = harmonics.to_modal(noise(0, 2, harmonics=harmonics))
    source = SteadySource(harmonics.to_nodal(emitted / (12 * DAY)))
    equation = AdvectionDiffusion(harmonics, SolidBodyRotation(harmonics, 5e-6), 1e6, source)
    solved = build(equation)(initial, 12 * DAY)
    exact = closed_form(harmonics, initial, emitted / (12 * DAY), 1e6, 5e-6, 12 * DAY)
    error = torch.linalg.vector_norm(solved - exact) / torch.linalg.vector_norm(exact)
    assert error < 1e-12


@pytest.mark.parametrize("exponent", [0.0, -1e-12, 1e-3, -0.999, 1.001j, -3.0, 1e-8j, 20j])
def test_phi_1_is_accurate_everywhere(exponent):
    """Against its defining integral ∫₀¹ e^{zs} ds by Gauss–Legendre quadrature."""
    nodes, weights = torch.from_numpy(GAUSS[0]), torch.from_numpy(GAUSS[1])
    z = torch.tensor(exponent, dtype=torch.complex128)
    integral = (weights * torch.exp(z * (nodes + 1) / 2)).sum() / 2
    torch.testing.assert_close(phi_1(z), integral, rtol=1e-13, atol=1e-14)
    if not isinstance(exponent, complex):
        assert phi_1(z.real).item() == pytest.approx(integral.real.item(), rel=1e-14)


def test_mean_grows_linearly_and_decay_limits_it():
    source = SteadySource(NOTHING + 3e-6)
    wind, start = SolidBodyRotation(HARMONICS, 5e-6), HARMONICS.to_modal(NOTHING + 400.0)
    for decay, expected in ((0.0, 403.0), (1e-6, 400 / math.e + 3 * (1 - 1 / math.e))):
        equation = AdvectionDiffusion(HARMONICS, wind, 1e5, source, decay=decay)
        for build in (SolidBodyPropagator, ZonalPropagator, ChebyshevPropagator):
            mean = HARMONICS.global_mean(build(equation)(start, 1e6))
            assert float(mean) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("diffusivity", [0.0, 1e6, 1e8, 1e6 * (1 + LATITUDE.sin() ** 2) + NOTHING])
def test_zonal_against_chebyshev(form, diffusivity):
    source = SteadySource(1e-6 * noise(1, 2))
    equation = AdvectionDiffusion(HARMONICS, JETS, diffusivity, source, 1e15, form=form, decay=1e-7)
    start = HARMONICS.to_modal(noise(0, 2))
    zonal = ZonalPropagator(equation)(start, 10 * DAY)
    assert relative(ChebyshevPropagator(equation)(start, 10 * DAY), zonal) < 1e-12
    assert relative(zonal, start) > 0.1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("divergent", [False, True])
@pytest.mark.parametrize("diffusivity", [0.0, FIELD], ids=["advection", "field"])
def test_rk4_converges_to_chebyshev(form, divergent, diffusivity):
    wind = SteadyWind(*DeformationalFlow(HARMONICS, divergent=divergent)(0.0))
    equation = AdvectionDiffusion(
        HARMONICS, wind, diffusivity, SteadySource(1e-6 * noise(1)), form=form
    )
    start = HARMONICS.to_modal(noise(0))
    exact = ChebyshevPropagator(equation)(start, 2 * DAY)
    assert_limit_of_rk4(equation, start, exact)


def test_rk4_converges_to_zonal():
    equation = AdvectionDiffusion(HARMONICS, JETS, 1e6, SteadySource(1e-6 * noise(1)))
    start = HARMONICS.to_modal(noise(0))
    exact = ZonalPropagator(equation)(start, 2 * DAY)
    assert_limit_of_rk4(equation, start, exact)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.0, 20 * DAY), st.floats(0.0, 20 * DAY), st.integers(0, 1000))
def test_two_durations_are_their_sum(first, second, seed):
    wind = SteadyWind(*HARMONICS.wind(HARMONICS.to_modal(3e7 * noise(seed))))
    equation = AdvectionDiffusion(HARMONICS, wind, 1e5, SteadySource(1e-6 * noise(seed + 1)))
    propagate = ChebyshevPropagator(equation)
    start = HARMONICS.to_modal(noise(seed + 2))
    twice = propagate(propagate(start, first), second)
    assert relative(twice, propagate(start, first + second)) < 1e-11


def test_chebyshev_needs_few_right_hand_sides_and_counts_them():
    wind = SteadyWind(*DeformationalFlow(HARMONICS)(0.0))
    propagate = ChebyshevPropagator(AdvectionDiffusion(HARMONICS, wind))
    start = HARMONICS.to_modal(noise(0))
    loose = ChebyshevPropagator(propagate.equation, tolerance=1e-3)
    assert relative(loose(start, 12 * DAY), propagate(start, 12 * DAY)) < 1e-3
    rate = wind.max_speed * math.sqrt(110) / HARMONICS.radius
    assert rate * 12 * DAY < loose.right_hand_sides < propagate.right_hand_sides
    assert propagate.right_hand_sides < 1.1 * rate * 12 * DAY + 40


def test_chebyshev_puts_a_rotation_back_and_refuses_what_is_not_a_number():
    wind = SteadyWind(*DeformationalFlow(HARMONICS)(0.0))
    equation = AdvectionDiffusion(HARMONICS, wind, 1e5)
    start = HARMONICS.to_modal(noise(0))
    split = ChebyshevPropagator(equation.with_rotation(6e-6))
    torch.testing.assert_close(split(start, DAY), ChebyshevPropagator(equation)(start, DAY))
    with pytest.raises(NumericalError, match=r"does not converge.*missing values"):
        split(start * math.nan, DAY)


def test_nothing_moves_without_wind_and_diffusion():
    source = SteadySource(1e-6 * noise(1))
    equation = AdvectionDiffusion(HARMONICS, SteadyWind(NOTHING, NOTHING), source=source)
    start = HARMONICS.to_modal(noise(0))
    expected = start + 1e5 * HARMONICS.to_modal(source.rate)
    for build in (SolidBodyPropagator, ZonalPropagator, ChebyshevPropagator):
        torch.testing.assert_close(build(equation)(start, 1e5), expected, rtol=0.0, atol=1e-15)


def test_single_precision():
    harmonics = SphericalHarmonics(Grid.gaussian(10), 10, dtype=torch.float32)
    wind = SteadyWind(*DeformationalFlow(harmonics)(0.0))
    start = harmonics.to_modal(noise(0).float())
    end = ChebyshevPropagator(AdvectionDiffusion(harmonics, wind, 1e5))(start, DAY)
    double = SteadyWind(*DeformationalFlow(HARMONICS)(0.0))
    exact = ChebyshevPropagator(AdvectionDiffusion(HARMONICS, double, 1e5))(
        start.to(torch.complex128), DAY
    )
    assert end.dtype == torch.complex64
    assert relative(end.to(torch.complex128), exact) < 1e-4


@pytest.mark.parametrize(
    "build, changes, message",
    [
        (SolidBodyPropagator, {"wind": DeformationalFlow(HARMONICS)}, "may change in time"),
        (SolidBodyPropagator, {"wind": JETS}, "no solid-body rotation"),
        (SolidBodyPropagator, {"wind": SolidBodyRotation(HARMONICS, 1e-6, 3.0)}, "tilted"),
        (SolidBodyPropagator, {"diffusivity": FIELD}, "varies in space"),
        (ZonalPropagator, {"wind": SolidBodyRotation(HARMONICS, 1e-6, 3.0)}, "not zonal"),
        (ZonalPropagator, {"diffusivity": FIELD}, "varies along longitude"),
        (ZonalPropagator, {"diffusivity": lambda time: 1e5}, "function of time"),
        (ChebyshevPropagator, {"source": lambda time, tracers: -tracers}, "source may change"),
        (ChebyshevPropagator, {"wind": DeformationalFlow(HARMONICS)}, "may change in time"),
    ],
)
def test_other_problems_are_refused_with_the_reason(build, changes, message):
    arguments = {"wind": SolidBodyRotation(HARMONICS, 1e-6), **changes}
    with pytest.raises(UsageError, match=f"does not apply: .*{message}.*choose auto or rk4"):
        build(AdvectionDiffusion(HARMONICS, **arguments))


def test_step_of_a_propagator():
    propagate = SolidBodyPropagator(
        AdvectionDiffusion(HARMONICS, SolidBodyRotation(HARMONICS, 1e-6))
    )
    start = HARMONICS.to_modal(noise(0))
    assert torch.equal(as_step(propagate, 600.0)(start, 1e9), propagate(start, 600.0))


def test_gradients_pass_through():
    """By initial field, D and source of both, and by the wind of the exponentials."""
    harmonics = SphericalHarmonics(Grid.gaussian(3), 3)
    zero = torch.zeros(harmonics.grid.shape, dtype=torch.float64)

    def after_a_day(build, wind, start, diffusivity, rate):
        equation = AdvectionDiffusion(harmonics, wind, 1e7 * diffusivity, SteadySource(1e-5 * rate))
        return harmonics.to_nodal(build(equation)(harmonics.to_modal(start), DAY))

    def closed(*inputs):
        return after_a_day(SolidBodyPropagator, SolidBodyRotation(harmonics, 1e-5), *inputs)

    def zonal(profile, *inputs):
        wind = SteadyWind(10 * profile[:, None] + zero, zero)
        return after_a_day(ZonalPropagator, wind, *inputs)

    start = noise(0, harmonics=harmonics).requires_grad_()
    rate = noise(1, harmonics=harmonics).requires_grad_()
    diffusivity = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    profile = noise(2, harmonics=harmonics)[:, 0].requires_grad_()
    assert torch.autograd.gradcheck(closed, (start, diffusivity, rate))
    assert torch.autograd.gradcheck(zonal, (profile, start, diffusivity, rate))
