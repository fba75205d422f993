"""Fit or train every method with every seed, and score all of them at the same times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.comparison.config import Comparison, key_of
from co2net_phys.comparison.fingerprint import fingerprint
from co2net_phys.comparison.methods import FRAMES, plan_of, reconstructed
from co2net_phys.comparison.task import Task
from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import Split, split_frames, split_of
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import window_ends
from co2net_phys.errors import DataError, NumericalError, UsageError
from co2net_phys.evaluate import scores
from co2net_phys.metrics import latitude_weights, rmse_series
from co2net_phys.preparation import chosen_stations
from co2net_phys.run_scores import identity_of, known_scores, write_scores
from co2net_phys.trainer import Callbacks

REGIONAL = ("rmse", "acc", "bias")


@dataclass(frozen=True)
class Run:
    """One method with one seed."""

    label: str
    task: Task
    folder: Path
    identity: str
    """Of all that its scores depend on: scores with another are of another run."""
    cost: Mapping[str, Any] = field(default_factory=dict)
    """What it is expected to take: "steps", "expected_seconds", "parameters"."""

    @property
    def seed(self) -> int:
        """Of stations, weights and the order of windows."""
        return self.task.seed

    @property
    def steps(self) -> int:
        """Of training; a method without gradient descent takes one."""
        return int(self.cost.get("steps", 1))

    @property
    def expected_seconds(self) -> float:
        """Of training, from its beginning."""
        return float(self.cost["expected_seconds"])

    def known_scores(self) -> dict[str, Any] | None:
        """Scores that an earlier session has written, if they are of this very run."""
        return known_scores(self.folder, self.identity)


@dataclass(frozen=True)
class Experiment:
    """All runs of a comparison on its store.

    Attributes
    ----------
    impossible
        Why a method cannot run on this store, by its label.
    ends
        Frames that every method reconstructs for its scores: those of the test block that even the
        longest window reaches, every `score_every`-th of them, as far as their CO2 is known.
    wanted
        Methods to run, None for all; of the others only complete runs count.
    """

    comparison: Comparison
    store: TrainingStore
    split: Split
    runs: tuple[Run, ...]
    impossible: Mapping[str, str]
    ends: NDArray[np.int64]
    wanted: tuple[str, ...] | None = None

    def only(self, labels: Sequence[str] | None) -> Experiment:
        """The same, to run these methods; None: all.

        Raises
        ------
        UsageError
            No method is called so.
        """
        for label in labels or ():
            if label not in self.comparison.methods:
                known = ", ".join(self.comparison.methods)
                raise UsageError(f"no method is called {label!r}; choose from {known}")
        return replace(self, wanted=tuple(labels) if labels else None)

    @property
    def runs_wanted(self) -> tuple[Run, ...]:
        """Runs to be made, or known already."""
        return tuple(run for run in self.runs if self.wants(run))

    def wants(self, run: Run) -> bool:
        """Whether the run is of a wanted method."""
        return self.wanted is None or run.label in self.wanted


def plan(comparison: Comparison, store: TrainingStore, folder: Path) -> Experiment:
    """Return what is to run, without training or writing anything; seed by seed.

    Raises
    ------
    DataError, UsageError
        No method can run on this store, or none of the maps to score is known.
    """
    split = split_of(store, FRAMES)
    drafts: list[tuple[str, Task, Mapping[str, Any]]] = []
    impossible: dict[str, str] = {}
    for seed in comparison.seeds:
        training, held_out = chosen_stations(store, comparison.training_stations, seed)
        for label in comparison.methods:
            if label in impossible:
                continue
            task = Task(comparison, label, seed, split, training, held_out)
            try:
                drafts.append((label, task, plan_of(task, store)))
            except (DataError, UsageError) as error:
                impossible[label] = str(error)
                if len(impossible) == len(comparison.methods):
                    raise
    frames = split_frames(store, split, "test")
    span = max(int(cost["span"]) for _, _, cost in drafts)
    ends = _known(store, window_ends(store, frames, span)[:: comparison.score_every])
    scored = [fingerprint(store), ends.tolist()]
    runs = [_run(*draft, folder, scored) for draft in drafts]
    return Experiment(comparison, store, split, tuple(runs), impossible, ends)


def run_all(
    experiment: Experiment,
    command: list[str],
    *,
    continued: bool = False,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, Any]]:
    """Fit, train and score what is not yet; yield the scores of each run, in their order.

    Of methods that are not wanted, runs that are complete come as well where it is `continued`.

    Args:
        experiment: from `plan`.
        command: as typed, for the provenance of the checkpoints.
        continued: keep complete runs and go on with others; else what is there is made anew.
        progress: told the steps done, all steps, and a note.
        should_stop: asked after every step of training.

    Raises:
        Interrupted: `should_stop` said so; the state of the run is saved.
        UsageError: a run that goes on was started with other options or data.
        DataError: a folder cannot be written or read.
    """
    total, done = sum(run.steps for run in experiment.runs_wanted), 0
    for run in experiment.runs:
        note = f"{run.label}, seed {run.seed}"
        known = run.known_scores() if continued else None
        if not experiment.wants(run):
            if known is not None:
                yield {"method": run.label, "seed": run.seed, **known}
            continue
        progress(done, total, note)

        def on_step(step: int, steps: int, _: Any, before: int = done, note: str = note) -> None:
            progress(before + step, total, note)

        if known is None:
            callbacks = Callbacks(on_step, should_stop=should_stop)
            try:
                known = _scores(experiment, run, command, callbacks, continued)
            except NumericalError as error:  # of one method: the others go on
                known = {"failed": str(error)}
            write_scores(run.folder, run.identity, known)
        done += run.steps
        progress(done, total, note)
        yield {"method": run.label, "seed": run.seed, **known}


def _known(store: TrainingStore, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the frames whose map of CO2 has a value."""
    is_known = [not np.isnan(store.field(CO2, [end])).all() for end in ends]
    if not any(is_known):
        raise DataError(f"{store.source}: no map of {CO2!r} has a value in the test block")
    return ends[is_known]


def _run(
    label: str, task: Task, cost: Mapping[str, Any], folder: Path, scored: Sequence[Any]
) -> Run:
    """The run whose scores depend on its task, on its network, and on what is `scored`."""
    place = folder / "runs" / key_of(label) / f"seed-{task.seed}"
    return Run(label, task, place, identity_of([task.description, cost["data"], *scored]), cost)


def _scores(
    experiment: Experiment, run: Run, command: list[str], callbacks: Callbacks, continued: bool
) -> dict[str, Any]:
    """Scores on the globe, in regions and at stations, the error at each time, and the cost."""
    store, ends = experiment.store, experiment.ends
    made = reconstructed(run.task, store, ends, run.folder, command, callbacks, continued)
    held_out = [station.code for station in run.task.held_out]
    found = scores(made.field, store, ends, held_out)
    truth = store.field(CO2, ends)
    series = rmse_series(made.field, truth, latitude_weights(store.latitude))
    regions = {"global": found, **found["regions"]}
    stations = {
        group: {name: row["pooled"][name] for name in ("rmse", "bias", "n")}
        for group, row in found["stations"].items()
    }
    return {
        "regions": {
            name: {measure: row[measure] for measure in REGIONAL} for name, row in regions.items()
        },
        "stations": stations,
        "sites": {
            code: row["rmse"] for code, row in found["stations"]["held_out"]["sites"].items()
        },
        "rmse_series": [float(value) for value in series],
        "cost": made.cost,
    }
