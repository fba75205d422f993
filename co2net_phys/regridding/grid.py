"""A global rectilinear grid: cell centres and the bounds of the cells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.cells import cell_bounds, latitude_bounds
from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers.grid import Grid

Array = NDArray[np.float64]

SAME_DEGREES = 1e-3
"""Coordinates closer than this (about 100 m) are the same: rounding of files, often float32."""

FINEST = 0.05
"""Degrees; a target finer than this is a slip of the pen."""


@dataclass(frozen=True, eq=False)
class LatLonGrid:
    """Cells that tile the sphere, south to north and eastward.

    Attributes
    ----------
    latitude, longitude
        (nlat,), (nlon,) cell centres, degrees, ascending; longitudes in any convention.
    latitude_edges
        (nlat + 1,) degrees north, from −90 to 90.
    longitude_edges
        (nlon + 1,) degrees east, the last 360 more than the first.
    """

    latitude: Array
    longitude: Array
    latitude_edges: Array
    longitude_edges: Array

    @classmethod
    def regular(cls, latitude_step: float, longitude_step: float) -> LatLonGrid:
        """Equal cells in degrees, from the south pole and the dateline on; 2 × 3 by default.

        Raises
        ------
        UsageError
            A step does not divide the globe.
        """
        counts = []
        for span, step in ((180.0, latitude_step), (360.0, longitude_step)):
            count = round(span / step) if step >= FINEST else 0
            if count < 2 or abs(count * step - span) > 1e-9 * span:
                raise UsageError(
                    f"a grid step of {step:g}° does not divide {span:g}°; "
                    "write LATITUDExLONGITUDE in degrees, for example 2x3"
                )
            counts.append(count)
        rows = np.linspace(-90.0, 90.0, counts[0] + 1)
        columns = np.linspace(-180.0, 180.0, counts[1] + 1)
        return cls((rows[:-1] + rows[1:]) / 2, (columns[:-1] + columns[1:]) / 2, rows, columns)

    @classmethod
    def of_solver(cls, grid: Grid) -> LatLonGrid:
        """Grid of the solver, whose bounds are those of its quadrature weights."""
        return cls(grid.latitude, grid.longitude, grid.latitude_bounds, grid.longitude_bounds)

    @classmethod
    def parse(cls, text: str) -> LatLonGrid:
        """Grid of a text such as "2x3": degrees of latitude and of longitude.

        Raises
        ------
        UsageError
            The text is of another form, or its steps do not divide the globe.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[x×]\s*(\d+(?:\.\d+)?)\s*", text)
        if match is None:
            raise UsageError(
                f"--grid {text!r} is no grid; write LATITUDExLONGITUDE in degrees, for example "
                "2x3, or 'source' for the grid of the files"
            )
        return cls.regular(float(match[1]), float(match[2]))

    @classmethod
    def of(cls, dataset: xr.Dataset | xr.DataArray, where: str) -> LatLonGrid:
        """Grid of a dataset with ascending `latitude` and `longitude`.

        Bounds are `latitude_bounds` and `longitude_bounds` where the dataset has them, otherwise
        those of `co2net_phys.data.cells`, out to the poles.

        Raises
        ------
        DataError
            naming `where`: an axis does not ascend, or the cells do not cover the globe once.
        """
        latitude = _ascending(dataset, "latitude", where)
        longitude = _ascending(dataset, "longitude", where)
        rows = _bounds(dataset, "latitude", where)
        columns = _bounds(dataset, "longitude", where)
        rows = _latitude_edges(latitude) if rows is None else rows
        columns = cell_bounds(longitude) if columns is None else columns
        if np.abs(rows[[0, -1]] - [-90.0, 90.0]).max() > SAME_DEGREES:
            raise DataError(
                f"{where}: latitude: cells reach from {rows[0]:g} to {rows[-1]:g} degrees, "
                "not from pole to pole; give a global file"
            )
        if abs(columns[-1] - columns[0] - 360.0) > SAME_DEGREES:
            raise DataError(
                f"{where}: longitude: cells span {columns[-1] - columns[0]:g} degrees, not 360; "
                "give a global file"
            )
        rows[[0, -1]] = -90.0, 90.0
        columns[-1] = columns[0] + 360.0
        return cls(latitude, longitude, rows, columns)

    @property
    def shape(self) -> tuple[int, int]:
        """(nlat, nlon)."""
        return len(self.latitude), len(self.longitude)

    @property
    def area_weights(self) -> Array:
        """(nlat, nlon) share of each cell in the area of the sphere."""
        rows = np.diff(np.sin(np.radians(self.latitude_edges))) / 2
        return np.asarray(rows[:, None] * np.diff(self.longitude_edges) / 360.0)

    def is_like(self, other: LatLonGrid) -> bool:
        """Whether both have the same cells in the same order."""
        if self.shape != other.shape:
            return False
        pairs = (
            (self.latitude_edges, other.latitude_edges),
            (self.longitude_edges, other.longitude_edges),
            (self.latitude, other.latitude),
            (self.longitude, other.longitude),
        )
        return all(np.abs(one - two).max() < SAME_DEGREES for one, two in pairs)

    def describe(self) -> str:
        """Size, spacing and origin in a few words."""
        steps = [np.diff(axis) for axis in (self.latitude, self.longitude)]
        shown = [f"{step.mean():.5g}" for step in steps]
        return f"{self.shape[0]} × {self.shape[1]} cells, about {shown[0]}° × {shown[1]}°"


def _ascending(dataset: xr.Dataset | xr.DataArray, name: str, where: str) -> Array:
    if name not in dataset.coords or dataset[name].ndim != 1 or dataset[name].size < 2:
        raise DataError(f"{where}: no {name} axis of two cells or more; give a gridded file")
    values = np.asarray(dataset[name].values, dtype=np.float64)
    if not (np.isfinite(values).all() and (np.diff(values) > 0).all()):
        raise DataError(f"{where}: {name}: does not ascend; sort the axis first")
    return values


def _bounds(dataset: xr.Dataset | xr.DataArray, name: str, where: str) -> Array | None:
    """Edges from the bounds that the dataset holds, or None."""
    key = f"{name}_bounds"
    if key not in dataset.coords and not (isinstance(dataset, xr.Dataset) and key in dataset):
        return None
    pairs: NDArray[Any] = np.asarray(dataset[key].values, dtype=np.float64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not (np.diff(pairs, axis=1) > 0).all():
        raise DataError(f"{where}: {key}: not one ascending pair a cell; remove the bounds")
    if np.abs(pairs[1:, 0] - pairs[:-1, 1]).max() > SAME_DEGREES:
        raise DataError(f"{where}: {key}: cells overlap or leave gaps; remove the bounds")
    return np.append(pairs[:, 0], pairs[-1, 1])


def _latitude_edges(latitude: Array) -> Array:
    """Edges of the rows, the last ones at the poles where rows come near them."""
    edges = latitude_bounds(latitude)
    for end, pole, step in ((0, -90.0, edges[1] - edges[0]), (-1, 90.0, edges[-1] - edges[-2])):
        # Some files leave the row at the pole out.
        if abs(pole) - abs(edges[end]) < step:
            edges[end] = pole
    return edges
