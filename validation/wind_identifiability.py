"""Theorem 3: what tracers tell of the wind that carries them.

As printed, a tracer determines the wind. But only w·∇φ enters the equation: what is along the level
lines of φ is free, and ∇φ vanishes at every maximum. One tracer gives the component along ∇φ. Two
or more, or one in a window of time in which the wind is steady, give both components where their
gradients are not parallel, with errors that grow with cond(G), G = Σ ∇φ_k ∇φ_kᵀ.
"""

import numpy as np
from numpy.typing import NDArray

from co2net_phys.solvers import SECONDS_PER_DAY
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement
from co2net_phys.validation.wind_identifiability_pairs import (
    ADDITIONS,
    DURATION,
    TRUNCATION,
    same_tracer,
    summits,
)
from co2net_phys.validation.wind_identifiability_recovery import (
    LARGEST_CONDITION,
    NOISE,
    NOISE_SEEDS,
    NOISE_STRIDE,
    ORDERS,
    WINDOW_NOISE,
    WINDOWS,
    Array,
    Recovery,
    measured_order,
    pooled_errors,
    recovery,
    relative_gradient,
    window_errors,
    window_recovery,
)
from co2net_phys.validation.wind_twin import ANOMALY, CENTRE, OUTPUT_INTERVAL

ROUND_OFF = 1e-12
"""Largest relative difference of tracers that counts as none."""

SMALL_GRADIENT = 0.1
"""|∇φ| relative to its root mean square, below which it counts as small."""

VANISHING = 1e-3
"""The same, below which a gradient is certainly not bounded away from zero."""

NORMAL_SHARE = 0.6827
"""Share of a normal distribution within one standard deviation."""

CLEAR_WINDOW = 12
"""Length of the window in the check without noise, hours."""


def other_winds_carry_alike() -> Finding:
    """One tracer in a solid-body rotation, and with winds along its level lines added."""
    across = same_tracer("stream", across=True).tracer_difference
    return find(
        "other-winds",
        "w + α k×∇φ carries φ as w does, for any α(x, t)",
        "Theorem 3, corrected",
        max(same_tracer(addition).tracer_difference for addition in ADDITIONS),
        ROUND_OFF,
        f"largest relative difference of the tracers after {DURATION / SECONDS_PER_DAY:g} days, "
        f"T{TRUNCATION}; α constant, ∝ φ, and varying in space and time. Turned across the level "
        f"lines, the wind that is ∝ φ changes the tracer by {across:.1f}",
    )


def wind_is_unique() -> Finding:
    """How far apart two winds are that explain the same tracer, as printed not at all."""
    pairs = [same_tracer(addition) for addition in ADDITIONS]
    return find(
        "unique-wind",
        "the tracer determines the wind",
        "Theorem 3, as printed",
        min(pair.wind_difference(0.5 * DURATION) for pair in pairs),
        1e-6,
        "smallest relative rms difference of the winds in the middle of the run, while the tracers "
        "agree to round-off",
    )


def non_divergent_winds_carry_alike() -> Finding:
    """The addition k×∇F(φ) has no divergence and leaves the tracer as it is."""
    pair = same_tracer("stream")
    divergence = max(pair.divergence(share * DURATION) for share in (0.0, 0.5, 1.0))
    return find(
        "other-streamfunction",
        "ψ + F(φ) carries φ as ψ does, and its wind has no divergence either",
        "Theorem 3, corrected",
        max(pair.tracer_difference, divergence),
        ROUND_OFF,
        "larger of the relative difference of the tracers, F(φ) ∝ φ², and the divergence of the "
        "wind relative to its vorticity",
    )


def non_divergent_wind_is_unique() -> Finding:
    """The same two winds, both without divergence, should be one."""
    return find(
        "unique-streamfunction",
        "the tracer determines the wind, at least if that has no divergence",
        "Theorem 3, as printed, with a further assumption",
        same_tracer("stream").wind_difference(0.5 * DURATION),
        1e-6,
        "relative rms difference of the winds in the middle of the run",
    )


def gradient_vanishes_somewhere() -> Finding:
    """Gradient at the highest points of random tracers."""
    found = summits()
    # A point below a node of the search grid is no maximum, whatever its gradient.
    worst = max(summit.gradient if summit.excess >= 0.0 else np.inf for summit in found)
    return find(
        "gradient-vanishes",
        "every smooth tracer on the sphere has points without a gradient",
        "Theorem 3, corrected",
        worst,
        1e-10,
        f"largest |∇φ|, relative to its rms, at the maxima of {len(found)} random tracers of "
        f"degree {TRUNCATION}",
    )


def gradient_vanishes_nowhere() -> Finding:
    """By how much random tracers miss a gradient of at least a thousandth of the usual one."""
    best = max(summit.gradient for summit in summits())
    return find(
        "gradient-everywhere",
        f"there are tracers with |∇φ| above {VANISHING:g} of its rms everywhere",
        "Theorem 3, as printed (premise)",
        1.0 - best / VANISHING,
        0.0,
        "shortfall of the smallest gradient of the tracer that comes closest, relative to the "
        "threshold; 0 or less would do",
    )


def parallel_component() -> Finding:
    """Error of the wind along ∇φ that one tracer gives, where ∇φ is not small."""
    found = recovery(1)
    steep = relative_gradient(found.twin, 0, CENTRE) >= SMALL_GRADIENT
    return find(
        "parallel-component",
        "one tracer determines the component of the wind along its gradient",
        "Theorem 3, corrected",
        _largest(found, found.parallel_error, steep),
        1e-6,
        f"largest error relative to the rms wind of {found.speed:.0f} m/s where |∇φ| is at least "
        f"{SMALL_GRADIENT:g} of its rms, {found.share(steep):.0%} of the sphere; output every "
        f"{OUTPUT_INTERVAL / 60:g} minutes, T42",
    )


def full_wind_from_one_tracer() -> Finding:
    """Error of the whole wind that one tracer gives."""
    found = recovery(1)
    return find(
        "one-tracer",
        "one tracer determines the wind",
        "Theorem 3, as printed",
        found.root_mean_square(found.error),
        1e-2,
        "relative rms error of the wind: the component along the level lines is missing",
    )


def two_tracers() -> Finding:
    """Error from two tracers without noise; see :func:`three_tracers`."""
    return _several_tracers("two-tracers", 2)


def three_tracers() -> Finding:
    """Error from three tracers without noise where their gradients are not nearly parallel."""
    return _several_tracers("three-tracers", 3)


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


def wind_from_a_window() -> Finding:
    """Share of the sphere where one tracer in half a day of steady wind does not give the wind."""
    return _unknown_share(
        "window",
        f"one tracer over {CLEAR_WINDOW} hours of steady wind determines both components",
        "Theorem 3, corrected",
        CLEAR_WINDOW,
    )


def wind_from_an_instant() -> Finding:
    """The same at an instant, which as printed is enough."""
    return _unknown_share(
        "instant",
        "one tracer determines both components at any instant",
        "Theorem 3, as printed",
        1,
    )


def error_over_windows() -> Finding:
    """How the error from one tracer with noise falls as the window gets longer."""
    errors = window_errors()[:, 1]
    return find(
        "window-error",
        "the longer the wind is steady, the better one tracer determines it",
        "Theorem 3, corrected",
        float(errors[-1] / errors[0]),
        0.2,
        f"median error from {WINDOWS[-1]} hours relative to that from one instant, with noise of "
        f"{WINDOW_NOISE / ANOMALY:.1%} of the tracer's standard deviation",
    )


def _largest(found: Recovery, error: Array, where: NDArray[np.bool_]) -> float:
    """Largest error; NaN if it is about less than half of the sphere, which would show little."""
    return float(error[where].max()) if found.share(where) >= 0.5 else np.nan


def _several_tracers(name: str, tracers: int) -> Finding:
    found = recovery(tracers)
    known = found.condition < LARGEST_CONDITION
    return find(
        name,
        f"{'two' if tracers == 2 else 'three'} tracers determine the wind where cond(G) < "
        f"{LARGEST_CONDITION:g}",
        "Theorem 3, corrected",
        _largest(found, found.error, known),
        1e-4,
        f"largest error relative to the rms wind, on {found.share(known):.1%} of the sphere; "
        f"output every {OUTPUT_INTERVAL / 60:g} minutes, T42, no noise",
    )


def _unknown_share(name: str, claim: str, source: str, window: int) -> Finding:
    found = window_recovery(window)
    return find(
        name,
        claim,
        source,
        found.share(~(found.error <= 0.01)),
        0.02,
        "share of the sphere where the error exceeds 1 % of the rms wind; hourly output, no noise",
    )


STATEMENTS = (
    Statement(
        "wind-uniqueness",
        "R9",
        "one tracer does not determine the wind: w + α k×∇φ carries it as w does",
        corrected=other_winds_carry_alike,
        printed=wind_is_unique,
    ),
    Statement(
        "non-divergent-wind",
        "R9",
        "nor a wind without divergence: ψ + F(φ) carries it as ψ does",
        corrected=non_divergent_winds_carry_alike,
        printed=non_divergent_wind_is_unique,
    ),
    Statement(
        "parallel-component",
        "R9",
        "one tracer determines the wind along its gradient, and nothing across",
        corrected=parallel_component,
        printed=full_wind_from_one_tracer,
    ),
    Statement(
        "vanishing-gradient",
        "R16",
        "every smooth tracer has points without a gradient",
        corrected=gradient_vanishes_somewhere,
        printed=gradient_vanishes_nowhere,
    ),
    Statement(
        "two-tracers",
        "R14",
        "two tracers determine the wind where their gradients are not parallel",
        corrected=two_tracers,
    ),
    Statement(
        "three-tracers",
        "R14",
        "three tracers determine the wind where cond(G) is moderate",
        corrected=three_tracers,
    ),
    Statement(
        "recovery-order",
        "R14",
        "the error falls with the output interval at the order of the time difference",
        corrected=order_of_recovery,
    ),
    Statement(
        "recovery-uncertainty",
        "R14",
        "with noise the claimed standard deviation covers the truth 68 % of the time",
        corrected=claimed_uncertainty,
    ),
    Statement(
        "window-of-time",
        "R15",
        "one tracer determines a steady wind where its gradient turns in time",
        corrected=wind_from_a_window,
        printed=wind_from_an_instant,
    ),
    Statement(
        "window-error",
        "R15",
        "with noise, a longer window of steady wind gives a smaller error",
        corrected=error_over_windows,
    ),
)
"""Theorem 3."""
