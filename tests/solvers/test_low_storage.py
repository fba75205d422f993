import gc
import math

import numpy as np
import pytest
import torch

from co2net_phys.solvers import (
    RK4,
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SphericalHarmonics,
    lawson,
    lawson_rk4,
    stable_time_step,
)
from co2net_phys.solvers.low_storage import LOW_STORAGE_4, low_storage

HARMONICS = SphericalHarmonics(Grid.gaussian(10), 10)


def run(step, state, time, steps):
    for n in range(steps):
        state = step(state, n * time / steps)
    return state


class Oscillation:
    """y' = λy, all of it explicit."""

    def __init__(self, rate):
        self.rate = rate

    def explicit_terms(self, state, time):
        return self.rate * state

    def implicit_factor(self, time_step):
        return torch.ones((), dtype=torch.float64)


def amplification(rate, build=low_storage):
    return float(build(Oscillation(rate), 1.0)(torch.ones((), dtype=torch.complex128), 0.0).abs())


@pytest.mark.parametrize("rotation", [0.0, 6e-6])
def test_order_on_the_sphere(rotation):
    """Unsteady wind, diffusion, decay and an unsteady source, against the fine limit of RK4."""
    latitude, longitude = HARMONICS.coordinates()
    pattern = 1e-6 * latitude.cos() * longitude.cos()
    equation = AdvectionDiffusion(
        HARMONICS,
        DeformationalFlow(HARMONICS),
        1e6,
        lambda t, tracer: pattern * math.cos(1e-5 * t),
        decay=1e-6,
        rotation=rotation,
    )
    start = HARMONICS.to_modal(torch.exp(latitude.cos() * (longitude - 1).cos()))
    time, steps = 2 * 86400.0, np.array([24, 36, 54])
    exact = run(lawson_rk4(equation, time / 500), start, time, 500)
    errors = [
        float((run(low_storage(equation, time / n), start, time, n) - exact).abs().max())
        for n in steps
    ]
    slope = np.polyfit(np.log(time / steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(LOW_STORAGE_4.order, abs=0.15)


@pytest.mark.parametrize("direction, limit", [(1j, "imaginary_limit"), (-1.0, "real_limit")])
def test_limits_are_where_amplification_starts(direction, limit):
    largest = getattr(LOW_STORAGE_4, limit)
    assert amplification(0.999 * largest * direction) < 1.0
    assert amplification(1.001 * largest * direction) > 1.0


def test_real_limit_of_rk4():
    def build(equation, time_step):
        return lawson(equation, time_step, RK4)

    assert amplification(-0.999 * RK4.real_limit, build) < 1.0
    assert amplification(-1.001 * RK4.real_limit, build) > 1.0


def test_step_may_be_longer_than_with_rk4():
    longer = stable_time_step(HARMONICS, 60.0, table=LOW_STORAGE_4)
    assert longer / stable_time_step(HARMONICS, 60.0) == pytest.approx(1.181, abs=1e-3)


def test_only_two_registers_are_alive_while_a_tendency_is_computed():
    """Besides the state of the caller; the same count finds more of them in RK4."""
    shape, alive = (7, 301), []

    class Counting:
        def explicit_terms(self, state, time):
            tensors = [item for item in gc.get_objects() if type(item) is torch.Tensor]
            alive.append(sum(tensor.shape == shape for tensor in tensors))
            return -state

        def implicit_factor(self, time_step):
            return torch.full((1, 1), 0.9, dtype=torch.float64)

    counts = []
    for build in (low_storage, lawson_rk4):
        alive.clear()
        build(Counting(), 1.0)(torch.ones(shape, dtype=torch.complex128), 0.0)
        counts.append(max(alive))
    assert counts[0] == 1 + 2
    assert counts[1] > counts[0] + 2


def test_state_of_the_caller_is_not_touched():
    start = HARMONICS.to_modal(torch.randn(16, 32, dtype=torch.float64))
    copy = start.clone()
    low_storage(AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS), 1e5), 600.0)(start, 0.0)
    assert torch.equal(start, copy)
