"""Associated Legendre functions on given latitudes, and dense sums over degree or latitude.

The tables are real and dense in (m, l, k): a batched matrix product over m with real and imaginary
parts side by side is several times faster than a complex ``einsum``, and the half of the table
that is zero (l < m) costs less than skipping it would.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


class LegendreTables(NamedTuple):
    """Tables of shape (m, l, k), float64, of P_lm(sin θ_k), orthonormal with (−1)^m."""

    values: Tensor
    """P_lm."""
    derivative: Tensor
    """dP_lm/dθ with θ the latitude, per radian."""
    over_cosine: Tensor
    """m P_lm / cos θ, finite at the poles."""


def legendre_tables(latitude: ArrayLike, truncation: int) -> LegendreTables:
    """Tables at ``latitude`` for degrees and orders 0…``truncation``.

    With Q_lm = P_lm/cos θ and ε_l = √((l² − m²)/(4l² − 1)), from Q_mm ∝ cos^{m−1} θ by
    ε_{l+1} Q_{l+1} = sin θ Q_l − ε_l Q_{l−1}; and dP_lm/dθ = (l + 1) ε_l Q_{l−1,m} −
    l ε_{l+1} Q_{l+1,m}, which for m = 0 is −√(l(l+1)) P_l1. Nothing is divided by cos θ. Holmes and
    Featherstone (2002), doi:10.1007/s00190-002-0216-2, call this the forward column recurrence.

    Args:
        latitude: (k,) degrees north, poles allowed.
        truncation: largest degree T.
    """
    theta = np.deg2rad(np.asarray(latitude, dtype=np.float64))
    # The cosine of 90° is 6e-17 in floating point; it is zero.
    sine, cosine = np.sin(theta), np.where(np.abs(latitude) == 90.0, 0.0, np.cos(theta))
    size = truncation + 1
    order = np.arange(size, dtype=np.float64)[:, None]
    reduced = _reduced_functions(sine, cosine, max(truncation, 1))  # (m, l, k), one degree more
    degree = np.arange(size)[None, :]
    ratio = _ratio(np.arange(size + 2)[None, :], order)
    values = reduced[:size, :size] * np.where(order > 0, cosine, 1.0)[:, None, :]
    derivative = -((degree * ratio[:, 1 : size + 1])[..., None]) * reduced[:size, 1 : size + 1]
    derivative[:, 1:] += ((degree + 1) * ratio[:, :size])[:, 1:, None] * reduced[:size, : size - 1]
    slope = -np.sqrt(degree * (degree + 1.0))[0, :, None]
    derivative[0] = slope * cosine * reduced[1, :size]
    over_cosine = order[:, :, None] * reduced[:size, :size]
    return LegendreTables(*map(torch.from_numpy, (values, derivative, over_cosine)))


def _ratio(degree: NDArray[Any], order: NDArray[Any]) -> NDArray[np.float64]:
    """ε_l of degree l and order m, zero for l ≤ m."""
    square = np.maximum(degree * degree - order * order, 0.0)
    return np.asarray(np.sqrt(square / np.maximum(4.0 * degree * degree - 1.0, 1.0)))


def _reduced_functions(
    sine: NDArray[np.float64], cosine: NDArray[np.float64], truncation: int
) -> NDArray[np.float64]:
    """(m, l, k) P_l0 and, for m > 0, Q_lm, for m ≤ T and l ≤ T + 1."""
    size = truncation + 1
    table = np.zeros((size, size + 1, sine.size))
    table[0, 0] = math.sqrt(0.25 / math.pi)
    table[1, 1] = -math.sqrt(0.375 / math.pi)
    for m in range(2, size):
        table[m, m] = -math.sqrt((2 * m + 1) / (2 * m)) * cosine * table[m - 1, m - 1]
    order = np.arange(size)[:, None]
    ratio = _ratio(np.arange(size + 1)[None, :], order)
    for l in range(1, size + 1):
        smaller = slice(0, min(l, size))  # orders; the function of order l is there already
        below = table[smaller, l - 2] * ratio[smaller, l - 1, None] if l > 1 else 0.0
        table[smaller, l] = (sine * table[smaller, l - 1] - below) / ratio[smaller, l, None]
    return table


def sum_over_degree(modal: Tensor, table: Tensor) -> Tensor:
    """Fourier coefficients Σ_l a_lm · table[m, l, k].

    Args:
        modal: (..., l, m) complex.
        table: (m, l, k) real.

    Returns:
        (..., k, m) complex.
    """
    return _contract(modal, table)


def sum_over_latitude(fourier: Tensor, table: Tensor) -> Tensor:
    """Modal coefficients Σ_k f_km · table[m, l, k]; the adjoint of :func:`sum_over_degree`.

    Args:
        fourier: (..., k, m) complex, quadrature weights included.
        table: (m, l, k) real.

    Returns:
        (..., l, m) complex.
    """
    return _contract(fourier, table.transpose(1, 2))


def _contract(spectrum: Tensor, table: Tensor) -> Tensor:
    """Σ_i spectrum[..., i, m] · table[m, i, j], (..., i, m) → (..., j, m)."""
    orders, rows, columns = table.shape
    parts = torch.view_as_real(spectrum.resolve_conj()).reshape(-1, rows, orders, 2)
    stacked = parts.permute(2, 3, 0, 1).reshape(orders, -1, rows)  # (m, 2 B, i)
    product = torch.bmm(stacked, table).view(orders, 2, -1, columns)  # (m, 2, B, j)
    result = torch.view_as_complex(product.permute(2, 3, 0, 1).contiguous())  # (B, j, m)
    return result.reshape(*spectrum.shape[:-2], columns, orders)
