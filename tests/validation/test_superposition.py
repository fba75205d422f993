"""Proposition 1: the findings, the pieces they are made of, and a broken operator."""

import importlib
import math

import numpy as np
import pytest
import torch

from co2net_phys.solvers import (
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SphericalHarmonics,
    SteadyWind,
)
from co2net_phys.solvers.invariants import inner_product
from co2net_phys.validation.superposition import (
    DURATION,
    STATEMENTS,
    balanced_source,
    invariant_density,
    net_source,
    net_source_drift,
    particular_solution,
    steady_problem,
    steady_solution,
    weighted_drift,
    weighted_mean,
)
from co2net_phys.validation.superposition_figures import ILLUSTRATIONS

# By its name: the package may export the function of the same name.
module = importlib.import_module("co2net_phys.validation.superposition")


@pytest.fixture
def afresh():
    particular_solution.cache_clear()
    yield
    particular_solution.cache_clear()


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statement_is_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict
    assert verdict.corrected.measured > 0.0


def test_net_source_refutes_by_a_wide_margin():
    assert net_source().measured > 0.5
    assert balanced_source().measured < 1e-11


def test_daily_states_grow_by_the_source():
    days, states = particular_solution(net=True)
    harmonics, _, _ = steady_problem(divergent=False)
    mean = harmonics.global_mean(states)
    assert mean[0] == 0.0
    expected = days / 10.0  # a mean of one in ten days
    torch.testing.assert_close(mean, expected, rtol=0.0, atol=1e-12)


def test_density_is_one_without_divergence_and_else_invariant():
    harmonics = SphericalHarmonics(Grid.gaussian(8), 8)
    still = SteadyWind(*DeformationalFlow(harmonics)(0.0))
    uniform = invariant_density(harmonics, still, 1e6)
    torch.testing.assert_close(
        harmonics.to_nodal(uniform), torch.ones(harmonics.grid.shape, dtype=torch.float64)
    )
    wind = SteadyWind(*DeformationalFlow(harmonics, divergent=True)(0.0))
    density = invariant_density(harmonics, wind, 1e6)
    assert float(harmonics.to_nodal(density).min()) > 0.0
    assert float(harmonics.global_mean(density)) == pytest.approx(1.0, abs=1e-14)
    # ⟨Lφ, ρ⟩ = 0 for every φ: no transport changes the weighted mean.
    nodal = torch.randn(harmonics.grid.shape, dtype=torch.float64)
    tracer = harmonics.to_modal(nodal)
    tendency = AdvectionDiffusion(harmonics, wind).transport(tracer, 0.0)
    tendency = tendency + 1e6 * harmonics.laplacian(tracer)
    size = float(inner_product(tendency, tendency) * inner_product(density, density)) ** 0.5
    assert abs(float(inner_product(tendency, density))) < 1e-13 * size


def test_steady_solution_in_a_divergent_wind_leaves_the_weighted_mean():
    harmonics, wind, source = steady_problem(divergent=True)
    steady = steady_solution(harmonics, wind, source, 1e6)
    tendency = AdvectionDiffusion(harmonics, wind).transport(steady, 0.0)
    rest = tendency + 1e6 * harmonics.laplacian(steady) + source
    drift = weighted_mean(source, invariant_density(harmonics, wind, 1e6))
    assert float(harmonics.global_mean(rest)) == pytest.approx(drift, rel=1e-10)
    rest[0, 0] = 0.0
    assert float(rest.abs().max()) < 1e-12 * float(source.abs().max())
    plain = float(harmonics.global_mean(source))
    assert abs(drift / plain - 1.0) > 0.01


def test_a_wrong_sign_in_the_flux_form_is_found(monkeypatch, afresh):
    right = SphericalHarmonics.flux_divergence
    monkeypatch.setattr(SphericalHarmonics, "flux_divergence", lambda *args: -right(*args))
    assert not weighted_drift().holds


def test_a_source_that_is_lost_is_found(monkeypatch, afresh):
    right = AdvectionDiffusion.explicit_terms
    monkeypatch.setattr(AdvectionDiffusion, "explicit_terms", lambda *args: 0.999 * right(*args))
    assert not net_source_drift().holds


def test_a_wrong_global_mean_is_found(monkeypatch):
    right = SphericalHarmonics.global_mean
    monkeypatch.setattr(SphericalHarmonics, "global_mean", lambda *args: 2.0 * right(*args))
    assert net_source_drift().measured == pytest.approx(1.0)


def test_the_source_has_a_mean_of_one_per_duration():
    """By quadrature of its values on a finer grid with numpy's weights."""
    harmonics, _, source = steady_problem(divergent=True)
    fine = harmonics.synthesise(source, Grid.gaussian(40)).numpy().mean(-1)
    weights = np.polynomial.legendre.leggauss(fine.size)[1] / 2.0
    assert fine @ weights * DURATION == pytest.approx(1.0, abs=1e-13)


def test_balance_in_a_divergent_wind_is_weighted_and_not_of_the_area():
    """A source of zero area mean drifts there; the weighted one does not (balanced_source)."""
    harmonics, wind, source = steady_problem(divergent=True)
    density = invariant_density(harmonics, wind, 1e6)
    source[0, 0] = 0.0
    drift = weighted_mean(source, density) * DURATION
    assert abs(drift) > 0.01
    _, states = particular_solution(net=False, divergent=True)
    assert float((states[-1] - states[0]).abs().max()) < 1e-9 * abs(drift)


def test_a_density_that_is_one_everywhere_is_found(monkeypatch, afresh):
    def uniform(harmonics, wind, diffusivity):
        density = torch.zeros(2 * (harmonics.truncation + 1,), dtype=torch.complex128)
        density[0, 0] = math.sqrt(4.0 * math.pi)
        return density

    monkeypatch.setattr(module, "invariant_density", uniform)
    assert not balanced_source().holds
    assert not weighted_drift().holds


def test_figures_are_drawn():
    for illustration in ILLUSTRATIONS:
        figure = illustration.draw()
        assert all(axes.get_title(loc="left") for axes in figure.axes if axes.get_xlabel())
        assert illustration.alternative and illustration.caption


def test_nonlinearity_is_found(monkeypatch):
    module_step = module._step

    def quadratic(harmonics, wind, source):
        step = module_step(harmonics, wind, source)
        return lambda state, time: step(state, time) + 1e-9 * state.real.square()

    monkeypatch.setattr(module, "_step", quadratic)
    assert not module.superposition().holds
