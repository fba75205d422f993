"""Orders of convergence, and schemes that lack them."""

import numpy as np
import pytest
import torch

from co2net_phys.solvers import RK4, departure_map
from co2net_phys.solvers.time_integration import ButcherTable, lawson
from co2net_phys.validation import convergence, numerics_figures
from co2net_phys.validation.convergence import (
    SCHEMES,
    STATEMENTS,
    errors_in_space,
    errors_in_time,
    long_steps_in_flux_form,
    order_in_time,
    spectral_in_space,
)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statement_is_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict
    assert verdict.corrected.measured > 0.0


def test_errors_are_well_above_round_off():
    for scheme in SCHEMES:
        errors = errors_in_time(scheme)
        assert (np.diff(errors) < 0).all()
        assert errors[-1] > 1e-8
    assert errors_in_space()[-1] > 1e-13


def test_a_wrong_weight_costs_the_order(monkeypatch):
    broken = ButcherTable(4, RK4.c, RK4.a, (1 / 6, 1 / 3 + 0.01, 1 / 3 - 0.01, 1 / 6), 2.8, 2.7)
    monkeypatch.setitem(
        SCHEMES, "rk4", (lambda equation, step: lawson(equation, step, broken), 4, (24, 36, 54))
    )
    convergence._reference()  # of the right scheme
    errors_in_time.cache_clear()
    finding = order_in_time("rk4")
    errors_in_time.cache_clear()
    assert not finding.holds
    assert finding.measured > 0.5


@pytest.mark.parametrize("power", [4.0, 8.0])
def test_algebraic_convergence_does_not_pass_for_spectral(monkeypatch, power):
    degrees = np.array(convergence.TRUNCATIONS, dtype=float)
    monkeypatch.setattr(convergence, "errors_in_space", lambda: degrees**-power)
    assert not spectral_in_space().holds


def test_an_error_that_stops_falling_does_not_pass(monkeypatch):
    monkeypatch.setattr(
        convergence, "errors_in_space", lambda: np.array([1e-1, 1e-3, 1e-6, 1e-10, 1e-10])
    )
    assert not spectral_in_space().holds


def test_a_density_that_is_not_compressed_is_found(monkeypatch):
    monkeypatch.setattr(
        departure_map, "_area_ratio", lambda harmonics, modal: torch.ones(harmonics.grid.shape)
    )
    assert long_steps_in_flux_form().measured > 0.1


def test_figures_are_drawn():
    for illustrations in numerics_figures.ILLUSTRATIONS.values():
        for illustration in illustrations:
            assert illustration.draw().axes[0].get_title(loc="left")
