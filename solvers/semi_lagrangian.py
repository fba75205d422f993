"""Spectral semi-Lagrangian transport: long time steps, no dispersion, error of the paths only.

    φ(x, t + Δt) = φ(X(x), t)         advective form, X(x) where the parcel at x was at t
    φ(x, t + Δt) = φ(X(x), t) J(x)    flux form, J = |∂X/∂x| = e^{−∫ ∇·w dt} along the path

At every node of the grid the tracer is evaluated at the departure point by its own spherical
harmonics, to a tolerance, and projected on the truncation again: no interpolation diffuses it, no
Courant number limits the step, and only the trajectories know of the wind. Diffusion, decay and
sources stand around it in a symmetric (Strang) splitting. References: Staniforth and Côté (1991),
doi:10.1175/1520-0493(1991)119<2206:SLISFA>2.0.CO;2, for the method; Strang (1968),
doi:10.1137/0705041, for the splitting.
"""

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.departure_map import AnyWind, DepartureMap, Departures
from co2net_phys.solvers.departures import positions
from co2net_phys.solvers.double_fourier import Points, SpectralInterpolator
from co2net_phys.solvers.equations import AdvectionDiffusion
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.local_interpolation import sampled_wind
from co2net_phys.solvers.local_processes import Diffusion, emission
from co2net_phys.solvers.time_integration import Step
from co2net_phys.solvers.winds import Components, SteadyWind, TabulatedWind, Wind

WIND_WIDTHS = (8, 6)
"""Nodes per direction of the interpolation of winds that are known at the nodes only, and of a
second one that tells its error."""

ERROR_POINTS = 500
"""Points at which the two are compared."""

ROUND_OFF = 1e-10
"""A wind is taken as non-divergent if its divergence × radius is as small a share of its speed."""


@runtime_checkable
class PointWind(Protocol):
    """A wind that knows its value at any point, as the analytic ones do."""

    def at(self, latitude: Tensor, longitude: Tensor, time: float) -> Components:
        """(u, v) in m s⁻¹ at points in radians and a time in s."""
        ...


def semi_lagrangian(
    equation: AdvectionDiffusion,
    time_step: float,
    *,
    tolerance: float = 1e-7,
    substeps: int | None = None,
) -> Step:
    """Step of any length, on modal states (..., l, m), for all tracers of a state at once.

    Of order 2 in time through the splitting; without diffusion, decay and source its error is that
    of the trajectories, ``tolerance``, and of the truncation. The rotation of ``equation`` is the
    frame the paths are traced in. A :class:`SteadyWind` is traced once.

    The global mean is that of the previous step exactly, where the advection keeps it: always in
    the flux form, in the advective form if the wind has no divergence. The change this makes is of
    the size of ``tolerance`` and of what the truncation has cut off.

    Runs on the CPU, in float64 inside, and is not differentiable; :func:`lawson_rk4` is.

    Args:
        equation: the tracer equation, any of its forms. A wind with a method ``at`` is asked where
            the parcels are; any other is interpolated between the nodes.
        time_step: Δt > 0, s; :func:`suggested_time_step` gives one.
        tolerance: of the paths, radians, and of the values, relative; 1e-12 to 1e-2.
        substeps: of the trajectories; None for as many as ``tolerance`` needs.

    Raises:
        UsageError: a time step that is not positive, a tolerance out of range, or no substeps.
    """
    if not 0.0 < time_step < math.inf:
        raise UsageError(f"time step must be positive, got {time_step}")
    if substeps is not None and substeps < 1:
        raise UsageError(f"a trajectory needs at least 1 substep, got {substeps}")
    advect = _Advection(equation, time_step, tolerance, substeps)
    half = 0.5 * time_step
    emit = emission(equation, half)
    # A source stands between two halves of diffusion, so that the half step is symmetric as well.
    diffuse = Diffusion(equation).over(half if equation.source is None else 0.5 * half)

    def local(state: Tensor, time: float) -> Tensor:
        if equation.source is None:
            return diffuse(state, time)
        return diffuse(emit(diffuse(state, time), time), time + 0.5 * half)

    def step(state: Tensor, time: float) -> Tensor:
        return local(advect(local(state, time), time), time + half)

    return step


def suggested_time_step(
    equation: AdvectionDiffusion, times: Sequence[float] = (0.0,), deformation: float = 1.0
) -> float:
    """Time step in s in which the wind deforms a parcel by ``deformation``, Δt max|∇w|.

    Below one, paths do not cross and few substeps do, whatever the Courant number. The rotation of
    ``equation`` does not count. Infinite without any other wind.

    Args:
        equation: gives the wind.
        times: s, at which the wind is looked at.
        deformation: dimensionless.
    """
    harmonics = equation.harmonics
    rate = max(_largest_gradient(harmonics, *equation.explicit_wind(time)) for time in times)
    return math.inf if rate == 0.0 else deformation / rate


class _Advection:
    """The transport by the wind over one time step, of modal states."""

    def __init__(
        self,
        equation: AdvectionDiffusion,
        time_step: float,
        tolerance: float,
        substeps: int | None,
    ) -> None:
        self.equation, self.time_step = equation, time_step
        self.harmonics = equation.harmonics
        self.interpolator = SpectralInterpolator(self.harmonics.truncation, tolerance)
        self.map = DepartureMap(
            self.harmonics,
            wind_anywhere(equation.wind, self.harmonics),
            time_step,
            tolerance,
            substeps,
            equation.rotation,
            with_area_ratio=equation.form == "flux",
        )
        self.is_steady = isinstance(equation.wind, SteadyWind)
        self._known: tuple[Points, Departures, bool] | None = None

    def __call__(self, state: Tensor, time: float) -> Tensor:
        points, departures, keeps_mean = self._departures(time)
        # Without the mean: a large background is carried exactly, not to the tolerance.
        anomaly = state.clone()
        anomaly[..., 0, 0] = 0.0
        nodal = self.interpolator.at(self.interpolator.prepare(anomaly), points)
        if departures.area_ratio is not None:
            mean = self.harmonics.global_mean(state).reshape(-1, 1, 1)
            nodal = (nodal + mean) * departures.area_ratio
        shape = (*state.shape[:-2], *points.shape)
        advected = self.harmonics.to_modal(nodal.to(state.real.dtype).reshape(shape))
        if departures.area_ratio is None:
            advected[..., 0, 0] += state[..., 0, 0]
        if keeps_mean:
            advected[..., 0, 0] = state[..., 0, 0]
        return advected

    def _departures(self, time: float) -> tuple[Points, Departures, bool]:
        if self._known is not None:
            return self._known
        departures = self.map(time)
        points = self.interpolator.points(departures.latitude, departures.longitude)
        found = points, departures, self._keeps_mean(time)
        if self.is_steady:
            self._known = found
        return found

    def _keeps_mean(self, time: float) -> bool:
        if self.equation.form == "flux":
            return True
        if self.is_steady:
            return self._has_no_divergence(0.0)
        # A wind that pulsates may be without divergence at one of these.
        return all(self._has_no_divergence(time + share * self.time_step) for share in (0.5, 0, 1))

    def _has_no_divergence(self, time: float) -> bool:
        u, v = torch.broadcast_tensors(*self.equation.wind(time))
        rate = self.harmonics.divergence(u, v).norm() * self.harmonics.radius
        # Of float32 the round-off is larger, and it grows with the degree and the number of terms.
        share = max(ROUND_OFF, self.harmonics.truncation**2 * torch.finfo(u.dtype).eps)
        return bool(rate <= share * max(float(u.abs().max()), float(v.abs().max())))


def wind_anywhere(wind: Wind, harmonics: SphericalHarmonics) -> AnyWind:
    """``wind.at`` if there is one, else interpolation between the nodes of ``harmonics.grid``."""
    if isinstance(wind, PointWind):
        return AnyWind(wind.at)
    records = wind.times_seconds if isinstance(wind, TabulatedWind) else None
    widest, narrower = (sampled_wind(wind, harmonics.grid, width) for width in WIND_WIDTHS)
    points = _scattered(ERROR_POINTS)

    def error(time: float) -> float:
        (u, v), (other_u, other_v) = widest(*points, time), narrower(*points, time)
        return float(torch.hypot(u - other_u, v - other_v).max())

    return AnyWind(widest, records, error)


def _scattered(count: int) -> tuple[Tensor, Tensor]:
    """Latitude and longitude in radians of points that lie evenly: a Fibonacci lattice."""
    index = torch.arange(count, dtype=torch.float64) + 0.5
    golden = (1.0 + math.sqrt(5.0)) / 2.0
    return torch.asin(2.0 * index / count - 1.0), 2.0 * math.pi * torch.frac(index / golden)


def _largest_gradient(harmonics: SphericalHarmonics, u: Tensor, v: Tensor) -> float:
    """Largest Frobenius norm of ∇w over the nodes, s⁻¹, w as a vector in space.

    As such it is smooth at the poles; the part along the vertical, w/R, is taken off again.
    """
    latitude, longitude = torch.broadcast_tensors(*harmonics.coordinates())
    zero = torch.zeros_like(latitude)
    up = positions(latitude, longitude)
    east = torch.stack([-longitude.sin(), longitude.cos(), zero])
    north = torch.linalg.cross(up, east, dim=0)
    parts = harmonics.gradient(harmonics.to_modal(u * east + v * north))
    tangent = [part - (part * up).sum(0) * up for part in parts]
    return float(torch.stack(tangent).square().sum((0, 1)).max().sqrt())
