"""Twins, and winds recovered from their tracers; closed forms, and broken methods."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from co2net_phys.solvers import (
    AdvectionDiffusion,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadySource,
    lawson_rk4,
    recover_wind,
)
from co2net_phys.validation import wind_identifiability as theorem
from co2net_phys.validation import wind_identifiability_recovery as recovered
from co2net_phys.validation import wind_identifiability_several as several
from co2net_phys.validation.wind_twin import (
    CENTRE,
    MEAN_SPEED,
    UnsteadyWind,
    mean_square,
    moving_twin,
    random_modal,
    random_winds,
    steady_twin,
)


@pytest.fixture
def harmonics():
    return SphericalHarmonics(Grid.gaussian(10), 10)


def test_random_fields_have_the_size_and_degrees_they_say(harmonics):
    fields = random_modal(harmonics, torch.Generator().manual_seed(1), 3, 6)
    variance = mean_square(harmonics, harmonics.to_nodal(fields))
    assert torch.allclose(variance, torch.ones(3, dtype=torch.float64), rtol=1e-12)
    assert fields[:, 7:].abs().max() == 0.0
    assert fields[:, 0].abs().max() == 0.0
    assert fields[:, :, 0].imag.abs().max() == 0.0


def test_random_winds_have_the_size_they_say_and_both_parts(harmonics):
    u, v = random_winds(harmonics, torch.Generator().manual_seed(1), 2, 5)
    speed = mean_square(harmonics, torch.hypot(u, v)).sqrt()
    assert torch.allclose(speed, torch.full_like(speed, MEAN_SPEED), rtol=1e-12)
    vorticity, divergence = harmonics.curl(u, v), harmonics.divergence(u, v)
    assert 0.02 < float(torch.linalg.norm(divergence) / torch.linalg.norm(vorticity)) < 1.0


def test_unsteady_wind_never_exceeds_its_largest_speed(harmonics):
    u, v = random_winds(harmonics, torch.Generator().manual_seed(1), 3, 5)
    wind = UnsteadyWind(u, v, 86400.0)
    fastest = max(float(torch.hypot(*wind(time)).max()) for time in range(0, 86400, 3600))
    assert 0.5 * wind.max_speed < fastest <= wind.max_speed
    assert not torch.allclose(wind(0.0)[0], wind(21600.0)[0])
    assert torch.allclose(wind(0.0)[0], wind(86400.0)[0])


@pytest.mark.parametrize("make", [moving_twin, steady_twin])
def test_twins_stay_far_below_their_truncation(make):
    """Else the fields would obey the projected equation only."""
    twin = make()
    modal = twin.harmonics.to_modal(twin.tracers[:, -1])
    power = modal.abs().square().sum(-1).sqrt()
    assert (power[:, -1] < 1e-2 * power[:, 1:].amax(-1)).all()


def test_recovered_wind_of_a_rotation_is_known_in_closed_form(harmonics):
    """Two tracers in solid-body rotation, carried by the exact factor."""
    speed, dt = 4e-6, 600.0
    initial = random_modal(harmonics, torch.Generator().manual_seed(3), 2, 6)
    rate = torch.arange(11.0, dtype=torch.float64) * speed
    times = torch.arange(7) * dt
    modal = initial[:, None] * torch.exp(-1j * rate * times[:, None, None])
    wind = recover_wind(harmonics.to_nodal(modal), dt, harmonics=harmonics)
    u, v = SolidBodyRotation(harmonics, speed)(0.0)
    good = wind.determined[1]
    assert good.double().mean() > 0.9
    assert (wind.u[1] - u)[good].abs().max() < 1e-5 * u.max()
    assert (wind.v[1] - v)[good].abs().max() < 1e-5 * u.max()


def test_one_tracer_gives_nothing_across_its_gradient():
    found = recovered.recovery(1)
    assert not found.wind.determined.any()
    along = found.wind.direction[0]
    wind = torch.stack([found.wind.u[0], found.wind.v[0]], dim=-1).nan_to_num()
    across = torch.stack([-along[..., 1], along[..., 0]], dim=-1)
    assert (wind * across).sum(-1).abs().max() < 1e-9 * found.speed


def test_area_weights_and_quantiles():
    found = recovered.recovery(3)
    everywhere = np.ones_like(found.condition, dtype=bool)
    assert found.share(everywhere) == pytest.approx(1.0, abs=1e-12)
    assert found.root_mean_square(3.0 * everywhere) == pytest.approx(3.0, rel=1e-12)
    latitude = np.broadcast_to(found.twin.harmonics.grid.latitude[:, None], everywhere.shape)
    # Half of the sphere lies within 30° of the equator.
    median = found.quantiles(np.abs(latitude), [0.5])
    assert median[0] == pytest.approx(30.0, abs=2.0)
    assert np.isnan(found.quantiles(found.error, [0.5], ~everywhere)).all()


def test_what_is_not_known_counts_as_an_error():
    found = recovered.recovery(3)
    blank = torch.full_like(found.wind.u, torch.nan)
    unknown = dataclasses.replace(found, wind=dataclasses.replace(found.wind, u=blank, v=blank))
    assert unknown.root_mean_square(unknown.error) == pytest.approx(1.0, rel=1e-12)


def _forget():
    for function in (
        recovered.recovery,
        recovered.noisy_recovery,
        recovered.rough_recovery,
        recovered.window_recovery,
    ):
        function.cache_clear()


@pytest.mark.parametrize("factor", [-1.0, 0.9])
def test_a_wrong_wind_is_noticed(monkeypatch, factor):
    """A method whose wind has the wrong sign, or a tenth too little of it."""
    right = recovered.recover_wind

    def wrong(*arguments, **options):
        wind = right(*arguments, **options)
        return dataclasses.replace(wind, u=factor * wind.u, v=factor * wind.v)

    monkeypatch.setattr(recovered, "recover_wind", wrong)
    _forget()
    try:
        for check in (
            theorem.parallel_component,
            several.two_tracers,
            several.three_tracers,
            several.tracers_that_fill_the_truncation,
            several.wind_from_a_window,
        ):
            assert not check().holds, check.__name__
    finally:
        _forget()


def test_a_forgotten_source_is_noticed(monkeypatch):
    right = recovered.recover_wind
    monkeypatch.setattr(
        recovered,
        "recover_wind",
        lambda fields, dt, diffusivity, sources, noise, **options: right(
            fields, dt, diffusivity, None, noise, **options
        ),
    )
    _forget()
    try:
        assert not several.three_tracers().holds
    finally:
        _forget()


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_wrong_uncertainty_is_noticed(monkeypatch, factor):
    right = recovered.recover_wind

    def wrong(*arguments, **options):
        wind = right(*arguments, **options)
        return dataclasses.replace(wind, covariance=factor * wind.covariance)

    monkeypatch.setattr(recovered, "recover_wind", wrong)
    _forget()
    try:
        assert not several.claimed_uncertainty().holds
    finally:
        _forget()


def test_a_claim_about_little_of_the_sphere_does_not_hold(monkeypatch):
    monkeypatch.setattr(several, "LARGEST_CONDITION", 1.01)
    assert math.isnan(several.three_tracers().measured)
    assert not several.three_tracers().holds


def test_steady_source_keeps_its_share_of_the_equation():
    """The twin's tracer obeys its equation at the nodes: tendency, wind, diffusion and source."""
    twin = moving_twin()
    fields = twin.tracers[0, CENTRE - 1 : CENTRE + 2]
    equation = AdvectionDiffusion(
        twin.harmonics, twin.wind, twin.diffusivity, SteadySource(twin.sources[0])
    )
    step = lawson_rk4(equation, twin.interval)
    later = twin.harmonics.to_nodal(
        step(twin.harmonics.to_modal(fields[1]), CENTRE * twin.interval)
    )
    change = (fields[2] - fields[1]).abs().max()
    assert (later - fields[2]).abs().max() < 1e-6 * change
