"""Theorem 3, corrected: the wind from several tracers, or from one in a window of time.

Two tracers or more, or one while the wind is steady, give both components where their gradients are
not parallel, with errors that grow with cond(G), G = Σ ∇φ_k ∇φ_kᵀ.
"""

import numpy as np

from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.wind_identifiability_recovery import (
    LARGEST_CONDITION,
    NOISE,
    NOISE_SEEDS,
    NOISE_STRIDE,
    ORDERS,
    ROUGH_DEGREES,
    WINDOW_NOISE,
    WINDOWS,
    error_without_closure,
    measured_order,
    pooled_errors,
    recovery,
    rough_recovery,
    window_errors,
    window_recovery,
)
from co2net_phys.validation.wind_twin import ANOMALY, OUTPUT_INTERVAL

NORMAL_SHARE = 0.6827
"""Share of a normal distribution within one standard deviation."""

CLEAR_WINDOW = 12
"""Length of the window in the check without noise, hours."""


def two_tracers() -> Finding:
    """Error from two tracers without noise; see :func:`three_tracers`."""
    return _several_tracers("two-tracers", 2, 3e-6)


def three_tracers() -> Finding:
    """Error from three tracers without noise where their gradients are not nearly parallel."""
    return _several_tracers("three-tracers", 3, 6e-7)


def order_of_recovery() -> Finding:
    """How the error depends on the output interval, against the order of the time difference."""
    slopes = [measured_order(order) for order in ORDERS]
    errors = [abs(slope - order) for slope, order in zip(slopes, ORDERS, strict=True)]
    return find(
        "recovery-order",
        "the error falls with the output interval at the order of the time difference",
        "Theorem 3, corrected",
        float(max(errors)),
        0.15,
        "three tracers, orders "
        + ", ".join(f"{slope:.2f}" for slope in slopes)
        + " from differences of order "
        + ", ".join(map(str, ORDERS)),
    )


def claimed_uncertainty() -> Finding:
    """Share of the errors within the claimed standard deviation, with 1 % noise."""
    errors = np.abs(pooled_errors(3))
    share = float((errors <= 1.0).mean()) if errors.size else np.nan
    return find(
        "recovery-uncertainty",
        "with noise the claimed standard deviation covers the true wind 68 % of the time",
        "Theorem 3, corrected",
        abs(share - NORMAL_SHARE),
        0.05,
        f"{share:.1%} of u and v at all nodes and in {len(NOISE_SEEDS)} draws; three tracers with "
        f"noise of {NOISE / ANOMALY:.0%} of their standard deviation, every "
        f"{NOISE_STRIDE * OUTPUT_INTERVAL / 60:g} minutes",
    )


def tracers_that_fill_the_truncation() -> Finding:
    """Error from three tracers of all degrees, whose products go far beyond the truncation."""
    degree = ROUGH_DEGREES[-1]
    found = rough_recovery(3, degree)
    without = found.root_mean_square(error_without_closure(3, degree))
    return find(
        "truncated-model",
        "three tracers of a model determine the wind although its equation is projected",
        "Theorem 3, corrected",
        found.root_mean_square(found.error),
        3e-6,
        f"rms error relative to the rms wind, from tracers with degrees up to {degree} at T42; "
        f"{without:.1f} with the equation taken as it stands at the nodes",
    )


def wind_from_a_window() -> Finding:
    """Error from one tracer in half a day of steady wind, without noise."""
    found = window_recovery(CLEAR_WINDOW)
    return find(
        "window",
        f"one tracer over {CLEAR_WINDOW} hours of steady wind determines both components",
        "Theorem 3, corrected",
        float(found.quantiles(found.error, [0.99])[0]),
        3e-4,
        "99 % quantile of the error relative to the rms wind; hourly output, no noise, T21",
    )


def error_over_windows() -> Finding:
    """How the error from one tracer with noise falls as the window gets longer."""
    errors = window_errors()[:, 1]
    return find(
        "window-error",
        "the longer the wind is steady, the better one tracer determines it",
        "Theorem 3, corrected",
        float(errors[-1] / errors[0]),
        0.05,
        f"median error from {WINDOWS[-1]} hours relative to that from one instant, with noise of "
        f"{WINDOW_NOISE / ANOMALY:.1%} of the tracer's standard deviation",
    )


def _several_tracers(name: str, tracers: int, bound: float) -> Finding:
    found = recovery(tracers)
    known = found.condition < LARGEST_CONDITION
    return find(
        name,
        f"{'two' if tracers == 2 else 'three'} tracers determine the wind where cond(G) < "
        f"{LARGEST_CONDITION:g}",
        "Theorem 3, corrected",
        found.largest(found.error, known),
        bound,
        f"largest error relative to the rms wind, on {found.share(known):.1%} of the sphere; "
        f"output every {OUTPUT_INTERVAL / 60:g} minutes, T42, no noise",
    )
