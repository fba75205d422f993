"""Errors of prior and posterior at stations, added up from frame to frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from co2net_phys.inversion.observation_operator import StationOperator

Sums = dict[str, list[float]]
"""By group and run: sum of squares, sum, and number of differences."""

RUNS = ("prior", "posterior")


class StationScores:
    """Differences between modelled and reported CO2 by group of stations.

    Parameters
    ----------
    groups
        An operator for each group of stations, by name.
    sums
        What has been added up before, for a run that goes on.
    """

    def __init__(
        self, groups: Mapping[str, StationOperator], sums: Mapping[str, list[float]] | None = None
    ) -> None:
        self._groups = groups
        names = [f"{group} {run}" for group in groups for run in RUNS]
        self.sums: Sums = {name: list((sums or {}).get(name, (0.0, 0.0, 0.0))) for name in names}

    def add(self, prior: Tensor, posterior: Tensor, reported: Mapping[str, np.ndarray]) -> None:
        """Take modal states (l, m) of a frame, and the reports (S,) of each group."""
        for group, operator in self._groups.items():
            for run, modal in zip(RUNS, (prior, posterior), strict=True):
                difference = operator(modal) - torch.from_numpy(reported[group]).double()
                given = difference[torch.isfinite(difference)]
                parts = (float((given**2).sum()), float(given.sum()), float(given.numel()))
                sums = self.sums[f"{group} {run}"]
                sums[:] = [old + new for old, new in zip(sums, parts, strict=True)]

    def result(self) -> dict[str, dict[str, Any]]:
        """RMSE and bias in µmol mol-1 by group and run."""
        table: dict[str, dict[str, Any]] = {}
        for name, (squares, total, count) in self.sums.items():
            group, run = name.split()
            known = count > 0
            table.setdefault(group, {})[run] = {
                "rmse": math.sqrt(squares / count) if known else None,
                "bias": total / count if known else None,
                "n": int(count),
            }
        return table
