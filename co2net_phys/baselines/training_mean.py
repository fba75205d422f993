"""What a method says where no station reports: the mean of the training observations."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.baselines.base import WINDOW, Baseline, chunks, require_training_data
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError


class FallsBackToMean(Baseline):
    """A baseline that keeps the mean of its training observations."""

    learns_fields = False
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


def training_mean(
    store: TrainingStore, frames: NDArray[np.int64], stations: NDArray[np.int64]
) -> float:
    """Mean in µmol mol-1 of all training observations that are not missing."""
    require_training_data(store, frames, stations)
    total, count = 0.0, 0
    for chunk in chunks(frames):
        values = store.observations(chunk, stations).astype(np.float64)
        total += float(np.nansum(values))
        count += int(np.isfinite(values).sum())
    if count == 0:
        raise DataError(f"{store.source}: no training station reports in the training frames")
    return total / count
