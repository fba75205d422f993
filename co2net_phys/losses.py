"""What training minimises; every loss is a dimensionless scalar.

Errors are divided by the spread of the training data (CO2 in µmol mol-1, wind in m/s), so that the
weights between the losses do not depend on units.
"""

from __future__ import annotations

import math
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
    return _mean(error.square(), valid, weights)


def gaussian_loss(
    prediction: Tensor,
    standard_error: Tensor,
    target: Tensor,
    scale: float,
    weights: Tensor | None = None,
    beta: float = 0.5,
) -> Tensor:
    """Return the weighted mean negative log likelihood of target/scale, NaN targets left out.

    Each cell's target is normal about `prediction` with spread s = `standard_error`. Its negative
    log likelihood, ½ ln 2π + ln(s/scale) + ½ ((prediction − target)/s)², is weighted by
    (s/scale)^2β, which passes no gradient (Seitzer et al. 2022, arXiv 2203.09168). Without that
    weight (`beta` 0) cells whose error is believed large hardly teach the mean; with `beta` 1 the
    mean learns as from `supervised_loss`.

    Parameters
    ----------
    prediction, standard_error, target
        (..., H, W) in the unit of `scale`; standard errors are positive.
    scale
        Spread of the training data.
    weights
        Broadcast to the fields, for instance cell areas (H, 1).
    beta
        Exponent of the weight, 0 to 1.
    """
    valid = ~target.isnan()
    error = torch.where(valid, prediction - target.nan_to_num(), 0.0) / scale
    spread = standard_error / scale
    likelihood = 0.5 * (error / spread).square() + spread.log() + 0.5 * math.log(2 * math.pi)
    weighted = likelihood * spread.detach().pow(2 * beta)
    return _mean(weighted, valid, weights)


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
    seen = _at_stations(prediction, observations, coordinates, sampling)  # (B, S)
    return supervised_loss(seen, observations.value[:, -1], scale)


def gaussian_station_loss(
    prediction: Tensor,
    standard_error: Tensor,
    observations: Observations,
    coordinates: Coordinates,
    scale: float,
    sampling: Sampling = "bilinear",
    beta: float = 0.5,
) -> Tensor:
    """Return `gaussian_loss` at stations at the last frame; arguments as of `station_loss`.

    The observations' own noise counts as error, so that the standard error includes it.
    """
    seen, spread = (
        _at_stations(field, observations, coordinates, sampling)  # (B, S)
        for field in (prediction, standard_error)
    )
    return gaussian_loss(seen, spread, observations.value[:, -1], scale, beta=beta)


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


def _mean(values: Tensor, valid: Tensor, weights: Tensor | None) -> Tensor:
    """Weighted mean of the valid values, zero without any."""
    share = valid.to(values.dtype) if weights is None else valid * weights.to(values.dtype)
    return (share * values).sum() / share.sum().clamp_min(torch.finfo(values.dtype).tiny)


def _at_stations(
    field: Tensor, observations: Observations, coordinates: Coordinates, sampling: Sampling
) -> Tensor:
    """Values (B, S) of a field (B, 1, H, W) at the stations."""
    sites = (observations.latitude, observations.longitude)
    return sample(field[:, -1], *sites, coordinates, sampling)
