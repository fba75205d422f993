"""The smallest wind with the products of the true one, and tracers that fill the truncation."""

import math

import numpy as np
import pytest

from co2net_phys.validation import wind_identifiability as theorem
from co2net_phys.validation import wind_identifiability_recovery as recovered
from co2net_phys.validation import wind_identifiability_several as several
from co2net_phys.validation import wind_identifiability_smallest as smallest
from co2net_phys.validation.wind_twin import CENTRE, moving_twin


def test_one_tracer_leaves_another_wind_with_the_same_product():
    found = smallest.smallest_in_moving_twin(1)
    assert found.residual < 1e-14
    assert 0.6 < found.relative < 0.8


def test_three_tracers_leave_none():
    """So that the difference found with one tracer is no property of the method."""
    found = smallest.smallest_in_moving_twin(3)
    assert found.residual < 1e-5
    assert found.relative < 1e-2


def test_there_is_no_smaller_one():
    """What it lacks of the true wind has no product, and is at right angles to it."""
    twin = moving_twin()
    (u, v), true = smallest.smallest_in_moving_twin(1).wind, twin.truth(CENTRE)
    size = twin.harmonics.integrate(true[0] ** 2 + true[1] ** 2)
    across = twin.harmonics.integrate(u * (true[0] - u) + v * (true[1] - v))
    assert 0.4 < float(twin.harmonics.integrate(u**2 + v**2) / size) < 0.6
    assert abs(float(across / size)) < 1e-12


def test_a_wind_with_another_product_refutes_nothing(monkeypatch):
    right = smallest.solve_projected

    def too_early(operator, product, iterations):
        return right(operator, product, iterations=iterations // 10)

    monkeypatch.setattr(smallest, "solve_projected", too_early)
    smallest.smallest_in_moving_twin.cache_clear()
    try:
        assert math.isnan(theorem.full_wind_from_one_tracer().measured)
        statement = next(s for s in theorem.STATEMENTS if s.name == "parallel-component")
        assert not statement.judge().is_as_documented
    finally:
        smallest.smallest_in_moving_twin.cache_clear()


def test_without_the_closure_smooth_tracers_are_as_good_and_rough_ones_are_not():
    smooth = recovered.recovery(3)
    plain = recovered.error_without_closure(3, 8)
    np.testing.assert_allclose(
        smooth.quantiles(plain, [0.5]), smooth.quantiles(smooth.error, [0.5]), rtol=0.2
    )
    rough = recovered.rough_recovery(3, recovered.ROUGH_DEGREES[-1])
    assert rough.quantiles(recovered.error_without_closure(3, 42), [0.5])[0] > 0.1
    assert rough.quantiles(rough.error, [0.5])[0] < 1e-6


@pytest.mark.parametrize("factor", [0.0, 0.99])
def test_a_wrong_closure_is_noticed(monkeypatch, factor):
    from co2net_phys.solvers.wind_closure import WindClosure

    right = WindClosure.values
    monkeypatch.setattr(WindClosure, "values", lambda self: factor * right(self))
    recovered.rough_recovery.cache_clear()
    try:
        assert not several.tracers_that_fill_the_truncation().holds
    finally:
        recovered.rough_recovery.cache_clear()
