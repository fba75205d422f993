"""Runge–Kutta in two registers, with the linear part exact: for many tracers or little memory."""

import itertools
from dataclasses import dataclass

from torch import Tensor

from co2net_phys.solvers.equations import SplitEquation
from co2net_phys.solvers.time_integration import Step, exact_factor, plus, scaled


@dataclass(frozen=True)
class LowStorageTable:
    """A scheme of 2N storage (Williamson 1980, doi:10.1016/0021-9991(80)90033-9).

    q ← a_i q + h N(y), y ← y + b_i q at t + c_i h, stage after stage, with two registers y and q.
    The nodes c must not decrease, or the integrating factor would run backwards.
    """

    order: int
    a: tuple[float, ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    imaginary_limit: float
    """Largest y for which the scheme does not amplify eigenvalues ±iy/h (advection)."""
    real_limit: float
    """Largest x for which it does not amplify the eigenvalue −x/h (diffusion)."""


LOW_STORAGE_4 = LowStorageTable(
    4,
    (
        0.0,
        -567301805773 / 1357537059087,
        -2404267990393 / 2016746695238,
        -3550918686646 / 2091501179385,
        -1275806237668 / 842570457699,
    ),
    (
        1432997174477 / 9575080441755,
        5161836677717 / 13612068292357,
        1720146321549 / 2090206949498,
        3134564353537 / 4481467310338,
        2277821191437 / 14882151754819,
    ),
    (
        0.0,
        1432997174477 / 9575080441755,
        2526269341429 / 6820363962896,
        2006345519317 / 3224310063776,
        2802321613138 / 2924317926251,
    ),
    3.3407,
    4.6568,
)
"""Five stages of order 4 by Carpenter and Kennedy (1994), NASA TM 109112, solution 3.

A step may be 18 % longer than with RK4 and costs 25 % more."""


def low_storage(
    equation: SplitEquation, time_step: float, table: LowStorageTable = LOW_STORAGE_4
) -> Step:
    """Step of ``table`` in the variable e^{−Lt} y, so that the linear part is exact.

    Both registers are carried from one node to the next by e^{(c_{i+1} − c_i) h L}. During an
    evaluation only they are alive, where RK4 keeps scaled copies of the state and partial sums.

    Args:
        equation: N = ``explicit_terms`` and e^{hL} = ``implicit_factor(h)``.
        time_step: h, s.
        table: the scheme.
    """
    # To the next node, and from the one before.
    onward = [
        exact_factor(equation, (end - start) * time_step)
        for start, end in itertools.pairwise((*table.c, 1.0))
    ]
    arrived = [None, *onward]
    kept = [scaled(factor, a) for factor, a in zip(arrived, table.a, strict=False)]
    added = [scaled(factor, time_step * b) for factor, b in zip(onward, table.b, strict=True)]

    def step(state: Tensor, time: float) -> Tensor:
        register: Tensor | None = None  # q/h at the node of the latest tendency
        for i, c in enumerate(table.c):
            tendency = equation.explicit_terms(state, time + c * time_step)
            register = tendency if register is None else plus(tendency, kept[i], register)
            factor = onward[i]
            state = plus(state if factor is None else factor * state, added[i], register)
        return state

    return step
