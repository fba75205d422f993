"""Transport of rough tracers: no new extremes, positive, conservative, for steps of any length.

A spectral series rings around a point source and may turn negative there. Here the tracer stays at
the nodes: what arrives at a node is interpolated where its parcel came from, kept between the
nodes around that point, and the mass is restored within these bounds.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.bounds import Bounded, BoundedInterpolator, restore_mass, total_masses
from co2net_phys.solvers.departures import WindAt, departure_points, departures_with_expansion
from co2net_phys.solvers.equations import AdvectionDiffusion, SteadySource
from co2net_phys.solvers.finite_volume_diffusion import diffusion
from co2net_phys.solvers.local_interpolation import (
    LocalInterpolator,
    Stencils,
    sampled_wind,
    without_round_off,
)
from co2net_phys.solvers.time_integration import Step
from co2net_phys.solvers.winds import SteadyWind

COURANT = 10.0
"""Cells at the equator that the fastest parcel crosses in a suggested time step."""

LONGEST_STEP = 21600.0
"""Longest suggested time step, s: the daily course of winds and sources needs four."""

LONGEST_ARC = 0.3
"""Radians that the fastest parcel travels in one Runge–Kutta step of its trajectory."""

NO_DIVERGENCE = 1e-9
"""Divergence, relative to speed × truncation / radius, below which it is taken to be round-off."""


class Transport(NamedTuple):
    """Where the parcels of one step come from."""

    stencils: Stencils
    """Around the points of departure."""
    compression: NDArray[np.float64] | None
    """(points,) density at arrival of air that had density 1; None without divergence."""


def suggested_monotone_time_step(equation: AdvectionDiffusion) -> float:
    """Time step in s that balances the errors of :func:`monotone`; it is stable with any.

    Every step smooths that does not move the tracer by whole cells, so few long ones are best until
    winds and sources change too much in one:
    ``COURANT`` cells of the equator at the largest wind speed, ``LONGEST_STEP`` at most.
    """
    harmonics, speed = equation.harmonics, equation.wind.max_speed
    spacing = 2.0 * math.pi * harmonics.radius / harmonics.grid.nlon
    return LONGEST_STEP if speed == 0.0 else min(LONGEST_STEP, COURANT * spacing / speed)


def monotone(
    equation: AdvectionDiffusion,
    time_step: float,
    *,
    width: int = 8,
    bounds_width: int = 4,
    substeps: int | None = None,
) -> Step:
    """Semi-Lagrangian step on nodal states (..., nlat, nlon), bounded by the nodes around.

    Of either form of the equation, with J = exp(−∫ ∇·w dt) along the path in the flux form, and
    J = 1 in the advective form,

        φ(arrival, t + Δt) = J φ(departure, t),

    interpolated by a polynomial of ``width`` × ``width`` nodes and kept within J times the extremes
    of ``bounds_width`` × ``bounds_width`` nodes. The mass Σ A φ over the grid's cells is restored
    to round-off, globally and within these bounds: always in the flux form; in the advective form
    if the wind has no divergence, as only then does the equation keep the mass. Without
    divergence constants stay exactly what they are. Should the local bounds not hold the mass, the
    global extremes do, since J is scaled to keep the mass of air. In the flux form with divergence
    the bounds are those of the density over one step: it stays positive, but the mixing ratio can
    creep out of its first range over many steps.

    Diffusion, decay and sources take half a step before and half a step after the transport
    (Strang 1968, doi:10.1137/0705041). All parts keep positive tracers positive if the source is
    positive, and make no new extremes without source, decay and compression. The order in space is
    ``width`` where no bound is active, 2 at extremes; in time 4 for transport alone, 2 with the
    rest, 1 in a nodal field of diffusivity. Gradients are not tracked. Computed in float64; the
    result has the type of the state, and a float32 state keeps its mass to float32.

    Trajectories follow ``wind.at(latitude, longitude, time)`` if the wind offers it, else
    interpolate the samples at the nodes. The divergence is that of the truncated wind.

    Args:
        equation: its grid must have an even number of longitudes.
        time_step: s; see :func:`suggested_monotone_time_step`.
        width: nodes per direction of the interpolation: 2, 4, 6 or 8.
        bounds_width: 2 for the corners of the cell around the point, strictly monotone; 4 for a
            scheme that keeps smooth extremes better.
        substeps: Runge–Kutta steps per trajectory; by default, from the largest wind speed.

    Raises:
        UsageError: a time step or width that makes no sense, or hyperdiffusivity, which makes
            new extremes.

    Reference: Bradley et al. (2022), doi:10.5194/gmd-15-6285-2022, for the family of schemes.
    """
    if not 0.0 < time_step < math.inf:
        raise UsageError(f"time step must be positive and finite, got {time_step}")
    if equation.hyperdiffusivity:
        raise UsageError(
            "hyperdiffusivity makes new extremes: leave it out, the monotone scheme needs none"
        )
    interpolator = LocalInterpolator(equation.harmonics.grid, width)
    transport = _transport(equation, time_step, interpolator, bounds_width, substeps)
    half = time_step / 2
    grid, radius = equation.harmonics.grid, equation.harmonics.radius
    varies = callable(equation.diffusivity)  # then the equation checks each value
    coefficient = equation.explicit_diffusivity if varies else equation.diffusivity
    spread = diffusion(grid, radius, coefficient, half)

    def step(state: Tensor, time: float) -> Tensor:
        nodal = state.detach().double().cpu()
        nodal = spread(_react(equation, nodal, time, half), time)
        nodal = spread(transport(nodal, time), time + half)
        return _react(equation, nodal, time + half, half).to(state)

    return step


def _transport(
    equation: AdvectionDiffusion,
    time_step: float,
    interpolator: LocalInterpolator,
    bounds_width: int,
    substeps: int | None,
) -> Step:
    """Advection alone, of float64 nodal states."""
    interpolate = BoundedInterpolator(interpolator, bounds_width)
    areas = equation.harmonics.grid.area_weights.ravel()
    trace = _tracer_of_parcels(equation, time_step, interpolator, substeps)
    conserves_always = equation.form == "flux"

    def step(state: Tensor, time: float) -> Tensor:
        fields = state.reshape(-1, *state.shape[-2:])
        parcels, divergent = trace(time)
        bounded = interpolate(fields, parcels.stencils)
        values = bounded.values
        if conserves_always or not divergent:
            flat = fields.reshape(fields.shape[0], -1).numpy()
            extremes = np.stack([flat.min(1), flat.max(1)], axis=1)[:, :, None]
            extremes = np.repeat(extremes, areas.size, axis=2)
            if parcels.compression is not None:
                bounded = Bounded(*(part * parcels.compression for part in bounded))
                extremes = extremes * parcels.compression
            values = restore_mass(bounded, areas, total_masses(flat, areas), extremes)
        return torch.from_numpy(values).reshape(state.shape)

    return step


def _tracer_of_parcels(
    equation: AdvectionDiffusion,
    time_step: float,
    interpolator: LocalInterpolator,
    substeps: int | None,
) -> Callable[[float], tuple[Transport, bool]]:
    """Function of time to the parcels of the step from there, and whether the wind diverges."""
    harmonics, wind = equation.harmonics, equation.wind
    latitude, longitude = (axis.double().cpu() for axis in harmonics.coordinates())
    arc = wind.max_speed * time_step / harmonics.radius
    count = substeps or max(1, math.ceil(arc / LONGEST_ARC))
    wind_at: WindAt = getattr(wind, "at", None) or sampled_wind(wind, harmonics.grid)
    areas = harmonics.grid.area_weights.ravel()
    divergence = _divergence_of(equation)

    def divergence_at(latitude: Tensor, longitude: Tensor, time: float) -> Tensor:
        nodal = divergence(without_round_off(time))
        if nodal is None:
            return torch.zeros_like(latitude)
        return interpolator.interpolate(nodal, interpolator.stencils(latitude, longitude))

    def trace(time: float) -> tuple[Transport, bool]:
        times = (time, time + time_step / 2, time + time_step)
        divergent = any(divergence(without_round_off(instant)) is not None for instant in times)
        journey = (latitude, longitude, time, time_step, count, harmonics.radius)
        if not (divergent and equation.form == "flux"):
            points = departure_points(wind_at, *journey, rotation=equation.rotation)
            return Transport(interpolator.stencils(*points), None), divergent
        found = departures_with_expansion(
            wind_at, divergence_at, *journey, rotation=equation.rotation
        )
        compression = torch.exp(-found.expansion).reshape(-1).numpy()
        # The air itself keeps its mass, so that the tracer's can always be restored.
        compression = compression * (areas.sum() / (areas @ compression))
        return Transport(interpolator.stencils(*found[:2]), compression), divergent

    if not isinstance(wind, SteadyWind):
        return trace
    once = lru_cache(maxsize=1)(partial(trace, 0.0))
    return lambda _: once()


def _divergence_of(equation: AdvectionDiffusion) -> Callable[[float], Tensor | None]:
    """∇·w at the nodes at a time, s⁻¹, or None where it is but round-off."""
    harmonics = equation.harmonics

    @lru_cache(maxsize=4)
    def divergence(time: float) -> Tensor | None:
        u, v = torch.broadcast_tensors(*equation.wind(time))
        nodal = harmonics.to_nodal(harmonics.divergence(u, v)).detach().double().cpu()
        speed = float(torch.hypot(u, v).max())
        degree = max(harmonics.truncation, 1)
        share = max(NO_DIVERGENCE, degree * torch.finfo(u.dtype).eps)  # the latter in float32
        rounding = share * speed * degree / harmonics.radius
        return nodal if float(nodal.abs().max()) > rounding else None

    return divergence


def _react(equation: AdvectionDiffusion, state: Tensor, time: float, interval: float) -> Tensor:
    """Decay and source over ``interval`` s: exponential midpoint rule, second order.

    φ e^{−Kh} + s(t + h/2, φ(t + h/2)) (1 − e^{−Kh})/K, exact for a constant source.
    """
    decay, source = equation.decay, equation.source
    kept, gained = _decayed(decay, interval)
    if source is None:
        return state if decay == 0.0 else state * kept
    if isinstance(source, SteadySource):
        rate = source.rate
    else:
        kept_half, gained_half = _decayed(decay, interval / 2)
        middle = kept_half * state + gained_half * source(time, state)
        rate = source(time + interval / 2, middle)
    return kept * state + gained * rate.detach().to(state)


def _decayed(decay: float, interval: float) -> tuple[float, float]:
    """e^{−Kh} and (1 − e^{−Kh})/K."""
    kept = math.exp(-decay * interval)
    return kept, interval if decay == 0.0 else -math.expm1(-decay * interval) / decay
