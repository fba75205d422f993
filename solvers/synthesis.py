"""Evaluation of modal fields at the nodes of any grid, by direct sums in longitude."""

import torch
from torch import Tensor

from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.legendre import legendre_tables, sum_over_degree


class GridSynthesis(torch.nn.Module):
    """Exact point values on ``grid`` of fields of any truncation.

    No quadrature and no FFT is involved, so the truncation may exceed what the grid could
    represent: the values are then those of the full field at the nodes, small scales included.

    Args:
        grid: where to evaluate.
        truncation: largest degree T of the fields.
        radius: of the sphere, m.
        dtype: real type of the tables.
    """

    legendre: Tensor
    derivative: Tensor
    over_cosine: Tensor
    waves: Tensor

    def __init__(self, grid: Grid, truncation: int, radius: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.radius = radius
        tables = legendre_tables(grid.latitude, truncation)
        self.register_buffer("legendre", tables.values.to(dtype), persistent=False)
        self.register_buffer("derivative", tables.derivative.to(dtype), persistent=False)
        self.register_buffer("over_cosine", tables.over_cosine.to(dtype), persistent=False)
        order = torch.arange(truncation + 1, dtype=torch.float64)[:, None]
        phase = order * torch.from_numpy(grid.longitude).deg2rad()
        # f = Re Σ_m c_m F_m e^{imλ} with c_0 = 1 and c_m = 2 for the conjugate order −m.
        weight = torch.where(order == 0, 1.0, 2.0)
        waves = torch.cat([weight * phase.cos(), -weight * phase.sin()])  # (2 m, nlon)
        self.register_buffer("waves", waves.to(dtype), persistent=False)

    def forward(self, modal: Tensor) -> Tensor:
        """Nodal values (..., nlat, nlon) of ``modal`` (..., l, m), in the same unit."""
        return self._evaluate(modal, self.legendre)

    def gradient(self, modal: Tensor) -> tuple[Tensor, Tensor]:
        """Eastward and northward components (..., nlat, nlon) of ∇, unit of ``modal`` per m."""
        east = self._evaluate(1j * modal, self.over_cosine)
        north = self._evaluate(modal, self.derivative)
        return east / self.radius, north / self.radius

    def _evaluate(self, modal: Tensor, table: Tensor) -> Tensor:
        fourier = sum_over_degree(modal, table)  # (..., k, m)
        return torch.cat([fourier.real, fourier.imag], dim=-1) @ self.waves
