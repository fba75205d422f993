"""Climatology plus a best linear unbiased correction from fixed covariances of one network."""

from __future__ import annotations

from abc import abstractmethod
from itertools import product
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.baselines.base import (
    WINDOW,
    Baseline,
    latest_report,
    require_same_stations,
    require_training_data,
    station_positions,
)
from co2net_phys.baselines.climatology import Climatology
from co2net_phys.baselines.held_back import early_and_late
from co2net_phys.baselines.residuals import Residuals, thinned
from co2net_phys.baselines.unbiased import bordered, dual_values
from co2net_phys.batch import Coordinates, Observations
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.metrics import latitude_weights

JUDGED_FRAMES = 100
"""Held-back frames at most that candidates are judged on."""


class Tuning(NamedTuple):
    """What is chosen on held-back frames."""

    extent: float
    """Of the covariance: a radius in degrees or a number of patterns."""
    error_factor: float
    """Multiple of the estimated error variances."""
    centred: bool
    """Whether the covariance is that of deviations from the global mean of each frame.

    The offset m takes care of the mean. To leave it in tells less where it is growth over years,
    more where regions follow it, as in a single season.
    """


class Covariances(NamedTuple):
    """Second moments of residuals, (µmol mol-1)²."""

    reports: Tensor
    """(S, S) H B Hᵀ + R, between the reports of stations, their errors included."""
    field: Tensor
    """(S, C) H B, between stations and cells."""


class Prior(Protocol):
    """Covariances that training residuals suggest."""

    def covariances(self, tuning: Tuning) -> Covariances:
        """The covariances with these parameters."""


class Analysis(Baseline):
    """x = c + m + B Hᵀ (H B Hᵀ + R)⁻¹ (y − H c − m): the climatology c corrected by reports y.

    The uniform offset m is that of generalised least squares, so that growth since training is
    followed everywhere. Stations that do not report drop out of the system, without a new fit;
    without any report the climatology stays. The covariances belong to the network of the fit, in
    its order. Their parameters are those with the smallest error on the last fifth of the
    training frames when estimated on the frames before a gap; then all frames are used.
    """

    extents: ClassVar[tuple[float, ...]]
    """Extents of the covariance tried."""
    error_factors: ClassVar[tuple[float, ...]]
    """Multiples of the estimated error variances tried."""
    report_covariance: Tensor
    """(S, S) of the stations, errors included, (µmol mol-1)²."""
    field_covariance: Tensor
    """(S, H, W) of stations and cells, (µmol mol-1)²."""
    tuning: Tensor
    """(3,) the parameters chosen, in the order of `Tuning`."""
    station_latitude: Tensor
    """(S,) degrees north."""
    station_longitude: Tensor
    """(S,) degrees east."""

    def __init__(self, *, height: int, width: int, slots: int, harmonics: int, stations: int):
        sizes = {"height": height, "width": width, "slots": slots, "harmonics": harmonics}
        super().__init__(**sizes, stations=stations)
        self.climatology = Climatology(**sizes)
        self.register_buffer("report_covariance", torch.eye(stations, dtype=torch.float64))
        self.register_buffer("field_covariance", torch.zeros(stations, height, width))
        self.register_buffer("tuning", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("station_latitude", torch.zeros(stations, dtype=torch.float64))
        self.register_buffer("station_longitude", torch.zeros(stations, dtype=torch.float64))

    @classmethod
    def fit(
        cls,
        store: TrainingStore,
        frames: NDArray[np.int64],
        stations: NDArray[np.int64],
        *,
        window: int = WINDOW,
    ) -> Self:
        """Estimate covariances from a thinned record of residuals; see `Baseline.fit`."""
        require_training_data(store, frames, stations)
        climatology = Climatology.fit(store, frames)
        module = cls(**climatology.sizes, stations=len(stations))
        module.climatology.load_state_dict(climatology.state_dict())
        latitude, longitude = station_positions(store, stations)
        module.station_latitude.copy_(torch.from_numpy(latitude))
        module.station_longitude.copy_(torch.from_numpy(longitude))
        residuals = Residuals.of(store, np.sort(frames), stations, climatology)
        tuning = module._choose(store, residuals)
        chosen = module._prior(residuals, tuning.centred, store.source).covariances(tuning)
        module.tuning.copy_(torch.tensor(tuning, dtype=torch.float64))
        module.report_covariance.copy_(chosen.reports)
        module.field_covariance.copy_(chosen.field.view_as(module.field_covariance))
        return module

    @abstractmethod
    def prior(self, residuals: Residuals, area: Tensor, source: str) -> Prior:
        """Covariances to choose from, with the areas (C,) of cells.

        Raises `DataError` naming `source` where no station reports.
        """

    def predict(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """The analysis, (B, H, W) µmol mol-1."""
        require_same_stations(
            self.name, self.station_latitude, self.station_longitude, observations
        )
        residual = observations.value - self.climatology.at_stations(observations, coordinates)
        covariances = Covariances(self.report_covariance, self.field_covariance.flatten(1))
        correction = correct(covariances, latest_report(residual))
        background = self.climatology.last_frame(coordinates)
        return background + correction.view_as(background)

    def _choose(self, store: TrainingStore, residuals: Residuals) -> Tuning:
        """The parameters with the smallest area-weighted square error on held-back frames."""
        early, late = early_and_late(store, residuals.frames)
        if len(early) == 0:
            raise DataError(
                f"{store.source}: {len(residuals)} complete training frames where {self.name} "
                "needs at least 2; train on a longer period"
            )
        judged = residuals.between(late[0], late[-1])
        some = torch.from_numpy(thinned(np.arange(len(judged)), 1, JUDGED_FRAMES))
        field, reports = judged.field[some].double(), judged.reports[some]
        errors = {}
        for centred in (False, True):
            fitted = residuals.between(early[0], early[-1])
            prior = self._prior(fitted, centred, store.source)
            for extent, factor in product(self.extents, self.error_factors):
                tuning = Tuning(extent, factor, centred)
                wrong = correct(prior.covariances(tuning), reports) - field
                errors[tuning] = float(wrong.square().sum(dim=0) @ self._area())
        return min(errors, key=errors.__getitem__)

    def _prior(self, residuals: Residuals, centred: bool, source: str) -> Prior:
        chosen = residuals.centred(self._area()) if centred else residuals
        return self.prior(chosen, self._area(), source)

    def _area(self) -> Tensor:
        """Relative areas (C,) of the cells."""
        weights = latitude_weights(self.climatology.latitude.numpy())
        columns = len(self.climatology.longitude)
        return torch.from_numpy(weights).repeat_interleave(columns)


def correct(covariances: Covariances, residual: Tensor) -> Tensor:
    """Correction (B, C) of the climatology from residuals (B, S) at stations, NaN where missing."""
    dual = dual_values(bordered(covariances.reports), residual.double())
    return dual[:, :-1] @ covariances.field.double() + dual[:, -1:]
