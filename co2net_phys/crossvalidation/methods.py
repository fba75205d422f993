"""The methods by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from co2net_phys.crossvalidation.gaussian_process import gaussian_process
from co2net_phys.crossvalidation.kriging import (
    kriging_of_residuals,
    kriging_with_drift,
    ordinary_kriging,
)
from co2net_phys.crossvalidation.method import Method
from co2net_phys.crossvalidation.simple import mean_of_others, nearest_of_others
from co2net_phys.errors import UsageError


@dataclass(frozen=True)
class Entry:
    """A method, what it is in words, and its share of the running time."""

    run: Method
    label: str
    effort: float
    is_simple: bool = True


METHODS: Mapping[str, Entry] = {
    "mean": Entry(mean_of_others, "mean of the other sites", 1),
    "nearest": Entry(nearest_of_others, "nearest other site", 1),
    "kriging": Entry(ordinary_kriging, "ordinary kriging", 2),
    "kriging-drift": Entry(kriging_with_drift, "kriging with a cubic drift in latitude", 2),
    "kriging-residuals": Entry(kriging_of_residuals, "kriging after trend and season", 4),
    "gaussian-process": Entry(
        gaussian_process, "Gaussian process with what the sites tell", 200, is_simple=False
    ),
}


def chosen_methods(names: Sequence[str] | None) -> list[str]:
    """The names asked for, in the order of `METHODS`; all of them for None.

    Raises
    ------
    UsageError
        No method has such a name.
    """
    asked = list(METHODS) if names is None else list(names)
    unknown = [name for name in asked if name not in METHODS]
    if unknown or not asked:
        raise UsageError(
            f"--methods: no method is called {(unknown or [''])[0]!r}; choose from "
            f"{', '.join(METHODS)}"
        )
    return [name for name in METHODS if name in asked]
