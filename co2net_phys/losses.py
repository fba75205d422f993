"""What training minimises; every loss is a dimensionless scalar.

Errors are divided by the spread of the training data (CO2 in µmol mol-1, wind in m/s), so that the
weights between the losses do not depend on units.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.nn.rasterise import Sampling, sample

TAUGHT = "_taught"
"""End of the name of a wind that is a target and never an input."""

Statistics = Mapping[str, tuple[float, float]]
"""Mean and standard deviation of each variable in its own unit."""


def supervised_loss(
    prediction: Tensor, target: Tensor, scale: float, weights: Tensor | None = None
) -> Tensor:
    """Return the weighted mean square of (prediction − target)/scale; NaN targets are left out.

    `prediction` and `target` (..., H, W) and `scale` share a unit (CO2: µmol mol-1); `weights`
    broadcast to them, for instance cell areas (H, 1). The paper's loss has no weights. Without any
    valid target the loss is zero.
    """
    valid = ~target.isnan()
    error = torch.where(valid, prediction - target.nan_to_num(), 0.0) / scale
    share = valid.to(error.dtype) if weights is None else valid * weights.to(error.dtype)
    return (share * error.square()).sum() / share.sum().clamp_min(torch.finfo(error.dtype).tiny)


def station_loss(
    prediction: Tensor,
    observations: Observations,
    coordinates: Coordinates,
    scale: float,
    sampling: Sampling = "bilinear",
) -> Tensor:
    """Return the mean square of (prediction − observation)/scale at stations at the last frame.

    `prediction` (B, 1, H, W) and `scale` in µmol mol-1. Only the stations in `observations` count,
    so give it those set aside for the target; stations that do not report (NaN) are left out.
    """
    sites = (observations.latitude, observations.longitude)
    seen = sample(prediction[:, -1], *sites, coordinates, sampling)  # (B, S)
    return supervised_loss(seen, observations.value[:, -1], scale)


def wind_loss(output: Batch, batch: Batch, statistics: Statistics) -> Tensor:
    """Return the mean square error of the probe's wind, each component over its own spread.

    `output` and `batch` hold "uas" and "vas" (B, T, H, W) in m/s. A batch made by
    `with_taught_wind` has a target other than its own wind.
    """
    parts = [
        supervised_loss(
            output.fields[name],
            batch.fields.get(name + TAUGHT, batch.fields[name]),
            statistics[name][1],
        )
        for name in ("uas", "vas")
    ]
    return torch.stack(parts).mean()


def with_taught_wind(batch: Batch, other: Batch) -> Batch:
    """Return `batch` with the wind of `other` as target of `wind_loss`; its own wind stays."""
    return batch.with_fields(**{name + TAUGHT: other.fields[name] for name in ("uas", "vas")})
