"""The layers of a column: terrain-following interfaces, fine near the ground, and their heights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.solvers.constants import GRAVITY

Array = NDArray[np.float64]

GAS_CONSTANT = 287.05
"""J kg-1 K-1, of dry air."""


@dataclass(frozen=True)
class Levels:
    """`count` layers between σ = p/ps = 1 at the ground and 0 at the top.

    The interfaces are σ(s) = 1 − s(0.3 + 1.4 s − 0.7 s²) at s = 0, 1/count, …, 1: the lowest of 20
    layers is about 150 m thick, the lowest of 62 about 50 m. Arrays over layers have the shape
    (count, 1, 1), to be broadcast with fields.
    """

    count: int

    @cached_property
    def interfaces(self) -> Array:
        """(count + 1,) σ of the interfaces, from the ground up."""
        s = np.linspace(0.0, 1.0, self.count + 1)
        sigma = 1.0 - s * (0.3 + s * (1.4 - 0.7 * s))
        sigma[-1] = 0.0
        return np.asarray(sigma)

    @cached_property
    def thickness(self) -> Array:
        """(count, 1, 1) Δσ, summing to 1."""
        return -np.diff(self.interfaces)[:, None, None]

    @cached_property
    def centre(self) -> Array:
        """(count, 1, 1) σ in the middle of each layer's mass."""
        return 0.5 * (self.interfaces[1:] + self.interfaces[:-1])[:, None, None]

    def air(self, surface_pressure: Array) -> Array:
        """(count, nlat, nlon) mass of air per area, kg m-2, under `surface_pressure` in Pa."""
        return np.asarray(self.thickness * surface_pressure / GRAVITY)

    def depth(self, temperature: Array) -> Array:
        """Thickness in metres of layers of a `temperature` in K, (count, ...): RTΔσ/(gσ)."""
        return np.asarray(GAS_CONSTANT * temperature / GRAVITY * self.thickness / self.centre)

    def share_between(self, top: ArrayLike, base: ArrayLike) -> Array:
        """Share of the air between two values of σ that each layer holds, (count, ...), sum 1.

        Args:
            top: smaller σ, a number or a field.
            base: larger σ, likewise.
        """
        top, base = np.asarray(top), np.asarray(base)
        lower = self.interfaces[:-1].reshape(-1, *[1] * top.ndim)
        upper = self.interfaces[1:].reshape(-1, *[1] * top.ndim)
        overlap = np.minimum(lower, base) - np.maximum(upper, top)
        return np.asarray(np.maximum(overlap, 0.0) / (base - top))
