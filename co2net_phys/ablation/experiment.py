"""Train every variant with every seed, and score all of them at the same times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.ablation.tables import Ablation, Variant, variants_of
from co2net_phys.checkpoint import load_model
from co2net_phys.config import TrainingConfig
from co2net_phys.cost import count_parameters, training_plan
from co2net_phys.data.atomic import remove
from co2net_phys.data.splits import Split, split_frames
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import window_ends
from co2net_phys.devices import choose_device
from co2net_phys.errors import DataError, UsageError
from co2net_phys.evaluate import scores
from co2net_phys.json_text import json_text
from co2net_phys.preparation import prepare
from co2net_phys.reconstruct import predictions, windows_of
from co2net_phys.run_folder import has_state, read_log
from co2net_phys.run_scores import SCORES, identity_of, known_scores, write_scores
from co2net_phys.trainer import Callbacks
from co2net_phys.training import start

LOSSES = ("supervised", "wind", "residual", "mass")
"""Losses of the log that a row keeps, first and last epoch."""


@dataclass(frozen=True)
class Run:
    """One variant with one seed: its options, its folder, and what is known of it."""

    variant: Variant
    seed: int
    config: TrainingConfig
    folder: Path
    identity: str
    """SHA-256 of options, data and scored times: scores with another are not of this run."""
    steps: int
    expected_seconds: float
    """Of training, from its beginning."""

    def known_scores(self) -> dict[str, Any] | None:
        """Scores that an earlier session has written, if they are of this very run."""
        return known_scores(self.folder, self.identity)


@dataclass(frozen=True)
class Experiment:
    """All runs of some tables on one store.

    Attributes
    ----------
    impossible
        Why a variant cannot run on this store, by its key.
    ends
        Frames that every run reconstructs for its scores: those of the test block that even the
        longest window reaches.
    """

    tables: tuple[Ablation, ...]
    store: TrainingStore
    runs: tuple[Run, ...]
    impossible: Mapping[str, str]
    ends: NDArray[np.int64]


def plan(
    tables: Sequence[Ablation],
    base: TrainingConfig,
    store: TrainingStore,
    folder: Path,
    seeds: Sequence[int],
) -> Experiment:
    """Return what is to run, without training or writing anything.

    Raises
    ------
    DataError, UsageError
        No variant can run on this store with these options.
    """
    drafts: list[_Draft] = []
    impossible: dict[str, str] = {}
    variants = variants_of(tables, base)
    for key, variant in variants.items():
        try:
            drafts += [_draft(variant, variant.config(base, seed), store) for seed in seeds]
        except (DataError, UsageError) as error:
            impossible[key] = str(error)
            if len(impossible) == len(variants):
                raise
    frames = split_frames(store, drafts[0].split, "test")
    ends = window_ends(store, frames, max(draft.span for draft in drafts))
    runs = tuple(draft.run(folder, ends) for draft in drafts)
    return Experiment(tuple(tables), store, runs, impossible, ends)


def run_all(
    experiment: Experiment,
    command: list[str],
    *,
    continued: bool = False,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[dict[str, Any]]:
    """Train and score what is not yet; return the scores of every run, in the order of `runs`.

    Args:
        experiment: from `plan`.
        command: as typed, for the provenance of the checkpoints.
        continued: keep complete runs and go on with others; else what is there is trained anew.
        progress: told the steps done, all steps, and a note.
        should_stop: asked after every step.

    Raises:
        Interrupted: `should_stop` said so; the state of the run is saved.
        UsageError: a run that goes on was started with other options or data.
        DataError: a folder cannot be written or read.
    """
    total, done = sum(run.steps for run in experiment.runs), 0
    results = []
    for run in experiment.runs:
        known = run.known_scores() if continued else None

        def on_step(step: int, steps: int, _: Any, before: int = done, run: Run = run) -> None:
            progress(before + step, total, f"{run.variant.key}, seed {run.seed}")

        if known is None:
            callbacks = Callbacks(on_step, should_stop=should_stop)
            known = _train_and_score(experiment, run, command, callbacks, continued)
        done += run.steps
        progress(done, total, f"{run.variant.key}, seed {run.seed}")
        results.append({"key": run.variant.key, "seed": run.seed, **known})
    return results


def _train_and_score(
    experiment: Experiment, run: Run, command: list[str], callbacks: Callbacks, continued: bool
) -> dict[str, Any]:
    store = experiment.store
    prepared = prepare(run.config, store)
    if not continued:
        remove(run.folder / SCORES)
    trainer = start(
        prepared, run.config, run.folder, [Path(store.source)], command, callbacks,
        continued and has_state(run.folder),
    )  # fmt: skip
    trainer.run()
    found = _scores(run, store, experiment.ends)
    write_scores(run.folder, run.identity, found)
    return found


@torch.no_grad()
def _scores(run: Run, store: TrainingStore, ends: NDArray[np.int64]) -> dict[str, Any]:
    """Scores of the best checkpoint of a run on the globe and at the stations it has not seen."""
    model, metadata = load_model(run.folder / "best")
    device = choose_device(run.config.device)
    model.to(device).eval()
    windows = replace(windows_of(model, metadata, store, "test"), ends=ends)
    target = run.config.target_variable
    found = predictions(model, windows, run.config.batch_size, device, name=target)
    field = np.stack([values for _, values in found])
    result = scores(field, store, ends, metadata["held_out_stations"], target)
    log = read_log(run.folder)
    return {
        "rmse": result["rmse"],
        "acc": result["acc"],
        "bias": result["bias"],
        "held_out_station_rmse": result["stations"]["held_out"]["pooled"]["rmse"],
        "parameters": count_parameters(model),
        "seconds": sum(row["seconds"] for row in log),
        "losses": {name: [log[0][name], log[-1][name]] for name in LOSSES if name in log[0]},
    }


@dataclass(frozen=True)
class _Draft:
    """A run as far as it is known on its own; light, since there may be many."""

    variant: Variant
    config: TrainingConfig
    split: Split
    data: str
    """Blocks, stations, grid and statistics, as text."""
    span: int
    """Steps of the store that a window covers."""
    steps: int
    expected_seconds: float

    def run(self, folder: Path, ends: NDArray[np.int64]) -> Run:
        known = [self.config.model_dump(mode="json"), self.data, ends.tolist()]
        return Run(
            self.variant,
            self.config.seed,
            self.config,
            folder / "runs" / self.variant.key / f"seed-{self.config.seed}",
            identity_of(known),
            self.steps,
            self.expected_seconds,
        )


def _draft(variant: Variant, config: TrainingConfig, store: TrainingStore) -> _Draft:
    """Look at a run without training it; raises if its windows do not fit the store's blocks."""
    prepared = prepare(config, store, fit=False)
    span = (prepared.train.length - 1) * config.sample_every + 1
    window_ends(store, split_frames(store, prepared.split, "test"), span)
    data = json_text([prepared.description, prepared.model.config.model_dump(mode="json")])
    cost = training_plan(prepared, config)
    return _Draft(
        variant, config, prepared.split, data, span, cost["steps"], cost["expected_seconds"]
    )
