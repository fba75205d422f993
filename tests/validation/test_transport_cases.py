"""The suite's own definitions: coefficients pinned, trajectories against brute force."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.solvers import EARTH_RADIUS_M, Grid, SphericalHarmonics
from co2net_phys.validation.transport_cases import CASES, initial_field
from co2net_phys.validation.transport_flows import PERIOD, flow

GRID = Grid("cell-centre", 90, 180)
LATITUDE = np.radians(GRID.latitude)[:, None]
LONGITUDE = np.radians(GRID.longitude)[None, :]
angles = st.floats(0.0, 1.0)


def test_the_wind_has_the_published_coefficients():
    """At one point, worked out by hand from the printed formulas with R/T put in."""
    harmonics = SphericalHarmonics(Grid.gaussian(2), 2)
    unit = EARTH_RADIUS_M / (12 * 86400)
    theta, lam, share = math.radians(30), math.radians(100), 0.2  # λ' = 100° − 72° = 28°
    at = torch.tensor(theta), torch.tensor(lam), share * PERIOD
    moving, fade = math.radians(28), math.cos(0.2 * math.pi)
    u, v = flow("nondivergent").wind(harmonics).at(*at)
    sine, cosine = math.sin(moving), math.cos(theta)
    assert u.item() == pytest.approx(
        unit * (10 * sine**2 * math.sin(2 * theta) * fade + 2 * math.pi * cosine), rel=1e-6
    )
    assert v.item() == pytest.approx(unit * 10 * math.sin(2 * moving) * cosine * fade, rel=1e-6)
    u, v = flow("divergent").wind(harmonics).at(*at)
    shear = -5 * math.sin(moving / 2) ** 2 * math.sin(2 * theta) * cosine**2 * fade
    assert u.item() == pytest.approx(unit * (shear + 2 * math.pi * cosine), rel=1e-6)
    assert v.item() == pytest.approx(unit * 2.5 * sine * cosine**3 * fade, rel=1e-6)


@pytest.mark.parametrize(
    ("case", "lowest", "highest", "at_the_centre"),
    [
        ("gaussian-hills", 0.0, 0.9571, 0.95 * (1 + math.exp(-5))),
        ("cosine-bells", 0.1, 1.0, 1.0),
        ("correlated-bells", 0.1, 0.892, 0.1),
        ("slotted-cylinders", 0.1, 1.0, 0.1),
        ("williamson-bell", 0.0, 1000.0, 0.0),
    ],
)
def test_the_initial_fields_have_the_published_values(case, lowest, highest, at_the_centre):
    field = initial_field(case)(LATITUDE, LONGITUDE)
    assert lowest - 1e-12 <= field.min()
    assert field.max() <= highest + 1e-12
    assert field.min() == pytest.approx(lowest, abs=5e-3)
    assert field.max() == pytest.approx(highest, rel=2e-2)
    centre = initial_field(case)(np.zeros(1), np.array([5 * math.pi / 6]))
    assert centre == pytest.approx(at_the_centre, abs=1e-12)


def test_the_two_slots_open_to_opposite_sides():
    field = initial_field("slotted-cylinders")
    west, east = np.array([5 * math.pi / 6]), np.array([7 * math.pi / 6])
    north, south, bridge = np.array([0.15]), np.array([-0.15]), np.array([0.25])
    for centre, closed in ((west, -bridge), (east, bridge)):
        assert field(north, centre) == field(south, centre) == 0.1  # in the slot
        assert field(closed, centre) == 1.0  # the bridge
        assert field(-closed, centre) == 0.1  # the open end
        assert field(north, centre + 0.2) == 1.0
    assert field(north, west + 2 * math.pi) == 0.1  # longitude may go round


def by_brute_force(carrier, latitude, longitude, time, steps=400):
    """RK4 backwards in Cartesian coordinates through the wind as the solver sees it."""
    unit = [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)]
    position = np.stack([*unit, np.sin(latitude)])

    def velocity(x, now):
        theta, lam = np.arcsin(np.clip(x[2] / np.linalg.norm(x, axis=0), -1, 1)), None
        lam = np.arctan2(x[1], x[0])
        u, v = (w.numpy() for w in carrier.at(torch.tensor(theta), torch.tensor(lam), now))
        east = np.stack([-np.sin(lam), np.cos(lam), 0 * lam])
        north = np.stack([-np.sin(theta) * np.cos(lam), -np.sin(theta) * np.sin(lam)])
        north = np.stack([*north, np.cos(theta)])
        return (u * east + v * north) / EARTH_RADIUS_M

    h = -time / steps
    for n in range(steps):
        now = time + n * h
        k1 = velocity(position, now)
        k2 = velocity(position + h / 2 * k1, now + h / 2)
        k3 = velocity(position + h / 2 * k2, now + h / 2)
        k4 = velocity(position + h * k3, now + h)
        position = position + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        position /= np.linalg.norm(position, axis=0)
    return position


@pytest.mark.parametrize("name", ["nondivergent", "divergent"])
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.floats(0.05, 0.95))
def test_trajectories_are_those_of_the_wind(name, seed, share):
    generator = np.random.default_rng(seed)
    latitude = np.arcsin(generator.uniform(-0.99, 0.99, 20))
    longitude = generator.uniform(0, 2 * math.pi, 20)
    carrier = flow(name).wind(SphericalHarmonics(Grid.gaussian(2), 2))
    slow = by_brute_force(carrier, latitude, longitude, share * PERIOD)
    origin = flow(name).origin(latitude, longitude, share * PERIOD)
    theta, lam = origin.latitude, origin.longitude
    exact = np.stack([np.cos(theta) * np.cos(lam), np.cos(theta) * np.sin(lam), np.sin(theta)])
    assert np.abs(slow - exact).max() < 2e-6  # the error of 400 RK4 steps


@pytest.mark.parametrize("tilt", [0.0, 45.0, 90.0])
def test_solid_body_trajectories_are_those_of_the_wind(tilt):
    turning = flow("solid-body", tilt)
    carrier = turning.wind(SphericalHarmonics(Grid.gaussian(5), 5))
    latitude, longitude = np.array([0.3, -1.2]), np.array([1.0, 4.0])
    # A short time back along the wind, to second order.
    time = PERIOD * 1e-5
    origin = turning.origin(latitude, longitude, time)
    theta, lam = (torch.tensor(x) for x in (latitude, longitude))
    a, w = math.radians(tilt), 2 * math.pi / PERIOD * time
    u = w * (theta.cos() * math.cos(a) + theta.sin() * lam.cos() * math.sin(a))
    v = -w * math.sin(a) * lam.sin()
    assert np.abs(latitude - origin.latitude - v.numpy()).max() < 1e-7
    turned = longitude - origin.longitude % (2 * math.pi)
    assert np.abs(turned - (u / theta.cos()).numpy()).max() < 1e-7
    assert carrier.max_speed == pytest.approx(2 * math.pi * EARTH_RADIUS_M / PERIOD)


@pytest.mark.parametrize(
    ("name", "tilt"), [("nondivergent", 0), ("divergent", 0), ("solid-body", 45)]
)
def test_everything_has_returned_after_a_period(name, tilt):
    origin = flow(name, tilt).origin(LATITUDE, LONGITUDE, PERIOD)
    for field in (CASES["gaussian-hills"], CASES["cosine-bells"]):
        moved = field(origin.latitude, origin.longitude)
        assert np.abs(moved - field(LATITUDE, LONGITUDE)).max() < 1e-12
    assert np.abs(origin.density - 1).max() < 1e-12


def test_the_density_of_the_divergent_flow_holds_the_mass():
    """∫ρ = 4π at mid-time, and ρ differs much from 1 there, so that the test means something."""
    origin = flow("divergent").origin(LATITUDE, LONGITUDE, PERIOD / 2)
    weights = GRID.quadrature_weights[:, None] / (2 * GRID.nlon)
    assert (weights * origin.density).sum() == pytest.approx(1.0, abs=1e-6)
    assert origin.density.min() < 0.5
    assert origin.density.max() > 1.5


def test_an_unknown_name_is_one_line():
    wrong = [(initial_field, ("hills",)), (flow, ("shear",)), (flow, ("divergent", 45.0))]
    for function, arguments in wrong:
        with pytest.raises(UsageError) as raised:
            function(*arguments)
        assert "\n" not in str(raised.value)
