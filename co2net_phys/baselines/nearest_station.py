"""Every cell takes the value of the nearest station that reports."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.baselines.base import WINDOW, Baseline, latest_report
from co2net_phys.baselines.sphere import great_circle_degrees, grid_points
from co2net_phys.baselines.station_mean import training_mean
from co2net_phys.batch import Coordinates, Observations
from co2net_phys.data.store import TrainingStore


class NearestStation(Baseline):
    """The nearest station by great circle; without any report, the training mean."""

    name = "nearest-station"
    training_mean: Tensor
    """() mean of the training observations, µmol mol-1."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("training_mean", torch.zeros((), dtype=torch.float64))

    @classmethod
    def fit(
        cls,
        store: TrainingStore,
        frames: NDArray[np.int64],
        stations: NDArray[np.int64],
        *,
        window: int = WINDOW,
    ) -> Self:
        """Compute the mean over all training observations; see `Baseline.fit`."""
        module = cls()
        module.training_mean.fill_(training_mean(store, frames, stations))
        return module

    def predict(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """The field of patches, (B, H, W) µmol mol-1."""
        cells = grid_points(coordinates.latitude, coordinates.longitude)
        away = great_circle_degrees(*cells, observations.latitude, observations.longitude)
        fields = []
        for values in latest_report(observations.value).double():  # (S,), frame by frame
            silent = ~torch.isfinite(values)
            patches = values[away.masked_fill(silent, torch.inf).argmin(dim=1)]
            fields.append(torch.where(torch.isfinite(patches), patches, self.training_mean))
        return torch.stack(fields).reshape(len(fields), *coordinates.shape)
