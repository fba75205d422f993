"""An ensemble of imperfect atmospheric inversions of the synthetic carbon world.

Each member knows the monthly sum of each region up to a bias of its own and noise that lasts from
month to month. Errors are larger in the tropics, where stations are few. The atmosphere ties the
global sum down, so that errors of regions mostly cancel: what one region has too much, others lack.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from co2net_phys.fluxes.schema import REGION_CODES, TROPICAL_REGIONS

Array = NDArray[np.float64]

BIAS, NOISE = 0.010, 0.012
"""Standard deviations in a region of 10 million km2 outside the tropics, PgC a month."""

TROPICAL_FACTOR = 2.5
"""How much larger both are in the tropics."""

MEMORY = 0.6
"""Correlation of a member's noise from one month to the next."""

CANCELLED = 0.9
"""Share of a member's global error that its regions take back."""


def simulate_inversions(truth: Array, areas: Array, members: int, seed: int) -> Array:
    """Estimates (member, month, 18) of regional sums.

    Args:
        truth: (month, 18) PgC a month.
        areas: (18,) land area of the regions, m2; errors grow with its root.
        members: how many inversions.
        seed: of the errors.
    """
    random = np.random.default_rng([seed, 31])
    tropical = np.isin(REGION_CODES, TROPICAL_REGIONS)
    size = np.sqrt(areas / 1e13) * np.where(tropical, TROPICAL_FACTOR, 1.0)
    noise = random.standard_normal((members, *truth.shape))
    for month in range(1, truth.shape[0]):
        noise[:, month] = MEMORY * noise[:, month - 1] + np.sqrt(1 - MEMORY**2) * noise[:, month]
    bias = random.standard_normal((members, 1, truth.shape[1]))
    error = size * (BIAS * bias + NOISE * noise)
    variance = size**2 / (size**2).sum()
    return truth + error - CANCELLED * variance * error.sum(axis=-1, keepdims=True)
