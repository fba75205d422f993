"""Ridge regression from sums of products, so that the data need to be read only once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PENALTIES: tuple[float, ...] = tuple(10.0 ** (exponent / 2.0) for exponent in range(-12, 7))
"""Penalties tried, 1e-6 to 1e3, as multiples of the mean variance of the predictors."""


@dataclass
class Moments:
    """Sums over n frames that ridge regression needs; they add up over pieces of the data."""

    count: int
    gram: Tensor
    """(F, F) X'X."""
    cross: Tensor
    """(F, C) X'Y."""

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.gram + other.gram, self.cross + other.cross)

    def spectrum(self) -> tuple[Tensor, Tensor, float]:
        """Eigenvalues (F,), eigenvectors (F, F) of X'X and its mean diagonal."""
        values, vectors = torch.linalg.eigh(self.gram)
        scale = float(self.gram.diagonal().mean())
        return values.clamp(min=0.0), vectors, scale

    def solve(self, penalty: float) -> Tensor:
        """(F, C) minimiser of ‖Y − XW‖² + penalty · mean diag(X'X) · ‖W‖²."""
        values, vectors, scale = self.spectrum()
        if scale == 0.0:
            return torch.zeros_like(self.cross)
        shrunk = (vectors.T @ self.cross) / (values + penalty * scale)[:, None]  # (F, C)
        weights: Tensor = vectors @ shrunk
        return weights


def choose_penalty(first: Moments, last: Moments, area: Tensor) -> float:
    """The penalty fitted on `first` with the smallest area-weighted squared error on `last`.

    In the eigenbasis of the first X'X every error is a quadratic form of the shrinkage factors,
    so that no weights are formed and no data read again. `area` is (C,).
    """
    values, vectors, scale = first.spectrum()
    if scale == 0.0:
        return PENALTIES[-1]
    fitted = vectors.T @ first.cross  # (F, C)
    linear = (fitted * (vectors.T @ last.cross) * area).sum(dim=1)  # (F,)
    quadratic = (vectors.T @ last.gram @ vectors) * ((fitted * area) @ fitted.T)  # (F, F)

    def error(penalty: float) -> float:
        factor = torch.reciprocal(values + penalty * scale)
        change: Tensor = factor @ quadratic @ factor - 2.0 * factor @ linear
        return float(change)

    return min(PENALTIES, key=error)
