"""The equations that tracers hold on the wind: w·∇φ = ∇·(D∇φ) + s − ∂φ/∂t, term by term.

Space is differentiated through spherical harmonics and time by centred differences, so there is an
equation for every tracer, node and instant that has enough neighbours in time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers.harmonics import SphericalHarmonics

DIFFERENCES: dict[int, tuple[float, ...]] = {
    2: (1 / 2,),
    4: (2 / 3, -1 / 12),
    6: (3 / 4, -3 / 20, 1 / 60),
}
"""Of a centred first difference of that order, the weights of φ(t + j Δt), j = 1, 2, …, times Δt;
those of φ(t − j Δt) are the negative ones, and that of φ(t) is zero."""

UNIFORM = 1e-11
"""Spatial standard deviation, relative to the largest value, that is only round-off."""


@dataclass(frozen=True)
class WindProblem:
    """What is known about the wind; the arguments of :func:`recover_wind`, checked."""

    harmonics: SphericalHarmonics
    tracers: Tensor
    """(K, T, l, m), modal."""
    dt: float
    diffusivity: float | Tensor
    """A number or (nlat, nlon), m² s⁻¹."""
    sources: Tensor | None
    """(K, 1 or T, l, m), modal, tracer unit per s."""
    noise: Tensor | None
    """(K,) standard deviation of a nodal value, tracer unit."""
    spread: Tensor
    """(K,) standard deviation of each tracer in space, tracer unit."""
    round_off: Tensor
    """(K,) uncertainty of a nodal value from its floating-point type, tracer unit."""
    order: int
    window: int

    @property
    def margin(self) -> int:
        """Instants at either end that have no centred difference."""
        return self.order // 2

    @property
    def instants(self) -> Tensor:
        """(n,) index of the results: an instant, or the centre of a window."""
        count = self.tracers.shape[1] - self.order - self.window + 1
        return torch.arange(count, dtype=torch.float64) + self.margin + (self.window - 1) / 2


@dataclass(frozen=True)
class WindTerms:
    """w·(east, north) = right, at the nodes; every tensor is (K, centres, nlat, nlon)."""

    right: Tensor
    """∇·(D∇φ) + s − ∂φ/∂t, tracer unit per s."""
    east: Tensor
    """Eastward component of ∇φ, tracer unit per m."""
    north: Tensor
    """Northward one."""


def wind_problem(
    tracers: Tensor,
    dt: float,
    diffusivity: float | Tensor,
    sources: Tensor | None,
    noise: float | Sequence[float] | Tensor | None,
    *,
    harmonics: SphericalHarmonics,
    order: int,
    window: int,
) -> WindProblem:
    """Check the arguments of :func:`recover_wind`, and take the fields to modal space.

    Raises:
        UsageError: ``dt``, ``order``, ``window``, ``noise`` or ``diffusivity`` makes no sense.
        DataError: too few instants, wrong shapes, values that are not finite, or only tracers
            that are constant in space.
    """
    _check_numbers(dt, order, window)
    _check_fields(tracers, harmonics)
    count = tracers.shape[1]
    if count < order + 1:
        order = 4 if order == 6 and count >= 5 else 2
    if count < order + window:
        raise DataError(
            f"tracers: {_counted(count)}, a difference of order {order} with a window of {window} "
            f"needs {order + window}: give more output times"
        )
    values = tracers.detach().to(torch.float64)
    modal = harmonics.to_modal(values)
    largest = values.abs().amax((1, 2, 3))
    spread = _spread(harmonics, values)
    if bool((spread <= UNIFORM * largest).all()):
        raise DataError(
            "tracers: all are constant in space, which says nothing about the wind: "
            "give a tracer with a gradient"
        )
    return WindProblem(
        harmonics,
        modal,
        float(dt),
        _checked_diffusivity(diffusivity, harmonics),
        _modal_sources(sources, tracers, harmonics),
        _checked_noise(noise, tracers.shape[0]),
        spread,
        4.0 * torch.finfo(tracers.dtype).eps * largest,
        order,
        window,
    )


def wind_terms(problem: WindProblem) -> WindTerms:
    """The terms of the equations at every instant that has a centred difference."""
    harmonics = problem.harmonics
    east, north = harmonics.gradient(_inner(problem, problem.tracers))
    return WindTerms(harmonics.to_nodal(right_hand_side(problem)), east, north)


def right_hand_side(problem: WindProblem) -> Tensor:
    """∇·(D∇φ) + s − ∂φ/∂t, modal (K, centres, l, m), tracer unit per s."""
    tendency = centred_difference(problem.tracers, DIFFERENCES[problem.order]) / problem.dt
    right = diffused(problem, _inner(problem, problem.tracers)) - tendency
    if problem.sources is None:
        return right
    steady = problem.sources.shape[1] == 1
    return right + (problem.sources if steady else _inner(problem, problem.sources))


def _inner(problem: WindProblem, fields: Tensor) -> Tensor:
    """The instants (axis 1) that have a centred difference."""
    return fields[:, problem.margin : fields.shape[1] - problem.margin]


def diffused(problem: WindProblem, modal: Tensor) -> Tensor:
    """∇·(D∇φ), modal, of ``modal`` φ, tracer unit per s."""
    if isinstance(problem.diffusivity, float):
        return problem.diffusivity * problem.harmonics.laplacian(modal)
    east, north = problem.harmonics.gradient(modal)
    return problem.harmonics.divergence(problem.diffusivity * east, problem.diffusivity * north)


def difference_variance(weights: tuple[float, ...], lag: int = 0) -> float:
    """Covariance of differences ``lag`` steps apart of unit white noise, times Δt².

    Args:
        weights: those of the later instants, as in ``DIFFERENCES``.
        lag: steps between the two centres.
    """
    later = torch.tensor(weights, dtype=torch.float64)
    full = torch.cat([-later.flip(0), torch.zeros(1, dtype=torch.float64), later])
    return float((full[lag:] * full[: full.numel() - lag]).sum()) if lag < full.numel() else 0.0


def centred_difference(fields: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Antisymmetric difference along axis 1 at the instants that have all neighbours, times Δt.

    Args:
        fields: (K, instants, …).
        weights: those of the later instants, as in ``DIFFERENCES``.
    """
    margin, count = len(weights), fields.shape[1]
    total = torch.zeros_like(fields[:, margin : count - margin])
    for j, weight in enumerate(weights, start=1):
        later = fields[:, margin + j : count - margin + j]
        total = total + weight * (later - fields[:, margin - j : count - margin - j])
    return total


def _spread(harmonics: SphericalHarmonics, values: Tensor) -> Tensor:
    """(K,) rms over the instants of the standard deviation in space."""
    area = 4.0 * math.pi * harmonics.radius**2
    mean = harmonics.integrate(values) / area
    anomaly = values - mean[..., None, None]
    return (harmonics.integrate(anomaly**2) / area).mean(1).sqrt()


def _check_numbers(dt: float, order: int, window: int) -> None:
    if not 0 < dt < math.inf:
        raise UsageError(f"dt must be positive and finite, got {dt:g} s")
    if order not in DIFFERENCES:
        raise UsageError(f"order of the time difference must be 2, 4 or 6, got {order}")
    if window < 1:
        raise UsageError(f"window must be at least one instant, got {window}")


def _check_fields(tracers: Tensor, harmonics: SphericalHarmonics) -> None:
    shape = harmonics.grid.shape
    if tracers.ndim != 4 or tracers.shape[-2:] != shape or not tracers.shape[0]:
        raise DataError(
            f"tracers: shape {tuple(tracers.shape)} does not fit (tracer, time, latitude, "
            f"longitude) on the grid of {shape[0]} × {shape[1]}: bring all tracers to one grid"
        )
    if not tracers.is_floating_point():
        raise DataError(f"tracers: must be real floating-point numbers, got {tracers.dtype}")
    if tracers.shape[1] < 3:
        raise DataError(
            f"tracers: {_counted(tracers.shape[1])}, a centred time difference needs three or "
            "more: give more output times"
        )
    if not bool(torch.isfinite(tracers).all()):
        raise DataError("tracers: contain values that are not finite: fill or leave them out")


def _counted(count: int) -> str:
    words = {0: "no time steps", 1: "one time step", 2: "two time steps"}
    return words.get(count, f"{count} time steps")


def _checked_diffusivity(value: float | Tensor, harmonics: SphericalHarmonics) -> float | Tensor:
    field = torch.as_tensor(value, dtype=torch.float64).detach()
    if field.ndim and field.shape != harmonics.grid.shape:
        raise DataError(
            f"diffusivity: shape {tuple(field.shape)} does not fit the grid: give one number or "
            f"{harmonics.grid.nlat} × {harmonics.grid.nlon} values"
        )
    if not bool(((field >= 0) & (field < math.inf)).all()):
        raise UsageError("diffusivity must be at least 0 and finite")
    return field if field.ndim else float(field)


def _modal_sources(
    sources: Tensor | None, tracers: Tensor, harmonics: SphericalHarmonics
) -> Tensor | None:
    """(K, 1 or T, l, m); what exceeds the truncation the tracers cannot show either."""
    if sources is None:
        return None
    field = sources.detach().to(torch.float64)
    if field.ndim == 3:
        field = field[:, None]
    count, times = tracers.shape[:2]
    fits = field.ndim == 4 and field.shape[0] == count and field.shape[2:] == tracers.shape[2:]
    if not fits or field.shape[1] not in (1, times):
        raise DataError(
            f"sources: shape {tuple(sources.shape)} does not fit tracers of shape "
            f"{tuple(tracers.shape)}: give one field per tracer, or one per tracer and time"
        )
    if not bool(torch.isfinite(field).all()):
        raise DataError("sources: contain values that are not finite: fill them")
    return harmonics.to_modal(field)


def _checked_noise(noise: float | Sequence[float] | Tensor | None, count: int) -> Tensor | None:
    if noise is None:
        return None
    value = torch.as_tensor(noise, dtype=torch.float64).detach()
    if value.ndim > 1 or (value.ndim == 1 and value.shape[0] != count):
        raise UsageError(
            f"noise must be one number or one per tracer ({count}), got shape {tuple(value.shape)}"
        )
    if not bool(((value >= 0) & (value < math.inf)).all()):
        raise UsageError("noise must be at least 0 and finite")
    return value.expand(count)
