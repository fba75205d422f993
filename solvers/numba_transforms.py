"""The spherical harmonic transforms on the processor: numba kernels behind tensors."""

import threading
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.solvers.fourier_kernels import twiddles
from co2net_phys.solvers.fourier_stage import (
    ADVECTION,
    DIVERGENCE,
    FLUX,
    GRADIENT,
    TO_MODAL,
    TO_NODAL,
    FourierPlan,
)
from co2net_phys.solvers.fourier_stage import scratch_size as fourier_scratch_size
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.lanes import REGISTER_BYTES
from co2net_phys.solvers.legendre_plan import LegendrePlan, legendre_plan
from co2net_phys.solvers.legendre_sums import SCALAR, VECTOR
from co2net_phys.solvers.legendre_sums import scratch_size as legendre_scratch_size
from co2net_phys.solvers.passes import run, run_threaded

CACHE_BYTES = 4 * 2**20
"""Waves of several fields are kept below this, so that they stay in the second-level cache."""

SMALLEST_SHARED = 200_000
"""Legendre terms (fields × degrees × orders × latitudes) below which a second thread costs more
than it brings."""


class _Plan(NamedTuple):
    """Tables and work arrays for one number type."""

    legendre: LegendrePlan
    fourier: FourierPlan
    legendre_work: NDArray[Any]
    fourier_work: NDArray[Any]
    source: NDArray[Any]
    target: NDArray[Any]
    waves: int


class NumbaTransforms:
    """Transforms of real and complex tensors in main memory, float32 or float64, without gradient.

    Modal results are stored with m before l and returned as a transposed view; modal arguments so
    stored are read without a copy. As many threads work as both numba and torch allow. Calls from
    several Python threads wait for one another, as they share the work arrays.

    Args:
        grid: nodes and quadrature.
        truncation: T.
        radius: of the sphere, m.
    """

    def __init__(self, grid: Grid, truncation: int, radius: float) -> None:
        self.grid, self.truncation, self.radius = grid, truncation, radius
        self._plans: dict[torch.dtype, _Plan] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return NumbaTransforms, (self.grid, self.truncation, self.radius)

    def to_nodal(self, modal: Tensor) -> Tensor:
        """Values (..., nlat, nlon) of ``modal`` (..., l, m)."""
        source = _modal_reals(modal)
        nodal = torch.empty((*modal.shape[:-2], *self.grid.shape), dtype=source.dtype)
        self._run((SCALAR, TO_NODAL, 0), source, nodal, nodal, None)
        return nodal

    def gradient(self, modal: Tensor) -> tuple[Tensor, Tensor]:
        """Eastward and northward component of ∇, likewise."""
        source = _modal_reals(modal)
        east = torch.empty((*modal.shape[:-2], *self.grid.shape), dtype=source.dtype)
        north = torch.empty_like(east)
        self._run((VECTOR, GRADIENT, 0), source, east, north, None)
        return east, north

    def to_modal(self, nodal: Tensor) -> Tensor:
        """Projection (..., l, m) of ``nodal`` (..., nlat, nlon)."""
        target = self._new_modal(nodal.shape[:-2], nodal.dtype)
        nodal = nodal.detach().contiguous()
        self._run((0, TO_MODAL, SCALAR), None, nodal, nodal, target)
        return _complex(target)

    def divergence(self, u: Tensor, v: Tensor) -> Tensor:
        """∇·(u, v), modal, of nodal components."""
        u, v = torch.broadcast_tensors(u.detach(), v.detach())
        target = self._new_modal(u.shape[:-2], torch.promote_types(u.dtype, v.dtype))
        u, v = u.to(target.dtype).contiguous(), v.to(target.dtype).contiguous()
        self._run((0, DIVERGENCE, VECTOR), None, u, v, target)
        return _complex(target)

    def curl(self, u: Tensor, v: Tensor) -> Tensor:
        """k·∇ × (u, v), which is the divergence of (v, −u)."""
        return self.divergence(v, -u)

    def advection(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """w·∇f, modal, of modal f and nodal (u, v), batch axes broadcast."""
        return self._product((VECTOR, ADVECTION, SCALAR), modal, u, v)

    def flux_divergence(self, modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """∇·(w f), likewise."""
        return self._product((SCALAR, FLUX, VECTOR), modal, u, v)

    def _product(self, passes: tuple[int, int, int], modal: Tensor, u: Tensor, v: Tensor) -> Tensor:
        shared = u.ndim == v.ndim == 2  # one wind for all fields, the usual case
        if not shared:
            batch = torch.broadcast_shapes(modal.shape[:-2], u.shape[:-2], v.shape[:-2])
            modal = modal.expand(*batch, *modal.shape[-2:])
            u, v = (part.expand(*batch, *self.grid.shape) for part in (u, v))
        source = _modal_reals(modal)
        if not source.dtype == u.dtype == v.dtype:
            wider = torch.promote_types(source.dtype, torch.promote_types(u.dtype, v.dtype))
            source, u, v = source.to(wider), u.to(wider), v.to(wider)
        target = self._new_modal(modal.shape[:-2], source.dtype)
        self._run(passes, source, u.detach().contiguous(), v.detach().contiguous(), target)
        return _complex(target)

    def _new_modal(self, batch: torch.Size, dtype: torch.dtype) -> Tensor:
        size = self.truncation + 1
        return torch.empty((*batch, size, size, 2), dtype=dtype)

    def _run(
        self,
        passes: tuple[int, int, int],
        modal: Tensor | None,
        u: Tensor,
        v: Tensor,
        result: Tensor | None,
    ) -> None:
        """Run ``passes`` over all fields, as many at a time as the work arrays hold."""
        synthesis, action, analysis = passes
        modal_size, nodal_size = 2 * (self.truncation + 1) ** 2, self.grid.nlat * self.grid.nlon
        winds = u.numel() // nodal_size
        spectral = modal if modal is not None else result
        fields = winds if spectral is None else spectral.numel() // modal_size
        nodal = [x.view(-1).numpy() for x in (u, v)]
        spectra = [None if x is None else x.view(-1).numpy() for x in (modal, result)]
        with self._lock:
            plan = self._plan(u.dtype)
            threads = self._threads(fields)
            chunk = plan.waves // max(synthesis, analysis)
            for start in range(0, fields, chunk):
                count = min(chunk, fields - start)
                here = slice(start * modal_size, (start + count) * modal_size)
                rows = slice(start * nodal_size, (start + count) * nodal_size)
                before, after = (plan.source if x is None else x[here] for x in spectra)
                first, second = (x[rows] if winds > 1 else x for x in nodal)
                (run if threads == 1 else run_threaded)(
                    synthesis, action, analysis, count, min(winds, count), before, first, second,
                    after, self.radius, plan.legendre, plan.fourier, plan.source, plan.target,
                    plan.legendre_work[:threads], plan.fourier_work[:threads],
                )  # fmt: skip

    def _threads(self, fields: int) -> int:
        terms = fields * (self.truncation + 1) ** 2 * self.grid.nlat
        return 1 if terms < SMALLEST_SHARED else thread_count()

    def _plan(self, dtype: torch.dtype) -> _Plan:
        if dtype not in self._plans:
            self._plans[dtype] = self._new_plan(dtype)
        return self._plans[dtype]

    def _new_plan(self, dtype: torch.dtype) -> _Plan:
        grid, real = self.grid, torch.empty(0, dtype=dtype).numpy().dtype
        legendre = legendre_plan(
            grid.latitude, grid.quadrature_weights, self.truncation, grid.nlon,
            grid.first_longitude, real,
        )  # fmt: skip
        width = REGISTER_BYTES // real.itemsize
        factors, table = twiddles(grid.nlon)
        size, blocks = self.truncation + 1, legendre.sines.size // width
        fourier = FourierPlan(grid.nlat, grid.nlon, size, blocks, factors, table.astype(real))
        wave = legendre.sines.size * size * 4
        waves = 2 * max(1, CACHE_BYTES // (2 * wave * real.itemsize))
        threads = numba.config.NUMBA_NUM_THREADS
        return _Plan(
            legendre,
            fourier,
            _aligned(threads, legendre_scratch_size(self.truncation, width), real),
            _aligned(threads, fourier_scratch_size(grid.nlon, width), real),
            _aligned(1, waves * wave, real)[0],
            _aligned(1, waves * wave, real)[0],
            waves,
        )


def thread_count() -> int:
    """How many threads both torch and numba allow; ``OMP_NUM_THREADS`` sets what torch allows."""
    allowed = torch.get_num_threads()
    if allowed == 1:
        return 1
    count = min(allowed, numba.get_num_threads())
    # Numba's first call starts its threads in the OpenMP library of torch, and sets their number.
    if torch.get_num_threads() != allowed:
        torch.set_num_threads(allowed)
    return count


def _aligned(rows: int, columns: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros (rows, columns or some more) of which every row begins at a register's boundary."""
    width = REGISTER_BYTES // dtype.itemsize
    columns = -(-columns // width) * width
    flat = np.zeros(rows * columns + width, dtype)
    skip = -flat.ctypes.data % REGISTER_BYTES // dtype.itemsize
    return flat[skip : skip + rows * columns].reshape(rows, columns)


def _modal_reals(modal: Tensor) -> Tensor:
    """(..., m, l, 2) reals of (..., l, m) complex, without a copy if m is stored first."""
    if not modal.is_complex():
        modal = modal.to(torch.promote_types(modal.dtype, torch.complex64))
    stored = modal.detach().resolve_conj().resolve_neg().transpose(-1, -2).contiguous()
    return torch.view_as_real(stored)


def _complex(reals: Tensor) -> Tensor:
    """(..., l, m) view of (..., m, l, 2) reals."""
    return torch.view_as_complex(reals).transpose(-1, -2)
