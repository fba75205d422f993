"""Errors of a first guess, correlated over the sphere as a spherical-harmonic spectrum says.

An error with standard deviation σ(x) is a linear map of independent standard normal numbers χ_lm,

    ε(x) = σ(x) Σ_lm √c_l χ_lm Y_lm(x),     Σ_l (2l + 1) c_l / 4π = 1,

so that its covariance is σ(x) σ(y) Σ_l (2l + 1) c_l P_l(cos d) / 4π at a distance d. The spectrum
is that of diffusion, c_l ∝ exp(−l(l + 1) ℓ²/2R²): close to exp(−d²/2ℓ²) for ℓ ≪ R (Weaver and
Courtier 2001, doi:10.1002/qj.49712757518).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers import SphericalHarmonics


def correlation_spectrum(truncation: int, length: float, radius: float) -> Tensor:
    """(L + 1,) values c_l of a correlation of `length` metres on a sphere of `radius`, float64.

    Raises
    ------
    UsageError
        The length is not positive, or too short for the truncation to carry: the shortest wave
        would still hold a share of the spectrum.
    """
    shortest = radius / max(truncation, 1)
    if not length >= shortest:
        raise UsageError(
            f"correlation length {length / 1e3:g} km: T{truncation} carries no less than "
            f"{shortest / 1e3:.0f} km; choose a longer one or a higher --truncation"
        )
    degree = torch.arange(truncation + 1, dtype=torch.float64)
    shape = torch.exp(-degree * (degree + 1) * (length / radius) ** 2 / 2)
    return shape * 4 * math.pi / ((2 * degree + 1) * shape).sum()


class SphericalCorrelation:
    """Square root of a correlation: independent numbers to modal fields of unit variance.

    Parameters
    ----------
    harmonics
        Gives the truncation T and the radius.
    length
        ℓ in metres.

    Attributes
    ----------
    size
        How many numbers make a field, (T + 1)²; number l² + l ± m belongs to cos mλ and sin mλ.
    """

    def __init__(self, harmonics: SphericalHarmonics, length: float) -> None:
        count = harmonics.truncation + 1
        self.size = count**2
        spectrum = correlation_spectrum(harmonics.truncation, length, harmonics.radius)
        degree, order = torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij")
        exists = order <= degree
        centre = degree**2 + degree
        self._cosine = torch.where(exists, centre + order, 0)
        self._sine = torch.where(exists, centre - order, 0)
        # A modal coefficient of order m > 0 stands for −m too: √2 P_lm cos mλ is 2 P_lm cos mλ/√2.
        halved = torch.where(order == 0, 1.0, 0.5).double()
        norm = halved.sqrt() * exists
        self._scale = spectrum.sqrt()[:, None] * norm
        self._sine_scale = -self._scale * (order > 0)

    def __call__(self, white: Tensor) -> Tensor:
        """Modal (..., l, m) fields of standard normal numbers (..., size)."""
        real = white[..., self._cosine] * self._scale
        return torch.complex(real, white[..., self._sine] * self._sine_scale)


class FieldError:
    """Square root of the covariance of a field's error.

    Parameters
    ----------
    harmonics
        Of the transport grid.
    deviation
        σ, (nlat, nlon) at its nodes, unit of the field.
    length
        Of the correlation, metres.
    """

    def __init__(self, harmonics: SphericalHarmonics, deviation: Tensor, length: float) -> None:
        self.harmonics, self.deviation = harmonics, deviation
        self.correlation = SphericalCorrelation(harmonics, length)
        self.size = self.correlation.size

    def __call__(self, white: Tensor) -> Tensor:
        """Modal (..., l, m) errors of standard normal numbers (..., size)."""
        nodal = self.harmonics.to_nodal(self.correlation(white))
        return self.harmonics.to_modal(self.deviation * nodal)
