import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.solvers import (
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadyWind,
)
from co2net_phys.solvers.rotation import mean_rotation, residual_speed, split_rotation

GRIDS = {"gaussian": Grid.gaussian(10), "cell-centre": Grid("cell-centre", 24, 32)}
HARMONICS = SphericalHarmonics(GRIDS["gaussian"], 10)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("tilt", [0.0, 60.0, 90.0, 180.0])
def test_of_a_rotation_it_is_the_component_along_the_pole(grid, tilt):
    harmonics = SphericalHarmonics(grid, 10)
    u, _ = SolidBodyRotation(harmonics, 3e-6, tilt)(0.0)
    expected = 3e-6 * math.cos(math.radians(tilt))
    assert mean_rotation(harmonics, u) == pytest.approx(expected, rel=1e-12, abs=1e-20)


@given(st.integers(0, 1000), st.floats(-1e-6, 1e-6))
def test_no_other_rotation_is_closer(seed, other):
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(*HARMONICS.grid.shape, dtype=torch.float64, generator=generator)
    cosine = HARMONICS.radius * HARMONICS.coordinates()[0].cos()
    best = mean_rotation(HARMONICS, u)

    def distance(rotation):
        return float(HARMONICS.integrate((u - rotation * cosine) ** 2))

    assert distance(best) <= distance(best + other) * (1 + 1e-14)


def test_residual_speed():
    wind = SolidBodyRotation(HARMONICS, 3e-6)
    assert residual_speed(HARMONICS, *wind(0.0), 3e-6) < 1e-14
    nearest = math.cos(math.radians(HARMONICS.grid.latitude[8]))
    assert residual_speed(HARMONICS, *wind(0.0), 1e-6) == pytest.approx(
        2e-6 * HARMONICS.radius * nearest
    )


@pytest.mark.parametrize("divergent", [False, True])
def test_background_of_the_deformational_flow_is_found(divergent):
    flow = DeformationalFlow(HARMONICS, divergent=divergent)
    split = split_rotation(HARMONICS, flow, [0.0, 1e5, 2e5])
    assert split.angular_speed == pytest.approx(2 * math.pi / flow.period, rel=1e-12)
    assert split.residual_speed < 0.75 * flow.max_speed
    assert split.residual_speed == pytest.approx(
        residual_speed(HARMONICS, *flow(0.0), split.angular_speed)
    )


def test_given_rotation_is_kept_and_gradients_are_not_needed():
    u = torch.ones(HARMONICS.grid.shape, dtype=torch.float64, requires_grad=True)
    wind = SteadyWind(u, 0 * u)
    split = split_rotation(HARMONICS, wind, [0.0], rotation=0.0)
    assert split == (0.0, pytest.approx(1.0))
