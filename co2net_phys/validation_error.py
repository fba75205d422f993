"""The error that picks the best checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys import metrics
from co2net_phys.batch import Batch
from co2net_phys.config import TrainingConfig
from co2net_phys.data.schema import CO2
from co2net_phys.data.windows import Windows
from co2net_phys.devices import autocast
from co2net_phys.errors import DataError
from co2net_phys.nn.rasterise import sample
from co2net_phys.targets import target_field

VALIDATION_WINDOWS = 48
"""At most this many, evenly spread over the validation block."""

TURNS = 4
"""Parts of the stations, each hidden once from a window without a gridded truth."""

Floats = NDArray[np.float64]
Predict = Callable[[Batch], Tensor]
"""From a batch to the target's field (B, 1, H, W)."""


@torch.no_grad()
def validation_rmse(
    model: torch.nn.Module, windows: Windows, device: torch.device, config: TrainingConfig
) -> float:
    """RMSE of the target, in its unit, on evenly spread windows.

    It is weighted by area; where CO2 has no gridded truth, it is that of the observations at
    stations hidden from the input, see `_station_errors`. The mode of `model` is what it was
    before.

    Raises
    ------
    DataError
        There is no truth in the validation block.
    """
    count = min(len(windows), VALIDATION_WINDOWS)
    positions = np.linspace(0, len(windows) - 1, count).round().astype(np.int64)
    batches = (batch.to(device) for batch in windows.batches(config.batch_size, positions))
    was_training, target = model.training, config.target_variable

    def predict(batch: Batch) -> Tensor:
        with autocast(device, config.precision):
            field: Tensor = model(batch).fields[target]
        return field.float()

    model.eval()
    at_stations = target == CO2 and not windows.with_target
    if at_stations:
        what = "what the training stations report"
        errors = _station_errors(predict, batches, config.seed)
    else:
        what = repr(target)
        weights = metrics.latitude_weights(windows.store.latitude)
        errors = np.array(list(_field_errors(predict, batches, target, weights)))
    model.train(was_training)
    if not errors.size:
        raise DataError(f"{windows.store.source}: {what} is missing in the validation block")
    return float(metrics.root_mean_square(errors) if at_stations else errors.mean())


def _field_errors(
    predict: Predict, batches: Iterable[Batch], target: str, weights: Floats
) -> Iterator[float]:
    """RMSE of each window with a known truth, weighted by area."""
    for batch in batches:
        predicted = predict(batch)[:, 0].cpu().numpy()
        truth = target_field(batch, target)[:, 0].cpu().numpy()
        for one, other in zip(predicted, truth, strict=True):
            error = metrics.rmse(one[None], other[None], weights)
            if not np.isnan(error):
                yield error


def _station_errors(predict: Predict, batches: Iterable[Batch], seed: int) -> Floats:
    """Errors (n,) of all observations at the last frames, each made with its station hidden.

    `seed` deals the stations out to `TURNS` parts; each part in turn is hidden in all frames, and
    the field is read there bilinearly.
    """
    found = []
    for batch in batches:
        seen = batch.observations
        order = np.random.default_rng([seed, 13]).permutation(seen.value.shape[-1])
        turn = torch.from_numpy(order % TURNS).to(seen.value.device)
        for hidden in (turn == number for number in range(TURNS)):
            value = seen.value.masked_fill(hidden, torch.nan)
            field = predict(replace(batch, observations=replace(seen, value=value)))
            place = (seen.latitude[hidden], seen.longitude[hidden], batch.coordinates)
            error = sample(field[:, 0], *place) - seen.value[:, -1, hidden]
            found.append(error[error.isfinite()].cpu().double().numpy())
    return np.concatenate(found)
