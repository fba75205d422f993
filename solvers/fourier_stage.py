"""From waves to values at the nodes and back, the pointwise products included.

The unit of work is a register of latitudes in each hemisphere; threads share out these blocks of
all fields. Nodal arrays are flat: (field, latitude, longitude). Waves are those of
``legendre_kernels``, buffers those of ``fourier_kernels``.
"""

from typing import Any, NamedTuple

from numba import njit

from co2net_phys.solvers.fourier_kernels import transform
from co2net_phys.solvers.lanes import load, store, turn

TO_NODAL, TO_MODAL, GRADIENT, DIVERGENCE, ADVECTION, FLUX = range(6)
"""What a pass does: waves to nodal, nodal to waves, likewise for a vector, and waves to waves."""


def scratch_size(nlon: int, width: int) -> int:
    """Numbers that one thread needs: three buffers of whole tiles of longitudes, and two tiles."""
    return 6 * width * (-(-nlon // width) * width) + 2 * width * width


class FourierPlan(NamedTuple):
    """Sizes of the grid and the factors of nlon."""

    nlat: int
    nlon: int
    orders: int
    blocks: int
    factors: Any
    twiddles: Any


@njit(cache=True, forceinline=True, error_model="numpy")
def _pack(waves: Any, p: int, q: int, plan: Any, x: Any) -> None:
    """Fourier series of P + iQ, real and imaginary part exchanged, for the backward transform."""
    w, nlon, orders = 64 // x.itemsize, plan.nlon, plan.orders
    store(x, 0, load(waves, q))
    store(x, w, load(waves, p))
    for m in range(1, orders):
        p += 4 * w
        q += 4 * w
        a, b = load(waves, p), load(waves, p + w)
        c, d = load(waves, q), load(waves, q + w)
        store(x, 2 * w * m, b + c)
        store(x, 2 * w * m + w, a - d)
        store(x, 2 * w * (nlon - m), c - b)
        store(x, 2 * w * (nlon - m) + w, a + d)
    x[2 * w * orders : 2 * w * (nlon - orders + 1)] = 0.0


@njit(cache=True, forceinline=True, error_model="numpy")
def _unpack(x: Any, waves: Any, p: int, q: int, plan: Any) -> None:
    """Twice the Fourier coefficients of the real and of the imaginary part of a sequence."""
    w, nlon, orders = 64 // x.itemsize, plan.nlon, plan.orders
    for m in range(orders):
        a, b = load(x, 2 * w * m), load(x, 2 * w * m + w)
        mirror = 2 * w * (nlon - m) if m > 0 else 0
        c, d = load(x, mirror), load(x, mirror + w)
        store(waves, p, a + c)
        store(waves, p + w, b - d)
        store(waves, q, b + d)
        store(waves, q + w, c - a)
        p += 4 * w
        q += 4 * w


@njit(cache=True, forceinline=True, error_model="numpy")
def _columns(
    nodal: Any, row: int, step: int, count: int, first: int, nlon: int, tile: Any, to: int
) -> None:
    """Registers of latitudes at a register's number of longitudes from ``first`` on.

    Row ``lane`` starts at ``nodal[row + lane step]``; lanes from ``count`` on are zero.
    """
    w = 64 // nodal.itemsize
    if count == w and first + w <= nlon:
        turn(nodal, row + first, step, tile, to)
        return
    for j in range(w):
        for lane in range(w):
            inside = lane < count and first + j < nlon
            tile[to + j * w + lane] = nodal[row + lane * step + first + j] if inside else 0.0


@njit(cache=True, error_model="numpy")
def _read(
    nodal: Any, row: int, step: int, count: int, nlon: int, x: Any, part: int, tile: Any
) -> None:
    """Copy rows of ``nodal`` to ``part`` (0 real, 1 imaginary) of a buffer."""
    w = 64 // x.itemsize
    for first in range(0, nlon, w):
        _columns(nodal, row, step, count, first, nlon, tile, 0)
        for j in range(w):
            store(x, 2 * w * (first + j) + part * w, load(tile, j * w))


@njit(cache=True, error_model="numpy")
def _write(
    x: Any, part: int, nodal: Any, row: int, step: int, count: int, nlon: int, tile: Any
) -> None:
    """Reverse of :func:`_read`."""
    w = 64 // x.itemsize
    for first in range(0, nlon, w):
        turn(x, 2 * w * first + part * w, 2 * w, tile, 0)
        for lane in range(count):
            to = row + lane * step + first
            if first + w <= nlon:
                store(nodal, to, load(tile, lane * w))
            else:
                for j in range(nlon - first):
                    nodal[to + j] = tile[lane * w + j]


@njit(cache=True, error_model="numpy")
def _multiply(
    x: Any, part: int, u: Any, v: Any, row: int, step: int, count: int, nlon: int, y: Any,
    tile: Any,
) -> None:  # fmt: skip
    """y = (u + iv) times the real field in ``part`` of x."""
    w = 64 // x.itemsize
    for first in range(0, nlon, w):
        _columns(u, row, step, count, first, nlon, tile, 0)
        _columns(v, row, step, count, first, nlon, tile, w * w)
        for j in range(w):
            i = 2 * w * (first + j)
            field = load(x, i + part * w)
            store(y, i, load(tile, j * w) * field)
            store(y, i + w, load(tile, w * w + j * w) * field)


@njit(cache=True, forceinline=True, error_model="numpy")
def _project(
    x: Any, u: Any, v: Any, row: int, step: int, count: int, nlon: int, y: Any, part: int,
    tile: Any,
) -> None:  # fmt: skip
    """``part`` of y = u times the imaginary part of x (eastward) + v times the real one."""
    w = 64 // x.itemsize
    for first in range(0, nlon, w):
        _columns(u, row, step, count, first, nlon, tile, 0)
        _columns(v, row, step, count, first, nlon, tile, w * w)
        for j in range(w):
            i = 2 * w * (first + j)
            east = load(tile, j * w) * load(x, i + w)
            store(y, i + part * w, east + load(tile, w * w + j * w) * load(x, i))


@njit(cache=True, error_model="numpy")
def _block(
    action: int, field: int, winds: int, b: int, source: Any, target: Any, u: Any, v: Any,
    plan: Any, work: Any,
) -> None:  # fmt: skip
    """One block of one field; u and v are nodal, ``winds`` of them (one may serve all fields)."""
    w = 64 // work.itemsize
    nlat, nlon, factors, table = plan.nlat, plan.nlon, plan.factors, plan.twiddles
    count = min(w, (nlat + 1) // 2 - b * w)
    if count <= 0:  # a block of padding, whose waves stay zero
        return
    size = (work.size - 2 * w * w) // 3
    x, y, g, tile = work[:size], work[size : 2 * size], work[2 * size :], work[3 * size :]
    rows = ((nlat // 2 + b * w) * nlon, nlon), (((nlat - 1) // 2 - b * w) * nlon, -nlon)
    start, wind = field * nlat * nlon, (field % winds) * nlat * nlon
    next_wave = plan.blocks * plan.orders * 4 * w
    at = field * next_wave + b * plan.orders * 4 * w
    pair, second = at + field * next_wave, at + field * next_wave + next_wave
    if action == TO_NODAL:
        _pack(source, at, at + 2 * w, plan, x)
        x, y = transform(x, y, factors, table)
        for side, (row, step) in enumerate(rows):
            _write(x, 1 - side, u, start + row, step, count, nlon, tile)
    elif action == TO_MODAL:
        for side, (row, step) in enumerate(rows):
            _read(u, start + row, step, count, nlon, g, side, tile)
        g, y = transform(g, y, factors, table)
        _unpack(g, target, at, at + 2 * w, plan)
    elif action == FLUX:
        _pack(source, at, at + 2 * w, plan, x)
        x, y = transform(x, y, factors, table)
        for side, (row, step) in enumerate(rows):
            _multiply(x, 1 - side, u, v, wind + row, step, count, nlon, g, tile)
            g, y = transform(g, y, factors, table)
            _unpack(g, target, pair + 2 * w * side, second + 2 * w * side, plan)
    elif action == ADVECTION:
        for side, (row, step) in enumerate(rows):
            _pack(source, pair + 2 * w * side, second + 2 * w * side, plan, x)
            x, y = transform(x, y, factors, table)
            _project(x, u, v, wind + row, step, count, nlon, g, side, tile)
        g, y = transform(g, y, factors, table)
        _unpack(g, target, at, at + 2 * w, plan)
    elif action == GRADIENT:
        for side, (row, step) in enumerate(rows):
            _pack(source, pair + 2 * w * side, second + 2 * w * side, plan, x)
            x, y = transform(x, y, factors, table)
            _write(x, 1, u, start + row, step, count, nlon, tile)
            _write(x, 0, v, start + row, step, count, nlon, tile)
    else:
        for side, (row, step) in enumerate(rows):
            _read(u, start + row, step, count, nlon, g, 0, tile)
            _read(v, start + row, step, count, nlon, g, 1, tile)
            g, y = transform(g, y, factors, table)
            _unpack(g, target, pair + 2 * w * side, second + 2 * w * side, plan)


@njit(cache=True, error_model="numpy")
def fourier_share(
    t: int, threads: int, action: int, fields: int, winds: int, source: Any, target: Any,
    u: Any, v: Any, plan: Any, work: Any,
) -> None:  # fmt: skip
    """The share of thread ``t``: blocks of fields dealt out in turn.

    Args:
        t: which of the ``threads``.
        threads: how many share the work.
        action: one of the above; ``TO_NODAL`` and ``GRADIENT`` write u, or u and v.
        fields: number of them.
        winds: how many u and v there are: ``fields``, or one for all.
        source: waves to read.
        target: waves to write.
        u: nodal, flat; the only component for scalars.
        v: nodal, flat.
        plan: a ``FourierPlan``.
        work: flat, ``scratch_size``.
    """
    for task in range(t, fields * plan.blocks, threads):
        field, b = task // plan.blocks, task % plan.blocks
        _block(action, field, winds, b, source, target, u, v, plan, work)
