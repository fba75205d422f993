"""The methods that anything else has to beat: the mean of the others, and the nearest."""

from __future__ import annotations

import numpy as np

from co2net_phys.crossvalidation.method import Predictions, Progress, Task, same_month


def mean_of_others(task: Task, progress: Progress) -> Predictions:
    """Mean over the other groups in the same month."""
    records = task.records
    predicted = np.full(records.values.shape, np.nan)
    for month in same_month(records):
        values, group = records.values[month], task.groups[records.rows[month]]
        total, count = (np.bincount(group, weights) for weights in (values, None))
        others = values.size - count[group]
        known = others > 0
        predicted[month[known]] = (values.sum() - total[group])[known] / others[known]
    progress(1.0)
    return Predictions(predicted)


def nearest_of_others(task: Task, progress: Progress) -> Predictions:
    """Value of the nearest site of another group in the same month."""
    records = task.records
    predicted = np.full(records.values.shape, np.nan)
    for month in same_month(records):
        rows = records.rows[month]
        same_group = task.groups[rows][:, None] == task.groups[rows][None]
        distance = np.where(same_group, np.inf, task.distance[np.ix_(rows, rows)])
        nearest = distance.argmin(axis=1)
        known = np.isfinite(distance[np.arange(rows.size), nearest])
        predicted[month[known]] = records.values[month][nearest[known]]
    progress(1.0)
    return Predictions(predicted)
