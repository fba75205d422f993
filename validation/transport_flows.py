"""The winds of the transport test suite and their exact trajectories.

Time is in s, one revolution takes :data:`PERIOD`, positions are latitude and longitude in radians.
Without diffusion or source a mixing ratio q stays with its parcel, so that q(x, t) = q₀(x₀), x₀
being where the parcel now at x was at t = 0. A density φ = ρ q also feels the divergence:
ρ(x, t) = exp(−∫ ∇·w dt) along the same path, if ρ = 1 at t = 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.solvers.constants import SECONDS_PER_DAY
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.winds import DeformationalFlow, SolidBodyRotation, Wind

Array = NDArray[np.float64]

PERIOD = 12.0 * SECONDS_PER_DAY
"""T, s: the background turns once, the deformation acts, reverses, and everything has returned."""

TRAJECTORY_TOLERANCE = 1e-13
"""Error allowed per step where trajectories are integrated numerically, radians."""


@dataclass(frozen=True)
class Origin:
    """Where parcels were at t = 0, and how much they have been compressed since."""

    latitude: Array
    """Radians."""
    longitude: Array
    """Radians, not brought to one revolution."""
    density: Array
    """ρ now, 1 at t = 0, dimensionless."""


@dataclass(frozen=True)
class Flow:
    """A wind, its mean rotation, and its trajectories in closed or accurate form."""

    name: str
    """As on the command line."""
    rotation: float
    """Angular speed about the pole of its solid-body part, rad s⁻¹."""
    divergent: bool
    """Whether density changes along a trajectory."""
    wind: Callable[[SphericalHarmonics], Wind]
    """The wind at the nodes of a grid."""
    origin: Callable[[Array, Array, float], Origin]
    """``origin(latitude, longitude, time)`` of the parcels at these points at ``time``."""


def flow(name: str, tilt_degrees: float = 0.0) -> Flow:
    """One of the flows by name.

    Args:
        name: "nondivergent", "divergent" or "solid-body".
        tilt_degrees: angle between pole and axis, solid body only.

    Raises:
        UsageError: an unknown name, or a tilt of another flow.
    """
    turn = 2.0 * math.pi / PERIOD
    if name == "solid-body":
        tilt = math.radians(tilt_degrees)
        return Flow(
            name,
            turn * math.cos(tilt),
            False,
            lambda harmonics: SolidBodyRotation(harmonics, turn, tilt_degrees),
            lambda latitude, longitude, time: _solid_body_origin(latitude, longitude, time, tilt),
        )
    if tilt_degrees:
        raise UsageError(f"a tilt of {tilt_degrees:g}° has no effect on the {name} flow: omit it")
    if name == "nondivergent":
        return Flow(name, turn, False, DeformationalFlow, _nondivergent_origin)
    if name == "divergent":
        return Flow(name, turn, True, _divergent_wind, _divergent_origin)
    raise UsageError(f"unknown flow {name!r}: choose nondivergent, divergent or solid-body")


def _divergent_wind(harmonics: SphericalHarmonics) -> Wind:
    return DeformationalFlow(harmonics, divergent=True)


def _solid_body_origin(latitude: Array, longitude: Array, time: float, tilt: float) -> Origin:
    """Turn back about the axis (−sin α, 0, cos α) by 2πt/T: Rodrigues' formula."""
    angle = -2.0 * math.pi * time / PERIOD
    axis = np.array([-math.sin(tilt), 0.0, math.cos(tilt)])
    position = _cartesian(latitude, longitude)
    along = (position @ axis)[..., None] * axis
    turned = (
        position * math.cos(angle)
        + np.cross(axis, position) * math.sin(angle)
        + along * (1.0 - math.cos(angle))
    )
    return _origin_of(turned)


def _nondivergent_origin(latitude: Array, longitude: Array, time: float) -> Origin:
    """Closed form of the non-divergent deformation.

    In the frame that turns with the background, ψ = (10R²/T) y² cos(πt/T) with y the second
    Cartesian coordinate. The wind is r × ∇ψ, a rotation about the y axis at −(20/T) y cos(πt/T)
    rad s⁻¹, and y is kept: each parcel has turned about that axis by −(20/π) y sin(πt/T).
    """
    x, y, z = np.moveaxis(_cartesian(latitude, longitude - 2.0 * math.pi * time / PERIOD), -1, 0)
    back = (20.0 / math.pi) * math.sin(math.pi * time / PERIOD) * y
    turned = [x * np.cos(back) + z * np.sin(back), y, z * np.cos(back) - x * np.sin(back)]
    return _origin_of(np.stack(turned, axis=-1))


def _divergent_origin(latitude: Array, longitude: Array, time: float) -> Origin:
    """Dormand–Prince order 8 in the frame that turns with the background.

    There the wind is a steady field times cos(πt/T), so that with the elapsed
    τ = sin(πt/T)/π in place of t/T the equations do not contain time:
    dλ/dτ = −10 sin²(λ/2) sin θ cos²θ, dθ/dτ = (5/2) sin λ cos³θ, regular at the poles,
    and d ln ρ/dτ = 15 sin λ sin θ cos²θ, minus the divergence.
    """
    latitude, longitude = np.broadcast_arrays(latitude, longitude)
    elapsed = math.sin(math.pi * time / PERIOD) / math.pi
    moving = longitude - 2.0 * math.pi * time / PERIOD
    if abs(elapsed) < TRAJECTORY_TOLERANCE:
        return Origin(latitude, moving, np.ones_like(latitude))

    def backwards(_: float, packed: Array) -> Array:
        east, north, _density = packed.reshape(3, -1)
        sine, cosine = np.sin(north), np.cos(north)
        eastward = -10.0 * np.sin(east / 2.0) ** 2 * sine * cosine**2
        northward = 2.5 * np.sin(east) * cosine**3
        growth = 15.0 * np.sin(east) * sine * cosine**2
        return np.concatenate([-eastward, -northward, growth])

    start = np.concatenate([moving.ravel(), latitude.ravel(), np.zeros(latitude.size)])
    # It is held in the root mean square over all parcels; the worst has been seen at 1e-12.
    tolerance = TRAJECTORY_TOLERANCE
    solved = solve_ivp(
        backwards, (0.0, elapsed), start, "DOP853", rtol=tolerance, atol=tolerance, t_eval=[elapsed]
    )
    if not solved.success:
        raise NumericalError(f"divergent flow: trajectories were not found, {solved.message}")
    east, north, growth = solved.y[:, -1].reshape(3, *latitude.shape)
    return Origin(north, east, np.exp(growth))


def _cartesian(latitude: Array, longitude: Array) -> Array:
    """Unit vectors (..., 3)."""
    latitude, longitude = np.broadcast_arrays(latitude, longitude)
    cosine = np.cos(latitude)
    parts = [cosine * np.cos(longitude), cosine * np.sin(longitude), np.sin(latitude)]
    return np.stack(parts, axis=-1)


def _origin_of(position: Array) -> Origin:
    x, y, z = np.moveaxis(position, -1, 0)
    return Origin(np.arctan2(z, np.hypot(x, y)), np.arctan2(y, x), np.ones_like(z))
