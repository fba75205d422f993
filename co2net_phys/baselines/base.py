"""What every simple rival is: values fitted once, then a map from `Batch` to `Batch`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError

JSON: TypeAlias = "bool | int | float | str | list[int]"
"""Values of a configuration: what JSON writes and reads back unchanged."""

WINDOW = 8
"""Frames in a window unless told otherwise: 24 h at 3 h (CO2-Net paper, CarbonTracker)."""

CHUNK_FRAMES = 256
"""Frames read at a time while fitting: 22 MB of float64 on the 90×120 grid."""


class Baseline(nn.Module, ABC):
    """A rival without gradient descent; its fitted values are the buffers of a module.

    So it can travel inside a network's checkpoint as the background: `configuration` goes into
    the JSON, `state_dict` into the safetensors file, and `from_configuration` followed by
    `load_state_dict` brings it back.
    """

    name: ClassVar[str]
    learns_fields: ClassVar[bool] = True
    """Whether it is fitted to gridded CO2; if not, to observations at stations alone."""

    def __init__(self, **arguments: JSON):
        super().__init__()
        self._arguments = arguments

    @classmethod
    @abstractmethod
    def fit(
        cls,
        store: TrainingStore,
        frames: NDArray[np.int64],
        stations: NDArray[np.int64],
        *,
        window: int = WINDOW,
    ) -> Self:
        """Fit to the training frames of a store.

        Parameters
        ----------
        store
            Where fields and observations come from.
        frames
            (n,) indices of the training frames; no other frame is read.
        stations
            (S,) indices of the stations that may be used; no other station is read.
        window
            Frames in the windows of the batches to come.

        Raises
        ------
        DataError
            in one line, if there are too few frames, stations or observations.
        """

    @abstractmethod
    def predict(self, observations: Observations, coordinates: Coordinates) -> Tensor:
        """CO2 (B, H, W) in µmol mol-1, float64, at the last frame, from observations and times."""

    def forward(self, batch: Batch) -> Batch:
        """Return the batch with one field: CO2 (B, 1, H, W), µmol mol-1, at the last frame.

        No field of `batch` is read, so that its target cannot leak. Methods compute in float64,
        which mixed precision leaves alone: near 400 ppm bfloat16 has steps of 2 ppm.
        """
        field = self.predict(batch.observations, batch.coordinates)
        return Batch({CO2: field.float()[:, None]}, batch.observations, batch.coordinates)

    def configuration(self) -> dict[str, JSON]:
        """The name of the method and the sizes its buffers need, for a JSON file."""
        return {"name": self.name, **self._arguments}

    @classmethod
    def from_configuration(cls, configuration: dict[str, JSON]) -> Self:
        """A module with buffers of the right shapes, ready for `load_state_dict`."""
        return cls(**{key: value for key, value in configuration.items() if key != "name"})


def latest_report(values: Tensor) -> Tensor:
    """The values (B, S) of the last frame with a report, from (B, T, S) with NaN where missing.

    Windows in which no station reports at all give NaN everywhere.
    """
    reports = torch.isfinite(values).any(dim=-1)  # (B, T)
    order = torch.arange(1, values.shape[1] + 1, device=values.device)
    last = (reports * order).argmax(dim=1)
    return values[torch.arange(len(values), device=values.device), last]


def chunks(frames: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """`frames` in pieces of at most `CHUNK_FRAMES`, so that memory stays bounded."""
    for start in range(0, len(frames), CHUNK_FRAMES):
        yield frames[start : start + CHUNK_FRAMES]


def require_training_data(
    store: TrainingStore,
    frames: NDArray[np.int64],
    stations: NDArray[np.int64],
    minimum_stations: int = 3,
) -> None:
    """Raise `DataError` unless there are frames and at least `minimum_stations` stations."""
    if len(frames) == 0:
        raise DataError(f"{store.source}: no training frames; check the dates of the split")
    if len(stations) < minimum_stations:
        raise DataError(
            f"{store.source}: {len(stations)} training stations where at least "
            f"{minimum_stations} are needed"
        )


def require_same_stations(
    name: str, latitude: Tensor, longitude: Tensor, observations: Observations
) -> None:
    """Raise `DataError` unless the observations are of the stations (S,), (S,) of the fit."""
    mine = torch.stack([latitude, longitude])
    theirs = torch.stack([observations.latitude, observations.longitude]).to(mine)
    if mine.shape != theirs.shape or not torch.allclose(mine, theirs, atol=1e-3):
        raise DataError(
            f"{name} was fitted to {mine.shape[1]} stations and the batch has "
            f"{theirs.shape[1]} or others; give it the stations of the fit in their order"
        )


def station_positions(
    store: TrainingStore, stations: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes and longitudes (S,), (S,) in degrees of the stations with these indices."""
    chosen = [store.stations[index] for index in stations]
    latitude = np.array([station.latitude for station in chosen], dtype=np.float64)
    longitude = np.array([station.longitude for station in chosen], dtype=np.float64)
    return latitude, longitude
