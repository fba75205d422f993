"""How well XCO2 is told at samples: scores of pairs, with intervals from drawing whole blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from co2net_phys.errors import UsageError
from co2net_phys.metrics import Difference, Interval, cluster_bootstrap
from co2net_phys.metrics.bootstrap import DrawnSums
from co2net_phys.satellite.points import Floats, Integers

SAMPLES = 1000
"""Bootstrap replicates."""

Sums = Mapping[str, Any]
"""Sums over the pairs of each block (..., blocks): all that the scores are made of."""


def _of(sums: Sums, name: str) -> Any:
    """Sum over all blocks divided by the number of pairs."""
    return sums[name].sum(axis=-1) / sums["n"].sum(axis=-1)


def _rmse(sums: Sums) -> Any:
    return np.sqrt(_of(sums, "squared"))


def _variance(sums: Sums) -> Any:
    """Variance of the observed, NaN instead of zero: nothing may be divided by that."""
    variance = _of(sums, "oo") - _of(sums, "o") ** 2
    return np.where(variance > 0, variance, np.nan)


def _r2(sums: Sums) -> Any:
    return 1 - _of(sums, "squared") / _variance(sums)


def _slope(sums: Sums) -> Any:
    return (_of(sums, "op") - _of(sums, "o") * _of(sums, "p")) / _variance(sums)


SCORES: Mapping[str, Callable[[Sums], Any]] = {
    "rmse": _rmse,
    "mae": lambda sums: _of(sums, "absolute"),
    "bias": lambda sums: _of(sums, "error"),
    "r2": _r2,
    "slope": _slope,
}
"""RMSE, mean absolute error and mean error in µmol mol-1; the coefficient of determination
1 − Σ(p − o)²/Σ(o − ō)²; the slope of the regression of predicted on observed (paper, figures 6, 7).
"""


def scores(
    observed: Floats, predicted: Floats, blocks: Integers, samples: int = SAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Scores of pairs (n,), each as "value", "low" and "high", and their number "n".

    Args:
        observed: µmol mol-1 (n,).
        predicted: µmol mol-1 (n,); a NaN makes all scores NaN, so that none gains by gaps.
        blocks: number of the block of each pair (n,); pairs of one block are no independent news.
        samples: bootstrap replicates.
        seed: of the bootstrap.

    Raises
    ------
    UsageError
        Lengths disagree or there is no pair.
    """
    sums = block_sums(observed, predicted, blocks)
    every = np.arange(sums["n"].size)
    found: dict[str, Any] = {"n": len(observed), "blocks": every.size}
    for name, score in SCORES.items():
        drawn = cluster_bootstrap(every, every, samples, seed, statistic=_statistic(score, sums))
        found[name] = ends(drawn)
    return found


def block_sums(observed: Floats, predicted: Floats, blocks: Integers) -> dict[str, Floats]:
    """Sums of each block by name; observed and predicted are taken from the mean of the observed.

    Raises
    ------
    UsageError
        Lengths disagree or there is no pair.
    """
    if not (observed.shape == predicted.shape == blocks.shape) or observed.size == 0:
        raise UsageError(
            f"{len(observed)} observed and {len(predicted)} predicted values in {len(blocks)} "
            "blocks are no pairs to score"
        )
    label = np.unique(blocks, return_inverse=True)[1]
    o, p = observed - observed.mean(), predicted - observed.mean()
    terms = {
        "n": np.ones_like(o), "o": o, "p": p, "oo": o * o, "op": o * p,
        "error": p - o, "absolute": np.abs(p - o), "squared": (p - o) ** 2,
    }  # fmt: skip
    return {
        name: np.bincount(label, weights=term).astype(np.float64) for name, term in terms.items()
    }


def ends(interval: Interval | Difference) -> dict[str, float]:
    """Value and ends of an interval by name."""
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _statistic(score: Callable[[Sums], Any], sums: Mapping[str, Floats]) -> Callable[..., Any]:
    """The score as a function of the drawn blocks (..., blocks)."""

    def statistic(positions: ArrayLike, axis: int = -1) -> Any:
        return score(DrawnSums(sums, np.asarray(positions).astype(np.intp)))

    return statistic
