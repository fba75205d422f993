"""Gradients of runs, their memory, and the tangent and adjoint operators."""

import math
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from co2net_phys.errors import UsageError
from co2net_phys.solvers import (
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SphericalHarmonics,
    SteadyWind,
    TabulatedWind,
    lawson_rk4,
    trajectory,
)
from co2net_phys.solvers.adjoint import adjoint, checkpointed_trajectory, run, tangent
from co2net_phys.solvers.equations import FORMS, SteadySource
from co2net_phys.solvers.invariants import inner_product
from co2net_phys.solvers.low_storage import low_storage

SMALL = SphericalHarmonics(Grid.gaussian(2), 2)
HARMONICS = SphericalHarmonics(Grid.gaussian(8), 8)
STEP = 7200.0


def gradcheck(function, inputs):
    """By random projections, all derivatives at once: the full Jacobian takes a hundred runs."""
    return torch.autograd.gradcheck(function, inputs, fast_mode=True)


def noise(seed, *leading, harmonics=SMALL):
    generator = torch.Generator().manual_seed(seed)
    shape = (*leading, *harmonics.grid.shape)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def forecast(equation, nodal, steps=5, build=lawson_rk4):
    modal = run(build(equation, STEP), SMALL.to_modal(nodal), 0.0, STEP, steps)
    return SMALL.to_nodal(modal)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("build", [lawson_rk4, low_storage])
def test_gradient_by_initial_state_source_diffusivity_and_wind(form, build):
    def simulate(initial, rate, diffusivity, u, v):
        equation = AdvectionDiffusion(
            SMALL,
            SteadyWind(30 * u, 30 * v),
            1e7 * diffusivity,
            SteadySource(1e-5 * rate),
            form=form,
            decay=1e-6,
            rotation=5e-6,
        )
        return forecast(equation, initial, steps=4, build=build)

    initial, rate, u, v = noise(0, 4).unbind()
    inputs = (initial, rate, torch.tensor(0.3, dtype=torch.float64), u, v)
    assert gradcheck(simulate, [item.requires_grad_() for item in inputs])


@pytest.mark.parametrize("form", FORMS)
def test_gradient_by_a_field_of_diffusivity_and_a_function_of_time(form):
    wind = DeformationalFlow(SMALL, divergent=True)

    def of_field(field):
        return forecast(AdvectionDiffusion(SMALL, wind, 1e7 * field, form=form), noise(0))

    def of_function(field):
        equation = AdvectionDiffusion(
            SMALL, wind, lambda time: 1e7 * (1 + time / 1e5) * field, form=form
        )
        return forecast(equation, noise(0))

    field = (1 + noise(1) ** 2).requires_grad_()
    assert gradcheck(of_field, field)
    assert gradcheck(of_function, field)


@pytest.mark.parametrize("degree", [1, 3])
def test_gradient_by_records_of_a_wind_and_by_a_source_of_the_tracer(degree):
    """Records that are made as they are read must be made again when a step is repeated."""
    times = np.arange(5) * 2 * STEP

    def simulate(u, v, rate):
        wind = TabulatedWind(times, lambda n: (30 * u[n].tanh(), 30 * v[n]), 60.0, degree)
        equation = AdvectionDiffusion(SMALL, wind, 1e5, lambda time, phi: -1e-5 * rate * phi**2)
        return forecast(equation, noise(0))

    inputs = (*noise(1, 2, 5).unbind(), torch.tensor(0.7, dtype=torch.float64))
    assert gradcheck(simulate, [item.requires_grad_() for item in inputs])


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 9])
def test_run_is_the_plain_loop_and_so_is_its_gradient(steps):
    start = SMALL.to_modal(noise(0)).requires_grad_()
    step = lawson_rk4(AdvectionDiffusion(SMALL, DeformationalFlow(SMALL), 1e5), STEP)
    plain = start
    for n in range(steps):
        plain = step(plain, 500.0 + n * STEP)
    kept = run(step, start, 500.0, STEP, steps)
    assert torch.equal(kept, plain)
    gradients = [torch.autograd.grad(end.abs().square().sum(), start)[0] for end in (kept, plain)]
    torch.testing.assert_close(*gradients, rtol=0.0, atol=1e-15)


def test_checkpointed_trajectory_is_the_trajectory():
    start = SMALL.to_modal(noise(0))
    step = lawson_rk4(AdvectionDiffusion(SMALL, DeformationalFlow(SMALL), 1e5), STEP)
    states = checkpointed_trajectory(step, start, 100.0, STEP, outputs=3, steps_per_output=4)
    expected = trajectory(step, start, 100.0, STEP, 4)
    for state, (_, reference) in zip(states, expected, strict=False):
        assert torch.equal(state, reference)
    assert states.shape == (4, *start.shape)
    with pytest.raises(UsageError, match="1 step between"):
        checkpointed_trajectory(step, start, 0.0, STEP, 3, 0)
    with pytest.raises(UsageError, match="at least 0"):
        run(step, start, 0.0, STEP, -1)


class PeakMemory(TorchDispatchMode):
    """Most bytes of storages that were alive at once, of all tensors made inside."""

    def __init__(self):
        super().__init__()
        self.alive = self.peak = 0
        self._seen = set()

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        result = operation(*arguments, **(keywords or {}))
        for item in tree_leaves(result):
            if isinstance(item, torch.Tensor):
                self._count(item.untyped_storage())
        return result

    def _count(self, storage):
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return
        self._seen.add(key)
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key, size):
        self._seen.discard(key)
        self.alive -= size


def peak_memory(advance, steps):
    start = HARMONICS.to_modal(noise(0, harmonics=HARMONICS)).requires_grad_()
    step = lawson_rk4(AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS), 1e5), STEP)
    with PeakMemory() as memory:
        advance(step, start, 0.0, STEP, steps).abs().square().sum().backward()
    return memory.peak


def plain_run(step, state, start, time_step, steps):
    for n in range(steps):
        state = step(state, start + n * time_step)
    return state


def test_memory_grows_like_the_root_of_the_number_of_steps():
    few, many = (peak_memory(run, steps) for steps in (16, 64))
    assert many / few == pytest.approx(2.0, abs=0.3)
    few, many = (peak_memory(plain_run, steps) for steps in (16, 64))
    assert many / few == pytest.approx(4.0, abs=0.3)


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from(FORMS),
    st.booleans(),
    st.sampled_from([lawson_rk4, low_storage]),
    st.integers(0, 1000),
)
def test_tangent_and_adjoint_are_adjoint(form, divergent, build, seed):
    field = 1e6 * (1 + noise(seed, harmonics=HARMONICS) ** 2)
    equation = AdvectionDiffusion(
        HARMONICS,
        DeformationalFlow(HARMONICS, divergent=divergent),
        field,
        form=form,
        decay=1e-7,
        rotation=6e-6,
    )
    step = build(equation, STEP)

    def later(state):
        return run(step, state, 0.0, STEP, 12)

    first, second = HARMONICS.to_modal(noise(seed + 1, 2, harmonics=HARMONICS))
    origin = torch.zeros_like(first)
    pushed = tangent(later, origin, first)
    torch.testing.assert_close(pushed, later(first), rtol=0.0, atol=1e-13)
    there = inner_product(pushed, second)
    back = inner_product(first, adjoint(later, origin, second))
    size = math.sqrt(inner_product(pushed, pushed) * inner_product(second, second))
    assert abs(float(there - back)) < 1e-12 * size


def test_tangent_of_a_nonlinear_forecast_is_its_derivative():
    equation = AdvectionDiffusion(
        SMALL, DeformationalFlow(SMALL), 1e5, lambda time, phi: -1e-5 * phi**2
    )
    step = lawson_rk4(equation, STEP)

    def later(state):
        return run(step, state, 0.0, STEP, 4)

    point, direction = SMALL.to_modal(noise(0, 2))
    numeric = (later(point + 1e-5 * direction) - later(point - 1e-5 * direction)) / 2e-5
    torch.testing.assert_close(tangent(later, point, direction), numeric, rtol=0.0, atol=1e-9)


def test_adjoint_of_the_flux_form_is_the_advective_form_backwards():
    """⟨∇·(wφ), λ⟩ = −⟨φ, w·∇λ⟩, up to the error of the scheme."""
    wind = SteadyWind(*DeformationalFlow(HARMONICS, divergent=True)(0.0))
    against = SteadyWind(*(-part for part in wind(0.0)))
    forward = lawson_rk4(AdvectionDiffusion(HARMONICS, wind, 1e6, form="flux"), 1800.0)
    backward = lawson_rk4(AdvectionDiffusion(HARMONICS, against, 1e6), 1800.0)
    covector = HARMONICS.to_modal(noise(0, harmonics=HARMONICS))
    pulled = adjoint(
        lambda state: run(forward, state, 0.0, 1800.0, 48), torch.zeros_like(covector), covector
    )
    expected = run(backward, covector, 0.0, 1800.0, 48)
    torch.testing.assert_close(pulled, expected, rtol=0.0, atol=1e-6)
    assert (pulled - covector).abs().max() > 0.1


def test_inner_product_is_the_integral():
    first, second = noise(0, 2, harmonics=HARMONICS)
    modal = HARMONICS.to_modal(torch.stack([first, second]))
    nodal = HARMONICS.to_nodal(modal)
    expected = HARMONICS.integrate(nodal[0] * nodal[1]) / HARMONICS.radius**2
    torch.testing.assert_close(inner_product(modal[0], modal[1]), expected)
