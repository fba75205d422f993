"""The error that picks the best checkpoint."""

from __future__ import annotations

import numpy as np
import torch

from co2net_phys import metrics
from co2net_phys.config import TrainingConfig
from co2net_phys.data.windows import Windows
from co2net_phys.devices import autocast
from co2net_phys.errors import DataError
from co2net_phys.targets import target_field

VALIDATION_WINDOWS = 48
"""At most this many, evenly spread over the validation block."""


@torch.no_grad()
def validation_rmse(
    model: torch.nn.Module, windows: Windows, device: torch.device, config: TrainingConfig
) -> float:
    """Area-weighted RMSE of the target, in its unit, on evenly spread windows.

    The mode of `model` is what it was before.
    """
    count = min(len(windows), VALIDATION_WINDOWS)
    positions = np.linspace(0, len(windows) - 1, count).round().astype(np.int64)
    weights = metrics.latitude_weights(windows.store.latitude)
    was_training, target = model.training, config.target_variable
    model.eval()
    errors = []
    for batch in windows.batches(config.batch_size, positions):
        with autocast(device, config.precision):
            output = model(batch.to(device))
        predicted = output.fields[target][:, 0].float().cpu().numpy()
        truth = target_field(batch, target)[:, 0].cpu().numpy()
        errors += [
            metrics.rmse(one[None], other[None], weights)
            for one, other in zip(predicted, truth, strict=True)
        ]
    model.train(was_training)
    known = [error for error in errors if not np.isnan(error)]  # windows with a known truth
    if not known:
        raise DataError(f"{windows.store.source}: {target!r} is missing in the validation block")
    return float(np.mean(known))
