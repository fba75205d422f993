"""95 % intervals of scores: blocks of time on the grid and at a site, whole sites where pooled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.metrics import (
    Interval,
    block_bootstrap,
    block_length,
    cluster_bootstrap,
    median_absolute,
    root_mean_square,
)
from co2net_phys.metrics.bootstrap import DrawnSums
from co2net_phys.regional_sums import SCORES, RegionalSums

Floats = NDArray[np.floating[Any]]
Intervals = dict[str, list[float]]
"""Low and high by the name of the score."""

SAMPLES = 1000
"""Replicates of a region or a group of sites."""

SITE_SAMPLES = 400
"""Replicates of one site: there are many sites, and their intervals are wide."""

FEWEST = 20
"""Values of a series, below which there is no interval: it would hold too few blocks."""

FEWEST_SITES = 5


def of_region(sums: RegionalSums, region: str) -> Intervals:
    """Intervals of the scores of a region, from blocks as long as what moves any of them remembers.

    Local errors that are forgotten within a day decide the RMSE, while the mean error, a small part
    of them, may last for weeks.
    """
    found = sums.of(region)
    times = len(found["weight"])
    if times < FEWEST or np.isnan(found["error"]).any():
        return {}
    block = max(block_length(_contributions(score, found)) for score in SCORES.values())
    return {
        name: _ends(block_bootstrap(np.arange(times), block, SAMPLES, statistic=_of(score, found)))
        for name, score in SCORES.items()
    }


def of_site(observed: Floats, predicted: Floats) -> Intervals:
    """Intervals of the scores of one site (n,), in order of time, from blocks of time."""
    errors = predicted - observed
    if len(errors) < FEWEST or np.isnan(errors).any():
        return {}
    block = max(block_length(errors), block_length(errors**2))
    return {
        name: _ends(block_bootstrap(errors, block, SITE_SAMPLES, statistic=statistic))
        for name, statistic in _OF_ERRORS.items()
    }


def of_sites(observed: Floats, predicted: Floats, site: NDArray[np.int64]) -> Intervals:
    """Intervals of the scores of pooled pairs (n,), by drawing sites with all their pairs."""
    errors = predicted - observed
    if len(np.unique(site)) < FEWEST_SITES or np.isnan(errors).any():
        return {}
    found = {
        name: _ends(cluster_bootstrap(errors, site, SAMPLES, statistic=statistic))
        for name, statistic in _OF_ERRORS.items()
    }
    # Sums by site are all that a correlation needs: as few numbers to draw from as sites.
    sums = _site_sums(observed - observed.mean(), predicted - observed.mean(), site)
    count = np.arange(len(sums["weight"]))
    for name in ("correlation", "r2"):
        statistic = _of(SCORES[name], sums)
        found[name] = _ends(cluster_bootstrap(count, count, SAMPLES, statistic=statistic))
    return found


_OF_ERRORS: Mapping[str, Callable[..., Any]] = {
    "rmse": root_mean_square,
    "median_abs_error": median_absolute,
    "bias": np.mean,
}


def _of(
    score: Callable[[Mapping[str, Floats]], Floats], sums: Mapping[str, Floats]
) -> Callable[..., Floats]:
    """Statistic of positions, drawn in place of values: a score needs several sums of each."""
    return lambda drawn, axis: score(DrawnSums(sums, drawn.astype(np.intp)))


def _contributions(
    score: Callable[[Mapping[str, Floats]], Floats], sums: Mapping[str, Floats]
) -> Floats:
    """The score (time,) of the record in which one of the times counts twice."""
    return score({name: (values.sum() + values)[:, None] for name, values in sums.items()})


def _site_sums(observed: Floats, predicted: Floats, site: NDArray[np.int64]) -> dict[str, Floats]:
    """Sums (site,) over the pairs of each site, every pair of the same weight."""
    _, index = np.unique(site, return_inverse=True)
    values = {
        "weight": np.ones(len(site)),
        "squared": (predicted - observed) ** 2,
        "predicted": predicted,
        "true": observed,
        "predicted_square": predicted**2,
        "true_square": observed**2,
        "product": predicted * observed,
    }
    sums = {name: np.bincount(index, weights=value) for name, value in values.items()}
    return {name: np.asarray(total, dtype=np.float64) for name, total in sums.items()}


def _ends(interval: Interval) -> list[float]:
    return [interval.low, interval.high]
