"""The batches of a run, in their order, read while others are worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack

from co2net_phys import losses
from co2net_phys.batch import Batch
from co2net_phys.config import TrainingConfig
from co2net_phys.data.windows import Windows
from co2net_phys.distributed import Team
from co2net_phys.epoch import shares_of_epoch
from co2net_phys.task import Part, Positions


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
        """Parts of this process at every step of an epoch but the first `done`."""
        config = self.config
        shares = list(
            shares_of_epoch(
                len(self.windows), config, self.team, epoch, done, config.windows_per_epoch
            )
        )
        batches = self._batches([positions for parts in shares for positions, _ in parts])
        for parts in shares:
            yield [(weight, positions, next(batches)) for positions, weight in parts]

    def _batches(self, parts: list[Positions]) -> Iterator[Batch]:
        with ExitStack() as stack:
            streams = [self.windows.stream(parts)]
            if self.wind_from is not None:
                streams.append(self.windows.stream([self.wind_from[part] for part in parts]))
            for stream in streams:  # a stream that reads ahead has threads to end
                stack.callback(getattr(stream, "close", lambda: None))
            for batch, *other in zip(*streams, strict=True):
                yield losses.with_taught_wind(batch, other[0]) if other else batch
