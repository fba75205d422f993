"""Values of a global field at stations."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.data.cells import latitude_bounds
from co2net_phys.errors import UsageError
from co2net_phys.metrics.cells import Floats


def sample_at(
    field: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    site_lat: ArrayLike,
    site_lon: ArrayLike,
    method: Literal["bilinear", "nearest"] = "bilinear",
) -> Floats:
    """Values of a global field at sites.

    Longitude is periodic; beyond the outermost rows the field is constant towards the pole.

    Args:
        field: (..., lat, lon).
        latitude: cell centres (lat,) in degrees north, ascending or descending.
        longitude: cell centres (lon,) in degrees east around the globe, either convention.
        site_lat: (S,) degrees north.
        site_lon: (S,) degrees east, either convention.
        method: "bilinear" in degrees, or "nearest" cell.

    Returns:
        Values (..., S). NaN where a cell with non-zero weight is NaN.

    Raises:
        UsageError: unknown method, or coordinates that do not fit the field or the globe.
    """
    values = np.asarray(field, dtype=np.float64)
    lat, lon = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    if values.ndim < 2 or values.shape[-2:] != (lat.size, lon.size):
        raise UsageError(
            f"field {values.shape} does not end in (lat, lon) = ({lat.size}, {lon.size}):"
            " transpose it or pass its own coordinates"
        )
    if method not in ("bilinear", "nearest"):
        raise UsageError(f"unknown sampling method {method!r}: choose bilinear or nearest")
    rows, row_shares = _latitude_neighbours(lat, np.atleast_1d(site_lat))
    columns, column_shares = _longitude_neighbours(lon, np.atleast_1d(site_lon))
    if method == "nearest":
        row_shares, column_shares = _all_or_nothing(row_shares), _all_or_nothing(column_shares)
    result = np.zeros(values.shape[:-2] + rows.shape[1:])
    for row, row_share in zip(rows, row_shares, strict=True):
        for column, column_share in zip(columns, column_shares, strict=True):
            share = row_share * column_share
            # A missing neighbour must not spoil a site that lies exactly on another point.
            result += np.where(share > 0, values[..., row, column] * share, 0.0)
    return result


def _latitude_neighbours(latitude: Floats, sites: NDArray[Any]) -> tuple[NDArray[np.intp], Floats]:
    """Rows (2, S) on both sides of each site and their shares (2, S)."""
    latitude_bounds(latitude)  # raises where the axis is no latitude axis
    order = np.argsort(latitude)
    position = np.interp(sites, latitude[order], np.arange(latitude.size))  # clamps at the ends
    lower = np.minimum(position.astype(np.intp), latitude.size - 2)
    upper_share = position - lower
    return order[np.stack([lower, lower + 1])], np.stack([1 - upper_share, upper_share])


def _longitude_neighbours(
    longitude: Floats, sites: NDArray[Any]
) -> tuple[NDArray[np.intp], Floats]:
    """Columns (2, S) on both sides of each site, around the globe, and their shares (2, S)."""
    wrapped = longitude % 360.0
    order = np.argsort(wrapped)
    west = wrapped[order]
    gaps = np.diff(np.append(west, west[0] + 360.0))
    if longitude.size < 2 or gaps.min() <= 0 or gaps.max() > 2 * np.median(gaps):
        raise UsageError(
            "longitude must go once around the globe without gaps or repeated columns"
            " to be sampled at stations"
        )
    target = np.asarray(sites, dtype=np.float64) % 360.0
    left = np.searchsorted(west, target, side="right") - 1  # −1: west of the first column
    share = ((target - west[left]) % 360.0) / gaps[left]
    right = (left + 1) % west.size
    return order[np.stack([left, right])], np.stack([1 - share, share])


def _all_or_nothing(shares: Floats) -> Floats:
    """Shares (2, S) of two neighbours, all given to the nearer one; a tie goes to the first."""
    second = shares[1] > 0.5
    return np.stack([~second, second]).astype(np.float64)
