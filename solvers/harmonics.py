"""Spherical harmonic transforms and the differential operators that are exact in them.

    f(θ, λ) = Σ_{l=0}^{T} Σ_{m=−l}^{l} a_lm P_lm(sin θ) e^{imλ},    a_{l,−m} = (−1)^m conj(a_lm)

with θ the latitude, orthonormal on the unit sphere and with the Condon–Shortley phase: the
convention of ``scipy.special.sph_harm_y`` and of torch-harmonics' ``norm="ortho"``. Only m ≥ 0 is
kept, as complex (..., l, m); entries with m > l are zero. Nodal fields are (..., nlat, nlon).
"""

import math
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.numba_transforms import NumbaTransforms
from co2net_phys.solvers.synthesis import GridSynthesis
from co2net_phys.solvers.torch_transforms import TorchTransforms

Backend = Literal["auto", "numba", "torch"]
"""Who computes: numba kernels on the processor, PyTorch anywhere, or the choice call by call."""


class Transforms(Protocol):
    """What both back ends offer; arguments and results as in :class:`SphericalHarmonics`."""

    def to_modal(self, nodal: Tensor) -> Tensor:
        """Projection of a nodal field."""
        ...

    def to_nodal(self, modal: Tensor) -> Tensor:
        """Values at the nodes."""
        ...

    def gradient(self, modal: Tensor) -> tuple[Tensor, Tensor]:
        """Eastward and northward component, nodal."""
        ...

    def divergence(self, u: Tensor, v: Tensor) -> Tensor:
        """Modal divergence of nodal components."""
        ...

    def curl(self, u: Tensor, v: Tensor) -> Tensor:
        """Modal vorticity of nodal components."""
        ...

    def advection(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """w·∇f, modal."""
        ...

    def flux_divergence(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """∇·(w f), modal."""
        ...


class SphericalHarmonics(torch.nn.Module):
    """Transforms between ``grid`` and triangular truncation T, on a sphere of ``radius``.

    There are two back ends with the same results to round-off. ``"numba"`` is much the faster for
    float32 and float64 in main memory but knows no gradients; ``"torch"`` runs on any device and
    is differentiable, with dense tables of the size (T + 1)² nlat that are made when first needed.
    ``"auto"`` takes numba where it can.

    Args:
        grid: nodes and quadrature.
        truncation: largest degree and order T.
        radius: of the sphere, m.
        dtype: real type of the tables; they are computed in float64 and then rounded.
        backend: "auto", "numba" or "torch".

    Raises:
        UsageError: ``truncation`` is not between 0 and ``grid.max_truncation``, or the back end
            is unknown.
    """

    laplacian_eigenvalues: Tensor
    """(T + 1,) −l(l+1)/R², m⁻²."""
    _weights: Tensor
    _coordinates: Tensor

    def __init__(
        self,
        grid: Grid,
        truncation: int,
        radius: float = EARTH_RADIUS_M,
        dtype: torch.dtype = torch.float64,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        if not 0 <= truncation <= grid.max_truncation:
            raise UsageError(
                f"truncation {truncation} on a {grid.kind} grid of {grid.nlat} × {grid.nlon}: "
                f"choose 0 to {grid.max_truncation}, or a finer grid"
            )
        if backend not in get_args(Backend):
            raise UsageError(
                f"unknown back end {backend!r}: choose one of {', '.join(get_args(Backend))}"
            )
        self.grid, self.truncation, self.radius, self.backend = grid, truncation, radius, backend
        self._elsewhere: dict[Grid, GridSynthesis] = {}
        self._numba = NumbaTransforms(grid, truncation, radius)
        self._torch: TorchTransforms | None = None
        latitude = torch.from_numpy(grid.latitude).deg2rad()
        longitude = torch.from_numpy(grid.longitude).deg2rad()
        degree = torch.arange(truncation + 1, dtype=torch.float64)
        for name, value in {
            "_weights": 2.0 * math.pi * torch.from_numpy(grid.quadrature_weights),
            "_coordinates": torch.cat([latitude, longitude]),
            "laplacian_eigenvalues": -degree * (degree + 1.0) / radius**2,
        }.items():
            self.register_buffer(name, value.to(dtype), persistent=False)

    def coordinates(self) -> tuple[Tensor, Tensor]:
        """Latitude (nlat, 1) and longitude (1, nlon) of the nodes, radians."""
        nlat = self.grid.nlat
        return self._coordinates[:nlat, None], self._coordinates[None, nlat:]

    def to_modal(self, nodal: Tensor) -> Tensor:
        """Projection a_lm = ∫ f Ȳ_lm dΩ of ``nodal`` (..., nlat, nlon), same unit."""
        self._check_nodal(nodal)
        return self._transforms(nodal).to_modal(nodal)

    def to_nodal(self, modal: Tensor) -> Tensor:
        """Values (..., nlat, nlon) at the nodes of ``modal`` (..., l, m), same unit."""
        self._check_modal(modal)
        return self._transforms(modal).to_nodal(modal)

    def gradient(self, modal: Tensor) -> tuple[Tensor, Tensor]:
        """Eastward and northward components (..., nlat, nlon) of ∇f, unit of ``modal`` per m.

        ∇f = (1/R)(Σ im a_lm P_lm/cos θ e^{imλ}, Σ a_lm dP_lm/dθ e^{imλ}), finite everywhere.
        """
        self._check_modal(modal)
        return self._transforms(modal).gradient(modal)

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
        self._check_nodal(u, v)
        return self._transforms(u, v).divergence(u, v)

    def curl(self, u: Tensor, v: Tensor) -> Tensor:
        """k·∇ × (u, v), the vertical vorticity, likewise."""
        self._check_nodal(u, v)
        return self._transforms(u, v).curl(u, v)

    def advection(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """w·∇f, modal, of ``modal`` f and the wind (u, v) at the nodes; unit of f per s."""
        self._check_modal(modal)
        self._check_nodal(u, v)
        return self._transforms(modal, u, v).advection(modal, u, v)

    def flux_divergence(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """∇·(w f), likewise; its global mean is zero for any wind."""
        self._check_modal(modal)
        self._check_nodal(u, v)
        return self._transforms(modal, u, v).flux_divergence(modal, u, v)

    def integrate(self, nodal: Tensor) -> Tensor:
        """Area integral (...) of ``nodal`` (..., nlat, nlon), its unit times m²."""
        self._check_nodal(nodal)
        return self.radius**2 * (nodal.mean(-1) * self._weights).sum(-1)

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
            dtype = self._coordinates.dtype
            self._elsewhere[grid] = GridSynthesis(grid, self.truncation, self.radius, dtype)
        return self._elsewhere[grid].to(device=device, dtype=self._coordinates.dtype)

    def _transforms(self, *tensors: Tensor) -> Transforms:
        """The back end for these arguments."""
        if self.backend == "torch":
            return self._torch_transforms()
        obstacle = _obstacle_to_numba(tensors)
        if obstacle is None:
            return self._numba
        if self.backend == "numba":
            raise UsageError(f'back end "numba" {obstacle}: choose "auto" or "torch"')
        return self._torch_transforms()

    def _torch_transforms(self) -> TorchTransforms:
        if self._torch is None:
            real, device = self._coordinates.dtype, self._coordinates.device
            with torch.inference_mode(False):  # tables made under it could not be differentiated
                made = TorchTransforms(self.grid, self.truncation, self.radius, real)
            self._torch = made.to(device)
        return self._torch

    def _check_modal(self, modal: Tensor) -> None:
        size = self.truncation + 1
        if modal.shape[-2:] != (size, size):
            raise ValueError(f"modal axes (l, m) must be {size} × {size}, got {tuple(modal.shape)}")

    def _check_nodal(self, *fields: Tensor) -> None:
        for nodal in fields:
            if nodal.shape[-2:] != self.grid.shape:
                raise ValueError(
                    f"nodal axes (nlat, nlon) must be {self.grid.shape}, got {tuple(nodal.shape)}"
                )


NUMBA_TYPES = (torch.float64, torch.complex128, torch.float32, torch.complex64)


def _obstacle_to_numba(tensors: tuple[Tensor, ...]) -> str | None:
    """Why kernels that see only numbers in main memory cannot serve, or None."""
    for tensor in tensors:
        if tensor.device.type != "cpu":
            return f"works in main memory, not on {tensor.device}"
        if tensor.dtype not in NUMBA_TYPES:
            return f"knows float32 and float64, not {tensor.dtype}"
        if tensor.requires_grad and torch.is_grad_enabled():
            return "knows no gradients"
    # Forward-mode derivatives, vmap and torch.compile ride on the tensors unseen.
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return "cannot be transformed by torch.func or torch.compile"
    if torch.autograd.forward_ad._current_level >= 0:
        return "knows no forward-mode derivatives"
    return None


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
