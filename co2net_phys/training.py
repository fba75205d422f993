"""The training loop: steps, validation, checkpoints, bit-exact resume, by one process or many.

A run's folder holds `log.jsonl` and `log.csv` (one line an epoch), `last/` (everything a resume
needs) and `best/` (the lowest validation RMSE). Interrupting at any step and resuming gives, on a
CPU, the same bits as running through.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.architectures import network_title
from co2net_phys.batch import Batch
from co2net_phys.checkpoint import load_training, save_checkpoint
from co2net_phys.config import TrainingConfig
from co2net_phys.data.atomic import explained_writing_errors
from co2net_phys.data.device_series import windows_on
from co2net_phys.data.schema import BACKGROUND
from co2net_phys.devices import choose_device
from co2net_phys.distributed import Team
from co2net_phys.errors import NumericalError
from co2net_phys.feed import Feed, Part, Positions
from co2net_phys.learner import TOTAL, Learner, spread_out, without_exchange
from co2net_phys.objective import Objective
from co2net_phys.optimisation import RunningAverage, adamw, learning_rate
from co2net_phys.preparation import Prepared
from co2net_phys.provenance import provenance_attributes
from co2net_phys.run_folder import Board, append_log, clear_run, truncate_log
from co2net_phys.same_run import require_same_data, require_same_options
from co2net_phys.solvers import Grid
from co2net_phys.training_state import restore_state, state_tensors, weights_of
from co2net_phys.validation_error import validation_rmse

HIDDEN_SHARE = 0.25
"""Training stations hidden from the input, and scored, when the target is the stations."""


class Interrupted(Exception):
    """The run was asked to stop; its state is saved in `last`."""


@dataclass
class Progress:
    """Where a run is; saved with every checkpoint."""

    epoch: int = 0
    """Epochs completed."""
    batch: int = 0
    """Batches completed in the current epoch."""
    best: float = math.inf
    """Lowest validation RMSE so far, µmol mol-1."""
    stale: int = 0
    """Validations since then."""
    sums: dict[str, float] = field(default_factory=dict)
    """Losses summed over the batches of the current epoch."""


@dataclass(frozen=True)
class Callbacks:
    """How a caller follows and stops a run."""

    on_step: Callable[[int, int, dict[str, float]], None] = lambda step, steps, values: None
    on_epoch: Callable[[dict[str, Any]], None] = lambda row: None
    should_stop: Callable[[], bool] = lambda: False


class Trainer:
    """Trains a prepared model; the state of the loop is `progress` and nothing else."""

    def __init__(
        self,
        prepared: Prepared,
        config: TrainingConfig,
        output: Path,
        metadata: Mapping[str, Any],
        callbacks: Callbacks | None = None,
        team: Team | None = None,
    ):
        self.prepared, self.config, self.output = prepared, config, output
        self.metadata = {
            **metadata,
            **prepared.description,
            "config": config.model_dump(mode="json"),
        }
        self.callbacks, self.team = callbacks or Callbacks(), team or Team()
        self.device = choose_device(config.device)
        self.model = prepared.model
        store = prepared.train.store
        objective = Objective(
            config, self.model.config, Grid.from_coordinates(store.latitude, store.longitude)
        )
        self.learner = Learner(self.model, objective, config).to(self.device)
        self.module = spread_out(self.learner, config, self.team)
        self.optimiser = adamw(self.module, config)
        self.average = RunningAverage(self.model, config.average) if config.average else None
        self.cross_fitted = prepared.cross_fitted
        if self.cross_fitted is not None:
            self.cross_fitted.methods.to(self.device)
        self.progress = Progress()
        self.board: Board | None = None
        train, self.validation = windows_on(
            self.device,
            (prepared.train, prepared.validation),
            config.series_on_device,
            # On a GPU each process has its own memory.
            processes=self.team.size if self.device.type == "cpu" else 1,
        )
        self.feed = Feed(train, prepared.wind_from, config, self.team)

    @property
    def batches_per_epoch(self) -> int:
        """Optimiser steps in one epoch."""
        windows = min(
            self.config.windows_per_epoch or len(self.prepared.train), len(self.prepared.train)
        )
        return math.ceil(windows / self.config.batch_size)

    @property
    def steps(self) -> int:
        """Optimiser steps in the whole run."""
        return self.batches_per_epoch * self.config.epochs

    def run(self) -> Progress:
        """Train from `progress` to the last epoch, or until validation no longer improves.

        Raises
        ------
        NumericalError
            The loss is no longer finite.
        Interrupted
            A callback asked to stop; `last` was saved at this very step.
        """
        if self.progress.epoch == self.progress.batch == 0:
            torch.manual_seed(self.config.seed + self.team.rank)
        while self.progress.epoch < self.config.epochs and not self._is_stale():
            started = time.perf_counter()
            steps = self.feed.steps(self.progress.epoch, self.progress.batch)
            with closing(steps):
                for parts in steps:
                    self._step(parts)
                    self._pause()
            self._finish_epoch(time.perf_counter() - started)
        return self.progress

    def _pause(self) -> None:
        """Save the state between two steps where it is due, and stop where that is asked for."""
        stop = self.team.any(self.callbacks.should_stop())
        every = self.config.save_every
        if stop or (every and self._steps_done() % every == 0):
            self._save("last", resumable=True)
        if stop:
            raise Interrupted

    def resume(self) -> None:
        """Continue from `last`.

        Raises
        ------
        UsageError
            The run was started with other options, data or processes.
        DataError
            The checkpoint cannot be read.
        """
        weights, tensors, metadata = load_training(self.output / "last")
        require_same_options(self.output, metadata, self.config)
        source = self.prepared.train.store.source
        data = self.metadata | {"model": self.model.config.model_dump(mode="json")}
        require_same_data(self.output, metadata, data, source)
        restore_state(self.module, self.optimiser, self.team, weights, tensors)
        if self.average is not None:
            self.average.restore(tensors)
        saved = metadata["progress"]
        best = math.inf if saved["best"] is None else saved["best"]  # JSON has no infinity
        self.progress = Progress(**{**saved, "best": best})
        if self.team.leads:
            truncate_log(self.output, self.progress.epoch)

    def _is_stale(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.progress.stale >= patience

    def _steps_done(self) -> int:
        return self.progress.epoch * self.batches_per_epoch + self.progress.batch

    def _with_first_guess(self, seen: Batch, ends: NDArray[np.int64]) -> Batch:
        """Add the first guess of a method not fitted to these very windows, from what is seen."""
        if self.cross_fitted is None:
            return seen
        return seen.with_fields(**{BACKGROUND: self.cross_fitted.first_guess(seen, ends)})

    def _step(self, parts: list[Part]) -> None:
        """One step of the optimiser, from the gradients of all parts of a batch."""
        self.module.train()
        rate = learning_rate(self.config, self._steps_done(), self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        for number, (weight, positions, batch) in enumerate(parts, start=1):
            with without_exchange(self.module, until_last=number < len(parts)):
                terms = self._losses(positions, batch)
                (weight * terms[TOTAL]).backward()
            for name, value in terms.items():
                values[name] = values.get(name, 0.0) + weight * float(value.detach())
        values = self.team.means(values)
        self._require_finite(values[TOTAL])
        if self.config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.config.gradient_clip)
        self.optimiser.step()
        if self.average is not None:
            self.average.update()
        self._account({name: values[name] for name in values if name != TOTAL}, rate)

    def _require_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise NumericalError(
                f"the loss is {loss} in epoch {self.progress.epoch + 1}; lower --learning-rate, "
                "or use --precision fp32"
            )

    def _account(self, values: dict[str, float], rate: float) -> None:
        progress = self.progress
        progress.batch += 1
        for name, value in values.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + value
        self.callbacks.on_step(self._steps_done(), self.steps, {**values, "learning_rate": rate})

    def _losses(self, positions: Positions, batch: Batch) -> dict[str, torch.Tensor]:
        """Loss terms of some windows by name, each a dimensionless scalar."""
        seen, hidden = self._split_observations(batch)
        seen = self._with_first_guess(seen, self.prepared.train.ends[positions])
        terms: dict[str, torch.Tensor] = self.module(seen, batch, hidden)
        return terms

    def _split_observations(self, batch: Batch) -> tuple[Batch, Batch]:
        """Input and target batches; of the stations a random share is hidden from the input."""
        share, dense = self.config.station_dropout, self.config.target == "dense"
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

    def _finish_epoch(self, seconds: float) -> None:
        progress, config = self.progress, self.config
        row: dict[str, Any] = {"epoch": progress.epoch + 1, "seconds": round(seconds, 3)}
        row |= {name: value / progress.batch for name, value in progress.sums.items()}
        progress.epoch, progress.batch, progress.sums = progress.epoch + 1, 0, {}
        if progress.epoch % config.validate_every == 0 or progress.epoch == config.epochs:
            row["validation_rmse"] = self._validated(row)
        if self.team.leads:
            append_log(self.output, row)  # first: a resume drops rows that `last` does not know
            if self.board is not None:
                self.board.add(row)
        self._save("last", resumable=True, scores=row)
        self.callbacks.on_epoch(row)

    def _validated(self, row: Mapping[str, Any]) -> float:
        """Validation RMSE, of the averaged weights if there are such; the best is kept."""
        progress = self.progress
        with self.average.in_place() if self.average is not None else nullcontext():
            error = validation_rmse(self.model, self.validation, self.device, self.config)
            # All processes measure the same; they must agree to the last bit on what is best.
            error = self.team.means({"": self.team.size * error if self.team.leads else 0.0})[""]
            progress.stale += 1
            if error < progress.best:
                progress.best, progress.stale = error, 0
                self._save("best", resumable=False, scores={**row, "validation_rmse": error})
        return error

    def _save(self, name: str, *, resumable: bool, scores: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint; all processes take part, as weights may be spread over them."""
        weights, _ = weights_of(self.module)
        tensors = state_tensors(self.module, self.optimiser, self.team) if resumable else None
        if tensors is not None and self.average is not None:
            tensors |= self.average.tensors()
        if self.team.leads:
            metadata = {**self.metadata, "progress": vars(self.progress), "scores": scores or {}}
            save_checkpoint(
                self.output / name, self.model, metadata, tensors, weights=weights,
                keep=self.config.keep,
            )  # fmt: skip
        self.team.wait()


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
    """Return a trainer at the beginning of a run, or where an earlier one stopped.

    Raises
    ------
    DataError
        The folder cannot be written, or the earlier checkpoint cannot be read.
    UsageError
        The earlier run had other options.
    """
    attributes = provenance_attributes(
        network_title(config.model_dump()), "Weights of a trained network.", command, config.seed,
        inputs, config.model_dump(mode="json"),
    )  # fmt: skip
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    trainer = Trainer(prepared, config, output, {"provenance": attributes}, callbacks, team)
    with explained_writing_errors(output, 0):
        output.mkdir(parents=True, exist_ok=True)
        if continued:
            trainer.resume()
        elif trainer.team.leads:
            clear_run(output)
        if config.tensorboard and trainer.team.leads:
            trainer.board = Board(output, trainer.progress.epoch)
    return trainer
