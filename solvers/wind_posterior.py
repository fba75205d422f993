"""Gaussian posterior of a linear model whose prior and noise level may be unknown."""

from dataclasses import dataclass

import torch
from torch import Tensor

RATIOS = torch.logspace(-4.0, 16.0, 81, dtype=torch.float64)
"""Prior over noise variance, times the largest eigenvalue, where the evidence is looked at."""

ROUND_OFF = 1e-12
"""Eigenvalue, relative to the largest, that is only round-off."""


@dataclass(frozen=True)
class Posterior:
    """Of the unknowns x with prior N(0, ρ)."""

    mean: Tensor
    """(size,)."""
    shift: Tensor
    """(size,) change of the mean from an error of y."""
    root: Tensor
    """(size, size) matrix A with AᵀA the covariance."""
    prior_variance: float
    """ρ, that of the wind: m² s⁻²."""
    noise_level: float
    """Factor by which the variance of the noise is larger than assumed."""


def posterior(
    normal: Tensor, count: int, prior_deviation: float | None, noise_known: bool
) -> Posterior:
    """Posterior of x in y = A x + noise, the rows whitened by the assumed noise.

    With M = AᵀA, noise variance s² and prior variance ρ = κ s², the misfit of the mean together
    with the prior is q(κ) = yᵀy − yᵀA (M + 1/κ)⁻¹ Aᵀy, and minus twice the logarithm of the
    evidence is N log s² + q/s² + log det(1 + κM).

    Args:
        normal: (size + 2, size + 2) [A y e]ᵀ[A y e], with an error e that y may have.
        count: N, rows of A.
        prior_deviation: √ρ; if not given, that of largest evidence.
        noise_known: s² is at least one; otherwise it is that of largest evidence.
    """
    eigenvalues, vectors = torch.linalg.eigh(normal[:-2, :-2])
    # What is less is round-off of the normal matrix: nothing is known in these directions.
    known = eigenvalues > ROUND_OFF * eigenvalues[-1]
    eigenvalues = torch.where(known, eigenvalues, 0.0)
    scores = torch.where(known[:, None], vectors.mT @ normal[:-2, -2:], 0.0)
    score, power = scores[:, 0], float(normal[-2, -2])

    def level(ratio: Tensor) -> tuple[Tensor, Tensor]:
        misfit = power - (score**2 / (eigenvalues + 1.0 / ratio[..., None])).sum(-1)
        misfit = misfit.clamp(min=1e-15 * power)
        most_probable = misfit / count
        return misfit, most_probable.clamp(min=1.0) if noise_known else most_probable

    if prior_deviation is None:
        ratios = RATIOS / eigenvalues[-1]
        misfit, variance = level(ratios)
        determinant = torch.log1p(ratios[:, None] * eigenvalues).sum(-1)
        best = int(torch.argmin(count * variance.log() + misfit / variance + determinant))
        ratio, noise = float(ratios[best]), float(variance[best])
    else:
        noise = 1.0
        for _ in range(30):  # s² and κ = ρ/s² depend on each other, weakly
            ratio = prior_deviation**2 / noise
            noise = float(level(torch.tensor(ratio, dtype=torch.float64))[1])
    precision = eigenvalues + 1.0 / ratio
    root = (vectors * (noise / precision).sqrt()).mT
    mean, shift = (vectors @ (scores / precision[:, None])).unbind(-1)
    return Posterior(mean, shift, root, ratio * noise, noise)
