"""What transport keeps, and operators that would not keep it."""

import numpy as np
import pytest

from co2net_phys.solvers import AdvectionDiffusion, SphericalHarmonics
from co2net_phys.validation import conservation, density
from co2net_phys.validation.conservation import (
    STATEMENTS,
    advective_form_keeps_constants,
    carried_cylinders,
    constant_after_a_day,
    flux_form_keeps_mass,
    mass_changes,
    monotone_keeps_mass_and_constants,
    monotone_makes_no_extremes,
    variance_changes,
    variance_decays,
    wind_leaves_variance,
)
from co2net_phys.validation.density import monotone_density, spectral_density


@pytest.fixture
def afresh():
    for cached in (mass_changes, carried_cylinders):
        cached.cache_clear()
    yield
    for cached in (mass_changes, carried_cylinders):
        cached.cache_clear()


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statement_is_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict


def test_a_third_of_the_mass_is_lost_in_the_advective_form():
    changes = mass_changes("advective")
    assert np.abs(changes).max() == pytest.approx(0.36, abs=0.01)
    assert changes[0] == 0.0
    assert changes.shape == (7,)


def test_flux_form_compresses_a_constant():
    assert constant_after_a_day("flux") == pytest.approx((0.625, 1.593), abs=1e-3)


def test_variance_falls_by_the_scheme_only():
    assert np.diff(variance_changes()).max() < 0.0


def test_cylinders_are_deformed():
    start, end, spectral = carried_cylinders()
    assert float(np.abs(end - start).max()) > 0.5
    assert spectral.min() < 0.0


def test_a_wrong_sign_of_the_mean_is_found(monkeypatch, afresh):
    right = SphericalHarmonics.flux_divergence

    def leaking(self, modal, u, v):
        tendency = right(self, modal, u, v).clone()
        tendency[..., 0, 0] += 1e-12 * modal[..., 0, 0]
        return tendency

    monkeypatch.setattr(SphericalHarmonics, "flux_divergence", leaking)
    assert not flux_form_keeps_mass().holds


def test_forms_that_are_exchanged_are_found(monkeypatch, afresh):
    monkeypatch.setattr(SphericalHarmonics, "advection", SphericalHarmonics.flux_divergence)
    assert not advective_form_keeps_constants().holds
    assert np.abs(mass_changes("advective")).max() < 1e-13
    assert not spectral_density().holds


def test_a_missing_metric_term_is_found(monkeypatch):
    right = SphericalHarmonics.advection
    monkeypatch.setattr(
        SphericalHarmonics,
        "advection",
        lambda self, modal, u, v: right(self, modal, u * self.coordinates()[0].cos(), v),
    )
    assert wind_leaves_variance().measured > 1e-6


def test_a_flux_without_metric_keeps_its_mass_but_not_its_density(monkeypatch, afresh):
    right = SphericalHarmonics.flux_divergence
    monkeypatch.setattr(
        SphericalHarmonics,
        "flux_divergence",
        lambda self, modal, u, v: right(self, modal, u * self.coordinates()[0].cos(), v),
    )
    assert flux_form_keeps_mass().holds
    assert spectral_density().measured > 0.01


def test_a_scheme_that_forgets_the_compression_is_found(monkeypatch):
    monkeypatch.setattr(
        density, "carried_band",
        lambda harmonics, form, right=density.carried_band: right(harmonics, "advective"),
    )  # fmt: skip
    assert spectral_density().measured > 0.3
    assert monotone_density().measured > 0.3


def test_a_wrong_rate_of_diffusion_is_found(monkeypatch):
    right = AdvectionDiffusion.implicit_rate
    monkeypatch.setattr(AdvectionDiffusion, "implicit_rate", lambda self: 0.9999 * right(self))
    assert not variance_decays().holds


def test_an_overshoot_and_a_changed_constant_are_found(monkeypatch, afresh):
    right = conservation.monotone

    def sloppy(equation, time_step):
        step = right(equation, time_step)
        return lambda state, time: step(state, time) * (1.0 - 1e-9) - 1e-9

    monkeypatch.setattr(conservation, "monotone", sloppy)
    assert not monotone_makes_no_extremes().holds
    assert not monotone_keeps_mass_and_constants().holds
