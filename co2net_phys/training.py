"""The training loop: AdamW, cosine schedule, validation, checkpoints, bit-exact resume.

A run's folder holds `log.jsonl` (one line an epoch), `last/` (everything a resume needs) and
`best/` (the lowest validation RMSE). Interrupting at any step and resuming gives, on a CPU, the
same bits as running through.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys import losses, metrics
from co2net_phys.batch import Batch
from co2net_phys.checkpoint import (
    load_training,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
)
from co2net_phys.config import TrainingConfig
from co2net_phys.data.atomic import explained_writing_errors
from co2net_phys.data.schema import BACKGROUND, CO2
from co2net_phys.data.windows import shuffled
from co2net_phys.devices import autocast, choose_device
from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.json_text import json_text
from co2net_phys.preparation import Prepared
from co2net_phys.provenance import provenance_attributes
from co2net_phys.run_folder import append_log, clear_run, truncate_log
from co2net_phys.validation_error import validation_rmse

BETAS = (0.9, 0.999)
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
    ):
        self.prepared, self.config, self.output = prepared, config, output
        self.metadata = {
            **metadata,
            **prepared.description,
            "config": config.model_dump(mode="json"),
        }
        self.callbacks = callbacks or Callbacks()
        self.device = choose_device(config.device)
        self.model = prepared.model.to(self.device)
        self.optimiser = torch.optim.AdamW(
            [weight for weight in self.model.parameters() if weight.requires_grad],
            lr=config.learning_rate,
            betas=BETAS,
            weight_decay=config.weight_decay,
        )
        self.cross_fitted = prepared.cross_fitted
        if self.cross_fitted is not None:
            self.cross_fitted.methods.to(self.device)
        self.progress = Progress()
        weights = metrics.latitude_weights(prepared.train.store.latitude)
        self.area = torch.tensor(weights, dtype=torch.float32, device=self.device)[:, None]

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
        """Train from `progress` to the last epoch.

        Raises
        ------
        NumericalError
            The loss is no longer finite.
        Interrupted
            A callback asked to stop; `last` was saved at this very step.
        """
        if self._is_fresh():
            torch.manual_seed(self.config.seed)
        while self.progress.epoch < self.config.epochs:
            started = time.perf_counter()
            for batch, ends in self._remaining_batches():
                self._step(batch, ends)
                if self.callbacks.should_stop():
                    self._save("last", resumable=True)
                    raise Interrupted
            self._finish_epoch(time.perf_counter() - started)
        return self.progress

    def resume(self) -> None:
        """Continue from `last`.

        Raises
        ------
        UsageError
            The run was started with other options.
        DataError
            The checkpoint cannot be read.
        """
        weights, tensors, metadata = load_training(self.output / "last")
        now = self.config.model_dump(mode="json")
        # An option that came later had its default in a run that does not know it.
        before = TrainingConfig().model_dump(mode="json") | metadata["config"]
        for name in now:
            if name != "device" and before.get(name) != now[name]:
                raise UsageError(
                    f"{self.output}: the run was started with {name} = {before.get(name)!r}, not "
                    f"{now[name]!r}; give the same options, or another --output"
                )
        self._require_same_data(metadata)
        self.model.load_state_dict(weights)
        restore_optimiser(self.optimiser, tensors)
        torch.set_rng_state(tensors["random"].to(torch.uint8))
        saved = metadata["progress"]
        best = math.inf if saved["best"] is None else saved["best"]  # JSON has no infinity
        self.progress = Progress(**{**saved, "best": best})
        truncate_log(self.output, self.progress.epoch)

    def _require_same_data(self, metadata: Mapping[str, Any]) -> None:
        now = json.loads(
            json_text(self.metadata | {"model": self.model.config.model_dump(mode="json")})
        )
        for name in ("split", "training_stations", "held_out_stations", "model"):
            if metadata[name] != now[name]:
                raise UsageError(
                    f"{self.output}: the run was started with other data ({_inputs(metadata)}) "
                    f"than {self.prepared.train.store.source}, which differ in "
                    f"{_differing(name, metadata[name], now[name])}; give the same --data, or "
                    "another --output"
                )

    def _is_fresh(self) -> bool:
        return self.progress.epoch == 0 and self.progress.batch == 0

    def _remaining_batches(self) -> Iterator[tuple[Batch, NDArray[np.int64]]]:
        """Batches still to come in this epoch, each with the last frames of its windows."""
        windows, size = self.prepared.train, self.config.batch_size
        order = shuffled(len(windows), self.config.seed, self.progress.epoch)
        order = order[: self.config.windows_per_epoch]
        for first in range(self.progress.batch * size, len(order), size):
            positions = order[first : first + size]
            batch = windows.batch(positions)
            if self.prepared.wind_from is not None:
                other = windows.batch(self.prepared.wind_from[positions])
                batch = losses.with_taught_wind(batch, other)
            yield batch.to(self.device), windows.ends[positions]

    def _with_first_guess(self, seen: Batch, ends: NDArray[np.int64]) -> Batch:
        """Add the first guess of a method not fitted to these very windows, from what is seen."""
        if self.cross_fitted is None:
            return seen
        return seen.with_fields(**{BACKGROUND: self.cross_fitted.first_guess(seen, ends)})

    def _step(self, batch: Batch, ends: NDArray[np.int64]) -> None:
        self.model.train()
        rate = self._learning_rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        terms = self._losses(batch, ends)
        total = terms["supervised"] + self.config.wind_weight * terms.get("wind", torch.zeros(()))
        if not bool(torch.isfinite(total)):
            raise NumericalError(
                f"the loss is {float(total.detach())} in epoch {self.progress.epoch + 1}; lower "
                "--learning-rate, or use --precision fp32"
            )
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        if self.config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimiser.step()
        self._account({name: float(value.detach()) for name, value in terms.items()}, rate)

    def _account(self, values: dict[str, float], rate: float) -> None:
        progress = self.progress
        progress.batch += 1
        for name, value in values.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + value
        done = progress.epoch * self.batches_per_epoch + progress.batch
        self.callbacks.on_step(done, self.steps, {**values, "learning_rate": rate})

    def _losses(self, batch: Batch, ends: NDArray[np.int64]) -> dict[str, Tensor]:
        """Loss terms by name, each a dimensionless scalar."""
        config, scale = self.config, self.model.scale
        seen, hidden = self._split_observations(batch)
        seen = self._with_first_guess(seen, ends)
        with autocast(self.device, config.precision):
            output = self.model(seen)
        prediction = output.fields[CO2].float()
        if config.target == "stations":
            supervised = losses.station_loss(
                prediction, hidden.observations, batch.coordinates, scale
            )
        else:
            weights = self.area if config.latitude_weighted else None
            supervised = losses.supervised_loss(prediction, batch.fields[CO2], scale, weights)
        terms = {"supervised": supervised}
        if self.model.probe is not None:
            terms["wind"] = losses.wind_loss(output, batch, self.model.config.statistics)
        return terms

    def _split_observations(self, batch: Batch) -> tuple[Batch, Batch]:
        """Input and target batches; with stations as target a random quarter changes sides."""
        if self.config.target == "dense":
            return batch, batch
        value = batch.observations.value
        hide = torch.rand(value.shape[0], 1, value.shape[2]).to(value.device) < HIDDEN_SHARE
        parts = (value.masked_fill(hide, torch.nan), value.masked_fill(~hide, torch.nan))
        seen, hidden = (
            replace(batch, observations=replace(batch.observations, value=part)) for part in parts
        )
        return seen, hidden

    def _learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to the final rate."""
        config = self.config
        step = self.progress.epoch * self.batches_per_epoch + self.progress.batch
        warm = max(round(config.warm_up * self.steps), 1)
        if step < warm:
            return config.learning_rate * (step + 1) / (warm + 1)
        done = (step - warm) / max(self.steps - warm, 1)
        span = config.learning_rate - config.final_learning_rate
        return config.final_learning_rate + span * 0.5 * (1 + math.cos(math.pi * done))

    def _finish_epoch(self, seconds: float) -> None:
        progress, config = self.progress, self.config
        row: dict[str, Any] = {"epoch": progress.epoch + 1, "seconds": round(seconds, 3)}
        row |= {name: value / progress.batch for name, value in progress.sums.items()}
        progress.epoch, progress.batch, progress.sums = progress.epoch + 1, 0, {}
        is_last = progress.epoch == config.epochs
        if progress.epoch % config.validate_every == 0 or is_last:
            row["validation_rmse"] = validation_rmse(
                self.model, self.prepared.validation, self.device, config
            )
            if row["validation_rmse"] < progress.best:
                progress.best = row["validation_rmse"]
                self._save("best", resumable=False, scores=row)
        append_log(self.output, row)  # first: a resume drops rows that `last` does not know
        self._save("last", resumable=True, scores=row)
        self.callbacks.on_epoch(row)

    def _save(self, name: str, *, resumable: bool, scores: Mapping[str, Any] | None = None) -> None:
        tensors = None
        if resumable:
            tensors = {**optimiser_tensors(self.optimiser), "random": torch.get_rng_state()}
        metadata = {**self.metadata, "progress": vars(self.progress), "scores": scores or {}}
        save_checkpoint(self.output / name, self.model, metadata, tensors)


def _inputs(metadata: Mapping[str, Any]) -> str:
    """Files that a run was started with, as its provenance has them."""
    inputs = json.loads(metadata.get("provenance", {}).get("co2phys_input_sha256", "{}"))
    return ", ".join(inputs) or "not recorded"


def _differing(name: str, before: Any, now: Any) -> str:
    """What of the metadata called `name` is another, in words."""
    if name == "model":
        name = next((key for key in now if before.get(key) != now[key]), name)
    return name.replace("_", " ")


def start(
    prepared: Prepared,
    config: TrainingConfig,
    output: Path,
    inputs: list[Path],
    command: list[str],
    callbacks: Callbacks,
    continued: bool,
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
        f"CO2-Net {config.size}", "Weights of a trained network.", command, config.seed, inputs,
        config.model_dump(mode="json"),
    )  # fmt: skip
    trainer = Trainer(prepared, config, output, {"provenance": attributes}, callbacks)
    with explained_writing_errors(output, 0):
        output.mkdir(parents=True, exist_ok=True)
        if continued:
            trainer.resume()
        else:
            clear_run(output)
    return trainer
