"""Predictions of what is left out, all at once, by block formulas.

Let K be the covariance of n records, F their drift functions with unknown coefficients, and

    Q = K⁻¹ − K⁻¹F (FᵀK⁻¹F)⁻¹ FᵀK⁻¹.

Then kriging of the records g from all others gives an error of covariance (Q_gg)⁻¹, and

    ŷ_g = −(Q_gg)⁻¹ Q_go y_o,

with o all records but g: one inverse for all groups (Dubrule 1983, doi:10.1007/BF01033232;
Ginsbourger and Schärer 2021, arXiv:2101.03108).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

RELATIVE_RANK = 1e-9
"""Singular values below this share of the largest are zero: a drift that the rest cannot tell."""


def precision(covariance: Tensor, drift: Tensor | None = None) -> Tensor:
    """Q (n, n) of the formula above.

    `covariance` (n, n) is positive definite; `drift` (n, p) may be rank deficient. Differentiable.
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
    if drift is None:
        return inverse
    weighted = inverse @ drift
    known = torch.linalg.pinv(drift.T @ weighted, rtol=RELATIVE_RANK, hermitian=True)
    return inverse - weighted @ known @ weighted.T


class LeftOut(NamedTuple):
    """What the others tell of each record (n,)."""

    predicted: Tensor
    variance: Tensor
    """Of the error."""
    is_determined: Tensor
    """False where the others do not tell the drift; what is predicted there means nothing."""


def left_out(precision: Tensor, values: Tensor, groups: Tensor) -> LeftOut:
    """Predict every record (n,) without its group.

    `values` (n,) are the records, `groups` (n,) say what is left out together. Differentiable.
    """
    members, group, place = _members(groups)
    is_filled = members < values.numel()
    own = functional.pad(precision, (0, 1, 0, 1))[members[:, :, None], members[:, None, :]]
    own = own + torch.diag_embed((~is_filled).to(own))  # (groups, k, k)
    mine = functional.pad(values, (0, 1))[members]
    total = functional.pad(precision @ values, (0, 1))[members]
    covariance, is_singular = _inverse(own)
    others = total[..., None] - own @ (mine * is_filled)[..., None]  # Q_go y_o
    predicted = -(covariance @ others)[..., 0]
    variance = covariance.diagonal(dim1=1, dim2=2)[group, place]
    return LeftOut(predicted[group, place], variance, ~is_singular[group])


def _members(groups: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Positions (groups, k) of the records of each group, filled up with n; and where each is.

    The latter are the group (n,) of each record and its place (n,) within the group.
    """
    _, group, counts = torch.unique(groups, return_inverse=True, return_counts=True)
    order = torch.argsort(group, stable=True)
    first = torch.cumsum(counts, dim=0) - counts
    place = torch.empty_like(group)
    place[order] = torch.arange(group.numel()) - first[group[order]]
    members = torch.full((counts.numel(), int(counts.max())), group.numel())
    members[group, place] = torch.arange(group.numel())
    return members, group, place


def _inverse(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Inverse (groups, k, k) of symmetric matrices, and which (groups,) have only a pseudo-one."""
    factor, failed = torch.linalg.cholesky_ex(matrices)
    pivots = factor.detach().diagonal(dim1=1, dim2=2).square()
    singular = (failed > 0) | (pivots.amin(dim=1) <= RELATIVE_RANK * pivots.amax(dim=1))
    if not bool(singular.any()):
        return torch.cholesky_inverse(factor), singular
    pseudo = torch.linalg.pinv(matrices[singular], rtol=RELATIVE_RANK, hermitian=True)
    inverse = torch.zeros_like(matrices)
    inverse[~singular] = torch.cholesky_inverse(factor[~singular])
    inverse[singular] = pseudo
    return inverse, singular
