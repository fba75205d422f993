"""Windows of consecutive frames, assembled into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.data.splits import Timeline
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError

Indices = NDArray[np.int64]
Positions = Sequence[int] | Indices


def window_ends(store: Timeline, frames: Indices, length: int, spacing: int = 1) -> Indices:
    """Last frames of all windows of `length` frames, every `spacing`-th, inside `frames`.

    A window never crosses a gap in time nor leaves `frames`, so blocks of a split stay apart.

    Raises
    ------
    DataError
        There is no such window.
    """
    inside = np.zeros(len(store), dtype=bool)
    inside[frames] = True
    regular = np.diff(store.seconds) < 1.5 * store.time_step
    linked = inside[1:] & inside[:-1] & regular
    run = np.zeros(len(store), dtype=np.int64)  # consecutive frames up to and including this one
    for index in range(len(store)):
        run[index] = inside[index] * (1 + (run[index - 1] if index and linked[index - 1] else 0))
    span = (length - 1) * spacing + 1
    ends = np.flatnonzero(run >= span)
    if len(ends) == 0:
        raise DataError(
            f"{store.source}: no {span} consecutive time steps among the {len(frames)} of a block; "
            "give a longer record without gaps, or a shorter window (--frames, --sample-every)"
        )
    return ends


@dataclass(frozen=True)
class Windows:
    """All windows of one block, as batches.

    Attributes
    ----------
    ends
        Last frame of each window.
    stations
        Indices of the stations that report to the method.
    length
        Frames T in each window.
    with_target
        Whether batches carry the gridded `CO2` of the last frame.
    spacing
        Steps of the store from one frame of a window to the next.
    """

    store: TrainingStore
    ends: Indices
    stations: Indices
    length: int
    with_target: bool = True
    spacing: int = 1

    def __len__(self) -> int:
        return len(self.ends)

    def batches(self, size: int, order: Positions | None = None) -> Iterator[Batch]:
        """Yield batches of up to `size` windows, in `order` (positions in `ends`)."""
        positions = np.arange(len(self)) if order is None else np.asarray(order)
        groups = (positions[first : first + size] for first in range(0, len(positions), size))
        return self.stream(groups)

    def stream(self, groups: Iterable[Positions]) -> Iterator[Batch]:
        """Yield the batch of each group of positions in `ends`."""
        return map(self.batch, groups)

    def frames(self, positions: Positions) -> Indices:
        """Frames (B, T) of the windows at these positions of `ends`."""
        back = self.spacing * np.arange(1 - self.length, 1)
        return self.ends[np.asarray(positions)][:, None] + back

    def batch(self, positions: Positions) -> Batch:
        """Assemble the windows at these positions of `ends`."""
        frames = self.frames(positions)  # (B, T)
        fields = {name: self._auxiliary(name, frames) for name in self.store.auxiliaries}
        if self.with_target:
            fields[CO2] = torch.from_numpy(self.store.field(CO2, frames[:, -1]))[:, None]
        return Batch(fields, self._observations(frames), self._coordinates(frames))

    def _auxiliary(self, name: str, frames: Indices) -> Tensor:
        values = self.store.field(name, frames.ravel())
        if VARIABLES[name].static:
            return torch.from_numpy(values).expand(len(frames), 1, *values.shape)
        return torch.from_numpy(values).reshape(*frames.shape, *self.store.shape)

    def _observations(self, frames: Indices) -> Observations:
        values = self.store.observations(frames.ravel(), self.stations)
        chosen = [self.store.stations[index] for index in self.stations]
        return Observations(
            value=torch.from_numpy(values).reshape(*frames.shape, len(chosen)),
            latitude=torch.tensor([station.latitude for station in chosen]),
            longitude=torch.tensor([station.longitude for station in chosen]),
        )

    def _coordinates(self, frames: Indices) -> Coordinates:
        store = self.store
        elapsed = store.seconds[frames] - store.seconds[frames[:, :1]]
        return Coordinates(
            latitude=torch.from_numpy(store.latitude),
            longitude=torch.from_numpy(store.longitude),
            elapsed=torch.from_numpy(elapsed),
            day_phase=torch.from_numpy(store.day_phase[frames]),
            year_phase=torch.from_numpy(store.year_phase[frames]),
        )


def shuffled(count: int, seed: int, epoch: int) -> Indices:
    """Order of `count` windows in one epoch; the same for the same seed and epoch."""
    return np.random.default_rng([seed, 7, epoch]).permutation(count)
