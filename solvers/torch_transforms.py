"""The spherical harmonic transforms in PyTorch: any device, batched, differentiable.

Dense Legendre tables (m, l, k) and one matrix product for each order.
"""

import math

import torch
from torch import Tensor

from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.legendre import legendre_tables, sum_over_degree, sum_over_latitude


class TorchTransforms(torch.nn.Module):
    """Transforms of tensors on the device and of the type of the tables.

    Args:
        grid: nodes and quadrature.
        truncation: T.
        radius: of the sphere, m.
        dtype: real type of the tables; they are computed in float64 and then rounded.
    """

    _legendre: Tensor
    _derivative: Tensor
    _over_cosine: Tensor
    _weights: Tensor
    _phase: Tensor

    def __init__(self, grid: Grid, truncation: int, radius: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.grid, self.truncation, self.radius = grid, truncation, radius
        tables = legendre_tables(grid.latitude, truncation)
        order = torch.arange(truncation + 1, dtype=torch.float64)
        phase = order * math.radians(grid.first_longitude)
        for name, value in {
            "_legendre": tables.values,
            "_derivative": tables.derivative,
            "_over_cosine": tables.over_cosine,
            "_weights": 2.0 * math.pi * torch.from_numpy(grid.quadrature_weights)[:, None],
            # Real pairs, because Module.to(dtype) would drop an imaginary part.
            "_phase": torch.stack([phase.cos(), phase.sin()], dim=-1),  # e^{imλ₀}, (m, 2)
        }.items():
            self.register_buffer(name, value.to(dtype), persistent=False)

    def to_modal(self, nodal: Tensor) -> Tensor:
        """Projection (..., l, m) of ``nodal`` (..., nlat, nlon)."""
        return sum_over_latitude(self._fourier(nodal), self._legendre)

    def to_nodal(self, modal: Tensor) -> Tensor:
        """Values (..., nlat, nlon) of ``modal`` (..., l, m)."""
        return self._synthesise(modal, self._legendre)

    def gradient(self, modal: Tensor) -> tuple[Tensor, Tensor]:
        """Eastward and northward component of ∇, likewise."""
        scaled = modal / self.radius
        east = self._synthesise(1j * scaled, self._over_cosine)
        north = self._synthesise(scaled, self._derivative)
        return east, north

    def divergence(self, u: Tensor, v: Tensor) -> Tensor:
        """∇·(u, v), modal, of nodal components."""
        u_waves, v_waves = self._fourier(u / self.radius), self._fourier(v / self.radius)
        east = sum_over_latitude(1j * u_waves, self._over_cosine)
        return east - sum_over_latitude(v_waves, self._derivative)

    def curl(self, u: Tensor, v: Tensor) -> Tensor:
        """k·∇ × (u, v), likewise."""
        u_waves, v_waves = self._fourier(u / self.radius), self._fourier(v / self.radius)
        east = sum_over_latitude(1j * v_waves, self._over_cosine)
        return east + sum_over_latitude(u_waves, self._derivative)

    def advection(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """w·∇f, modal, of modal f and nodal (u, v)."""
        east, north = self.gradient(modal)
        return self.to_modal(u * east + v * north)

    def flux_divergence(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """∇·(w f), likewise."""
        nodal = self.to_nodal(modal)
        return self.divergence(u * nodal, v * nodal)

    def _fourier(self, nodal: Tensor) -> Tensor:
        """2π w_k × Fourier coefficients (..., k, m), longitudes counted from Greenwich."""
        waves: Tensor = torch.fft.rfft(nodal, norm="forward")[..., : self.truncation + 1]
        return waves * (self._weights * torch.view_as_complex(self._phase).conj())

    def _synthesise(self, modal: Tensor, table: Tensor) -> Tensor:
        waves = sum_over_degree(modal, table) * torch.view_as_complex(self._phase)
        nodal: Tensor = torch.fft.irfft(waves, n=self.grid.nlon, norm="forward")
        return nodal
