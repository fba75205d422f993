"""The adjoint findings, and gradients that are wrong."""

import numpy as np
import pytest
import torch

from co2net_phys.solvers.equations import FORMS
from co2net_phys.validation import adjoint
from co2net_phys.validation.adjoint import (
    PERTURBATIONS,
    STATEMENTS,
    Control,
    gradient_by_diffusivity,
    gradient_by_source,
    identity_error,
    taylor_remainders,
    taylor_test,
)


@pytest.fixture
def afresh():
    taylor_remainders.cache_clear()
    yield
    taylor_remainders.cache_clear()


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statement_is_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict


def test_control_moves_along_a_direction():
    start = Control(*(torch.tensor(float(n)) for n in range(3)))
    moved = start.moved(Control(*(torch.tensor(1.0) for _ in range(3))), 0.5)
    assert [float(part) for part in moved] == [0.5, 1.5, 2.5]


def test_without_the_gradient_the_remainder_is_of_first_order():
    remainder, difference = taylor_remainders()
    slope = np.polyfit(np.log(PERTURBATIONS), np.log(difference), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.1)
    assert (remainder < difference).all()


def test_a_gradient_that_is_off_by_a_per_mille_is_found(monkeypatch, afresh):
    right = adjoint.gradient
    monkeypatch.setattr(
        adjoint, "gradient", lambda control: Control(*(1.001 * part for part in right(control)))
    )
    assert not gradient_by_source().holds
    assert not gradient_by_diffusivity().holds
    assert not taylor_test().holds


def test_an_adjoint_in_the_wrong_product_is_found(monkeypatch):
    """Without the factor of two of the orders m > 0."""
    monkeypatch.setattr(
        "co2net_phys.solvers.adjoint._multiplicity",
        lambda modal: torch.where(torch.arange(modal.shape[-1]) < 1, 1.0, 3.0).double(),
    )
    assert min(identity_error(form) for form in FORMS) > 1e-4
