"""A run that fails says at which step, when, where and why."""

import math
from itertools import islice

import pytest
import torch

from co2net_phys.errors import NumericalError
from co2net_phys.solvers import (
    AdvectionDiffusion,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    lawson_rk4,
    stable_time_step,
    trajectory,
)

HARMONICS = SphericalHarmonics(Grid.gaussian(10), 10)
LATITUDE, LONGITUDE = HARMONICS.coordinates()
HILL = 1.0 + torch.exp(20 * (LATITUDE.cos() * (LONGITUDE - math.pi / 2).cos() - 1))
"""Highest at 0° N, 90° E; the nearest nodes are at 5.4° S or N and 90° E."""


def follow(step, state, outputs=1000, every=1):
    for _ in islice(trajectory(step, state, 100.0, 600.0, every, harmonics=HARMONICS), outputs):
        pass


def spoil(value, first_step):
    def step(state, time):
        if time < 100.0 + (first_step - 1) * 600.0:
            return state.clone()
        spoiled = state.clone()
        spoiled[..., 3, 2] = value
        return spoiled

    return step


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_modal_state_names_the_maximum_before(value):
    message = (
        r"not finite at 1900 s \(step 3, largest just before near 5\.\d°[NS] 90\.0°E\).*"
        r"missing values in the wind and the source.*reduce the time step of 600 s"
    )
    with pytest.raises(NumericalError, match=message):
        follow(spoil(value, 3), HARMONICS.to_modal(HILL))


def test_nodal_state_names_the_node():
    latitude, longitude = HARMONICS.grid.latitude[3], HARMONICS.grid.longitude[2]
    place = rf"first near {-latitude:.1f}°S {longitude:.1f}°E"
    with pytest.raises(NumericalError, match=rf"at 1300 s \(step 2, {place}\)"):
        follow(spoil(math.nan, 2), HILL.clone())
    with pytest.raises(NumericalError, match=rf"at 1300 s \(step 2, {place}\)"):
        follow(spoil(math.nan, 2), torch.stack([HILL, HILL]), every=5)


def test_missing_values_of_the_initial_state():
    with pytest.raises(NumericalError, match=r"100 s \(step 0\): look for .* in the initial state"):
        follow(spoil(1.0, 1), HARMONICS.to_modal(HILL * math.nan))
    holes = torch.where(HILL > 1.5, math.nan, HILL)
    with pytest.raises(NumericalError, match=r"step 0, first near .*initial state"):
        follow(spoil(1.0, 1), holes)


def test_growth_is_told_from_missing_values():
    """Ten-fold per step is no longer finite after 308 steps, but stopped long before."""
    with pytest.raises(
        NumericalError, match=r"blown up at .* s \(step 107, .*5\.\d°[NS] 90\.0°E\)"
    ):
        follow(lambda state, time: 10.0 * state, HARMONICS.to_modal(HILL))
    with pytest.raises(NumericalError, match=r"not finite.*it grew 1\.0e\+240-fold before, reduce"):
        follow(lambda state, time: 1e80 * state, HARMONICS.to_modal(HILL))


def test_unstable_time_step_is_stopped_on_the_way():
    wind = SolidBodyRotation(HARMONICS, 1e-5)
    time_step = 1.2 * stable_time_step(HARMONICS, wind.max_speed, courant=1.0)
    step = lawson_rk4(AdvectionDiffusion(HARMONICS, wind), time_step)
    states = trajectory(step, HARMONICS.to_modal(HILL), 0.0, time_step, 1, HARMONICS)
    with pytest.raises(NumericalError, match=r"blown up .* is unstable, reduce it"):
        for _ in islice(states, 1000):
            pass


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_tracer_that_a_source_builds_up_is_no_blow_up(start):
    states = trajectory(
        lambda state, time: state + (1.0 if time > 1e5 else 0.0),
        torch.full(HARMONICS.grid.shape, start, dtype=torch.float64),
        0.0,
        600.0,
    )
    *_, (_, last) = islice(states, 2000)
    assert last.max() > 1800


def test_without_harmonics_there_is_no_place():
    states = trajectory(spoil(math.nan, 2), HARMONICS.to_modal(HILL), 100.0, 600.0)
    with pytest.raises(NumericalError, match=r"not finite at 1300 s \(step 2\)"):
        list(islice(states, 5))


def test_checks_leave_gradients_and_states_alone():
    start = HILL.clone().requires_grad_()
    states = list(islice(trajectory(lambda state, time: 2 * state, start, 0.0, 1.0), 4))
    assert states[0][1] is start
    states[-1][1].sum().backward()
    assert torch.equal(start.grad, torch.full_like(HILL, 8.0))
