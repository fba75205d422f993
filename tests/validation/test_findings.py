import math

import pytest
import torch

from co2net_phys.solvers import (
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SphericalHarmonics,
    SteadyWind,
)
from co2net_phys.validation import (
    CHECKS,
    balanced_source,
    closed_form,
    corrected_series,
    global_mean_is_needed,
    net_source,
    net_source_drift,
    printed_form,
    printed_series,
    rotation_follows_the_wind,
    steady_solution,
    superposition,
)
from co2net_phys.validation.finding import find


@pytest.fixture(scope="module")
def findings():
    return {check: check() for check in CHECKS}


@pytest.mark.parametrize(
    "check",
    [superposition, balanced_source, net_source_drift, corrected_series, rotation_follows_the_wind],
)
def test_corrected_statements_hold(check, findings):
    finding = findings[check]
    assert finding.holds, finding
    assert 0.0 <= finding.measured <= finding.bound


@pytest.mark.parametrize("check", [net_source, printed_series, global_mean_is_needed])
def test_printed_statements_fail_by_order_one(check, findings):
    finding = findings[check]
    assert not finding.holds
    assert finding.measured > 0.1
    assert finding.note


def test_names_are_unique_and_sources_given(findings):
    assert len({finding.name for finding in findings.values()}) == len(CHECKS)
    assert all(finding.claim and finding.source for finding in findings.values())


def test_nan_does_not_hold():
    assert not find("x", "x", "x", math.nan, 1.0, "").holds


def test_closed_form_by_hand():
    """One coefficient, λ = D·2/R² + iU, and the mean, which grows linearly."""
    harmonics = SphericalHarmonics(Grid.gaussian(2), 2, radius=2.0)
    initial = torch.zeros(3, 3, dtype=torch.complex128)
    source = torch.zeros_like(initial)
    initial[1, 1], source[1, 1] = 3.0 + 1.0j, 0.5
    initial[0, 0], source[0, 0] = 2.0, 0.25
    got = closed_form(harmonics, initial, source, diffusivity=0.3, angular_speed=0.7, time=1.5)
    rate = 0.3 * 2 / 4 + 0.7j
    decay = complex(math.exp(-0.15 * 1.5)) * complex(math.cos(1.05), -math.sin(1.05))
    expected = (3 + 1j - 0.5 / rate) * decay + 0.5 / rate
    assert abs(complex(got[1, 1]) - expected) < 1e-14
    assert complex(got[0, 0]) == pytest.approx(2.0 + 0.25 * 1.5, abs=1e-15)
    printed = printed_form(harmonics, initial, source, 0.3, 0.7, 1.5)
    assert abs(complex(printed[1, 1]) - expected) > 1.0
    assert complex(printed[0, 0]) == 0.0


def test_steady_solution_has_no_tendency():
    harmonics = SphericalHarmonics(Grid.gaussian(6), 6)
    wind = SteadyWind(*DeformationalFlow(harmonics)(0.0))
    source = harmonics.to_modal(torch.randn(*harmonics.grid.shape, dtype=torch.float64))
    steady = steady_solution(harmonics, wind, source, diffusivity=3e5)
    tendency = AdvectionDiffusion(harmonics, wind).explicit_terms(steady, 0.0)
    balance = tendency + 3e5 * harmonics.laplacian(steady) + source
    assert balance[0, 0] == pytest.approx(complex(source[0, 0]), abs=1e-14)
    balance[0, 0] = 0.0
    assert balance.abs().max() < 1e-12 * source.abs().max()
