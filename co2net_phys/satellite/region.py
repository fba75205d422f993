"""A regional grid of equal cells in degrees, and its days."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import UsageError
from co2net_phys.satellite.schema import Floats

_WHOLE = 1e-6
"""Tolerance, in cells, for "a whole number of cells": degrees such as 0.01 are not binary."""


@dataclass(frozen=True)
class Region:
    """Rectangle in degrees with square cells of `spacing` degrees; rows count from the south.

    Raises:
        UsageError: no rectangle on the sphere, or not a whole number of cells.
    """

    west: float
    south: float
    east: float
    north: float
    spacing: float

    def __post_init__(self) -> None:
        """Check the corners."""
        if not (-90 <= self.south < self.north <= 90):
            raise UsageError(
                f"region: latitudes {self.south:g} to {self.north:g} are no range within "
                "−90…90; give south before north"
            )
        if not (-180 <= self.west < self.east <= self.west + 360):
            raise UsageError(
                f"region: longitudes {self.west:g} to {self.east:g} are no range; give west in "
                "−180…180 and east beyond it (above 180 if the region crosses the date line)"
            )
        if not self.spacing > 0:
            raise UsageError(f"region: spacing {self.spacing:g} is not positive; give degrees")
        for extent in (self.north - self.south, self.east - self.west):
            cells = extent / self.spacing
            if round(cells) < 1 or abs(cells - round(cells)) > _WHOLE * max(cells, 1):
                raise UsageError(
                    f"region: {extent:g}° are not a whole number of cells of {self.spacing:g}°; "
                    "move a border"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return (
            round((self.north - self.south) / self.spacing),
            round((self.east - self.west) / self.spacing),
        )

    @cached_property
    def latitude_edges(self) -> Floats:
        """Edges of the rows (rows + 1,), degrees north, ascending."""
        return np.linspace(self.south, self.north, self.shape[0] + 1)

    @cached_property
    def longitude_edges(self) -> Floats:
        """Edges of the columns (columns + 1,), degrees east, ascending."""
        return np.linspace(self.west, self.east, self.shape[1] + 1)

    @cached_property
    def latitude(self) -> Floats:
        """Centres of the rows (rows,), degrees north, ascending."""
        return (self.latitude_edges[:-1] + self.latitude_edges[1:]) / 2

    @cached_property
    def longitude(self) -> Floats:
        """Centres of the columns (columns,), degrees east, ascending."""
        return (self.longitude_edges[:-1] + self.longitude_edges[1:]) / 2

    def cells(
        self, latitude: Floats, longitude: Floats
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Row and column (n,) of the cell around each place, and whether it lies in the region.

        A place on an edge belongs to the cell north or east of it. Outside, both are −1.
        """
        row = np.searchsorted(self.latitude_edges, latitude, side="right") - 1
        eastward = self.west + np.mod(np.asarray(longitude) - self.west, 360.0)
        column = np.searchsorted(self.longitude_edges, eastward, side="right") - 1
        # The northern border of a global grid is the pole, which belongs to the last row.
        at_pole = (self.north == 90.0) & (np.asarray(latitude) == 90.0)
        row = np.where(at_pole, self.shape[0] - 1, row)
        inside = (row >= 0) & (row < self.shape[0]) & (column >= 0) & (column < self.shape[1])
        return np.where(inside, row, -1), np.where(inside, column, -1), inside

    def as_json(self) -> str:
        """The region as one line of JSON, for attributes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `as_json` wrote.

        Raises:
            UsageError: the text is no region.
        """
        try:
            return cls(**{name: float(value) for name, value in json.loads(text).items()})
        except (TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"region: {text[:80]!r} is no region; write west, south, east, north, spacing"
            ) from error

    @classmethod
    def parsed(cls, corners: str, spacing: float) -> Self:
        """Read corners as commands have them.

        Raises:
            UsageError: `corners` is not west,south,east,north.
        """
        try:
            west, south, east, north = map(float, corners.split(","))
        except ValueError as error:
            raise UsageError(
                f"--region {corners!r}: write west,south,east,north in degrees, such as "
                "92.35,26.05,108.25,34.35"
            ) from error
        return cls(west, south, east, north, spacing)


SICHUAN = Region(92.35, 26.05, 108.20, 34.32, 0.01)
"""The paper's region, Sichuan province, at its 0.01° (about 1 km)."""


def days_between(first: str, last: str) -> NDArray[np.datetime64]:
    """Days from `first` to `last`, both included, datetime64[D].

    Raises:
        UsageError: not dates, or the last is before the first.
    """
    start, end = day_of(first, "--start"), day_of(last, "--end")
    if start > end:
        raise UsageError(f"--end {last} is before --start {first}; swap them")
    return np.arange(start, end + 1)


def day_of(text: str, option: str) -> np.datetime64:
    """Return the day that an option of a command names, datetime64[D].

    Raises:
        UsageError: it is no date; names the option.
    """
    try:
        day: np.datetime64 = np.datetime64(text, "D")
    except ValueError:
        day = np.datetime64("NaT")
    if np.isnat(day):
        raise UsageError(f"{option} {text!r}: not a date; write it as 2019-12-31")
    return day
