"""What a scheme does to two tracers whose values lie on one curve.

Lauritzen and Thuburn (2012), doi:10.1002/qj.986. The cosine bells χ and ξ = a χ² + b are carried
side by side. Exact transport keeps every node on the curve; a scheme that is not linear in the
tracer, or not local, moves it off. Moving into the convex hull of the curve is what real mixing of
air would do; outside of it but within the initial range is unmixing; outside of the range is an
overshoot.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from co2net_phys.validation.transport_cases import BACKGROUND, CORRELATION, PEAK

Array = NDArray[np.float64]
Value = TypeVar("Value", float, Array)

TOLERANCE = 1e-7
"""Distance by which a node may pass a limit and still be on the inner side, dimensionless."""


@dataclass(frozen=True)
class Mixing:
    """Area means of the normalised distance to the curve, by kind; all dimensionless."""

    real: float
    """Of the nodes inside the convex hull."""
    unmixing: float
    """Of those outside of it, within the initial range."""
    overshooting: float
    """Of those outside of the initial range."""


def mixing(first: Array, second: Array, weights: Array) -> Mixing:
    """Sort the nodes and add up their distances.

    Args:
        first: χ, (nlat, nlon).
        second: ξ, likewise.
        weights: shares of the area, summing to one.
    """
    share = np.broadcast_to(weights, first.shape)
    contribution = share * distance_to_curve(first, second)
    low, high = _curve(PEAK), _curve(BACKGROUND)
    in_range = _within(first, BACKGROUND, PEAK) & _within(second, low, high)
    # The chord from the one end of the curve to the other closes the hull; the curve is concave.
    chord = high + (first - BACKGROUND) * (low - high) / (PEAK - BACKGROUND)
    in_hull = in_range & (second >= chord - TOLERANCE) & (second <= _curve(first) + TOLERANCE)
    return Mixing(
        float(contribution[in_hull].sum()),
        float(contribution[in_range & ~in_hull].sum()),
        float(contribution[~in_range].sum()),
    )


def distance_to_curve(first: Array, second: Array) -> Array:
    """Shortest distance of (χ, ξ) to the curve, both divided by their initial ranges.

    The foot of the perpendicular is a root of the cubic that the derivative of the squared
    distance is; of the real roots, brought to the curve's ends where they lie beyond, the nearest
    counts.
    """
    a, b = CORRELATION
    span = PEAK - BACKGROUND, abs(_curve(PEAK) - _curve(BACKGROUND))
    # 2a²/s₂² χ³ + (1/s₁² + 2a(b − ξₖ)/s₂²) χ − χₖ/s₁² = 0, divided by its first coefficient.
    leading = 2.0 * a**2 / span[1] ** 2
    linear = (1.0 / span[0] ** 2 + 2.0 * a * (b - second) / span[1] ** 2) / leading
    constant = -(first / span[0] ** 2) / leading
    roots = _real_roots(linear, constant)
    feet = np.concatenate(
        [np.clip(roots, BACKGROUND, PEAK), np.full((1, *first.shape), BACKGROUND),
         np.full((1, *first.shape), PEAK)]
    )  # fmt: skip
    squared = ((first - feet) / span[0]) ** 2 + ((second - _curve(feet)) / span[1]) ** 2
    return np.asarray(np.sqrt(squared.min(0)))


def _curve(first: Value) -> Value:
    a, b = CORRELATION
    return a * first**2 + b


def _within(values: Array, low: float, high: float) -> NDArray[np.bool_]:
    return (values >= low - TOLERANCE) & (values <= high + TOLERANCE)


def _real_roots(linear: Array, constant: Array) -> Array:
    """Real roots of x³ + p x + q in three layers, one of them three times where there is one.

    Cardano's formula for one root, Viète's for three.
    """
    discriminant = (constant / 2.0) ** 2 + (linear / 3.0) ** 3
    root = np.sqrt(np.maximum(discriminant, 0.0))
    single = np.cbrt(-constant / 2.0 + root) + np.cbrt(-constant / 2.0 - root)
    radius = 2.0 * np.sqrt(np.maximum(-linear / 3.0, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.arccos(np.clip(3.0 * constant / (linear * radius), -1.0, 1.0)) / 3.0
    layers = [
        np.where(discriminant < 0.0, radius * np.cos(angle - 2.0 * np.pi * k / 3.0), single)
        for k in range(3)
    ]
    return np.stack(layers)
