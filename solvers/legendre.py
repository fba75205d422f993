"""Associated Legendre functions on given latitudes, and the sums over degree or latitude.

The tables are real and dense in (m, l, k): a batched matrix product over m with real and imaginary
parts side by side is several times faster than a complex ``einsum``, and the half of the table
that is zero (l < m) costs less than skipping it would.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch_harmonics.legendre import dlegpoly, legpoly


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

    Args:
        latitude: (k,) degrees north, poles allowed.
        truncation: largest degree T.

    Reference: Schaeffer (2013), doi:10.1002/ggge.20071, through ``torch_harmonics.legendre``.
    """
    size = truncation + 1
    colatitude = torch.from_numpy(np.deg2rad(90.0 - np.asarray(latitude, dtype=np.float64)))
    values = legpoly(size, size, torch.cos(colatitude))
    # The library differentiates by colatitude, which runs the other way.
    by_colatitude, over_sine = dlegpoly(size, size, colatitude)
    return LegendreTables(values, -by_colatitude, over_sine.contiguous())


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
