import math

import numpy as np
import pytest
import torch

from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers import (
    EARTH_RADIUS_M,
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadyWind,
    TabulatedWind,
)

HARMONICS = SphericalHarmonics(Grid.gaussian(10), 10)


def test_solid_body_without_tilt():
    latitude, _ = HARMONICS.coordinates()
    wind = SolidBodyRotation(HARMONICS, 2e-6)
    u, v = wind(1e9)
    torch.testing.assert_close(u, (2e-6 * EARTH_RADIUS_M * latitude.cos()).expand_as(u))
    assert not v.any()
    assert wind.max_speed == pytest.approx(2e-6 * EARTH_RADIUS_M)


@pytest.mark.parametrize("tilt", [0.0, 30.0, 90.0, -120.0])
def test_solid_body_is_the_cross_product_of_its_axis(tilt):
    """w = Ω × x with the axis at longitude 180°, latitude 90° − α (Williamson's orientation)."""
    latitude, longitude = torch.broadcast_tensors(*HARMONICS.coordinates())
    u, v = SolidBodyRotation(HARMONICS, 1e-6, tilt_degrees=tilt)(0.0)
    s, c, a = latitude.sin(), latitude.cos(), math.radians(tilt)
    position = torch.stack([c * longitude.cos(), c * longitude.sin(), s], dim=-1)
    axis = torch.tensor([-math.sin(a), 0.0, math.cos(a)], dtype=torch.float64)
    velocity = 1e-6 * EARTH_RADIUS_M * torch.linalg.cross(axis.expand_as(position), position)
    east = torch.stack([-longitude.sin(), longitude.cos(), torch.zeros_like(s)], dim=-1)
    north = torch.stack([-s * longitude.cos(), -s * longitude.sin(), c], dim=-1)
    torch.testing.assert_close(u, (velocity * east).sum(-1), rtol=0.0, atol=1e-14)
    torch.testing.assert_close(v, (velocity * north).sum(-1), rtol=0.0, atol=1e-14)


@pytest.mark.parametrize(
    "divergent, expected",
    [
        # R = T = 1, t = 1/3: cos πt = 1/2, λ' = λ − 2π/3 = π/3, θ = π/6.
        (False, (10 * 0.75 * math.sqrt(0.75) * 0.5, 10 * math.sqrt(0.75) * math.sqrt(0.75) * 0.5)),
        (True, (-5 * 0.25 * math.sqrt(0.75) * 0.75 * 0.5, 2.5 * math.sqrt(0.75) ** 4 * 0.5)),
    ],
)
def test_deformational_coefficients_by_hand(divergent, expected):
    harmonics = SphericalHarmonics(Grid.gaussian(3), 3, radius=1.0)
    flow = DeformationalFlow(harmonics, period=1.0, divergent=divergent)
    point = (torch.tensor(math.pi / 6).double(), torch.tensor(math.pi).double())
    u, v = flow.at(*point, 1 / 3)
    assert float(u) == pytest.approx(expected[0] + 2 * math.pi * math.sqrt(0.75), rel=1e-6)
    assert float(v) == pytest.approx(expected[1], rel=1e-6)


@pytest.mark.parametrize("divergent", [False, True])
def test_deformational_divergence(divergent):
    flow = DeformationalFlow(HARMONICS, divergent=divergent)
    psi, chi = HARMONICS.streamfunction_and_potential(*flow(2e5))
    ratio = float(chi.abs().max() / psi.abs().max())
    assert ratio > 1e-2 if divergent else ratio < 1e-14


def test_non_divergent_flow_has_the_published_streamfunction():
    """ψ = (10R²/T) sin²λ' cos²θ cos(πt/T) − (2πR²/T) sin θ."""
    flow, time = DeformationalFlow(HARMONICS), 3e5
    latitude, longitude = HARMONICS.coordinates()
    moving = longitude - 2 * math.pi * time / flow.period
    wave = 10 * moving.sin() ** 2 * latitude.cos() ** 2 * math.cos(math.pi * time / flow.period)
    psi = EARTH_RADIUS_M**2 / flow.period * (wave - 2 * math.pi * latitude.sin())
    for got, expected in zip(HARMONICS.wind(HARMONICS.to_modal(psi)), flow(time), strict=True):
        torch.testing.assert_close(got, expected, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("divergent", [False, True])
def test_deformational_max_speed_bounds_every_time_closely(divergent):
    flow = DeformationalFlow(HARMONICS, divergent=divergent)
    speeds = [
        float(torch.hypot(*flow(share * flow.period)).max()) for share in np.linspace(0, 1, 9)
    ]
    assert 0.95 * flow.max_speed < max(speeds) <= flow.max_speed


def test_steady_wind():
    u, v = torch.full((2, 3), 3.0), torch.full((2, 3), -4.0)
    wind = SteadyWind(u, v)
    assert wind(0.0) is wind(1e6)
    assert wind.max_speed == 5.0
    with pytest.raises(DataError, match="differ in shape"):
        SteadyWind(u, v[:1])
    with pytest.raises(DataError, match="not finite"):
        SteadyWind(u, v * math.nan)


def linear_records(times):
    """Records of a wind that is linear in time, u = t and v = −2t."""
    u = torch.tensor(times, dtype=torch.float64)[:, None, None].expand(-1, 2, 3)
    return u, -2 * u


def test_table_is_exact_for_a_wind_linear_in_time():
    times = [0.0, 1.0, 4.0, 6.0]  # unequal on purpose
    wind = TabulatedWind.from_arrays(times, *linear_records(times))
    for time in (0.0, 0.25, 1.0, 3.0, 5.9, 6.0, 6.0 + 1e-12):
        u, v = wind(time)
        torch.testing.assert_close(u, torch.full_like(u, time))
        torch.testing.assert_close(v, torch.full_like(v, -2 * time))
    assert wind.max_speed == pytest.approx(6 * math.sqrt(5))


def test_table_refuses_other_times_and_bad_records():
    u, v = linear_records([0.0, 1.0])
    wind = TabulatedWind.from_arrays([0.0, 1.0], u, v)
    for time in (-0.01, 1.01, math.nan):
        with pytest.raises(DataError, match="covers 0 to 1 s"):
            wind(time)
    with pytest.raises(DataError, match="ascend"):
        TabulatedWind.from_arrays([1.0, 0.0], u, v)
    with pytest.raises(DataError, match="two or more"):
        TabulatedWind.from_arrays([1.0], u[:1], v[:1])
    with pytest.raises(DataError, match="3 times for 2 u"):
        TabulatedWind.from_arrays([0.0, 1.0, 2.0], u, v)
    with pytest.raises(DataError, match="record 1: values are missing"):
        TabulatedWind([0.0, 1.0], lambda i: (u[i] / (1 - i), v[i]))(0.5)


def test_table_reads_each_record_once_when_time_advances():
    times = np.arange(6.0)
    u, v = linear_records(times)
    read = []

    def load(index):
        read.append(index)
        return u[index], v[index]

    wind = TabulatedWind(times, load, max_speed=12.0)
    assert wind.max_speed == 12.0
    for time in np.linspace(0.0, 5.0, 41):
        wind(float(time))
    assert read == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("tilt", [0.0, 40.0])
def test_solid_body_anywhere_is_that_at_the_nodes(tilt):
    wind = SolidBodyRotation(HARMONICS, 2e-6, tilt)
    for got, expected in zip(wind.at(*HARMONICS.coordinates(), 5.0), wind(0.0), strict=True):
        torch.testing.assert_close(got, expected)
    pole = torch.tensor([math.pi / 2, 0.0], dtype=torch.float64)
    speed = torch.hypot(*wind.at(*pole, 0.0))
    assert float(speed) == pytest.approx(
        2e-6 * EARTH_RADIUS_M * math.sin(math.radians(tilt)), abs=1e-9
    )


def tabulated_flow(count, degree, length=86400.0 * 6):
    flow = DeformationalFlow(HARMONICS)
    times = np.linspace(0.0, length, count)
    records = [flow(float(time)) for time in times]
    u, v = (torch.stack(parts) for parts in zip(*records, strict=True))
    return flow, TabulatedWind.from_arrays(times, u, v, degree=degree)


@pytest.mark.parametrize("degree", [1, 3, 5])
def test_order_of_the_interpolation_in_time(degree):
    """The largest error over the table is that of its ends, where the polynomial is one-sided."""
    counts, errors = np.array([24, 36, 54]), []
    for count in counts:
        flow, wind = tabulated_flow(int(count) + 1, degree)
        moments = np.linspace(0.0, 6 * 86400.0, 7 * count)
        errors.append(max(float((wind(t)[1] - flow(t)[1]).abs().max()) for t in moments))
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(degree + 1, abs=0.15)


@pytest.mark.parametrize("degree", [1, 3, 5])
def test_polynomials_of_the_degree_are_exact_between_uneven_records(degree):
    times = np.array([0.0, 0.5, 1.4, 2.0, 3.1, 3.9, 5.0, 5.3])
    u = torch.from_numpy(times**degree)[:, None, None].expand(-1, 2, 3)
    wind = TabulatedWind.from_arrays(times, u, -u, degree=degree)
    for time in (0.0, 0.2, 1.4, 2.9, 5.0, 5.2, 5.3, 5.3 + 1e-12):
        got_u, got_v = wind(time)
        torch.testing.assert_close(
            got_u, torch.full_like(got_u, time**degree), atol=1e-12, rtol=1e-11
        )
        torch.testing.assert_close(got_v, -got_u)


@pytest.mark.parametrize("degree", [3, 5])
def test_table_of_higher_degree_reads_each_record_once(degree):
    times, read = np.arange(12.0), []
    u, v = linear_records(times)

    def load(index):
        read.append(index)
        return u[index], v[index]

    wind = TabulatedWind(times, load, max_speed=30.0, degree=degree)
    assert wind.is_read_in_order
    wind(0.0)
    assert read == list(range(degree + 1))
    for time in np.linspace(0.0, 11.0, 89):
        wind(float(time))
    assert read == list(range(12))


@pytest.mark.parametrize("degree", [3, 5])
def test_max_speed_bounds_the_overshoot_of_rough_records(degree):
    generator = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, 10, 4, 8, dtype=torch.float64, generator=generator)
    wind = TabulatedWind.from_arrays(np.arange(10.0), u, v, degree=degree)
    assert not wind.is_read_in_order
    fastest = max(float(torch.hypot(*wind(t)).max()) for t in np.linspace(0.0, 9.0, 1000))
    assert float(torch.hypot(u, v).max()) < fastest <= wind.max_speed < 1.1 * fastest


def test_table_refuses_degrees_it_cannot_do():
    u, v = linear_records([0.0, 1.0, 2.0])
    with pytest.raises(UsageError, match=r"degree 2 is not one of \(1, 3, 5\)"):
        TabulatedWind.from_arrays([0.0, 1.0, 2.0], u, v, degree=2)
    with pytest.raises(DataError, match="3 times are too few for degree 3: give 4"):
        TabulatedWind.from_arrays([0.0, 1.0, 2.0], u, v, degree=3)
