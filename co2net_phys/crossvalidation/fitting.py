"""Find the hyper-parameters of the Gaussian process by leaving sites out of the training sites.

What counts is how well a site is told from the others, so that is what is maximised: the density
of each record given all other groups, with the heavy tails of Student's t, so that a few sites near
strong sources do not decide (predictive log-likelihood by cross-validation: Rasmussen and Williams
2006, Gaussian Processes for Machine Learning, section 5.4.2). A Gaussian prior around `START` keeps
what the data do not tell near its start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from co2net_phys.crossvalidation.covariance import (
    START,
    Parameters,
    Sites,
    as_tensors,
    covariance,
    monthly_drift,
)
from co2net_phys.crossvalidation.leaving_out import left_out, precision
from co2net_phys.crossvalidation.method import Task
from co2net_phys.crossvalidation.records import Integers

_logger = logging.getLogger(__name__)

DEGREES_OF_FREEDOM = 4.0
"""Of Student's t."""

SCALE_SHARE = 0.6906
"""Squared scale of the t that fits Gaussian errors of variance 1 best, so that stated variances of
Gaussian errors are right: where the mean of 5 z²/(4 s² + z²) over z ~ N(0, 1) is 1."""

PRIOR_DEVIATION = 0.25
"""Standard deviation of every hyper-parameter around its start, in logarithms."""

LAGS = ((0, 1, 6, 12), (0, 2, 3))
"""Months of a sample after its first: near ones, the opposite season, the next year."""

SAMPLES = 8
"""Samples of months that the density is summed over."""

ITERATIONS, EVALUATIONS = 30, 40
"""Of L-BFGS at most."""


@dataclass(frozen=True)
class _Sample:
    """Records of a few months: series, months, values, groups (n,) and drift (n, p)."""

    rows: Tensor
    months: Tensor
    values: Tensor
    groups: Tensor
    drift: Tensor


def fitted_parameters(
    task: Task, sites: Sites, training: Integers, tick: Callable[[], None] = lambda: None
) -> Parameters:
    """Hyper-parameters that predict the training series (k,) best from each other.

    `tick` is called after every evaluation, of which there are at most `EVALUATIONS`.
    """
    samples = [
        sample
        for columns in month_samples(task.records.months.size)
        if (sample := _sample(task, sites, training, columns)) is not None
    ]
    if not samples:
        return START
    parameters = {name: start.clone().requires_grad_() for name, start in START.items()}
    search = torch.optim.LBFGS(
        list(parameters.values()),
        max_iter=ITERATIONS,
        max_eval=EVALUATIONS,
        history_size=20,
        line_search_fn="strong_wolfe",
    )
    best, kept = np.inf, START

    def cost() -> float:
        nonlocal best, kept
        search.zero_grad()
        total = _prior(parameters) + sum(_surprise(sites, parameters, each) for each in samples)
        total.backward()
        reached = float(total.detach())
        if reached < best:
            best = reached
            kept = {name: value.detach().clone() for name, value in parameters.items()}
        tick()
        return reached

    with suppress(RuntimeError):  # not positive definite after a step too far: keep what was found
        search.step(cost)
    return kept


def month_samples(count: int) -> list[Integers]:
    """Positions of the months of each sample, spread evenly over `count` months."""
    found = []
    for i in range(SAMPLES):
        lags = np.array(LAGS[i % len(LAGS)])
        lags = lags[lags < count]
        first = round(i * (count - 1 - lags[-1]) / max(SAMPLES - 1, 1))
        found.append(first + lags)
    unique = {tuple(sample.tolist()): sample for sample in found}
    return list(unique.values())


def _sample(task: Task, sites: Sites, training: Integers, columns: Integers) -> _Sample | None:
    """Records of the training series in these months; None with fewer than two groups."""
    records = task.records
    chosen = np.isin(records.columns, columns) & np.isin(records.rows, training)
    rows, months = as_tensors(records.rows[chosen], records.columns[chosen])
    groups = torch.from_numpy(task.groups)[rows]
    if torch.unique(groups).numel() < 2:
        return None
    values = torch.from_numpy(records.values[chosen])
    return _Sample(rows, months, values, groups, monthly_drift(sites, rows, months))


def _surprise(sites: Sites, parameters: Parameters, sample: _Sample) -> Tensor:
    """Minus the logarithm of the density of all records, each without its group."""
    matrix = precision(covariance(sites, parameters, sample.rows, sample.months), sample.drift)
    found = left_out(matrix, sample.values, sample.groups)
    known = found.is_determined
    scale = SCALE_SHARE * found.variance[known]
    errors = (sample.values - found.predicted)[known]
    squared = errors.square() / (DEGREES_OF_FREEDOM * scale)
    tails = (DEGREES_OF_FREEDOM + 1) / 2 * torch.log1p(squared)
    return (scale.log() / 2 + tails).sum()


def _prior(parameters: Parameters) -> Tensor:
    distance = sum(((value - START[name]) ** 2).sum() for name, value in parameters.items())
    return torch.as_tensor(distance) / (2 * PRIOR_DEVIATION**2)
