"""Winds: functions of time that return (u, v) in m s⁻¹ at the nodes of a grid.

Build a wind after moving its ``SphericalHarmonics`` to a device; its fields are made there.
"""

import math
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from co2net_phys.errors import DataError
from co2net_phys.solvers.constants import SECONDS_PER_DAY
from co2net_phys.solvers.harmonics import SphericalHarmonics

Components = tuple[Tensor, Tensor]


class Wind(Protocol):
    """Eastward and northward wind, each (nlat, nlon) in m s⁻¹, at a time in s."""

    @property
    def max_speed(self) -> float:
        """Largest speed at any time, m s⁻¹; it limits the time step."""
        ...

    def __call__(self, time: float) -> Components:
        """Wind at ``time``, s."""
        ...


class SteadyWind:
    """The same wind at every time.

    Args:
        u: eastward, (nlat, nlon), m s⁻¹.
        v: northward, likewise.

    Raises:
        DataError: the shapes differ or a value is not finite.
    """

    def __init__(self, u: Tensor, v: Tensor) -> None:
        _check_record(u, v, "wind")
        self._components = (u, v)
        self.max_speed = _max_speed(u, v)

    def __call__(self, time: float) -> Components:
        """Wind at any ``time``."""
        return self._components


class SolidBodyRotation(SteadyWind):
    """Rotation of the whole sphere about an axis tilted from the pole.

    u = ΩR (cos θ cos α + sin θ cos λ sin α), v = −ΩR sin λ sin α: Williamson et al. (1992),
    case 1, doi:10.1016/S0021-9991(05)80016-6.

    Args:
        harmonics: gives the nodes and the radius.
        angular_speed: Ω, rad s⁻¹, eastward if positive.
        tilt_degrees: α, angle between the axis and the pole, degrees.
    """

    def __init__(
        self, harmonics: SphericalHarmonics, angular_speed: float, tilt_degrees: float = 0.0
    ) -> None:
        latitude, longitude = harmonics.coordinates()
        speed, tilt = angular_speed * harmonics.radius, math.radians(tilt_degrees)
        u = speed * (
            latitude.cos() * math.cos(tilt) + latitude.sin() * longitude.cos() * math.sin(tilt)
        )
        v = -speed * math.sin(tilt) * longitude.sin() * torch.ones_like(latitude)
        super().__init__(u, v)
        # On the equator of the rotation, which need not pass through a node.
        self.max_speed = abs(speed)


class DeformationalFlow:
    """Reversing deformation on a zonal background: the tracer returns after one period.

    Cases 4 (non-divergent) and 3 (divergent) of Nair and Lauritzen (2010),
    doi:10.1016/j.jcp.2010.08.014, as used in the suite of Lauritzen et al. (2012),
    doi:10.5194/gmd-5-887-2012. With λ' = λ − 2πt/T, non-divergent:
    u = (10R/T) sin²λ' sin 2θ cos(πt/T) + (2πR/T) cos θ, v = (10R/T) sin 2λ' cos θ cos(πt/T);
    divergent: u = −(5R/T) sin²(λ'/2) sin 2θ cos²θ cos(πt/T) + (2πR/T) cos θ,
    v = (5R/2T) sin λ' cos³θ cos(πt/T).

    Args:
        harmonics: gives the nodes and the radius R.
        period: T, s.
        divergent: which of the two.
    """

    def __init__(
        self,
        harmonics: SphericalHarmonics,
        period: float = 12.0 * SECONDS_PER_DAY,
        divergent: bool = False,
    ) -> None:
        self.latitude, self.longitude = harmonics.coordinates()
        self.radius, self.period, self.divergent = harmonics.radius, period, divergent

    def __call__(self, time: float) -> Components:
        """Wind at ``time``, s."""
        return self.at(self.latitude, self.longitude, time)

    def at(self, latitude: Tensor, longitude: Tensor, time: float) -> Components:
        """Wind in m s⁻¹ at any points, coordinates in radians and broadcast together."""
        background = 2.0 * math.pi * self.radius / self.period
        amplitude = self.radius / self.period * math.cos(math.pi * time / self.period)
        moving = longitude - 2.0 * math.pi * time / self.period
        if self.divergent:
            shear = -5.0 * (moving / 2).sin() ** 2 * (2 * latitude).sin() * latitude.cos() ** 2
            v = 2.5 * amplitude * moving.sin() * latitude.cos() ** 3
        else:
            shear = 10.0 * moving.sin() ** 2 * (2 * latitude).sin()
            v = 10.0 * amplitude * (2 * moving).sin() * latitude.cos()
        return amplitude * shear + background * latitude.cos(), v

    @cached_property
    def max_speed(self) -> float:
        """Largest speed at any time, m s⁻¹: at t = 0, when the deformation is strongest."""
        latitude = torch.linspace(-math.pi / 2, math.pi / 2, 361, dtype=torch.float64)[:, None]
        longitude = torch.linspace(-math.pi, math.pi, 721, dtype=torch.float64)[None, :]
        return _max_speed(*self.at(latitude, longitude, 0.0))


class TabulatedWind:
    """Linear interpolation in time between records, read as they are needed.

    Only the two records around the present are held, so that a file of any length will do.

    Args:
        times_seconds: (n,) times of the records, s, ascending, n ≥ 2.
        load: ``load(index)`` returns (u, v) of one record, each (nlat, nlon), m s⁻¹.
        max_speed: largest speed of all records, m s⁻¹; if not given, the first use of
            ``max_speed`` reads every record once.

    Raises:
        DataError: the times are too few or do not ascend.
    """

    def __init__(
        self,
        times_seconds: ArrayLike,
        load: Callable[[int], Components],
        max_speed: float | None = None,
    ) -> None:
        self.times_seconds = np.asarray(times_seconds, dtype=np.float64)
        if self.times_seconds.ndim != 1 or self.times_seconds.size < 2:
            raise DataError("wind table: need two or more times, or use SteadyWind")
        if not (np.diff(self.times_seconds) > 0).all():
            raise DataError("wind table: times must ascend, sort the records first")
        self._load = load
        self._record = lru_cache(maxsize=2)(self._checked)
        self._given_max_speed = max_speed

    @classmethod
    def from_arrays(cls, times_seconds: ArrayLike, u: Tensor, v: Tensor) -> "TabulatedWind":
        """A table held in memory: ``u`` and ``v`` are (n, nlat, nlon), m s⁻¹.

        Raises:
            DataError: the number of records is not that of the times.
        """
        count = np.size(times_seconds)
        if u.shape[0] != count or v.shape[0] != count:
            raise DataError(f"wind table: {count} times for {u.shape[0]} u and {v.shape[0]} v")
        return cls(times_seconds, lambda index: (u[index], v[index]))

    def __call__(self, time: float) -> Components:
        """Wind at ``time``, s.

        Raises:
            DataError: ``time`` is outside the table.
        """
        first, last = float(self.times_seconds[0]), float(self.times_seconds[-1])
        # n time steps added up may pass the end of the table by round-off.
        slack = 1e-9 * (last - first)
        if not first - slack <= time <= last + slack:
            raise DataError(
                f"wind table: no wind at {time:g} s, it covers {first:g} to {last:g} s; "
                "shorten the run or provide more records"
            )
        after = int(np.searchsorted(self.times_seconds, time, side="right"))
        after = min(max(after, 1), self.times_seconds.size - 1)
        t0, t1 = self.times_seconds[after - 1], self.times_seconds[after]
        share = float(min(max((time - t0) / (t1 - t0), 0.0), 1.0))
        (u0, v0), (u1, v1) = self._record(after - 1), self._record(after)
        return torch.lerp(u0, u1, share), torch.lerp(v0, v1, share)

    @cached_property
    def max_speed(self) -> float:
        """Largest speed of all records, m s⁻¹; interpolation cannot exceed it."""
        if self._given_max_speed is not None:
            return self._given_max_speed
        return max(_max_speed(*self._checked(i)) for i in range(self.times_seconds.size))

    def _checked(self, index: int) -> Components:
        u, v = self._load(index)
        _check_record(u, v, f"wind table, record {index}")
        return u, v


def _check_record(u: Tensor, v: Tensor, name: str) -> None:
    if u.shape != v.shape:
        raise DataError(f"{name}: u {tuple(u.shape)} and v {tuple(v.shape)} differ in shape")
    if not (torch.isfinite(u).all() and torch.isfinite(v).all()):
        raise DataError(f"{name}: values are missing or not finite, fill them first")


def _max_speed(u: Tensor, v: Tensor) -> float:
    return float(torch.hypot(u, v).max())
