"""Theorem 3: what tracers tell of the wind that carries them.

As printed, a tracer determines the wind. But only w·∇φ enters the equation: what is along the level
lines of φ is free, and ∇φ vanishes at every maximum. One tracer gives the component along ∇φ.
"""

import numpy as np

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
from co2net_phys.validation.wind_identifiability_recovery import LARGEST_CONDITION, recovery
from co2net_phys.validation.wind_identifiability_several import (
    claimed_uncertainty,
    error_over_windows,
    order_of_recovery,
    three_tracers,
    tracers_that_fill_the_truncation,
    two_tracers,
    wind_from_a_window,
)
from co2net_phys.validation.wind_identifiability_smallest import (
    SmallestWind,
    smallest_in_moving_twin,
    smallest_in_steady_twin,
)
from co2net_phys.validation.wind_twin import CENTRE, OUTPUT_INTERVAL, SMALL_GRADIENT, steep

STEEP = f"where |∇φ| is at least {SMALL_GRADIENT:g} of its rms"
"""Where winds are compared: not at places without a gradient, where the paper claims nothing."""

ROUND_OFF = 5e-14
"""Largest relative difference of tracers that counts as none."""

SAME_PRODUCT = 1e-12
"""Largest relative difference of products w·∇φ that counts as none."""


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
        "the tracer determines the wind wherever its gradient does not vanish",
        "Theorem 3, remark",
        min(pair.wind_difference(0.5 * DURATION) for pair in pairs),
        1e-6,
        f"smallest relative rms difference of the winds {STEEP}, in the middle of the run, while "
        "the tracers agree to round-off",
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
        "the tracer determines a wind without divergence wherever its gradient does not vanish",
        "Theorem 3, remark, with an assumption added",
        same_tracer("stream").wind_difference(0.5 * DURATION),
        1e-6,
        f"relative rms difference of the winds {STEEP}, in the middle of the run",
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
        1e-13,
        f"largest |∇φ|, relative to its rms, at the maxima of {len(found)} random tracers of "
        f"degree {TRUNCATION}",
    )


def parallel_component() -> Finding:
    """Error of the wind along ∇φ that one tracer gives, where ∇φ is not small."""
    found = recovery(1)
    harmonics = found.twin.harmonics
    where = np.asarray(steep(harmonics, harmonics.to_modal(found.twin.tracers[0, CENTRE])))
    return find(
        "parallel-component",
        "one tracer determines the component of the wind along its gradient",
        "Theorem 3, corrected",
        found.largest(found.parallel_error, where),
        3e-7,
        f"largest error relative to the rms wind of {found.speed:.0f} m/s {STEEP}, "
        f"{found.share(where):.0%} of the sphere; output every {OUTPUT_INTERVAL / 60:g} minutes, "
        "T42",
    )


def full_wind_from_one_tracer() -> Finding:
    """How far the smallest wind with the same product w·∇φ is from the true one."""
    return _another_wind("one-tracer", smallest_in_moving_twin(1), "T42, an unsteady wind")


def wind_from_an_instant() -> Finding:
    """The same where the wind is steady, which an instant cannot tell."""
    return _another_wind("instant", smallest_in_steady_twin(), "T21, a steady wind")


def _another_wind(name: str, found: SmallestWind, twin: str) -> Finding:
    return find(
        name,
        "the fields of one tracer at an instant determine both components",
        "Theorem 3, remark; as the equation has no derivative of the wind, each instant by itself",
        found.relative if found.residual <= SAME_PRODUCT else np.nan,
        1e-2,
        f"relative rms difference, {STEEP}, of the true wind and the smallest wind with the same "
        f"w·∇φ (to {found.residual:.0e}); {twin}",
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
        reading="implied",
    ),
    Statement(
        "parallel-component",
        "R9",
        "one tracer determines the wind along its gradient, and nothing across",
        corrected=parallel_component,
        printed=full_wind_from_one_tracer,
        reading="implied",
    ),
    Statement(
        "vanishing-gradient",
        "R16",
        "every smooth tracer has points without a gradient",
        corrected=gradient_vanishes_somewhere,
    ),
    Statement(
        "two-tracers",
        "R14",
        f"two tracers determine the wind where cond(G) < {LARGEST_CONDITION:g}",
        corrected=two_tracers,
    ),
    Statement(
        "three-tracers",
        "R14",
        f"three tracers determine the wind where cond(G) < {LARGEST_CONDITION:g}",
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
        "truncated-model",
        "R14",
        "what a truncated model has lost of w·∇φ follows from three tracers",
        corrected=tracers_that_fill_the_truncation,
    ),
    Statement(
        "window-of-time",
        "R15",
        "one tracer determines a steady wind where its gradient turns in time",
        corrected=wind_from_a_window,
        printed=wind_from_an_instant,
        reading="implied",
    ),
    Statement(
        "window-error",
        "R15",
        "with noise, a longer window of steady wind gives a smaller error",
        corrected=error_over_windows,
    ),
)
"""Theorem 3."""
