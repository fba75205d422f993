"""Worlds in which the wind is known, to try its recovery from tracers on.

Tracers, wind and sources are random fields of low degree, so that what advection makes of them in
a few hours stays far below the truncation: the solver then satisfies the equation at every node,
and not only its projection. Tracers that fill the truncation can be asked for.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    Grid,
    SphericalHarmonics,
    SteadySource,
    SteadyWind,
    Wind,
    lawson_rk4,
)
from co2net_phys.solvers.winds import Components

OUTPUT_INTERVAL = 300.0
"""Seconds between two fields of the moving twin."""

FIELDS = 65
"""Fields of the moving twin: 5 h 20 min, for differences over 16 intervals on either side."""

CENTRE = FIELDS // 2
"""Index of the field in the middle, where the wind is recovered."""

DIFFUSIVITY = 1e5
"""D of the moving twin, m² s⁻¹."""

WINDOW_DIFFUSIVITY = 2e6
"""D of the steady twin, m² s⁻¹: in days the flow would otherwise make too fine a structure."""

TRACERS = 3
"""Number of tracers of the moving twin."""

BACKGROUND, ANOMALY = 400.0, 5.0
"""Mean and standard deviation of the tracers at the start, µmol mol⁻¹."""

MEAN_SPEED = 15.0
"""Root mean square speed of the steady part of the wind, m s⁻¹."""

WIND_PERIOD = 2.0 * SECONDS_PER_DAY
"""Period in which the wind of the moving twin changes, s."""

TRACER_DEGREE, WIND_DEGREE = 8, 5
"""Largest degrees of tracers and wind of the moving twin."""

SMALL_GRADIENT = 0.1
"""|∇φ| relative to its root mean square, below which it counts as small."""

STEADY_TRACER_DEGREE, STEADY_WIND_DEGREE = 4, 3
"""Those of the steady twin, whose tracer has days to become finer."""

WINDOW_INTERVAL = 3600.0
"""Seconds between two fields of the steady twin."""

WINDOW_FIELDS = 52
"""Fields of the steady twin: two days and the margin of the time difference."""


@dataclass(frozen=True)
class Twin:
    """Tracers that a known wind has carried."""

    harmonics: SphericalHarmonics
    wind: Wind
    sources: Tensor
    """(K, nlat, nlon), µmol mol⁻¹ s⁻¹."""
    tracers: Tensor
    """(K, T, nlat, nlon), µmol mol⁻¹."""
    diffusivity: float
    """m² s⁻¹."""
    interval: float
    """Between two fields, s."""

    def truth(self, index: float) -> Components:
        """Eastward and northward wind (nlat, nlon) in m s⁻¹ at the field of this index."""
        return self.wind(index * self.interval)


class UnsteadyWind:
    """w₀ + w₁ cos ωt + w₂ sin ωt of three winds.

    Args:
        u: eastward, (3, nlat, nlon), m s⁻¹.
        v: northward, likewise.
        period: 2π/ω, s.
    """

    def __init__(self, u: Tensor, v: Tensor, period: float) -> None:
        self.u, self.v, self.rate = u, v, 2.0 * torch.pi / period
        # No instant can exceed the sum of the three.
        self.max_speed = float(torch.hypot(u, v).sum(0).max())

    def __call__(self, time: float) -> Components:
        """Wind at ``time``, s."""
        phase = torch.tensor(self.rate * time, dtype=self.u.dtype)
        weights = torch.stack([torch.ones_like(phase), phase.cos(), phase.sin()])
        return torch.tensordot(weights, self.u, 1), torch.tensordot(weights, self.v, 1)


@cache
def moving_twin(degree: int = TRACER_DEGREE) -> Twin:
    """Three tracers with sources in an unsteady, divergent wind, T42, every five minutes.

    Args:
        degree: largest of the tracers at the start and of their sources.
    """
    harmonics = SphericalHarmonics(Grid.gaussian(42), 42)
    generator = torch.Generator().manual_seed(1)
    u, v = random_winds(harmonics, generator, 3, WIND_DEGREE)
    change = torch.tensor([1.0, 0.3, 0.3], dtype=u.dtype)[:, None, None]
    wind = UnsteadyWind(change * u, change * v, WIND_PERIOD)
    initial, sources = _random_tracers(harmonics, generator, TRACERS, degree)
    equation = AdvectionDiffusion(harmonics, wind, DIFFUSIVITY, SteadySource(sources))
    tracers = _carried(equation, initial, OUTPUT_INTERVAL, FIELDS, steps=3)
    return Twin(harmonics, wind, sources, tracers, DIFFUSIVITY, OUTPUT_INTERVAL)


@cache
def steady_twin() -> Twin:
    """One tracer with a source in a steady wind, T21, every hour for two days."""
    harmonics = SphericalHarmonics(Grid.gaussian(21), 21)
    generator = torch.Generator().manual_seed(1)
    u, v = random_winds(harmonics, generator, 1, STEADY_WIND_DEGREE)
    wind = SteadyWind(u[0], v[0])
    initial, sources = _random_tracers(harmonics, generator, 1, STEADY_TRACER_DEGREE)
    equation = AdvectionDiffusion(harmonics, wind, WINDOW_DIFFUSIVITY, SteadySource(sources))
    tracers = _carried(equation, initial, WINDOW_INTERVAL, WINDOW_FIELDS, steps=4)
    return Twin(harmonics, wind, sources, tracers, WINDOW_DIFFUSIVITY, WINDOW_INTERVAL)


def random_modal(
    harmonics: SphericalHarmonics, generator: torch.Generator, count: int, degree: int
) -> Tensor:
    """Random fields without a mean, of standard deviation one.

    Args:
        harmonics: gives the truncation.
        generator: of the random numbers.
        count: how many.
        degree: largest degree, with the same variance in every degree.

    Returns:
        (count, l, m), dimensionless.
    """
    size = harmonics.truncation + 1
    parts = torch.randn(count, size, size, 2, generator=generator, dtype=torch.float64)
    parts[..., 0, 1] = 0.0  # order zero is real
    modal = torch.view_as_complex(parts).tril()
    number = torch.arange(size, dtype=torch.float64)
    wanted = (number >= 1) & (number <= degree)
    modal = modal * (wanted / (2.0 * number + 1.0).sqrt())[:, None]
    variance = mean_square(harmonics, harmonics.to_nodal(modal))
    return modal / variance.sqrt()[:, None, None]


def random_winds(
    harmonics: SphericalHarmonics, generator: torch.Generator, count: int, degree: int
) -> Components:
    """Random winds, mostly rotational, of root mean square speed :data:`MEAN_SPEED`.

    Args:
        harmonics: gives nodes and truncation.
        generator: of the random numbers.
        count: how many.
        degree: largest degree of streamfunction and velocity potential.

    Returns:
        Eastward and northward components, each (count, nlat, nlon), m s⁻¹.
    """
    fields = random_modal(harmonics, generator, 2 * count, degree)
    number = torch.arange(harmonics.truncation + 1, dtype=torch.float64).clamp(min=1.0)
    smooth = fields / number[:, None]
    u, v = harmonics.wind(smooth[:count], 0.2 * smooth[count:])
    speed = mean_square(harmonics, torch.hypot(u, v)).sqrt()[:, None, None]
    return MEAN_SPEED * u / speed, MEAN_SPEED * v / speed


def mean_square(harmonics: SphericalHarmonics, nodal: Tensor) -> Tensor:
    """Area mean (...) of the square of ``nodal`` (..., nlat, nlon), its unit squared."""
    return harmonics.integrate(nodal**2) / (4.0 * torch.pi * harmonics.radius**2)


def steep(harmonics: SphericalHarmonics, modal: Tensor) -> Tensor:
    """(nlat, nlon), true where |∇φ| of ``modal`` (l, m) is not small: :data:`SMALL_GRADIENT`."""
    size = torch.hypot(*harmonics.gradient(modal))
    return size >= SMALL_GRADIENT * mean_square(harmonics, size).sqrt()


def _random_tracers(
    harmonics: SphericalHarmonics, generator: torch.Generator, count: int, degree: int
) -> tuple[Tensor, Tensor]:
    """Initial fields (count, l, m) and nodal sources of one µmol mol⁻¹ per day."""
    initial = ANOMALY * random_modal(harmonics, generator, count, degree)
    initial[:, 0, 0] += BACKGROUND * (4.0 * torch.pi) ** 0.5
    rate = random_modal(harmonics, generator, count, degree) / SECONDS_PER_DAY
    return initial, harmonics.to_nodal(rate)


def _carried(
    equation: AdvectionDiffusion, state: Tensor, interval: float, fields: int, steps: int
) -> Tensor:
    """Nodal fields (K, ``fields``, nlat, nlon), ``steps`` time steps between two of them."""
    time_step = interval / steps
    step = lawson_rk4(equation, time_step)
    record = [state]
    for n in range((fields - 1) * steps):
        state = step(state, n * time_step)
        if (n + 1) % steps == 0:
            record.append(state)
    return equation.harmonics.to_nodal(torch.stack(record, dim=1))
