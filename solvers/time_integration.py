"""Integrating-factor (Lawson) Runge–Kutta schemes, their stability, and trajectories."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import torch
from torch import Tensor

from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.solvers.blow_up import BlowUpGuard
from co2net_phys.solvers.equations import SplitEquation
from co2net_phys.solvers.harmonics import SphericalHarmonics

Step = Callable[[Tensor, float], Tensor]
"""step(state, time) returns the state one time step later."""


class StabilityLimits(Protocol):
    """How far from zero the eigenvalues times the step may lie; every scheme has them."""

    @property
    def imaginary_limit(self) -> float:
        """Along the imaginary axis: advection."""
        ...

    @property
    def real_limit(self) -> float:
        """Along the negative real axis: diffusion."""
        ...


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
    real_limit: float
    """Largest x for which it does not amplify the eigenvalue −x/h (diffusion)."""


KUTTA3 = ButcherTable(
    3, (0.0, 0.5, 1.0), ((), (0.5,), (-1.0, 2.0)), (1 / 6, 2 / 3, 1 / 6), math.sqrt(3.0), 2.5127
)
"""Kutta's scheme, order 3."""

RK4 = ButcherTable(
    4,
    (0.0, 0.5, 0.5, 1.0),
    ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
    (1 / 6, 1 / 3, 1 / 3, 1 / 6),
    math.sqrt(8.0),
    2.7853,
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
    nodes, rows = (*table.c, 1.0), (*table.a, table.b)
    intervals = {end - start for end in nodes for start in (0.0, *table.c) if end >= start}
    factors = {gap: exact_factor(equation, gap * time_step) for gap in intervals}
    # Of each tendency j: the later stages i (last: the result) and h a_ij e^{(c_i − c_j) h L}.
    uses = [
        [
            (i, scaled(factors[nodes[i] - c], time_step * row[j]))
            for i, row in enumerate(rows)
            if j < len(row) and row[j]
        ]
        for j, c in enumerate(table.c)
    ]

    def step(state: Tensor, time: float) -> Tensor:
        carried: dict[float, Tensor] = {}
        for node in nodes:
            if node not in carried:
                factor = factors[node]
                carried[node] = state if factor is None else factor * state
        stages = [carried[node] for node in nodes]
        # A tendency goes to all its uses while it is in the cache, and is then forgotten.
        for j, c in enumerate(table.c):
            tendency = equation.explicit_terms(stages[j], time + c * time_step)
            for i, weight in uses[j]:
                stages[i] = plus(stages[i], weight, tendency)
        return stages[-1]

    return step


def exact_factor(equation: SplitEquation, interval: float) -> Tensor | None:
    """e^{L · interval}, None if it is one everywhere, so that nobody multiplies by it."""
    if interval == 0.0:
        return None
    factor = equation.implicit_factor(interval)
    if factor.requires_grad or factor.is_meta:  # its values may change, or are not known
        return factor
    return None if bool((factor == 1).all()) else factor


def scaled(factor: Tensor | None, weight: float) -> Tensor | float:
    """weight · factor, a plain number if there is no factor; for :func:`plus`."""
    return weight if factor is None else weight * factor


def plus(total: Tensor, weight: Tensor | float, tendency: Tensor) -> Tensor:
    """total + weight · tendency, in one pass over memory."""
    if isinstance(weight, float):
        return torch.add(total, tendency, alpha=weight)
    return torch.addcmul(total, weight, tendency)


def lawson_rk4(equation: SplitEquation, time_step: float) -> Step:
    """Fourth-order step of ``time_step`` s, the default of the package; see :func:`lawson`."""
    return lawson(equation, time_step, RK4)


def stable_time_step(
    harmonics: SphericalHarmonics,
    max_speed: float,
    courant: float = 0.8,
    table: StabilityLimits = RK4,
    *,
    explicit_diffusivity: float = 0.0,
) -> float:
    """Time step in s at a fraction ``courant`` of the stability limit.

    |w·∇| ≤ max|w| √(T(T+1))/R on degree T, imaginary for a non-divergent wind; the scheme is
    stable up to ``table.imaginary_limit``. Diffusion left to the explicit terms has eigenvalues
    down to −D T(T+1)/R², for ``table.real_limit``. Of both, the shares of the limits add up.
    Infinite if there is neither.

    Args:
        harmonics: gives the truncation T and the radius R.
        max_speed: of the wind that the scheme sees, m s⁻¹: the residual one, where a rotation
            is taken exactly.
        courant: share of the limit, dimensionless.
        table: the scheme.
        explicit_diffusivity: largest D that the scheme sees, m² s⁻¹.
    """
    degree = harmonics.truncation
    wavenumber = math.sqrt(degree * (degree + 1.0)) / harmonics.radius
    advection = max_speed * wavenumber / table.imaginary_limit
    diffusion = explicit_diffusivity * wavenumber**2 / table.real_limit
    rate = advection + diffusion
    return math.inf if rate == 0.0 else courant / rate


def check_time_step(
    time_step: float,
    harmonics: SphericalHarmonics,
    max_speed: float,
    table: StabilityLimits = RK4,
    *,
    explicit_diffusivity: float = 0.0,
    interval: float | None = None,
) -> None:
    """Refuse a time step (s) that is not positive or beyond the stability limit.

    Raises:
        UsageError: not a positive number.
        NumericalError: unstable; the message gives the largest stable step and, of an ``interval``
            (s) between outputs, a stable step that divides it.
    """
    if not time_step > 0:
        raise UsageError(f"time step must be positive, got {time_step}")
    limit = stable_time_step(
        harmonics, max_speed, 1.0, table, explicit_diffusivity=explicit_diffusivity
    )
    if time_step > limit:
        diffusion = (
            f" and a diffusivity that varies by up to {explicit_diffusivity:g} m²/s"
            if explicit_diffusivity
            else ""
        )
        raise NumericalError(
            f"time step {time_step:g} s is unstable at T{harmonics.truncation} with winds up to "
            f"{max_speed:g} m/s{diffusion}: use at most {_rounded_down(limit)} s"
            f"{'' if interval is None else _divisor(interval, limit)}"
        )


def _divisor(interval: float, limit: float) -> str:
    """Names a step up to ``limit`` that divides ``interval``, of few digits if there is one."""
    fewest = math.ceil(interval / limit)
    steps = (interval / number for number in range(fewest, 2 * fewest + 1))
    step = next((step for step in steps if round(step, 2) == step), interval / fewest)
    return f", for instance {step:.12g} s, which divides the output interval"


def _rounded_down(seconds: float) -> str:
    """Whole seconds where that makes little difference, else three digits."""
    if seconds >= 100:
        return str(math.floor(seconds))
    unit = 10.0 ** (math.floor(math.log10(seconds)) - 2)
    return f"{math.floor(seconds / unit) * unit:.3g}"


def trajectory(
    step: Step,
    state: Tensor,
    start: float,
    time_step: float,
    steps_per_output: int = 1,
    harmonics: SphericalHarmonics | None = None,
) -> Iterator[tuple[float, Tensor]]:
    """Endless sequence of (time in s, state), the initial one first.

    Args:
        step: from :func:`lawson_rk4` or another scheme, of ``time_step``.
        state: at ``start``, modal or nodal.
        start: s.
        time_step: s.
        steps_per_output: steps between two outputs.
        harmonics: tells where a run that fails has gone wrong.

    Raises:
        UsageError: ``steps_per_output`` below one.
        NumericalError: a state is not finite or has blown up; the message says when, where and
            what the likely cause is.
    """
    if steps_per_output < 1:
        raise UsageError(f"steps per output must be at least 1, got {steps_per_output}")
    guard = BlowUpGuard(time_step, harmonics)
    guard.check(state, 0, start)
    for done in count():
        # Times are multiples of the step, so that round-off does not add up.
        if done % steps_per_output == 0:
            yield start + done * time_step, state
        state = step(state, start + done * time_step)
        guard.check(state, done + 1, start + (done + 1) * time_step)
