import math
from itertools import pairwise

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
    lawson_rk4,
)
from co2net_phys.solvers.departure_map import AnyWind, DepartureMap
from co2net_phys.solvers.departures import departure_points, departures_with_expansion, positions
from co2net_phys.solvers.dormand_prince import DORMAND_PRINCE_8
from co2net_phys.solvers.equations import SteadySource
from co2net_phys.solvers.semi_lagrangian import semi_lagrangian, suggested_time_step, wind_anywhere

DAY = 86400.0
HARMONICS = SphericalHarmonics(Grid.gaussian(31), 31)
ROTATION = 2.0 * math.pi / (12.0 * DAY)


def hill(latitude, longitude, sharpness=3.0):
    centre = torch.tensor([-0.8, 0.3, math.sqrt(0.27)], dtype=torch.float64)[:, None, None]
    return torch.exp(-sharpness * (positions(latitude, longitude) - centre).square().sum(0))


def nodes(harmonics=HARMONICS):
    return torch.broadcast_tensors(*harmonics.coordinates())


def initial(sharpness=3.0, harmonics=HARMONICS):
    return harmonics.to_modal(hill(*nodes(harmonics), sharpness))


def run(step, state, time_step, count, start=0.0):
    for n in range(count):
        state = step(state, start + n * time_step)
    return state


def relative(found, expected):
    return float((found - expected).norm() / expected.norm())


def tabulated(wind, interval, first, last, degree):
    times = np.arange(first, last + 1.0, interval)
    records = [torch.broadcast_tensors(*wind(float(t))) for t in times]
    u, v = (torch.stack(list(part)) for part in zip(*records, strict=True))
    return TabulatedWind.from_arrays(times, u, v, degree=degree)


@pytest.mark.parametrize("tilt", [0.0, 50.0, 90.0])
def test_a_revolution_in_three_steps(tilt):
    """Degree is kept by rotation, so that nothing is truncated: only the tolerance is left."""
    wind = SolidBodyRotation(HARMONICS, 2.0 * math.pi / (3.0 * DAY), tilt)
    step = semi_lagrangian(AdvectionDiffusion(HARMONICS, wind), DAY, tolerance=1e-10)
    generator = torch.Generator().manual_seed(3)
    state = HARMONICS.to_modal(torch.randn(HARMONICS.grid.shape, generator=generator).double())
    assert relative(run(step, state, DAY, 3), state) < 1e-8


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("rotation", [0.0, ROTATION])
def test_exact_trajectories_in_four_long_steps(sampled, rotation):
    wind = DeformationalFlow(HARMONICS)
    duration = 2.0 * DAY
    paths = departure_points(wind.at, *nodes(), 0.0, duration, 12, table=DORMAND_PRINCE_8)
    exact = hill(*paths, sharpness=1.0)
    given = tabulated(wind, DAY / 8, -DAY, 4 * DAY, degree=5) if sampled else wind
    equation = AdvectionDiffusion(HARMONICS, given, rotation=rotation)
    step = semi_lagrangian(equation, duration / 4)
    state = run(step, initial(1.0), duration / 4, 4)
    projected = HARMONICS.to_nodal(HARMONICS.to_modal(exact))
    error, unavoidable = relative(HARMONICS.to_nodal(state), exact), relative(projected, exact)
    assert error < 2.0 * unavoidable < 1e-5


def test_second_order_with_diffusion_decay_and_source():
    """Also checks the sum of all terms: the limit is that of the fourth-order scheme."""
    harmonics = SphericalHarmonics(Grid.gaussian(21), 21)
    wind, (latitude, longitude) = DeformationalFlow(harmonics), nodes(harmonics)

    def source(time, tracers):
        pattern = (1.0 + (longitude - time / (2 * DAY)).cos()) * latitude.cos() ** 2
        return (pattern - 2.0 * tracers) / (6.0 * DAY)

    equation = AdvectionDiffusion(
        harmonics, wind, 4e5, source, 1e15, decay=0.5 / DAY, rotation=ROTATION
    )
    state, duration = initial(3.0, harmonics), 1.5 * DAY
    fine = run(lawson_rk4(equation, duration / 96), state, duration / 96, 96)
    errors = []
    for count in (3, 6, 12):
        step = semi_lagrangian(equation, duration / count, tolerance=1e-10)
        errors.append(relative(run(step, state, duration / count, count), fine))
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert errors[-1] < 1e-3
    assert orders == pytest.approx([2.0, 2.0], abs=0.15)


def test_diffusion_and_decay_are_exact_without_wind():
    equation = AdvectionDiffusion(
        HARMONICS, SolidBodyRotation(HARMONICS, 0.0), 1e6, hyperdiffusivity=1e16, decay=1e-6
    )
    state = initial()
    found = semi_lagrangian(equation, 5 * DAY, tolerance=1e-12)(state, 0.0)
    assert relative(found, equation.implicit_factor(5 * DAY) * state) < 1e-11


def test_diffusivity_that_varies_in_time():
    """exp(e_l ∫ D dt), with ∫ D dt of a cubic known to the quadrature."""
    equation = AdvectionDiffusion(
        HARMONICS,
        SolidBodyRotation(HARMONICS, 0.0),
        lambda time: 1e6 * (time / DAY) ** 3 + 1e5,
        decay=1e-6,
    )
    state = initial()
    found = semi_lagrangian(equation, 2 * DAY, tolerance=1e-12)(state, DAY)
    integral = 1e6 * DAY * (81 - 1) / 4 + 1e5 * 2 * DAY
    exponent = HARMONICS.laplacian_eigenvalues[:, None] * integral - 1e-6 * 2 * DAY
    assert relative(found, torch.exp(exponent) * state) < 1e-11


@pytest.mark.parametrize("in_time", [False, True])
def test_diffusivity_that_varies_in_space(in_time):
    latitude, longitude = nodes()
    field = 2e6 * (1.0 + 0.5 * latitude.cos() * longitude.cos())
    diffusivity = (lambda time: field) if in_time else field
    still = SolidBodyRotation(HARMONICS, 0.0)
    equation = AdvectionDiffusion(HARMONICS, still, diffusivity)
    found = semi_lagrangian(equation, DAY, tolerance=1e-12)(initial(), 0.0)
    fine = run(lawson_rk4(equation, DAY / 200), initial(), DAY / 200, 200)
    assert relative(found, fine) < 2e-5


def test_a_steady_source_adds_up():
    rate = hill(*nodes(), sharpness=1.0) / DAY
    still = SolidBodyRotation(HARMONICS, 0.0)
    for source in (SteadySource(rate), lambda time, tracers: rate):
        step = semi_lagrangian(AdvectionDiffusion(HARMONICS, still, source=source), DAY)
        found = run(step, initial(), DAY, 2)
        expected = initial() + 2.0 * DAY * HARMONICS.to_modal(rate)
        assert relative(found, expected) < 1e-6


@pytest.mark.parametrize("form, divergent", [("advective", False), ("flux", False), ("flux", True)])
def test_mass_to_round_off_where_it_is_conserved(form, divergent):
    wind = DeformationalFlow(HARMONICS, divergent=divergent)
    step = semi_lagrangian(AdvectionDiffusion(HARMONICS, wind, 1e5, form=form), DAY)
    before = HARMONICS.global_mean(initial())
    after = HARMONICS.global_mean(run(step, initial(), DAY, 3))
    assert float(after) == pytest.approx(float(before), rel=1e-15)


def test_the_advective_form_does_not_conserve_mass_in_a_divergent_wind():
    """There the mean must change as it does in the fourth-order scheme."""
    equation = AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS, divergent=True))
    found = run(semi_lagrangian(equation, DAY / 2), initial(), DAY / 2, 2)
    fine = run(lawson_rk4(equation, DAY / 48), initial(), DAY / 48, 48)
    mean, expected = HARMONICS.global_mean(found), HARMONICS.global_mean(fine)
    assert abs(expected - HARMONICS.global_mean(initial())) > 1e-3 * expected
    assert float(mean) == pytest.approx(float(expected), rel=1e-5)


def test_flux_form_against_the_fourth_order_scheme():
    equation = AdvectionDiffusion(
        HARMONICS, DeformationalFlow(HARMONICS, divergent=True), form="flux"
    )
    found = run(semi_lagrangian(equation, DAY / 2), initial(), DAY / 2, 2)
    fine = run(lawson_rk4(equation, DAY / 48), initial(), DAY / 48, 48)
    assert relative(found, fine) < 1e-4


@pytest.mark.parametrize("divergent", [False, True])
def test_constants_stay_constant(divergent):
    step = semi_lagrangian(
        AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS, divergent=divergent)), DAY
    )
    state = torch.zeros(32, 32, dtype=torch.complex128)
    state[0, 0] = 400.0
    assert relative(run(step, state, DAY, 3), state) < 1e-15


def test_all_tracers_at_once():
    equation = AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS), 1e5)
    step = semi_lagrangian(equation, DAY)
    tracers = torch.stack([initial(), 2.0 * initial() + 1.0, initial().flip(0).tril()])
    together = step(tracers.reshape(3, 1, 32, 32), 0.0)
    assert together.shape == (3, 1, 32, 32)
    for one, alone in zip(together, tracers, strict=True):
        torch.testing.assert_close(one[0], step(alone, 0.0), rtol=1e-12, atol=1e-12)


def test_single_precision():
    harmonics = SphericalHarmonics(Grid.gaussian(21), 21, dtype=torch.float32)
    step = semi_lagrangian(AdvectionDiffusion(harmonics, DeformationalFlow(harmonics)), DAY)
    state = initial(3.0, SphericalHarmonics(Grid.gaussian(21), 21)).to(torch.complex64)
    found = step(state, 0.0)
    double = SphericalHarmonics(Grid.gaussian(21), 21)
    step = semi_lagrangian(AdvectionDiffusion(double, DeformationalFlow(double)), DAY)
    assert found.dtype == torch.complex64
    assert relative(found, step(initial(3.0, double), 0.0).to(torch.complex64)) < 1e-5


def test_a_steady_wind_is_traced_once():
    asked = []

    class Recorded(SteadyWind):
        def at(self, latitude, longitude, time):
            asked.append(time)
            return 10.0 * latitude.cos(), torch.zeros_like(latitude)

    wind = Recorded(*Recorded.at(None, *nodes(), 0.0))
    step = semi_lagrangian(AdvectionDiffusion(HARMONICS, wind), DAY)
    state = step(initial(), 0.0)
    count = len(asked)
    step(state, DAY)
    assert len(asked) == count > 0


def test_given_substeps_are_used():
    """Too few of them are less exact; the control would have taken more."""
    equation = AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS))
    best, rough = (
        semi_lagrangian(equation, 2 * DAY, substeps=count)(initial(), 0.0) for count in (None, 1)
    )
    fine = semi_lagrangian(equation, 2 * DAY, substeps=12)(initial(), 0.0)
    assert relative(best, fine) < 1e-6 < 1e-4 < relative(rough, fine)


@pytest.mark.parametrize("truncation, divergent", [(63, False), (63, True), (15, True)])
def test_departure_map(truncation, divergent):
    """Expanded from few nodes (T63 non-divergent) or traced at all of them."""
    harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation)
    wind = DeformationalFlow(harmonics, divergent=divergent)
    found = DepartureMap(
        harmonics, AnyWind(wind.at), DAY / 2, 1e-8, rotation=ROTATION, with_area_ratio=True
    )(0.0)

    def divergence_at(latitude, longitude, time):
        h = 1e-4
        east = wind.at(latitude, longitude + h, time)[0] - wind.at(latitude, longitude - h, time)[0]
        south, north = latitude - h, latitude + h
        flux = wind.at(north, longitude, time)[1] * north.cos()
        flux = flux - wind.at(south, longitude, time)[1] * south.cos()
        return (east + flux) / (2.0 * h * harmonics.radius * latitude.cos())

    exact = departures_with_expansion(
        wind.at, divergence_at, *nodes(harmonics), 0.0, DAY / 2, 2, table=DORMAND_PRINCE_8
    )
    offset = positions(found.latitude, found.longitude) - positions(*exact[:2])
    assert float(offset.norm(dim=0).max()) < 2e-8
    # The flow has a kink at the poles if it is divergent, which an expansion smooths.
    atol = (1e-2 if truncation < 20 else 1e-3) if divergent else 1e-6
    torch.testing.assert_close(found.area_ratio, torch.exp(-exact.expansion), rtol=0.0, atol=atol)


def test_sampled_winds_are_interpolated_closely():
    flow = DeformationalFlow(HARMONICS)
    wind = wind_anywhere(SteadyWind(*flow(0.0)), HARMONICS)
    latitude = torch.linspace(-math.pi / 2, math.pi / 2, 200, dtype=torch.float64)
    longitude = 7.0 * latitude
    found, expected = (at(latitude, longitude, 0.0) for at in (wind.at, flow.at))
    torch.testing.assert_close(
        torch.stack(found), torch.stack(expected), rtol=0.0, atol=1e-6 * flow.max_speed
    )
    assert wind.error is not None
    assert 0.0 < wind.error(0.0) < 1e-4 * flow.max_speed


def test_a_wind_with_kinks_in_time():
    """Linear between records: substeps end at the records, or none would be short enough."""
    flow = DeformationalFlow(HARMONICS)
    table = tabulated(flow, DAY / 4, 0.0, 2 * DAY, degree=1)
    equation = AdvectionDiffusion(HARMONICS, table)
    found = run(semi_lagrangian(equation, DAY, tolerance=1e-9), initial(1.0), DAY, 2)
    fine = run(lawson_rk4(equation, DAY / 48), initial(1.0), DAY / 48, 96)
    assert relative(found, fine) < 1e-5


def test_suggested_time_step():
    """|∇w| of solid-body rotation is √2 Ω at its poles: two components, each Ω."""
    wind = SolidBodyRotation(HARMONICS, 1e-5, tilt_degrees=90.0)
    found = suggested_time_step(AdvectionDiffusion(HARMONICS, wind), deformation=0.5)
    assert found == pytest.approx(0.5 / (math.sqrt(2.0) * 1e-5), rel=1e-3)
    zonal = SolidBodyRotation(HARMONICS, 1e-5)
    assert suggested_time_step(AdvectionDiffusion(HARMONICS, zonal, rotation=1e-5)) > 1e12
    still = SolidBodyRotation(HARMONICS, 0.0)
    assert suggested_time_step(AdvectionDiffusion(HARMONICS, still)) == math.inf


@pytest.mark.parametrize(
    "time_step, options, message",
    [
        (0.0, {}, "time step must be positive"),
        (math.nan, {}, "time step must be positive"),
        (DAY, {"substeps": 0}, "at least 1 substep"),
        (DAY, {"tolerance": 1e-15}, "choose 1e-12 to 0.01"),
    ],
)
def test_refusals(time_step, options, message):
    equation = AdvectionDiffusion(HARMONICS, DeformationalFlow(HARMONICS))
    with pytest.raises(UsageError, match=message):
        semi_lagrangian(equation, time_step, **options)


def test_a_hopeless_time_step_is_refused():
    generator = torch.Generator().manual_seed(0)
    u, v = 1e4 * torch.randn(2, *HARMONICS.grid.shape, dtype=torch.float64, generator=generator)

    class Noise(SteadyWind):
        def at(self, latitude, longitude, time):
            return u[0, 0] * (50 * longitude).sin(), v[0, 0] * (50 * latitude).cos()

    step = semi_lagrangian(AdvectionDiffusion(HARMONICS, Noise(u, v)), 100 * DAY)
    with pytest.raises(NumericalError, match="shorten the time step"):
        step(initial(), 0.0)


class _Pulse:
    """Non-divergent in the middle of each hour only."""

    max_speed = 100.0

    def __call__(self, time):
        return self.at(*nodes(), time)

    def at(self, latitude, longitude, time):
        v = 50.0 * math.cos(math.pi * time / 3600.0) ** 2 * latitude.cos() * latitude.sin()
        return 10.0 * latitude.cos() + 0.0 * longitude, v + 0.0 * longitude


def test_divergence_around_the_middle_of_a_step():
    state = initial()
    equation = AdvectionDiffusion(HARMONICS, _Pulse())
    found = semi_lagrangian(equation, 3600.0)(state, 0.0)
    expected = run(lawson_rk4(equation, 360.0), state, 360.0, 10)
    assert abs(expected[0, 0] - state[0, 0]) > 1e-5
    assert abs(found[0, 0] - expected[0, 0]) < 1e-7
