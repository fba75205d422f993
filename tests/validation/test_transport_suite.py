"""The suite at small size, for every scheme that is there."""

import math

import numpy as np
import pytest

from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.validation.transport_flows import PERIOD, flow
from co2net_phys.validation.transport_schemes import SCHEMES, discretise
from co2net_phys.validation.transport_suite import convergence, run_transport

COARSE = 7.5  # T15


@pytest.fixture(scope="module")
def hills():
    """Run of a scheme in a flow, made once."""
    made = {}

    def run(scheme, flow_name, resolution=COARSE, **options):
        key = (scheme, flow_name, resolution, *options.items())
        if key not in made:
            made[key] = run_transport("gaussian-hills", flow_name, scheme, resolution, **options)
        return made[key]

    return run


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("flow_name", ["nondivergent", "divergent"])
def test_the_flux_form_keeps_the_mass(hills, scheme, flow_name):
    summary = hills(scheme, flow_name).summary
    assert abs(summary["mass_drift"]) < 1e-12
    assert abs(summary["mass_drift_mid"]) < 1e-12


@pytest.mark.parametrize("scheme", SCHEMES)
def test_smooth_tracers_converge(hills, scheme):
    """At mid-time, where nothing cancels; the drawn-out hills are resolved only from here on."""
    runs = [hills(scheme, "solid-body", spacing, tilt_degrees=45.0) for spacing in (9.0, 4.5)]
    rates = convergence(runs)
    assert rates["order_mid"] > 1.7
    assert rates["minimal_resolution"] is None
    assert runs[-1].summary["l2_mid"] < 0.03


@pytest.mark.parametrize("tilt", [0.0, 45.0, 90.0])
def test_solid_body_rotation_of_williamsons_bell(tilt):
    summary = run_transport(
        "williamson-bell", "solid-body", "spectral", 4.5, tilt_degrees=tilt
    ).summary
    assert summary["l2"] < 0.05
    assert summary["l2_mid"] < 0.05
    if tilt == 0.0:
        assert summary["steps"] == 2  # exact in any step


def test_the_return_error_flatters_a_reversible_scheme(hills):
    summary = hills("spectral", "nondivergent").summary
    assert summary["l2"] < 0.01 < 0.1 < summary["l2_mid"]


@pytest.mark.parametrize("case", ["cosine-bells", "slotted-cylinders"])
def test_the_monotone_scheme_makes_no_new_extremes(case):
    run = run_transport(case, "nondivergent", "monotone", COARSE)
    initial = run.start.tracers[-1]
    for moment in (run.middle, run.end):
        assert moment.tracers.min() >= initial.min() - 1e-12
        assert moment.tracers.max() <= initial.max() + 1e-12
    assert run.summary["min"] == run.end.tracers.min()
    assert run.summary["max_change"] <= 1e-12


def test_correlated_tracers_and_filaments():
    correlated = run_transport("correlated-bells", "nondivergent", "monotone", COARSE).summary
    assert correlated["mixing"]["overshooting"] == 0.0
    assert 0.0 < correlated["mixing"]["real"] < 0.05
    assert correlated["filament"] is None
    bells = run_transport("cosine-bells", "nondivergent", "monotone", COARSE).summary
    assert bells["mixing"] is None
    assert bells["filament"]["percent"][0] == pytest.approx(100.0)  # nothing below the background


def test_mixing_ratios_or_densities_in_the_divergent_flow(hills):
    """Both forms solve the same problem; only the flux form carries the air."""
    flux = hills("spectral", "divergent", 4.5)
    advective = hills("spectral", "divergent", 4.5, form="advective")
    assert np.abs(flux.start.tracers - advective.start.tracers).max() < 1e-15
    assert np.abs(flux.middle.exact - advective.middle.exact).max() == 0
    assert flux.summary["l2"] < 1e-3
    assert advective.summary["l2"] < 1e-3
    assert flux.summary["l2_mid"] > advective.summary["l2_mid"]  # where the air is thin


def test_progress_counts_the_steps():
    seen = []
    run_transport(
        "gaussian-hills", "nondivergent", "monotone", COARSE, steps=6,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(n, 6) for n in range(1, 7)]


def test_the_alias_free_truncations():
    flows = flow("nondivergent")
    for spacing, truncation in ((6.0, 19), (3.0, 39)):
        chosen = discretise("spectral", flows, spacing)
        assert chosen.truncation == truncation
        assert chosen.grid.shape == (round(180 / spacing), round(360 / spacing))
        assert chosen.steps % 2 == 0
        assert chosen.time_step * chosen.steps == pytest.approx(PERIOD)
    assert discretise("spectral", flows, 6.0, truncation=28).truncation == 28


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("upwind", {}),
        ("spectral", {"resolution": 1.4}),
        ("spectral", {"resolution": math.nan}),
        ("spectral", {"resolution": 60.0}),
        ("spectral", {"steps": 7}),
        ("spectral", {"steps": 0}),
        ("spectral", {"truncation": 40}),
        ("monotone", {"truncation": 10}),
    ],
)
def test_what_does_not_fit_is_one_line(scheme, options):
    options = {"resolution": 6.0, **options}
    with pytest.raises(UsageError) as raised:
        discretise(scheme, flow("nondivergent"), **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["spectral", "low-storage"])
def test_an_unstable_step_is_refused(scheme):
    with pytest.raises(NumericalError, match="unstable"):
        discretise(scheme, flow("nondivergent"), 6.0, steps=20)


@pytest.mark.slow
def test_the_published_marks_at_one_and_a_half_degrees():
    hills = run_transport("gaussian-hills", "nondivergent", "spectral", 1.5).summary
    assert hills["l2_mid"] <= 1e-4
    assert hills["l2"] <= 1e-5
    assert run_transport("cosine-bells", "nondivergent", "spectral", 1.5).summary["l2"] <= 0.0129
    bells = run_transport("cosine-bells", "nondivergent", "monotone", 1.5).summary
    assert bells["l2"] <= 0.033
    assert bells["min"] >= 0.1 - 1e-12
    assert bells["max"] <= 1.0 + 1e-12
