"""Departure points: where the parcels that arrive at given points come from.

Trajectories dx/dt = w(x, t) are integrated backwards in Cartesian coordinates on the unit sphere,
where a pole is a point like any other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.time_integration import RK4

WindAt = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]
"""wind_at(latitude, longitude, time): points (n,) in radians, any longitude, and a time in s, to
eastward and northward wind (n,) in m s⁻¹."""

DivergenceAt = Callable[[Tensor, Tensor, float], Tensor]
"""divergence_at(latitude, longitude, time): likewise, to ∇·w (n,) in s⁻¹."""

ErrorEstimate = Callable[[list[Tensor], float], float]
"""estimate(slopes, step): the slopes of one step of a scheme, each (3 or 4, n), and its length in
s, to the error of the step in radians."""


class Scheme(Protocol):
    """An explicit Runge–Kutta scheme, such as ``RK4`` or ``DORMAND_PRINCE_8``."""

    @property
    def c(self) -> tuple[float, ...]:
        """Times of the stages, in steps."""
        ...

    @property
    def a(self) -> tuple[tuple[float, ...], ...]:
        """Weights of the earlier slopes in each stage."""
        ...

    @property
    def b(self) -> tuple[float, ...]:
        """Weights of the slopes in the result."""
        ...


class Departure(NamedTuple):
    """Where parcels were, and how much the wind has spread them since."""

    latitude: Tensor
    """Radians, of the shape of the points of arrival."""
    longitude: Tensor
    """Radians in [−π, π], likewise."""
    expansion: Tensor
    """∫ ∇·w dt along the path, dimensionless: a density arrives e^{−expansion} times as large."""


def departure_points(
    wind_at: WindAt,
    latitude: Tensor,
    longitude: Tensor,
    time: float,
    time_step: float,
    substeps: int = 1,
    radius: float = EARTH_RADIUS_M,
    *,
    rotation: float = 0.0,
    table: Scheme = RK4,
) -> tuple[Tensor, Tensor]:
    """Where the parcels that arrive at ``time + time_step`` were at ``time``.

    Args:
        wind_at: the wind at any point.
        latitude: of the points of arrival, radians, broadcast with ``longitude``.
        longitude: likewise.
        time: of the departure, s.
        time_step: s; negative to look where the parcels will be instead.
        substeps: steps of ``table`` that make up ``time_step``.
        radius: of the sphere, m.
        rotation: see :class:`Trajectories`.
        table: likewise.

    Returns:
        Latitude and longitude in radians, of the broadcast shape, longitude in [−π, π].

    Raises:
        UsageError: ``substeps`` below one.
    """
    trajectories = Trajectories(wind_at, radius, rotation, table)
    positions, _ = trajectories.back(latitude, longitude, time, time_step, substeps)
    return coordinates(positions)


def departures_with_expansion(
    wind_at: WindAt,
    divergence_at: DivergenceAt,
    latitude: Tensor,
    longitude: Tensor,
    time: float,
    time_step: float,
    substeps: int = 1,
    radius: float = EARTH_RADIUS_M,
    *,
    rotation: float = 0.0,
    table: Scheme = RK4,
) -> Departure:
    """Like :func:`departure_points`, with the divergence met on the way.

    ∂ρ/∂t + ∇·(ρw) = 0 has the solution ρ(arrival) = ρ(departure) exp(−∫ ∇·w dt).

    Args:
        divergence_at: ∇·w at any point.

    Raises:
        UsageError: ``substeps`` below one.
    """
    trajectories = Trajectories(wind_at, radius, rotation, table, divergence_at)
    state, _ = trajectories.back(latitude, longitude, time, time_step, substeps)
    return Departure(*coordinates(state), -state[3])


@dataclass(frozen=True)
class Trajectories:
    """Integrates the paths of parcels backwards.

    Args:
        wind_at: the wind at any point.
        radius: of the sphere, m.
        rotation: rad s⁻¹, eastward: paths are traced in a frame that turns this fast about the
            pole, so that of a wind that mostly does the same little is left to integrate.
        table: an explicit Runge–Kutta scheme.
        divergence_at: ∇·w at any point, to be integrated along the paths.
        estimate: of the error of one step of ``table``.
    """

    wind_at: WindAt
    radius: float = EARTH_RADIUS_M
    rotation: float = 0.0
    table: Scheme = RK4
    divergence_at: DivergenceAt | None = None
    estimate: ErrorEstimate | None = None

    def back(
        self, latitude: Tensor, longitude: Tensor, time: float, time_step: float, substeps: int
    ) -> tuple[Tensor, float]:
        """Trace parcels from ``time + time_step`` back to ``time``.

        Args:
            latitude: of the arrival, radians, broadcast with ``longitude``.
            longitude: likewise.
            time: of the departure, s.
            time_step: s.
            substeps: steps of the scheme.

        Returns:
            Positions (3, ...) at the departure, on the unit sphere to the accuracy of the scheme;
            with a divergence a fourth row, −∫ ∇·w dt. Then the largest sum of estimated errors,
            radians, zero without an ``estimate``.

        Raises:
            UsageError: ``substeps`` below one.
        """
        if substeps < 1:
            raise UsageError(f"a trajectory needs at least 1 substep, got {substeps}")
        arrival, step, error = time + time_step, -time_step / substeps, 0.0
        latitude, longitude = torch.broadcast_tensors(latitude, longitude)
        state = positions(latitude.reshape(-1), longitude.reshape(-1))
        if self.divergence_at is not None:
            state = torch.cat([state, torch.zeros_like(state[:1])])
        for n in range(substeps):
            slopes = self._slopes(state, arrival + n * step, step, arrival)
            state = _advance(state, slopes, self.table.b, step)
            if self.estimate is not None:
                error += self.estimate(slopes, abs(step))
        state = _turned(state, -self.rotation * time_step)
        return state.reshape(-1, *latitude.shape), error

    def _slopes(self, state: Tensor, time: float, step: float, arrival: float) -> list[Tensor]:
        """Those of one step from ``time`` to ``time + step``.

        Stages leave the sphere by what the scheme is in error. The wind there is that of the point
        below, a smooth field in space, so that the order is that of the scheme.
        """
        slopes: list[Tensor] = []
        for c, row in zip(self.table.c, self.table.a, strict=True):
            stage = _advance(state, slopes, row, step)
            slopes.append(self._velocity(stage, time + c * step, arrival))
        return slopes

    def _velocity(self, state: Tensor, time: float, arrival: float) -> Tensor:
        """Rate of change, s⁻¹, of positions in the frame that has turned back since arrival."""
        latitude, longitude = coordinates(state)
        fixed = longitude + self.rotation * (time - arrival)
        u, v = self.wind_at(latitude, fixed, time)
        east = u / self.radius - self.rotation * latitude.cos()
        rates = _cartesian(east, v / self.radius, latitude, longitude)
        if self.divergence_at is not None:
            rates.append(self.divergence_at(latitude, fixed, time))
        return torch.stack(rates)


def positions(latitude: Tensor, longitude: Tensor) -> Tensor:
    """(3, ...) on the unit sphere, from coordinates in radians."""
    cosine = latitude.cos()
    return torch.stack([cosine * longitude.cos(), cosine * longitude.sin(), latitude.sin()])


def coordinates(state: Tensor) -> tuple[Tensor, Tensor]:
    """Latitude and longitude in radians of positions (3 or more, ...), at any distance."""
    x, y, z = state[0], state[1], state[2]
    return torch.atan2(z, (x * x + y * y).sqrt()), torch.atan2(y, x)


def _advance(state: Tensor, slopes: list[Tensor], row: tuple[float, ...], step: float) -> Tensor:
    result = state
    for weight, slope in zip(row, slopes, strict=True):
        if weight:
            result = torch.add(result, slope, alpha=step * weight)
    return result


def _cartesian(east: Tensor, north: Tensor, latitude: Tensor, longitude: Tensor) -> list[Tensor]:
    """Components of east e_λ + north e_θ, with e_θ = (−sin θ cos λ, −sin θ sin λ, cos θ)."""
    cos_lon, sin_lon = longitude.cos(), longitude.sin()
    inward = north * latitude.sin()
    return [
        -(east * sin_lon + inward * cos_lon),
        east * cos_lon - inward * sin_lon,
        north * latitude.cos(),
    ]


def _turned(state: Tensor, angle: float) -> Tensor:
    """Positions turned eastward about the pole by ``angle`` radians."""
    if angle == 0.0:
        return state
    cosine, sine = math.cos(angle), math.sin(angle)
    x, y = cosine * state[0] - sine * state[1], sine * state[0] + cosine * state[1]
    return torch.cat([torch.stack([x, y]), state[2:]])
