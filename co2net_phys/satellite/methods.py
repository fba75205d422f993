"""The methods that need no training engine, by the names of commands and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from co2net_phys.satellite.points import Method
from co2net_phys.satellite.simple_rivals import NearestDay, Ridge, TrendAndSeason
from co2net_phys.satellite.single_satellite import InverseDistance
from co2net_phys.satellite.trees import RandomForest, XGBoost

RIVALS: Mapping[str, Callable[[int], Method]] = {
    "random-forest": lambda seed: RandomForest(seed=seed),
    "xgboost": lambda seed: XGBoost(seed=seed),
    "ridge": lambda seed: Ridge(),
    "inverse-distance": lambda seed: InverseDistance(),
    "nearest-day": lambda seed: NearestDay(),
    "trend-and-season": lambda seed: TrendAndSeason(),
}
"""Made from a seed, which only the trees need."""
