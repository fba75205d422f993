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
from co2net_phys.solvers.threads import share_threads

CACHE_BYTES = 4 * 2**20
"""Waves of several fields are kept below this, so that they stay in the second-level cache."""

SMALLEST_SHARED = 200_000
"""Legendre terms (fields × degrees × orders × latitudes) below which a second thread costs more
than it brings."""


Array = NDArray[Any]


class _Plan(NamedTuple):
    """Tables and work arrays for one number type."""

    legendre: LegendrePlan
    fourier: FourierPlan
    legendre_work: Array
    fourier_work: Array
    source: Array
    target: Array
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
        self._plans: dict[np.dtype[Any], _Plan] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return NumbaTransforms, (self.grid, self.truncation, self.radius)

    def to_nodal(self, modal: Tensor) -> Tensor:
        """Values (..., nlat, nlon) of ``modal`` (..., l, m)."""
        source = _stored(modal)
        nodal = self._new_nodal(source)
        self._run((SCALAR, TO_NODAL, 0), source, nodal, nodal, None)
        return torch.from_numpy(nodal)

    def gradient(self, modal: Tensor) -> tuple[Tensor, Tensor]:
        """Eastward and northward component of ∇, likewise."""
        source = _stored(modal)
        east, north = self._new_nodal(source), self._new_nodal(source)
        self._run((VECTOR, GRADIENT, 0), source, east, north, None)
        return torch.from_numpy(east), torch.from_numpy(north)

    def to_modal(self, nodal: Tensor) -> Tensor:
        """Projection (..., l, m) of ``nodal`` (..., nlat, nlon)."""
        values = np.ascontiguousarray(nodal.numpy(force=True))
        result = self._new_modal(nodal.shape[:-2], values.dtype)
        self._run((0, TO_MODAL, SCALAR), None, values, values, result)
        return _modal_view(result)

    def divergence(self, u: Tensor, v: Tensor) -> Tensor:
        """∇·(u, v), modal, of nodal components."""
        east, north = _broadcast(u.numpy(force=True), v.numpy(force=True))
        dtype = np.result_type(east, north)
        result = self._new_modal(east.shape[:-2], dtype)
        self._run((0, DIVERGENCE, VECTOR), None, _plain(east, dtype), _plain(north, dtype), result)
        return _modal_view(result)

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
        source, east, north = _stored(modal), u.numpy(force=True), v.numpy(force=True)
        if not east.ndim == north.ndim == 2:  # else one wind serves all fields
            batch = np.broadcast_shapes(source.shape[:-2], east.shape[:-2], north.shape[:-2])
            source = np.broadcast_to(source, (*batch, *source.shape[-2:]))
            east, north = (np.broadcast_to(x, (*batch, *self.grid.shape)) for x in (east, north))
        dtype = np.result_type(source.real.dtype, east, north)
        source = _plain(source, np.result_type(dtype, np.complex64))
        result = self._new_modal(source.shape[:-2], dtype)
        self._run(passes, source, _plain(east, dtype), _plain(north, dtype), result)
        return _modal_view(result)

    def _new_modal(self, batch: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        size = self.truncation + 1
        return np.empty((*batch, size, size), np.result_type(dtype, np.complex64))

    def _new_nodal(self, source: Array) -> Array:
        return np.empty((*source.shape[:-2], *self.grid.shape), source.real.dtype)

    def _run(
        self,
        passes: tuple[int, int, int],
        modal: Array | None,
        u: Array,
        v: Array,
        result: Array | None,
    ) -> None:
        """Run ``passes`` over all fields, as many at a time as the work arrays hold."""
        synthesis, action, analysis = passes
        modal_size, nodal_size = 2 * (self.truncation + 1) ** 2, self.grid.nlat * self.grid.nlon
        winds = u.size // nodal_size
        spectral = modal if modal is not None else result
        fields = winds if spectral is None else 2 * spectral.size // modal_size
        u, v = u.reshape(-1), v.reshape(-1)
        before, after = (
            None if x is None else x.reshape(-1).view(u.dtype) for x in (modal, result)
        )
        with self._lock:
            plan = self._plan(u.dtype)
            threads = self._threads(fields)
            chunk = plan.waves // max(synthesis, analysis)
            for start in range(0, fields, chunk):
                count = min(chunk, fields - start)
                here = slice(start * modal_size, (start + count) * modal_size)
                rows = slice(start * nodal_size, (start + count) * nodal_size)
                (run if threads == 1 else run_threaded)(
                    synthesis, action, analysis, count, min(winds, count),
                    plan.source if before is None else before[here],
                    u[rows] if winds > 1 else u, v[rows] if winds > 1 else v,
                    plan.target if after is None else after[here],
                    self.radius, plan.legendre, plan.fourier, plan.source, plan.target,
                    plan.legendre_work[:threads], plan.fourier_work[:threads],
                )  # fmt: skip

    def _threads(self, fields: int) -> int:
        terms = fields * (self.truncation + 1) ** 2 * self.grid.nlat
        # One thread does without the start of numba's others.
        alone = terms < SMALLEST_SHARED or torch.get_num_threads() == 1
        return 1 if alone else share_threads()

    def _plan(self, real: np.dtype[Any]) -> _Plan:
        if real not in self._plans:
            self._plans[real] = self._new_plan(real)
        return self._plans[real]

    def _new_plan(self, real: np.dtype[Any]) -> _Plan:
        grid = self.grid
        legendre = legendre_plan(
            grid.latitude, grid.quadrature_weights, self.truncation, grid.nlon,
            grid.first_longitude, real,
        )  # fmt: skip
        width = REGISTER_BYTES // real.itemsize
        factors, table = twiddles(grid.nlon)
        size, blocks = self.truncation + 1, legendre.nodes.size // 4 // width
        fourier = FourierPlan(grid.nlat, grid.nlon, size, blocks, factors, table.astype(real))
        wave = legendre.nodes.size * size
        waves = 2 * max(1, CACHE_BYTES // (2 * wave * real.itemsize))
        threads = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
        return _Plan(
            legendre,
            fourier,
            _aligned(threads, legendre_scratch_size(self.truncation, width), real),
            _aligned(threads, fourier_scratch_size(grid.nlon, width), real),
            _aligned(1, waves * wave, real)[0],
            _aligned(1, waves * wave, real)[0],
            waves,
        )


def _aligned(rows: int, columns: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros (rows, columns or some more) of which every row begins at a register's boundary."""
    width = REGISTER_BYTES // dtype.itemsize
    columns = -(-columns // width) * width
    flat = np.zeros(rows * columns + width, dtype)
    skip = -flat.ctypes.data % REGISTER_BYTES // dtype.itemsize
    return flat[skip : skip + rows * columns].reshape(rows, columns)


def _stored(modal: Tensor) -> Array:
    """(..., m, l) numbers of (..., l, m), without a copy if m is stored first."""
    numbers = modal.numpy(force=True)
    if not np.iscomplexobj(numbers):
        numbers = numbers.astype(np.result_type(numbers, np.complex64))
    return np.ascontiguousarray(numbers.swapaxes(-1, -2))


def _modal_view(stored: Array) -> Tensor:
    """(..., l, m) of (..., m, l)."""
    return torch.from_numpy(stored).transpose(-1, -2)


def _broadcast(a: Array, b: Array) -> tuple[Array, Array]:
    if a.shape == b.shape:
        return a, b
    shape = np.broadcast_shapes(a.shape, b.shape)
    return np.broadcast_to(a, shape), np.broadcast_to(b, shape)


def _plain(values: Array, dtype: np.dtype[Any]) -> Array:
    """Contiguous, of the type, and writable, because numba compiles anew for what is not."""
    values = np.ascontiguousarray(values, dtype=dtype)
    return values if values.flags.writeable else values.copy()
