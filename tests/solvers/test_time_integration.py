import math
from itertools import islice

import numpy as np
import pytest
import torch

from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.solvers import (
    KUTTA3,
    RK4,
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    check_time_step,
    lawson,
    lawson_rk4,
    stable_time_step,
    trajectory,
)

HARMONICS = SphericalHarmonics(Grid.gaussian(10), 10)
TABLES = {"kutta3": KUTTA3, "rk4": RK4}


def run(equation, state, time, steps, table):
    step = lawson(equation, time / steps, table)
    for n in range(steps):
        state = step(state, n * time / steps)
    return state


class Scalar:
    """y' = −2y + (cos t − y/2), one number, the first term being the exact one."""

    def explicit_terms(self, state, time):
        return math.cos(time) - 0.5 * state

    def implicit_factor(self, time_step):
        return torch.tensor(math.exp(-2.0 * time_step), dtype=torch.float64)


def slope(time_steps, errors):
    return np.polyfit(np.log(time_steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_order_on_the_sphere(table):
    """Unsteady wind, diffusion and an unsteady source, against the same scheme's fine limit."""
    latitude, longitude = HARMONICS.coordinates()
    pattern = 1e-6 * latitude.cos() * longitude.cos()
    equation = AdvectionDiffusion(
        HARMONICS, DeformationalFlow(HARMONICS), 1e6, lambda t, tracer: pattern * math.cos(1e-5 * t)
    )
    start = HARMONICS.to_modal(torch.exp(latitude.cos() * (longitude - 1).cos()))
    time, steps = 2 * 86400.0, np.array([24, 36, 54])
    exact = run(equation, start, time, 600, RK4)
    errors = [float((run(equation, start, time, n, table) - exact).abs().max()) for n in steps]
    assert slope(time / steps, errors) == pytest.approx(table.order, abs=0.15)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_order_on_a_closed_form(table):
    forced = (2.5 * math.cos(1.0) + math.sin(1.0)) / 7.25
    exact = forced + (1 - 2.5 / 7.25) * math.exp(-2.5)
    start, steps = torch.ones((), dtype=torch.float64), np.array([20, 30, 45])
    errors = [abs(float(run(Scalar(), start, 1.0, n, table)) - exact) for n in steps]
    assert slope(1.0 / steps, errors) == pytest.approx(table.order, abs=0.15)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tables_are_consistent(table):
    assert sum(table.b) == pytest.approx(1.0)
    for c, row in zip(table.c, table.a, strict=True):
        assert sum(row) == pytest.approx(c)
    assert list(table.c) == sorted(table.c)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_imaginary_limit_is_where_amplification_starts(table):
    class Oscillation:
        def __init__(self, frequency):
            self.frequency = frequency

        def explicit_terms(self, state, time):
            return 1j * self.frequency * state

        def implicit_factor(self, time_step):
            return torch.ones((), dtype=torch.float64)

    def growth(frequency):
        state = torch.ones((), dtype=torch.complex128)
        return float(lawson(Oscillation(frequency), 1.0, table)(state, 0.0).abs())

    assert growth(0.999 * table.imaginary_limit) < 1.0
    assert growth(1.001 * table.imaginary_limit) > 1.0


def test_solid_body_runs_below_the_limit_and_blows_up_above():
    """The bound √(T(T+1)) is within 5 % of the largest eigenvalue, TΩ, of this wind at T10."""
    wind = SolidBodyRotation(HARMONICS, 1e-5)
    equation = AdvectionDiffusion(HARMONICS, wind)
    start = HARMONICS.to_modal(torch.randn(16, 32, dtype=torch.float64))
    limit = stable_time_step(HARMONICS, wind.max_speed, courant=1.0)
    assert limit == pytest.approx(math.sqrt(8) / (1e-5 * math.sqrt(110)), rel=1e-12)
    growth = []
    for time_step in (limit, 1.1 * limit):
        step, state = lawson_rk4(equation, time_step), start
        for n in range(200):
            state = step(state, n * time_step)
        growth.append(float(state.abs().max() / start.abs().max()))
    assert growth[0] <= 1.0
    assert growth[1] > 1e3


def test_check_time_step_gives_a_step_that_passes():
    with pytest.raises(NumericalError, match="use at most") as caught:
        check_time_step(86400.0, HARMONICS, 60.0)
    advice = float(str(caught.value).split("use at most ")[1].split(" s")[0])
    check_time_step(advice, HARMONICS, 60.0)
    assert advice > 0.97 * stable_time_step(HARMONICS, 60.0, courant=1.0)
    check_time_step(86400.0, HARMONICS, 0.0)
    for senseless in (0.0, -1.0, math.nan):
        with pytest.raises(UsageError):
            check_time_step(senseless, HARMONICS, 60.0)


def test_default_courant_number_is_a_safe_share_and_table_matters():
    limit = stable_time_step(HARMONICS, 60.0, courant=1.0)
    assert stable_time_step(HARMONICS, 60.0) == pytest.approx(0.8 * limit)
    assert stable_time_step(HARMONICS, 60.0, table=KUTTA3) < stable_time_step(HARMONICS, 60.0)
    assert stable_time_step(HARMONICS, 0.0) == math.inf


def test_trajectory_times_and_states():
    equation = AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS), 1e5)
    start = HARMONICS.to_modal(torch.randn(16, 32, dtype=torch.float64))
    step = lawson_rk4(equation, 600.0)
    outputs = list(islice(trajectory(step, start, 1000.0, 600.0, steps_per_output=2), 3))
    assert [time for time, _ in outputs] == [1000.0, 2200.0, 3400.0]
    assert outputs[0][1] is start
    state = start
    for n in range(4):
        state = step(state, 1000.0 + 600.0 * n)
    assert torch.equal(outputs[2][1], state)


def test_trajectory_can_be_resumed_bit_for_bit():
    equation = AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS), 1e5)
    start = HARMONICS.to_modal(torch.randn(16, 32, dtype=torch.float64))
    step = lawson_rk4(equation, 600.0)
    whole = list(islice(trajectory(step, start, 0.0, 600.0, 3), 3))
    resumed = list(islice(trajectory(step, whole[1][1], whole[1][0], 600.0, 3), 2))
    assert torch.equal(resumed[1][1], whole[2][1])


def test_not_finite_is_a_numerical_error_that_says_when():
    def explode(state, time):
        return state * (math.nan if time >= 1200.0 else 1.0)

    outputs = trajectory(explode, torch.ones(2, 2, dtype=torch.complex128), 0.0, 600.0)
    times = []
    with pytest.raises(NumericalError, match=r"not finite at 1800 s.*reduce the time step"):
        times.extend(time for time, _ in outputs)
    with pytest.raises(UsageError, match="at least 1"):
        next(trajectory(explode, torch.ones(1, 1, dtype=torch.complex128), 0.0, 600.0, 0))


def test_unstable_run_is_caught():
    wind = SolidBodyRotation(HARMONICS, 1e-5)
    step = lawson_rk4(AdvectionDiffusion(HARMONICS, wind), 4e5)
    start = HARMONICS.to_modal(torch.randn(16, 32, dtype=torch.float64))
    with pytest.raises(NumericalError, match="not finite"):
        for _ in islice(trajectory(step, start, 0.0, 4e5, steps_per_output=50), 20):
            pass
