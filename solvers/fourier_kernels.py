"""Discrete Fourier transforms along longitude, a register of latitudes at a time.

Stockham's autosort algorithm: a transform of length n = r m with s interleaved sequences is

    y[q + s (r p + k)] = ω_n^{pk} Σ_t ω_r^{kt} x[q + s (p + m t)],    ω_n = e^{−2πi/n},

followed by r m' = m with s r sequences, and no bit reversal; Van Loan (1992), Computational
Frameworks for the Fast Fourier Transform, doi:10.1137/1.9781611970999, section 1.7. A buffer is
flat: (longitude, 2, lane), real then imaginary part. All sequences are complex: two real ones are
carried as real and imaginary part. Only the forward sign is coded; exchanging real and imaginary
part before and after makes it the backward one.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from co2net_phys.solvers.lanes import broadcast, load, store

RADICES = (8, 4, 5, 3, 2)
"""Those with code of their own; any other prime factor r costs of the order of r² per group."""


def radices(length: int) -> tuple[int, ...]:
    """Factors whose product is ``length``, in the order in which they are transformed."""
    factors: list[int] = []
    for radix in RADICES:
        while length % radix == 0:
            factors.append(radix)
            length //= radix
    divisor = 7
    while length > 1:
        while length % divisor == 0:
            factors.append(divisor)
            length //= divisor
        divisor += 2
    return tuple(factors)


def twiddles(length: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Radices and, for each in turn, e^{−2πi pk/n} as (p, k = 1…r−1, 2) flattened, then ω_r^k."""
    factors, tables = radices(length), []
    n = length
    for radix in factors:
        p, k = np.arange(n // radix)[:, None], np.arange(1, radix)[None, :]
        tables += [_roots_of_unity(p * k, n).ravel(), _roots_of_unity(np.arange(radix), radix)]
        n //= radix
    table = np.concatenate([np.ones(1, dtype=np.complex128), *tables])
    return np.array(factors, dtype=np.int64), table.view(np.float64)


def _roots_of_unity(power: NDArray[np.int64], n: int) -> NDArray[np.complex128]:
    """e^{−2πi power/n} to the last digit, from an angle of at most π/4.

    Round-off in a larger angle would turn every circle of latitude the same way, and so not average
    out of a global mean.
    """
    quarters = (8 * power + n) // (2 * n)  # nearest multiple of π/2
    angle = np.pi / 2 * ((4 * power - quarters * n) / n)
    root = np.cos(angle) - 1j * np.sin(angle)
    turned = np.array([1.0, -1j, -1.0, 1j])[quarters % 4] * root
    return np.asarray(turned)


@njit(cache=True, error_model="numpy")
def _radix2(x: Any, y: Any, m: int, s: int, table: Any, at: int) -> None:
    w = 64 // x.itemsize
    for p in range(m):
        c1, d1 = broadcast(table, at), broadcast(table, at + 1)
        at += 2
        for q in range(s):
            i, o = 2 * w * (q + s * p), 2 * w * (q + 2 * s * p)
            step = 2 * w * s * m
            a0, b0 = load(x, i), load(x, i + w)
            a1, b1 = load(x, i + step), load(x, i + step + w)
            step = 2 * w * s
            store(y, o, a0 + a1)
            store(y, o + w, b0 + b1)
            a0, b0 = a0 - a1, b0 - b1
            store(y, o + step, a0 * c1 - b0 * d1)
            store(y, o + step + w, a0 * d1 + b0 * c1)


@njit(cache=True, error_model="numpy")
def _radix4(x: Any, y: Any, m: int, s: int, table: Any, at: int) -> None:
    w = 64 // x.itemsize
    for p in range(m):
        c1, d1 = broadcast(table, at), broadcast(table, at + 1)
        c2, d2 = broadcast(table, at + 2), broadcast(table, at + 3)
        c3, d3 = broadcast(table, at + 4), broadcast(table, at + 5)
        at += 6
        for q in range(s):
            i, o = 2 * w * (q + s * p), 2 * w * (q + 4 * s * p)
            step = 2 * w * s * m
            a0, b0 = load(x, i), load(x, i + w)
            a1, b1 = load(x, i + step), load(x, i + step + w)
            a2, b2 = load(x, i + 2 * step), load(x, i + 2 * step + w)
            a3, b3 = load(x, i + 3 * step), load(x, i + 3 * step + w)
            a0, b0, a2, b2 = a0 + a2, b0 + b2, a0 - a2, b0 - b2
            a1, b1, a3, b3 = a1 + a3, b1 + b3, b1 - b3, a3 - a1  # the difference times −i
            step = 2 * w * s
            store(y, o, a0 + a1)
            store(y, o + w, b0 + b1)
            a0, b0 = a0 - a1, b0 - b1
            a1, b1, a2, b2 = a2 + a3, b2 + b3, a2 - a3, b2 - b3
            store(y, o + step, a1 * c1 - b1 * d1)
            store(y, o + step + w, a1 * d1 + b1 * c1)
            store(y, o + 2 * step, a0 * c2 - b0 * d2)
            store(y, o + 2 * step + w, a0 * d2 + b0 * c2)
            store(y, o + 3 * step, a2 * c3 - b2 * d3)
            store(y, o + 3 * step + w, a2 * d3 + b2 * c3)


@njit(cache=True, error_model="numpy")
def _radix8(x: Any, y: Any, m: int, s: int, table: Any, at: int) -> None:
    w = 64 // x.itemsize
    h = broadcast(table, at + 14 * m + 2)  # cos(π/4)
    for p in range(m):
        for q in range(s):
            i, o = 2 * w * (q + s * p), 2 * w * (q + 8 * s * p)
            step = 2 * w * s * m
            a0, b0 = load(x, i), load(x, i + w)
            a4, b4 = load(x, i + 4 * step), load(x, i + 4 * step + w)
            a0, b0, a4, b4 = a0 + a4, b0 + b4, a0 - a4, b0 - b4
            a2, b2 = load(x, i + 2 * step), load(x, i + 2 * step + w)
            a6, b6 = load(x, i + 6 * step), load(x, i + 6 * step + w)
            a2, b2, a6, b6 = a2 + a6, b2 + b6, b2 - b6, a6 - a2
            a0, b0, a2, b2 = a0 + a2, b0 + b2, a0 - a2, b0 - b2
            a4, b4, a6, b6 = a4 + a6, b4 + b6, a4 - a6, b4 - b6
            a1, b1 = load(x, i + step), load(x, i + step + w)
            a5, b5 = load(x, i + 5 * step), load(x, i + 5 * step + w)
            a1, b1, a5, b5 = a1 + a5, b1 + b5, a1 - a5, b1 - b5
            a3, b3 = load(x, i + 3 * step), load(x, i + 3 * step + w)
            a7, b7 = load(x, i + 7 * step), load(x, i + 7 * step + w)
            a3, b3, a7, b7 = a3 + a7, b3 + b7, b3 - b7, a7 - a3
            a1, b1, a3, b3 = a1 + a3, b1 + b3, b1 - b3, a3 - a1
            a5, b5, a7, b7 = a5 + a7, b5 + b7, a5 - a7, b5 - b7
            a5, b5 = h * (a5 + b5), h * (b5 - a5)  # times e^{−iπ/4}
            a7, b7 = h * (b7 - a7), h * (a7 + b7)  # times e^{−3iπ/4}, with the sign below
            step = 2 * w * s
            store(y, o, a0 + a1)
            store(y, o + w, b0 + b1)
            _store_turned(y, o + 4 * step, a0 - a1, b0 - b1, table, at + 6)
            _store_turned(y, o + step, a4 + a5, b4 + b5, table, at)
            _store_turned(y, o + 5 * step, a4 - a5, b4 - b5, table, at + 8)
            _store_turned(y, o + 2 * step, a2 + a3, b2 + b3, table, at + 2)
            _store_turned(y, o + 6 * step, a2 - a3, b2 - b3, table, at + 10)
            _store_turned(y, o + 3 * step, a6 + a7, b6 - b7, table, at + 4)
            _store_turned(y, o + 7 * step, a6 - a7, b6 + b7, table, at + 12)
        at += 14


@njit(cache=True, inline="always")
def _store_turned(y: Any, o: int, a: Any, b: Any, table: Any, at: int) -> None:
    """y[o] = (a + ib) times the twiddle factor."""
    w = 64 // y.itemsize
    c, d = broadcast(table, at), broadcast(table, at + 1)
    store(y, o, a * c - b * d)
    store(y, o + w, a * d + b * c)


@njit(cache=True, error_model="numpy")
def _any_radix(r: int, x: Any, y: Any, m: int, s: int, table: Any, at: int) -> None:
    """By the definition, for the odd factors."""
    w = 64 // x.itemsize
    roots = at + 2 * (r - 1) * m
    for p in range(m):
        for q in range(s):
            i, o = 2 * w * (q + s * p), 2 * w * (q + r * s * p)
            for k in range(r):
                a, b = load(x, i), load(x, i + w)
                turn = 0
                for t in range(1, r):
                    turn = (turn + k) % r
                    c, d = (
                        broadcast(table, roots + 2 * turn),
                        broadcast(table, roots + 2 * turn + 1),
                    )
                    e, f = load(x, i + 2 * w * s * m * t), load(x, i + 2 * w * s * m * t + w)
                    a, b = a + (e * c - f * d), b + (e * d + f * c)
                if k > 0:
                    _store_turned(y, o + 2 * w * s * k, a, b, table, at + 2 * (k - 1))
                else:
                    store(y, o, a)
                    store(y, o + w, b)
        at += 2 * (r - 1)


@njit(cache=True, error_model="numpy")
def transform(x: Any, y: Any, factors: Any, table: Any) -> Any:
    """Forward transform of the buffer ``x``; ``y`` is as large, both are overwritten.

    Returns:
        the one that has the result, and the other.
    """
    n, s, at = 1, 1, 2
    for r in factors:
        n *= r
    for r in factors:
        m = n // r
        if r == 8:
            _radix8(x, y, m, s, table, at)
        elif r == 4:
            _radix4(x, y, m, s, table, at)
        elif r == 2:
            _radix2(x, y, m, s, table, at)
        else:
            _any_radix(r, x, y, m, s, table, at)
        at += 2 * (r - 1) * m + 2 * r
        n, s = m, s * r
        x, y = y, x
    return x, y
