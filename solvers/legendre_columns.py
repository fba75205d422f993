"""Between the coefficients of an order and the planes that the Legendre kernels sum.

A field of order m is held as four planes: real and imaginary part of the even degrees m + 2j, then
of the odd ones m + 2j + 1. A plane is a run over j of length ``room`` with a register of zeros
before j = 0; it is worked on a register at a time, so that the kernels' last register may hold
what is beyond the truncation, which the zeros in the tables of ``LegendrePlan.folds`` remove.

    f_j = s_j (ε_{n} a_{m+2j} + ε_{n+1} a_{m+2j+2}),   s_j a_{m+2j+1},        n = m + 2j + 1

are the coefficients of q_j; the adjoint takes sums over latitude of q_j to those of P_lm. For
vectors, in Q_lm = P_lm/cos θ,

    im a_lm P_lm / cos θ = im a_lm Q_lm,
    dP_lm/dθ = (l + 1) ε_l Q_{l−1,m} − l ε_{l+1} Q_{l+1,m},    dP_l0/dθ = −√(l(l+1)) P_l1.
"""

import math
from typing import Any

from numba import njit

from co2net_phys.solvers.lanes import load, splat, store, totals


@njit(cache=True, forceinline=True, error_model="numpy")
def read_planes(
    modal: Any, at: int, low: int, top: int, c: float, d: float, planes: Any, room: int
) -> None:
    """(c + id) a_l of l = ``low``…``top``, whose first is at ``modal[at + 2 low]``."""
    w = 64 // planes.itemsize
    count = (top - low + 2) // 2
    for plane in range(4):  # what a longer order left behind must not be read as a degree T + 1
        end = plane * room + w + max(count - 1, 0)
        planes[end : min(end + w + 2, (plane + 1) * room)] = 0.0
    at += 2 * low
    for j in range(w, w + (top - low + 1) // 2):
        a, b, e, f = modal[at], modal[at + 1], modal[at + 2], modal[at + 3]
        planes[j] = c * a - d * b
        planes[j + room] = c * b + d * a
        planes[j + 2 * room] = c * e - d * f
        planes[j + 3 * room] = c * f + d * e
        at += 4
    if (top - low) % 2 == 0:
        j = w + (top - low) // 2
        planes[j] = c * modal[at] - d * modal[at + 1]
        planes[j + room] = c * modal[at + 1] + d * modal[at]


@njit(cache=True, forceinline=True, error_model="numpy")
def write_planes(
    planes: Any, room: int, modal: Any, at: int, low: int, top: int, c: float, d: float
) -> None:
    """Reverse of :func:`read_planes`, times c + id; degrees below ``low`` are zero."""
    w = 64 // planes.itemsize
    modal[at : at + 2 * low] = 0.0
    at += 2 * low
    for j in range(w, w + (top - low + 1) // 2):
        a, b = planes[j], planes[j + room]
        e, f = planes[j + 2 * room], planes[j + 3 * room]
        modal[at] = c * a - d * b
        modal[at + 1] = c * b + d * a
        modal[at + 2] = c * e - d * f
        modal[at + 3] = c * f + d * e
        at += 4
    if (top - low) % 2 == 0:
        j = w + (top - low) // 2
        modal[at] = c * planes[j] - d * planes[j + room]
        modal[at + 1] = c * planes[j + room] + d * planes[j]


@njit(cache=True, forceinline=True, error_model="numpy")
def scale_meridional(planes: Any, room: int, low: int, top: int, sign: float) -> None:
    """Times ``sign`` √(l(l+1)), degrees ``low``…``top``: order zero of a vector."""
    w = 64 // planes.itemsize
    for l in range(low, top + 1):
        i = w + (l - low) // 2 + 2 * room * ((l - low) % 2)
        slope = sign * math.sqrt(l * (l + 1.0))
        planes[i] *= slope
        planes[i + room] *= slope


@njit(cache=True, forceinline=True, error_model="numpy")
def fold(planes: Any, room: int, count: int, folds: Any, f: int, length: int, coefs: Any) -> None:
    """Coefficients of q_j, without the register before, from those of P."""
    w = 64 // planes.itemsize
    for j in range(0, count, w):
        g, h, s = load(folds, f + j), load(folds, f + length + j), load(folds, f + 2 * length + j)
        for part in range(2):
            i = w + j + part * room
            even = g * load(planes, i) + h * load(planes, i + 1)
            store(coefs, j + part * room, even)
            store(coefs, j + (part + 2) * room, s * load(planes, i + 2 * room))


@njit(cache=True, forceinline=True, error_model="numpy")
def fold_times_im(
    planes: Any, room: int, count: int, m: int, folds: Any, f: int, length: int, coefs: Any
) -> None:
    """Like :func:`fold`, times im: the derivative by longitude."""
    w = 64 // planes.itemsize
    for j in range(0, count, w):
        g, h, s = load(folds, f + j), load(folds, f + length + j), load(folds, f + 2 * length + j)
        for part in range(2):
            factor = splat(planes, m - 2 * m * part)
            i, to = w + j + part * room, j + (1 - part) * room
            even = g * load(planes, i) + h * load(planes, i + 1)
            store(coefs, to, factor * even)
            store(coefs, to + 2 * room, factor * (s * load(planes, i + 2 * room)))


@njit(cache=True, forceinline=True, error_model="numpy")
def meridional_derivative(
    planes: Any, room: int, count: int, folds: Any, f: int, length: int, result: Any
) -> None:
    """Coefficients of Q_n in Σ a_l dP_l/dθ: (n + 2) ε_{n+1} a_{n+1} − (n − 1) ε_n a_{n−1}."""
    w = 64 // planes.itemsize
    for j in range(0, count, w):
        t = f + j
        up_even, down_even = load(folds, t + 3 * length), load(folds, t + 4 * length + 1)
        up_odd, down_odd = load(folds, t + 5 * length - 1), load(folds, t + 6 * length)
        for part in range(2):
            even = w + j + part * room
            odd = even + 2 * room
            store(result, even, down_odd * load(planes, odd) - up_odd * load(planes, odd - 1))
            store(result, odd, down_even * load(planes, even + 1) - up_even * load(planes, even))
    end = w + -(-count // w) * w
    result[end : end + 1] = 0.0  # read with the last register, and perhaps left from a longer order
    result[room + end : room + end + 1] = 0.0


@njit(cache=True, forceinline=True, error_model="numpy")
def unfold(
    sums: Any, plane: int, room: int, count: int, folds: Any, f: int, length: int, planes: Any
) -> None:
    """Adjoint of :func:`fold` for four planes of ``sums`` from ``plane`` on, with their lanes."""
    w = 64 // planes.itemsize
    for part in range(2):
        even = (plane + part) * room * w
        odd = even + 2 * room * w
        to = w + part * room
        for j in range(0, count, w):
            store(planes, to + j, totals(sums, even + j * w))
            scale = load(folds, f + 2 * length + j)
            store(planes, to + 2 * room + j, scale * totals(sums, odd + j * w))
        # A sum goes to its own degree and to the next but one; from the end, to work in place.
        for j in range((count - 1) // w * w, -1, -w):
            value, before = load(planes, to + j), load(planes, to + j - 1)
            own = load(folds, f + j) * value
            store(planes, to + j, own + load(folds, f + length + j - 1) * before)


@njit(cache=True, forceinline=True, error_model="numpy")
def divergence_planes(
    east: Any, north: Any, room: int, count: int, m: int, folds: Any, f: int, length: int
) -> None:
    """Replaces U, ``east``, by im U_l − (l + 1) ε_l V_{l−1} + l ε_{l+1} V_{l+1}."""
    w = 64 // east.itemsize
    factor = splat(east, m)
    for j in range(0, count, w):
        t = f + j
        up_even, down_even = load(folds, t + 3 * length), load(folds, t + 4 * length)
        up_odd, down_odd = load(folds, t + 5 * length), load(folds, t + 6 * length)
        for parity in range(2):
            re, im = w + j + 2 * room * parity, w + j + 2 * room * parity + room
            a, b = load(east, re), load(east, im)
            i = w + j + 2 * room * (1 - parity)
            if parity == 0:
                c = up_even * load(north, i) - down_even * load(north, i - 1)
                d = up_even * load(north, i + room) - down_even * load(north, i + room - 1)
            else:
                c = up_odd * load(north, i + 1) - down_odd * load(north, i)
                d = up_odd * load(north, i + room + 1) - down_odd * load(north, i + room)
            store(east, re, c - factor * b)
            store(east, im, d + factor * a)
