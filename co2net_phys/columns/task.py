"""The task of an emulator: the tracer of the next frame from the last ones and the forcing."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import torch

from co2net_phys.columns.learner import ColumnLearner, validation_error
from co2net_phys.columns.models import MODELS, ColumnOptions
from co2net_phys.columns.scaling import column_config
from co2net_phys.columns.store import open_columns
from co2net_phys.columns.windows import ColumnItem, column_windows
from co2net_phys.data.splits import block_split, split_frames
from co2net_phys.devices import choose_device
from co2net_phys.distributed import Team
from co2net_phys.epoch import shares_of_epoch
from co2net_phys.errors import UsageError
from co2net_phys.task import Part, Positions, Task

DEFAULT_FRAMES = 4
"""T of `ColumnConfig` unless told otherwise."""


class ColumnTask(Task):
    """An emulator, and the windows of a store that it learns from."""

    options: ColumnOptions
    unit = "kg kg-1"

    def __init__(self, options: ColumnOptions, data: Path, team: Team) -> None:
        store = open_columns(data)
        frames = options.model.get("frames", DEFAULT_FRAMES)
        if not isinstance(frames, int):
            raise UsageError(f"model.frames: {frames!r} is no number of frames")
        split = options.split or block_split(store, frames + options.rollout_steps)
        blocks = {name: split_frames(store, split, name) for name in ("train", "validation")}
        kind = MODELS[options.architecture]
        config = column_config(store, blocks["train"], kind.config, **options.model)
        torch.manual_seed(options.seed)
        self.options, self.team, self.source = options, team, str(data)
        self.device = choose_device(options.device)
        model = kind.network(config)
        self.learner = ColumnLearner(model, options.precision).to(self.device)
        self.windows, self.validation = (
            column_windows(store, block, config.frames, options.rollout_steps)
            for block in blocks.values()
        )
        self.description = {"split": {name: list(block) for name, block in split.items()}}

    @property
    def batches_per_epoch(self) -> int:
        """Optimiser steps in one epoch."""
        taken = min(self.options.windows_per_epoch or len(self.windows), len(self.windows))
        return math.ceil(taken / self.options.batch_size)

    def steps(self, epoch: int, done: int) -> Generator[list[Part], None, None]:
        """Parts of this process at every step of an epoch but the first `done`."""
        options = self.options
        count, taken = len(self.windows), options.windows_per_epoch
        shares = list(shares_of_epoch(count, options, self.team, epoch, done, taken))
        items = self.windows.stream([positions for parts in shares for positions, _ in parts])
        with closing(items):
            for parts in shares:
                yield [(weight, positions, next(items)) for positions, weight in parts]

    def arguments(self, positions: Positions, sample: ColumnItem) -> tuple[ColumnItem]:
        """The windows on the device that learns."""
        return (sample.to(self.device),)

    def validation_error(self) -> float:
        """RMSE of the tracer over all steps of the validation windows, weighted by air."""
        return validation_error(self.learner.model, self.validation, self.device)
