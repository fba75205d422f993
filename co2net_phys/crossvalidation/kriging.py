"""Kriging month by month: with an unknown mean, with a drift, and after trend and season.

The covariance is fixed, not fitted: exponential with 1500 km and a nugget of 0.36 of the sill.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from co2net_phys.crossvalidation.leaving_out import left_out, precision
from co2net_phys.crossvalidation.method import (
    DRIFT_DEGREE,
    Predictions,
    Progress,
    Task,
    drift_degree,
    same_month,
)
from co2net_phys.crossvalidation.records import Floats, Integers, MonthlyRecords

RANGE_KM = 1500.0
NUGGET = 0.36
"""Of the sill."""

RIDGE = 1e-6
"""Share of its diagonal added to the matrix of the trend and season, which may be singular."""


def ordinary_kriging(task: Task, progress: Progress) -> Predictions:
    """Kriging with an unknown mean in every month."""
    return _by_month(task, 0, progress)


def kriging_with_drift(task: Task, progress: Progress) -> Predictions:
    """Kriging with an unknown cubic polynomial in the sine of latitude in every month."""
    return _by_month(task, DRIFT_DEGREE, progress)


def kriging_of_residuals(task: Task, progress: Progress) -> Predictions:
    """Ordinary kriging of what a trend and seasons by latitude leave, fitted to the other groups.

    Leaving out a group changes the fit, and so the residuals of all others: the matrices of
    kriging are shared between groups, the residuals are not.
    """
    records = task.records
    groups = task.groups[records.rows]
    design = trend_and_season(records, drift_degree(np.unique(groups).size))
    months = [(month, _precision(task, month, 0)) for month in same_month(records)]
    predicted = np.full(records.values.shape, np.nan)
    total = _normal_equations(design, records.values)
    labels = np.unique(groups)
    for done, group in enumerate(labels, start=1):
        mine = groups == group
        own = _normal_equations(design[mine], records.values[mine])
        fitted = design @ _solved(total[0] - own[0], total[1] - own[1])
        residual = np.where(mine, 0.0, records.values - fitted)
        for month, matrix in months:
            inside = mine[month]
            if inside.any() and not inside.all():
                inner = np.linalg.pinv(matrix[np.ix_(inside, inside)], hermitian=True)
                guess = -inner @ (matrix[inside] @ residual[month])
                predicted[month[inside]] = fitted[month[inside]] + guess
        progress(done / labels.size)
    return Predictions(predicted)


def trend_and_season(records: MonthlyRecords, degree: int) -> Floats:
    """Functions (n, 7·(degree + 1)) of time, times powers 0…degree of the sine of latitude.

    The functions of time are 1, t, t² and two harmonics of the year.
    """
    year = records.columns / 12.0
    middle = year - year.mean()
    first_month = records.months[0].astype("datetime64[M]").astype(np.int64) % 12
    phase = 2 * np.pi * (records.columns + first_month) / 12
    time = [np.ones_like(year), middle, middle**2]
    time += [wave(k * phase) for k in (1, 2) for wave in (np.cos, np.sin)]
    latitude = _powers(records.latitude[records.rows], degree)
    return np.asarray(
        (np.stack(time, axis=1)[:, :, None] * latitude[:, None]).reshape(year.size, -1)
    )


def _by_month(task: Task, degree: int, progress: Progress) -> Predictions:
    records = task.records
    predicted = np.full(records.values.shape, np.nan)
    months = same_month(records)
    for done, month in enumerate(months, start=1):
        groups = task.groups[records.rows[month]]
        known = min(degree, drift_degree(np.unique(groups).size))
        matrix = torch.from_numpy(_precision(task, month, known))
        values = torch.from_numpy(records.values[month])
        found = left_out(matrix, values, torch.from_numpy(groups))
        predicted[month] = torch.where(found.is_determined, found.predicted, np.nan).numpy()
        progress(done / len(months))
    return Predictions(predicted)


def _precision(task: Task, month: Integers, degree: int) -> Floats:
    """Q (k, k) of the records of one month, see `leaving_out`."""
    rows = task.records.rows[month]
    covariance = torch.from_numpy(np.exp(-task.distance[np.ix_(rows, rows)] / RANGE_KM))
    covariance.diagonal().add_(NUGGET)
    drift: Tensor = torch.from_numpy(_powers(task.records.latitude[rows], degree))
    return precision(covariance, drift).numpy()


def _powers(latitude: Floats, degree: int) -> Floats:
    """Powers 0…degree of the sine of latitude, (n, degree + 1)."""
    return np.sin(np.radians(latitude))[:, None] ** np.arange(degree + 1)


def _normal_equations(design: Floats, values: Floats) -> tuple[Floats, Floats]:
    return design.T @ design, design.T @ values


def _solved(matrix: Floats, right: Floats) -> Floats:
    """Least-squares coefficients, slightly damped towards the mean; the first function is 1."""
    mean = right[0] / matrix[0, 0]
    damped = matrix + RIDGE * np.diag(matrix.diagonal() + matrix.diagonal().max())
    coefficients = np.linalg.solve(damped, right - matrix[:, 0] * mean)
    coefficients[0] += mean
    return np.asarray(coefficients, dtype=np.float64)
