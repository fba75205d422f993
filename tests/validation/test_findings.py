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
from co2net_phys.validation.closed_form import closed_form, printed_form
from co2net_phys.validation.finding import find
from co2net_phys.validation.statements import TOPICS
from co2net_phys.validation.superposition import steady_solution


def test_statements_have_names_of_their_own_and_numbers():
    statements = [each for topic in TOPICS.values() for each in topic.statements]
    names = {each.name for each in statements}
    assert len(names) == len(statements)
    assert not names & set(TOPICS)  # `--only NAME` means one thing
    assert all(each.claim and each.result[0] in "RN" for each in statements)


def test_a_finding_says_what_was_found():
    finding = find("name", "a claim", "Theorem 1", 2.0, 1.0, "why")
    assert str(finding) == "a claim (Theorem 1): fails, 2 > 1; why"
    assert str(find("name", "a claim", "R1", 1.0, 1.0, "")) == "a claim (R1): holds, 1 ≤ 1"


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
    generator = torch.Generator().manual_seed(0)
    nodal = torch.randn(*harmonics.grid.shape, dtype=torch.float64, generator=generator)
    source = harmonics.to_modal(nodal)
    size = source.abs().max()
    steady = steady_solution(harmonics, wind, source, diffusivity=3e5)
    tendency = AdvectionDiffusion(harmonics, wind).explicit_terms(steady, 0.0)
    balance = tendency + 3e5 * harmonics.laplacian(steady) + source
    assert (balance[0, 0] - source[0, 0]).abs() < 2e-14 * size
    balance[0, 0] = 0.0
    assert balance.abs().max() < 1e-12 * size
