"""Latitude–longitude grids: nodes, cell bounds, areas and quadrature weights.

Latitude runs south to north and longitude eastward, both in degrees.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.quadrature import gauss_legendre

GridKind = Literal["gaussian", "cell-centre"]
KINDS: tuple[GridKind, ...] = ("gaussian", "cell-centre")
"""The grids on which a quadrature in latitude is known."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """A global grid of ``nlat`` × ``nlon`` nodes, equally spaced in longitude.

    A ``gaussian`` grid has its latitudes at the Gauss–Legendre nodes in sin θ, a ``cell-centre``
    grid at the centres of ``nlat`` equal steps in θ (no node at a pole).

    Args:
        kind: "gaussian" or "cell-centre".
        nlat: number of latitudes.
        nlon: number of longitudes.
        first_longitude: westernmost node, degrees east.

    Raises:
        UsageError: unknown kind, or a size below one.
    """

    kind: GridKind
    nlat: int
    nlon: int
    first_longitude: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"unknown grid kind {self.kind!r}: choose one of {', '.join(KINDS)}")
        if self.nlat < 1 or self.nlon < 1:
            raise UsageError(f"a grid needs nlat, nlon ≥ 1, got {self.nlat} × {self.nlon}")

    @classmethod
    def gaussian(cls, truncation: int) -> "Grid":
        """Smallest even Gaussian grid on which quadratic products are free of aliasing.

        The projection of a product of two degree-T fields on degree T is a polynomial of degree 3T:
        exact for 2 nlat − 1 ≥ 3T and nlon ≥ 3T + 1 (Orszag 1970,
        doi:10.1175/1520-0469(1970)027<0890:TMFTCO>2.0.CO;2). T42 gives 64 × 128.

        Raises:
            UsageError: ``truncation`` below one.
        """
        if truncation < 1:
            raise UsageError(f"truncation must be at least 1, got {truncation}")
        nlat = -(-(3 * truncation + 1) // 2)
        nlat += nlat % 2
        return cls("gaussian", nlat, 2 * nlat)

    @classmethod
    def carbontracker(cls) -> "Grid":
        """NOAA CarbonTracker's global 3° × 2° grid, 90 × 120 cells from −89° and −178.5°."""
        return cls("cell-centre", 90, 120, first_longitude=-178.5)

    @classmethod
    def from_coordinates(
        cls, latitude: ArrayLike, longitude: ArrayLike, tolerance: float = 1e-2
    ) -> "Grid":
        """Recognise a grid by its coordinates.

        Args:
            latitude: (nlat,) ascending, degrees north.
            longitude: (nlon,) ascending, degrees east.
            tolerance: largest departure from the ideal coordinates, degrees.

        Raises:
            DataError: the coordinates are not those of a supported global grid.
        """
        lat = _ascending("latitude", latitude)
        lon = _ascending("longitude", longitude)
        first_longitude = _first_longitude(lon, tolerance)
        candidates = [cls(kind, lat.size, lon.size, first_longitude) for kind in KINDS]
        departures = [float(np.abs(grid.latitude - lat).max()) for grid in candidates]
        best = int(np.argmin(departures))
        if departures[best] > tolerance:
            raise DataError(
                f"latitude: {lat.size} values from {lat[0]:g} to {lat[-1]:g} are neither Gaussian "
                f"nor the centres of equal cells (off by {departures[best]:.3g}°): regrid first, "
                "grids with a node at the pole included"
            )
        return candidates[best]

    @property
    def shape(self) -> tuple[int, int]:
        """(nlat, nlon)."""
        return self.nlat, self.nlon

    @cached_property
    def latitude(self) -> Array:
        """(nlat,) degrees north, ascending."""
        if self.kind == "gaussian":
            return np.rad2deg(np.arcsin(self._gauss_legendre[0]))
        return np.asarray(-90.0 + (np.arange(self.nlat) + 0.5) * (180.0 / self.nlat))

    @cached_property
    def longitude(self) -> Array:
        """(nlon,) degrees east, ascending from ``first_longitude``."""
        return np.asarray(self.first_longitude + np.arange(self.nlon) * (360.0 / self.nlon))

    @cached_property
    def latitude_bounds(self) -> Array:
        """(nlat + 1,) cell edges, degrees north, from −90 to 90.

        Gaussian cells have the quadrature weight as their area: sin(edge) = −1 + Σ w.
        """
        if self.kind == "cell-centre":
            return np.linspace(-90.0, 90.0, self.nlat + 1)
        sine = -1.0 + np.concatenate([[0.0], np.cumsum(self.quadrature_weights)])
        sine[-1] = 1.0  # the sum of the weights is 2 only to round-off, and arcsin has a limit
        return np.rad2deg(np.arcsin(sine))

    @cached_property
    def longitude_bounds(self) -> Array:
        """(nlon + 1,) cell edges, degrees east."""
        spacing = 360.0 / self.nlon
        return np.asarray(self.first_longitude + (np.arange(self.nlon + 1) - 0.5) * spacing)

    @cached_property
    def cell_area(self) -> Array:
        """(nlat, nlon) exact area of each cell on the Earth, m²: R² Δλ Δ(sin θ)."""
        height = np.diff(np.sin(np.deg2rad(self.latitude_bounds)))
        width = np.diff(np.deg2rad(self.longitude_bounds))
        return np.asarray(EARTH_RADIUS_M**2 * height[:, None] * width[None, :])

    @cached_property
    def area_weights(self) -> Array:
        """(nlat, nlon) cell areas divided by their mean, dimensionless."""
        return np.asarray(self.cell_area / self.cell_area.mean())

    @cached_property
    def quadrature_weights(self) -> Array:
        """(nlat,) weights of ∫ f d(sin θ), summing to 2.

        Gauss–Legendre is exact to degree 2 nlat − 1 in sin θ; the centres of equal cells are the
        Chebyshev nodes of Fejér's first rule, exact to degree nlat − 1 (Waldvogel 2006,
        doi:10.1007/s10543-006-0045-4).
        """
        if self.kind == "gaussian":
            return self._gauss_legendre[1]
        colatitude = (np.arange(self.nlat) + 0.5) * (np.pi / self.nlat)
        j = np.arange(1, self.nlat // 2 + 1)
        series = np.cos(2.0 * np.outer(colatitude, j)) @ (1.0 / (4.0 * j**2 - 1.0))
        return np.asarray((2.0 / self.nlat) * (1.0 - 2.0 * series))

    @property
    def max_truncation(self) -> int:
        """Largest T whose coefficients the grid determines exactly (products P_l P_l' ≤ 2T)."""
        in_latitude = self.nlat - 1 if self.kind == "gaussian" else (self.nlat - 1) // 2
        return min(in_latitude, (self.nlon - 1) // 2)

    @cached_property
    def _gauss_legendre(self) -> tuple[Array, Array]:
        return gauss_legendre(self.nlat)


def _ascending(name: str, values: ArrayLike) -> Array:
    """``values`` as a float64 vector, refused with a reason if it cannot be a coordinate."""
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or vector.size < 2:
        raise DataError(f"{name}: need a vector of two or more values, got shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise DataError(f"{name}: contains values that are not finite")
    if not (np.diff(vector) > 0).all():
        raise DataError(f"{name}: values must ascend, flip or sort the data first")
    return vector


def _first_longitude(longitude: Array, tolerance: float) -> float:
    """Westernmost node of a vector that must cover the circle with equal steps."""
    spacing = 360.0 / longitude.size
    offset = longitude - np.arange(longitude.size) * spacing
    if np.ptp(offset) > tolerance:
        raise DataError(
            f"longitude: {longitude.size} values from {longitude[0]:g} to {longitude[-1]:g} do not "
            f"cover the circle in equal steps of {spacing:g}°: use global data"
        )
    # Files round to float32; nearly all grids start at a whole or a half cell.
    snapped = round(float(offset.mean()) / (spacing / 2)) * (spacing / 2)
    return snapped if abs(snapped - offset[0]) <= tolerance else float(longitude[0])
