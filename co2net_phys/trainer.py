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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from co2net_phys.checkpoint import load_training, save_checkpoint
from co2net_phys.data.atomic import explained_writing_errors
from co2net_phys.distributed import Team
from co2net_phys.errors import NumericalError
from co2net_phys.families import title_of
from co2net_phys.optimisation import RunningAverage, adamw, learning_rate
from co2net_phys.provenance import provenance_attributes
from co2net_phys.run_folder import Board, append_log, clear_run, truncate_log
from co2net_phys.same_run import require_same_data, require_same_options
from co2net_phys.spreading import spread_out, without_exchange
from co2net_phys.task import TOTAL, Part, Task
from co2net_phys.training_state import restore_state, state_tensors, weights_of


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
    """Lowest validation error so far."""
    stale: int = 0
    """Validations since then."""
    plateau: int = 0
    """Validations since then or since the learning rate was last reduced."""
    reductions: int = 0
    """Times that a plateau has reduced the learning rate."""
    sums: dict[str, float] = field(default_factory=dict)
    """Losses summed over the batches of the current epoch."""


@dataclass(frozen=True)
class Callbacks:
    """How a caller follows and stops a run."""

    on_step: Callable[[int, int, dict[str, float]], None] = lambda step, steps, values: None
    on_epoch: Callable[[dict[str, Any]], None] = lambda row: None
    should_stop: Callable[[], bool] = lambda: False


class Trainer:
    """Learns a task; the state of the loop is `progress` and nothing else."""

    def __init__(
        self,
        task: Task,
        output: Path,
        metadata: Mapping[str, Any],
        callbacks: Callbacks | None = None,
        team: Team | None = None,
    ):
        self.task, self.config, self.output = task, task.options, output
        self.metadata = {
            **metadata,
            **task.description,
            "config": self.config.model_dump(mode="json"),
        }
        self.callbacks, self.team = callbacks or Callbacks(), team or Team()
        self.model = task.learner.model
        self.module = spread_out(task.learner, self.config, self.team)
        self.optimiser = adamw(self.module, self.config)
        average = self.config.average
        self.average = RunningAverage(self.model, average) if average else None
        self.progress = Progress()
        self.board: Board | None = None

    @property
    def steps(self) -> int:
        """Optimiser steps in the whole run."""
        return self.task.batches_per_epoch * self.config.epochs

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
            steps = self.task.steps(self.progress.epoch, self.progress.batch)
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
        data = {**self.task.description, "model": self.model.config.model_dump(mode="json")}
        require_same_data(self.output, metadata, data, self.task.source)
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
        return self.progress.epoch * self.task.batches_per_epoch + self.progress.batch

    def _step(self, parts: list[Part]) -> None:
        """One step of the optimiser, from the gradients of all parts of a batch."""
        self.module.train()
        done, reductions = self._steps_done(), self.progress.reductions
        rate = learning_rate(self.config, done, self.steps, reductions)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        for number, (weight, positions, sample) in enumerate(parts, start=1):
            with without_exchange(self.module, until_last=number < len(parts)):
                terms = self.task.losses(self.module, positions, sample)
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

    def _finish_epoch(self, seconds: float) -> None:
        progress, config = self.progress, self.config
        row: dict[str, Any] = {"epoch": progress.epoch + 1, "seconds": round(seconds, 3)}
        row |= {name: value / progress.batch for name, value in progress.sums.items()}
        progress.epoch, progress.batch, progress.sums = progress.epoch + 1, 0, {}
        if progress.epoch % config.validate_every == 0 or progress.epoch == config.epochs:
            row["validation_rmse"] = self._validated(row)
            self._reduce_rate()
        if self.team.leads:
            append_log(self.output, row)  # first: a resume drops rows that `last` does not know
            if self.board is not None:
                self.board.add(row)
        self._save("last", resumable=True, scores=row)
        self.callbacks.on_epoch(row)

    def _validated(self, row: Mapping[str, Any]) -> float:
        """Validation error, of the averaged weights if there are such; the best is kept."""
        progress = self.progress
        with self.average.in_place() if self.average is not None else nullcontext():
            error = self.task.validation_error()
            # All processes measure the same; they must agree to the last bit on what is best.
            error = self.team.means({"": self.team.size * error if self.team.leads else 0.0})[""]
            progress.stale += 1
            progress.plateau += 1
            if error < progress.best:
                progress.best, progress.stale, progress.plateau = error, 0, 0
                self._save("best", resumable=False, scores={**row, "validation_rmse": error})
        return error

    def _reduce_rate(self) -> None:
        """Count a plateau of the validation error, as ReduceLROnPlateau does."""
        progress, config = self.progress, self.config
        if config.schedule == "plateau" and progress.plateau > config.plateau_patience:
            progress.reductions += 1
            progress.plateau = 0

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


def begin(
    task: Task,
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
    config = task.options
    options = config.model_dump(mode="json")
    attributes = provenance_attributes(
        title_of(options), "Weights of a trained network.", command, config.seed, inputs, options
    )
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    trainer = Trainer(task, output, {"provenance": attributes}, callbacks, team)
    with explained_writing_errors(output, 0):
        output.mkdir(parents=True, exist_ok=True)
        if continued:
            trainer.resume()
        elif trainer.team.leads:
            clear_run(output)
        if config.tensorboard and trainer.team.leads:
            trainer.board = Board(output, trainer.progress.epoch)
    return trainer
