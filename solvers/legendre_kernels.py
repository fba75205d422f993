"""The Legendre sums on the processor: recurrences on the fly, north and south folded, threaded.

For order m let r_j = P_{m+2j+1,m}(x)/x, even in x = sin θ. With ε_n = √((n² − m²)/(4n² − 1)),

    x P_n = ε_{n+1} P_{n+1} + ε_n P_{n−1}                                 gives
    P_{m+2j} = ε_{m+2j+1} r_j + ε_{m+2j} r_{j−1},     P_{m+2j+1} = x r_j,
    ε_{n+1} ε_{n+2} r_{j+1} = (x² − ε_{n+1}² − ε_n²) r_j − ε_n ε_{n−1} r_{j−1},  n = m + 2j + 1,

so that one sequence r_j carries both parities (Ishioka 2018, doi:10.2151/jmsj.2018-019). Written
as r_j = s_j q_j it costs two fused operations per two degrees: q_{j+1} = (A_j x² + B_j) q_j +
q_{j−1}. The scales and the ε are folded into the coefficients before the sum, or after it.

A sum starts where |P_lm| first exceeds a threshold far below round-off: near the poles most
degrees are skipped, and no power of cos θ can underflow (see ``legendre_plan``).

Arrays are flat. Coefficients are (4 or 8, j): real and imaginary part, of the even then of the odd
degrees, of one or of two fields; a plane of all j has ``room``. Waves are (field, block of
latitudes, m, 4, lane): real and imaginary part of the Fourier coefficient on northern latitudes,
then on the southern ones that mirror them. ``r``, ``i``, ``k``, ``f`` and ``weights`` are where the
ratios of the order and, for the block, the starting values, sines, factors and weights begin. The
kernels take two blocks, whose sums start at j = ``first`` and, nearer the pole, ``second``.
"""

from typing import Any

from numba import njit

from co2net_phys.solvers.lanes import broadcast, load, splat, store, zero


@njit(cache=True, inline="always")
def _store_both(
    waves: Any, at: int, scale: Any, x: Any, even_real: Any, even_imag: Any, odd_real: Any,
    odd_imag: Any
) -> None:  # fmt: skip
    """Northern and southern wave from the sums over even and over odd degrees."""
    w = 64 // waves.itemsize
    store(waves, at, scale * (even_real + x * odd_real))
    store(waves, at + w, scale * (even_imag + x * odd_imag))
    store(waves, at + 2 * w, scale * (even_real - x * odd_real))
    store(waves, at + 3 * w, scale * (even_imag - x * odd_imag))


@njit(cache=True, inline="always")
def _fold_both(waves: Any, at: int, weight: Any, x: Any) -> Any:
    """Adjoint of :func:`_store_both`: real and imaginary part that even, then odd degrees see."""
    w = 64 // waves.itemsize
    north_real, south_real = weight * load(waves, at), weight * load(waves, at + 2 * w)
    north_imag, south_imag = weight * load(waves, at + w), weight * load(waves, at + 3 * w)
    odd_real, odd_imag = x * (north_real - south_real), x * (north_imag - south_imag)
    return north_real + south_real, north_imag + south_imag, odd_real, odd_imag


@njit(cache=True, forceinline=True, error_model="numpy")
def sum_degrees(
    coefficients: Any, room: int, ratios: Any, r: int, first: int, second: int, last: int,
    starts: Any, i: int, nodes: Any, k: int, f: int, scale: float, waves: Any, at: int,
    stride: int
) -> None:  # fmt: skip
    """Waves of one field on two blocks of latitudes, ``scale`` Σ_j to ``last``."""
    w = 64 // coefficients.itemsize
    x, y = load(nodes, k), load(nodes, k + w)
    xx, yy = x * x, y * y
    a, b = load(nodes, f), load(nodes, f + w)
    p0, p1 = a * load(starts, i), a * load(starts, i + w)
    q0, q1 = b * load(starts, i + 2 * w), b * load(starts, i + 3 * w)
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = zero(coefficients)
    for j in range(first, min(second, last)):
        e, d = broadcast(coefficients, j), broadcast(coefficients, j + room)
        a0, a1 = a0 + e * p1, a1 + d * p1
        e, d = broadcast(coefficients, j + 2 * room), broadcast(coefficients, j + 3 * room)
        a2, a3 = a2 + e * p1, a3 + d * p1
        slope, shift = broadcast(ratios, r + 2 * j), broadcast(ratios, r + 2 * j + 1)
        p0, p1 = p1, (slope * xx + shift) * p1 + p0
    for j in range(second, last):
        e, d = broadcast(coefficients, j), broadcast(coefficients, j + room)
        a0, a1, b0, b1 = a0 + e * p1, a1 + d * p1, b0 + e * q1, b1 + d * q1
        e, d = broadcast(coefficients, j + 2 * room), broadcast(coefficients, j + 3 * room)
        a2, a3, b2, b3 = a2 + e * p1, a3 + d * p1, b2 + e * q1, b3 + d * q1
        slope, shift = broadcast(ratios, r + 2 * j), broadcast(ratios, r + 2 * j + 1)
        p0, p1 = p1, (slope * xx + shift) * p1 + p0
        q0, q1 = q1, (slope * yy + shift) * q1 + q0
    z = splat(waves, scale)
    _store_both(waves, at, z, x, a0, a1, a2, a3)
    _store_both(waves, at + stride, z, y, b0, b1, b2, b3)


@njit(cache=True, forceinline=True, error_model="numpy")
def sum_degrees_of_two(
    coefficients: Any, room: int, ratios: Any, r: int, first: int, second: int, last: int,
    starts: Any, i: int, nodes: Any, k: int, f: int, scale: float, waves: Any, at: int,
    stride: int,
    next_field: int
) -> None:  # fmt: skip
    """Like :func:`sum_degrees` for two fields that share the recurrence."""
    w = 64 // coefficients.itemsize
    x, y = load(nodes, k), load(nodes, k + w)
    xx, yy = x * x, y * y
    a, b = load(nodes, f), load(nodes, f + w)
    p0, p1 = a * load(starts, i), a * load(starts, i + w)
    q0, q1 = b * load(starts, i + 2 * w), b * load(starts, i + 3 * w)
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = zero(coefficients)
    b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = zero(coefficients)
    for j in range(first, min(second, last)):
        e, d = broadcast(coefficients, j), broadcast(coefficients, j + room)
        a0, a1 = a0 + e * p1, a1 + d * p1
        e, d = broadcast(coefficients, j + 2 * room), broadcast(coefficients, j + 3 * room)
        a2, a3 = a2 + e * p1, a3 + d * p1
        e, d = broadcast(coefficients, j + 4 * room), broadcast(coefficients, j + 5 * room)
        a4, a5 = a4 + e * p1, a5 + d * p1
        e, d = broadcast(coefficients, j + 6 * room), broadcast(coefficients, j + 7 * room)
        a6, a7 = a6 + e * p1, a7 + d * p1
        slope, shift = broadcast(ratios, r + 2 * j), broadcast(ratios, r + 2 * j + 1)
        p0, p1 = p1, (slope * xx + shift) * p1 + p0
    for j in range(second, last):
        e, d = broadcast(coefficients, j), broadcast(coefficients, j + room)
        a0, a1, b0, b1 = a0 + e * p1, a1 + d * p1, b0 + e * q1, b1 + d * q1
        e, d = broadcast(coefficients, j + 2 * room), broadcast(coefficients, j + 3 * room)
        a2, a3, b2, b3 = a2 + e * p1, a3 + d * p1, b2 + e * q1, b3 + d * q1
        e, d = broadcast(coefficients, j + 4 * room), broadcast(coefficients, j + 5 * room)
        a4, a5, b4, b5 = a4 + e * p1, a5 + d * p1, b4 + e * q1, b5 + d * q1
        e, d = broadcast(coefficients, j + 6 * room), broadcast(coefficients, j + 7 * room)
        a6, a7, b6, b7 = a6 + e * p1, a7 + d * p1, b6 + e * q1, b7 + d * q1
        slope, shift = broadcast(ratios, r + 2 * j), broadcast(ratios, r + 2 * j + 1)
        p0, p1 = p1, (slope * xx + shift) * p1 + p0
        q0, q1 = q1, (slope * yy + shift) * q1 + q0
    z = splat(waves, scale)
    _store_both(waves, at, z, x, a0, a1, a2, a3)
    _store_both(waves, at + stride, z, y, b0, b1, b2, b3)
    at += next_field
    _store_both(waves, at, z, x, a4, a5, a6, a7)
    _store_both(waves, at + stride, z, y, b4, b5, b6, b7)


@njit(cache=True, forceinline=True, error_model="numpy")
def sum_latitudes(
    sums: Any, room: int, ratios: Any, r: int, first: int, second: int, last: int, starts: Any,
    i: int, nodes: Any, k: int, f: int, weights: int, waves: Any, at: int, stride: int
) -> None:  # fmt: skip
    """Adjoint of :func:`sum_degrees`: adds to ``sums`` (4, j, lane) for two blocks."""
    w = 64 // sums.itemsize
    plane = w * room
    x, y = load(nodes, k), load(nodes, k + w)
    xx, yy = x * x, y * y
    a, b = load(nodes, f), load(nodes, f + w)
    p0, p1 = a * load(starts, i), a * load(starts, i + w)
    q0, q1 = b * load(starts, i + 2 * w), b * load(starts, i + 3 * w)
    a, b = load(nodes, weights), load(nodes, weights + w)
    a0, a1, a2, a3 = _fold_both(waves, at, a, x)
    b0, b1, b2, b3 = _fold_both(waves, at + stride, b, y)
    for j in range(first, min(second, last)):
        c = w * j
        store(sums, c, a0 * p1 + load(sums, c))
        store(sums, c + plane, a1 * p1 + load(sums, c + plane))
        store(sums, c + 2 * plane, a2 * p1 + load(sums, c + 2 * plane))
        store(sums, c + 3 * plane, a3 * p1 + load(sums, c + 3 * plane))
        slope, shift = broadcast(ratios, r + 2 * j), broadcast(ratios, r + 2 * j + 1)
        p0, p1 = p1, (slope * xx + shift) * p1 + p0
    for j in range(second, last):
        c = w * j
        store(sums, c, a0 * p1 + (b0 * q1 + load(sums, c)))
        store(sums, c + plane, a1 * p1 + (b1 * q1 + load(sums, c + plane)))
        store(sums, c + 2 * plane, a2 * p1 + (b2 * q1 + load(sums, c + 2 * plane)))
        store(sums, c + 3 * plane, a3 * p1 + (b3 * q1 + load(sums, c + 3 * plane)))
        slope, shift = broadcast(ratios, r + 2 * j), broadcast(ratios, r + 2 * j + 1)
        p0, p1 = p1, (slope * xx + shift) * p1 + p0
        q0, q1 = q1, (slope * yy + shift) * q1 + q0


@njit(cache=True, forceinline=True, error_model="numpy")
def sum_latitudes_of_two(
    sums: Any, room: int, ratios: Any, r: int, first: int, second: int, last: int, starts: Any,
    i: int, nodes: Any, k: int, f: int, weights: int, waves: Any, at: int, stride: int,
    next_field: int
) -> None:  # fmt: skip
    """Adjoint of :func:`sum_degrees_of_two`: adds to ``sums`` (8, j, lane)."""
    w = 64 // sums.itemsize
    plane = w * room
    x, y = load(nodes, k), load(nodes, k + w)
    xx, yy = x * x, y * y
    a, b = load(nodes, f), load(nodes, f + w)
    p0, p1 = a * load(starts, i), a * load(starts, i + w)
    q0, q1 = b * load(starts, i + 2 * w), b * load(starts, i + 3 * w)
    a, b = load(nodes, weights), load(nodes, weights + w)
    a0, a1, a2, a3 = _fold_both(waves, at, a, x)
    b0, b1, b2, b3 = _fold_both(waves, at + stride, b, y)
    a4, a5, a6, a7 = _fold_both(waves, at + next_field, a, x)
    b4, b5, b6, b7 = _fold_both(waves, at + next_field + stride, b, y)
    for j in range(first, min(second, last)):
        c = w * j
        store(sums, c, a0 * p1 + load(sums, c))
        store(sums, c + plane, a1 * p1 + load(sums, c + plane))
        store(sums, c + 2 * plane, a2 * p1 + load(sums, c + 2 * plane))
        store(sums, c + 3 * plane, a3 * p1 + load(sums, c + 3 * plane))
        store(sums, c + 4 * plane, a4 * p1 + load(sums, c + 4 * plane))
        store(sums, c + 5 * plane, a5 * p1 + load(sums, c + 5 * plane))
        store(sums, c + 6 * plane, a6 * p1 + load(sums, c + 6 * plane))
        store(sums, c + 7 * plane, a7 * p1 + load(sums, c + 7 * plane))
        slope, shift = broadcast(ratios, r + 2 * j), broadcast(ratios, r + 2 * j + 1)
        p0, p1 = p1, (slope * xx + shift) * p1 + p0
    for j in range(second, last):
        c = w * j
        store(sums, c, a0 * p1 + (b0 * q1 + load(sums, c)))
        store(sums, c + plane, a1 * p1 + (b1 * q1 + load(sums, c + plane)))
        store(sums, c + 2 * plane, a2 * p1 + (b2 * q1 + load(sums, c + 2 * plane)))
        store(sums, c + 3 * plane, a3 * p1 + (b3 * q1 + load(sums, c + 3 * plane)))
        store(sums, c + 4 * plane, a4 * p1 + (b4 * q1 + load(sums, c + 4 * plane)))
        store(sums, c + 5 * plane, a5 * p1 + (b5 * q1 + load(sums, c + 5 * plane)))
        store(sums, c + 6 * plane, a6 * p1 + (b6 * q1 + load(sums, c + 6 * plane)))
        store(sums, c + 7 * plane, a7 * p1 + (b7 * q1 + load(sums, c + 7 * plane)))
        slope, shift = broadcast(ratios, r + 2 * j), broadcast(ratios, r + 2 * j + 1)
        p0, p1 = p1, (slope * xx + shift) * p1 + p0
        q0, q1 = q1, (slope * yy + shift) * q1 + q0
