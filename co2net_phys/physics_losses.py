"""What the transport equation says about a predicted trajectory; dimensionless, as in `losses`.

The operators are those of `co2net_phys.solvers`, so that its own trajectories have a residual of
the order of the time difference only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from co2net_phys.solvers import Grid, SphericalHarmonics


class TransportResidual(nn.Module):
    """How far a trajectory is from ∂φ/∂t = A(t)φ + s with a source s that is constant in it.

    A(t)φ = −w(t)·∇φ + D∇²φ. Between frames k and k + 1, Δt apart, the mean of the tendency is taken
    by Simpson's rule, with φ at mid-time from Hermite interpolation (Hargraves & Paris 1987,
    doi:10.2514/3.20223), as the mean of both frames alone would be wrong by more than a tenth:

        φ_m = (φ_k + φ_{k+1})/2 + (A_kφ_k − A_{k+1}φ_{k+1}) Δt/8
        r_k = (φ_{k+1} − φ_k)/Δt − (A_kφ_k + 4A_mφ_m + A_{k+1}φ_{k+1})/6

    The error is of fourth order, and the source is all of r_k. It is unknown but constant over a
    window (as the paper assumes), so that only the part of r_k that varies in time counts, and the
    distance of its time mean from a prior source where one is given.

    Parameters
    ----------
    grid
        Of the fields.
    diffusivity
        D, m2 s-1.
    scale
        Spread of the tracer, in its unit.
    truncation
        Largest degree that counts; None for the finest that the grid takes.
    """

    def __init__(
        self, grid: Grid, diffusivity: float, scale: float, truncation: int | None = None
    ) -> None:
        super().__init__()
        best = min(grid.max_truncation, (grid.nlon - 1) // 3)
        # Fields come in single precision, and from any device.
        self.harmonics = SphericalHarmonics(
            grid, best if truncation is None else truncation, dtype=torch.float32
        )
        self.diffusivity, self.scale = diffusivity, scale

    def residual(self, tracer: Tensor, wind: tuple[Tensor, Tensor], spacing: float) -> Tensor:
        """Return r_k, modal (B, n − 1, l, m), unit of the tracer per s.

        `tracer` (B, n, H, W) at frames `spacing` s apart, `wind` (eastward, northward) in m/s
        (B, 2n − 1, H, W) at the frames and half-way between them.
        """
        (u, v), modal = wind, self.harmonics.to_modal(tracer)
        ends = self._tendency(modal, u[:, ::2], v[:, ::2])
        middle = 0.5 * (modal[:, 1:] + modal[:, :-1]) - ends.diff(dim=1) * (spacing / 8.0)
        inner = self._tendency(middle, u[:, 1::2], v[:, 1::2])
        return modal.diff(dim=1) / spacing - (ends[:, 1:] + 4.0 * inner + ends[:, :-1]) / 6.0

    def _tendency(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """A(t)φ, of the shape of `modal`."""
        diffusion = self.diffusivity * self.harmonics.laplacian(modal)
        return diffusion - self.harmonics.advection(modal, u, v)

    def forward(
        self,
        tracer: Tensor,
        wind: tuple[Tensor, Tensor],
        spacing: float,
        prior: Tensor | None = None,
    ) -> Tensor:
        """Return the mean square of what the equation leaves unexplained, in units of scale/Δt.

        `prior` (B, H, W) is a source in the unit of the tracer per s; other arguments as for
        `residual`. With two frames and no prior there is nothing that could vary: the loss is zero.
        """
        residual = self.residual(tracer, wind, spacing)
        source = residual.mean(dim=1, keepdim=True)
        loss = self._mean_square(residual - source)
        if prior is not None:
            loss = loss + self._mean_square(source - self.harmonics.to_modal(prior)[:, None])
        return loss * (spacing / self.scale) ** 2

    @staticmethod
    def _mean_square(modal: Tensor) -> Tensor:
        """Mean over batch, time and sphere of the square of a modal field (Parseval)."""
        power = torch.view_as_real(modal).square().sum(-1)
        power = 2.0 * power.sum((-2, -1)) - power[..., 0].sum(-1)
        return power.mean() / (4.0 * torch.pi)


def mass_loss(
    tracer: Tensor, area: Tensor, spacing: float, growth: float | Tensor, scale: float
) -> Tensor:
    """Return the mean square error of the change of the global mean between frames, over `scale`².

    Parameters
    ----------
    tracer
        (B, n, H, W) at frames `spacing` s apart; `scale` is its spread, in its unit.
    area
        Cell areas that broadcast to (H, W), any unit.
    growth
        Known growth of the global mean, or global mean of the source, (B, n − 1) or a number, unit
        of the tracer per s.
    """
    weights = area.expand(tracer.shape[-2:])
    mean = (tracer * weights).sum((-2, -1)) / weights.sum()  # (B, n)
    return ((mean.diff(dim=1) - growth * spacing) / scale).square().mean()
