"""Days, rows and columns of a region cut into boxes that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from co2net_phys.errors import UsageError
from co2net_phys.satellite.points import Days, Floats
from co2net_phys.satellite.region import Region


class Tile(NamedTuple):
    """A box of days, rows and columns."""

    days: slice
    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of days, rows and columns."""
        days, rows, columns = (part.stop - part.start for part in self)
        return days, rows, columns


class TileSize(NamedTuple):
    """Largest extent of a tile."""

    days: int = 8
    rows: int = 128
    columns: int = 128


def cells_of(region: Region, days: Days, tile: Tile) -> tuple[Days, Floats, Floats]:
    """Day, latitude and longitude (n,) of every cell of a tile: days first, then rows."""
    latitude, longitude = region.latitude[tile.rows], region.longitude[tile.columns]
    cells, count = len(latitude) * len(longitude), tile.shape[0]
    return (
        np.repeat(days[tile.days], cells),
        np.tile(np.repeat(latitude, len(longitude)), count),
        np.tile(longitude, count * len(latitude)),
    )


def tile_count(shape: tuple[int, int, int], size: TileSize) -> int:
    """Number of tiles that `tiles` gives; there may be too many for a list."""
    return prod(-(-count // step) for count, step in zip(shape, size, strict=True))


def tiles(shape: tuple[int, int, int], size: TileSize) -> Iterator[Tile]:
    """Cut (days, rows, columns) into tiles: all days of one place before the next place.

    Raises
    ------
    UsageError
        A size is not positive.
    """
    if min(size) < 1:
        raise UsageError(f"tiles of {tuple(size)} days, rows and columns are none; give 1 or more")
    days, rows, columns = (
        [slice(first, min(first + step, count)) for first in range(0, count, step)]
        for count, step in zip(shape, size, strict=True)
    )
    for row in rows:
        for column in columns:
            for day in days:
                yield Tile(day, row, column)
