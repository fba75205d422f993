"""The smallest wind that carries tracers as the true one does, and how far apart the two are.

The equation of a tracer contains no derivative of the wind. If that may change in time as it
likes, each instant stands by itself: a tracer determines the wind if and only if w·∇φ determines it
at each instant.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from co2net_phys.solvers import SphericalHarmonics
from co2net_phys.solvers.wind_closure import ProjectedProduct, solve_projected
from co2net_phys.solvers.winds import Components
from co2net_phys.validation.wind_twin import CENTRE, mean_square, moving_twin, steady_twin, steep

ITERATIONS = 300
"""Steps of conjugate gradients: with one tracer the products agree to round-off after 150."""


@dataclass(frozen=True)
class SmallestWind:
    """A wind beside the true one."""

    wind: Components
    """Eastward and northward, (nlat, nlon), m s⁻¹."""
    relative: float
    """Root mean square difference where the first tracer is steep, relative to the true wind."""
    residual: float
    """Root mean square of the difference of the products w·∇φ, relative to the true one."""


def smallest_wind(harmonics: SphericalHarmonics, fields: Tensor, truth: Components) -> SmallestWind:
    """Wind of the truncation with the least mean square whose w·∇φ is that of ``truth``.

    Conjugate gradients from a calm on stay in the span of the gradients, and so find the smallest
    of all solutions (Hanke 1995, Conjugate Gradient Type Methods for Ill-Posed Problems).

    Args:
        harmonics: truncation to which tracers and products are taken.
        fields: (K, nlat, nlon) tracers, any unit.
        truth: eastward and northward, (nlat, nlon), m s⁻¹.
    """
    modal = harmonics.to_modal(fields)
    east, north = harmonics.gradient(modal)
    scale = (east.square() + north.square()).mean().sqrt()
    gradient = torch.stack([east, north], dim=-1) / scale
    operator = ProjectedProduct(harmonics, gradient)

    def product(u: Tensor, v: Tensor) -> Tensor:
        return harmonics.to_modal(u * gradient[..., 0] + v * gradient[..., 1])

    right = product(*truth)
    solution = solve_projected(operator, right, iterations=ITERATIONS)
    wind = operator.wind(solution.coefficients)
    miss = harmonics.to_nodal(torch.stack([product(*wind) - right, right]))
    residual, size = (float(mean_square(harmonics, part).sum()) for part in miss)
    difference = torch.hypot(wind[0] - truth[0], wind[1] - truth[1])
    where = steep(harmonics, modal[0])
    change, whole = (
        float(mean_square(harmonics, where * part)) for part in (difference, torch.hypot(*truth))
    )
    return SmallestWind(wind, math.sqrt(change / whole), math.sqrt(residual / size))


@cache
def smallest_in_moving_twin(tracers: int) -> SmallestWind:
    """At the centre of the moving twin, T42."""
    twin = moving_twin()
    return smallest_wind(twin.harmonics, twin.tracers[:tracers, CENTRE], twin.truth(CENTRE))


@cache
def smallest_in_steady_twin() -> SmallestWind:
    """At the first instant of the steady twin, one tracer, T21."""
    twin = steady_twin()
    return smallest_wind(twin.harmonics, twin.tracers[:, 0], twin.truth(0.0))
