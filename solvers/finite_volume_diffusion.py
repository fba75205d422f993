"""Diffusion of nodal tracers that makes no new extremes and keeps the mass.

Each cell exchanges tracer with its four neighbours through the faces between them,

    A_i dφ_i/dt = Σ_j D_ij (length of the face / distance of the nodes) (φ_j − φ_i),

second order in space. What leaves one cell enters another, so that Σ A_i φ_i is kept, and all
exchanges are positive, so that no value leaves the range of the others. The exponential of such a
matrix has both properties, and so has a backward Euler step of any length. Faces at the poles have
no length. Reference: LeVeque (2002), doi:10.1017/CBO9780511791253.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import splu
from torch import Tensor

from co2net_phys.solvers.equations import Diffusivity
from co2net_phys.solvers.grid import Grid

Diffusion = Callable[[Tensor, float], Tensor]
"""diffusion(state, time): nodal (..., nlat, nlon) float64 an interval after ``time`` s."""

LARGEST_TABLE_BYTES = 2**29
"""Grids whose eigenvectors need more memory than this take backward Euler steps instead."""

Array = NDArray[np.float64]


def diffusion(grid: Grid, radius: float, diffusivity: Diffusivity, interval: float) -> Diffusion:
    """Diffusion over ``interval`` s with the coefficient of the middle of the interval.

    Constant D is exact in time, D(t) second order; a nodal field D takes backward Euler steps,
    first order, and if it changes in time it costs a factorisation per interval.

    Args:
        grid: gaussian or cell-centre.
        radius: of the sphere, m.
        diffusivity: D ≥ 0, m² s⁻¹; a number, a nodal field or a function of time to either.
        interval: s.
    """
    exact: list[ExactDiffusion] = []
    implicit: list[ImplicitDiffusion] = []

    def diffuse(state: Tensor, time: float) -> Tensor:
        value = diffusivity(time + interval / 2) if callable(diffusivity) else diffusivity
        field = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
        if not bool(field.any()):
            return state
        if field.ndim == 0 and ExactDiffusion.table_bytes(grid) <= LARGEST_TABLE_BYTES:
            if not exact:
                exact.append(ExactDiffusion(grid, radius))
            spread = exact[0](state, float(field) * interval)
        else:
            if not implicit or not torch.equal(implicit[0].diffusivity, field):
                implicit[:] = [ImplicitDiffusion(grid, radius, field, interval)]
            spread = implicit[0](state)
        # The range is kept but for round-off.
        return spread.clamp(state.amin((-2, -1), True), state.amax((-2, -1), True))

    return diffuse


class ExactDiffusion:
    """exp(D t ∇²) of the finite volumes for constant D, by Fourier waves and eigenvectors.

    The matrix of wave m couples latitudes; scaled by the roots of the areas it is symmetric and
    tridiagonal. Tables of (nlon/2 + 1) nlat² numbers are computed once for all D and t.

    Args:
        grid: gaussian or cell-centre.
        radius: of the sphere, m.
    """

    def __init__(self, grid: Grid, radius: float) -> None:
        self.nlon = grid.nlon
        along, across, areas = _conductances(grid)
        exchange = across / np.sqrt(areas[:-1] * areas[1:])
        losses = (np.append(across, 0.0) + np.insert(across, 0, 0.0)) / areas
        values, vectors = [], []
        for m in range(grid.nlon // 2 + 1):
            zonal = 4.0 * math.sin(math.pi * m / grid.nlon) ** 2 * along / areas
            eigenvalues, eigenvectors = eigh_tridiagonal(-losses - zonal, exchange)
            values.append(np.minimum(eigenvalues, 0.0))
            vectors.append(eigenvectors)
        self.rates = torch.from_numpy(np.stack(values)) / radius**2
        """(m, modes) eigenvalues, m⁻²."""
        self._vectors = torch.from_numpy(np.stack(vectors))  # (m, latitude, mode)
        self._scale = torch.from_numpy(np.sqrt(areas))[:, None]

    @staticmethod
    def table_bytes(grid: Grid) -> int:
        """Memory that the tables of ``grid`` take."""
        return 8 * (grid.nlon // 2 + 1) * grid.nlat**2

    def __call__(self, state: Tensor, amount: float) -> Tensor:
        """``state`` (..., nlat, nlon), float64, after diffusion by ``amount`` = D t, m²."""
        waves = torch.view_as_real(torch.fft.rfft(state * self._scale))  # (..., k, m, 2)
        columns = waves.reshape(-1, *waves.shape[-3:]).permute(2, 1, 0, 3)  # (m, k, B, 2)
        columns = columns.reshape(*columns.shape[:2], -1)
        modes = self._vectors.transpose(1, 2) @ columns
        modes = torch.exp(amount * self.rates)[..., None] * modes
        spread = (self._vectors @ modes).reshape(*columns.shape[:2], -1, 2).permute(2, 1, 0, 3)
        spread = torch.view_as_complex(spread.contiguous()).reshape(waves.shape[:-1])
        nodal: Tensor = torch.fft.irfft(spread, n=self.nlon) / self._scale
        return nodal


class ImplicitDiffusion:
    """Backward Euler steps of the finite volumes for D(θ, λ), by a sparse factorisation.

    Args:
        grid: gaussian or cell-centre.
        radius: of the sphere, m.
        diffusivity: D ≥ 0, (nlat, nlon) or a number, m² s⁻¹; the mean of two cells is that of the
            face between them.
        interval: s; taken in as many steps as exchange a cell at the equator at most once.
    """

    def __init__(self, grid: Grid, radius: float, diffusivity: Tensor, interval: float) -> None:
        self.diffusivity = diffusivity
        field = np.broadcast_to(diffusivity.numpy(), grid.shape)
        spacing = radius * math.pi / grid.nlat
        self.steps = max(1, math.ceil(4.0 * float(field.max()) * interval / spacing**2))
        _, _, areas = _conductances(grid)
        self._areas = np.repeat(areas, grid.nlon)
        matrix = diags(self._areas) - _exchange_matrix(grid, field) * (
            interval / self.steps / radius**2
        )
        # Without pivoting the factors of such a matrix keep the signs that make it positive.
        self._solver: Any = splu(
            matrix.tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def __call__(self, state: Tensor) -> Tensor:
        """``state`` (..., nlat, nlon), float64, an interval later."""
        columns = state.reshape(-1, self._areas.size).numpy().T
        for _ in range(self.steps):
            columns = self._solver.solve(self._areas[:, None] * columns)
        return torch.from_numpy(np.ascontiguousarray(columns.T)).reshape(state.shape)


def _conductances(grid: Grid) -> tuple[Array, Array, Array]:
    """Face length / node distance to the next cell in longitude (nlat,) and latitude (nlat − 1,).

    And the areas (nlat,), all on the unit sphere.
    """
    latitude, edges = np.deg2rad(grid.latitude), np.deg2rad(grid.latitude_bounds)
    width = 2.0 * math.pi / grid.nlon
    along = np.diff(edges) / (width * np.cos(latitude))
    across = width * np.cos(edges[1:-1]) / np.diff(latitude)
    return along, across, width * np.diff(np.sin(edges))


def _exchange_matrix(grid: Grid, field: Array) -> Any:
    """Sparse (cells, cells), D × conductances off the diagonal, rows and columns summing to 0."""
    along, across, _ = _conductances(grid)
    cells = np.arange(grid.nlat * grid.nlon).reshape(grid.shape)
    east, east_field = np.roll(cells, -1, axis=1), np.roll(field, -1, axis=1)
    zonal = along[:, None] * (field + east_field) / 2
    meridional = across[:, None] * (field[:-1] + field[1:]) / 2
    here = np.concatenate([cells.ravel(), cells[:-1].ravel()])
    there = np.concatenate([east.ravel(), cells[1:].ravel()])
    rates = np.concatenate([zonal.ravel(), meridional.ravel()])
    size = (cells.size, cells.size)
    one_way = coo_matrix((rates, (here, there)), shape=size).tocsr()
    both = one_way + one_way.T
    return both - diags(np.asarray(both.sum(axis=1)).ravel())
