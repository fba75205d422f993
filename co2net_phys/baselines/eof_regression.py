"""Regression of station residuals on the leading patterns of the training residuals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from co2net_phys.baselines.analysis import Analysis, Covariances, Tuning
from co2net_phys.baselines.residuals import Residuals

COUNTS = (3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 80.0, 120.0)
"""Numbers of patterns tried."""

ERROR_FACTORS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Multiples of the estimated error variances tried; errors of truncation are not independent."""


class EOFRegression(Analysis):
    """`Analysis` in the space of K empirical orthogonal functions (EOFs) E of training residuals.

    Coefficients α with prior variances Λ, the variances of the EOFs, minimise

        (d − H E α)ᵀ R⁻¹ (d − H E α) + αᵀ Λ⁻¹ α,    d = y − H c − m,

    the reduced-space optimal interpolation of Kaplan et al. 1997, https://doi.org/10.1029/97JC01734.
    That is the analysis with B = E Λ Eᵀ. The errors R have the variance of the truncated patterns
    at each station added, all times a tuned factor.
    """

    name = "eof-regression"
    extents = COUNTS
    error_factors = ERROR_FACTORS

    def prior(self, residuals: Residuals, area: Tensor, source: str) -> EmpiricalModes:
        """The patterns of the residuals; see `Analysis.prior`."""
        patterns = scaled_patterns(residuals.field, area, round(max(COUNTS))).double()
        variance = residuals.field[:, residuals.cells].double().square().mean(dim=0)
        return EmpiricalModes(
            patterns, patterns[:, residuals.cells], variance, residuals.error_variance(source)
        )


@dataclass(frozen=True)
class EmpiricalModes:
    """Patterns of variation, the strongest first."""

    patterns: Tensor
    """(K, C) EOFs times their standard deviations, µmol mol-1."""
    at_stations: Tensor
    """(K, S) the same in the cells of the stations."""
    variance: Tensor
    """(S,) variance of the residual in these cells, (µmol mol-1)²."""
    errors: Tensor
    """(S,) error variances of the reports, (µmol mol-1)²."""

    def covariances(self, tuning: Tuning) -> Covariances:
        """With the number of patterns for an extent."""
        count = round(tuning.extent)
        kept = self.at_stations[:count]
        truncated = (self.variance - kept.square().sum(dim=0)).clamp(min=0.0)
        reports = kept.T @ kept + torch.diag(tuning.error_factor * (self.errors + truncated))
        return Covariances(reports, kept.T @ self.patterns[:count])


def scaled_patterns(field: Tensor, area: Tensor, count: int) -> Tensor:
    """EOFs of residuals (n, C) times their standard deviations, at most (count, C).

    They are orthogonal in the inner product weighted by `area` (C,), and their products sum to the
    covariance of the field where all are kept. By the method of snapshots: with X of n frames the
    eigenvectors of X A Xᵀ / n (n, n) give those of the much larger covariance of the cells
    (Sirovich 1987, https://doi.org/10.1090/qam/910462).
    """
    frames = len(field)
    weighted = field * (area / area.mean()).sqrt().to(field)
    _, vectors = torch.linalg.eigh((weighted @ weighted.T).double() / frames)
    leading = vectors.flip(1)[:, :count].to(field)  # (n, K), the strongest first
    scaled: Tensor = leading.T @ field / frames**0.5
    return scaled
