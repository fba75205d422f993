"""Every cell takes the value of the nearest station that reports."""

from __future__ import annotations

import torch
from torch import Tensor

from co2net_phys.baselines.base import latest_report
from co2net_phys.baselines.sphere import great_circle_degrees, grid_points
from co2net_phys.baselines.training_mean import FallsBackToMean
from co2net_phys.batch import Coordinates, Observations


class NearestStation(FallsBackToMean):
    """The nearest station by great circle; without any report, the training mean."""

    name = "nearest-station"

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
