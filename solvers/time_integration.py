"""Integrating-factor (Lawson) Runge–Kutta schemes, their stability, and trajectories."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.solvers.equations import SplitEquation
from co2net_phys.solvers.harmonics import SphericalHarmonics

Step = Callable[[Tensor, float], Tensor]
"""step(state, time) returns the state one time step later."""


@dataclass(frozen=True)
class ButcherTable:
    """An explicit Runge–Kutta scheme.

    Stages Y_i = y + h Σ_j a_ij k_j at t + c_i h with k_i = f(Y_i), then y + h Σ_i b_i k_i.
    The nodes c must not decrease, or the integrating factor would run backwards.
    """

    order: int
    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    imaginary_limit: float
    """Largest y for which the scheme does not amplify eigenvalues ±iy/h (advection)."""


KUTTA3 = ButcherTable(
    3, (0.0, 0.5, 1.0), ((), (0.5,), (-1.0, 2.0)), (1 / 6, 2 / 3, 1 / 6), math.sqrt(3.0)
)
"""Kutta's scheme, order 3."""

RK4 = ButcherTable(
    4,
    (0.0, 0.5, 0.5, 1.0),
    ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
    (1 / 6, 1 / 3, 1 / 3, 1 / 6),
    math.sqrt(8.0),
)
"""The classical scheme, order 4."""


def lawson(equation: SplitEquation, time_step: float, table: ButcherTable) -> Step:
    """Step of ``table`` in the variable e^{−Lt} y, so that the linear part is exact.

    Y_i = e^{c_i h L} y + h Σ_j a_ij e^{(c_i − c_j) h L} N(Y_j), and likewise the result. Not to be
    confused with exponential time differencing: a steady state of N + L is kept only to the order
    of the scheme. Reference: Lawson (1967), doi:10.1137/0704033.

    Args:
        equation: N = ``explicit_terms`` and e^{hL} = ``implicit_factor(h)``.
        time_step: h, s.
        table: the scheme.
    """
    nodes, ends = (*table.c, 1.0), (*table.a, table.b)
    intervals = {end - start for end in nodes for start in (0.0, *table.c) if end >= start}
    factors = {interval: equation.implicit_factor(interval * time_step) for interval in intervals}

    def combine(i: int, state: Tensor, tendencies: list[Tensor]) -> Tensor:
        total = factors[nodes[i]] * state
        for c, weight, tendency in zip(table.c, ends[i], tendencies, strict=False):
            if weight:
                total = total + (time_step * weight) * factors[nodes[i] - c] * tendency
        return total

    def step(state: Tensor, time: float) -> Tensor:
        tendencies: list[Tensor] = []
        for i, c in enumerate(table.c):
            stage = combine(i, state, tendencies)
            tendencies.append(equation.explicit_terms(stage, time + c * time_step))
        return combine(len(table.c), state, tendencies)

    return step


def lawson_rk4(equation: SplitEquation, time_step: float) -> Step:
    """Fourth-order step of ``time_step`` s, the default of the package; see :func:`lawson`."""
    return lawson(equation, time_step, RK4)


def stable_time_step(
    harmonics: SphericalHarmonics, max_speed: float, courant: float = 0.8, table: ButcherTable = RK4
) -> float:
    """Time step in s at a fraction ``courant`` of the stability limit of advection.

    |w·∇| ≤ max|w| √(T(T+1))/R on degree T, imaginary for a non-divergent wind; the scheme is
    stable up to ``table.imaginary_limit``. Infinite without wind.
    """
    degree = harmonics.truncation
    rate = max_speed * math.sqrt(degree * (degree + 1.0)) / harmonics.radius
    return math.inf if rate == 0.0 else courant * table.imaginary_limit / rate


def check_time_step(
    time_step: float, harmonics: SphericalHarmonics, max_speed: float, table: ButcherTable = RK4
) -> None:
    """Refuse a time step (s) that is not positive or beyond the stability limit.

    Raises:
        UsageError: not a positive number.
        NumericalError: unstable; the message gives the largest stable step.
    """
    if not time_step > 0:
        raise UsageError(f"time step must be positive, got {time_step}")
    limit = stable_time_step(harmonics, max_speed, courant=1.0, table=table)
    if time_step > limit:
        raise NumericalError(
            f"time step {time_step:g} s is unstable at T{harmonics.truncation} with winds up to "
            f"{max_speed:g} m/s: use at most {math.floor(limit)} s"
        )


def trajectory(
    step: Step, state: Tensor, start: float, time_step: float, steps_per_output: int = 1
) -> Iterator[tuple[float, Tensor]]:
    """Endless sequence of (time in s, state), the initial one first.

    Args:
        step: from :func:`lawson_rk4`, of ``time_step``.
        state: at ``start``.
        start: s.
        time_step: s.
        steps_per_output: steps between two outputs.

    Raises:
        UsageError: ``steps_per_output`` below one.
        NumericalError: the state is no longer finite.
    """
    if steps_per_output < 1:
        raise UsageError(f"steps per output must be at least 1, got {steps_per_output}")
    for output in count():
        # Times are multiples of the step, so that round-off does not add up.
        done = output * steps_per_output
        time = start + done * time_step
        if not torch.isfinite(torch.view_as_real(state.resolve_conj())).all():
            raise NumericalError(
                f"the tracer is not finite at {time:g} s: reduce the time step of {time_step:g} s, "
                "and look for missing values in the initial state, the wind and the source"
            )
        yield time, state
        for n in range(done, done + steps_per_output):
            state = step(state, start + n * time_step)
