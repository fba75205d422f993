"""What one optimiser step of a flux model sees, as plain tensors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class TowerSample(NamedTuple):
    """Some days at towers."""

    drivers: Tensor
    """(n, drivers)."""
    nee: Tensor
    """(n,) g m-2 d-1."""


class RegionalSample(NamedTuple):
    """A year at the pixels of the bridges, and what inversions say of it."""

    drivers: Tensor
    """(D, N, drivers) of every day."""
    months: Tensor
    """(D,) month of the year of each day, 0…11."""
    inversions: Tensor
    """(A, 12, R) Pg."""
    land_area: Tensor
    """(R,) m2."""


class StationSample(NamedTuple):
    """Months at all land pixels, and the mole fractions that they lead to at stations."""

    drivers: Tensor
    """(D, N, drivers) of some days of every month."""
    months: Tensor
    """(D,) position of each day's month among I + L − 1 consecutive ones."""
    response: Tensor
    """(I, S, L, N) µmol mol-1 per g m-2 d-1 of the last I months and l months before them."""
    baseline: Tensor
    """(I, S) µmol mol-1 without NEE."""
    observed: Tensor
    """(I, S) µmol mol-1, NaN where there is no report."""
    error: Tensor
    """(I, S) µmol mol-1 of observation and representation."""


class FluxSample(NamedTuple):
    """All that a step is compared with; None for a constraint that a model does not have."""

    towers: TowerSample
    regions: RegionalSample | None = None
    stations: StationSample | None = None

    def to(self, device: torch.device) -> FluxSample:
        """The same on `device`."""
        towers = TowerSample(*(tensor.to(device) for tensor in self.towers))
        regions = self.regions and RegionalSample(*(tensor.to(device) for tensor in self.regions))
        stations = self.stations and StationSample(*(tensor.to(device) for tensor in self.stations))
        return FluxSample(towers, regions, stations)


def monthly_means(daily: Tensor, months: Tensor) -> Tensor:
    """Means (M, N) of daily values (D, N) whose `months` (D,) are numbered from 0."""
    count = int(months.max()) + 1
    totals = daily.new_zeros(count, daily.shape[1]).index_add(0, months, daily)
    return totals / torch.bincount(months, minlength=count)[:, None]


def station_values(sample: StationSample, nee: Tensor) -> Tensor:
    """Mole fractions (I, S) in µmol mol-1 of daily NEE (D, N) in g m-2 d-1."""
    monthly = monthly_means(nee, sample.months)
    observations, _, lags, _ = sample.response.shape
    month = torch.arange(observations, device=nee.device)[:, None]
    earlier = torch.arange(lags, device=nee.device)
    before = monthly[month + lags - 1 - earlier]  # (I, L, N)
    return sample.baseline + torch.einsum("isln,iln->is", sample.response, before)
