"""Concentration on a cap, against quadrature by another library and closed forms."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import sph_harm_y

from co2net_phys.validation import slepian
from co2net_phys.validation.slepian import (
    NOISE,
    RADIUS,
    STATEMENTS,
    cap_matrix,
    commuting_matrix,
    concentration,
    concentration_by_commuting_matrix,
    expected_error,
    recovery_error,
    resolved_on_cap,
    shannon_number,
    smallest_eigenvalues,
)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statements_are_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict
    assert verdict.corrected.measured >= 0.0
    assert verdict.corrected.note


def test_quoted_eigenvalues_of_the_60_degree_cap():
    smallest = smallest_eigenvalues()
    assert smallest[3] == pytest.approx(2.69e-9, rel=1e-2)
    assert smallest[7] == pytest.approx(3.69e-18, rel=1e-2)
    assert smallest[7] < np.finfo(np.float64).eps


def test_integrals_by_adaptive_quadrature():
    """2π ∫ P_lm P_l'm sin θ dθ with scipy's harmonics."""
    degree, order, radius = 5, 2, 35.0
    matrix = cap_matrix(degree, order, radius)
    product = matrix.T @ matrix
    for i, l in enumerate(range(order, degree + 1)):
        for j, k in enumerate(range(order, degree + 1)):
            expected, _ = quad(
                lambda t, l=l, k=k: (
                    2
                    * math.pi
                    * math.sin(t)
                    * sph_harm_y(l, order, t, 0.0).real
                    * sph_harm_y(k, order, t, 0.0).real
                ),
                0.0,
                math.radians(radius),
            )
            assert product[i, j] == pytest.approx(expected, abs=1e-12)


def test_degree_zero_is_the_share_of_the_area():
    assert concentration(0, 60.0) == pytest.approx([0.25], rel=1e-14)
    assert shannon_number(0, 90.0) == pytest.approx(0.5)


def test_a_cap_and_its_complement_share_the_energy():
    """λ on the cap is 1 − λ on the rest of the sphere, itself a cap by reflection."""
    near, far = concentration(10, 50.0), concentration(10, 130.0)
    assert near == pytest.approx(1.0 - far[::-1], abs=1e-13)


def test_the_whole_sphere_concentrates_everything():
    assert concentration(7, 180.0) == pytest.approx(np.ones(64), abs=1e-13)


def test_the_matrices_commute():
    for order in (0, 3):
        matrix = cap_matrix(9, order, 40.0)
        integrals = matrix.T @ matrix
        diagonal, beside = commuting_matrix(9, order, 40.0)
        other = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        commutator = integrals @ other - other @ integrals
        assert np.abs(commutator).max() < 1e-12 * np.abs(other).max()


def test_resolved_degree_matches_trial():
    degree = resolved_on_cap(NOISE)
    assert recovery_error(degree, NOISE) < 1.0 < recovery_error(degree + 1, NOISE)
    assert resolved_on_cap(1e-2) < degree < resolved_on_cap(1e-9)


def test_noise_on_the_whole_sphere_is_the_error():
    """λ = 1 and A = 4π: what is added is what is missed."""
    assert expected_error(5, 0.1, 180.0) == pytest.approx(0.1, rel=1e-12)
    assert recovery_error(5, 0.1, 180.0) == pytest.approx(0.1, rel=0.02)


def test_noise_has_the_size_on_the_cap_that_it_is_said_to_have(monkeypatch):
    """Data of much larger error than field, by quadrature over the cap."""
    right, squares = np.linalg.lstsq, []

    def spy(matrix, data, rcond):
        squares.append((data**2).sum())
        return right(matrix, data, rcond=rcond)

    monkeypatch.setattr(np.linalg, "lstsq", spy)
    recovery_error(4, 1e3, RADIUS)
    # Mean squares: over the cap by its share of the sphere, of the field (L + 1)² over 4π.
    over_cap = sum(squares) / slepian.DRAWS / shannon_number(0, RADIUS)
    assert math.sqrt(over_cap / 25.0) == pytest.approx(1e3, rel=0.05)


@pytest.mark.parametrize("radius", [60.0, 90.0])
def test_errors_are_as_expected_on_other_caps(radius):
    for degree in (2, 4):
        expected = expected_error(degree, 1e-3, radius)
        assert recovery_error(degree, 1e-3, radius) == pytest.approx(expected, rel=0.15)


def test_eigenvalues_of_another_cap_are_noticed(monkeypatch):
    monkeypatch.setattr(
        slepian, "expected_error", lambda l, noise, radius=0.0: expected_error(l, noise, 63.0)
    )
    assert not slepian.noisy_data_determine_few_degrees().holds


def test_fields_that_are_not_those_of_the_data_are_noticed(monkeypatch):
    """A solver of least squares that drops small singular values misses exact data."""
    right = np.linalg.lstsq
    monkeypatch.setattr(np.linalg, "lstsq", lambda a, b, rcond: right(a, b, rcond=1e-3))
    assert not slepian.rounding_is_all_that_is_missed().holds
    assert not slepian.exact_data_determine_the_field().holds


def test_a_wrong_commuting_matrix_is_noticed(monkeypatch):
    def wrong(degree, order, radius):
        diagonal, beside = commuting_matrix(degree, order, radius)
        return -diagonal, beside

    concentration_by_commuting_matrix.cache_clear()
    monkeypatch.setattr(slepian, "commuting_matrix", wrong)
    try:
        assert not slepian.two_computations_agree().holds
    finally:
        concentration_by_commuting_matrix.cache_clear()


def test_a_wrong_weight_is_noticed(monkeypatch):
    def wrong(degree, order, radius):
        return 1.001 * cap_matrix(degree, order, radius)

    concentration.cache_clear()
    monkeypatch.setattr(slepian, "cap_matrix", wrong)
    try:
        assert not slepian.trace_is_the_shannon_number().holds
    finally:
        concentration.cache_clear()
