"""Scores of predictions at sites, with intervals that draw whole sites.

RMSE is decided by a few sites near strong sources. Beside it stand scores that are not: the median
of absolute errors, the RMSE without the largest twentieth of errors, and the median over sites of
the RMSE of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.crossvalidation.records import Floats
from co2net_phys.crossvalidation.running import Outcome
from co2net_phys.metrics import (
    cluster_bootstrap,
    cluster_difference,
    median_absolute,
    root_mean_square,
)

TRIMMED_SHARE = 0.05
SAMPLES = 1000
"""Of the bootstrap."""

FLOOR_SITES = 20
"""Sites listed as those that hold the floor."""

LEFT_OUT_SITES = (1, 5, 10, 20)
"""Numbers of worst sites without which scores are given."""

STATISTICS: Mapping[str, Callable[..., Any]] = {
    "rmse": root_mean_square,
    "median_abs_error": median_absolute,
    "bias": np.mean,
}


def summary(outcome: Outcome, seed: int = 1) -> dict[str, Any]:
    """Scores of every method, paired differences from the best simple one, and the floor.

    Which one is best is seen at the records that all methods run here predict.
    """
    methods = {
        name: {"label": outcome.labels[name], **_scores(outcome, name, seed)}
        for name in outcome.predictions
    }
    compared = at_shared_records(outcome, outcome.own)
    best_simple = min(outcome.simple, key=lambda name: compared[name]["rmse"], default=None)
    best = min(outcome.own, key=lambda name: compared[name]["rmse"])
    if best_simple is not None:
        for name in methods:
            if name != best_simple:
                methods[name]["difference"] = _difference(outcome, name, best_simple, seed)
    return {
        "methods": methods,
        "best": best,
        "best_simple": best_simple,
        "floor": floor(outcome, best),
        "without_worst_sites": {
            name: without_worst(outcome, name, best) for name in outcome.predictions
        },
        "records": int(outcome.records.values.size),
        "series": len(outcome.records.series),
        "groups": int(np.unique(outcome.task.groups).size),
        "first_month": str(outcome.records.months[0]),
        "last_month": str(outcome.records.months[-1]),
    }


def at_shared_records(outcome: Outcome, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Scores of some methods at the records that all of them predict; empty without one.

    Of one that predicts fewer records, which may be easier ones, the other scores do not compare.
    """
    errors = np.stack([outcome.errors(name) for name in names])
    shared = np.isfinite(errors).all(axis=0)
    sites = _sites(outcome)[shared]
    return {name: _values(row[shared], sites) for name, row in zip(names, errors, strict=True)}


def trimmed_rmse(errors: Floats) -> float:
    """RMSE without the largest twentieth of absolute errors (n,)."""
    ordered = np.sort(np.abs(errors))
    return float(root_mean_square(ordered[: max(1, round(ordered.size * (1 - TRIMMED_SHARE)))]))


def site_rmse(errors: Floats, sites: NDArray[Any]) -> dict[str, float]:
    """RMSE of each site, of errors (n,) at sites (n,), NaN left out."""
    known = np.isfinite(errors)
    return {
        str(site): float(root_mean_square(errors[known & (sites == site)]))
        for site in np.unique(sites[known])
    }


def floor(outcome: Outcome, name: str) -> list[dict[str, Any]]:
    """The sites with the largest shares of the squared error of a method, and what they are."""
    errors, codes = outcome.errors(name), outcome.records.codes
    around = outcome.task.surroundings
    squared = np.bincount(outcome.records.rows, np.nan_to_num(errors) ** 2, minlength=codes.size)
    found = []
    total = max(float(squared.sum()), np.finfo(np.float64).tiny)
    for row in np.argsort(-squared)[:FLOOR_SITES]:
        series, mine = outcome.records.series[row], outcome.records.rows == row
        found.append(
            {
                "site": series.site,
                "dataset": series.dataset,
                "share_of_squared_error": float(squared[row] / total),
                "rmse": float(root_mean_square(errors[mine & np.isfinite(errors)])),
                "bias": float(np.nanmean(errors[mine])),
                "n": int(np.isfinite(errors[mine]).sum()),
                "latitude": float(around.latitude[row]),
                "longitude": float(around.longitude[row]),
                "height_masl": float(around.height[row]),
                "land_share": float(around.land[row]),
                "inhabitants_60_km": float(1e4 * (10 ** around.people[row] - 1)),
                "why": why(outcome, int(row)),
            }
        )
    return found


def why(outcome: Outcome, row: int) -> str:
    """In a few words what sets a series apart from what lies around it."""
    around, series = outcome.task.surroundings, outcome.records.series[row]
    reasons = []
    if around.people[row] > 2.0:
        reasons.append("a million people or more near by")
    elif around.people_wide[row] > 3.0:
        reasons.append("an industrial region around")
    if around.height[row] > 1000:
        reasons.append("high above the plain")
    if 0.1 < around.land[row] < 0.8:
        reasons.append("coast")
    if around.all_hours[row]:
        reasons.append("means include the night")
    alone = outcome.task.distance[row][outcome.task.groups != outcome.task.groups[row]]
    if alone.min() > 1000:
        reasons.append(f"next site {alone.min():.0f} km away")
    if series.is_mobile:
        reasons.append("moves")
    surface = "open land" if around.land[row] > 0.5 else "open sea"
    return ", ".join(reasons or [surface])


def without_worst(outcome: Outcome, name: str, judge: str) -> dict[str, dict[str, float]]:
    """RMSE and median absolute error without the sites that are worst for the method `judge`."""
    worst = np.argsort(
        -np.bincount(outcome.records.rows, np.nan_to_num(outcome.errors(judge)) ** 2)
    )
    errors = outcome.errors(name)
    found = {}
    for count in LEFT_OUT_SITES:
        kept = errors[~np.isin(outcome.records.rows, worst[:count]) & np.isfinite(errors)]
        if kept.size:
            found[str(count)] = {
                "rmse": float(root_mean_square(kept)),
                "median_abs_error": float(median_absolute(kept)),
            }
    return found


def _scores(outcome: Outcome, name: str, seed: int) -> dict[str, Any]:
    """Scores of one method over the records that it predicts."""
    errors = outcome.errors(name)
    known = np.isfinite(errors)
    errors, sites = errors[known], _sites(outcome)[known]
    intervals = {
        key: cluster_bootstrap(errors, sites, SAMPLES, seed, statistic)
        for key, statistic in STATISTICS.items()
    }
    found: dict[str, Any] = _values(errors, sites) | {
        "n": int(errors.size),
        "intervals": {key: [one.low, one.high] for key, one in intervals.items()},
    }
    stated = outcome.predictions[name].standard_errors
    if stated is not None:
        found["stated_errors"] = _stated(errors, stated[known])
    details = outcome.predictions[name].details
    return found | ({"details": details} if details else {})


def _values(errors: Floats, sites: NDArray[np.str_]) -> dict[str, float]:
    """Scores of errors (n,) at sites (n,), all of them known; NaN of none."""
    if not errors.size:
        return dict.fromkeys((*STATISTICS, "mae", "trimmed_rmse", "median_site_rmse"), float("nan"))
    return {key: float(statistic(errors)) for key, statistic in STATISTICS.items()} | {
        "mae": float(np.abs(errors).mean()),
        "trimmed_rmse": trimmed_rmse(errors),
        "median_site_rmse": float(np.median(list(site_rmse(errors, sites).values()))),
    }


def _stated(errors: Floats, stated: Floats) -> dict[str, float]:
    """Share of errors within one and 1.96 stated standard errors: 0.683 and 0.95 if right."""
    scaled = np.abs(errors / stated)
    return {
        "within_1": float((scaled < 1).mean()),
        "within_1.96": float((scaled < 1.96).mean()),
        "root_mean_square_scaled": float(root_mean_square(scaled)),
    }


def _difference(outcome: Outcome, name: str, other: str, seed: int) -> dict[str, Any]:
    """Scores of a method minus those of another, at the records that both predict."""
    errors, others = outcome.errors(name), outcome.errors(other)
    both = np.isfinite(errors) & np.isfinite(others)
    sites = _sites(outcome)[both]
    found: dict[str, Any] = {"from": other, "n": int(both.sum())}
    for key in ("rmse", "median_abs_error"):
        one = cluster_difference(errors[both], others[both], sites, SAMPLES, seed, STATISTICS[key])
        found[key] = {"value": one.value, "interval": [one.low, one.high], "p_value": one.p_value}
    return found


def _sites(outcome: Outcome) -> NDArray[np.str_]:
    """Site code (n,) of each record: what the bootstrap draws."""
    codes: ArrayLike = outcome.records.codes[outcome.records.rows]
    return np.asarray(codes)
