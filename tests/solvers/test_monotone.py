import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.equations import AdvectionDiffusion, SteadySource
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.monotone import monotone, suggested_monotone_time_step
from co2net_phys.solvers.winds import DeformationalFlow, SolidBodyRotation, SteadyWind
from co2net_phys.validation.transport_cases import (
    cosine_bells,
    gaussian_hills,
    slotted_cylinders,
)
from co2net_phys.validation.transport_flows import flow

DAY = 86400.0
PERIOD = 12 * DAY
GRIDS = [Grid("cell-centre", 24, 48, first_longitude=-176.25), Grid("gaussian", 20, 40)]
SMALL = SphericalHarmonics(GRIDS[0], 8)


def field(function, grid):
    latitude, longitude = np.deg2rad(grid.latitude)[:, None], np.deg2rad(grid.longitude)
    return torch.from_numpy(function(latitude, longitude))


def exact(function, grid, name, time):
    """The tracer at ``time``, from exact trajectories, of a flow without divergence."""
    latitude, longitude = np.deg2rad(grid.latitude)[:, None], np.deg2rad(grid.longitude)
    origin = flow(name).origin(*np.broadcast_arrays(latitude, longitude), time)
    return torch.from_numpy(function(origin.latitude, origin.longitude))


def relative_l2(found, expected, grid):
    weights = torch.from_numpy(grid.area_weights)
    return float(((weights * (found - expected) ** 2).sum() / (weights * expected**2).sum()).sqrt())


def mass(state, grid):
    return (torch.from_numpy(grid.area_weights) * state).sum((-2, -1))


def run(step, state, time_step, steps, start=0):
    for n in range(start, start + steps):
        state = step(state, n * time_step)
    return state


def divergent_wind(harmonics, seed, speed=40.0):
    """A smooth random wind, half of it divergent."""
    generator = torch.Generator().manual_seed(seed)
    psi, chi = torch.randn(2, 9, 9, 2, generator=generator, dtype=torch.float64)
    psi, chi = (torch.view_as_complex(x.contiguous()).tril() for x in (psi, chi))
    psi[:, 0], chi[:, 0] = psi[:, 0].real.to(psi), chi[:, 0].real.to(chi)
    u, v = harmonics.wind(psi, chi)
    scale = speed / torch.hypot(u, v).max()
    return SteadyWind(u * scale, v * scale)


@pytest.mark.parametrize("bounds_width, hills, bells", [(4, 4.2e-3, 0.0155), (2, 9.3e-3, 0.0205)])
def test_deformational_flow_at_one_and_a_half_degrees(bounds_width, hills, bells):
    # 48 or 60 steps would turn the background by whole cells, and flatter any interpolation.
    steps, grid = 50, Grid("cell-centre", 120, 240)
    harmonics = SphericalHarmonics(grid, 4)
    equation = AdvectionDiffusion(harmonics, DeformationalFlow(harmonics), form="flux")
    step = monotone(equation, PERIOD / steps, bounds_width=bounds_width)
    initial = torch.stack(
        [field(f, grid) for f in (gaussian_hills, cosine_bells, slotted_cylinders)]
        + [torch.full(grid.shape, 0.7, dtype=torch.float64)]
    )
    middle = run(step, initial, PERIOD / steps, 25)
    final = run(step, middle, PERIOD / steps, 25, start=25)
    assert relative_l2(final[0], initial[0], grid) < hills
    assert relative_l2(final[1], initial[1], grid) < bells
    at_middle = exact(cosine_bells, grid, "nondivergent", PERIOD / 2)
    assert relative_l2(middle[1], at_middle, grid) < 0.012
    for state in (middle, final):
        for before, after in zip(initial, state, strict=True):
            assert before.min() <= after.min() and after.max() <= before.max()
        torch.testing.assert_close(mass(state, grid), mass(initial, grid), rtol=1e-12, atol=0.0)
    assert torch.equal(final[3], initial[3])


def test_order_of_smooth_hills():
    errors = []
    for nlat, steps in ((40, 32), (80, 64)):
        grid = Grid("cell-centre", nlat, 2 * nlat)
        harmonics = SphericalHarmonics(grid, 4)
        step = monotone(AdvectionDiffusion(harmonics, DeformationalFlow(harmonics)), PERIOD / steps)
        found = run(step, field(gaussian_hills, grid), PERIOD / steps, steps // 2)
        errors.append(
            relative_l2(found, exact(gaussian_hills, grid, "nondivergent", PERIOD / 2), grid)
        )
    assert math.log2(errors[0] / errors[1]) > 1.9


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("tilt", [0.0, 45.0, 90.0])
@pytest.mark.parametrize("steps", [6, 40])
def test_solid_body_over_the_poles(grid, tilt, steps):
    """6 steps cross 8 cells of the equator each, and whole circles of cells at the poles."""
    harmonics = SphericalHarmonics(grid, 4)
    wind = SolidBodyRotation(harmonics, 2 * math.pi / PERIOD, tilt)
    step = monotone(AdvectionDiffusion(harmonics, wind), PERIOD / steps)
    initial = torch.stack([field(cosine_bells, grid), field(slotted_cylinders, grid)])
    final = run(step, initial, PERIOD / steps, steps)
    assert relative_l2(final[0], initial[0], grid) < (0.11 if steps == 6 else 0.25)
    assert final.min() >= 0.1 and final.max() <= initial.max()
    torch.testing.assert_close(mass(final, grid), mass(initial, grid), rtol=1e-13, atol=0.0)


def test_whole_turns_of_cells_are_exact():
    time_step = 3 * 3600.0
    turn = 5 * (2 * math.pi / 48) / time_step
    # In the turning frame the trajectories have nothing left to integrate.
    equation = AdvectionDiffusion(SMALL, SolidBodyRotation(SMALL, turn), rotation=turn)
    state = torch.rand(SMALL.grid.shape, dtype=torch.float64)
    found = monotone(equation, time_step)(state, 0.0)
    torch.testing.assert_close(found, state.roll(5, -1), rtol=0.0, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    form=st.sampled_from(["advective", "flux"]),
    bounds_width=st.sampled_from([2, 4]),
    hours=st.floats(0.5, 24.0),
)
def test_positive_bounded_conservative(seed, form, bounds_width, hours):
    """Two steps of noise, of point sources anywhere, and of nothing, in any divergent wind."""
    equation = AdvectionDiffusion(SMALL, divergent_wind(SMALL, seed), 1e4, form=form)
    step = monotone(equation, hours * 3600.0, bounds_width=bounds_width)
    generator = torch.Generator().manual_seed(seed)
    state = torch.rand(4, *SMALL.grid.shape, generator=generator, dtype=torch.float64)
    state[1], state[2], state[3] = 0.0, 400.0, 0.0
    state[1].view(-1)[seed % 1152] = 1e3
    state[2].view(-1)[(7 * seed) % 1152] = 500.0
    found = run(step, state, hours * 3600.0, 2)
    assert found.isfinite().all() and (found >= 0.0).all() and not found[3].any()
    if form == "flux":
        expected = mass(state, SMALL.grid)
        torch.testing.assert_close(mass(found, SMALL.grid), expected, rtol=1e-13, atol=0.0)
    else:
        lowest, highest = state.amin((-2, -1)), state.amax((-2, -1))
        assert (found.amin((-2, -1)) >= lowest).all() and (found.amax((-2, -1)) <= highest).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), cells=st.integers(1, 47))
def test_turning_everything_by_whole_cells(seed, cells):
    wind = divergent_wind(SMALL, seed)
    turned = SteadyWind(*(part.roll(cells, -1) for part in wind(0.0)))
    state = torch.rand(SMALL.grid.shape, dtype=torch.float64)
    found = monotone(AdvectionDiffusion(SMALL, wind, form="flux"), 7200.0)(state, 0.0)
    there = monotone(AdvectionDiffusion(SMALL, turned, form="flux"), 7200.0)(
        state.roll(cells, -1), 0.0
    )
    torch.testing.assert_close(there, found.roll(cells, -1), rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("grid", [Grid("cell-centre", 48, 96), Grid("gaussian", 40, 80)])
def test_divergent_flow_keeps_the_mass_and_follows_the_density(grid):
    harmonics = SphericalHarmonics(grid, 8)
    wind = DeformationalFlow(harmonics, divergent=True)
    step = monotone(AdvectionDiffusion(harmonics, wind, form="flux"), PERIOD / 40)
    initial = torch.stack(
        [torch.ones(grid.shape, dtype=torch.float64), field(gaussian_hills, grid)]
    )
    middle = run(step, initial, PERIOD / 40, 20)
    torch.testing.assert_close(mass(middle, grid), mass(initial, grid), rtol=1e-13, atol=0.0)
    latitude, longitude = np.deg2rad(grid.latitude)[:, None], np.deg2rad(grid.longitude)
    origin = flow("divergent").origin(*np.broadcast_arrays(latitude, longitude), PERIOD / 2)
    density = torch.from_numpy(origin.density)
    assert relative_l2(middle[0], density, grid) < 0.02
    hills = density * torch.from_numpy(gaussian_hills(origin.latitude, origin.longitude))
    assert relative_l2(middle[1], hills, grid) < 0.06


def test_advective_form_keeps_constants_in_divergent_winds():
    equation = AdvectionDiffusion(SMALL, divergent_wind(SMALL, 3))
    state = torch.full((2, *SMALL.grid.shape), 412.3, dtype=torch.float64)
    assert torch.equal(run(monotone(equation, 9000.0), state, 9000.0, 3), state)


def test_point_source_never_lowers_its_surroundings():
    source = torch.zeros(SMALL.grid.shape, dtype=torch.float64)
    source[15, 7] = 1e-4
    flow_ = DeformationalFlow(SMALL)
    equation = AdvectionDiffusion(SMALL, flow_, 1e5, SteadySource(source), form="flux")
    step = monotone(equation, 3 * 3600.0)
    state = torch.full(SMALL.grid.shape, 400.0, dtype=torch.float64)
    final = run(step, state, 3 * 3600.0, 12)
    assert final.min() >= 400.0 and final.max() > 401.0
    gained = 36 * 3600.0 * mass(source, SMALL.grid)
    torch.testing.assert_close(mass(final - state, SMALL.grid), gained, rtol=1e-9, atol=0.0)


def test_flat_regions_stay_as_they_are():
    state = torch.zeros(SMALL.grid.shape, dtype=torch.float64)
    state[12, 10] = 1.0
    step = monotone(AdvectionDiffusion(SMALL, DeformationalFlow(SMALL)), 1800.0)
    assert int((step(state, 0.0) != 0.0).sum()) <= 30


def test_decay_and_constant_source_are_exact():
    still = SteadyWind(*torch.zeros(2, *SMALL.grid.shape, dtype=torch.float64))
    decay, rate, time_step = 3e-6, 2e-5, 10 * 3600.0
    for source in (
        SteadySource(torch.full(SMALL.grid.shape, rate, dtype=torch.float64)),
        lambda time, state: rate + 0 * state,
    ):
        step = monotone(AdvectionDiffusion(SMALL, still, source=source, decay=decay), time_step)
        state = torch.rand(3, *SMALL.grid.shape, dtype=torch.float64)
        kept = math.exp(-decay * time_step)
        expected = state * kept + rate / decay * (1 - kept)
        torch.testing.assert_close(step(state, 0.0), expected, rtol=1e-13, atol=0.0)


def test_all_terms_together_are_second_order_in_time():
    """Solid-body rotation of Y_11-like patterns has a closed form with diffusion and source."""
    grid = Grid("cell-centre", 48, 96)
    harmonics = SphericalHarmonics(grid, 4)
    latitude, longitude = harmonics.coordinates()
    turn, decay, end = 2 * math.pi / PERIOD, 2e-6, 2 * DAY
    wind = SolidBodyRotation(harmonics, turn)

    def source(time, state):
        return 1e-5 * (latitude.cos() * torch.cos(longitude + 3e-5 * time)).expand_as(state)

    def solution(steps):
        equation = AdvectionDiffusion(harmonics, wind, 1e6, source, form="flux", decay=decay)
        step = monotone(equation, end / steps, bounds_width=4)
        state = (2.0 + latitude.cos() * longitude.cos()).expand(grid.shape).contiguous()
        return run(step, state, end / steps, steps)

    # Against many steps, so that the error in space drops out of the smooth part.
    best = solution(64)
    errors = [relative_l2(solution(steps), best, grid) for steps in (4, 8)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.3)


def test_batches_types_and_steady_winds():
    step = monotone(AdvectionDiffusion(SMALL, DeformationalFlow(SMALL), 1e4), 7200.0)
    state = torch.rand(2, 3, *SMALL.grid.shape, dtype=torch.float64)
    found = step(state, 1e5)
    torch.testing.assert_close(found[1, 2], step(state[1, 2], 1e5), rtol=0.0, atol=1e-14)
    single = step(state.float(), 1e5)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), found, rtol=0.0, atol=1e-6)
    steady = SteadyWind(*DeformationalFlow(SMALL)(0.0))
    still = monotone(AdvectionDiffusion(SMALL, steady), 7200.0)
    assert torch.equal(still(state, 0.0), still(state, 5e7))


def test_suggested_step():
    equation = AdvectionDiffusion(SMALL, SolidBodyRotation(SMALL, 40.0 / EARTH_RADIUS_M))
    assert suggested_monotone_time_step(equation) == 21600.0
    fast = AdvectionDiffusion(SMALL, SolidBodyRotation(SMALL, 400.0 / EARTH_RADIUS_M))
    spacing = 2 * math.pi * EARTH_RADIUS_M / 48
    assert suggested_monotone_time_step(fast) == pytest.approx(10 * spacing / 400.0)


@pytest.mark.parametrize("time_step", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_senseless_steps(time_step):
    with pytest.raises(UsageError, match="time step"):
        monotone(AdvectionDiffusion(SMALL, DeformationalFlow(SMALL)), time_step)


def test_refuses_hyperdiffusion():
    equation = AdvectionDiffusion(SMALL, DeformationalFlow(SMALL), hyperdiffusivity=1e10)
    with pytest.raises(UsageError, match="leave it out"):
        monotone(equation, 3600.0)


def test_round_off_of_a_float32_wind_is_no_divergence():
    harmonics = SphericalHarmonics(Grid.gaussian(42), 42, dtype=torch.float32)
    equation = AdvectionDiffusion(harmonics, SolidBodyRotation(harmonics, 7e-6, 30.0))
    areas = torch.from_numpy(harmonics.grid.area_weights)
    generator = torch.Generator().manual_seed(1)
    state = (torch.rand(harmonics.grid.shape, generator=generator) > 0.8).double()
    later = monotone(equation, 43200.0)(state, 0.0)
    assert float((areas * (later - state)).sum()) == pytest.approx(0.0, abs=1e-9)


def test_refuses_negative_diffusivity_at_a_later_time():
    harmonics = SphericalHarmonics(Grid.gaussian(10), 10)
    wind = SolidBodyRotation(harmonics, 7e-6)
    step = monotone(AdvectionDiffusion(harmonics, wind, lambda time: -1e6), 3600.0)
    with pytest.raises(UsageError, match="negative diffusion"):
        step(torch.ones(harmonics.grid.shape, dtype=torch.float64), 0.0)
