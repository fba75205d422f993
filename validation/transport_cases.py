"""Initial tracers of the standard transport test suite, as functions of position.

Two hills, bells or cylinders on the equator at 150° and 210° E, as in Nair and Lauritzen (2010),
doi:10.1016/j.jcp.2010.08.014, and Lauritzen et al. (2012), doi:10.5194/gmd-5-887-2012; and the one
bell of Williamson et al. (1992), case 1, doi:10.1016/S0021-9991(05)80016-6. Coordinates are in
radians, values without unit except for that last one, which is a height in m.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import UsageError

Array = NDArray[np.float64]
InitialField = Callable[[Array, Array], Array]
"""Latitude and longitude in radians, broadcast together, to the value there."""

CENTRES = ((0.0, 5.0 * math.pi / 6.0), (0.0, 7.0 * math.pi / 6.0))
"""Latitude and longitude of the two features, radians."""

BELL_RADIUS = 0.5
"""Great-circle radius of the bells and cylinders, radians."""

BACKGROUND, PEAK = 0.1, 1.0
"""Smallest and largest value of the bells and cylinders."""

HILL_HEIGHT, HILL_STEEPNESS = 0.95, 5.0
"""Height of the Gaussian hills, and b of exp(−b |x − x_i|²) with x on the unit sphere."""

CORRELATION = (-0.8, 0.9)
"""a, b of the quadratic curve ξ = a χ² + b on which the correlated tracers lie at first."""

WILLIAMSON_CENTRE = (0.0, 3.0 * math.pi / 2.0)
"""Latitude and longitude of Williamson's bell, radians."""

WILLIAMSON_RADIUS, WILLIAMSON_HEIGHT = 1.0 / 3.0, 1000.0
"""Radius in radians and height in m of Williamson's bell."""


def gaussian_hills(latitude: Array, longitude: Array) -> Array:
    """Infinitely smooth: 0.95 Σ exp(−5 |x − x_i|²), the distance through the sphere."""
    hills = [np.exp(-HILL_STEEPNESS * _chord(latitude, longitude, c) ** 2) for c in CENTRES]
    return np.asarray(HILL_HEIGHT * sum(hills))


def cosine_bells(latitude: Array, longitude: Array) -> Array:
    """Once differentiable: 0.1 + 0.9 (1 + cos(π r/½))/2 within r < ½ of each centre, else 0.1."""
    bells = sum(_bell(_distance(latitude, longitude, c) / BELL_RADIUS) for c in CENTRES)
    return np.asarray(BACKGROUND + (PEAK - BACKGROUND) * bells)


def correlated_bells(latitude: Array, longitude: Array) -> Array:
    """ξ = −0.8 χ² + 0.9 of the cosine bells χ: transport has to keep the two on that curve."""
    a, b = CORRELATION
    return a * cosine_bells(latitude, longitude) ** 2 + b


def slotted_cylinders(latitude: Array, longitude: Array) -> Array:
    """Discontinuous: cylinders of 1 on 0.1, each with a slot a third of its radius wide.

    The western slot opens to the north, the eastern one to the south; each leaves a bridge.
    """
    inside = np.zeros(np.broadcast(latitude, longitude).shape, dtype=bool)
    for centre, closed_side in zip(CENTRES, (-1.0, 1.0), strict=True):
        within = _distance(latitude, longitude, centre) <= BELL_RADIUS
        in_band = np.abs(_wrapped(longitude - centre[1])) < BELL_RADIUS / 6.0
        on_bridge = closed_side * (latitude - centre[0]) > 5.0 * BELL_RADIUS / 12.0
        inside |= within & (~in_band | on_bridge)
    return np.where(inside, PEAK, BACKGROUND)


def williamson_bell(latitude: Array, longitude: Array) -> Array:
    """One bell 1000 (1 + cos(π r/⅓))/2 m on nothing, once differentiable."""
    distance = _distance(latitude, longitude, WILLIAMSON_CENTRE)
    return np.asarray(WILLIAMSON_HEIGHT * _bell(distance / WILLIAMSON_RADIUS))


CASES: dict[str, InitialField] = {
    "gaussian-hills": gaussian_hills,
    "cosine-bells": cosine_bells,
    "slotted-cylinders": slotted_cylinders,
    "correlated-bells": correlated_bells,
    "williamson-bell": williamson_bell,
}
"""The initial fields by name."""


def initial_field(case: str) -> InitialField:
    """The function of :data:`CASES` called ``case``.

    Raises:
        UsageError: there is none of that name.
    """
    if case not in CASES:
        raise UsageError(f"unknown case {case!r}: choose one of {', '.join(CASES)}")
    return CASES[case]


def _bell(relative: Array) -> Array:
    """(1 + cos πs)/2 for s < 1, else nothing."""
    return np.where(relative < 1.0, 0.5 * (1.0 + np.cos(math.pi * relative)), 0.0)


def _chord(latitude: Array, longitude: Array, centre: tuple[float, float]) -> Array:
    """Straight distance |x − x_i| on the unit sphere, accurate also where it is small."""
    north = np.sin((latitude - centre[0]) / 2.0) ** 2
    east = np.cos(latitude) * math.cos(centre[0]) * np.sin((longitude - centre[1]) / 2.0) ** 2
    return np.asarray(2.0 * np.sqrt(np.minimum(north + east, 1.0)))


def _distance(latitude: Array, longitude: Array, centre: tuple[float, float]) -> Array:
    """Great-circle distance on the unit sphere, radians."""
    return np.asarray(2.0 * np.arcsin(_chord(latitude, longitude, centre) / 2.0))


def _wrapped(angle: Array) -> Array:
    """``angle`` in radians brought to −π…π."""
    return np.remainder(angle + math.pi, 2.0 * math.pi) - math.pi
