"""A drivers store opened for reading: the inputs of a flux model at some days and pixels."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data import kinds
from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.errors import DataError
from co2net_phys.fluxes.regions import region_fractions
from co2net_phys.fluxes.schema import DRIVERS, daily_axis, require
from co2net_phys.regridding import LatLonGrid

AXES = ("time", "latitude", "longitude")

MEMORY_LIMIT = 2**31
"""Bytes: a smaller store is read once and kept."""


class DriverStore:
    """The drivers on the cells where there is land of the 18 regions.

    Attributes
    ----------
    grid
        Of the store.
    days
        (T,) datetime64[D], consecutive.
    names
        Of the drivers, in the order in which they are given.

    Parameters
    ----------
    dataset
        As `co2net_phys.fluxes.schema` describes it.
    source
        For messages.
    names
        Drivers to read.

    Raises
    ------
    DataError
        A driver is missing, an axis is wrong, or no cell of land has them all.
    """

    def __init__(
        self, dataset: xr.Dataset, source: str, names: tuple[str, ...] = tuple(DRIVERS)
    ) -> None:
        require(dataset, source, names, AXES)
        self.source, self.names = source, names
        self.grid = LatLonGrid.of(dataset, source)
        self.days = daily_axis(dataset, source)
        chosen = dataset[list(names)]
        with explained_reading_errors(source):
            self._dataset = chosen.load() if chosen.nbytes < MEMORY_LIMIT else chosen
        if not self.land.any():
            raise DataError(f"{source}: no cell of land has every driver; fill the gaps first")

    @cached_property
    def land(self) -> NDArray[np.bool_]:
        """(nlat, nlon) where there is land of a region and all drivers are given at first."""
        first = self._dataset.isel(time=0, missing_dims="ignore")
        with explained_reading_errors(self.source):
            fields = [np.isfinite(first[name].values) for name in self.names]
        return np.logical_and.reduce([region_fractions(self.grid).sum(axis=0) > 0, *fields])

    def at(self, days: NDArray[np.int64], pixels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Values (D, N, drivers) at positions `days` (D,) and `pixels` (N, 2).

        Raises
        ------
        DataError
            One is missing.
        """
        rows, columns = (xr.DataArray(axis, dims="pixel") for axis in pixels.T)
        values = np.empty((len(days), len(pixels), len(self.names)), dtype=np.float32)
        for place, name in enumerate(self.names):
            field = self._dataset[name].isel(latitude=rows, longitude=columns)
            if "time" in field.dims:
                field = field.isel(time=days).transpose("time", "pixel")
            with explained_reading_errors(f"{self.source}: {name}"):
                values[..., place] = field.values
            if not np.isfinite(values[..., place]).all():
                raise DataError(f"{self.source}: {name}: missing on land; fill it first")
        return values

    def pixel_at(self, latitude: float, longitude: float) -> tuple[int, int] | None:
        """Row and column of the cell of land that holds a place, None where there is none."""
        row = int(np.searchsorted(self.grid.latitude_edges, latitude, side="right")) - 1
        edges = self.grid.longitude_edges
        east = edges[0] + (longitude - edges[0]) % 360
        column = int(np.searchsorted(edges, east, side="right")) - 1
        row, column = min(row, self.land.shape[0] - 1), min(column, self.land.shape[1] - 1)
        return (row, column) if self.land[row, column] else None


def open_drivers(path: str | Path, names: tuple[str, ...] = tuple(DRIVERS)) -> DriverStore:
    """Open a drivers store (NetCDF or Zarr).

    Raises
    ------
    DataError
        It cannot be read, lacks a driver, or its axes are wrong.
    """
    return DriverStore(open_dataset(path, kinds.DRIVERS), str(path), names)
