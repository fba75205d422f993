"""What every method is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from co2net_phys.crossvalidation.records import Floats, Integers, MonthlyRecords
from co2net_phys.crossvalidation.surroundings import (
    Surroundings,
    distances_km,
    surroundings,
)

DRIFT_DEGREE = 3
"""Of the polynomial in the sine of latitude, where there are sites enough."""

OTHERS_A_COEFFICIENT = 4

Progress = Callable[[float], None]
"""Called with the share that is done, 0…1."""


@dataclass(frozen=True)
class Task:
    """Predict every record from those of other groups.

    Attributes:
        records: what was measured.
        groups: (S,) number of the group of each series.
        seed: of random draws.
    """

    records: MonthlyRecords
    groups: Integers
    seed: int = 1

    @cached_property
    def distance(self) -> Floats:
        """Great-circle distances (S, S) in km."""
        north, east = self.records.latitude, self.records.longitude
        return distances_km(north, east, north, east)

    @cached_property
    def surroundings(self) -> Surroundings:
        """What the sites tell before they measure."""
        return surroundings(self.records.series)


@dataclass(frozen=True)
class Predictions:
    """Predictions of the records.

    Attributes:
        values: (n,) ppm, NaN where the other groups cannot say anything.
        standard_errors: (n,) ppm, where the method states them.
        details: what else the method found, such as its hyper-parameters, for the reader.
    """

    values: Floats
    standard_errors: Floats | None = None
    details: dict[str, Any] = field(default_factory=dict)


Method = Callable[[Task, Progress], Predictions]


def drift_degree(groups: int) -> int:
    """Degree of a drift polynomial that so many groups can tell: four others a coefficient."""
    return min(DRIFT_DEGREE, max(0, (groups - 1) // OTHERS_A_COEFFICIENT - 1))


def same_month(records: MonthlyRecords) -> list[Integers]:
    """Positions of the records of each month that has any."""
    order = np.argsort(records.columns, kind="stable")
    found, first = np.unique(records.columns[order], return_index=True)
    return [part.astype(np.int64) for part in np.split(order, first[1:])] if found.size else []
