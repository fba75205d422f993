"""Spherical harmonic transforms and the differential operators that are exact in them.

    f(θ, λ) = Σ_{l=0}^{T} Σ_{m=−l}^{l} a_lm P_lm(sin θ) e^{imλ},    a_{l,−m} = (−1)^m conj(a_lm)

with θ the latitude, orthonormal on the unit sphere and with the Condon–Shortley phase: the
convention of ``scipy.special.sph_harm_y`` and of torch-harmonics' ``norm="ortho"``. Only m ≥ 0 is
kept, as complex (..., l, m); entries with m > l are zero. Nodal fields are (..., nlat, nlon).
"""

import math

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.legendre import legendre_tables, sum_over_degree, sum_over_latitude
from co2net_phys.solvers.synthesis import GridSynthesis


class SphericalHarmonics(torch.nn.Module):
    """Transforms between ``grid`` and triangular truncation T, on a sphere of ``radius``.

    Args:
        grid: nodes and quadrature.
        truncation: largest degree and order T.
        radius: of the sphere, m.
        dtype: real type of the tables; they are computed in float64 and then rounded.

    Raises:
        UsageError: ``truncation`` is not between 0 and ``grid.max_truncation``.
    """

    laplacian_eigenvalues: Tensor
    """(T + 1,) −l(l+1)/R², m⁻²."""
    _legendre: Tensor
    _derivative: Tensor
    _over_cosine: Tensor
    _weights: Tensor
    _phase: Tensor
    _coordinates: Tensor

    def __init__(
        self,
        grid: Grid,
        truncation: int,
        radius: float = EARTH_RADIUS_M,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        if not 0 <= truncation <= grid.max_truncation:
            raise UsageError(
                f"truncation {truncation} on a {grid.kind} grid of {grid.nlat} × {grid.nlon}: "
                f"choose 0 to {grid.max_truncation}, or a finer grid"
            )
        self.grid, self.truncation, self.radius = grid, truncation, radius
        self._elsewhere: dict[Grid, GridSynthesis] = {}
        for name, value in self._tables().items():
            self.register_buffer(name, value.to(dtype), persistent=False)

    def _tables(self) -> dict[str, Tensor]:
        """Everything precomputed, float64."""
        tables = legendre_tables(self.grid.latitude, self.truncation)
        degree = torch.arange(self.truncation + 1, dtype=torch.float64)
        phase = degree * math.radians(self.grid.first_longitude)
        latitude = torch.from_numpy(self.grid.latitude).deg2rad()
        longitude = torch.from_numpy(self.grid.longitude).deg2rad()
        return {
            "_legendre": tables.values,
            "_derivative": tables.derivative,
            "_over_cosine": tables.over_cosine,
            "_weights": 2.0 * math.pi * torch.from_numpy(self.grid.quadrature_weights)[:, None],
            # Real pairs, because Module.to(dtype) would drop an imaginary part.
            "_phase": torch.stack([phase.cos(), phase.sin()], dim=-1),  # e^{imλ₀}, (m, 2)
            "_coordinates": torch.cat([latitude, longitude]),
            "laplacian_eigenvalues": -degree * (degree + 1.0) / self.radius**2,
        }

    def coordinates(self) -> tuple[Tensor, Tensor]:
        """Latitude (nlat, 1) and longitude (1, nlon) of the nodes, radians."""
        nlat = self.grid.nlat
        return self._coordinates[:nlat, None], self._coordinates[None, nlat:]

    def to_modal(self, nodal: Tensor) -> Tensor:
        """Projection a_lm = ∫ f Ȳ_lm dΩ of ``nodal`` (..., nlat, nlon), same unit."""
        return sum_over_latitude(self._fourier(nodal), self._legendre)

    def to_nodal(self, modal: Tensor) -> Tensor:
        """Values (..., nlat, nlon) at the nodes of ``modal`` (..., l, m), same unit."""
        return self._synthesise(modal, self._legendre)

    def gradient(self, modal: Tensor) -> tuple[Tensor, Tensor]:
        """Eastward and northward components (..., nlat, nlon) of ∇f, unit of ``modal`` per m.

        ∇f = (1/R)(Σ im a_lm P_lm/cos θ e^{imλ}, Σ a_lm dP_lm/dθ e^{imλ}), finite everywhere.
        """
        scaled = modal / self.radius
        east = self._synthesise(1j * scaled, self._over_cosine)
        north = self._synthesise(scaled, self._derivative)
        return east, north

    def laplacian(self, modal: Tensor) -> Tensor:
        """∇²f, (..., l, m), unit of ``modal`` per m²."""
        return modal * self.laplacian_eigenvalues[:, None]

    def wind(
        self, streamfunction: Tensor, velocity_potential: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Wind k × ∇ψ + ∇χ at the nodes.

        Args:
            streamfunction: ψ, (..., l, m), m² s⁻¹.
            velocity_potential: χ, likewise; none for a non-divergent wind.

        Returns:
            Eastward u and northward v, (..., nlat, nlon), m s⁻¹.
        """
        potential = None if velocity_potential is None else self.gradient(velocity_potential)
        return _helmholtz(self.gradient(streamfunction), potential)

    def streamfunction_and_potential(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Helmholtz decomposition of any sampled wind, the inverse of :meth:`wind`.

        Vorticity ∫ ∇Ȳ·(k × w) and divergence −∫ ∇Ȳ·w by parts, then ∇⁻², so that nothing is
        differentiated on the grid; what exceeds the truncation is projected out.

        Args:
            u: eastward, (..., nlat, nlon), m s⁻¹.
            v: northward, likewise.

        Returns:
            ψ and χ, (..., l, m), m² s⁻¹, each of zero mean.
        """
        degree = torch.arange(self.truncation + 1, device=u.device, dtype=u.dtype)[:, None]
        inverse = -(self.radius**2) / (degree * (degree + 1.0)).clamp(min=1.0)
        return self.curl(u, v) * inverse, self.divergence(u, v) * inverse

    def divergence(self, u: Tensor, v: Tensor) -> Tensor:
        """∇·(u, v), modal (..., l, m), of nodal components (..., nlat, nlon), their unit per m.

        By parts, −∫ ∇Ȳ·(u, v), so that nothing is differentiated on the grid; the mean is zero.
        """
        u_waves, v_waves = self._fourier(u / self.radius), self._fourier(v / self.radius)
        east = sum_over_latitude(1j * u_waves, self._over_cosine)
        return east - sum_over_latitude(v_waves, self._derivative)

    def curl(self, u: Tensor, v: Tensor) -> Tensor:
        """k·∇ × (u, v), the vertical vorticity, likewise."""
        u_waves, v_waves = self._fourier(u / self.radius), self._fourier(v / self.radius)
        east = sum_over_latitude(1j * v_waves, self._over_cosine)
        return east + sum_over_latitude(u_waves, self._derivative)

    def advection(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """w·∇f, modal, of ``modal`` f and the wind (u, v) at the nodes; unit of f per s."""
        east, north = self.gradient(modal)
        return self.to_modal(u * east + v * north)

    def flux_divergence(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """∇·(w f), likewise; its global mean is zero for any wind."""
        nodal = self.to_nodal(modal)
        return self.divergence(u * nodal, v * nodal)

    def integrate(self, nodal: Tensor) -> Tensor:
        """Area integral (...) of ``nodal`` (..., nlat, nlon), its unit times m²."""
        self._check_nodal(nodal)
        return self.radius**2 * (nodal.mean(-1) * self._weights[:, 0]).sum(-1)

    def global_mean(self, modal: Tensor) -> Tensor:
        """Area mean (...) of ``modal`` (..., l, m): a_00/√4π."""
        return modal[..., 0, 0].real / math.sqrt(4.0 * math.pi)

    def synthesise(self, modal: Tensor, grid: Grid) -> Tensor:
        """Point values of ``modal`` at the nodes of another ``grid``, (..., nlat, nlon)."""
        values: Tensor = self._on(grid, modal.device)(modal)
        return values

    def synthesise_wind(
        self, streamfunction: Tensor, velocity_potential: Tensor | None, grid: Grid
    ) -> tuple[Tensor, Tensor]:
        """Like :meth:`wind`, at the nodes of another ``grid``."""
        there = self._on(grid, streamfunction.device)
        potential = None if velocity_potential is None else there.gradient(velocity_potential)
        return _helmholtz(there.gradient(streamfunction), potential)

    def _on(self, grid: Grid, device: torch.device) -> GridSynthesis:
        if grid not in self._elsewhere:
            dtype = self._legendre.dtype
            self._elsewhere[grid] = GridSynthesis(grid, self.truncation, self.radius, dtype)
        return self._elsewhere[grid].to(device=device, dtype=self._legendre.dtype)

    def _fourier(self, nodal: Tensor) -> Tensor:
        """2π w_k × Fourier coefficients (..., k, m), longitudes counted from Greenwich."""
        self._check_nodal(nodal)
        waves: Tensor = torch.fft.rfft(nodal, norm="forward")[..., : self.truncation + 1]
        return waves * (self._weights * torch.view_as_complex(self._phase).conj())

    def _synthesise(self, modal: Tensor, table: Tensor) -> Tensor:
        size = self.truncation + 1
        if modal.shape[-2:] != (size, size):
            raise ValueError(f"modal axes (l, m) must be {size} × {size}, got {tuple(modal.shape)}")
        waves = sum_over_degree(modal, table) * torch.view_as_complex(self._phase)
        nodal: Tensor = torch.fft.irfft(waves, n=self.grid.nlon, norm="forward")
        return nodal

    def _check_nodal(self, nodal: Tensor) -> None:
        if nodal.shape[-2:] != self.grid.shape:
            raise ValueError(
                f"nodal axes (nlat, nlon) must be {self.grid.shape}, got {tuple(nodal.shape)}"
            )


def _helmholtz(
    streamfunction_gradient: tuple[Tensor, Tensor],
    potential_gradient: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """k × ∇ψ + ∇χ from the (east, north) components of the gradients."""
    psi_east, psi_north = streamfunction_gradient
    if potential_gradient is None:
        return -psi_north, psi_east
    chi_east, chi_north = potential_gradient
    return chi_east - psi_north, psi_east + chi_north
