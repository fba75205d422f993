"""Between stations and the grid: observations onto cells, fields onto sites."""

from __future__ import annotations

from typing import Literal

import torch
from einops import rearrange
from torch import Tensor

from co2net_phys.batch import Batch, Coordinates, Observations

Sampling = Literal["bilinear", "nearest"]


def nearest_cells(latitude: Tensor, longitude: Tensor, coordinates: Coordinates) -> Tensor:
    """Return the flat index (S,) into H·W of the cell centre nearest to each site (degrees)."""
    row = _distance(latitude, coordinates.latitude).argmin(dim=1)  # (S,)
    column = _periodic_distance(longitude, coordinates.longitude).argmin(dim=1)  # (S,)
    return row * len(coordinates.longitude) + column


def rasterise(observations: Observations, coordinates: Coordinates) -> tuple[Tensor, Tensor]:
    """Put station values on the grid.

    Several stations in one cell are averaged; NaN means that a station does not report. The
    longitudes may follow either convention (0…360 or −180…180).

    Returns
    -------
    value
        (B, T, H, W) µmol mol-1, zero where no station reports.
    mask
        (B, T, H, W) one where at least one station reports, else zero.
    """
    cells = nearest_cells(observations.latitude, observations.longitude, coordinates)  # (S,)
    reports = ~observations.value.isnan()  # (B, T, S)
    seen = observations.value.nan_to_num(nan=0.0)  # (B, T, S)
    height, width = coordinates.shape
    empty = seen.new_zeros(*seen.shape[:2], height * width)  # (B, T, H·W)
    total = empty.index_add(2, cells, seen)
    count = empty.index_add(2, cells, reports.to(seen.dtype))
    value, mask = total / count.clamp_min(1), (count > 0).to(seen.dtype)
    grid = "b t (h w) -> b t h w"
    return rearrange(value, grid, h=height), rearrange(mask, grid, h=height)  # (B, T, H, W)


def innovations(batch: Batch, reference: Tensor | float, scale: float) -> tuple[Tensor, Tensor]:
    """Return (observation − reference in the station's cell)/scale and its mask, (B, T, H, W).

    `reference`, a background (B, 1 or T, H, W) or a mean, and `scale` are in µmol mol-1.
    """
    value, mask = rasterise(batch.observations, batch.coordinates)
    return mask * (value - reference) / scale, mask


def sample(
    field: Tensor,
    latitude: Tensor,
    longitude: Tensor,
    coordinates: Coordinates,
    method: Sampling = "bilinear",
) -> Tensor:
    """Read `field` (..., H, W) at sites (S,) in degrees; differentiable in the field.

    `bilinear` is periodic in longitude and holds the outermost row towards the poles; `nearest`
    takes the cell that `rasterise` writes to.

    Returns
    -------
    Tensor
        (..., S) in the field's unit.
    """
    flat = rearrange(field, "... h w -> ... (h w)")  # (..., H·W)
    if method == "nearest":
        return flat[..., nearest_cells(latitude, longitude, coordinates)]
    south, north, up = _bracket(latitude, coordinates.latitude)
    west, east, right = _bracket_periodic(longitude, coordinates.longitude)
    up, right = up.to(field.dtype), right.to(field.dtype)
    width = len(coordinates.longitude)
    lower = torch.lerp(flat[..., south * width + west], flat[..., south * width + east], right)
    upper = torch.lerp(flat[..., north * width + west], flat[..., north * width + east], right)
    return torch.lerp(lower, upper, up)  # (..., S)


def _distance(site: Tensor, axis: Tensor) -> Tensor:
    return (rearrange(site, "s -> s 1") - axis).abs()  # (S, n)


def _periodic_distance(site: Tensor, axis: Tensor) -> Tensor:
    turn = torch.remainder(rearrange(site, "s -> s 1") - axis, 360.0)  # (S, n)
    return torch.minimum(turn, 360.0 - turn)


def _bracket(site: Tensor, axis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbours (S,) below and above each site on an ascending axis, and the fraction between."""
    inside = site.clamp(axis[0], axis[-1])
    above = torch.searchsorted(axis, inside.contiguous()).clamp(1, len(axis) - 1)
    below = above - 1
    return below, above, (inside - axis[below]) / (axis[above] - axis[below])


def _bracket_periodic(site: Tensor, axis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbours (S,) west and east of each site on a closed circle of 360 degrees."""
    wrapped = axis[0] + torch.remainder(site - axis[0], 360.0)
    after = torch.searchsorted(axis, wrapped.contiguous(), right=True)
    west, east = after - 1, torch.remainder(after, len(axis))
    gap = torch.remainder(axis[east] - axis[west], 360.0)
    return west, east, (wrapped - axis[west]) / gap
