"""What stations see of a modal field, and how far an observation may be from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.data.stations import Station
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.solvers.legendre import legendre_tables, sum_over_degree

FEWEST = 8
"""Observations that a spread needs to mean anything; with fewer the median station's is taken."""


class StationOperator:
    """Point values of modal fields at stations: linear, with its exact adjoint by autograd.

    Parameters
    ----------
    stations
        S sites.
    truncation
        T of the fields.
    """

    def __init__(self, stations: tuple[Station, ...], truncation: int) -> None:
        latitude = np.array([station.latitude for station in stations])
        longitude = torch.tensor([station.longitude for station in stations], dtype=torch.float64)
        order = torch.arange(truncation + 1, dtype=torch.float64)
        self._table = legendre_tables(latitude, truncation).values  # (m, l, S)
        # Orders m > 0 count twice, once for −m.
        weight = torch.where(order == 0, 1.0, 2.0).to(torch.complex128)
        self._waves = weight * torch.exp(1j * torch.deg2rad(longitude)[:, None] * order)  # (S, m)

    def __call__(self, modal: Tensor) -> Tensor:
        """Values (..., S) of `modal` (..., l, m), in its unit."""
        values: Tensor = (sum_over_degree(modal, self._table) * self._waves).real.sum(-1)
        return values


@dataclass(frozen=True)
class Observations:
    """What S stations report in F frames."""

    values: Tensor
    """(F, S) µmol mol-1, NaN where there is no report."""
    errors: Tensor
    """(S,) standard deviation of an observation about the model, µmol mol-1."""
    repeats: float = 1.0
    """How many reports share one error; each then weighs as much less."""

    @property
    def count(self) -> int:
        """Number of reports."""
        return int(torch.isfinite(self.values).sum())

    @property
    def weighing_errors(self) -> Tensor:
        """(S,) what to divide differences by, so that `repeats` reports weigh as one."""
        return self.errors * self.repeats**0.5

    def misfit(self, modelled: Tensor) -> Tensor:
        """(modelled − observed)/σ of one frame or all, zero where there is no report."""
        given = torch.isfinite(self.values)
        return torch.where(given, (modelled - self.values.nan_to_num()) / self.weighing_errors, 0.0)


def observation_errors(
    store: TrainingStore,
    frames: NDArray[np.int64],
    stations: NDArray[np.int64],
    floor: float,
    share: float,
) -> Tensor:
    """Standard deviations (S,) in µmol mol-1: √(floor² + (share · spread)²).

    The spread is that of a station's own reports about their mean over a day: what a coarse model
    cannot follow is large where the air changes quickly.

    Raises
    ------
    DataError
        No station reports in `frames`.
    """
    values = store.observations(frames, stations).astype(np.float64)
    spread = np.full(len(stations), np.nan)
    for place, series in enumerate(values.T):
        given = series[np.isfinite(series)]
        if len(given) >= FEWEST:
            spread[place] = np.std(given - _running_mean(given, _frames_a_day(store)))
    if not np.isfinite(spread).any():
        raise DataError(
            f"{store.source}: 'co2s_station': no training station has {FEWEST} reports; "
            "give a longer record"
        )
    spread = np.where(np.isfinite(spread), spread, np.nanmedian(spread))
    return torch.from_numpy(np.hypot(floor, share * spread))


def _frames_a_day(store: TrainingStore) -> int:
    return max(1, round(86400 / store.time_step))


def _running_mean(series: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    ones = np.ones(min(length, len(series)))
    return np.convolve(series, ones, "same") / np.convolve(np.ones_like(series), ones, "same")
