"""How good modelled exchange is: by region and month, and at towers.

The scores of the paper's tables 2 and 3 and figures 2 and 4, as plain numbers. All series are sums
over regions and months in PgC; a score that cannot be told (no variance, too few values) is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys import metrics
from co2net_phys.errors import DataError
from co2net_phys.fluxes.schema import (
    EXTRATROPICS,
    GLOBE,
    REGION_CODES,
    TROPICAL_REGIONS,
    TROPICS,
)
from co2net_phys.metrics.at_stations import series_scores
from co2net_phys.report import Table

Array = NDArray[np.float64]

_MONTHS = 12


def nash_sutcliffe(predicted: Array, reference: Array) -> float:
    """1 − Σ(y − r)²/Σ(r − ⟨r⟩)² of series (n,): 1 is perfect, 0 as good as the mean of r.

    Nash and Sutcliffe (1970), doi:10.1016/0022-1694(70)90255-6.
    """
    return metrics.r2(predicted[None, :, None], reference[None, :, None], np.ones(len(reference)))


def normalised_nash_sutcliffe(predicted: Array, reference: Array) -> float:
    """1/(2 − NSE), between 0 and 1; one half is as good as the mean of the reference."""
    return 1 / (2 - nash_sutcliffe(predicted, reference))


def interannual_variability(annual: Array) -> float:
    """Standard deviation of annual sums (years,) about their straight line; NaN below 3 years."""
    if len(annual) < 3:
        return float("nan")
    years = np.arange(len(annual), dtype=np.float64)
    return float(np.std(annual - np.polyval(np.polyfit(years, annual, 1), years)))


def regional_scores(
    predicted: Array, reference: Array, months: NDArray[np.datetime64]
) -> dict[str, dict[str, Any]]:
    """Scores of each region and of the globe.

    Args:
        predicted: (M, 18) sums over regions and months, PgC.
        reference: likewise.
        months: (M,) consecutive months. Annual scores use whole calendar years only.

    Returns:
        By code of the region, after "GLOBAL", "TROPICS" and "EXTRATROPICS": "monthly", "annual" and
        "mean_seasonal_cycle", each with "r" and "rmse" (PgC in the month or year); "annual" also
        with "mean" and "reference_mean" (PgC a-1); "interannual_variability" with "predicted" and
        "reference" (PgC a-1); "nse" and "normalised_nse" of the monthly sums.

    Raises:
        DataError: shapes disagree, months are missing, or a value is.
    """
    shape = (len(months), len(REGION_CODES))
    if predicted.shape != shape or reference.shape != shape:
        raise DataError(
            f"scores: sums are {predicted.shape} and {reference.shape}; expected {shape}, one a "
            "month and region"
        )
    if not (np.isfinite(predicted).all() and np.isfinite(reference).all()):
        raise DataError("scores: sums hold missing values; give whole months only")
    calendar = months.astype("datetime64[M]").astype(np.int64)
    if np.any(np.diff(calendar) != 1):
        raise DataError("scores: months are missing or repeated; give consecutive ones")
    both = [_with_totals(sums) for sums in (predicted, reference)]
    return {name: _scores(both[0][name], both[1][name], calendar % _MONTHS) for name in both[0]}


def tower_scores(
    predicted: Array, observed: Array, sites: NDArray[np.int64], codes: Mapping[int, str]
) -> dict[str, Any]:
    """Scores of daily exchange at towers.

    Args:
        predicted: (n,) g m-2 d-1 of carbon.
        observed: likewise.
        sites: (n,) number of the tower of each value.
        codes: of the towers, by number.

    Returns:
        "pooled" over all values, "median" over the towers, and "sites" by code: "r", "rmse",
        "bias" (predicted less observed), "nse", "normalised_nse", "n".

    Raises:
        DataError: shapes disagree or a value is missing.
    """
    if not predicted.shape == observed.shape == sites.shape:
        raise DataError("scores: as many predictions, observations and sites are needed")
    if not (np.isfinite(predicted).all() and np.isfinite(observed).all()):
        raise DataError("scores: a value at a tower is missing; leave it out before")
    found = {}
    for site in np.unique(sites):
        own = sites == site
        found[codes[int(site)]] = _pair_scores(predicted[own], observed[own])
    names = ("r", "rmse", "bias", "nse", "normalised_nse")
    return {
        "pooled": _pair_scores(predicted, observed),
        "median": {name: _median([scores[name] for scores in found.values()]) for name in names},
        "sites": found,
    }


def score_table(methods: Mapping[str, Mapping[str, Mapping[str, Any]]], period: str) -> Table:
    """Pearson's R and RMSE of several methods by region, laid out as in the paper's tables 2 and 3.

    Args:
        methods: results of `regional_scores` by name of the method.
        period: "monthly", "annual" or "mean_seasonal_cycle".
    """
    unit = "PgC a-1" if period == "annual" else "PgC month-1"
    columns = ["region"]
    columns += [f"R, {name}" for name in methods]
    columns += [f"RMSE ({unit}), {name}" for name in methods]
    rows = []
    for region in (GLOBE, TROPICS, EXTRATROPICS, *REGION_CODES):
        scores = [method[region][period] for method in methods.values()]
        rows.append([region, *(s["r"] for s in scores), *(s["rmse"] for s in scores)])
    caption = f"{period.replace('_', ' ').capitalize()} exchange by region"
    return Table(columns, rows, caption, decimals=3)


def _with_totals(sums: Array) -> dict[str, Array]:
    """Series (M,) of the globe, its parts and each region, of sums (M, 18)."""
    tropical = np.isin(REGION_CODES, TROPICAL_REGIONS)
    totals = {
        GLOBE: sums.sum(axis=1),
        TROPICS: sums[:, tropical].sum(axis=1),
        EXTRATROPICS: sums[:, ~tropical].sum(axis=1),
    }
    return totals | dict(zip(REGION_CODES, sums.T, strict=True))


def _scores(predicted: Array, reference: Array, month: NDArray[np.int64]) -> dict[str, Any]:
    """All scores of one region, of monthly sums (M,); `month` counts from 0, January."""
    yearly = [_annual(sums, month) for sums in (predicted, reference)]
    cycles = [_mean_cycle(sums, month) for sums in (predicted, reference)]
    means = [float(sums.mean()) if len(sums) else float("nan") for sums in yearly]
    return {
        "monthly": _pearson_and_error(predicted, reference),
        "annual": _pearson_and_error(*yearly) | {"mean": means[0], "reference_mean": means[1]},
        "mean_seasonal_cycle": _pearson_and_error(*cycles),
        "interannual_variability": {
            "predicted": interannual_variability(yearly[0]),
            "reference": interannual_variability(yearly[1]),
        },
        "nse": nash_sutcliffe(predicted, reference),
        "normalised_nse": normalised_nash_sutcliffe(predicted, reference),
    }


def _pearson_and_error(predicted: Array, reference: Array) -> dict[str, float]:
    found = series_scores(predicted, reference)
    return {"r": float(found["correlation"]), "rmse": float(found["rmse"])}


def _pair_scores(predicted: Array, observed: Array) -> dict[str, Any]:
    return _pearson_and_error(predicted, observed) | {
        "bias": float(series_scores(predicted, observed)["bias"]),
        "nse": nash_sutcliffe(predicted, observed),
        "normalised_nse": normalised_nash_sutcliffe(predicted, observed),
        "n": len(predicted),
    }


def _annual(sums: Array, month: NDArray[np.int64]) -> Array:
    """Sums (years,) of the whole calendar years of a monthly series."""
    first = int((-month[0]) % _MONTHS) if len(month) else 0
    years = max(0, (len(sums) - first) // _MONTHS)
    return np.asarray(sums[first : first + years * _MONTHS].reshape(years, _MONTHS).sum(axis=1))


def _mean_cycle(sums: Array, month: NDArray[np.int64]) -> Array:
    """Mean of each month of the year (12,), or of those that there are."""
    return np.array([sums[month == number].mean() for number in np.unique(month)])


def _median(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")
