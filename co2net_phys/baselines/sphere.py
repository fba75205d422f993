"""Distances, a taper and nearest cells on the sphere, in degrees."""

from __future__ import annotations

import torch
from torch import Tensor


def great_circle_degrees(
    latitude: Tensor, longitude: Tensor, other_latitude: Tensor, other_longitude: Tensor
) -> Tensor:
    """Great-circle distances (n, m) in degrees of arc between points (n,) and points (m,).

    The arctangent form, accurate for coincident and for antipodal points alike:
    https://en.wikipedia.org/wiki/Great-circle_distance#Computational_formulae
    """
    north = torch.deg2rad(latitude.double())[:, None]
    other = torch.deg2rad(other_latitude.double())[None, :]
    east = torch.deg2rad(longitude.double()[:, None] - other_longitude.double()[None, :])
    across = torch.hypot(
        other.cos() * east.sin(),
        north.cos() * other.sin() - north.sin() * other.cos() * east.cos(),
    )
    along = north.sin() * other.sin() + north.cos() * other.cos() * east.cos()
    return torch.rad2deg(torch.atan2(across, along))


def gaspari_cohn(scaled: Tensor) -> Tensor:
    """Taper from 1 at zero distance to 0 at twice the radius, for distances in radii.

    The fifth-order piecewise rational function of Gaspari & Cohn 1999, equation 4.10,
    https://doi.org/10.1002/qj.49712555417, a covariance in three dimensions. With great-circle
    distance it is one on the sphere while it ends before the antipode, that is for radii up to 90°
    (Gneiting 2013, theorem 3, https://doi.org/10.3150/12-BEJSP06).
    """
    z = scaled
    near = 1 - z**2 * (5 / 3 - z * (5 / 8 + z * (1 / 2 - z / 4)))
    away = z.clamp(min=1.0)
    polynomial = 4 - away * (5 - away * (5 / 3 + away * (5 / 8 - away * (1 / 2 - away / 12))))
    far = polynomial - 2 / (3 * away)
    return torch.where(z <= 1, near, torch.where(z < 2, far, 0.0))


def unit_vectors(latitude: Tensor, longitude: Tensor) -> Tensor:
    """Points on the unit sphere, (n, 3)."""
    north, east = torch.deg2rad(latitude.double()), torch.deg2rad(longitude.double())
    return torch.stack([north.cos() * east.cos(), north.cos() * east.sin(), north.sin()], dim=-1)


def nearest_cell(
    grid_latitude: Tensor, grid_longitude: Tensor, latitude: Tensor, longitude: Tensor
) -> tuple[Tensor, Tensor]:
    """Row and column (S,), (S,) of the grid cells nearest in latitude and in longitude.

    Longitudes wrap, so −180 and 180 are the same place.
    """
    rows = (grid_latitude.double() - latitude.double()[:, None]).abs().argmin(dim=-1)
    turns = (grid_longitude.double() - longitude.double()[:, None]) / 360.0
    columns = (turns - turns.round()).abs().argmin(dim=-1)
    return rows, columns


def grid_points(grid_latitude: Tensor, grid_longitude: Tensor) -> tuple[Tensor, Tensor]:
    """Latitude and longitude (H·W,), (H·W,) of every cell, longitude running fastest."""
    north, east = torch.meshgrid(grid_latitude, grid_longitude, indexing="ij")
    return north.reshape(-1), east.reshape(-1)
