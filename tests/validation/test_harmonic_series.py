"""Theorem 2: the findings, independent values for their pieces, and broken operators."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import gamma, poch, sph_harm_y

from co2net_phys.solvers import EARTH_RADIUS_M, Grid, SphericalHarmonics
from co2net_phys.validation import harmonic_series
from co2net_phys.validation.harmonic_series import (
    STATEMENTS,
    closed_form,
    corrected_series,
    printed_rotation,
    rotation_follows_the_wind,
)
from co2net_phys.validation.harmonic_series_figures import ILLUSTRATIONS
from co2net_phys.validation.latitude_basis import (
    cosine_is_the_argument,
    sine_is_the_argument,
    variance_by_degree,
)
from co2net_phys.validation.zonal_speed import (
    ANGULAR_SPEED,
    LINEAR_SPEED,
    angular_speed_leaves_degrees_apart,
    carried_hill,
    coupling,
    linear_speed_leaves_degrees_apart,
    off_diagonal_share,
    solved_hill,
    solver_coupling,
)


@pytest.fixture
def afresh():
    caches = (harmonic_series._solve, harmonic_series._turning_waves)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statement_is_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict
    assert verdict.printed is not None
    assert verdict.printed.measured > 0.5


def test_names_are_unique():
    assert len({statement.name for statement in STATEMENTS}) == len(STATEMENTS)


def test_printed_rotation_is_exactly_the_other_way():
    assert printed_rotation().measured == pytest.approx(2.0, abs=1e-9)


def test_mean_without_rate_grows_by_the_source():
    harmonics = SphericalHarmonics(Grid.gaussian(2), 2)
    zero = torch.zeros(3, 3, dtype=torch.complex128)
    source = zero.clone()
    source[0, 0] = 0.5
    later = closed_form(harmonics, zero, source, 1e6, 1e-5, 100.0)
    assert complex(later[0, 0]) == 50.0


@pytest.mark.parametrize(
    ("n", "other", "m"), [(1, 1, 1), (1, 3, 1), (3, 5, 1), (2, 4, 2), (2, 3, 1)]
)
def test_coupling_is_the_integral(n, other, m):
    """∫ P_n P_n'/cos θ dΩ by adaptive quadrature of scipy's functions."""

    def legendre(degree, latitude):
        return sph_harm_y(degree, m, math.pi / 2 - latitude, 0.0).real

    value, _ = quad(
        lambda latitude: 2 * math.pi * legendre(n, latitude) * legendre(other, latitude),
        -math.pi / 2,
        math.pi / 2,
        epsabs=1e-13,
    )
    found = coupling(m)[n - m, other - m] * EARTH_RADIUS_M / LINEAR_SPEED
    assert found == pytest.approx(value, abs=1e-12)


def test_lowest_coupling_by_hand():
    """Y_11 = −√(3/8π) cos θ e^{iλ}: 2π · 3/(8π) ∫ cos² θ dθ = 3π/8."""
    assert coupling(1)[0, 0] / ANGULAR_SPEED == pytest.approx(3 * math.pi / 8, rel=1e-14)


@pytest.mark.parametrize("m", [1, 2, 9])
def test_degrees_of_equal_parity_are_all_coupled(m):
    """The proof of R6: Gegenbauer's connection coefficients, all positive, give each entry."""
    matrix = coupling(m) / ANGULAR_SPEED
    odd = np.add.outer(np.arange(len(matrix)), np.arange(len(matrix))) % 2 == 1
    assert np.abs(matrix[odd]).max() < 1e-14
    assert matrix[~odd].min() > 1e-5
    size = len(matrix)
    # C^(m + 1/2)_n = Σ_k c_nk C^(m)_{n − 2k}, DLMF 18.18.16.
    connection = np.zeros((size, size))
    for n in range(size):
        for k in range(n // 2 + 1):
            connection[n, n - 2 * k] = (
                (m + n - 2 * k) / m * poch(m + 0.5, n - k) / poch(m + 1, n - k)
                * poch(0.5, k) / math.factorial(k)
            )  # fmt: skip
    j = np.arange(size)
    squares = math.pi * 2.0 ** (1 - 2 * m) * gamma(j + 2 * m) / (
        gamma(j + 1) * (j + m) * gamma(m) ** 2
    )  # fmt: skip
    product = connection @ (squares[:, None] * connection.T)
    assert connection[np.tril_indices(size)].min() >= 0.0
    scale = np.sqrt(np.diag(matrix) / np.diag(product))
    assert matrix == pytest.approx(scale[:, None] * product * scale, abs=1e-12)


def test_the_solver_comes_near_the_exact_field_in_a_wind_of_constant_speed():
    exact, _ = carried_hill(linear=True)
    error = (solved_hill(linear=True) - exact).abs().max() / exact.abs().max()
    assert 1e-3 < float(error) < 0.05


def test_a_wrong_global_mean_is_found(monkeypatch):
    right = SphericalHarmonics.global_mean
    monkeypatch.setattr(SphericalHarmonics, "global_mean", lambda *args: 2.0 * right(*args))
    assert harmonic_series.mean_grows_linearly().measured == pytest.approx(1.0)


def test_off_diagonal_share_by_hand():
    assert off_diagonal_share(np.eye(3)) == 0.0
    assert off_diagonal_share(np.array([[3.0, 0.0], [4.0, 0.0]])) == pytest.approx(0.8)


def test_solver_couples_nothing_in_rotation():
    block = solver_coupling()[3].numpy()
    np.testing.assert_allclose(block, -3j * ANGULAR_SPEED * np.eye(19), atol=1e-18)


def test_shares_of_variance_add_up():
    """Cosine: P_1^0(cos θ) = cos θ is even, and has nothing of degree one."""
    true = variance_by_degree(2, torch.sin)
    expected = torch.zeros_like(true)
    expected[:, 2] = 1.0
    torch.testing.assert_close(true, expected, rtol=0.0, atol=1e-13)
    wrong = variance_by_degree(1, torch.cos)
    assert float(wrong[0, 1]) < 1e-20
    # cos θ has mean π/4 and mean square 2/3.
    assert float(wrong[0, 0]) == pytest.approx((math.pi / 4) ** 2 * 1.5, rel=1e-4)
    assert float(wrong.sum(1).max()) <= 1.0


def test_a_wind_that_blows_the_wrong_way_is_found(monkeypatch, afresh):
    right = SphericalHarmonics.advection
    monkeypatch.setattr(SphericalHarmonics, "advection", lambda *args: -right(*args))
    assert not corrected_series().holds
    assert not rotation_follows_the_wind().holds
    assert not angular_speed_leaves_degrees_apart().holds


def test_an_offset_of_the_mean_is_found(monkeypatch, afresh):
    right = SphericalHarmonics.to_modal

    def shifted(self, nodal):
        modal = right(self, nodal).clone()
        modal[..., 0, 0] *= 1.0 + 1e-6
        return modal

    monkeypatch.setattr(SphericalHarmonics, "to_modal", shifted)
    assert not corrected_series().holds


def test_a_missing_metric_term_is_found(monkeypatch):
    right = SphericalHarmonics.gradient

    def flat(self, modal):
        east, north = right(self, modal)
        return east * self.coordinates()[0].cos(), north

    monkeypatch.setattr(SphericalHarmonics, "gradient", flat)
    assert not sine_is_the_argument().holds


def test_wrong_claims_can_come_true(monkeypatch):
    """The printed checks measure: with the right argument and the right wind they hold."""
    from co2net_phys.validation import latitude_basis, zonal_speed

    monkeypatch.setattr(torch, "cos", torch.sin)
    monkeypatch.setattr(zonal_speed, "coupling", lambda order: np.eye(5))
    assert latitude_basis.cosine_is_the_argument().holds
    assert linear_speed_leaves_degrees_apart().holds
    monkeypatch.undo()
    assert not cosine_is_the_argument().holds


def test_figures_are_drawn():
    for illustration in ILLUSTRATIONS:
        figure = illustration.draw()
        assert figure.axes[0].get_title(loc="left")
