import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.solvers import (
    EARTH_RADIUS_M,
    RK4,
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
)
from co2net_phys.solvers.departures import (
    Trajectories,
    coordinates,
    departure_points,
    departures_with_expansion,
    positions,
)
from co2net_phys.solvers.dormand_prince import DORMAND_PRINCE_8, estimated_error

HARMONICS = SphericalHarmonics(Grid.gaussian(10), 10)
DAY = 86400.0


def distance(a, b):
    """Largest straight-line distance of two sets of points, in radii."""
    return float((positions(*a) - positions(*b)).norm(dim=0).max())


def rotated_back(latitude, longitude, tilt_degrees, angle):
    """Rodrigues' formula about the axis of ``SolidBodyRotation``."""
    tilt = math.radians(tilt_degrees)
    axis = torch.tensor([-math.sin(tilt), 0.0, math.cos(tilt)], dtype=torch.float64)
    x = positions(*torch.broadcast_tensors(latitude, longitude)).movedim(0, -1)
    across = torch.linalg.cross(axis.expand_as(x), x)
    along = (x @ axis)[..., None] * axis
    turned = math.cos(angle) * (x - along) - math.sin(angle) * across + along
    return coordinates(turned.movedim(-1, 0))


@pytest.mark.parametrize(
    "table, substeps, order", [(RK4, (4, 8), 4), (DORMAND_PRINCE_8, (2, 4), 8)]
)
def test_solid_body_rotation_to_the_order_of_the_scheme(table, substeps, order):
    wind = SolidBodyRotation(HARMONICS, 1.5 / DAY, tilt_degrees=40.0)
    points = HARMONICS.coordinates()
    exact = rotated_back(*points, 40.0, 1.5)
    coarse, fine = (
        distance(departure_points(wind.at, *points, 0.0, DAY, n, table=table), exact)
        for n in substeps
    )
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)
    assert fine < 1e-4


@pytest.mark.parametrize("rotation", [0.0, 2.0 * math.pi / (12 * DAY)])
def test_order_in_a_wind_that_changes(rotation):
    wind, points = DeformationalFlow(HARMONICS), HARMONICS.coordinates()
    exact = departure_points(wind.at, *points, 3e5, DAY / 4, 3, table=DORMAND_PRINCE_8)
    errors = [
        distance(departure_points(wind.at, *points, 3e5, DAY / 4, n, rotation=rotation), exact)
        for n in (4, 8)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(4.0, abs=0.15)


@pytest.mark.parametrize("pole", [-1.0, 1.0])
def test_through_the_poles(pole):
    """A quarter turn about an axis on the equator, to and from the pole and across it."""
    wind = SolidBodyRotation(HARMONICS, 1.0 / DAY, tilt_degrees=90.0)
    longitude = torch.tensor([0.3, 1.0, math.pi / 2, -math.pi / 2], dtype=torch.float64)
    latitude = pole * torch.tensor([math.pi / 2, 1.5, 1.2, 1.4], dtype=torch.float64)
    found = departure_points(wind.at, latitude, longitude, 0.0, DAY, 2, table=DORMAND_PRINCE_8)
    assert distance(found, rotated_back(latitude, longitude, 90.0, 1.0)) < 1e-9
    assert float(found[0].abs().max()) <= math.pi / 2


@settings(max_examples=20, deadline=None)
@given(st.floats(-1.57, 1.57), st.floats(-10.0, 10.0), st.booleans(), st.floats(0.0, 1e6))
def test_forth_and_back_again(latitude, longitude, divergent, time):
    wind = DeformationalFlow(HARMONICS, divergent=divergent)
    start = torch.tensor([[latitude], [longitude]], dtype=torch.float64).unbind()
    there = departure_points(wind.at, *start, time, DAY, 4, table=DORMAND_PRINCE_8)
    back = departure_points(wind.at, *there, time + DAY, -DAY, 4, table=DORMAND_PRINCE_8)
    assert distance(start, back) < 1e-9


def test_the_frame_makes_no_difference():
    wind, points = DeformationalFlow(HARMONICS), HARMONICS.coordinates()
    found = [
        departure_points(wind.at, *points, 0.0, DAY / 2, 4, rotation=rate, table=DORMAND_PRINCE_8)
        for rate in (0.0, 2e-5, -1e-5)
    ]
    assert distance(found[0], found[1]) < 1e-10
    assert distance(found[0], found[2]) < 1e-10
    assert float(found[1][1].abs().max()) <= math.pi


def test_expansion_of_a_flow_to_the_north():
    """v = kR cos θ: sin θ = tanh(kt + artanh sin θ₀), areas shrink as cos²θ."""
    rate = 0.7 / DAY

    def wind_at(latitude, longitude, time):
        return torch.zeros_like(latitude), rate * EARTH_RADIUS_M * latitude.cos()

    def divergence_at(latitude, longitude, time):
        return -2.0 * rate * latitude.sin()

    latitude = torch.linspace(-1.5, 1.5, 31, dtype=torch.float64)
    longitude = torch.full_like(latitude, 2.0)
    found = departures_with_expansion(
        wind_at, divergence_at, latitude, longitude, 0.0, DAY, 2, table=DORMAND_PRINCE_8
    )
    before = torch.asin(torch.tanh(torch.atanh(latitude.sin()) - 0.7))
    torch.testing.assert_close(found.latitude, before, rtol=0.0, atol=1e-8)
    torch.testing.assert_close(found.longitude, longitude, rtol=0.0, atol=1e-12)
    ratio = (before.cos() / latitude.cos()) ** 2
    torch.testing.assert_close(torch.exp(-found.expansion), ratio, rtol=1e-7, atol=0.0)


@pytest.mark.parametrize("step", [0.3 * DAY, 0.6 * DAY])
def test_the_estimate_bounds_the_error_and_is_not_far_off(step):
    wind, points = DeformationalFlow(HARMONICS), HARMONICS.coordinates()
    exact = departure_points(wind.at, *points, 0.0, step, 6, table=DORMAND_PRINCE_8)
    trajectories = Trajectories(wind.at, table=DORMAND_PRINCE_8, estimate=estimated_error)
    found, estimate = trajectories.back(*points, 0.0, step, 1)
    error = distance(coordinates(found), exact)
    assert error < estimate < 50.0 * error


def test_no_wind_no_way():
    still = SolidBodyRotation(HARMONICS, 0.0)
    points = HARMONICS.coordinates()
    trajectories = Trajectories(still.at, table=DORMAND_PRINCE_8, estimate=estimated_error)
    found, estimate = trajectories.back(*points, 0.0, DAY, 1)
    assert estimate == 0.0
    assert distance(coordinates(found), torch.broadcast_tensors(*points)) < 1e-14


def test_refuses_no_substeps():
    with pytest.raises(UsageError, match="at least 1 substep"):
        departure_points(
            SolidBodyRotation(HARMONICS, 1e-6).at, *HARMONICS.coordinates(), 0.0, 1.0, 0
        )
