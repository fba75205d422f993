"""The Kaiser–Bessel kernel of the non-uniform FFT, and the weighting of grid values by it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike, NDArray
from scipy.special import i0e

from co2net_phys.solvers.threads import share_threads

Array = NDArray[np.float64]


@dataclass(frozen=True)
class KaiserBessel:
    """φ(x) = I₀(β √(1 − (2x/w)²)) / I₀(β) for |x| ≤ w/2, x in steps of a grid oversampled by two.

    Args:
        width: w, the number of grid points under the kernel, even.

    Reference: Beatty, Nishimura and Pauly (2005), doi:10.1109/TMI.2005.848376, for β.
    """

    width: int

    @classmethod
    def for_tolerance(cls, tolerance: float) -> "KaiserBessel":
        """The narrowest kernel of even width whose error in two dimensions is ``tolerance``.

        It is 5 · 10^{−w} of the size of the field at most, measured on random fields; even widths
        fill the vector registers.
        """
        return cls(2 * math.ceil(0.5 * math.log10(5.0 / tolerance)))

    @property
    def shape(self) -> float:
        """β, dimensionless."""
        return math.pi * math.sqrt((0.75 * self.width) ** 2 - 0.8)

    def __call__(self, x: ArrayLike) -> Array:
        """φ at ``x``, in grid steps."""
        inside = np.maximum(1.0 - (2.0 * np.asarray(x) / self.width) ** 2, 0.0)
        argument = self.shape * np.sqrt(inside)
        # i0e(a) = e^{−a} I₀(a) does not overflow.
        values = i0e(argument) / i0e(self.shape) * np.exp(argument - self.shape)
        return np.where(2.0 * np.abs(x) <= self.width, values, 0.0)

    def transform(self, frequency: ArrayLike) -> Array:
        """∫ φ(x) e^{−2πi f x} dx at frequencies f in cycles per grid step, |f| < 1/4 or so."""
        phase = np.pi * self.width * np.asarray(frequency, dtype=np.float64)
        root = np.sqrt(self.shape**2 - phase**2)
        scale = self.width / (i0e(self.shape) * np.exp(self.shape))
        return np.asarray(scale * np.sinh(root) / root)

    @cached_property
    def polynomials(self) -> Array:
        """(degree + 1, w) coefficients, highest power first, of φ between neighbouring points.

        Column j is φ(−w/2 + j + (t + 1)/2) in powers of t in [−1, 1]; fitted at Chebyshev nodes,
        where degree w + 1 is well below the error of the kernel itself.
        """
        degree = self.width + 1
        t = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        x = -self.width / 2 + np.arange(self.width) + (t[:, None] + 1.0) / 2
        chebyshev = np.polynomial.chebyshev.chebfit(t, self(x), degree)
        powers = [np.polynomial.chebyshev.cheb2poly(column) for column in chebyshev.T]
        return np.ascontiguousarray(np.stack(powers, axis=1)[::-1])


def gather(fields: Array, row: Array, column: Array, kernel: KaiserBessel) -> Array:
    """Σ_ij φ(i − row) φ(j − column) fields[b, i, j] at n points, (b, n).

    Args:
        fields: (b, rows, columns); each point must be w/2 away from the edges.
        row: (n,) fractional position.
        column: (n,) likewise.
        kernel: φ.
    """
    share_threads()
    values = np.empty((fields.shape[0], row.size))
    _compiled(kernel.width)(fields, row, column, kernel.polynomials, values)
    return values


@lru_cache
def _compiled(width: int) -> Callable[..., None]:
    """The loop over points, with the sizes known to the compiler, which then vectorises it."""
    half, degree = width // 2, width + 1

    @njit(cache=True, parallel=True, fastmath=True)
    def gather_points(
        fields: Array, row: Array, column: Array, polynomials: Array, values: Any
    ) -> None:
        count, block = row.size, 256
        for start in prange((count + block - 1) // block):
            by_row, by_column, along = np.empty(width), np.empty(width), np.empty(width)
            for n in range(start * block, min((start + 1) * block, count)):
                first_row = math.ceil(row[n]) - half
                first_column = math.ceil(column[n]) - half
                t_row = 2.0 * (first_row + half - row[n]) - 1.0
                t_column = 2.0 * (first_column + half - column[n]) - 1.0
                for j in range(width):
                    above = beside = polynomials[0, j]
                    for power in range(1, degree + 1):
                        above = above * t_row + polynomials[power, j]
                        beside = beside * t_column + polynomials[power, j]
                    by_row[j], by_column[j] = above, beside
                for b in range(fields.shape[0]):
                    # Column by column first: the inner loop then needs no sum across lanes.
                    for j in range(width):
                        along[j] = 0.0
                    for i in range(width):
                        for j in range(width):
                            along[j] += by_row[i] * fields[b, first_row + i, first_column + j]
                    total = 0.0
                    for j in range(width):
                        total += along[j] * by_column[j]
                    values[b, n] = total

    return gather_points
