"""Errors by latitude, surface, height and the project that measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from co2net_phys.crossvalidation.running import Outcome
from co2net_phys.metrics import median_absolute, root_mean_square

FEWEST_RECORDS = 24
"""Of a kind that is shown: two years of one site."""

LATITUDES = {
    "90–60°S": (-90, -60),
    "60–30°S": (-60, -30),
    "30°S–0°": (-30, 0),
    "0°–30°N": (0, 30),
    "30–60°N": (30, 60),
    "60–90°N": (60, 90.1),
}
SEA, LAND = 0.1, 0.8
"""Shares of land within about 100 km that separate sea, coast and land."""

MOUNTAIN_METRES = 1000.0


def kinds_of_series(outcome: Outcome) -> dict[str, NDArray[np.bool_]]:
    """Which series (S,) are of each kind; a series is of several."""
    around, series = outcome.task.surroundings, outcome.records.series
    kinds = {
        f"latitude {name}": (around.latitude >= low) & (around.latitude < high)
        for name, (low, high) in LATITUDES.items()
    }
    high = around.height > MOUNTAIN_METRES
    kinds |= {
        "sea, small islands": (around.land < SEA) & ~high,
        "coast": (around.land >= SEA) & (around.land < LAND) & ~high,
        "land below 1000 m": (around.land >= LAND) & ~high,
        "above 1000 m": high,
        "a million people within 60 km": around.people > 2.0,
        "fewer than 100,000 people within 250 km": around.people_wide < 1.0,
    }
    projects = np.array([one.project or "unknown project" for one in series])
    tags = np.array([one.selection_tag or "no tag" for one in series])
    kinds |= {f"project {name}": projects == name for name in np.unique(projects)}
    return kinds | {f"selection {name}": tags == name for name in np.unique(tags)}


def scores_by_kind(
    outcome: Outcome, methods: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """RMSE, median absolute error and n of each method by kind; kinds of few records left out."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind, members in kinds_of_series(outcome).items():
        mine = members[outcome.records.rows]
        scores = {}
        for name in methods:
            errors = outcome.errors(name)[mine]
            errors = errors[np.isfinite(errors)]
            empty = not errors.size
            scores[name] = {
                "rmse": np.nan if empty else float(root_mean_square(errors)),
                "median_abs_error": np.nan if empty else float(median_absolute(errors)),
                "n": int(errors.size),
            }
        if mine.sum() >= FEWEST_RECORDS:
            found[kind] = scores
    return found
