"""How good stated uncertainties are: CRPS, spread against error, coverage of intervals.

Conventions as in `co2net_phys.metrics`: fields are (time, lat, lon), weights (lat,) or (lat, lon)
are relative areas, a cell whose truth is NaN has no weight, and a NaN prediction of a known truth
makes the score NaN. A prediction is normal with mean y and spread σ, the standard error, in the
unit of the truth u.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from co2net_phys.errors import UsageError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

LEVELS = (50, 68, 90, 95)
"""Central intervals whose coverage is reported, in per cent."""

BINS = 10
"""Classes of spread, of equal area, in the table of spread against error."""


def gaussian_crps(mean: ArrayLike, standard_error: ArrayLike, truth: ArrayLike) -> Floats:
    """Continuous ranked probability score of normal predictions, in the unit of the truth.

    σ (z (2 Φ(z) − 1) + 2 φ(z) − 1/√π) with z = (u − y)/σ, the smaller the better (Gneiting and
    Raftery 2007, doi:10.1198/016214506000001437, eq. 21 with the sign of a cost); |u − y| where σ
    is zero. Arrays of one shape, or shapes that broadcast.
    """
    y, sigma, u = (np.asarray(x, dtype=np.float64) for x in (mean, standard_error, truth))
    error = u - y
    z = np.divide(error, sigma, out=np.zeros(np.broadcast(error, sigma).shape), where=sigma > 0)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    score = sigma * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return np.asarray(np.where(sigma == 0, np.abs(error), score), dtype=np.float64)


def ensemble_crps(members: ArrayLike, truth: ArrayLike) -> Floats:
    """CRPS of the step function of M members, in the unit of the truth.

    mean_i |x_i − u| − ½ mean_ij |x_i − x_j| (Gneiting and Raftery 2007, eq. 20 with the sign of a
    cost), the second term from sorted members, so that no array is larger than `members`.

    Args:
        members: (M, ...).
        truth: (...).
    """
    x, u = np.asarray(members, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.shape[1:] != u.shape or len(x) == 0:
        raise UsageError(f"members {x.shape} and truth {u.shape} do not match: expected (M, ...)")
    count = len(x)
    rank = (2 * np.arange(1, count + 1) - count - 1) / count**2
    apart = np.tensordot(rank, np.sort(x, axis=0), axes=1)
    return np.asarray(np.abs(x - u).mean(axis=0) - apart, dtype=np.float64)


def coverage(
    mean: ArrayLike,
    standard_error: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike,
    levels: Sequence[int] = LEVELS,
) -> dict[str, float]:
    """Share of area and time whose truth lies in the central interval of each level in per cent.

    Keys are the levels as text; a calibrated prediction has the share level/100.
    """
    return _coverage(_cells(mean, standard_error, truth, weights), levels)


def spread_skill_ratio(
    mean: ArrayLike, standard_error: ArrayLike, truth: ArrayLike, weights: ArrayLike
) -> float:
    """Root mean variance over root mean square error: 1 is calibrated, less is overconfident."""
    return _ratio(*_spread_and_error(_cells(mean, standard_error, truth, weights)))


def spread_skill(
    mean: ArrayLike,
    standard_error: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike,
    bins: int = BINS,
) -> list[dict[str, float]]:
    """Spread and error in classes of cells of like spread, each of the same area, ascending.

    Returns:
        For each class "spread", the root of the mean variance, "error", the root mean square
        error, both in the unit of the truth, and "share" of the area and time. Cells of one spread
        stay in one class, so a constant spread makes a single class.
    """
    return _spread_skill(_cells(mean, standard_error, truth, weights), bins)


def probabilistic_scores(
    mean: ArrayLike,
    standard_error: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike,
    members: ArrayLike | None = None,
) -> dict[str, Any]:
    """All scores of a prediction with a standard error.

    Args:
        mean: y (time, lat, lon).
        standard_error: σ (time, lat, lon), not negative.
        truth: u (time, lat, lon).
        weights: (lat,) or (lat, lon).
        members: (M, time, lat, lon), which adds "ensemble_crps".

    Returns:
        "crps" and "spread" (root of the mean variance) in the unit of the truth,
        "spread_skill_ratio", "coverage" by level in per cent, "spread_skill": rows of
        `spread_skill`.

    Raises:
        UsageError: shapes disagree, or a standard error is negative.
    """
    cells = _cells(mean, standard_error, truth, weights)
    spread, error = _spread_and_error(cells)
    score = gaussian_crps(cells.mean, cells.spread, cells.truth)
    result: dict[str, Any] = {
        "crps": _weighted_mean(score, cells.weights),
        "spread": spread,
        "spread_skill_ratio": _ratio(spread, error),
        "coverage": _coverage(cells, LEVELS),
        "spread_skill": _spread_skill(cells, BINS),
    }
    if members is not None:
        each = ensemble_crps(members, truth).ravel()
        counted = np.where(cells.weights > 0, each, 0.0)
        result["ensemble_crps"] = _weighted_mean(counted, cells.weights)
    return result


class _Cells(NamedTuple):
    """Arrays (cell,) over time and grid; cells without a valid truth have weight 0, values 0."""

    mean: Floats
    spread: Floats
    truth: Floats
    weights: Floats


def _cells(
    mean: ArrayLike, standard_error: ArrayLike, truth: ArrayLike, weights: ArrayLike
) -> _Cells:
    y, sigma, u = (np.asarray(x, dtype=np.float64) for x in (mean, standard_error, truth))
    if not y.shape == sigma.shape == u.shape or u.ndim != 3:
        raise UsageError(
            f"prediction {y.shape}, standard error {sigma.shape} and truth {u.shape} must share"
            " (time, lat, lon): regrid or select before scoring"
        )
    if (sigma < 0).any():
        raise UsageError("a standard error is negative: give the spread, not the error")
    alpha = np.asarray(weights, dtype=np.float64)
    alpha = np.broadcast_to(alpha[:, None] if alpha.ndim == 1 else alpha, u.shape[1:])
    valid = ~np.isnan(u)
    y, sigma, u = (np.where(valid, x, 0.0).ravel() for x in (y, sigma, u))
    return _Cells(y, sigma, u, (valid * alpha).ravel())


def _coverage(cells: _Cells, levels: Sequence[int]) -> dict[str, float]:
    error = np.abs(cells.mean - cells.truth)
    if np.isnan(error).any() or np.isnan(cells.spread).any():  # a comparison would say "outside"
        return dict.fromkeys(map(str, levels), float("nan"))
    shares = {}
    for level in levels:
        inside = error <= ndtri(0.5 + level / 200) * cells.spread
        shares[str(level)] = _weighted_mean(inside.astype(np.float64), cells.weights)
    return shares


def _spread_skill(cells: _Cells, bins: int) -> list[dict[str, float]]:
    known = cells.weights > 0
    if not known.any() or np.isnan(cells.spread[known]).any():
        return []
    order = np.argsort(cells.spread, kind="stable")
    order = order[known[order]]
    spread, area = cells.spread[order], cells.weights[order]
    first_of_its_spread = np.searchsorted(spread, spread, side="left")
    below = (np.cumsum(area) - area)[first_of_its_spread] / area.sum()  # area with less spread
    labels = np.minimum((below * bins).astype(np.int64), bins - 1)
    rows = []
    for label in np.unique(labels):
        chosen = order[labels == label]
        size, error = _spread_and_error(cells, chosen)
        share = cells.weights[chosen].sum() / area.sum()
        rows.append({"spread": size, "error": error, "share": float(share)})
    return rows


def _spread_and_error(cells: _Cells, chosen: slice | Indices = slice(None)) -> tuple[float, float]:
    """Root mean variance and root mean square error of the chosen cells, by default of all."""
    weights = cells.weights[chosen]
    squares = (cells.spread[chosen] ** 2, (cells.mean[chosen] - cells.truth[chosen]) ** 2)
    spread, error = (np.sqrt(_weighted_mean(square, weights)) for square in squares)
    return float(spread), float(error)


def _weighted_mean(values: Floats, weights: Floats) -> float:
    return _ratio(float((weights * values).sum()), float(weights.sum()))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("nan")
