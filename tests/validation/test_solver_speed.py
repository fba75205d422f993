"""The bench of the solver: same answer from every library, honest about what is missing."""

import sys

import numpy as np
import pytest

from co2net_phys.errors import UsageError
from co2net_phys.solvers import AdvectionDiffusion, SphericalHarmonics, lawson_rk4
from co2net_phys.validation import solver_speed
from co2net_phys.validation.advection_problem import advection_problem, runge_kutta_step
from co2net_phys.validation.solver_speed import LIBRARIES, OURS, measure_speed

BUNDLED = (OURS, "co2phys-torch", "torch-harmonics")


@pytest.fixture(scope="module")
def measured():
    return {speed.backend: speed for speed in measure_speed(10, fields=2, rounds=2)}


def test_every_library_is_measured_or_named(measured):
    assert list(measured) == list(LIBRARIES)
    for speed in measured.values():
        if isinstance(speed.error, str):
            assert speed.ms_per_step is None
            assert "pip install" in speed.error
        else:
            assert speed.error < 1e-10
            assert speed.ms_per_step > 0
            assert speed.ms_transform_pair > 0
            assert speed.cores <= 1.2


def test_those_that_come_along_are_measured(measured):
    for name in BUNDLED:
        assert measured[name].ms_per_step is not None
        assert measured[name].version
    assert measured[OURS].relative == 1.0


def test_single_precision_is_single():
    found = {s.backend: s for s in measure_speed(10, dtype="float32", rounds=1)}
    assert 1e-9 < found["torch-harmonics"].error < 1e-4
    assert found["shtns"].error in ("knows no float32", "not installed: pip install shtns")


def test_a_library_that_is_absent_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_harmonics", None)
    monkeypatch.setattr(solver_speed, "version", lambda package: "1.0")
    ours, absent = measure_speed(5, rounds=1, libraries=(OURS, "torch-harmonics"))
    assert ours.ms_per_step > 0
    assert absent.error == "not installed: pip install torch-harmonics"


def test_the_step_written_for_the_others_is_ours():
    """The generic Runge–Kutta step, with our transforms, against ``lawson_rk4``."""
    import torch

    from co2net_phys.solvers.winds import SteadyWind
    from co2net_phys.validation.advection_problem import DIFFUSIVITY

    problem = advection_problem(12)
    harmonics = SphericalHarmonics(problem.grid, 12)
    wind = SteadyWind(torch.from_numpy(problem.u), torch.from_numpy(problem.v))
    equation = AdvectionDiffusion(harmonics, wind, DIFFUSIVITY)
    half = torch.from_numpy(problem.factor(np.arange(13)))[:, None]
    state = harmonics.to_modal(torch.from_numpy(problem.tracers))
    generic = runge_kutta_step(lambda y: equation.explicit_terms(y, 0.0), half, problem.time_step)
    ours = lawson_rk4(equation, problem.time_step)
    assert (generic(state) - ours(state, 0.0)).abs().max() < 1e-14


def test_the_tracers_are_what_the_truncation_holds():
    problem = advection_problem(12, fields=3)
    harmonics = SphericalHarmonics(problem.grid, 12)
    import torch

    nodal = torch.from_numpy(problem.tracers)
    assert nodal.shape == (3, *problem.grid.shape)
    assert (harmonics.to_nodal(harmonics.to_modal(nodal)) - nodal).abs().max() < 1e-12


@pytest.mark.parametrize(
    "options", [{"threads": 0}, {"threads": 10_000}, {"dtype": "float16"}, {"fields": 0}]
)
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(UsageError):
        measure_speed(5, **options)


def test_c_libraries_cannot_spoil_standard_output(capfd):
    import ctypes

    with solver_speed._nothing_on_standard_output():
        ctypes.CDLL(None).puts(b"a banner")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "a banner" in captured.err
