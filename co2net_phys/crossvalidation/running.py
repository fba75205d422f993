"""Run the methods on records with sites left out, and put what they give side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.crossvalidation.groups import By, left_out_groups
from co2net_phys.crossvalidation.method import Predictions, Progress, Task, same_month
from co2net_phys.crossvalidation.methods import METHODS, Entry
from co2net_phys.crossvalidation.records import (
    Floats,
    MonthlyRecords,
    read_alongside,
    read_monthly,
)
from co2net_phys.errors import DataError

REFERENCE, REFERENCE_CENTRED = "reference", "reference-without-bias"
"""Names of the model given with `--reference`, as it is and less its mean error."""


@dataclass(frozen=True)
class Outcome:
    """Predictions of every record by every method.

    Attributes:
        task: records and groups.
        names: (S,) what each series is left out by: its site, region or block.
        predictions: by name of the method.
        labels: what each name stands for.
        simple: names of the methods that anything else has to beat.
    """

    task: Task
    names: NDArray[np.str_]
    predictions: Mapping[str, Predictions]
    labels: Mapping[str, str]
    simple: tuple[str, ...]

    @property
    def own(self) -> tuple[str, ...]:
        """Names of the methods that were run here, the reference apart."""
        return tuple(
            name for name in self.predictions if name not in (REFERENCE, REFERENCE_CENTRED)
        )

    @property
    def records(self) -> MonthlyRecords:
        """What was measured."""
        return self.task.records

    def errors(self, name: str) -> Floats:
        """Predicted minus measured (n,), ppm; NaN where there is no prediction."""
        return np.asarray(self.predictions[name].values - self.records.values)


def prepared(
    observations: Path,
    by: By = "site",
    folds: int | None = None,
    years: tuple[int | None, int | None] = (None, None),
    seed: int = 1,
) -> tuple[Task, NDArray[np.str_]]:
    """Read the records and decide what is left out together: the task and the names (S,).

    Raises
    ------
    DataError, UsageError
        As `read_monthly` and `left_out_groups`.
    """
    records = read_monthly(observations, *years)
    groups, names = left_out_groups(records, by, folds, seed)
    task = Task(records, groups, seed)
    if not any(np.unique(groups[records.rows[month]]).size > 1 for month in same_month(records)):
        raise DataError(f"{observations}: no month has values of two groups; give more sites")
    return task, names


def crossvalidate(
    task: Task,
    names: NDArray[np.str_],
    methods: Sequence[str],
    reference: Path | None = None,
    progress: Progress = lambda share: None,
    further: Mapping[str, Entry] = MappingProxyType({}),
) -> Outcome:
    """Predict every record by every method from the groups it is not part of.

    `methods` are names of `METHODS`; `further` methods come after them.

    Raises
    ------
    DataError
        As `read_alongside`.
    NumericalError
        As `gaussian_process`; and whatever a further method raises.
    """
    entries = {name: METHODS[name] for name in methods} | dict(further)
    predictions = {} if reference is None else _reference(reference, task.records)
    labels = {name: entry.label for name, entry in entries.items()}
    if reference is not None:
        labels |= {REFERENCE: reference.stem, REFERENCE_CENTRED: f"{reference.stem} less its bias"}
    total, done = sum(entry.effort for entry in entries.values()), 0.0
    found: dict[str, Predictions] = {}
    for name, entry in entries.items():
        share, before = entry.effort / total, done

        def report(part: float, share: float = share, before: float = before) -> None:
            progress(before + share * part)

        found[name] = entry.run(task, report)
        done += share
    simple = tuple(name for name, entry in entries.items() if entry.is_simple)
    return Outcome(task, names, found | predictions, labels, simple)


def _reference(path: Path, records: MonthlyRecords) -> dict[str, Predictions]:
    """The model at the sites, as it is and less its mean error over all records."""
    values = read_alongside(path, records)[records.rows, records.columns]
    bias = float(np.nanmean(values - records.values))
    details: dict[str, Any] = {"bias removed (ppm)": bias}
    return {
        REFERENCE: Predictions(values),
        REFERENCE_CENTRED: Predictions(values - bias, details=details),
    }
