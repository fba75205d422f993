"""Winds: functions of time that return (u, v) in m s⁻¹ at the nodes of a grid.

Build a wind after moving its ``SphericalHarmonics`` to a device; its fields are made there.
"""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers.constants import SECONDS_PER_DAY
from co2net_phys.solvers.harmonics import SphericalHarmonics

Components = tuple[Tensor, Tensor]

DEGREES = (1, 3, 5)
"""Degrees of the interpolation in time of :class:`TabulatedWind`."""

SAMPLES_PER_INTERVAL = 4
"""Instants per interval at which the largest speed of an interpolated wind is looked for."""


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
        self.radius, self.angular_speed = harmonics.radius, angular_speed
        self.tilt_degrees = tilt_degrees
        super().__init__(*self.at(*harmonics.coordinates(), 0.0))
        # On the equator of the rotation, which need not pass through a node.
        self.max_speed = abs(angular_speed * harmonics.radius)

    def at(self, latitude: Tensor, longitude: Tensor, time: float) -> Components:
        """Wind in m s⁻¹ at any points, coordinates in radians and broadcast together."""
        speed, tilt = self.angular_speed * self.radius, math.radians(self.tilt_degrees)
        u = speed * (
            latitude.cos() * math.cos(tilt) + latitude.sin() * longitude.cos() * math.sin(tilt)
        )
        v = -speed * math.sin(tilt) * longitude.sin() * torch.ones_like(latitude)
        return u, v


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
    """Polynomial interpolation in time between records, read as they are needed.

    Degree 1 is linear between neighbours; degrees 3 and 5 take the Lagrange polynomial through the
    two or three records on either side, near the ends of the table through the nearest ones. Only
    these degree + 1 records and as many before are held, so that a file of any length will do.

    Args:
        times_seconds: (n,) times of the records, s, ascending, n ≥ 2 and n > ``degree``.
        load: ``load(index)`` returns (u, v) of one record, each (nlat, nlon), m s⁻¹.
        max_speed: largest speed of the interpolated wind, m s⁻¹; if not given, the first use of
            ``max_speed`` reads every record once.
        degree: of the polynomial; the error is of order Δt^(degree + 1) for a smooth wind.

    Raises:
        DataError: the times are too few or do not ascend.
        UsageError: another degree than 1, 3 or 5.
    """

    def __init__(
        self,
        times_seconds: ArrayLike,
        load: Callable[[int], Components],
        max_speed: float | None = None,
        degree: int = 1,
    ) -> None:
        self.times_seconds = np.asarray(times_seconds, dtype=np.float64)
        if degree not in DEGREES:
            raise UsageError(f"wind table: degree {degree} is not one of {DEGREES}")
        if self.times_seconds.ndim != 1 or self.times_seconds.size < 2:
            raise DataError("wind table: need two or more times, or use SteadyWind")
        if self.times_seconds.size <= degree:
            raise DataError(
                f"wind table: {self.times_seconds.size} times are too few for degree {degree}: "
                f"give {degree + 1} or a lower degree"
            )
        if not (np.diff(self.times_seconds) > 0).all():
            raise DataError("wind table: times must ascend, sort the records first")
        self.degree = degree
        self._load = load
        self._held: dict[int, Components] = {}
        self._given_max_speed = max_speed

    @property
    def is_read_in_order(self) -> bool:
        """Whether nobody should look ahead: the speed was given so that records wait their turn."""
        return self._given_max_speed is not None

    @classmethod
    def from_arrays(
        cls, times_seconds: ArrayLike, u: Tensor, v: Tensor, degree: int = 1
    ) -> "TabulatedWind":
        """A table held in memory: ``u`` and ``v`` are (n, nlat, nlon), m s⁻¹.

        Raises:
            DataError: the number of records is not that of the times.
        """
        count = np.size(times_seconds)
        if u.shape[0] != count or v.shape[0] != count:
            raise DataError(f"wind table: {count} times for {u.shape[0]} u and {v.shape[0]} v")
        return cls(times_seconds, lambda index: (u[index], v[index]), degree=degree)

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
        moment = min(max(time, first), last)
        window = self._window(moment)
        records = [self._record(index) for index in window]
        weights = _lagrange_weights(self.times_seconds[window.start : window.stop], moment)
        if self.degree == 1:
            (u0, v0), (u1, v1) = records
            return torch.lerp(u0, u1, weights[1]), torch.lerp(v0, v1, weights[1])
        return _weighted([u for u, _ in records], weights), _weighted(
            [v for _, v in records], weights
        )

    @cached_property
    def max_speed(self) -> float:
        """Largest speed, m s⁻¹: of the records, which linear interpolation cannot exceed.

        A polynomial of higher degree can. It is then sampled within every interval, and what it
        may reach between the samples is allowed for by a margin of 5 %.
        """
        if self._given_max_speed is not None:
            return self._given_max_speed
        if self.degree == 1:
            return max(_max_speed(*self._checked(i)) for i in range(self.times_seconds.size))
        shares = np.arange(SAMPLES_PER_INTERVAL) / SAMPLES_PER_INTERVAL
        starts, steps = self.times_seconds[:-1], np.diff(self.times_seconds)
        moments = [*(starts[:, None] + steps[:, None] * shares).ravel(), self.times_seconds[-1]]
        return 1.05 * max(_max_speed(*self(float(moment))) for moment in moments)

    def _window(self, time: float) -> range:
        """The degree + 1 records around ``time``, as many on either side as the table has."""
        size = self.times_seconds.size
        before = int(np.searchsorted(self.times_seconds, time, side="right")) - 1
        start = min(max(before - (self.degree - 1) // 2, 0), size - 1 - self.degree)
        return range(start, start + self.degree + 1)

    def _record(self, index: int) -> Components:
        if index in self._held:
            return self._held[index]
        u, v = self._checked(index)
        if u.requires_grad or v.requires_grad:
            # A gradient may repeat a step: then the record must be made again as well.
            return u, v
        # Twice the window: trajectories ask for times that go back and forth.
        if len(self._held) > 2 * self.degree + 1:
            self._held.pop(next(iter(self._held)))  # the one held longest
        self._held[index] = (u, v)
        return u, v

    def _checked(self, index: int) -> Components:
        u, v = self._load(index)
        _check_record(u, v, f"wind table, record {index}")
        return u, v


def _lagrange_weights(times: NDArray[np.float64], time: float) -> list[float]:
    """Values at ``time`` of the polynomials that are one at one of ``times``, zero at the rest."""
    weights = []
    for k, own in enumerate(times):
        others = np.delete(times, k)
        weights.append(float(np.prod((time - others) / (own - others))))
    return weights


def _weighted(records: list[Tensor], weights: list[float]) -> Tensor:
    total = records[0] * weights[0]
    for record, weight in zip(records[1:], weights[1:], strict=True):
        total = torch.add(total, record, alpha=weight)
    return total


def _check_record(u: Tensor, v: Tensor, name: str) -> None:
    if u.shape != v.shape:
        raise DataError(f"{name}: u {tuple(u.shape)} and v {tuple(v.shape)} differ in shape")
    # Detached, since the test itself must leave no trace in a gradient.
    if not (torch.isfinite(u.detach()).all() and torch.isfinite(v.detach()).all()):
        raise DataError(f"{name}: values are missing or not finite, fill them first")


def _max_speed(u: Tensor, v: Tensor) -> float:
    return float(torch.hypot(u.detach(), v.detach()).max())
