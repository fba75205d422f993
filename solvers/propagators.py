"""Exact solutions in time of the steady problems that have one: no time step, no time error.

A propagator takes a modal state over any duration. Solid-body rotation has a closed form in each
coefficient; a zonal wind couples the degrees of one order, whose matrix exponential is taken.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.equations import AdvectionDiffusion, SteadySource
from co2net_phys.solvers.rotation import mean_rotation, residual_speed
from co2net_phys.solvers.time_integration import Step
from co2net_phys.solvers.winds import SolidBodyRotation, SteadyWind

Propagator = Callable[[Tensor, float], Tensor]
"""propagate(state, duration): modal state (..., l, m) and duration in s ≥ 0 to the state then."""

ROUND_OFF = 1e-13
"""Relative departure up to which a sampled wind counts as zonal, or as solid-body rotation."""

SERIES_TERMS = 18
"""Of φ₁(z) for |z| < 1: the first one left out is below 1e-17."""


def as_step(propagator: Propagator, time_step: float) -> Step:
    """A step of ``time_step`` s, for :func:`trajectory`; the problem being steady, at any time."""
    return lambda state, time: propagator(state, time_step)


def steadiness_obstacle(equation: AdvectionDiffusion) -> str:
    """Why the coefficients of ``equation`` are not known to be steady; empty if they are."""
    if not isinstance(equation.wind, SteadyWind):
        return "the wind may change in time"
    if callable(equation.diffusivity):
        return "the diffusivity is a function of time"
    if equation.source is not None and not isinstance(equation.source, SteadySource):
        return "the source may change in time (a SteadySource would not)"
    return ""


def solid_body_obstacle(equation: AdvectionDiffusion) -> str:
    """Why :class:`SolidBodyPropagator` does not apply; empty if it does."""
    if obstacle := steadiness_obstacle(equation):
        return obstacle
    if _is_field(equation.diffusivity):
        return "the diffusivity varies in space"
    wind = equation.wind
    if isinstance(wind, SolidBodyRotation):
        return "" if wind.tilt_degrees == 0.0 else "the axis of rotation is tilted"
    u, v = wind(0.0)
    if u.requires_grad or v.requires_grad:
        return "the gradient by the wind is wanted"
    rest = residual_speed(equation.harmonics, u, v, mean_rotation(equation.harmonics, u))
    return "" if rest <= ROUND_OFF * wind.max_speed else "the wind is no solid-body rotation"


def zonal_obstacle(equation: AdvectionDiffusion) -> str:
    """Why :class:`ZonalPropagator` does not apply; empty if it does."""
    if obstacle := steadiness_obstacle(equation):
        return obstacle
    u, v = equation.wind(0.0)
    departure = _variation(u) + float(v.detach().abs().max())
    if v.requires_grad or departure > ROUND_OFF * float(u.detach().abs().max()):
        return "the wind is not zonal, a function of latitude only"
    diffusivity = equation.diffusivity
    if isinstance(diffusivity, Tensor) and diffusivity.ndim and _variation(diffusivity) > 0.0:
        return "the diffusivity varies along longitude"
    return ""


class SolidBodyPropagator:
    """Closed form for solid-body rotation about the pole, constant D and a steady source.

    dA/dt = zA + S with z = De_l − He_l² − K − imΩ, so A(t) = A(0) e^{zt} + S t φ₁(zt), and
    φ₁(x) = (eˣ − 1)/x, which is 1 for the mean without decay. Advective and flux form agree.

    Args:
        equation: what to solve; its own ``rotation`` does not matter.

    Raises:
        UsageError: the problem is another one; the message says in what.
    """

    def __init__(self, equation: AdvectionDiffusion) -> None:
        _refuse("exact-solid-body", solid_body_obstacle(equation))
        wind = equation.wind
        if isinstance(wind, SolidBodyRotation):
            angular_speed = wind.angular_speed
        else:
            angular_speed = mean_rotation(equation.harmonics, wind(0.0)[0])
        self.rate = equation.with_rotation(angular_speed).implicit_rate()
        self.source = equation.steady_source

    def __call__(self, state: Tensor, duration: float) -> Tensor:
        """Modal state (..., l, m) after ``duration`` s."""
        exponent = self.rate * duration
        later = torch.exp(exponent) * state
        if self.source is None:
            return later
        return later + duration * phi_1(exponent) * self.source


class ZonalPropagator:
    """A steady wind u(θ), D constant or D(θ), and a steady source: one exponential per order m.

    The coefficients of one order obey dA/dt = M A + S, M of size T + 1 − m, and follow from
    the exponential of [[M, S], [0, 0]] t. M is the solver's own operator, found by applying it
    to every degree at once; the exponentials of one duration are kept for the next call with it.

    Args:
        equation: what to solve.

    Raises:
        UsageError: the problem is another one; the message says in what.
    """

    def __init__(self, equation: AdvectionDiffusion) -> None:
        _refuse("exact-zonal", zonal_obstacle(equation))
        self.size = equation.harmonics.truncation + 1
        self.source = equation.steady_source
        operator = _columns(equation)
        self.blocks = [operator[m:, m:, m].mT for m in range(self.size)]  # (l, l'), of order m
        self._duration: float | None = None
        self._exponentials: list[tuple[Tensor, Tensor | None]] = []

    def __call__(self, state: Tensor, duration: float) -> Tensor:
        """Modal state (..., l, m) after ``duration`` s."""
        if duration != self._duration:
            self._exponentials = [self._exponential(m, duration) for m in range(self.size)]
            self._duration = duration
        columns = []
        for m, (exponential, shift) in enumerate(self._exponentials):
            column = state[..., m:, m] @ exponential.mT
            column = column if shift is None else column + shift
            columns.append(torch.nn.functional.pad(column, (m, 0)))
        return torch.stack(columns, dim=-1)

    def _exponential(self, m: int, duration: float) -> tuple[Tensor, Tensor | None]:
        """e^{Mt} and what the source adds, (..., T + 1 − m), for order m."""
        block = self.blocks[m] * duration
        if self.source is None:
            return torch.linalg.matrix_exp(block), None
        size = block.shape[0]
        emitted = self.source[..., m:, m]
        # Columns of norm one, so that they do not change the scaling of the exponential.
        scale = emitted.abs().amax().clamp(min=torch.finfo(emitted.real.dtype).tiny)
        forcing = (emitted / scale).reshape(-1, size).mT
        augmented = torch.nn.functional.pad(
            torch.cat([block, forcing], dim=1), (0, 0, 0, forcing.shape[1])
        )
        exponential = torch.linalg.matrix_exp(augmented)
        shift = exponential[:size, size:].mT.reshape(emitted.shape)
        return exponential[:size, :size], shift * scale * duration


def phi_1(z: Tensor) -> Tensor:
    """(e^z − 1)/z for real or complex z, to round-off, and 1 at zero."""
    near = z.abs() < 1.0
    small = torch.where(near, z, torch.zeros_like(z))
    series = torch.ones_like(z)
    for k in range(SERIES_TERMS, 0, -1):
        series = 1.0 + small / (k + 1) * series
    safe = torch.where(near, torch.ones_like(z), z)
    return torch.where(near, series, (torch.exp(safe) - 1.0) / safe)


def _columns(equation: AdvectionDiffusion) -> Tensor:
    """(l', l, m): what the homogeneous equation makes of unit coefficients of degree l'."""
    size = equation.harmonics.truncation + 1
    rate = equation.implicit_rate()
    identity = torch.eye(size, dtype=rate.dtype.to_complex(), device=rate.device)
    units = identity[:, :, None] * torch.ones_like(identity).tril()  # all orders m ≤ l' at once
    # In portions, as a nodal field belongs to every degree.
    results = [equation.transport(part, 0.0) + rate * part for part in units.split(16)]
    return torch.cat(results)


def _variation(field: Tensor) -> float:
    """Largest departure from the values at the first longitude."""
    return float((field - field[..., :1]).detach().abs().max())


def _is_field(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def _refuse(name: str, obstacle: str) -> None:
    if obstacle:
        raise UsageError(f"integrator {name} does not apply: {obstacle}; choose auto or rk4")
