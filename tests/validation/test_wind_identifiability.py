"""Theorem 3: each check says what is documented, and breaks where something else is computed."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

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
from co2net_phys.validation import wind_identifiability_pairs as pairs
from co2net_phys.validation import wind_identifiability_recovery as recovered
from co2net_phys.validation.wind_identifiability_figures import ILLUSTRATIONS
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

STATEMENTS = {statement.name: statement for statement in theorem.STATEMENTS}


@pytest.fixture(scope="module")
def verdicts():
    return {name: statement.judge() for name, statement in STATEMENTS.items()}


@pytest.fixture
def harmonics():
    return SphericalHarmonics(Grid.gaussian(10), 10)


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_are_as_documented(name, verdicts):
    verdict = verdicts[name]
    assert verdict.is_as_documented, verdict
    assert verdict.corrected.measured >= 0.0


@pytest.mark.parametrize("name", [s.name for s in theorem.STATEMENTS if s.printed is not None])
def test_printed_claims_fail_by_order_one(name, verdicts):
    printed = verdicts[name].printed
    assert not printed.holds
    assert printed.measured > 0.3
    assert printed.note


def test_names_are_unique(verdicts):
    findings = [f for v in verdicts.values() for f in (v.corrected, v.printed) if f is not None]
    assert len({finding.name for finding in findings}) == len(findings)
    assert all(finding.claim and finding.source for finding in findings)


def test_results_are_numbered():
    assert {statement.result for statement in theorem.STATEMENTS} == {"R9", "R14", "R15", "R16"}


# Figures


@pytest.mark.parametrize("illustration", ILLUSTRATIONS, ids=lambda each: each.name)
def test_figures_have_titles_labels_and_words(illustration):
    figure = illustration.draw()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert any(titles)
    assert illustration.alternative.endswith(".")
    assert illustration.caption.endswith(".")
    for axes in figure.axes:
        if axes.get_title(loc="left") and axes.get_aspect() == "auto":
            assert axes.get_xlabel()
            assert axes.get_ylabel()


# Winds that carry a tracer alike


@pytest.mark.parametrize("addition", pairs.ADDITIONS)
def test_addition_is_along_level_lines_and_large(addition):
    pair = pairs.same_tracer(addition)
    east, north = pair.harmonics.gradient(pair.initial)
    u, v = pair.wind(0.0)
    other_u, other_v = pair.other(0.0)
    added = torch.hypot(other_u - u, other_v - v)
    product = (other_u - u) * east + (other_v - v) * north
    assert product.abs().max() < 1e-13 * (added * torch.hypot(east, north)).max()
    size = math.sqrt(float(mean_square(pair.harmonics, added)))
    assert size == pytest.approx(pairs.ADDED_SPEED, rel=1e-12)


def test_across_the_level_lines_the_tracer_changes():
    assert pairs.same_tracer("stream", across=True).tracer_difference > 0.5


def test_patchy_addition_has_divergence_and_stream_has_none():
    assert pairs.same_tracer("patchy").divergence(0.0) > 0.05
    assert pairs.same_tracer("stream").divergence(0.0) < 1e-13


def test_first_tracer_follows_the_closed_form():
    pair = pairs.same_tracer("uniform")
    degree = torch.arange(11.0, dtype=torch.float64)[:, None]
    order = torch.arange(11.0, dtype=torch.float64)
    decay = pairs.DIFFUSIVITY * degree * (degree + 1.0) / pair.harmonics.radius**2
    exponent = -(decay + 1j * pairs.ANGULAR_SPEED * order) * pairs.DURATION
    expected = pair.initial * torch.exp(exponent)
    assert (pair.tracer - expected).abs().max() < 1e-12 * pair.initial.abs().max()


def test_wrong_sense_of_the_closed_form_is_noticed(monkeypatch):
    """The added wind then follows the level lines of another tracer, and changes this one."""
    turn_back = pairs.closed_form
    monkeypatch.setattr(
        pairs,
        "closed_form",
        lambda harmonics, initial, source, diffusivity, speed, time: turn_back(
            harmonics, initial, source, diffusivity, -speed, time
        ),
    )
    pairs.same_tracer.cache_clear()
    try:
        assert theorem.other_winds_carry_alike().measured > 1e-2
    finally:
        pairs.same_tracer.cache_clear()


def test_wrong_sign_of_a_component_is_noticed(monkeypatch):
    turned = pairs.AddedWind.addition

    def mirrored(self, time):
        u, v = turned(self, time)
        return u, -v

    monkeypatch.setattr(pairs.AddedWind, "addition", mirrored)
    pairs.same_tracer.cache_clear()
    try:
        assert not theorem.other_winds_carry_alike().holds
        assert not theorem.non_divergent_winds_carry_alike().holds
    finally:
        pairs.same_tracer.cache_clear()


# Points without a gradient


def test_summits_are_higher_than_their_surroundings():
    tracers = pairs._random_tracers()[1]
    l, m = np.tril_indices(tracers.shape[-1])
    for modal, summit in zip(tracers.numpy(), pairs.summits(), strict=True):
        latitude = np.deg2rad(summit.latitude) + np.array([0.0, 1e-3, -1e-3, 0.0, 0.0])[:, None]
        longitude = np.deg2rad(summit.longitude) + np.array([0.0, 0.0, 0.0, 1e-3, -1e-3])[:, None]
        weight = np.where(m == 0, 1.0, 2.0) * modal[l, m]
        values = (weight * sph_harm_y(l, m, np.pi / 2 - latitude, longitude)).real.sum(-1)
        assert (values[0] > values[1:]).all()
        assert summit.excess >= 0.0


def test_gradient_on_a_meridian_agrees_with_the_transform(harmonics):
    modal = random_modal(harmonics, torch.Generator().manual_seed(5), 1, 10)[0]
    east, north = harmonics.gradient(modal)
    latitude = np.deg2rad(harmonics.grid.latitude)
    longitude = math.radians(harmonics.grid.longitude[7])
    found = pairs.gradient_on_meridian(harmonics, modal, latitude, longitude)
    expected = torch.stack([east[:, 7], north[:, 7]]).numpy()
    assert np.abs(found - expected).max() < 1e-13 * np.abs(expected).max()


def test_gradient_falls_linearly_towards_the_summit():
    distances, slopes = pairs.slopes_near_summits()
    near = distances < 1e-3
    power = np.diff(np.log(slopes[:, near]), axis=1) / np.diff(np.log(distances[near]))
    assert np.abs(power - 1.0).max() < 0.1
    assert slopes.min() < 1e-10


@pytest.mark.parametrize("table", ["derivative", "over_cosine"])
def test_a_wrong_gradient_is_noticed(monkeypatch, table):
    """The points are found with another library's derivatives."""
    tables = pairs.legendre_tables

    def wrong(latitude, truncation):
        right = tables(latitude, truncation)
        return right._replace(**{table: getattr(right, table) + 0.01 * right.values})

    monkeypatch.setattr(pairs, "legendre_tables", wrong)
    pairs.summits.cache_clear()
    try:
        assert not theorem.gradient_vanishes_somewhere().holds
    finally:
        pairs.summits.cache_clear()


# Twins and recovery


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
    for function in (recovered.recovery, recovered.noisy_recovery, recovered.window_recovery):
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
            theorem.two_tracers,
            theorem.three_tracers,
            theorem.wind_from_a_window,
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
        assert not theorem.three_tracers().holds
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
        assert not theorem.claimed_uncertainty().holds
    finally:
        _forget()


def test_a_claim_about_little_of_the_sphere_does_not_hold(monkeypatch):
    monkeypatch.setattr(theorem, "LARGEST_CONDITION", 1.01)
    assert math.isnan(theorem.three_tracers().measured)
    assert not theorem.three_tracers().holds


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
