"""The climatology, as it is or shifted as a whole to the current stations."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.baselines.base import WINDOW, Baseline, latest_report, require_training_data
from co2net_phys.baselines.climatology import Climatology
from co2net_phys.batch import Coordinates, Observations
from co2net_phys.data.store import TrainingStore


class ClimatologyOnly(Baseline):
    """The climatology of the training frames; today's observations are not used."""

    name = "climatology"
    minimum_stations = 0

    def __init__(self, *, height: int, width: int, slots: int, harmonics: int):
        super().__init__(height=height, width=width, slots=slots, harmonics=harmonics)
        self.climatology = Climatology(height=height, width=width, slots=slots, harmonics=harmonics)

    @classmethod
    def fit(
        cls,
        store: TrainingStore,
        frames: NDArray[np.int64],
        stations: NDArray[np.int64],
        *,
        window: int = WINDOW,
    ) -> Self:
        """Fit the climatology; see `Baseline.fit`."""
        require_training_data(store, frames, stations, cls.minimum_stations)
        climatology = Climatology.fit(store, frames)
        module = cls(**climatology.sizes)
        module.climatology.load_state_dict(climatology.state_dict())
        return module

    def predict(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """The climatology, (B, H, W) µmol mol-1."""
        return self.climatology.last_frame(coordinates)


class ClimatologyOffset(ClimatologyOnly):
    """Climatology plus the mean over stations of (observation − climatology).

    The offset is that of the last frame with a report; without any it is zero.
    """

    name = "climatology-offset"
    minimum_stations = 3

    def predict(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """The shifted climatology, (B, H, W) µmol mol-1."""
        residual = observations.value - self.climatology.at_stations(observations, coordinates)
        offset = torch.nan_to_num(latest_report(residual).nanmean(dim=-1), nan=0.0)  # (B,)
        return self.climatology.last_frame(coordinates) + offset[:, None, None]
