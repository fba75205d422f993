import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.solvers import (
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadyWind,
    extrema,
    lawson_rk4,
    stable_time_step,
    total_mass,
    variance,
)

HARMONICS = SphericalHarmonics(Grid.gaussian(21), 21)


def run(equation, state, time, steps):
    step = lawson_rk4(equation, time / steps)
    for n in range(steps):
        state = step(state, n * time / steps)
    return state


def gaussian_hills(latitude, longitude):
    """Σ 0.95 exp(−5|x − x_i|²), centres on the equator at 150° and 210°."""
    total = torch.zeros_like(latitude)
    for centre in (5 * math.pi / 6, 7 * math.pi / 6):
        nearness = latitude.cos() * (longitude - centre).cos()
        total = total + 0.95 * torch.exp(-10 * (1 - nearness))
    return total


def departure_points(flow, latitude, longitude, time, steps=100):
    """Where the air at the given points at ``time`` was at time zero, by RK4 on the exact wind."""
    h = -time / steps

    def rate(point, t):
        u, v = flow.at(*point, t)
        return torch.stack([v / flow.radius, u / (flow.radius * point[0].cos())])

    point = torch.stack([latitude, longitude])
    for n in range(steps):
        t = time + n * h
        k1 = rate(point, t)
        k2 = rate(point + h / 2 * k1, t + h / 2)
        k3 = rate(point + h / 2 * k2, t + h / 2)
        k4 = rate(point + h * k3, t + h)
        point = point + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return point


@pytest.mark.parametrize("divergent", [False, True])
@pytest.mark.parametrize("share, bound", [(1 / 8, 2e-4), (1 / 2, 5e-2)])
def test_deformed_hills_follow_exact_trajectories(divergent, share, bound):
    """At T/2 the filaments are thinnest; the return at T would forgive a reversible error."""
    harmonics = SphericalHarmonics(Grid.gaussian(42), 42)
    flow = DeformationalFlow(harmonics, divergent=divergent)
    latitude, longitude = torch.broadcast_tensors(*harmonics.coordinates())
    time = share * flow.period
    steps = math.ceil(time / stable_time_step(harmonics, flow.max_speed))
    start = harmonics.to_modal(gaussian_hills(latitude, longitude))
    solved = harmonics.to_nodal(run(AdvectionDiffusion(harmonics, flow), start, time, steps))
    exact = gaussian_hills(*departure_points(flow, latitude, longitude, time))
    error = harmonics.integrate((solved - exact) ** 2) / harmonics.integrate(exact**2)
    assert error.sqrt() < bound


def test_deformational_flow_returns():
    flow = DeformationalFlow(HARMONICS)
    latitude, longitude = HARMONICS.coordinates()
    start = HARMONICS.to_modal(torch.exp(latitude.cos() * longitude.cos()).expand(32, 64))
    steps = math.ceil(flow.period / stable_time_step(HARMONICS, flow.max_speed, courant=0.4))
    end = run(AdvectionDiffusion(HARMONICS, flow), start, flow.period, steps)
    half = run(AdvectionDiffusion(HARMONICS, flow), start, flow.period / 2, steps // 2)
    assert (end - start).abs().max() / start.abs().max() < 5e-3
    assert (half - start).abs().max() / start.abs().max() > 0.05


@pytest.mark.parametrize("tilt", [0.0, 45.0, 90.0])
def test_one_turn_about_any_axis_is_the_identity(tilt):
    angular_speed, time = 1e-5, 2 * math.pi / 1e-5
    wind = SolidBodyRotation(HARMONICS, angular_speed, tilt)
    start = HARMONICS.to_modal(torch.randn(32, 64, dtype=torch.float64)) * torch.exp(
        2e12 * HARMONICS.laplacian_eigenvalues[:, None]
    )
    quarter = run(AdvectionDiffusion(HARMONICS, wind), start, time / 4, 100)
    end = run(AdvectionDiffusion(HARMONICS, wind), quarter, time * 3 / 4, 300)
    assert (end - start).abs().max() < 1e-4 * start.abs().max()
    assert (quarter - start).abs().max() > 0.1 * start.abs().max()


def test_solid_body_tendency_is_minus_i_m_omega():
    state = HARMONICS.to_modal(torch.randn(2, 32, 64, dtype=torch.float64))
    equation = AdvectionDiffusion(HARMONICS, SolidBodyRotation(HARMONICS, 3e-6))
    order = torch.arange(22, dtype=torch.float64)
    expected = -1j * 3e-6 * order * state
    torch.testing.assert_close(equation.explicit_terms(state, 0.0), expected, rtol=0, atol=1e-18)


def test_diffusion_is_exact_in_one_step_of_any_length():
    still = SteadyWind(*torch.zeros(2, 32, 64, dtype=torch.float64))
    equation = AdvectionDiffusion(HARMONICS, still, diffusivity=1e6, hyperdiffusivity=1e17)
    start = HARMONICS.to_modal(torch.randn(32, 64, dtype=torch.float64))
    degree = torch.arange(22, dtype=torch.float64)[:, None]
    curvature = degree * (degree + 1) / HARMONICS.radius**2
    expected = start * torch.exp(-(1e6 * curvature + 1e17 * curvature**2) * 1e7)
    torch.testing.assert_close(run(equation, start, 1e7, 1), expected, rtol=0.0, atol=1e-15)


@pytest.mark.parametrize("wind", ["solid", "deformational", "random non-divergent"])
def test_non_divergent_wind_keeps_mass_and_constants(wind):
    generator = torch.Generator().manual_seed(0)
    nodal = torch.randn(2, 32, 64, dtype=torch.float64, generator=generator)
    psi = HARMONICS.to_modal(2e6 * nodal[1])
    chosen = {
        "solid": SolidBodyRotation(HARMONICS, 1e-5, 40.0),
        "deformational": DeformationalFlow(HARMONICS),
        "random non-divergent": SteadyWind(*HARMONICS.wind(psi)),
    }[wind]
    equation = AdvectionDiffusion(HARMONICS, chosen, diffusivity=1e5)
    start = HARMONICS.to_modal(torch.stack([400 + nodal[0], torch.full_like(nodal[0], 400.0)]))
    end = run(equation, start, 86400.0, 40)
    mass = total_mass(HARMONICS, start)
    torch.testing.assert_close(total_mass(HARMONICS, end), mass, rtol=1e-13, atol=0.0)
    assert (end[0] - start[0]).abs().max() > 1e-3
    assert (HARMONICS.to_nodal(end[1]) - 400.0).abs().max() < 1e-10


def test_variance_is_kept_by_advection_and_lost_to_diffusion():
    wind = DeformationalFlow(HARMONICS)
    start = HARMONICS.to_modal(torch.randn(32, 64, dtype=torch.float64))
    before = variance(start)
    kept = variance(run(AdvectionDiffusion(HARMONICS, wind), start, 86400.0, 200))
    lost = variance(run(AdvectionDiffusion(HARMONICS, wind, 1e6), start, 86400.0, 200))
    assert abs(kept / before - 1) < 1e-5
    assert lost < 0.99 * before


def test_divergent_wind_changes_mass_in_the_advective_form():
    flow = DeformationalFlow(HARMONICS, divergent=True)
    latitude, longitude = torch.broadcast_tensors(*HARMONICS.coordinates())
    start = HARMONICS.to_modal(gaussian_hills(latitude, longitude))
    end = run(AdvectionDiffusion(HARMONICS, flow), start, flow.period / 2, 60)
    assert abs(total_mass(HARMONICS, end) / total_mass(HARMONICS, start) - 1) > 0.1


def test_source_gets_time_and_nodal_tracer():
    """s = cos(t) − φ/2 on a uniform tracer: an ordinary equation with a closed form."""
    still = SteadyWind(*torch.zeros(2, 32, 64, dtype=torch.float64))
    equation = AdvectionDiffusion(
        HARMONICS, still, source=lambda time, tracer: math.cos(time) - 0.5 * tracer
    )
    start = HARMONICS.to_modal(torch.full((32, 64), 2.0, dtype=torch.float64))
    end = HARMONICS.global_mean(run(equation, start, 3.0, 300))
    forced = (0.5 * math.cos(3.0) + math.sin(3.0)) / 1.25
    assert float(end) == pytest.approx(forced + (2.0 - 0.4) * math.exp(-1.5), rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.floats(-3, 3), st.integers(0, 2**31))
def test_solver_is_linear_and_tracers_are_independent(weight, seed):
    harmonics = SphericalHarmonics(Grid.gaussian(8), 8)
    generator = torch.Generator().manual_seed(seed)
    nodal = torch.randn(2, *harmonics.grid.shape, dtype=torch.float64, generator=generator)
    first, second = harmonics.to_modal(nodal)
    equation = AdvectionDiffusion(harmonics, DeformationalFlow(harmonics), 1e5)
    batch = torch.stack([first, second, first + weight * second])
    ends = run(equation, batch, 86400.0, 4)
    torch.testing.assert_close(ends[0] + weight * ends[1], ends[2], rtol=0.0, atol=1e-13)
    torch.testing.assert_close(run(equation, first, 86400.0, 4), ends[0], rtol=0.0, atol=1e-14)


def test_step_is_differentiable():
    harmonics = SphericalHarmonics(Grid.gaussian(2), 2)
    flow = DeformationalFlow(harmonics)
    scale = torch.full(harmonics.grid.shape, 1e-5, dtype=torch.float64)
    initial = torch.randn(*harmonics.grid.shape, dtype=torch.float64, requires_grad=True)
    emission = torch.randn(*harmonics.grid.shape, dtype=torch.float64, requires_grad=True)

    def simulate(nodal, rate):
        equation = AdvectionDiffusion(harmonics, flow, 1e6, lambda time, tracer: scale * rate)
        return harmonics.to_nodal(run(equation, harmonics.to_modal(nodal), 43200.0, 2))

    assert torch.autograd.gradcheck(simulate, (initial, emission))


def test_variance_and_extrema_of_a_known_field():
    latitude, longitude = HARMONICS.coordinates()
    modal = HARMONICS.to_modal(5.0 + 2.0 * latitude.sin() * torch.ones_like(longitude))
    assert float(variance(modal)) == pytest.approx(4 / 3, rel=1e-13)
    low, high = extrema(HARMONICS, modal)
    top = 2.0 * math.sin(math.radians(HARMONICS.grid.latitude[-1]))
    assert (float(low), float(high)) == pytest.approx((5 - top, 5 + top), rel=1e-13)
    assert float(total_mass(HARMONICS, modal)) == pytest.approx(
        5 * 4 * math.pi * 6.371e6**2, rel=1e-13
    )


def test_everything_moves_with_to_device():
    """On the meta device every operand must be there too, as on an accelerator."""
    harmonics = SphericalHarmonics(Grid.gaussian(4), 4).to("meta")
    flow = DeformationalFlow(harmonics)
    equation = AdvectionDiffusion(harmonics, flow, 1e5, lambda time, tracer: -1e-6 * tracer)
    start = harmonics.to_modal(torch.empty(2, *harmonics.grid.shape, device="meta").double())
    end = lawson_rk4(equation, 600.0)(start, 0.0)
    psi, chi = harmonics.streamfunction_and_potential(*flow(0.0))
    output = Grid.carbontracker()
    results = [end, *harmonics.wind(psi, chi), *harmonics.synthesise_wind(psi, chi, output)]
    results += [harmonics.laplacian(end), total_mass(harmonics, end), *extrema(harmonics, end)]
    assert {result.device.type for result in results} == {"meta"}
    assert harmonics.synthesise(end, output).shape == (2, 90, 120)


@pytest.mark.parametrize("settings", [{"diffusivity": -1.0}, {"hyperdiffusivity": math.nan}])
def test_negative_diffusion_is_refused(settings):
    with pytest.raises(UsageError, match="at least 0"):
        AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS), **settings)
