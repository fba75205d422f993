"""Choice of the integrator: exact where the problem allows it, else a step that is stable."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from co2net_phys.errors import UsageError
from co2net_phys.solvers.chebyshev import ChebyshevPropagator
from co2net_phys.solvers.constants import SECONDS_PER_DAY
from co2net_phys.solvers.equations import AdvectionDiffusion
from co2net_phys.solvers.low_storage import LOW_STORAGE_4, low_storage
from co2net_phys.solvers.propagators import (
    Propagator,
    SolidBodyPropagator,
    ZonalPropagator,
    as_step,
    solid_body_obstacle,
    steadiness_obstacle,
    zonal_obstacle,
)
from co2net_phys.solvers.rotation import split_rotation
from co2net_phys.solvers.time_integration import (
    RK4,
    StabilityLimits,
    Step,
    check_time_step,
    lawson_rk4,
    stable_time_step,
)
from co2net_phys.solvers.winds import SteadyWind, TabulatedWind

INTEGRATORS = (
    "auto",
    "exact-solid-body",
    "exact-zonal",
    "chebyshev",
    "rk4",
    "low-storage",
    "semi-lagrangian",
)
"""Names that :func:`choose` knows."""

LARGEST_DENSE_TRUNCATION = 213
"""Above it the T matrix exponentials of a zonal wind take longer than a Chebyshev series."""

SEMI_LAGRANGIAN_STEP = SECONDS_PER_DAY
"""Longest semi-Lagrangian step that is chosen, s; the scheme itself has no limit."""

SAMPLED_TIMES = 49
"""Instants at which a wind that changes in time is looked at before the run."""

MARGIN = 1.05
"""Factor on speeds found at these instants, for what happens between them."""


@dataclass(frozen=True)
class Choice:
    """An integrator, ready to step."""

    name: str
    """One of ``INTEGRATORS`` other than "auto"."""
    time_step: float
    """Of ``step``, s; it divides the output interval."""
    reason: str
    """Why this one, in a sentence without a full stop."""
    step: Step
    """step(state, time), for modal states."""


@dataclass(frozen=True)
class _Limits:
    """What the explicit terms of an equation will see during a run."""

    equation: AdvectionDiffusion
    speed: float
    diffusivity: float

    def largest_step(self, table: StabilityLimits) -> float:
        return stable_time_step(
            self.equation.harmonics,
            self.speed,
            table=table,
            explicit_diffusivity=self.diffusivity,
        )

    def check(self, time_step: float, table: StabilityLimits, interval: float) -> None:
        check_time_step(
            time_step,
            self.equation.harmonics,
            self.speed,
            table,
            explicit_diffusivity=self.diffusivity,
            interval=interval,
        )


def choose(
    equation: AdvectionDiffusion,
    duration: float,
    output_every: float,
    time_step: float | None = None,
    integrator: str = "auto",
    *,
    start: float = 0.0,
) -> Choice:
    """Pick the integrator of a run, and its step.

    "auto" takes the first that applies: the closed form of solid-body rotation, one exponential
    per order of a zonal wind (up to T213), the Chebyshev series of any other steady wind, RK4.
    The first three need a steady wind, a constant or nodal D, and a steady source or none, and
    make no time-step error. RK4 and low-storage take the mean rotation of the wind exactly, if
    that leaves lower speeds; a table of winds whose largest speed was given is not read ahead to
    find out. "low-storage" is for states that fill the memory, "semi-lagrangian" for runs with
    outputs far apart: its error comes from the trajectories and not from a stability limit, so
    that a user has to judge it, and "auto" never takes it.

    Args:
        equation: what to solve, modal.
        duration: of the run, s.
        output_every: interval of the outputs, s; the step divides it.
        time_step: s, or None for the longest that is stable (exact ones: the output interval).
        integrator: one of ``INTEGRATORS``.
        start: of the run, s.

    Raises:
        UsageError: an unknown name, a step that does not divide the output interval, or an exact
            integrator for a problem that it cannot solve.
        NumericalError: the user's step is unstable; the message gives the largest stable one.
    """
    if integrator not in INTEGRATORS:
        raise UsageError(f"unknown integrator {integrator!r}: choose {', '.join(INTEGRATORS)}")
    if not (output_every > 0 and duration >= 0):
        raise UsageError(
            f"output interval and duration must be positive, got {output_every:g} and {duration:g}"
        )
    if time_step is not None:
        _check_divides(time_step, output_every)
    name = _automatic(equation) if integrator == "auto" else integrator
    why = "" if integrator == "auto" else " (as asked for)"
    if name in _EXACT:
        build, reason = _EXACT[name]
        length = time_step or output_every
        return Choice(name, length, reason + why, as_step(build(equation), length))
    if name == "semi-lagrangian":
        return _semi_lagrangian(equation, output_every, time_step)
    return _runge_kutta(name, equation, (start, duration), output_every, time_step)


_EXACT: dict[str, tuple[Callable[[AdvectionDiffusion], Propagator], str]] = {
    "exact-solid-body": (
        SolidBodyPropagator,
        "solid-body rotation: each coefficient has a closed form, no time-step error",
    ),
    "exact-zonal": (
        ZonalPropagator,
        "steady zonal wind: one matrix exponential per order, no time-step error",
    ),
    "chebyshev": (
        ChebyshevPropagator,
        "steady wind: Chebyshev series of the exponential to 1e-12, no time-step error",
    ),
}


def _automatic(equation: AdvectionDiffusion) -> str:
    if not solid_body_obstacle(equation):
        return "exact-solid-body"
    if not zonal_obstacle(equation) and equation.harmonics.truncation <= LARGEST_DENSE_TRUNCATION:
        return "exact-zonal"
    return "rk4" if steadiness_obstacle(equation) else "chebyshev"


def _runge_kutta(
    name: str,
    equation: AdvectionDiffusion,
    span: tuple[float, float],
    output_every: float,
    time_step: float | None,
) -> Choice:
    table: StabilityLimits = RK4 if name == "rk4" else LOW_STORAGE_4
    limits = _limits(equation, *span)
    if time_step is None:
        time_step = _dividing(output_every, limits.largest_step(table))
    limits.check(time_step, table, output_every)
    build = lawson_rk4 if name == "rk4" else low_storage
    obstacle = steadiness_obstacle(equation) or "as asked for"
    rotation = limits.equation.rotation
    turning = f", and the mean rotation of {rotation:.2e} rad/s exactly" if rotation else ""
    order = "RK4" if name == "rk4" else "fourth order in two registers"
    reason = (
        f"{obstacle}: {order}, steps of {time_step:g} s for residual winds up to "
        f"{limits.speed:.1f} m/s, constant diffusion and decay exactly{turning}"
    )
    return Choice(name, time_step, reason, build(limits.equation, time_step))


def _semi_lagrangian(
    equation: AdvectionDiffusion, output_every: float, time_step: float | None
) -> Choice:
    # Only here, since the interpolation kernels take their time to load.
    from co2net_phys.solvers.semi_lagrangian import semi_lagrangian

    length = time_step or _dividing(output_every, SEMI_LAGRANGIAN_STEP)
    reason = f"along trajectories in steps of {length:g} s without a stability limit, as asked for"
    return Choice("semi-lagrangian", length, reason, semi_lagrangian(equation, length))


def _limits(equation: AdvectionDiffusion, start: float, duration: float) -> _Limits:
    """Split the mean rotation off, if that leaves lower speeds, and find what remains."""
    times = _sample_times(equation, start, duration)
    diffusivity = max(
        float(torch.as_tensor(equation.explicit_diffusivity(time)).detach().abs().max())
        for time in times
    )
    wind, harmonics = equation.wind, equation.harmonics
    fastest = wind.max_speed + abs(equation.rotation) * harmonics.radius
    if isinstance(wind, TabulatedWind) and wind.is_read_in_order:
        return _Limits(equation, fastest, diffusivity)
    split = split_rotation(harmonics, wind, times, equation.rotation or None)
    speed = split.residual_speed * (1.0 if isinstance(wind, SteadyWind) else MARGIN)
    if speed >= fastest:
        return _Limits(equation, fastest, diffusivity)
    return _Limits(equation.with_rotation(split.angular_speed), speed, diffusivity)


def _sample_times(equation: AdvectionDiffusion, start: float, duration: float) -> list[float]:
    wind = equation.wind
    if isinstance(wind, SteadyWind) and not callable(equation.diffusivity):
        return [start]
    times = np.linspace(start, start + duration, SAMPLED_TIMES)
    if isinstance(wind, TabulatedWind):
        # Between records there is nothing new, and a few of many will do.
        records = wind.times_seconds
        inside = records[(records > start) & (records < start + duration)]
        if 0 < inside.size <= SAMPLED_TIMES:
            times = np.concatenate([[start], inside, [start + duration]])
    return [float(time) for time in times]


def _dividing(interval: float, longest: float) -> float:
    """The longest step not above ``longest`` that divides ``interval``."""
    return interval if longest >= interval else interval / math.ceil(interval / longest)


def _check_divides(time_step: float, output_every: float) -> None:
    if not time_step > 0:
        raise UsageError(f"time step must be positive, got {time_step}")
    ratio = output_every / time_step
    if round(ratio) < 1 or abs(ratio - round(ratio)) > 1e-9 * ratio:
        raise UsageError(
            f"time step {time_step:g} s does not divide the output interval of {output_every:g} s: "
            "choose one that does"
        )
