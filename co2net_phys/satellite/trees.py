"""The paper's rivals of the network: a random forest and gradient-boosted trees.

Zhang et al. give no settings for them. Those here are common for some ten thousand samples of a few
dozen features, were chosen before any result was seen, and are the same in every table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from co2net_phys.data.atomic import atomic_write_bytes
from co2net_phys.errors import DataError, UsageError
from co2net_phys.optional_libraries import optional_library
from co2net_phys.satellite.points import TARGET, Floats, Points, Samples


@dataclass(frozen=True)
class RandomForest:
    """Mean of trees, each grown from a random draw of the samples (Breiman 2001).

    It is not saved: the same samples and seed grow it again.
    """

    trees: int = 300
    features_per_split: float = 1 / 3
    """Share of the features that a split may choose from."""
    smallest_leaf: int = 3
    """Samples."""
    seed: int = 0
    threads: int = 1

    def fit(self, samples: Samples) -> ForestPredictor:
        """Return the grown forest.

        Raises
        ------
        UsageError
            scikit-learn is not installed.
        """
        forest = optional_library("sklearn.ensemble", "satellite").RandomForestRegressor(
            n_estimators=self.trees,
            max_features=self.features_per_split,
            min_samples_leaf=self.smallest_leaf,
            random_state=self.seed,
            n_jobs=self.threads,
        )
        samples.require_complete()
        # Trees average in float64, but compare float32: the mean is taken off for accuracy.
        level = float(samples.xco2.mean())
        return ForestPredictor(forest.fit(samples.features, samples.xco2 - level), level)


@dataclass(frozen=True)
class ForestPredictor:
    """A grown forest."""

    forest: Any
    level: float

    def predict(self, points: Points) -> Floats:
        """XCO2 (n,), µmol mol-1."""
        return np.asarray(self.level + self.forest.predict(points.features), dtype=np.float64)


@dataclass(frozen=True)
class XGBoost:
    """Trees that each mend what those before have left (Chen and Guestrin 2016)."""

    trees: int = 500
    depth: int = 8
    learning_rate: float = 0.05
    samples_per_tree: float = 0.8
    features_per_tree: float = 0.8
    smallest_leaf: float = 5.0
    """Samples."""
    seed: int = 0
    threads: int = 1

    def fit(self, samples: Samples) -> XGBoostPredictor:
        """Return the grown trees.

        Raises
        ------
        UsageError
            xgboost is not installed.
        """
        xgboost = optional_library("xgboost", "satellite")
        samples.require_complete()
        level = float(samples.xco2.mean())
        table = xgboost.DMatrix(
            samples.features, samples.xco2 - level, feature_names=list(samples.names),
            nthread=self.threads,
        )  # fmt: skip
        options = {
            "objective": "reg:squarederror",
            "base_score": 0.0,
            "tree_method": "hist",
            "max_depth": self.depth,
            "eta": self.learning_rate,
            "subsample": self.samples_per_tree,
            "colsample_bytree": self.features_per_tree,
            "min_child_weight": self.smallest_leaf,
            "seed": self.seed,
            "nthread": self.threads,
        }
        booster = xgboost.train(options, table, num_boost_round=self.trees)
        booster.set_attr(**{TARGET: repr(level)})
        return XGBoostPredictor(booster, level)


@dataclass(frozen=True)
class XGBoostPredictor:
    """Grown trees; saved as JSON, which holds no code."""

    booster: Any
    level: float

    def predict(self, points: Points) -> Floats:
        """XCO2 (n,), µmol mol-1.

        Raises
        ------
        UsageError
            The features are not those that the trees learned from.
        """
        names = tuple(self.booster.feature_names or ())
        if points.names != names:
            raise UsageError(
                "the features are not those that the trees learned from: use covariates with "
                f"{', '.join(names[:3])}, …"
            )
        return np.asarray(self.level + self.booster.inplace_predict(points.features), np.float64)

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the trees to a JSON file.

        Raises
        ------
        DataError
            The file exists and may not be replaced, or cannot be written.
        """
        atomic_write_bytes(path, bytes(self.booster.save_raw("json")), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> XGBoostPredictor:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            The file cannot be read or holds no trees of this project.
        """
        xgboost = optional_library("xgboost", "satellite")
        booster = xgboost.Booster()
        try:
            content = path.read_bytes()
            json.loads(content)  # xgboost ends the process where it finds nothing at all
            booster.load_model(bytearray(content))
            level = float(booster.attr(TARGET) or "")
        except (OSError, ValueError, xgboost.core.XGBoostError) as error:
            raise DataError(f"{path}: holds no fitted trees; fit them again") from error
        return cls(booster, level)
