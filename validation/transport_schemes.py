"""The transport schemes as the test suite runs them: grid, equation, step, number of steps.

A resolution in degrees is the spacing of the nodes at the equator, 180°/nlat. A spectral scheme
works on the Gaussian grid of that spacing with the truncation up to which products of two fields
of that truncation are free of aliasing (3° T39, 1.5° T79, 0.75° T159), as it would with winds as
fine as the tracer. The winds of the suite are smooth, so that the grid would carry nearly half as
much again, T118 at 1.5°: ``truncation`` asks for that. The monotone scheme has equal cells.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.equations import AdvectionDiffusion, Form
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.low_storage import LOW_STORAGE_4, low_storage
from co2net_phys.solvers.time_integration import (
    RK4,
    Step,
    check_time_step,
    lawson_rk4,
    stable_time_step,
)
from co2net_phys.validation.transport_flows import PERIOD, Flow

SCHEMES = ("spectral", "low-storage", "semi-lagrangian", "monotone")
"""Lawson RK4, its low-storage alternative, spectral semi-Lagrangian, and the monotone scheme."""

COURANT = 0.5
"""Share of the stability limit of the default Runge–Kutta step; up to 1.5° the truncation is then
in error more than the time step is."""

SEMI_LAGRANGIAN_STEPS = 48
"""Default number of steps of the semi-Lagrangian scheme at any resolution: a quarter of a day."""


@dataclass(frozen=True)
class Discretisation:
    """A scheme ready to run for one :data:`PERIOD`."""

    equation: AdvectionDiffusion
    steps: int
    new_step: Callable[[], Step]
    """A step function that has done nothing yet."""
    encode: Callable[[Tensor], Tensor]
    """Nodal (..., nlat, nlon) to the state that is stepped."""
    decode: Callable[[Tensor], Tensor]
    """Back again."""
    truncation: int | None
    """Largest degree; none of a scheme on cells."""

    @property
    def grid(self) -> Grid:
        """Where values are given and judged."""
        return self.equation.harmonics.grid

    @property
    def time_step(self) -> float:
        """Seconds."""
        return PERIOD / self.steps


def discretise(
    scheme: str,
    flow: Flow,
    resolution: float,
    form: Form = "flux",
    steps: int | None = None,
    truncation: int | None = None,
) -> Discretisation:
    """Set up ``scheme`` for ``flow``.

    Args:
        scheme: one of :data:`SCHEMES`.
        flow: the wind.
        resolution: spacing at the equator, degrees; a whole number of times in 180°.
        form: "flux" or "advective".
        steps: in one period, even so that one ends at half of it; None for the default.
        truncation: largest degree, of spectral schemes; None for the alias-free one.

    Raises:
        UsageError: an unknown scheme, or numbers that do not fit.
        NumericalError: the step is unstable.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"unknown scheme {scheme!r}: choose one of {', '.join(SCHEMES)}")
    nlat = _latitudes(resolution)
    if steps is not None and (steps < 2 or steps % 2):
        raise UsageError(f"steps must be even and positive to end one at mid-time, got {steps}")
    if scheme == "monotone":
        if truncation is not None:
            raise UsageError("the monotone scheme works on cells: a truncation has no effect")
        return _monotone(flow, nlat, form, steps)
    if truncation is None:
        truncation = (2 * nlat - 1) // 3
    harmonics = SphericalHarmonics(Grid("gaussian", nlat, 2 * nlat), truncation)
    equation = AdvectionDiffusion(
        harmonics, flow.wind(harmonics), form=form, rotation=flow.rotation
    )
    count = _spectral_steps(scheme, equation, steps)
    return Discretisation(
        equation,
        count,
        lambda: spectral_step(scheme, equation, PERIOD / count),
        harmonics.to_modal,
        harmonics.to_nodal,
        truncation,
    )


def spectral_step(scheme: str, equation: AdvectionDiffusion, time_step: float) -> Step:
    """Step of ``time_step`` s on modal states by "spectral", "low-storage" or "semi-lagrangian"."""
    if scheme == "semi-lagrangian":
        from co2net_phys.solvers.semi_lagrangian import semi_lagrangian

        return semi_lagrangian(equation, time_step)
    if scheme == "low-storage":
        return low_storage(equation, time_step)
    return lawson_rk4(equation, time_step)


def _monotone(flow: Flow, nlat: int, form: Form, steps: int | None) -> Discretisation:
    from co2net_phys.solvers.monotone import monotone, suggested_monotone_time_step

    grid = Grid("cell-centre", nlat, 2 * nlat)
    harmonics = SphericalHarmonics(grid, grid.max_truncation)
    equation = AdvectionDiffusion(harmonics, flow.wind(harmonics), form=form)
    count = steps or _even(PERIOD / suggested_monotone_time_step(equation))
    return Discretisation(
        equation, count, lambda: monotone(equation, PERIOD / count), _same, _same, None
    )


def _same(nodal: Tensor) -> Tensor:
    return nodal


def _even(steps: float) -> int:
    """The next even number, 2 at least."""
    return max(2 * math.ceil(steps / 2.0), 2)


def _latitudes(resolution: float) -> int:
    nlat = round(180.0 / resolution) if math.isfinite(resolution) and resolution > 0 else 0
    if nlat < 8 or nlat % 2 or abs(nlat * resolution - 180.0) > 1e-6:
        raise UsageError(
            f"resolution {resolution:g}°: 180° must be an even number of times that, 8 or more; "
            "take 3, 1.5 or 0.75"
        )
    return nlat


def _spectral_steps(scheme: str, equation: AdvectionDiffusion, steps: int | None) -> int:
    """``steps`` if the scheme is stable with so few, or the default number."""
    # The winds of the suite are strongest at t = 0.
    if scheme == "semi-lagrangian":
        from co2net_phys.solvers.semi_lagrangian import suggested_time_step

        return steps or _even(PERIOD / suggested_time_step(equation))
    speed = float(torch.hypot(*equation.explicit_wind(0.0)).max())
    if steps is None:
        longest = stable_time_step(equation.harmonics, speed, COURANT)
        return _even(PERIOD / longest)
    table = LOW_STORAGE_4 if scheme == "low-storage" else RK4
    check_time_step(PERIOD / steps, equation.harmonics, speed, table)
    return steps
