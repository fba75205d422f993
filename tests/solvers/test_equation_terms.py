"""Flux form, variable diffusivity, decay and rotation, and what each of them keeps."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers import (
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadyWind,
    lawson_rk4,
    total_mass,
    variance,
)
from co2net_phys.solvers.equations import FORMS, SteadySource

HARMONICS = SphericalHarmonics(Grid.gaussian(10), 10)
LATITUDE, LONGITUDE = HARMONICS.coordinates()
FIELD = 1e6 * (1.5 + LATITUDE.cos() * (LONGITUDE - 1.0).cos())
STILL = SteadyWind(*torch.zeros(2, *HARMONICS.grid.shape, dtype=torch.float64))


def noise(seed, *leading):
    generator = torch.Generator().manual_seed(seed)
    shape = (*leading, *HARMONICS.grid.shape)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def random_wind(seed, divergent):
    psi, chi = HARMONICS.to_modal(2e7 * noise(seed, 2))
    return HARMONICS.wind(psi, chi if divergent else None)


def right_hand_side(equation, state, time=0.0):
    return equation.explicit_terms(state, time) + equation.implicit_rate() * state


def run(equation, state, time, steps):
    step = lawson_rk4(equation, time / steps)
    for n in range(steps):
        state = step(state, n * time / steps)
    return state


@pytest.mark.parametrize("divergent", [False, True])
def test_flux_form_is_the_advective_form_and_the_divergence(divergent):
    state, wind = HARMONICS.to_modal(noise(0, 2)), SteadyWind(*random_wind(1, divergent))
    divergence = HARMONICS.to_nodal(HARMONICS.divergence(*wind(0.0)))
    advective = right_hand_side(AdvectionDiffusion(HARMONICS, wind, FIELD), state)
    flux = right_hand_side(AdvectionDiffusion(HARMONICS, wind, FIELD, form="flux"), state)
    compressed = HARMONICS.to_modal(HARMONICS.to_nodal(state) * divergence)
    torch.testing.assert_close(flux, advective - compressed, rtol=0.0, atol=1e-17)
    assert (flux - advective).abs().max() > 1e-7 or not divergent


def test_flux_form_keeps_the_mass_in_divergent_wind():
    flow = DeformationalFlow(HARMONICS, divergent=True)
    start = HARMONICS.to_modal(400 + noise(0))
    equation = AdvectionDiffusion(HARMONICS, flow, FIELD, form="flux")
    end = run(equation, start, flow.period, 150)
    mass = total_mass(HARMONICS, start)
    torch.testing.assert_close(total_mass(HARMONICS, end), mass, rtol=1e-15, atol=0.0)
    assert (end - start).abs().max() > 1.0


def test_advective_form_keeps_constants_in_divergent_wind():
    flow = DeformationalFlow(HARMONICS, divergent=True)
    start = HARMONICS.to_modal(torch.full(HARMONICS.grid.shape, 400.0, dtype=torch.float64))
    end = run(AdvectionDiffusion(HARMONICS, flow, FIELD), start, flow.period, 150)
    assert (HARMONICS.to_nodal(end) / 400.0 - 1.0).abs().max() < 1e-13


@pytest.mark.parametrize("form", FORMS)
def test_field_of_diffusivity_by_hand(form):
    """D = a + bµ and φ = µ = sin θ: R²∇·(D∇φ) = d/dµ[(1 − µ²)D] = −2aµ + b(1 − 3µ²)."""
    sine = LATITUDE.sin().expand(HARMONICS.grid.shape)
    equation = AdvectionDiffusion(HARMONICS, STILL, 3e6 + 2e6 * sine, form=form)
    tendency = HARMONICS.to_nodal(right_hand_side(equation, HARMONICS.to_modal(sine)))
    expected = (-6e6 * sine + 2e6 * (1 - 3 * sine**2)) / HARMONICS.radius**2
    torch.testing.assert_close(tendency, expected, rtol=0.0, atol=1e-19)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "diffusivity",
    [
        torch.tensor(1e6, dtype=torch.float64),
        torch.full(HARMONICS.grid.shape, 1e6, dtype=torch.float64),
        lambda time: 1e6,
        lambda time: torch.full(HARMONICS.grid.shape, 1e6, dtype=torch.float64),
    ],
    ids=["tensor", "field", "function", "function to field"],
)
def test_every_kind_of_diffusivity_means_the_same(form, diffusivity):
    state, wind = HARMONICS.to_modal(noise(0)), DeformationalFlow(HARMONICS, divergent=True)
    got = right_hand_side(AdvectionDiffusion(HARMONICS, wind, diffusivity, form=form), state)
    expected = right_hand_side(AdvectionDiffusion(HARMONICS, wind, 1e6, form=form), state)
    torch.testing.assert_close(got, expected, rtol=0.0, atol=1e-18)


def test_diffusivity_that_changes_in_time_against_its_integral_with_order_four():
    equation = AdvectionDiffusion(
        HARMONICS, STILL, lambda time: 2e7 * (1 + math.sin(1e-5 * time)), decay=1e-6
    )
    start, time = HARMONICS.to_modal(noise(0)), 3e5
    mixed = 2e7 * (time + (1 - math.cos(1e-5 * time)) / 1e-5)
    exact = start * torch.exp(HARMONICS.laplacian_eigenvalues[:, None] * mixed - 1e-6 * time)
    steps = np.array([80, 120, 180])
    errors = [float((run(equation, start, time, n) - exact).abs().max()) for n in steps]
    slope = np.polyfit(np.log(time / steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(4.0, abs=0.15)


def test_varying_diffusivity_is_stable_far_beyond_the_explicit_limit():
    """The middle of the range is damped exactly; all of it explicitly would blow up at 2.8."""
    narrow = 1e6 * (0.01 + torch.exp(-20 * (1 - LATITUDE.cos() * LONGITUDE.cos())))
    time_step = 100 * HARMONICS.radius**2 / (1e6 * 110)
    end = run(AdvectionDiffusion(HARMONICS, STILL, narrow), HARMONICS.to_modal(noise(0)), 1.0, 1)
    step, state = lawson_rk4(AdvectionDiffusion(HARMONICS, STILL, narrow), time_step), end
    for _ in range(30):
        later = step(state, 0.0)
        assert variance(later) < variance(state)
        state = later


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("steady", [True, False])
def test_rotation_is_only_another_split(form, steady):
    flow = DeformationalFlow(HARMONICS, divergent=True)
    wind = SteadyWind(*flow(0.0)) if steady else flow
    state = HARMONICS.to_modal(noise(0, 3))
    whole = AdvectionDiffusion(HARMONICS, wind, FIELD, form=form, decay=1e-6)
    split = whole.with_rotation(6e-6)
    assert (split.form, split.decay, split.rotation) == (form, 1e-6, 6e-6)
    torch.testing.assert_close(
        right_hand_side(split, state), right_hand_side(whole, state), rtol=0.0, atol=1e-18
    )
    assert (split.explicit_terms(state, 0.0) - whole.explicit_terms(state, 0.0)).abs().max() > 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_rotation_and_decay_are_exact_in_one_step_of_any_length(form):
    wind = SolidBodyRotation(HARMONICS, 5e-6)
    equation = AdvectionDiffusion(HARMONICS, wind, 1e5, form=form, decay=2e-7, rotation=5e-6)
    start, time = HARMONICS.to_modal(noise(0)), 1e6
    turned = 5e-6 * time * torch.arange(11, dtype=torch.float64)
    damped = HARMONICS.laplacian_eigenvalues[:, None] * 1e5 * time - 2e-7 * time
    expected = start * torch.exp(damped) * torch.exp(-1j * turned)
    torch.testing.assert_close(run(equation, start, time, 1), expected, rtol=0.0, atol=1e-13)


def test_steady_source_is_the_same_as_a_function_and_needs_no_synthesis():
    rate, state = 1e-6 * noise(1), HARMONICS.to_modal(noise(0, 2))
    wind = SolidBodyRotation(HARMONICS, 5e-6)
    known = AdvectionDiffusion(HARMONICS, wind, source=SteadySource(rate))
    asked = AdvectionDiffusion(HARMONICS, wind, source=lambda time, tracers: rate)
    assert torch.equal(known.explicit_terms(state, 0.0), asked.explicit_terms(state, 0.0))
    assert asked.steady_source is None
    assert known.source(0.0, state) is rate
    with pytest.raises(DataError, match="not finite"):
        SteadySource(rate / 0.0)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 31), st.integers(0, 1000), st.sampled_from(FORMS), st.booleans())
def test_turning_the_sphere_about_its_axis_turns_the_result(nodes, seed, form, divergent):
    u, v = random_wind(seed, divergent)

    def end(shift):
        fields = [part.roll(shift, -1) for part in (u, v, FIELD, noise(seed + 1))]
        equation = AdvectionDiffusion(
            HARMONICS, SteadyWind(*fields[:2]), fields[2], form=form, rotation=3e-6
        )
        return HARMONICS.to_nodal(run(equation, HARMONICS.to_modal(fields[3]), 20000.0, 4))

    torch.testing.assert_close(end(nodes), end(0).roll(nodes, -1), rtol=0.0, atol=1e-13)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.floats(0, 1e6), st.floats(0, 1e-6))
def test_mass_changes_by_decay_alone_in_the_flux_form(seed, divergent, diffusivity, decay):
    wind = SteadyWind(*random_wind(seed, divergent))
    start = HARMONICS.to_modal(1.0 + noise(seed, 2))
    equation = AdvectionDiffusion(HARMONICS, wind, diffusivity, form="flux", decay=decay)
    mass = total_mass(HARMONICS, run(equation, start, 40000.0, 8))
    expected = total_mass(HARMONICS, start) * math.exp(-decay * 40000.0)
    torch.testing.assert_close(mass, expected, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"diffusivity": -FIELD}, "diffusivity must be at least 0.*negative diffusion"),
        ({"diffusivity": FIELD[:3]}, "does not fit the grid"),
        ({"diffusivity": FIELD / 0.0}, "finite"),
        ({"decay": -1e-9}, "decay must be at least 0"),
        ({"decay": math.nan}, "decay must be"),
        ({"hyperdiffusivity": math.inf}, "hyperdiffusivity must be"),
        ({"rotation": math.nan}, "rotation must be finite"),
        ({"form": "conservative"}, "choose one of advective, flux"),
    ],
)
def test_coefficients_without_a_solution_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        AdvectionDiffusion(HARMONICS, STILL, **settings)


def test_function_of_time_is_checked_when_it_is_asked():
    equation = AdvectionDiffusion(HARMONICS, STILL, lambda time: 1.0 - time)
    state = HARMONICS.to_modal(noise(0))
    equation.explicit_terms(state, 0.5)
    with pytest.raises(UsageError, match="diffusivity at 2 s must be at least 0"):
        equation.explicit_terms(state, 2.0)
