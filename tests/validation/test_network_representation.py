"""Theorem 4 and the wind embedding."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import eval_legendre

from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.validation import network_representation, wind_phase
from co2net_phys.validation.network_representation import (
    CAP_RADIUS,
    ROUGH_DEGREES,
    STATEMENTS,
    cap_coefficients,
    cap_errors,
    factorised,
    factorised_evaluation,
    finite_network_suffices,
    smooth_errors,
    smooth_truncation,
    spatial_factors,
)
from co2net_phys.validation.network_representation_figures import ILLUSTRATIONS
from co2net_phys.validation.wind_phase import (
    ANGULAR_SPEED,
    phase_by_latitude,
    physical_phase,
    raw_term,
    solver_phase,
    solver_tilted_phase,
)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statement_is_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict
    if verdict.printed is not None:
        assert verdict.printed.measured > 0.2


def test_factors_by_hand():
    """Y_11 cos-sin product: −2 √(3/8π) cos θ cos λ for the coefficient 1."""
    harmonics = SphericalHarmonics(Grid.gaussian(2), 2)
    temporal = torch.zeros(1, 6, dtype=torch.complex128)
    temporal[0, 2] = 1.0  # (0,0), (1,0), (1,1), …
    latitude, longitude = harmonics.coordinates()
    expected = -2 * math.sqrt(3 / (8 * math.pi)) * latitude.cos() * longitude.cos()
    found = factorised(temporal, spatial_factors(harmonics))[0]
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-15)


def test_cap_coefficients_are_the_integrals():
    found = cap_coefficients(9)
    for l in range(10):
        integral, _ = quad(lambda x, l=l: eval_legendre(l, x), math.cos(CAP_RADIUS), 1.0)
        assert found[l] == pytest.approx((2 * l + 1) / 2 * integral, abs=1e-13)


def test_cap_error_is_that_of_the_solver_s_transform():
    """A cap around the pole, on a grid fine enough to see its edge."""
    harmonics = SphericalHarmonics(Grid("gaussian", 1500, 4), 1)
    x = np.sin(np.deg2rad(harmonics.grid.latitude))
    weights = harmonics.grid.quadrature_weights
    cap = (x >= math.cos(CAP_RADIUS)).astype(float)
    degree = np.arange(22)
    series = (cap_coefficients(21)[:, None] * eval_legendre(degree[:, None], x)).sum(0)
    error = math.sqrt((weights * (series - cap) ** 2).sum() / (weights * cap).sum())
    assert cap_errors()[21] == pytest.approx(error, rel=1e-2)


def test_response_to_a_cap_is_smoother_by_two_degrees():
    degrees = np.array(ROUGH_DEGREES)
    slope = np.polyfit(np.log(degrees), np.log(cap_errors(balanced=True)[degrees]), 1)[0]
    assert slope == pytest.approx(-2.5, abs=0.15)


def test_finite_network_is_refuted_but_would_pass_for_a_smooth_tracer():
    assert 0.2 < finite_network_suffices().measured < 0.3
    assert smooth_errors()[-1] < 1e-4


def test_raw_term_is_arbitrary():
    one = torch.ones((), dtype=torch.float64)
    assert float(raw_term(10 * one, 10800.0)) == pytest.approx(1.0, abs=1e-9)
    assert float(raw_term(36 * one, 3.0)) == pytest.approx(1.0, abs=1e-9)
    assert float(raw_term(10.05 * one, 10.0)) == pytest.approx(-1.0, abs=1e-9)


def test_phase_is_that_of_the_rotation_below_the_cap():
    latitude, physical, linear = phase_by_latitude()
    below = latitude.abs() < 80.0
    turn = ANGULAR_SPEED * 86400.0
    torch.testing.assert_close(physical[below], torch.full_like(physical[below], turn))
    assert float(physical[~below].max()) < turn
    torch.testing.assert_close(linear, turn * latitude.deg2rad().cos())


def test_solver_phase_is_angular_speed_times_time():
    harmonics = SphericalHarmonics(Grid.gaussian(wind_phase.TRUNCATION), wind_phase.TRUNCATION)
    times = torch.tensor([0.0, 3600.0, 1e5], dtype=torch.float64)
    torch.testing.assert_close(solver_phase(harmonics, times), ANGULAR_SPEED * times)


def test_tilted_phase_is_angular_speed_times_time():
    harmonics = SphericalHarmonics(Grid.gaussian(wind_phase.TRUNCATION), wind_phase.TRUNCATION)
    times = torch.tensor([0.0, 3600.0, 1e5], dtype=torch.float64)
    torch.testing.assert_close(solver_tilted_phase(harmonics, times), ANGULAR_SPEED * times)


@pytest.mark.parametrize("factors", [(2.0, 1.0), (1.0, 2.0), (1.0, -1.0)])
def test_a_phase_of_another_speed_is_found(monkeypatch, factors):
    right = wind_phase.wind_phases

    def wrong(u, v, coordinates):
        return [f * phase for f, phase in zip(factors, right(u, v, coordinates), strict=True)]

    monkeypatch.setattr(wind_phase, "wind_phases", wrong)
    assert physical_phase().measured > 0.1


def test_a_wrong_sign_of_the_rotation_is_found(monkeypatch):
    right = network_representation.closed_form

    def printed(harmonics, initial, source, diffusivity, angular_speed, time):
        return right(harmonics, initial, source, diffusivity, -angular_speed, time)

    monkeypatch.setattr(network_representation, "closed_form", printed)
    assert factorised_evaluation().measured > 0.1


def test_a_phase_without_cosine_is_found(monkeypatch):
    def flat(u, v, coordinates):
        arc = coordinates.elapsed[:, :, None, None] / 6.371e6
        return [u * arc, v * arc]

    monkeypatch.setattr(wind_phase, "wind_phases", flat)
    assert physical_phase().measured > 0.1


def test_a_lost_degree_is_found(monkeypatch):
    monkeypatch.setattr(network_representation, "smooth_errors", lambda: smooth_errors() * 0.7)
    assert not smooth_truncation().holds


def test_figures_are_drawn():
    for illustration in ILLUSTRATIONS:
        assert illustration.draw().axes[0].get_title(loc="left")
