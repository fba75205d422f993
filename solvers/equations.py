"""The tracer equation, split into what a time scheme treats explicitly and what it solves exactly.

∂φ/∂t = explicit_terms(φ, t) + L φ,  with exp(L Δt) = implicit_factor(Δt).
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.winds import Wind

Source = Callable[[float, Tensor], Tensor]
"""s(t, φ): time in s and nodal tracers to nodal rate of change (tracer unit per s)."""


class SplitEquation(Protocol):
    """What a time scheme needs to know of an equation."""

    def explicit_terms(self, state: Tensor, time: float) -> Tensor:
        """Tendency of the terms integrated explicitly, of the shape of ``state``, per s."""
        ...

    def implicit_factor(self, time_step: float) -> Tensor:
        """exp(L Δt) of the diagonal linear part, broadcast against ``state``."""
        ...


class AdvectionDiffusion:
    """∂φ/∂t + w·∇φ = D ∇²φ − K ∇⁴φ + s(t, φ): advective form, pseudo-spectral.

    The state is modal, (..., l, m), leading axes being tracers or members. The product w·∇φ is
    formed at the nodes and projected; on ``Grid.gaussian(T)`` that is exact if the wind has
    degree T or less, and then a non-divergent wind keeps the global mean to round-off. A sampled
    wind can be brought there by ``streamfunction_and_potential`` and ``wind``.

    Args:
        harmonics: transforms and operators.
        wind: at the nodes of ``harmonics.grid``.
        diffusivity: D ≥ 0, m² s⁻¹.
        source: s(t, φ), tracer unit per s, or None.
        hyperdiffusivity: K ≥ 0, m⁴ s⁻¹, damping of the smallest scales.

    Raises:
        UsageError: a negative diffusivity.
    """

    def __init__(
        self,
        harmonics: SphericalHarmonics,
        wind: Wind,
        diffusivity: float = 0.0,
        source: Source | None = None,
        hyperdiffusivity: float = 0.0,
    ) -> None:
        if not (diffusivity >= 0 and hyperdiffusivity >= 0):
            raise UsageError(
                f"diffusivities must be at least 0, got {diffusivity} and {hyperdiffusivity}: "
                "negative diffusion has no solution"
            )
        self.harmonics, self.wind, self.source = harmonics, wind, source
        self.diffusivity, self.hyperdiffusivity = diffusivity, hyperdiffusivity

    def explicit_terms(self, state: Tensor, time: float) -> Tensor:
        """−w·∇φ + s, modal, tracer unit per s."""
        east, north = self.harmonics.gradient(state)
        u, v = self.wind(time)
        tendency = -(u * east + v * north)
        if self.source is not None:
            tendency = tendency + self.source(time, self.harmonics.to_nodal(state))
        return self.harmonics.to_modal(tendency)

    def implicit_factor(self, time_step: float) -> Tensor:
        """exp[(D e_l − K e_l²) Δt], (l, 1), e_l being the eigenvalues of ∇²."""
        eigenvalues = self.harmonics.laplacian_eigenvalues[:, None]
        rate = self.diffusivity * eigenvalues - self.hyperdiffusivity * eigenvalues**2
        return torch.exp(rate * time_step)
