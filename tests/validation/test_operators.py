"""The operators against closed forms, the closed forms by hand, and operators that are wrong."""

import math

import numpy as np
import pytest
import torch
from scipy.special import lpmv

from co2net_phys.solvers import AdvectionDiffusion, Grid, SphericalHarmonics
from co2net_phys.validation import operators, spherical_calculus
from co2net_phys.validation.operators import (
    DECAY,
    DIFFUSIVITY,
    HYPERDIFFUSIVITY,
    NORTHWARD_SPEED,
    SCHEMES,
    STATEMENTS,
    closed_tendency,
    decay_error,
    diffusivities,
    right_hand_side,
    tendency_error,
)
from co2net_phys.validation.spherical_calculus import (
    gradient_error,
    gram_error,
    helmholtz_error,
    means,
    scipy_harmonics,
)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statement_is_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict
    assert verdict.corrected.measured > 0.0


@pytest.mark.parametrize("form", ["advective", "flux"])
def test_closed_tendency_of_zonal_harmonics_by_quadrature(form):
    """Of P_2, projected on P_0 … P_4 by an integral over x = sin θ."""
    radius, asymmetry, l = 6e6, 0.7, 2
    eigenvalue = l * (l + 1) / radius**2
    x, weights = np.polynomial.legendre.leggauss(8)
    basis = np.stack([math.sqrt((2 * k + 1) / 2) * lpmv(0, k, x) for k in range(5)])
    p, slope = basis[l], math.sqrt(2.5) * 3 * x  # P_2 = (3x² − 1)/2
    wind = NORTHWARD_SPEED / radius * (1 - x * x) * slope
    if form == "flux":
        wind -= 2 * x * NORTHWARD_SPEED / radius * p
    spread = -(1 + asymmetry * x) * eigenvalue * p + asymmetry * (1 - x * x) * slope / radius**2
    tendency = -wind + DIFFUSIVITY * spread - (DECAY + HYPERDIFFUSIVITY * eigenvalue**2) * p
    state = torch.zeros(5, 5, dtype=torch.complex128)
    state[l, 0] = 1.0
    found = closed_tendency(state, radius, form, asymmetry)
    assert float(found[:, 1:].abs().max()) == 0.0
    expected = (basis * tendency) @ weights
    np.testing.assert_allclose(
        found[:, 0].real, expected, rtol=0.0, atol=1e-14 * abs(expected).max()
    )


def test_every_kind_of_diffusivity_is_tried():
    harmonics = SphericalHarmonics(Grid.gaussian(4), 4)
    kinds = diffusivities(harmonics)
    assert {callable(d) for d in kinds.values()} == {True, False}
    assert float(kinds["field"].max() / kinds["field"].min()) > 3.0


def test_a_field_that_gathers_is_found(monkeypatch):
    right = AdvectionDiffusion._transport_with_field

    def gathering(self, state, u, v, field):
        return right(self, state, u, v, -field)

    monkeypatch.setattr(AdvectionDiffusion, "_transport_with_field", gathering)
    assert not right_hand_side().holds
    assert tendency_error("advective", "field", "numba") > 0.01
    assert tendency_error("flux", "number", "numba") < 1e-14


def test_a_wrong_laplacian_is_found_by_its_factor(monkeypatch):
    right = SphericalHarmonics.laplacian
    monkeypatch.setattr(
        SphericalHarmonics, "laplacian", lambda self, modal: 1.0001 * right(self, modal)
    )
    assert tendency_error("flux", "number of time", "torch") > 1e-6


@pytest.mark.parametrize("scheme", SCHEMES)
def test_growth_instead_of_decay_is_found(monkeypatch, scheme):
    right = AdvectionDiffusion.implicit_rate
    monkeypatch.setattr(
        AdvectionDiffusion, "implicit_rate", lambda self: right(self) + 2.0 * self.decay
    )
    assert decay_error(scheme) > 0.1


@pytest.mark.parametrize("backend", spherical_calculus.BACKENDS)
def test_a_gradient_backwards_is_found(monkeypatch, backend):
    right = SphericalHarmonics.gradient
    monkeypatch.setattr(
        SphericalHarmonics,
        "gradient",
        lambda self, modal: (right(self, modal)[0], -right(self, modal)[1]),
    )
    assert gradient_error(backend) > 1.0
    assert helmholtz_error(backend) > 0.1


def test_scipy_s_derivatives_by_differences():
    grid = Grid.gaussian(10)
    values, slopes = scipy_harmonics(grid)
    assert values.shape == (66, *grid.shape)
    by_longitude = np.fft.ifft(np.fft.fft(values) * 1j * np.fft.fftfreq(grid.nlon, 1 / grid.nlon))
    np.testing.assert_allclose(slopes[..., 1], by_longitude, atol=1e-12)


def test_weights_a_millionth_too_large_are_found(monkeypatch):
    right = SphericalHarmonics.integrate
    monkeypatch.setattr(
        SphericalHarmonics, "integrate", lambda self, nodal: (1 + 1e-6) * right(self, nodal)
    )
    assert gram_error(Grid.gaussian(10)) == pytest.approx(1e-6, rel=1e-3)
    assert not means().holds


def test_a_mean_of_the_wrong_size_is_found(monkeypatch):
    right = SphericalHarmonics.global_mean
    monkeypatch.setattr(
        SphericalHarmonics, "global_mean", lambda self, modal: 2.0 * right(self, modal)
    )
    assert means().measured == pytest.approx(1.0)


def test_terms_are_of_comparable_size():
    """No term is so small that an error in it would be lost beside the others."""
    state = torch.ones(operators.TRUNCATION + 1, operators.TRUNCATION + 1).tril() + 0j
    radius = 6.371e6
    whole = closed_tendency(state, radius, "flux", operators.ASYMMETRY)
    for name in ("DIFFUSIVITY", "DECAY", "HYPERDIFFUSIVITY", "NORTHWARD_SPEED", "ANGULAR_SPEED"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(operators, name, 0.0)
            without = closed_tendency(state, radius, "flux", operators.ASYMMETRY)
        assert float((whole - without).abs().max() / whole.abs().max()) > 0.03, name
