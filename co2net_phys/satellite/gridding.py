"""From soundings to cells: one value for each cell of a region, day and set of sensors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import UsageError
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import OCO, Floats, Soundings

Weighting = Literal["equal", "precision"]


@dataclass(frozen=True)
class Cells:
    """XCO2 of cells on days; functions here return them sorted by day, row and column.

    Attributes:
        day: (n,), UTC, datetime64[D].
        row, column: of the cell in the region (n,).
        xco2: mean (n,), µmol mol-1.
        standard_error: of that mean (n,), µmol mol-1.
        count: soundings behind it (n,).
        source: sum of the codes of the sensors behind it (n,).
    """

    day: NDArray[np.datetime64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    xco2: Floats
    standard_error: Floats
    count: NDArray[np.int64]
    source: NDArray[np.int8]

    def __len__(self) -> int:
        """Number of values."""
        return len(self.day)

    def take(self, index: NDArray[Any]) -> Self:
        """Return the values of a boolean mask (n,) or of positions (m,)."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def concatenated(cls, *parts: Cells) -> Self:
        """Return the values of all parts (at least one), one part after another."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )


def grid_soundings(soundings: Soundings, region: Region, weighting: Weighting = "equal") -> Cells:
    """Mean of each sensor's soundings in each cell of the region and day.

    Weights are equal (the paper's average) or σ⁻², σ being a sounding's uncertainty. The standard
    error is that of independent noise, multiplied by √(χ²/(n−1)) where the scatter is larger than
    the noise (Birge 1932, doi:10.1103/PhysRev.40.207): neighbouring soundings share errors that
    their uncertainty leaves out.

    Raises:
        UsageError: unknown weighting.
    """
    if weighting not in get_args(Weighting):
        raise UsageError(f"weighting {weighting!r}: choose one of {', '.join(get_args(Weighting))}")
    row, column, inside = region.cells(soundings.latitude, soundings.longitude)
    found, row, column = soundings.take(inside), row[inside], column[inside]
    variance = found.uncertainty**2
    weight = np.ones_like(variance) if weighting == "equal" else 1.0 / variance
    groups = _Groups((found.day, row, column, found.sensor), (found.xco2, variance))
    total = groups.sum(weight)
    mean = groups.mean(found.xco2, weight)
    error = np.sqrt(groups.sum(weight**2 * variance)) / total
    misfit = groups.sum((found.xco2 - mean[groups.of]) ** 2 / variance)
    excess = misfit / np.maximum(groups.count - 1, 1)
    return Cells(
        found.day[groups.first],
        row[groups.first],
        column[groups.first],
        mean,
        error * np.sqrt(np.maximum(excess, 1.0)),
        groups.count,
        found.sensor[groups.first],
    )


def merge_sensors(cells: Cells) -> Cells:
    """One value for each cell and day: the plain mean over the sources that saw it.

    Made for OCO-2 and OCO-3, which share a retrieval (paper, "Merging OCO-2 and OCO-3 Data"): each
    satellite counts once, however many soundings it has there. Errors are taken as independent.
    """
    groups = _Groups((cells.day, cells.row, cells.column), (cells.xco2, cells.standard_error))
    source = np.zeros(len(groups.count), dtype=np.int8)
    np.bitwise_or.at(source, groups.of, cells.source)
    return Cells(
        cells.day[groups.first],
        cells.row[groups.first],
        cells.column[groups.first],
        groups.mean(cells.xco2, np.ones(len(cells))),
        np.sqrt(groups.sum(cells.standard_error**2)) / groups.count,
        groups.sum(cells.count).astype(np.int64),
        source,
    )


def fill_with(first: Cells, other: Cells) -> Cells:
    """All of `first`, and of `other` what lies in cells and days that `first` has not.

    Both hold one value for each cell and day.
    """
    whole = Cells.concatenated(first, other)
    keys = np.stack([whole.day.astype(np.int64), whole.row, whole.column], axis=1)
    return whole.take(np.unique(keys, axis=0, return_index=True)[1])


def is_oco(cells: Cells) -> NDArray[np.bool_]:
    """Which values come from OCO-2 or OCO-3 (n,)."""
    return (cells.source & OCO) != 0


class _Groups:
    """Entries with equal keys; sums are taken in one order, whatever the order of the entries.

    Attributes:
        of: number of the group of each entry (n,).
        first: one entry of each group (groups,).
        count: entries of each group (groups,).
    """

    def __init__(self, keys: tuple[NDArray[Any], ...], ties: tuple[Floats, ...]) -> None:
        self._order = np.lexsort((*ties[::-1], *keys[::-1]))
        ordered = [key[self._order] for key in keys]
        starts = np.ones(len(self._order), dtype=bool)
        starts[1:] = np.any([key[1:] != key[:-1] for key in ordered], axis=0)
        self._number = np.cumsum(starts) - 1
        self.of = np.empty(len(self._order), dtype=np.int64)
        self.of[self._order] = self._number
        self.first = self._order[starts]
        self.count = np.bincount(self._number, minlength=len(self.first)).astype(np.int64)

    def sum(self, values: NDArray[Any]) -> Floats:
        """Sum over each group (groups,)."""
        return np.bincount(
            self._number, weights=values[self._order], minlength=len(self.first)
        ).astype(np.float64)

    def mean(self, values: Floats, weight: Floats) -> Floats:
        """Weighted mean over each group (groups,), exact where all its values are equal."""
        origin = values[self.first]
        return origin + self.sum(weight * (values - origin[self.of])) / self.sum(weight)
