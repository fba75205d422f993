"""The tracer equation, split into what a time scheme treats explicitly and what it solves exactly.

∂φ/∂t = explicit_terms(φ, t) + L φ,  with exp(L Δt) = implicit_factor(Δt).
"""

import math
from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.winds import Components, SteadyWind, Wind

Source = Callable[[float, Tensor], Tensor]
"""s(t, φ): time in s and nodal tracers to nodal rate of change (tracer unit per s)."""

Diffusivity = float | Tensor | Callable[[float], float | Tensor]
"""D ≥ 0 in m² s⁻¹: a number, a nodal field (nlat, nlon), or a function of time (s) to either."""

Form = Literal["advective", "flux"]
"""∂φ/∂t + w·∇φ, which keeps constants, or ∂φ/∂t + ∇·(wφ), which keeps the mass."""

FORMS: tuple[Form, ...] = ("advective", "flux")


class SplitEquation(Protocol):
    """What a time scheme needs to know of an equation."""

    def explicit_terms(self, state: Tensor, time: float) -> Tensor:
        """Tendency of the terms integrated explicitly, of the shape of ``state``, per s."""
        ...

    def implicit_factor(self, time_step: float) -> Tensor:
        """exp(L Δt) of the diagonal linear part, broadcast against ``state``."""
        ...


class SteadySource:
    """A source that depends neither on time nor on the tracer.

    Exact propagators need to know that; a step need not synthesise the tracer for it.

    Args:
        rate: (..., nlat, nlon), tracer unit per s.

    Raises:
        DataError: a value is not finite.
    """

    def __init__(self, rate: Tensor) -> None:
        if not torch.isfinite(rate).all():
            raise DataError("source: values are missing or not finite, fill them first")
        self.rate = rate

    def __call__(self, time: float, tracers: Tensor) -> Tensor:
        """The rate, at any ``time`` and for any ``tracers``."""
        return self.rate


class AdvectionDiffusion:
    """Advection, diffusion, decay and sources of tracers, pseudo-spectral.

        advective form   ∂φ/∂t + w·∇φ   = ∇·(D∇φ) − Kφ − H ∇⁴φ + s(t, φ)
        flux form        ∂φ/∂t + ∇·(wφ) = ∇·(D∇φ) − Kφ − H ∇⁴φ + s(t, φ)

    The state is modal, (..., l, m), leading axes being tracers or members. For constant D,
    ∇·(D∇φ) = D∇²φ. Products are formed at the nodes and projected; on ``Grid.gaussian(T)`` that is
    exact if wind and D have degree T or less. The advective form keeps constants, and the global
    mean too if the wind is non-divergent; the flux form keeps the mean exactly in any wind, its
    tendency being a divergence by parts. A sampled wind can be brought to degree T by
    ``streamfunction_and_potential`` and ``wind``.

    Taken exactly by ``implicit_factor``: constant D, decay, hyperdiffusion, and the rotation by
    ``rotation``, whose wind ΩR cos θ is then left out of the explicit wind, in both forms, as it
    has no divergence. Of a field D(θ, λ) the factor takes the middle of its range: the rest is
    then never larger than what the factor damps, and steps of any length were found stable, where
    the smallest value or the mean leads to growth. A function of time is taken explicitly.

    A gradient through D, wind or source needs a new equation for each backward pass.

    Args:
        harmonics: transforms and operators.
        wind: at the nodes of ``harmonics.grid``.
        diffusivity: D ≥ 0, m² s⁻¹; a number, a nodal field or a function of time to either.
        source: s(t, φ), tracer unit per s, or None; steady ones as :class:`SteadySource`.
        hyperdiffusivity: H ≥ 0, m⁴ s⁻¹, damping of the smallest scales.
        form: "advective" or "flux".
        decay: K ≥ 0, s⁻¹.
        rotation: Ω, rad s⁻¹ about the pole, eastward if positive.

    Raises:
        UsageError: an unknown form, a coefficient that is negative or not finite, or a field D
            that does not fit the grid.
    """

    steady_source: Tensor | None
    """Modal rate (..., l, m) of a :class:`SteadySource`, else None."""

    def __init__(
        self,
        harmonics: SphericalHarmonics,
        wind: Wind,
        diffusivity: Diffusivity = 0.0,
        source: Source | None = None,
        hyperdiffusivity: float = 0.0,
        *,
        form: Form = "advective",
        decay: float = 0.0,
        rotation: float = 0.0,
    ) -> None:
        self.harmonics, self.wind, self.source = harmonics, wind, source
        self.diffusivity, self.hyperdiffusivity = diffusivity, hyperdiffusivity
        self.form, self.decay, self.rotation = form, decay, rotation
        self._check_coefficients()
        self._implicit_diffusivity, self._excess = self._split_diffusivity()
        self._solid_body = rotation * harmonics.radius * harmonics.coordinates()[0].cos()
        # What does not change is worked out once for all times.
        steady = isinstance(wind, SteadyWind)
        self._steady_wind = self._without_rotation(wind(0.0)) if steady else None
        self.steady_source = self._steady_source()

    def with_rotation(self, rotation: float) -> "AdvectionDiffusion":
        """The same equation, with another ``rotation`` (rad s⁻¹) taken exactly."""
        return AdvectionDiffusion(
            self.harmonics,
            self.wind,
            self.diffusivity,
            self.source,
            self.hyperdiffusivity,
            form=self.form,
            decay=self.decay,
            rotation=rotation,
        )

    def explicit_wind(self, time: float) -> Components:
        """The wind less that of ``rotation``, at the nodes, m s⁻¹."""
        if self._steady_wind is not None:
            return self._steady_wind
        return self._without_rotation(self.wind(time))

    def explicit_diffusivity(self, time: float) -> Tensor | float:
        """What of D is left to the explicit terms at ``time``: a number or nodal, m² s⁻¹."""
        if not callable(self.diffusivity):
            return self._excess
        value = self.diffusivity(time)
        _check_diffusivity(value, self.harmonics.grid.shape, f" at {time:g} s")
        return value

    def explicit_terms(self, state: Tensor, time: float) -> Tensor:
        """Transport by the explicit wind, the rest of the diffusion and s; modal, unit per s."""
        tendency = self.transport(state, time)
        if self.source is None:
            return tendency
        if self.steady_source is not None:
            return tendency + self.steady_source
        rate = self.source(time, self.harmonics.to_nodal(state))
        return tendency + self.harmonics.to_modal(rate)

    def implicit_rate(self) -> Tensor:
        """L = D₀e_l − H e_l² − K − imΩ, s⁻¹: (l, 1) real, or (l, m) if there is rotation."""
        eigenvalues = self.harmonics.laplacian_eigenvalues[:, None]
        rate = self._implicit_diffusivity * eigenvalues - self.hyperdiffusivity * eigenvalues**2
        rate = rate - self.decay
        if self.rotation == 0.0:
            return rate
        order = torch.arange(rate.shape[0], dtype=rate.dtype, device=rate.device)
        # m before l in memory, as the transforms store their results: products go straight through.
        return (rate.mT - 1j * self.rotation * order[:, None]).mT

    def implicit_factor(self, time_step: float) -> Tensor:
        """exp(L Δt), (l, 1) real, or (l, m) if there is rotation; L from :meth:`implicit_rate`."""
        return torch.exp(self.implicit_rate() * time_step)

    def transport(self, state: Tensor, time: float) -> Tensor:
        """The explicit terms without the source; linear in ``state``, unit per s."""
        u, v = self.explicit_wind(time)
        diffusivity = self.explicit_diffusivity(time)
        if isinstance(diffusivity, Tensor) and diffusivity.ndim:
            return self._transport_with_field(state, u, v, diffusivity)
        advective = self.form == "advective"
        operator = self.harmonics.advection if advective else self.harmonics.flux_divergence
        transport = -operator(state, u, v)
        if isinstance(diffusivity, float) and diffusivity == 0.0:
            return transport
        return transport + diffusivity * self.harmonics.laplacian(state)

    def _transport_with_field(self, state: Tensor, u: Tensor, v: Tensor, field: Tensor) -> Tensor:
        east, north = self.harmonics.gradient(state)
        if self.form == "advective":
            diffused = self.harmonics.divergence(field * east, field * north)
            return diffused - self.harmonics.to_modal(u * east + v * north)
        nodal = self.harmonics.to_nodal(state)
        return self.harmonics.divergence(field * east - u * nodal, field * north - v * nodal)

    def _without_rotation(self, components: Components) -> Components:
        u, v = components
        return (u, v) if self.rotation == 0.0 else (u - self._solid_body, v)

    def _steady_source(self) -> Tensor | None:
        if not isinstance(self.source, SteadySource):
            return None
        return self.harmonics.to_modal(self.source.rate)

    def _split_diffusivity(self) -> tuple[float | Tensor, float | Tensor]:
        """Constant part of D, taken exactly, and the rest."""
        value = self.diffusivity
        if callable(value):
            return 0.0, 0.0
        if not isinstance(value, Tensor) or value.ndim == 0:
            return value, 0.0
        constant = (value.amin() + value.amax()) / 2
        return constant, value - constant

    def _check_coefficients(self) -> None:
        if self.form not in FORMS:
            raise UsageError(f"unknown form {self.form!r}: choose one of {', '.join(FORMS)}")
        if not callable(self.diffusivity):
            _check_diffusivity(self.diffusivity, self.harmonics.grid.shape)
        for name in ("hyperdiffusivity", "decay"):
            value = float(getattr(self, name))
            if not 0 <= value < math.inf:
                raise UsageError(f"{name} must be at least 0 and finite, got {value:g}")
        if not math.isfinite(self.rotation):
            raise UsageError(f"rotation must be finite, got {self.rotation}")


def _check_diffusivity(value: float | Tensor, shape: tuple[int, int], when: str = "") -> None:
    field = torch.as_tensor(value).detach()
    if field.ndim and field.shape != shape:
        raise UsageError(
            f"diffusivity{when}: shape {tuple(field.shape)} does not fit the grid, "
            f"give one number or {shape[0]} × {shape[1]} values"
        )
    smallest, largest = float(field.min()), float(field.max())
    if not (smallest >= 0 and largest < math.inf):
        raise UsageError(
            f"diffusivity{when} must be at least 0 and finite, got {smallest:g} to {largest:g}: "
            "negative diffusion has no solution"
        )
