"""The solid-body part of a wind, which modal integrating factors take exactly."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.winds import Wind


class RotationSplit(NamedTuple):
    """A rotation about the pole and what is left of the wind without it."""

    angular_speed: float
    """Ω, rad s⁻¹, eastward if positive."""
    residual_speed: float
    """Largest speed of the rest, m s⁻¹."""


def mean_rotation(harmonics: SphericalHarmonics, u: Tensor) -> float:
    """Angular speed Ω in rad s⁻¹ of the rotation about the pole that is closest to a wind.

    ∫ (u − ΩR cos θ)² dA is smallest for Ω = ∫ u cos θ dA / (R ∫ cos² θ dA), and the area mean of
    cos² θ is 2/3: Ω = 3/2 · mean(u cos θ)/R. The northward wind plays no part.

    Args:
        harmonics: gives the nodes, their weights and the radius.
        u: eastward wind, (nlat, nlon), m s⁻¹.
    """
    cosine = harmonics.coordinates()[0].cos()
    weighted = harmonics.integrate(u.detach() * cosine) / harmonics.integrate(torch.ones_like(u))
    return 1.5 * float(weighted) / harmonics.radius


def residual_speed(harmonics: SphericalHarmonics, u: Tensor, v: Tensor, rotation: float) -> float:
    """Largest speed in m s⁻¹ at the nodes of the wind less that of ``rotation``, rad s⁻¹.

    Args:
        harmonics: gives the nodes and the radius.
        u: eastward wind, (nlat, nlon), m s⁻¹.
        v: northward wind, likewise.
        rotation: Ω of the wind ΩR cos θ that is left out.
    """
    solid_body = rotation * harmonics.radius * harmonics.coordinates()[0].cos()
    return float(torch.hypot(u.detach() - solid_body, v.detach()).max())


def split_rotation(
    harmonics: SphericalHarmonics,
    wind: Wind,
    times: Iterable[float],
    rotation: float | None = None,
) -> RotationSplit:
    """Split a rotation off a wind, and find the largest residual speed over ``times`` (s).

    Args:
        harmonics: gives the nodes and the radius.
        wind: on these nodes.
        times: when to look at it, s.
        rotation: Ω in rad s⁻¹; if not given, the mean of :func:`mean_rotation` over ``times``.

    Raises:
        DataError: the wind is not known at one of the times.
    """
    moments = list(times)
    if rotation is None:
        speeds = [mean_rotation(harmonics, wind(time)[0]) for time in moments]
        rotation = sum(speeds) / len(speeds)
    rests = [residual_speed(harmonics, *wind(time), rotation) for time in moments]
    return RotationSplit(rotation, max(rests))
