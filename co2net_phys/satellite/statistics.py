"""Means by year, season and month of daily maps, and how fast XCO2 grows.

Sums are gathered tile by tile; all means of the region weigh cells by their area.
"""

from __future__ import annotations

from calendar import isleap
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import linregress

from co2net_phys.metrics import trend
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.points import Days, Floats, Integers
from co2net_phys.satellite.tiles import TileSize

SEASONS = ("DJF", "MAM", "JJA", "SON")

WHOLE_YEAR = 0.9
"""Share of its days from which on a year counts towards the growth: what is missing of the cycle
of the year would pass for growth otherwise."""


class DailyMeans(NamedTuple):
    """The region's mean day by day."""

    days: Days
    mean: Floats
    """µmol mol-1 (days,), NaN where nothing is known."""
    coverage: Floats
    """Share (days,) of the area that is known."""


def daily_means(maps: DailyMaps, size: TileSize | None = None) -> DailyMeans:
    """Area-weighted mean over the region of each day."""
    total, known = np.zeros(maps.shape[0]), np.zeros(maps.shape[0])
    for tile in maps.tiles(size):
        values, weight = maps(tile), maps.weights[tile.rows, None]
        there = np.isfinite(values)
        total[tile.days] += (np.where(there, values, 0.0) * weight).sum(axis=(1, 2))
        known[tile.days] += (there * weight).sum(axis=(1, 2))
    area = maps.weights.sum() * maps.shape[2]
    mean = np.divide(total, known, out=np.full_like(total, np.nan), where=known > 0)
    return DailyMeans(maps.days, mean, known / area)


def years_of(days: Days) -> Integers:
    """Calendar year (days,)."""
    return days.astype("datetime64[Y]").astype(np.int64) + 1970


def months_of(days: Days) -> Integers:
    """Month (days,), 0 for January."""
    return days.astype("datetime64[M]").astype(np.int64) % 12


def seasons_of(days: Days) -> Integers:
    """Position (days,) in `SEASONS`."""
    return (months_of(days) + 1) % 12 // 3


def summary(series: DailyMeans) -> dict[str, Any]:
    """Annual, seasonal and monthly means, and growth; plain values for JSON, µmol mol-1.

    Seasons and months are means over all their days in the record, as in the paper (figures 9 and
    10): a record of whole years has the trend in all of them alike.
    """
    years, seasons, months = years_of(series.days), seasons_of(series.days), months_of(series.days)
    return {
        "mean": _mean(series.mean),
        "coverage": float(series.coverage.mean()),
        "annual": {str(y): _period(series.mean[years == y]) for y in np.unique(years)},
        "seasonal": {
            name: _period(series.mean[seasons == i])
            for i, name in enumerate(SEASONS)
            if (seasons == i).any()
        },
        "monthly": {str(m + 1): _period(series.mean[months == m]) for m in np.unique(months)},
        "growth": growth(series.days, series.mean),
    }


def growth(days: Days, means: Floats) -> dict[str, Any]:
    """Growth per year, µmol mol-1 a-1, with standard errors; NaN where the record is too short.

    "annual_means" is the slope of a line through the means of whole years; "increments" are the
    steps from one whole year to the next. "daily_means" is the slope beside the cycle of the year,
    with allowance for days that resemble each other (`co2net_phys.metrics.trend`); "amplitude" and
    "day_of_maximum" are of that cycle.
    """
    whole = _whole_years(days, means)
    line = linregress(list(whole), list(whole.values())) if len(whole) > 2 else None
    year = days.astype("datetime64[Y]")
    first, next_first = year.astype("datetime64[D]"), (year + 1).astype("datetime64[D]")
    phase = (days - first) / (next_first - first)
    fitted = trend(means, days.astype("datetime64[s]").astype(np.float64), phase)
    nan = float("nan")
    return {
        "annual_means": {
            "value": float(line.slope) if line else nan,
            "standard_error": float(line.stderr) if line else nan,
        },
        "increments": {
            str(year): whole[year] - whole[year - 1] for year in whole if year - 1 in whole
        },
        "daily_means": {"value": fitted.growth, "standard_error": fitted.growth_error},
        "amplitude": fitted.amplitude,
        "day_of_maximum": fitted.day_of_maximum,
    }


def is_part_of_a_year(year: int, days: int) -> bool:
    """Whether a mean over so many days of a year lacks some of it."""
    return days < (366 if isleap(year) else 365)


def _whole_years(days: Days, means: Floats) -> dict[int, float]:
    """Mean of each year of which enough is known."""
    years, known = years_of(days), np.isfinite(means)
    found = {}
    for year in np.unique(years).tolist():
        chosen = known & (years == year)
        if chosen.sum() >= WHOLE_YEAR * (366 if isleap(year) else 365):
            found[year] = float(means[chosen].mean())
    return found


def _period(values: Floats) -> dict[str, Any]:
    return {"mean": _mean(values), "days": int(np.isfinite(values).sum())}


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
