"""Prediction by the Gaussian process of `covariance`, hyper-parameters from other sites only.

The groups are dealt out to a few folds. The hyper-parameters with which a fold is predicted are
fitted to the series of all other folds; then each group of the fold is predicted from all other
groups. So a group that is left out has no influence on its prediction. Windows of two years are
predicted one by one, from the records of these years.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from co2net_phys.crossvalidation.covariance import (
    AMPLITUDES,
    EFFECTS,
    FIELDS,
    Parameters,
    Sites,
    as_tensors,
    covariance,
    describe_sites,
    monthly_drift,
)
from co2net_phys.crossvalidation.fitting import EVALUATIONS, fitted_parameters
from co2net_phys.crossvalidation.groups import folds_of
from co2net_phys.crossvalidation.leaving_out import left_out, precision
from co2net_phys.crossvalidation.method import Predictions, Progress, Task, same_month
from co2net_phys.crossvalidation.records import Floats, Integers
from co2net_phys.errors import NumericalError

FOLDS = 10
"""For the hyper-parameters, or as many as there are groups."""

WINDOW_MONTHS = 24
ALONE = -1
"""Window of records in months when nothing is left with their group left out."""


def gaussian_process(task: Task, progress: Progress) -> Predictions:
    """Predict every record; see the text of this module."""
    records, sites = task.records, describe_sites(task)
    count = min(FOLDS, np.unique(task.groups).size)
    folds = folds_of(task.groups.astype(str), count, task.seed)
    predicted, variance = (np.full(records.values.shape, np.nan) for _ in range(2))
    steps, total, fits = 0, count * (EVALUATIONS + 1), []

    def tick() -> None:
        nonlocal steps
        steps += 1
        progress(steps / total)

    for fold in range(count):
        parameters = fitted_parameters(task, sites, np.flatnonzero(folds != fold), tick)
        fits.append(described(parameters))
        mine = folds[records.rows] == fold
        guess, spread = _left_out(task, sites, parameters)
        predicted[mine], variance[mine] = guess[mine], spread[mine]
        steps = (fold + 1) * (EVALUATIONS + 1) - 1
        tick()
    return Predictions(predicted, np.sqrt(variance), {"hyper-parameters by fold": fits})


def described(parameters: Parameters) -> dict[str, Any]:
    """Hyper-parameters in the units of the field, for reports."""
    shares = parameters["memory shares"].softmax(dim=1)
    found: dict[str, Any] = {}
    for i, name in enumerate(FIELDS):
        found[f"{name} range (km)"] = float(parameters["ranges"][i].exp())
    for i, name in enumerate((*FIELDS, "site")):
        lasts, returns, decays = shares[i].tolist()
        found[f"{name} memory"] = {
            "lasts": lasts,
            "returns every year": returns,
            "decays": decays,
            "decay (months)": float(parameters["memories"][i].exp()),
        }
    for i, name in enumerate(AMPLITUDES):
        base, land = parameters["amplitudes"][i, :2].tolist()
        found[f"{name} amplitude at sea, on land (ppm)"] = [
            math.exp(base),
            math.exp(base + land),
        ]
    effects = parameters["effects"].exp().tolist()
    found["effects, lasting and seasonal (ppm)"] = dict(zip(EFFECTS, effects, strict=True))
    return found


def _left_out(task: Task, sites: Sites, parameters: Parameters) -> tuple[Floats, Floats]:
    """Predictions and error variances (n,) of every record without its group."""
    records = task.records
    predicted, variance = (np.full(records.values.shape, np.nan) for _ in range(2))
    window = records.columns // WINDOW_MONTHS
    for month in same_month(records):
        if np.unique(task.groups[records.rows[month]]).size == 1:
            window[month] = ALONE
    for each in np.unique(window[window != ALONE]):
        chosen = np.flatnonzero(window == each)
        predicted[chosen], variance[chosen] = _window(task, sites, parameters, chosen)
    return predicted, variance


def _window(
    task: Task, sites: Sites, parameters: Parameters, chosen: Integers
) -> tuple[Floats, Floats]:
    """Predictions and error variances (k,) of the chosen records of one window."""
    records = task.records
    rows, months = as_tensors(records.rows[chosen], records.columns[chosen])
    try:
        with torch.no_grad():
            matrix = precision(
                covariance(sites, parameters, rows, months), monthly_drift(sites, rows, months)
            )
    except RuntimeError as error:  # torch.linalg.LinAlgError, which its stubs do not export
        raise NumericalError(
            f"{records.source}: the covariance of {chosen.size} records is not positive definite; "
            "two series of one site may be the same, leave one out"
        ) from error
    values = torch.from_numpy(records.values[chosen])
    found = left_out(matrix, values, torch.from_numpy(task.groups)[rows])
    predicted, variance = (
        torch.where(found.is_determined, part, np.nan).numpy()
        for part in (found.predicted, found.variance)
    )
    return predicted, variance
