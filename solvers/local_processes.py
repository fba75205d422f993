"""What happens to a tracer besides its transport: diffusion, decay and sources.

The parts of :class:`AdvectionDiffusion` that a splitting scheme puts around its advection.
"""

import math

import torch
from torch import Tensor

from co2net_phys.solvers.equations import AdvectionDiffusion
from co2net_phys.solvers.time_integration import Step, lawson_rk4

QUADRATURE = ((0.5 - math.sqrt(0.15), 5 / 18), (0.5, 8 / 18), (0.5 + math.sqrt(0.15), 5 / 18))
"""Gauss–Legendre nodes and weights on [0, 1], for ∫ D(t) dt: order 6."""

EXPLICIT_LIMIT = 2.0
"""Largest Δt |eigenvalue| of explicit diffusion by RK4, whose real stability limit is 2.785."""


class Diffusion(AdvectionDiffusion):
    """∂φ/∂t = ∇·(D∇φ) − Kφ − H ∇⁴φ: an equation without wind and source.

    Args:
        equation: whose diffusivities and decay these are.
    """

    def __init__(self, equation: AdvectionDiffusion) -> None:
        super().__init__(
            equation.harmonics,
            equation.wind,
            equation.diffusivity,
            hyperdiffusivity=equation.hyperdiffusivity,
            decay=equation.decay,
        )

    def transport(self, state: Tensor, time: float) -> Tensor:
        """What of ∇·(D∇φ) the implicit factor leaves over, modal, tracer unit per s."""
        diffusivity = torch.as_tensor(self.explicit_diffusivity(time))
        if diffusivity.ndim == 0:
            return diffusivity * self.harmonics.laplacian(state)
        east, north = self.harmonics.gradient(state)
        return self.harmonics.divergence(diffusivity * east, diffusivity * north)

    def over(self, interval: float) -> Step:
        """step(state, time) over ``interval`` s.

        Exact for a constant D, by quadrature of ∫ D dt for one that is a number at any time, by
        as many steps of RK4 as are stable for a field.
        """
        factor = self.implicit_factor(interval)
        if bool((factor == 1.0).all()) and self._is_constant():
            return lambda state, time: state
        if self._is_constant():
            return lambda state, time: factor * state

        def step(state: Tensor, time: float) -> Tensor:
            values = [
                torch.as_tensor(
                    self.explicit_diffusivity(time + node * interval), dtype=factor.real.dtype
                )
                for node, _ in QUADRATURE
            ]
            if all(value.ndim == 0 for value in values):
                total = sum(w * d for (_, w), d in zip(QUADRATURE, values, strict=True))
                exponent = self.harmonics.laplacian_eigenvalues[:, None] * total * interval
                return factor * torch.exp(exponent) * state
            return self._by_substeps(
                state, time, interval, max(float(d.abs().max()) for d in values)
            )

        return step

    def _is_constant(self) -> bool:
        value = self.diffusivity
        return not callable(value) and (not isinstance(value, Tensor) or value.ndim == 0)

    def _by_substeps(self, state: Tensor, time: float, interval: float, largest: float) -> Tensor:
        rate = largest * float(self.harmonics.laplacian_eigenvalues[-1].abs())
        count = max(1, math.ceil(interval * rate / EXPLICIT_LIMIT))
        step = lawson_rk4(self, interval / count)
        for n in range(count):
            state = step(state, time + n * interval / count)
        return state


def emission(equation: AdvectionDiffusion, interval: float) -> Step:
    """step(state, time) of ∂φ/∂t = s(t, φ) alone, over ``interval`` s.

    Exact for a :class:`SteadySource`, else by the midpoint rule, order 2.
    """
    harmonics, source, steady = equation.harmonics, equation.source, equation.steady_source
    if source is None:
        return lambda state, time: state
    if steady is not None:
        return lambda state, time: state + interval * steady

    def rate(state: Tensor, time: float) -> Tensor:
        return harmonics.to_modal(source(time, harmonics.to_nodal(state)))

    def step(state: Tensor, time: float) -> Tensor:
        middle = state + 0.5 * interval * rate(state, time)
        return state + interval * rate(middle, time + 0.5 * interval)

    return step
