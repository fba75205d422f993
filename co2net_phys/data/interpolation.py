"""Bilinear interpolation between latitude-longitude grids on the sphere.

Longitude is periodic. Where the source has no row at a pole, one is added: for scalars the zonal
mean of the outermost row; for wind the only part of that row that is one vector at the pole. A
horizontal vector at the north pole has (u + i v) exp(+i longitude) the same on every meridian, at
the south pole (u + i v) exp(-i longitude): that constant is the zonal mean of this product.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_POLE_TOLERANCE_DEGREES = 1e-6


class BilinearInterpolator:
    """Interpolate fields from one latitude-longitude grid to another.

    Args:
        source_latitude: degrees north, shape (source_latitude,), ascending or descending.
        source_longitude: degrees east, shape (source_longitude,), distinct, any convention.
        target_latitude: degrees north in [-90, 90], shape (target_latitude,).
        target_longitude: degrees east, shape (target_longitude,), any convention.

    Raises:
        ValueError: a coordinate is empty, not finite, repeated, or beyond a pole.
    """

    def __init__(
        self,
        source_latitude: NDArray[Any],
        source_longitude: NDArray[Any],
        target_latitude: NDArray[Any],
        target_longitude: NDArray[Any],
    ) -> None:
        latitude = _finite("source latitude", source_latitude)
        longitude = np.mod(_finite("source longitude", source_longitude), 360.0)
        self._row_order = np.argsort(latitude)
        self._column_order = np.argsort(longitude)
        latitude, longitude = latitude[self._row_order], longitude[self._column_order]
        if np.any(np.diff(latitude) <= 0) or np.any(np.diff(longitude) <= 0):
            raise ValueError("source latitudes and longitudes must be distinct")
        self.source_shape = (latitude.size, longitude.size)
        self._longitude_radians = np.deg2rad(longitude)
        gaps = np.diff(longitude, append=longitude[0] + 360.0)
        self._zonal_weights = (gaps + np.roll(gaps, 1)) / 720.0
        self._add_south = bool(latitude[0] > -90.0 + _POLE_TOLERANCE_DEGREES)
        self._add_north = bool(latitude[-1] < 90.0 - _POLE_TOLERANCE_DEGREES)
        poles_added = np.concatenate(
            ([-90.0] if self._add_south else [], latitude, [90.0] if self._add_north else [])
        )
        self._rows = _Brackets.of(poles_added, _target_latitude(target_latitude))
        wrapped = np.mod(_finite("target longitude", target_longitude), 360.0)
        # A target west of the first column lies between the last column and the first.
        wrapped = np.where(wrapped < longitude[0], wrapped + 360.0, wrapped)
        self._columns = _Brackets.of(np.append(longitude, longitude[0] + 360.0), wrapped)

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Interpolate scalars, shape (..., source_latitude, source_longitude), any units.

        Returns shape (..., target_latitude, target_longitude).
        """
        ordered = self._ordered(values)
        south = np.broadcast_to(self._zonal_mean(ordered[..., :1, :]), ordered[..., :1, :].shape)
        north = np.broadcast_to(self._zonal_mean(ordered[..., -1:, :]), ordered[..., :1, :].shape)
        return self._interpolate(ordered, south, north)

    def wind(
        self, eastward: NDArray[Any], northward: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Interpolate wind components, each (..., source_latitude, source_longitude), any units.

        Returns both components, each (..., target_latitude, target_longitude).
        """
        wind = self._ordered(eastward) + 1j * self._ordered(northward)
        turn = np.exp(1j * self._longitude_radians)
        south = self._zonal_mean(wind[..., :1, :] / turn) * turn
        north = self._zonal_mean(wind[..., -1:, :] * turn) / turn
        return (
            self._interpolate(wind.real, south.real, north.real),
            self._interpolate(wind.imag, south.imag, north.imag),
        )

    def _ordered(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values in ascending coordinates, refusing a wrong shape."""
        array = np.asarray(values, dtype=np.float64)
        if array.shape[-2:] != self.source_shape:
            raise ValueError(
                f"the last two axes must be (latitude, longitude) = {self.source_shape}, "
                f"got {array.shape[-2:]}"
            )
        return array[..., self._row_order, :][..., self._column_order]

    def _zonal_mean(self, row: NDArray[Any]) -> NDArray[Any]:
        """Return the mean along longitude, kept as an axis of length one, exact for constants."""
        first = row[..., :1]
        mean: NDArray[Any] = first + ((row - first) * self._zonal_weights).sum(
            axis=-1, keepdims=True
        )
        return mean

    def _interpolate(
        self, values: NDArray[np.float64], south: NDArray[np.float64], north: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Add the polar rows that the source lacks and interpolate rows, then columns."""
        parts = [south] * self._add_south + [values] + [north] * self._add_north
        rows = self._rows.apply(np.concatenate(parts, axis=-2), axis=-2)
        periodic = np.concatenate([rows, rows[..., :1]], axis=-1)
        return self._columns.apply(periodic, axis=-1)


class _Brackets:
    """For each target the source interval that holds it and the position inside."""

    def __init__(self, lower: NDArray[np.intp], fraction: NDArray[np.float64]) -> None:
        self.lower = lower
        self.fraction = fraction

    @classmethod
    def of(cls, source: NDArray[np.float64], target: NDArray[np.float64]) -> "_Brackets":
        """Find ``target`` (within the range) in ascending ``source``."""
        lower = np.clip(np.searchsorted(source, target, side="right") - 1, 0, source.size - 2)
        fraction = (target - source[lower]) / (source[lower + 1] - source[lower])
        return cls(lower, np.clip(fraction, 0.0, 1.0))

    def apply(self, values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        """Interpolate along ``axis``; constants stay exact because only differences are scaled."""
        low = np.take(values, self.lower, axis=axis)
        high = np.take(values, self.lower + 1, axis=axis)
        fraction = self.fraction if axis == -1 else self.fraction[:, np.newaxis]
        return np.asarray(low + fraction * (high - low))


def _finite(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return a coordinate as a float64 vector, refusing empty and non-finite ones."""
    array = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"{name} must be a vector of finite degrees, got shape {array.shape}")
    return array


def _target_latitude(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the target latitudes, refusing any beyond a pole."""
    latitude = _finite("target latitude", values)
    if np.abs(latitude).max() > 90.0 + _POLE_TOLERANCE_DEGREES:
        raise ValueError("target latitudes must lie in [-90, 90]")
    return latitude
