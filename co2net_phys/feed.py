"""The batches of a run, in their order, read while others are worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from co2net_phys import losses
from co2net_phys.batch import Batch
from co2net_phys.config import TrainingConfig
from co2net_phys.data.windows import Windows, shuffled
from co2net_phys.distributed import Team

Positions = NDArray[np.int64]
Part = tuple[float, Positions, Batch]
"""Weight of the mean loss of some windows in that of the whole batch, their positions, and they
themselves."""


class Feed:
    """What one process of a team learns from, step by step.

    Parameters
    ----------
    windows
        All that the run learns from.
    wind_from
        Position of the window whose wind each one is taught; None: its own.
    config
        Says the order, and how many windows a step takes in how many parts.
    team
        Processes that share every batch.
    """

    def __init__(
        self, windows: Windows, wind_from: Positions | None, config: TrainingConfig, team: Team
    ) -> None:
        self.windows, self.wind_from = windows, wind_from
        self.config, self.team = config, team

    def steps(self, epoch: int, done: int) -> Generator[list[Part], None, None]:
        """Parts of this process at every step of an epoch but the first `done`.

        All processes have the same number of parts, as they meet at each one (FSDP).
        """
        shares = list(self._shares(epoch, done))
        batches = self._batches([positions for parts in shares for positions, _ in parts])
        for parts in shares:
            yield [(weight, positions, next(batches)) for positions, weight in parts]

    def _shares(self, epoch: int, done: int) -> Iterator[list[tuple[Positions, float]]]:
        config = self.config
        order = shuffled(len(self.windows), config.seed, epoch)[: config.windows_per_epoch]
        for first in range(done * config.batch_size, len(order), config.batch_size):
            batch = order[first : first + config.batch_size]
            parts = np.array_split(batch, min(config.accumulate, len(batch)))
            shares = [(*self.team.share(part), len(part) / len(batch)) for part in parts]
            yield [(positions, weight * share) for positions, weight, share in shares]

    def _batches(self, parts: list[Positions]) -> Iterator[Batch]:
        with ExitStack() as stack:
            streams = [self.windows.stream(parts)]
            if self.wind_from is not None:
                streams.append(self.windows.stream([self.wind_from[part] for part in parts]))
            for stream in streams:  # a stream that reads ahead has threads to end
                stack.callback(getattr(stream, "close", lambda: None))
            for batch, *other in zip(*streams, strict=True):
                yield losses.with_taught_wind(batch, other[0]) if other else batch
