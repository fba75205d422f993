"""Vertical profiles behind a column: what is true, what a retrieval assumes, what it can see.

Twenty levels from space to the surface, equally spaced in pressure as in an ACOS retrieval; every
level stands for the air half way to its neighbours, so that the weights h sum to 1. Profiles are
built so that Σ h x is the wanted column to rounding.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from co2net_phys.satellite.schema import LEVELS, Floats

TOP_PRESSURE_SHARE = 1e-4
"""Pressure of the first level over that at the surface."""

STRATOSPHERIC_LACK = 6.0
"""µmol mol-1: air above is older, from when there was less CO2."""

PRIOR_LACK_SHARE = 0.8
"""How much of that lack the a-priori profile knows."""

LOCAL_DEPTH = 0.4
"""Share of the column over which what is local falls by a factor e."""


def level_shares() -> Floats:
    """Pressure of each level over that at the surface (levels,)."""
    shares = np.linspace(0, 1, LEVELS)
    shares[0] = TOP_PRESSURE_SHARE
    return shares


def pressure_weights() -> Floats:
    """h (levels,): half a layer at both ends, a layer in between."""
    weights = np.ones(LEVELS)
    weights[[0, -1]] = 0.5
    return weights / weights.sum()


def true_profile(background: float, column: Floats) -> Floats:
    """Dry mole fractions (n, levels) whose column means are `column` (n,), µmol mol-1.

    What a column has more than the region's `background` sits mostly near the ground.
    """
    near_ground = np.exp((level_shares() - 1) / LOCAL_DEPTH)
    near_ground /= pressure_weights() @ near_ground
    return background + _old_air() + (column - background)[:, None] * near_ground


def prior_profile(background: float, count: int) -> Floats:
    """The a-priori profiles (count, levels): the background, with too much old air up there."""
    return np.tile(background + PRIOR_LACK_SHARE * _old_air(), (count, 1))


def averaging_kernel(solar_zenith_deg: Floats) -> Floats:
    """Normalised column averaging kernels (n, levels).

    About 1 in the troposphere, falling to 0.2 at the top, where the lines are narrow; a slant path
    sees somewhat less of the lowest air. The shape is that of OCO-2's (O'Dell et al. 2012,
    doi:10.5194/amt-5-99-2012, figure 2).
    """
    shares = level_shares()
    nadir = 1.03 - 0.8 * np.exp(-shares / 0.18) - 0.06 * (np.maximum(shares - 0.75, 0) / 0.25) ** 2
    slant = 0.1 * (1 - np.cos(np.radians(solar_zenith_deg)))
    return np.asarray(nadir - slant[:, None] * shares**2)


def _old_air() -> Floats:
    """Departure of the background from its column mean (levels,), with a mean of zero."""
    lack = -STRATOSPHERIC_LACK * expit((0.2 - level_shares()) / 0.04)
    return np.asarray(lack - pressure_weights() @ lack)
