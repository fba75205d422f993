"""The same value everywhere: the mean over the stations that report."""

from __future__ import annotations

import torch
from torch import Tensor

from co2net_phys.baselines.base import latest_report
from co2net_phys.baselines.training_mean import FallsBackToMean
from co2net_phys.batch import Coordinates, Observations


class StationMean(FallsBackToMean):
    """Mean of the stations at the last frame with a report; without any, the training mean."""

    name = "station-mean"

    def predict(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """The mean, (B, H, W) µmol mol-1."""
        mean = latest_report(observations.value).double().nanmean(dim=-1)  # (B,)
        mean = torch.where(torch.isfinite(mean), mean, self.training_mean.to(mean))
        return mean[:, None, None].expand(-1, *coordinates.shape)
