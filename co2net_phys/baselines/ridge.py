"""Ridge regression from the stations at three times of the window to the whole field."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.baselines.base import (
    WINDOW,
    Baseline,
    chunks,
    require_same_stations,
    require_training_data,
    station_positions,
)
from co2net_phys.baselines.climatology import Climatology, phases, target_fields
from co2net_phys.baselines.held_back import early_and_late
from co2net_phys.baselines.moments import Moments, choose_penalty
from co2net_phys.batch import Coordinates, Observations
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError


class Ridge(Baseline):
    """Linear map, fitted with a quadratic penalty, from station residuals to field residuals.

    Residuals are differences from the climatology. The predictors are those of all stations at
    the last, the middle and the first frame of the window (0, T//2 and T−1 frames back), zero
    where missing. The map belongs to its network of stations, in their order.
    """

    name = "ridge"
    weights: Tensor
    """(L·S, H, W) dimensionless, stations running fastest."""
    station_latitude: Tensor
    """(S,) degrees north."""
    station_longitude: Tensor
    """(S,) degrees east."""

    def __init__(
        self,
        *,
        height: int,
        width: int,
        slots: int,
        harmonics: int,
        stations: int,
        lags: list[int],
    ):
        sizes = {"height": height, "width": width, "slots": slots, "harmonics": harmonics}
        super().__init__(**sizes, stations=stations, lags=list(lags))
        self.lags = tuple(lags)
        self.climatology = Climatology(**sizes)
        self.register_buffer("weights", torch.zeros(len(lags) * stations, height, width))
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
        """Closed form from moments gathered in chunks; see `Baseline.fit`.

        The penalty is chosen on the last fifth of the training frames after a gap, then all
        frames are used. A frame counts if its lagged frames are training frames as well.
        """
        require_training_data(store, frames, stations)
        climatology = Climatology.fit(store, frames)
        lags = sorted({0, window // 2, window - 1})
        module = cls(**climatology.sizes, stations=len(stations), lags=lags)
        module.climatology.load_state_dict(climatology.state_dict())
        latitude, longitude = station_positions(store, stations)
        module.station_latitude.copy_(torch.from_numpy(latitude))
        module.station_longitude.copy_(torch.from_numpy(longitude))
        module.weights.copy_(module._solve(store, frames, stations).view_as(module.weights))
        return module

    def predict(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """Climatology plus the regression, (B, H, W) µmol mol-1."""
        self._check(observations)
        residual = observations.value - self.climatology.at_stations(observations, coordinates)
        newest = residual.shape[1] - 1
        lagged = residual[:, [newest - lag for lag in self.lags]]  # (B, L, S)
        predictors = torch.nan_to_num(lagged.double(), nan=0.0).flatten(1)  # (B, L·S)
        correction = torch.einsum("bf,fhw->bhw", predictors, self.weights.double())
        return self.climatology.last_frame(coordinates) + correction

    def _check(self, observations: Observations) -> None:
        """Raise `DataError` unless stations and window are those of the fit."""
        if observations.value.shape[1] <= max(self.lags):
            raise DataError(
                f"ridge looks {max(self.lags)} frames back but the windows have "
                f"{observations.value.shape[1]} frames; fit it with this window"
            )
        require_same_stations(
            self.name, self.station_latitude, self.station_longitude, observations
        )

    def _solve(
        self, store: TrainingStore, frames: NDArray[np.int64], stations: NDArray[np.int64]
    ) -> Tensor:
        """Weights (F, H·W) float64."""
        usable = self._usable(store, frames)
        early, late = early_and_late(store, usable)
        between = usable[len(early) : len(usable) - len(late)]
        first, gap, last = (self._moments(store, part, stations) for part in (early, between, late))
        area = torch.from_numpy(np.cos(np.deg2rad(store.latitude)))
        area = area.repeat_interleave(store.shape[1])
        penalty = choose_penalty(first, last, area)
        everything = first + gap + last
        return everything.solve(penalty)

    def _usable(self, store: TrainingStore, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Frames whose lagged frames are training frames at the right distance in time."""
        usable = np.sort(frames)
        for lag in self.lags:
            earlier = usable - lag
            apart = store.seconds[usable] - store.seconds[np.maximum(earlier, 0)]
            regular = np.abs(apart - lag * store.time_step) < 0.5 * store.time_step
            usable = usable[np.isin(earlier, frames) & regular]
        if len(usable) < 3:
            raise DataError(
                f"{store.source}: {len(usable)} training windows of {max(self.lags) + 1} frames "
                "where ridge needs at least 3; train on a longer period"
            )
        return usable

    def _moments(
        self, store: TrainingStore, frames: NDArray[np.int64], stations: NDArray[np.int64]
    ) -> Moments:
        """Sums of products of predictors and of predictors with targets over `frames`."""
        count, cells = len(self.weights), int(np.prod(store.shape))
        moments = Moments(
            0,
            torch.zeros(count, count, dtype=torch.float64),
            torch.zeros(count, cells, dtype=torch.float64),
        )
        for chunk in chunks(frames):
            target = target_fields(store, chunk)
            target = target - self.climatology(*phases(store, chunk)).flatten(1)
            complete = torch.isfinite(target).all(dim=1)
            predictors = self._predictors(store, chunk, stations)[complete]
            moments.count += len(predictors)
            moments.gram += predictors.T @ predictors
            moments.cross += predictors.T @ target[complete]
        return moments

    def _predictors(
        self, store: TrainingStore, frames: NDArray[np.int64], stations: NDArray[np.int64]
    ) -> Tensor:
        """Station residuals (n, L·S) at the lags of each frame, zero where missing."""
        columns = []
        for lag in self.lags:
            seen = torch.from_numpy(store.observations(frames - lag, stations)).double()
            day, year = phases(store, frames - lag)
            expected = self.climatology.at_positions(
                day, year, self.station_latitude, self.station_longitude
            )
            columns.append(torch.nan_to_num(seen - expected, nan=0.0))
        return torch.cat(columns, dim=1)
