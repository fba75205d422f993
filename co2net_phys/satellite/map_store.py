"""Daily maps of XCO2 in a file, read tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from co2net_phys.data.kinds import XCO2_MAPS
from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.data.units import mole_fraction_factor
from co2net_phys.errors import DataError
from co2net_phys.metrics import latitude_weights
from co2net_phys.satellite.points import TARGET, Days, Floats
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.tiles import Tile, TileSize, tiles

_CELL = 1e-3
"""Tolerance of a place, in cells; files may have it in single precision."""

DIMENSIONS = ("time", "latitude", "longitude")


class DailyMaps:
    """XCO2 (time, latitude, longitude) of a file, or of a dataset in memory, in µmol mol-1.

    Raises
    ------
    DataError
        There is no such variable, it has other dimensions or no unit of a mole fraction, an axis
        has no coordinate, or the days are no dates or do not ascend.
    """

    def __init__(self, data: xr.Dataset, source: str, name: str = TARGET) -> None:
        self.source = source
        if name not in data or set(data[name].dims) != set(DIMENSIONS):
            raise DataError(f"{source}: {name}: is not there as daily maps {DIMENSIONS}")
        for axis in DIMENSIONS:
            if axis not in data.coords:
                raise DataError(f"{source}: {axis}: has no coordinate; give maps that have one")
        if data["time"].dtype.kind != "M":
            raise DataError(
                f"{source}: time: no dates of the standard calendar; give it CF units such as "
                "'days since 2000-01-01'"
            )
        self._values = data[name].transpose(*DIMENSIONS)
        self._factor = _factor(data[name], f"{source}: variable {name!r}")
        self.days: Days = data["time"].values.astype("datetime64[D]")
        self.latitude: Floats = data["latitude"].values
        self.longitude: Floats = data["longitude"].values
        if (np.diff(self.days) <= np.timedelta64(0, "D")).any():
            raise DataError(f"{source}: time: days do not ascend; give one map for each day")

    @classmethod
    def open(cls, path: Path, name: str = TARGET) -> DailyMaps:
        """Open a NetCDF file or Zarr store without reading its values."""
        return cls(open_dataset(path, XCO2_MAPS), str(path), name)

    def __call__(self, tile: Tile) -> Floats:
        """XCO2 (days, rows, columns) of a tile, µmol mol-1 in float64, NaN where it is missing."""
        with explained_reading_errors(self.source):
            return np.asarray(self._values[tuple(tile)].values, dtype=np.float64) * self._factor

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of days, rows and columns."""
        return len(self.days), len(self.latitude), len(self.longitude)

    @property
    def region(self) -> Region:
        """The grid of the cells, which must be square and two or more in each direction.

        Raises
        ------
        DataError
            They are not.
        """
        steps = [np.diff(axis) for axis in (self.latitude, self.longitude)]
        if min(map(len, steps)) < 1:
            raise DataError(f"{self.source}: has one row or column; give maps of two or more")
        half = float(np.mean(steps[1])) / 2
        if max(np.abs(step - 2 * half).max() for step in steps) > _CELL * half:
            raise DataError(f"{self.source}: the cells are no squares in degrees; give such maps")
        south, north, west, east = (
            round(float(axis[end]) + side * half, 9)
            for axis in (self.latitude, self.longitude)
            for end, side in ((0, -1), (-1, 1))
        )
        return Region(west, south, east, north, round(2 * half, 9))

    @property
    def weights(self) -> Floats:
        """Relative area (rows,) of a cell."""
        return latitude_weights(self.latitude)

    def where(self, other: DailyMaps) -> DailyMaps:
        """The part of these maps at the cells and days of other maps.

        Raises
        ------
        DataError
            A cell or day of the others is none of these.
        """
        index = {}
        for name, mine, theirs in zip(DIMENSIONS, self._axes(), other._axes(), strict=True):
            near = _CELL * float(np.diff(theirs).min()) if len(theirs) > 1 else 0.0
            first = int(np.searchsorted(mine, theirs[0] - near))
            part = slice(first, first + len(theirs))
            if len(mine[part]) < len(theirs) or np.abs(mine[part] - theirs).max() > near:
                raise DataError(
                    f"{self.source}: {name}: has not the {len(theirs)} values of {other.source} "
                    "one after another; reconstruct the same cells and days"
                )
            index[name] = part
        return DailyMaps(self._values.isel(index).to_dataset(name=TARGET), self.source)

    def _axes(self) -> tuple[Floats, Floats, Floats]:
        """Days since 1970, latitude and longitude."""
        return self.days.astype(np.float64), self.latitude, self.longitude

    def tiles(self, size: TileSize | None = None) -> Iterator[Tile]:
        """Tiles that fit the chunks of the store, or of a given size."""
        return tiles(self.shape, size or self.tile_size)

    @property
    def tile_size(self) -> TileSize:
        """Chunks of the store, or the usual tile."""
        chunks = self._values.encoding.get("chunks")
        return TileSize(*chunks) if chunks else TileSize()


def _factor(field: xr.DataArray, where: str) -> float:
    """What brings a field into µmol mol-1."""
    units = str(field.attrs.get("units", ""))
    if units == "umol mol-1":  # to the bit, and a registry of units is slow
        return 1.0
    remedy = "correct the units attribute, for example to umol mol-1"
    return mole_fraction_factor(units, where=where, remedy=remedy)
