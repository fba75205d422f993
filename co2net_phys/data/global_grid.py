"""Bring latitudes and longitudes of any convention to ascending global order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import DataError

_SAME_DEGREES = 1e-4
"""Coordinates closer than this many degrees (about 11 m) are the same: float32 rounding."""


def global_latitude_order(
    latitude: NDArray[Any], where: str
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the row order that makes ``latitude`` ascend, and the ordered latitudes.

    Args:
        latitude: degrees north, shape (latitude,), ascending or descending.
        where: ``"<file>: variable '<name>'"``.

    Raises:
        DataError: not monotonic, outside [-90, 90], fewer than two rows, or far from a pole.
    """
    degrees = _finite_degrees(latitude, "latitudes", where)
    steps = np.diff(degrees)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise DataError(f"{where} has latitudes that are not monotonic; sort the file by latitude")
    if np.abs(degrees).max() > 90.0 + _SAME_DEGREES:
        raise DataError(f"{where} has latitudes beyond 90 degrees; correct the coordinate")
    # Gaussian and cell-centred grids stop up to one spacing short of the poles.
    reach = 1.5 * float(np.abs(steps).max()) + 0.01
    if degrees.max() + reach < 90.0 or degrees.min() - reach > -90.0:
        raise DataError(
            f"{where} is regional (latitudes {degrees.min():g} to {degrees.max():g}); "
            "a global field is needed"
        )
    order = np.argsort(degrees)
    return order, np.clip(degrees[order], -90.0, 90.0)


def global_longitude_order(
    longitude: NDArray[Any], where: str
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the column order that makes ``longitude`` ascend in [0, 360), and the longitudes.

    A repeated meridian (0 and 360, or -180 and 180) is dropped.

    Args:
        longitude: degrees east, shape (longitude,), any convention.
        where: ``"<file>: variable '<name>'"``.

    Raises:
        DataError: not finite, fewer than two columns, or not going round the globe.
    """
    degrees = _finite_degrees(longitude, "longitudes", where)
    wrapped = np.mod(degrees, 360.0)
    wrapped[wrapped > 360.0 - _SAME_DEGREES] = 0.0
    order = np.argsort(wrapped, kind="stable")
    is_new = np.concatenate(([True], np.diff(wrapped[order]) > _SAME_DEGREES))
    order = order[is_new]
    wrapped = wrapped[order]
    gaps = np.diff(wrapped, append=wrapped[0] + 360.0)
    if 360.0 - gaps.max() + np.median(gaps) < 359.0:
        raise DataError(
            f"{where} does not go round the globe (longitudes {degrees.min():g} to "
            f"{degrees.max():g}); a global field is needed"
        )
    return order, wrapped


def _finite_degrees(values: NDArray[Any], kind: str, where: str) -> NDArray[np.float64]:
    """Return the coordinate as float64, or raise if it is too short or not finite."""
    degrees = np.array(values, dtype=np.float64)
    if degrees.size < 2:
        raise DataError(f"{where} has {degrees.size} {kind}; a global field is needed")
    if not np.isfinite(degrees).all():
        raise DataError(f"{where} has missing {kind}; correct the coordinate")
    return degrees
