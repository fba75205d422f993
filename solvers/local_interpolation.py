"""Local polynomial interpolation at any points of the sphere, from the nodes of a grid.

The sphere is laid out as a plane that is wide enough for every stencil: beyond a pole the rows
come back on the other half of the circle, and components of a vector change their sign there,
because east and north do. A smooth field is smooth on that plane, so that one tensor product of
Lagrange polynomials serves everywhere, the poles included.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit, prange
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.errors import UsageError
from co2net_phys.solvers.departures import WindAt
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.threads import share_threads
from co2net_phys.solvers.winds import Components, Wind

WIDTHS = (2, 4, 6, 8)
"""Nodes per direction of the interpolators; the order of accuracy is the same number."""


class Stencils(NamedTuple):
    """Where n points lie among the nodes, and the weights of the nodes around each of them."""

    row: NDArray[np.int64]
    """(n,) first row of each stencil, in the extended field."""
    column: NDArray[np.int64]
    """(n,) first column of each stencil, in the extended field."""
    row_weights: NDArray[np.float64]
    """(n, width), summing to 1."""
    column_weights: NDArray[np.float64]
    """(n, width), summing to 1."""
    shape: tuple[int, ...]
    """Shape of the points as they were given."""


def extend(nodal: Tensor, halo: int, is_vector: bool = False) -> Tensor:
    """``nodal`` (..., nlat, nlon) with ``halo`` more rows and columns on each side.

    Row −1 − k is row k seen from beyond the pole, half a circle away; columns go round.

    Args:
        nodal: values at the nodes, any unit; nlon must be even.
        halo: number of rows and columns, at most nlat and nlon.
        is_vector: whether the values are a component along east or north, whose sign changes
            across a pole.

    Returns:
        (..., nlat + 2 halo, nlon + 2 halo).
    """
    half = nodal.shape[-1] // 2
    sign = -1.0 if is_vector else 1.0
    south = sign * nodal[..., :halo, :].flip(-2).roll(half, -1)
    north = sign * nodal[..., nodal.shape[-2] - halo :, :].flip(-2).roll(half, -1)
    rows = torch.cat([south, nodal, north], dim=-2)
    return torch.cat([rows[..., rows.shape[-1] - halo :], rows, rows[..., :halo]], dim=-1)


class LocalInterpolator:
    """Tensor-product Lagrange interpolation from the nodes of a latitude–longitude grid.

    The error is O(spacing^width) for smooth fields; polynomials in latitude of a lower degree are
    reproduced on unequal (Gaussian) latitudes too, and nodal values at the nodes.

    Args:
        grid: the nodes; an even number of longitudes.
        width: nodes per direction, one of ``WIDTHS``.

    Raises:
        UsageError: a width that is not offered, or a grid that is too small or has an odd nlon.

    Reference: Berrut and Trefethen (2004), doi:10.1137/S0036144502417715, for the weights.
    """

    def __init__(self, grid: Grid, width: int = 6) -> None:
        if width not in WIDTHS:
            raise UsageError(f"interpolation width {width}: choose one of {WIDTHS}")
        if grid.nlon % 2 or grid.nlat < width or grid.nlon < width:
            raise UsageError(
                f"interpolation of width {width} on {grid.nlat} × {grid.nlon} nodes: use an even "
                f"number of longitudes and at least {width} nodes each way"
            )
        self.grid, self.width, self.halo = grid, width, width // 2
        latitude = np.deg2rad(grid.latitude)
        south, north = latitude[: self.halo][::-1], latitude[::-1][: self.halo]
        self.rows = np.concatenate([-np.pi - south, latitude, np.pi - north])
        """(nlat + 2 halo,) latitudes of the extended rows, radians, from beyond −π/2 to π/2."""
        starts = np.arange(self.rows.size - width + 1)
        nodes = self.rows[starts[:, None] + np.arange(width)]
        self._row_scales = _barycentric_scales(nodes)  # (starts, width)
        self._column_scales = _barycentric_scales(np.arange(width, dtype=np.float64)[None])[0]

    def stencils(self, latitude: Tensor, longitude: Tensor) -> Stencils:
        """Find the stencils of points, to be used for any number of fields.

        Args:
            latitude: radians, between −π/2 and π/2.
            longitude: radians, any turn; the two are broadcast together.
        """
        share_threads()
        latitude, longitude = torch.broadcast_tensors(latitude, longitude)
        spacing = 2.0 * math.pi / self.grid.nlon
        row, column, row_weights, column_weights = _locate(
            _flat(latitude),
            _flat(longitude) / spacing - self.grid.first_longitude * self.grid.nlon / 360.0,
            self.rows,
            self.grid.nlon,
            self._row_scales,
            self._column_scales,
        )
        return Stencils(row, column, row_weights, column_weights, tuple(latitude.shape))

    def interpolate(self, nodal: Tensor, stencils: Stencils, is_vector: bool = False) -> Tensor:
        """Values of ``nodal`` at the points of ``stencils``.

        Args:
            nodal: (..., nlat, nlon), any unit; the gradient is not tracked.
            stencils: from :meth:`stencils`.
            is_vector: see :func:`extend`.

        Returns:
            (..., *points), in the unit and type of ``nodal``.
        """
        extended = extend(nodal.detach(), self.halo, is_vector)
        return self.interpolate_extended(extended, stencils)

    def interpolate_extended(self, extended: Tensor, stencils: Stencils) -> Tensor:
        """Like :meth:`interpolate`, of fields that :func:`extend` has prepared with ``halo``."""
        share_threads()
        fields = extended.reshape(-1, *extended.shape[-2:]).contiguous().cpu().numpy()
        values = _tensor_product(fields, *stencils[:4])
        shape = (*extended.shape[:-2], *stencils.shape)
        return torch.from_numpy(values).to(extended.device).reshape(shape)


def sampled_wind(wind: Wind, grid: Grid, width: int = 6) -> WindAt:
    """The wind between the nodes, from its values at the nodes.

    The samples of the last few times are remembered: the stages of a trajectory share them, and one
    step begins where the other ended.

    Args:
        wind: at the nodes of ``grid``.
        grid: as for :class:`LocalInterpolator`.
        width: nodes per direction, one of ``WIDTHS``.

    Returns:
        Function of latitude, longitude (radians) and time (s) that returns (u, v) in m s⁻¹.

    Raises:
        UsageError: see :class:`LocalInterpolator`.
    """
    interpolator = LocalInterpolator(grid, width)

    @lru_cache(maxsize=4)
    def samples(time: float) -> Tensor:
        u, v = torch.broadcast_tensors(*wind(time))
        return extend(torch.stack([u, v]).detach(), interpolator.halo, is_vector=True)

    def wind_at(latitude: Tensor, longitude: Tensor, time: float) -> Components:
        stencils = interpolator.stencils(latitude, longitude)
        u, v = interpolator.interpolate_extended(samples(without_round_off(time)), stencils)
        return u, v

    return wind_at


def without_round_off(time: float) -> float:
    """``time`` to twelve digits, so that an instant reached in two ways has one name."""
    return float(f"{time:.12g}")


def _flat(values: Tensor) -> NDArray[np.float64]:
    flat: NDArray[np.float64] = values.detach().reshape(-1).double().cpu().numpy()
    return flat


def _barycentric_scales(nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / Π_{k≠j} (x_j − x_k) for each row of ``nodes``, (n, width)."""
    differences = nodes[:, :, None] - nodes[:, None, :]
    differences[:, np.arange(nodes.shape[1]), np.arange(nodes.shape[1])] = 1.0
    return np.asarray(1.0 / differences.prod(axis=2))


@njit(cache=True, inline="always")
def _row_below(latitude: float, rows: NDArray[np.float64]) -> Any:
    """Index of the last of the ascending ``rows`` that is not above ``latitude``."""
    share = (latitude - rows[0]) / (rows[-1] - rows[0])
    index = min(max(int(share * (rows.size - 1)), 0), rows.size - 2)
    while index > 0 and rows[index] > latitude:
        index -= 1
    while index < rows.size - 2 and rows[index + 1] <= latitude:
        index += 1
    return index


@njit(cache=True, parallel=True)
def _locate(
    latitude: NDArray[np.float64],
    column: NDArray[np.float64],
    rows: NDArray[np.float64],
    nlon: int,
    row_scales: NDArray[np.float64],
    column_scales: NDArray[np.float64],
) -> Any:
    """Stencil starts and weights of points at ``latitude`` and fractional ``column``."""
    count, width = latitude.size, column_scales.size
    first_row, first_column = np.empty(count, np.int64), np.empty(count, np.int64)
    row_weights, column_weights = np.empty((count, width)), np.empty((count, width))
    for n in prange(count):
        start = _row_below(latitude[n], rows) - (width // 2 - 1)
        start = min(max(start, 0), rows.size - width)
        turned = column[n] - nlon * np.floor(column[n] / nlon)
        cell = int(turned)
        if not 0 <= cell < nlon:  # a hair west of column 0, or not a number
            cell, turned = 0, turned - nlon
        # The extended field begins width / 2 columns west of column 0.
        first_row[n], first_column[n] = start, cell + 1
        offset = turned - cell + (width // 2 - 1)
        for j in range(width):
            by_row, by_column = row_scales[start, j], column_scales[j]
            for k in range(width):
                if k != j:
                    by_row *= latitude[n] - rows[start + k]
                    by_column *= offset - k
            row_weights[n, j], column_weights[n, j] = by_row, by_column
    return first_row, first_column, row_weights, column_weights


@njit(cache=True, inline="always")
def weighted_sum(
    field: NDArray[Any],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    row_weights: NDArray[np.float64],
    column_weights: NDArray[np.float64],
    n: int,
) -> Any:
    """Σ_ij row_weights[n, i] column_weights[n, j] field[row[n] + i, column[n] + j]."""
    total = 0.0
    for i in range(row_weights.shape[1]):
        along = 0.0
        for j in range(column_weights.shape[1]):
            along += column_weights[n, j] * field[row[n] + i, column[n] + j]
        total += row_weights[n, i] * along
    return total


# Sums in any order, so that they can be vectorised.
@njit(cache=True, parallel=True, fastmath={"reassoc", "contract"})
def _tensor_product(
    fields: NDArray[Any],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
    row_weights: NDArray[np.float64],
    column_weights: NDArray[np.float64],
) -> Any:
    """:func:`weighted_sum` of each field at each point, (b, n)."""
    values = np.empty((fields.shape[0], row.size), fields.dtype)
    for n in prange(row.size):
        for b in range(fields.shape[0]):
            values[b, n] = weighted_sum(fields[b], row, column, row_weights, column_weights, n)
    return values
