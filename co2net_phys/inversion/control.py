"""What an inversion may change: the initial field and factors of the prior fluxes.

Both are linear maps of one vector χ of independent standard normal numbers, so that the cost of a
departure from the prior is ½|χ|² and the problem is preconditioned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from co2net_phys.inversion.background_covariance import FieldError, SphericalCorrelation
from co2net_phys.inversion.regions import region_partition
from co2net_phys.solvers import SphericalHarmonics


class Patterns(Protocol):
    """How a factor varies in space: a linear map of `size` numbers to a field of unit variance."""

    @property
    def size(self) -> int:
        """How many numbers."""

    def __call__(self, white: Tensor) -> Tensor:
        """Fields (..., nlat, nlon) of numbers (..., size)."""


class GlobalPattern:
    """One factor for the whole globe."""

    size = 1

    def __init__(self, harmonics: SphericalHarmonics) -> None:
        self._shape = harmonics.grid.shape

    def __call__(self, white: Tensor) -> Tensor:
        """See `Patterns`."""
        return white[..., None].expand(*white.shape[:-1], *self._shape)


class RegionalPatterns:
    """One factor for each region of `co2net_phys.inversion.regions`."""

    def __init__(self, harmonics: SphericalHarmonics) -> None:
        self._masks = torch.from_numpy(region_partition(harmonics.grid))
        self.size = len(self._masks)

    def __call__(self, white: Tensor) -> Tensor:
        """See `Patterns`."""
        return torch.tensordot(white, self._masks, dims=1)


class GriddedPatterns:
    """A factor at every node, correlated over `length` metres."""

    def __init__(self, harmonics: SphericalHarmonics, length: float) -> None:
        self._harmonics = harmonics
        self._correlation = SphericalCorrelation(harmonics, length)
        self.size = self._correlation.size

    def __call__(self, white: Tensor) -> Tensor:
        """See `Patterns`."""
        return self._harmonics.to_nodal(self._correlation(white))


class FactorError:
    """Square root of the covariance of factors: independent by component and period.

    Parameters
    ----------
    patterns
        Their form in space.
    deviations
        (C,) standard deviation of each component's factor.
    periods
        P, how many sets of factors follow one another.
    """

    def __init__(self, patterns: Patterns, deviations: Sequence[float], periods: int = 1) -> None:
        self.patterns = patterns
        self._deviations = torch.tensor(deviations, dtype=torch.float64)[:, None, None]
        self.shape = (periods, len(deviations), patterns.size)
        self.size = periods * len(deviations) * patterns.size

    def __call__(self, white: Tensor) -> Tensor:
        """Departures (..., P, C, nlat, nlon) of numbers (..., size)."""
        return self._deviations * self.patterns(white.reshape(*white.shape[:-1], *self.shape))


class Control:
    """The vector χ: first the initial field's numbers, then those of the factors."""

    def __init__(self, initial: FieldError, factors: FactorError) -> None:
        self._initial, self._factors = initial, factors
        self.size = initial.size + factors.size

    def __call__(self, white: Tensor) -> tuple[Tensor, Tensor]:
        """Departures of the modal field (..., l, m) and of the factors (..., P, C, nlat, nlon)."""
        first, rest = white.split([self._initial.size, self._factors.size], dim=-1)
        return self._initial(first), self._factors(rest)
