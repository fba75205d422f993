"""Theorem 3: each check says what is documented, and breaks where something else is computed."""

import math

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from co2net_phys.solvers import (
    Grid,
    SphericalHarmonics,
)
from co2net_phys.validation import wind_identifiability as theorem
from co2net_phys.validation import wind_identifiability_pairs as pairs
from co2net_phys.validation.wind_identifiability_figures import ILLUSTRATIONS
from co2net_phys.validation.wind_twin import (
    mean_square,
    random_modal,
    steep,
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
def test_claims_of_the_paper_fail_by_order_one(name, verdicts):
    printed = verdicts[name].printed
    assert not printed.holds
    assert printed.measured > 0.3
    assert printed.note


def test_names_are_unique(verdicts):
    findings = [f for v in verdicts.values() for f in (v.corrected, v.printed) if f is not None]
    assert len({finding.name for finding in findings}) == len(findings)
    assert all(finding.claim and finding.source for finding in findings)


def test_only_the_remark_is_printed():
    """A vanishing divergence and single instants are readings of it."""
    readings = {name: s.reading for name, s in STATEMENTS.items() if s.printed is not None}
    assert readings == {
        "wind-uniqueness": "printed", "non-divergent-wind": "implied",
        "parallel-component": "implied", "window-of-time": "implied",
    }  # fmt: skip


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


def test_winds_are_compared_where_there_is_a_gradient(monkeypatch):
    """An addition at the places without a gradient only would not refute the remark."""
    pair = pairs.same_tracer("uniform")
    where = steep(pair.harmonics, pair.other.tracer(0.0))
    assert (
        0.9
        < pair.harmonics.integrate(where.double())
        / pair.harmonics.integrate(torch.ones_like(where, dtype=torch.float64))
        < 1.0
    )
    flat = (~where).double()
    monkeypatch.setattr(pairs.AddedWind, "addition", lambda self, time: (30.0 * flat, 0.0 * flat))
    assert pair.wind_difference(0.0) == 0.0


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
