"""The task of CO2-Net and its rivals: a surface field from stations and weather."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.batch import Batch
from co2net_phys.config import TrainingConfig
from co2net_phys.data.device_series import windows_on
from co2net_phys.data.schema import BACKGROUND, VARIABLES
from co2net_phys.devices import choose_device
from co2net_phys.distributed import Team
from co2net_phys.feed import Feed
from co2net_phys.learner import SurfaceLearner
from co2net_phys.objective import Objective
from co2net_phys.preparation import Prepared
from co2net_phys.solvers import Grid
from co2net_phys.task import Part, Positions, Task
from co2net_phys.trainer import Callbacks, Trainer, begin
from co2net_phys.validation_error import validation_rmse

HIDDEN_SHARE = 0.25
"""Training stations hidden from the input, and scored, when the target is the stations."""


class SurfaceTask(Task):
    """A prepared network, and the windows that it learns from."""

    options: TrainingConfig

    def __init__(self, prepared: Prepared, config: TrainingConfig, team: Team) -> None:
        self.prepared, self.options = prepared, config
        self.device = choose_device(config.device)
        store = prepared.train.store
        self.description, self.source = prepared.description, store.source
        self.unit = VARIABLES[config.target_variable].units
        grid = Grid.from_coordinates(store.latitude, store.longitude)
        objective = Objective(config, prepared.model.config, grid)
        self.learner = SurfaceLearner(prepared.model, objective, config).to(self.device)
        if prepared.cross_fitted is not None:
            prepared.cross_fitted.methods.to(self.device)
        train, self.validation = windows_on(
            self.device,
            (prepared.train, prepared.validation),
            config.series_on_device,
            # On a GPU each process has its own memory.
            processes=team.size if self.device.type == "cpu" else 1,
        )
        self.feed = Feed(train, prepared.wind_from, config, team)

    @property
    def batches_per_epoch(self) -> int:
        """Optimiser steps in one epoch."""
        windows = len(self.prepared.train)
        taken = min(self.options.windows_per_epoch or windows, windows)
        return math.ceil(taken / self.options.batch_size)

    def steps(self, epoch: int, done: int) -> Generator[list[Part], None, None]:
        """Parts of this process at every step of an epoch but the first `done`."""
        return self.feed.steps(epoch, done)

    def arguments(self, positions: Positions, sample: Batch) -> tuple[Batch, Batch, Batch]:
        """What the network sees, the whole batch, and the observations hidden from it."""
        seen, hidden = self._split_observations(sample)
        seen = self._with_first_guess(seen, self.prepared.train.ends[positions])
        return seen, sample, hidden

    def validation_error(self) -> float:
        """RMSE of the target, in its unit; see `validation_rmse`."""
        return validation_rmse(self.learner.model, self.validation, self.device, self.options)

    def _with_first_guess(self, seen: Batch, ends: NDArray[np.int64]) -> Batch:
        """Add the first guess of a method not fitted to these very windows, from what is seen."""
        if self.prepared.cross_fitted is None:
            return seen
        return seen.with_fields(**{BACKGROUND: self.prepared.cross_fitted.first_guess(seen, ends)})

    def _split_observations(self, batch: Batch) -> tuple[Batch, Batch]:
        """Input and target batches; of the stations a random share is hidden from the input."""
        share, dense = self.options.station_dropout, self.options.target == "dense"
        if share is None:
            share = 0.0 if dense else HIDDEN_SHARE
        if share == 0.0:
            return batch, batch
        value = batch.observations.value
        hide = torch.rand(value.shape[0], 1, value.shape[2]).to(value.device) < share
        parts = (value.masked_fill(hide, torch.nan), value.masked_fill(~hide, torch.nan))
        seen, hidden = (
            replace(batch, observations=replace(batch.observations, value=part)) for part in parts
        )
        return seen, batch if dense else hidden


def start(
    prepared: Prepared,
    config: TrainingConfig,
    output: Path,
    inputs: list[Path],
    command: list[str],
    callbacks: Callbacks,
    continued: bool,
    team: Team | None = None,
) -> Trainer:
    """Return a trainer of a prepared network; see `co2net_phys.trainer.begin`."""
    task = SurfaceTask(prepared, config, team or Team())
    return begin(task, output, inputs, command, callbacks, continued, team)
