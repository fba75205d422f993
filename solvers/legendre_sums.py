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


@njit(cache=True, forceinline=True, error_model="numpy")
def _coefficients(
    kind: int, m: int, order: int, top: int, count: int, pair: bool, modal: Any, at: int,
    next_field: int, c: float, d: float, folds: Any, f: int, length: int, one: Any, two: Any,
    coefs: Any, more: Any, room: int,
) -> None:  # fmt: skip
    """Planes of one or two scalars, or of the two components of a gradient, folded."""
    read_planes(modal, at, order, top, c, d, one, room)
    if kind == SCALAR:
        fold(one, room, count, folds, f, length, coefs)
        if pair:
            read_planes(modal, at + next_field, m, top, c, d, one, room)
            fold(one, room, count, folds, f, length, more)
    elif m == 0:
        scale_meridional(one, room, order, top, -1.0)
        coefs[: 4 * room] = 0.0
        fold(one, room, count, folds, f, length, more)
    else:
        fold_times_im(one, room, count, m, folds, f, length, coefs)
        meridional_derivative(one, room, count, folds, f, length, two)
        fold(two, room, count, folds, f, length, more)


@njit(cache=True, forceinline=True, error_model="numpy")
def _results(
    kind: int, m: int, order: int, top: int, count: int, pair: bool, modal: Any, at: int,
    next_field: int, c: float, d: float, folds: Any, f: int, length: int, one: Any, two: Any,
    sums: Any, room: int,
) -> None:  # fmt: skip
    """Adjoint of :func:`_coefficients`: modal coefficients from the sums over latitude."""
    unfold(sums, 0, room, count, folds, f, length, one)
    if pair:
        unfold(sums, 4, room, count, folds, f, length, two)
    if kind == SCALAR:
        write_planes(one, room, modal, at, m, top, c, -d)
        if pair:
            write_planes(two, room, modal, at + next_field, m, top, c, -d)
    elif m == 0:
        scale_meridional(two, room, order, top, 1.0)
        write_planes(two, room, modal, at, order, top, c, -d)
    else:
        divergence_planes(one, two, room, count, m, folds, f, length)
        write_planes(one, room, modal, at, order, top, c, -d)


@njit(cache=True, forceinline=True, error_model="numpy")
def _synthesise(
    pair: bool, coefs: Any, room: int, ratios: Any, r: int, order: int, count: int, firsts: Any,
    starts: Any, nodes: Any, factors: int, scale: float, waves: Any, at: int, stride: int,
    next_wave: int,
) -> None:  # fmt: skip
    """All blocks of one or two waves of an order."""
    w = 64 // coefs.itemsize
    blocks = firsts.shape[1]
    for b in range(0, blocks, 2):
        to, first, second = at + b * stride, firsts[order, b], firsts[order, b + 1]
        s, k = 2 * w * (order * blocks + b), w * b
        if pair:
            sum_degrees_of_two(
                coefs, room, ratios, r, first, second, count, starts, s, nodes, k, k + factors,
                scale, waves, to, stride, next_wave,
            )  # fmt: skip
        else:
            sum_degrees(
                coefs, room, ratios, r, first, second, count, starts, s, nodes, k, k + factors,
                scale, waves, to, stride,
            )  # fmt: skip


@njit(cache=True, forceinline=True, error_model="numpy")
def _analyse(
    pair: bool, sums: Any, room: int, ratios: Any, r: int, order: int, count: int, firsts: Any,
    starts: Any, nodes: Any, factors: int, waves: Any, at: int, stride: int, next_wave: int,
) -> None:  # fmt: skip
    """Adjoint of :func:`_synthesise`: sums over all blocks, with their lanes."""
    w = 64 // sums.itemsize
    blocks, weights, filled = firsts.shape[1], nodes.size // 4, -(-count // w) * w * w
    for plane in range(8 if pair else 4):
        sums[plane * room * w : plane * room * w + filled] = 0.0
    for b in range(0, blocks, 2):
        to, first, second = at + b * stride, firsts[order, b], firsts[order, b + 1]
        s, k = 2 * w * (order * blocks + b), w * b
        if first >= count:
            continue
        if pair:
            sum_latitudes_of_two(
                sums, room, ratios, r, first, second, count, starts, s, nodes, k, k + factors,
                k + weights, waves, to, stride, next_wave,
            )  # fmt: skip
        else:
            sum_latitudes(
                sums, room, ratios, r, first, second, count, starts, s, nodes, k, k + factors,
                k + weights, waves, to, stride,
            )  # fmt: skip


@njit(cache=True, error_model="numpy")
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
    # Arrays are taken out of the plan, and cut, once: each time costs an atomic count of owners.
    ratio_begin, ratios, folds = plan.ratio_begin, plan.ratios, plan.folds
    fold_begin, firsts, starts = plan.fold_begin, plan.first, plan.starts
    nodes, phases = plan.nodes, plan.phases
    size, w = firsts.shape[0], 64 // work.itemsize
    room, latitudes = work.size // (16 + 8 * w), nodes.size // 4
    one, two, coefs = work[: 4 * room], work[4 * room : 8 * room], work[8 * room : 16 * room]
    more, sums = coefs[4 * room :], work[16 * room :]
    stride, next_field = 4 * w * size, 2 * size * size
    next_wave = latitudes // w * stride
    if kind == VECTOR and size == 1:  # T = 0 has no gradient
        (modal if analyse else waves)[:] = 0.0
        return
    for i in range(size):
        if i // 2 % threads != t:
            continue
        m = size - 1 - i // 2 if i % 2 else i // 2  # 0, T, 1, T − 1, …
        order = max(m, 1) if kind == VECTOR else m
        scale = 1.0 / radius if kind == VECTOR else 1.0
        c, d = phases[m, 0], phases[m, 1]
        count, r = (size + kind - 2 - order) // 2 + 1, 2 * ratio_begin[order]
        length, f = (fold_begin[order + 1] - fold_begin[order]) // 7, fold_begin[order] + w
        factors = (3 if kind == VECTOR and m > 0 else 2) * latitudes
        for wave in range(0, fields * kind, 2):
            pair = wave + 1 < fields * kind
            field, at = next_field * (wave // kind) + 2 * size * m, wave * next_wave + 4 * w * m
            if analyse:
                _analyse(
                    pair, sums, room, ratios, r, order, count, firsts, starts, nodes, factors,
                    waves, at, stride, next_wave,
                )  # fmt: skip
                _results(
                    kind, m, order, size - 1, count, pair, modal, field, next_field, scale * c,
                    scale * d, folds,
                    f, length, one, two, sums, room,
                )  # fmt: skip
            else:
                _coefficients(
                    kind, m, order, size - 1, count, pair, modal, field, next_field, c, d, folds,
                    f, length, one, two, coefs, more, room,
                )  # fmt: skip
                _synthesise(
                    pair, coefs, room, ratios, r, order, count, firsts, starts, nodes, factors,
                    scale, waves, at, stride, next_wave,
                )  # fmt: skip
