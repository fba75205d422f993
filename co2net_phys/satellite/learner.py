"""How the fusion network learns: its loss, its batches, its validation error.

Zhang et al. name the root mean square as the loss in the text (equation 13) and L1 in table 5; the
table is followed, as it lists what was run.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from co2net_phys.devices import autocast
from co2net_phys.satellite.network import NetworkPredictor, ResNetLSTM
from co2net_phys.satellite.points import TARGET, Integers, Samples
from co2net_phys.task import TOTAL, Learner


class SampleBatch(NamedTuple):
    """Samples of one step."""

    features: Tensor
    """(B, F) in the units of the covariates."""
    xco2: Tensor
    """(B,) µmol mol-1, float64 so that scaling it loses nothing."""

    @classmethod
    def of(cls, samples: Samples, positions: Integers) -> Self:
        """Return the samples at positions."""
        features = torch.from_numpy(samples.features[positions])
        return cls(features, torch.from_numpy(samples.xco2[positions]))

    def to(self, device: torch.device) -> Self:
        """Return the same samples on a device."""
        return self._replace(features=self.features.to(device), xco2=self.xco2.to(device))


class AbsoluteError(nn.Module):
    """L1 loss of XCO2 in units of its standard deviation."""

    def forward(self, found: Tensor, true: Tensor) -> Tensor:
        """Mean of |found − true| over (B,), both without dimension."""
        return (found - true).abs().mean()


class FusionLearner(Learner):
    """The network with its loss, called with one batch."""

    model: ResNetLSTM

    def __init__(self, model: ResNetLSTM, precision: str = "fp32") -> None:
        super().__init__(model, AbsoluteError())
        self.precision = precision

    def forward(self, batch: SampleBatch) -> dict[str, Tensor]:
        """Return the loss of a batch, without dimension, by its name."""
        mean, spread = self.model.config.statistics[TARGET]
        true = ((batch.xco2 - mean) / spread).to(batch.features.dtype)
        with autocast(batch.features.device, self.precision):
            found = self.model.standardised(batch.features)
        loss = self.objective(found.float(), true)
        return {"absolute_error": loss, TOTAL: loss}


def validation_error(model: ResNetLSTM, samples: Samples) -> float:
    """RMSE at samples, µmol mol-1; the mode of the model is what it was before."""
    errors = NetworkPredictor(model).predict(samples) - samples.xco2
    return float(np.sqrt(np.mean(errors**2)))
