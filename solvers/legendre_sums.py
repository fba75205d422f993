"""Sums over degree and over latitude for all orders: coefficients in, waves out, and back.

Modal arrays are flat reals of (field, m, l, 2); waves as in ``legendre_kernels``. A field of kind
``VECTOR`` has two waves, the eastward and the northward component of its gradient, and both come
from one recurrence in Q_lm = P_lm/cos θ whose starting values are finite however near the pole.
"""

from typing import Any

from numba import njit

from co2net_phys.solvers.legendre_columns import (
    divergence_planes,
    fold,
    fold_times_im,
    meridional_derivative,
    read_planes,
    scale_meridional,
    unfold,
    write_planes,
)
from co2net_phys.solvers.legendre_kernels import (
    sum_degrees,
    sum_degrees_of_two,
    sum_latitudes,
    sum_latitudes_of_two,
)
from co2net_phys.solvers.legendre_plan import plane_length

SCALAR, VECTOR = 1, 2
"""Kinds of field, by their number of waves."""


def plane_room(truncation: int, width: int) -> int:
    """Length of a plane in the work array: that of order zero, and a register of zeros after."""
    return plane_length(truncation, 0, width) + width


def scratch_size(truncation: int, width: int) -> int:
    """Numbers that one thread needs: planes of two fields, their coefficients, sums by lane."""
    return (16 + 8 * width) * plane_room(truncation, width)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _coefficients(
    kind: int, m: int, order: int, count: int, pair: bool, modal: Any, at: int, next_field: int,
    radius: float, plan: Any, work: Any, room: int,
) -> None:  # fmt: skip
    """Planes of one or two scalars, or of the two components of a gradient, folded."""
    w = 64 // work.itemsize
    one, two, coefs = work, work[4 * room :], work[8 * room :]
    folds, f = plan.folds, plan.fold_begin[order] + w
    length = (plan.fold_begin[order + 1] - plan.fold_begin[order]) // 7
    top = plan.first.shape[0] - 1
    c, d = plan.phases[m, 0], plan.phases[m, 1]
    if kind == SCALAR:
        read_planes(modal, at, m, top, c, d, one, room)
        fold(one, room, count, folds, f, length, coefs)
        if pair:
            read_planes(modal, at + next_field, m, top, c, d, one, room)
            fold(one, room, count, folds, f, length, coefs[4 * room :])
        return
    read_planes(modal, at, order, top, c / radius, d / radius, one, room)
    if m == 0:
        scale_meridional(one, room, order, top, -1.0)
        coefs[: 4 * room] = 0.0
        fold(one, room, count, folds, f, length, coefs[4 * room :])
        return
    fold_times_im(one, room, count, m, folds, f, length, coefs)
    meridional_derivative(one, room, count, folds, f, length, two)
    fold(two, room, count, folds, f, length, coefs[4 * room :])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _results(
    kind: int, m: int, order: int, count: int, pair: bool, modal: Any, at: int, next_field: int,
    radius: float, plan: Any, work: Any, room: int,
) -> None:  # fmt: skip
    """Adjoint of :func:`_coefficients`: modal coefficients from the sums over latitude."""
    w = 64 // work.itemsize
    one, two, sums = work, work[4 * room :], work[16 * room :]
    folds, f = plan.folds, plan.fold_begin[order] + w
    length = (plan.fold_begin[order + 1] - plan.fold_begin[order]) // 7
    top = plan.first.shape[0] - 1
    c, d = plan.phases[m, 0], -plan.phases[m, 1]
    unfold(sums, 0, room, count, folds, f, length, one)
    if pair:
        unfold(sums, 4, room, count, folds, f, length, two)
    if kind == SCALAR:
        write_planes(one, room, modal, at, m, top, c, d)
        if pair:
            write_planes(two, room, modal, at + next_field, m, top, c, d)
    elif m == 0:
        scale_meridional(two, room, order, top, 1.0)
        write_planes(two, room, modal, at, order, top, c / radius, d / radius)
    else:
        divergence_planes(one, two, room, count, m, folds, f, length)
        write_planes(one, room, modal, at, order, top, c / radius, d / radius)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _order(
    analyse: bool, m: int, kind: int, fields: int, modal: Any, waves: Any, radius: float,
    plan: Any, work: Any,
) -> None:  # fmt: skip
    """All fields of one order, two waves at a time."""
    size, w = plan.first.shape[0], 64 // work.itemsize
    firsts, starts, sines, weights = plan.first, plan.starts, plan.sines, plan.weights
    blocks, order = firsts.shape[1], max(m, 1) if kind == VECTOR else m
    if order == size:  # T = 0 has no gradient
        (modal if analyse else waves)[:] = 0.0
        return
    factors = plan.secants if kind == VECTOR and m > 0 else plan.ones
    ratios = plan.ratios[2 * plan.ratio_begin[order] :]
    count, room = (size + kind - 2 - order) // 2 + 1, work.size // (16 + 8 * w)
    coefs, sums = work[8 * room :], work[16 * room :]
    filled = -(-count // w) * w * w
    stride = 4 * w * size
    next_wave = 2 * blocks * stride
    for c in range(0, fields * kind, 2):
        pair = c + 1 < fields * kind
        from_field = 2 * size * (size * (c // kind) + m)
        if analyse:
            for plane in range(8 if pair else 4):
                sums[plane * room * w : plane * room * w + filled] = 0.0
        else:
            _coefficients(
                kind, m, order, count, pair, modal, from_field, 2 * size * size, radius, plan,
                work, room,
            )  # fmt: skip
        for b in range(blocks):
            i, k = 4 * w * (order * blocks + b), 2 * w * b
            at, first = c * next_wave + 2 * b * stride + 4 * w * m, firsts[order, b]
            if analyse and first < count:
                if pair:
                    sum_latitudes_of_two(
                        sums, room, ratios, first, count, starts, i, sines, k, factors, weights,
                        waves, at, stride, next_wave,
                    )  # fmt: skip
                else:
                    sum_latitudes(
                        sums, room, ratios, first, count, starts, i, sines, k, factors, weights,
                        waves, at, stride,
                    )  # fmt: skip
            elif not analyse:
                if pair:
                    sum_degrees_of_two(
                        coefs, room, ratios, first, count, starts, i, sines, k, factors, waves,
                        at, stride, next_wave,
                    )  # fmt: skip
                else:
                    sum_degrees(
                        coefs, room, ratios, first, count, starts, i, sines, k, factors, waves,
                        at, stride,
                    )  # fmt: skip
        if analyse:
            _results(
                kind, m, order, count, pair, modal, from_field, 2 * size * size, radius, plan,
                work, room,
            )  # fmt: skip


@njit(cache=True)  # type: ignore[untyped-decorator]
def legendre_share(
    t: int, threads: int, analyse: bool, kind: int, fields: int, modal: Any, waves: Any,
    radius: float, plan: Any, work: Any,
) -> None:  # fmt: skip
    """The share of thread ``t`` in the waves of modal coefficients, or back if ``analyse``.

    Orders are dealt out in pairs m and T − m, which cost about the same together.

    Args:
        t: which of the ``threads``.
        threads: how many share the work.
        analyse: direction.
        kind: ``SCALAR`` or ``VECTOR``: the gradient, or as its adjoint the divergence.
        fields: number of them.
        modal: flat reals.
        waves: flat.
        radius: R, m; for vectors.
        plan: a ``LegendrePlan``.
        work: flat, ``scratch_size``; zero before its first use.
    """
    top = plan.first.shape[0] - 1
    for m in range(t, top // 2 + 1, threads):
        _order(analyse, m, kind, fields, modal, waves, radius, plan, work)
        if m < top - m:
            _order(analyse, top - m, kind, fields, modal, waves, radius, plan, work)
