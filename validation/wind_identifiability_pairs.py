"""Different winds that carry one tracer alike, and the places where a tracer has no gradient.

If w carries φ, so does w + α k×∇φ for any α(x, t), because k×∇φ·∇φ = 0. With α = F'(φ) the added
wind is k×∇F(φ), which has no divergence either.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import root
from scipy.special import sph_harm_y
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    Wind,
    lawson_rk4,
)
from co2net_phys.solvers.legendre import legendre_tables, sum_over_degree
from co2net_phys.solvers.winds import Components
from co2net_phys.validation.closed_form import closed_form
from co2net_phys.validation.wind_twin import mean_square, random_modal, steep

ANGULAR_SPEED = 5e-6
"""Of the solid-body rotation, rad s⁻¹: 32 m s⁻¹ at the equator."""

DIFFUSIVITY = 2e5
"""D, m² s⁻¹."""

DURATION = 2.0 * SECONDS_PER_DAY
"""Simulated time, s."""

TIME_STEP = 1800.0
"""s; rotation and diffusion being exact, only round-off depends on it."""

TRUNCATION = 10
"""Largest degree of the tracer."""

ADDED_SPEED = 15.0
"""Root mean square of the added wind at the start, m s⁻¹."""

ADDITIONS = ("uniform", "stream", "patchy")
"""α constant; α ∝ φ, which makes k×∇(φ²/2); α varying in space and time, with divergence."""

SEARCH_TRUNCATION = 3 * TRUNCATION
"""Truncation of the grid on whose nodes the search for a maximum starts."""

Array = NDArray[np.float64]
Strength = Callable[[Tensor, float], Tensor]
"""α(φ, t) at the nodes from the nodal tracer and the time in s, before scaling."""


@dataclass(frozen=True)
class Pair:
    """Two winds and what the solver makes of one tracer in each."""

    harmonics: SphericalHarmonics
    wind: Wind
    other: "AddedWind"
    initial: Tensor
    """Tracer at the start, modal (l, m), dimensionless with a standard deviation of one."""
    tracer: Tensor
    """Carried by ``wind`` for :data:`DURATION`."""
    other_tracer: Tensor
    """Carried by ``other``."""

    @property
    def tracer_difference(self) -> float:
        """Largest difference between the two tracers at the nodes, relative to the first."""
        first, second = self.harmonics.to_nodal(torch.stack([self.tracer, self.other_tracer]))
        return float((second - first).abs().max() / first.abs().max())

    def wind_difference(self, time: float) -> float:
        """Root mean square of the winds' difference at ``time`` (s), relative to the first.

        Both are taken where the tracer has a gradient that is not small.
        """
        (u, v), (other_u, other_v) = self.wind(time), self.other(time)
        where = steep(self.harmonics, self.other.tracer(time))
        change = mean_square(self.harmonics, where * torch.hypot(other_u - u, other_v - v))
        return math.sqrt(float(change / mean_square(self.harmonics, where * torch.hypot(u, v))))

    def divergence(self, time: float) -> float:
        """Root mean square divergence of the other wind relative to that of its vorticity."""
        u, v = self.other(time)
        divergence, vorticity = self.harmonics.divergence(u, v), self.harmonics.curl(u, v)
        return float(torch.linalg.norm(divergence) / torch.linalg.norm(vorticity))


class AddedWind:
    """w + α G with G = k×∇φ, along the level lines, or G = ∇φ, across them.

    Args:
        harmonics: of tracer and wind.
        wind: w.
        tracer: φ at a time in s, modal (l, m).
        strength: α up to a factor, which gives the addition :data:`ADDED_SPEED` at the start.
        across: whether the addition is turned by 90° so as to lie along ∇φ.
    """

    def __init__(
        self,
        harmonics: SphericalHarmonics,
        wind: Wind,
        tracer: Callable[[float], Tensor],
        strength: Strength,
        across: bool = False,
    ) -> None:
        self.harmonics, self.wind, self.tracer = harmonics, wind, tracer
        self.strength, self.across, self.factor = strength, across, 1.0
        speed = torch.hypot(*self.addition(0.0))
        self.factor = ADDED_SPEED / math.sqrt(float(mean_square(harmonics, speed)))
        # The tracer decays, and the addition with it.
        self.max_speed = wind.max_speed + self.factor * float(speed.max())

    def __call__(self, time: float) -> Components:
        """Wind at ``time``, s."""
        u, v = self.wind(time)
        more_u, more_v = self.addition(time)
        return u + more_u, v + more_v

    def addition(self, time: float) -> Components:
        """What is added to w at ``time`` (s), m s⁻¹."""
        tracer = self.tracer(time)
        east, north = self.harmonics.gradient(tracer)
        alpha = self.factor * self.strength(self.harmonics.to_nodal(tracer), time)
        return (alpha * east, alpha * north) if self.across else (-alpha * north, alpha * east)


@cache
def same_tracer(addition: str, across: bool = False) -> Pair:
    """Run the solver in a solid-body rotation, and with a wind added to it.

    Args:
        addition: one of :data:`ADDITIONS`.
        across: add the wind across the level lines instead, where it does change the tracer.

    Returns:
        Both winds and both tracers after :data:`DURATION`.
    """
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    initial = random_modal(harmonics, torch.Generator().manual_seed(0), 1, TRUNCATION)[0]
    wind = SolidBodyRotation(harmonics, ANGULAR_SPEED)
    none = torch.zeros_like(initial)

    def tracer(time: float) -> Tensor:
        return closed_form(harmonics, initial, none, DIFFUSIVITY, ANGULAR_SPEED, time)

    other = AddedWind(harmonics, wind, tracer, _strength(addition, harmonics), across)
    carried = [_run(harmonics, flow, initial) for flow in (wind, other)]
    return Pair(harmonics, wind, other, initial, *carried)


@dataclass(frozen=True)
class Summit:
    """The highest point of a tracer."""

    latitude: float
    """Degrees north."""
    longitude: float
    """Degrees east."""
    excess: float
    """Tracer there less the largest at a node of the search grid; not negative."""
    gradient: float
    """|∇φ| there, relative to its root mean square over the sphere."""


@cache
def summits() -> tuple[Summit, ...]:
    """Highest points of twelve random tracers of degree :data:`TRUNCATION`.

    They are found with the derivatives of :func:`scipy.special.sph_harm_y` and judged with those
    of the package, so that an error in either shows.
    """
    harmonics, tracers = _random_tracers()
    return tuple(_summit(harmonics, tracer) for tracer in tracers)


def slopes_near_summits() -> tuple[Array, Array]:
    """How fast the gradient falls towards the highest points, along their meridians.

    Returns:
        Distances from the point, radians (n,), and |∇φ| there relative to its root mean square,
        (tracers, n).
    """
    harmonics, tracers = _random_tracers()
    distances = np.logspace(-12.0, -1.0, 34)
    slopes = []
    for modal, summit in zip(tracers, summits(), strict=True):
        towards_equator = -math.copysign(1.0, summit.latitude)
        latitude = np.deg2rad(summit.latitude) + towards_equator * distances
        found = gradient_on_meridian(harmonics, modal, latitude, math.radians(summit.longitude))
        slopes.append(np.hypot(*found) / _typical_gradient(harmonics, modal))
    return distances, np.array(slopes)


def gradient_on_meridian(
    harmonics: SphericalHarmonics, modal: Tensor, latitude: Array, longitude: float
) -> Array:
    """Eastward and northward ∇f (2, n) of ``modal`` (l, m), its unit per m.

    Args:
        harmonics: gives truncation and radius.
        modal: the field.
        latitude: of any points, (n,), radians.
        longitude: of all of them, radians.
    """
    tables = legendre_tables(np.rad2deg(latitude), harmonics.truncation)
    order = torch.arange(harmonics.truncation + 1, dtype=torch.float64)
    weight = torch.where(order == 0, 1.0, 2.0).double()
    wave = torch.polar(weight, order * longitude)
    east = sum_over_degree(1j * modal, tables.over_cosine)  # (n, m)
    north = sum_over_degree(modal, tables.derivative)
    parts = [(part * wave).real.sum(-1).numpy() for part in (east, north)]
    return np.stack(parts) / harmonics.radius


@cache
def _random_tracers(count: int = 12) -> tuple[SphericalHarmonics, Tensor]:
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    generator = torch.Generator().manual_seed(2)
    return harmonics, random_modal(harmonics, generator, count, TRUNCATION)


def _typical_gradient(harmonics: SphericalHarmonics, modal: Tensor) -> float:
    """Root mean square of |∇f| over the sphere, unit of ``modal`` per m."""
    return math.sqrt(float(mean_square(harmonics, torch.hypot(*harmonics.gradient(modal)))))


def _summit(harmonics: SphericalHarmonics, modal: Tensor) -> Summit:
    """Solve ∇φ = 0 from the highest node of a fine grid."""
    grid = Grid.gaussian(SEARCH_TRUNCATION)
    values = harmonics.synthesise(modal, grid).numpy()
    row, column = np.unravel_index(values.argmax(), values.shape)
    start = np.deg2rad([90.0 - grid.latitude[row], grid.longitude[column]])
    found = root(
        lambda point: _derivatives(modal, point)[1],
        start,
        jac=lambda point: _derivatives(modal, point)[2],
        tol=1e-15,
    ).x
    latitude, longitude = np.pi / 2 - found[0], found[1]
    slope = np.hypot(*gradient_on_meridian(harmonics, modal, np.array([latitude]), longitude))
    relative = float(slope[0]) / _typical_gradient(harmonics, modal)
    excess = float(_derivatives(modal, found)[0] - values.max())
    degrees = math.degrees(latitude), math.degrees(longitude) % 360.0
    return Summit(*degrees, excess, relative)


def _derivatives(modal: Tensor, point: Array) -> tuple[float, Array, Array]:
    """Value, first and second derivatives by (colatitude, longitude) in radians at ``point``."""
    degree, order = np.tril_indices(modal.shape[0])
    coefficient = modal.numpy()[degree, order] * np.where(order == 0, 1.0, 2.0)
    series = sph_harm_y(degree, order, *point, diff_n=2)
    value, slope, curvature = (np.tensordot(coefficient, part, 1).real for part in series)
    return float(value), slope, curvature


def _strength(addition: str, harmonics: SphericalHarmonics) -> Strength:
    latitude, longitude = harmonics.coordinates()
    strengths: dict[str, Strength] = {
        "uniform": lambda tracer, time: torch.ones_like(tracer),
        "stream": lambda tracer, time: tracer,
        "patchy": lambda tracer, time: (
            latitude.cos() * (longitude - 2.0 * math.pi * time / DURATION).sin()
        ),
    }
    return strengths[addition]


def _run(harmonics: SphericalHarmonics, wind: Wind, initial: Tensor) -> Tensor:
    """The tracer after :data:`DURATION`; rotation and diffusion are taken exactly."""
    equation = AdvectionDiffusion(harmonics, wind, DIFFUSIVITY, rotation=ANGULAR_SPEED)
    step, state = lawson_rk4(equation, TIME_STEP), initial
    for n in range(round(DURATION / TIME_STEP)):
        state = step(state, n * TIME_STEP)
    return state
