"""The search for the cheapest run, at sizes where it takes a moment."""

import numpy as np
import pytest
import torch

from co2net_phys.errors import UsageError
from co2net_phys.solvers import DeformationalFlow
from co2net_phys.validation import time_to_accuracy as bench

SMALL = {"threads": 1, "repeats": 1, "truncations": (15, 21, 31)}


@pytest.mark.parametrize("wind", ["analytic", "sampled"])
def test_every_method_reaches_a_rough_target(wind):
    found = bench.time_to_accuracy([0.2], wind=wind, **SMALL)
    assert [run.method for run in found] == list(bench.METHODS)
    for run in found:
        assert run.l2_mid <= 0.2
        assert run.seconds > 0
        assert run.speedup == pytest.approx(found[0].seconds / run.seconds)
    steps = {run.method: run.steps for run in found}
    assert steps["semi-lagrangian"] < steps["rk4-rotating"] < steps["rk4-laboratory"]


def test_a_target_out_of_reach_is_said_to_be():
    found = bench.time_to_accuracy([1e-6], **SMALL)
    assert all(run.seconds is None and run.truncation is None for run in found)


def test_sampled_winds_are_those_of_the_flow():
    harmonics = bench._harmonics(15)
    exact, sampled = DeformationalFlow(harmonics), bench._wind(harmonics, "sampled", 10800.0)
    for moment in np.linspace(0.0, bench.DURATION, 7):
        for ours, theirs in zip(sampled(moment), exact(moment), strict=True):
            assert (ours - theirs).abs().max() < 1e-7 * exact.max_speed
    assert not hasattr(sampled, "at")  # trajectories have to interpolate


def test_the_number_of_threads_is_restored():
    before = torch.get_num_threads()
    bench.time_to_accuracy([0.9], **SMALL | {"truncations": (15,)})
    assert torch.get_num_threads() == before


def test_nonsense_is_refused():
    with pytest.raises(UsageError):
        bench.time_to_accuracy(wind="real")
    with pytest.raises(UsageError):
        bench.time_to_accuracy([0.0])
