"""Scores at stations: each site, and the sites of each group together, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from co2net_phys import metrics
from co2net_phys.evaluation import intervals
from co2net_phys.evaluation.pairs import Floats, Groups, Pairs
from co2net_phys.evaluation.trends import trend_of


def site_scores(pairs: Pairs, groups: Groups) -> dict[str, Any]:
    """Scores of each group of stations that has a pair.

    Returns:
        By group "silent", the codes that were never observed, "pooled" and "sites" (by code), each
        with "rmse", "median_abs_error", "bias",
        "correlation", "r2", "standard_deviation_ratio", "n" and "intervals" (95 %, low and high by
        score); pooled scores weigh every pair the same, their intervals draw whole sites; a site
        also has its "name", "latitude", "longitude" and, over two years or more, its "trend".
    """
    by_code = {station.code: index for index, station in enumerate(pairs.stations)}
    found = {}
    for name, codes in groups.items():
        sites = {}
        for code in codes:
            own = pairs.at([code])
            if own.time.size:
                sites[code] = _site(own, by_code[code])
        if sites:
            together = pairs.at(list(sites))
            pooled = _scores(together.observed, together.predicted)
            pooled["intervals"] = intervals.of_sites(
                together.observed, together.predicted, together.station
            )
            silent = [code for code in codes if code not in sites]
            found[name] = {"pooled": pooled, "sites": sites, "silent": silent}
    return found


def _site(pairs: Pairs, index: int) -> dict[str, Any]:
    """Scores of pairs of one station."""
    order = np.argsort(pairs.time, kind="stable")
    observed, predicted = pairs.observed[order], pairs.predicted[order]
    station = pairs.stations[index]
    return _scores(observed, predicted) | {
        "intervals": intervals.of_site(observed, predicted),
        "name": station.name,
        "latitude": station.latitude,
        "longitude": station.longitude,
        "trend": trend_of(pairs.time, pairs.predicted, pairs.observed),
    }


def _scores(observed: Floats, predicted: Floats) -> dict[str, Any]:
    """Scores of pairs (n,), each of the same weight."""
    scores = metrics.station_scores(predicted[:, None], observed[:, None], ["all"])["pooled"]
    equal = np.ones(len(observed))
    fit = metrics.r2(predicted[None, :, None], observed[None, :, None], equal)
    spread = float(np.std(observed))
    ratio = float(np.std(predicted)) / spread if spread > 0 else float("nan")
    return {**scores, "r2": fit, "standard_deviation_ratio": ratio}
