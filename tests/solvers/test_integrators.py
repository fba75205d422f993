import math

import numpy as np
import pytest
import torch

from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.solvers import (
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadyWind,
    TabulatedWind,
    stable_time_step,
)
from co2net_phys.solvers.equations import SteadySource
from co2net_phys.solvers.integrators import INTEGRATORS, choose

DAY = 86400.0
HARMONICS = SphericalHarmonics(Grid.gaussian(10), 10)
LATITUDE, LONGITUDE = HARMONICS.coordinates()
NOTHING = torch.zeros(HARMONICS.grid.shape, dtype=torch.float64)
FLOW = DeformationalFlow(HARMONICS)
SPIN = SolidBodyRotation(HARMONICS, 5e-6)
JETS = SteadyWind(30 * (2 * LATITUDE).sin() ** 2 + NOTHING, NOTHING)
START = HARMONICS.to_modal(torch.exp(LATITUDE.cos() * (LONGITUDE - 1).cos()))


def run(choice, time):
    state = START
    for n in range(round(time / choice.time_step)):
        state = choice.step(state, n * choice.time_step)
    return state


@pytest.mark.parametrize(
    "wind, settings, name, reason",
    [
        (SPIN, {"diffusivity": 1e5}, "exact-solid-body", "closed form"),
        (SteadyWind(*SPIN(0.0)), {}, "exact-solid-body", "closed form"),
        (SPIN, {"source": SteadySource(NOTHING + 1e-6)}, "exact-solid-body", "no time-step error"),
        (SPIN, {"diffusivity": 1e5 * (2 + LATITUDE.sin()) + NOTHING}, "exact-zonal", "per order"),
        (JETS, {"form": "flux"}, "exact-zonal", "one matrix exponential per order"),
        (SteadyWind(*FLOW(0.0)), {}, "chebyshev", "Chebyshev"),
        (SolidBodyRotation(HARMONICS, 5e-6, 30.0), {}, "chebyshev", "steady wind"),
        (FLOW, {}, "rk4", "wind may change in time"),
        (SPIN, {"source": lambda time, tracers: -1e-6 * tracers}, "rk4", "source may change"),
        (SPIN, {"diffusivity": lambda time: 1e5}, "rk4", "diffusivity is a function of time"),
    ],
)
def test_automatic_choice_solves_the_problem_and_says_why(wind, settings, name, reason):
    equation = AdvectionDiffusion(HARMONICS, wind, **settings)
    choice = choose(equation, 2 * DAY, DAY)
    assert choice.name == name
    assert reason in choice.reason
    assert (DAY / choice.time_step) % 1 == 0.0
    reference = run(choose(equation, DAY, DAY, 300.0, "rk4"), DAY)
    torch.testing.assert_close(run(choice, DAY), reference, rtol=0.0, atol=3e-4)


def test_runge_kutta_takes_the_rotation_exactly_and_steps_longer_for_it():
    equation = AdvectionDiffusion(HARMONICS, FLOW, 1e5)
    laboratory = stable_time_step(HARMONICS, FLOW.max_speed)
    assert choose(equation, 12 * DAY, 12 * DAY).time_step > 1.25 * laboratory
    choice = choose(equation, 12 * DAY, DAY)
    assert "the mean rotation of 6.06e-06 rad/s exactly" in choice.reason
    low = choose(equation, 12 * DAY, DAY, integrator="low-storage")
    assert low.time_step > choice.time_step
    torch.testing.assert_close(run(choice, DAY), run(low, DAY), rtol=0.0, atol=1e-3)


def test_rotation_of_the_user_is_kept_and_one_that_does_not_help_is_not_taken():
    given = AdvectionDiffusion(HARMONICS, FLOW, rotation=3e-6)
    assert "3.00e-06 rad/s" in choose(given, DAY, DAY).reason
    bursts = SteadyWind(40 * (1 - 2 * (LATITUDE.cos() > 0.95)) + NOTHING, NOTHING)
    assert (
        "rotation"
        not in choose(AdvectionDiffusion(HARMONICS, bursts), DAY, DAY, integrator="rk4").reason
    )


def table(read, max_speed):
    times = np.arange(5) * DAY

    def load(index):
        read.append(index)
        return FLOW(index * DAY)

    return TabulatedWind(times, load, max_speed=max_speed)


def test_table_is_read_ahead_only_if_its_speed_is_not_given():
    read = []
    lazy = AdvectionDiffusion(HARMONICS, table(read, 80.0), 1e5)
    choice = choose(lazy, 4 * DAY, DAY, start=0.0)
    assert read == []
    assert choice.time_step <= stable_time_step(HARMONICS, 80.0)
    eager = AdvectionDiffusion(HARMONICS, table(read, None), 1e5)
    assert choose(eager, 4 * DAY, DAY).time_step > choice.time_step
    assert set(read) == set(range(5))


def test_unstable_step_of_the_user_is_refused_with_the_largest_stable_one():
    equation = AdvectionDiffusion(HARMONICS, FLOW)
    with pytest.raises(NumericalError, match=r"unstable at T10.*use at most \d+ s") as caught:
        choose(equation, DAY, DAY, time_step=DAY)
    advice = float(str(caught.value).split("use at most ")[1].split(" s")[0])
    step = DAY / math.ceil(DAY / advice)
    assert choose(equation, DAY, DAY, time_step=step).time_step == step
    assert choose(AdvectionDiffusion(HARMONICS, SPIN), DAY, DAY, time_step=DAY).time_step == DAY


def test_explicit_diffusion_limits_the_step():
    still = SteadyWind(NOTHING, NOTHING)
    strong = AdvectionDiffusion(HARMONICS, still, lambda time: 1e9 * (1 + time / DAY))
    choice = choose(strong, DAY, DAY, integrator="rk4")
    limit = 2.7853 * HARMONICS.radius**2 / (2e9 * 110)
    assert 0.75 * limit < choice.time_step <= 0.8 * limit
    with pytest.raises(NumericalError, match=r"diffusivity that varies by up to 2e\+09 m²/s"):
        choose(strong, DAY, DAY, time_step=DAY / round(DAY / (1.1 * limit)))


def test_semi_lagrangian_is_built_on_request_only():
    equation = AdvectionDiffusion(HARMONICS, FLOW)
    choice = choose(equation, 3 * DAY, 3 * DAY, integrator="semi-lagrangian")
    assert (choice.name, choice.time_step) == ("semi-lagrangian", DAY)
    reference = run(choose(equation, DAY, DAY, 600.0, "rk4"), DAY)
    torch.testing.assert_close(choice.step(START, 0.0), reference, rtol=0.0, atol=1e-3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"integrator": "euler"}, "choose auto, exact-solid-body"),
        ({"time_step": 7000.0}, "does not divide the output interval of 86400 s"),
        ({"time_step": 2 * DAY}, "does not divide"),
        ({"time_step": 0.0}, "time step must be positive"),
        ({"output_every": 0.0}, "must be positive"),
        ({"integrator": "exact-zonal"}, "exact-zonal does not apply: the wind may change"),
        ({"integrator": "chebyshev"}, "chebyshev does not apply: the wind may change"),
    ],
)
def test_senseless_requests_are_refused(arguments, message):
    equation = AdvectionDiffusion(HARMONICS, FLOW)
    with pytest.raises(UsageError, match=message):
        choose(equation, DAY, **{"output_every": DAY, **arguments})


def test_every_name_can_be_asked_for():
    equation = AdvectionDiffusion(HARMONICS, SPIN, 1e5)
    expected = run(choose(equation, DAY, DAY), DAY)
    for name in INTEGRATORS:
        choice = choose(equation, DAY, DAY, integrator=name)
        assert name in (choice.name, "auto")
        torch.testing.assert_close(run(choice, DAY), expected, rtol=0.0, atol=1e-3)
