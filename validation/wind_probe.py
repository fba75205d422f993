"""What a linear probe for the wind shows, with the wind at the network's input and without it.

CO2-Net reads u and v and is also asked for them (its wind-recovery loss), so its probe can succeed
by copying; one tracer does not determine the wind (theory R9). The same network is therefore
trained several times, alike but for what it reads and what it is taught: `ARMS`. The skill is that
in anomalies: R² about each cell's mean over the training block, for which a climatology earns 0.
R² about the plain mean of the globe stands beside it, since that is what is easily quoted and a
climatology earns much of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.config import TrainingConfig
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import UsageError
from co2net_phys.preparation import prepare
from co2net_phys.trainer import Callbacks
from co2net_phys.training import start
from co2net_phys.validation.wind_probe_experiment import begin, run_folder
from co2net_phys.validation.wind_probe_scores import Example, Scoring

BATCH_SIZE = 4


@dataclass(frozen=True)
class Arm:
    """One of the networks that are compared."""

    description: str
    model: Mapping[str, Any]
    """Options of the network that set it apart."""
    shuffled: bool = False
    """Whether each window is taught the wind of another time."""


_WITHHELD: Mapping[str, Any] = {"withhold_wind": True}
ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "given": Arm("wind given", {}),
        "withheld": Arm("wind withheld", _WITHHELD),
        "co2-only": Arm("CO₂ alone", {**_WITHHELD, "auxiliaries": ()}),
        "shuffled": Arm("wind withheld, target shuffled", _WITHHELD, shuffled=True),
        "shuffled-given": Arm("wind given, target shuffled", {}, shuffled=True),
    }
)
"""`withheld` still reads pressure, height, temperature and humidity, which follow and carry the
wind; `co2-only` reads nothing but CO2 at stations."""


@dataclass(frozen=True)
class ProbeConfig:
    """Size of the experiment; every arm has the same data, seeds and number of steps.

    Raises:
        UsageError: an arm is not known or named twice.
    """

    arms: tuple[str, ...] = tuple(ARMS)
    epochs: int = 12
    windows_per_epoch: int = 192
    seed: int = 1
    """Of weights, stations and order of windows in the first repetition."""
    seeds: int = 1
    """Repetitions, with the seeds that follow."""
    frames: int = 8

    def __post_init__(self) -> None:
        for name in self.arms:
            if name not in ARMS:
                raise UsageError(f"--arms: no arm {name!r}; choose from {', '.join(ARMS)}")
        if not self.arms or len(set(self.arms)) < len(self.arms):
            raise UsageError("--arms: name at least one arm, and each once")

    @property
    def runs(self) -> list[tuple[int, str]]:
        """Seed and arm of every run, in order."""
        return [(self.seed + n, arm) for n in range(self.seeds) for arm in self.arms]

    def training(self, arm: str, seed: int) -> TrainingConfig:
        """Options of one run: the network of the paper, which has no first guess, at size XS."""
        return TrainingConfig(
            size="XS",
            model={"frames": self.frames, **ARMS[arm].model},
            background="none",
            epochs=self.epochs,
            windows_per_epoch=self.windows_per_epoch,
            batch_size=BATCH_SIZE,
            validate_every=self.epochs,
            shuffled_wind=ARMS[arm].shuffled,
            seed=seed,
        )


def run_probe(
    config: ProbeConfig,
    store: TrainingStore,
    folder: Path,
    command: list[str],
    *,
    continued: bool = False,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, Any], Example]:
    """Train every arm in a folder of its own below `folder`, and score its probe.

    Args:
        config: size of the experiment.
        store: CO2 with stations, auxiliaries and wind.
        folder: of the experiment; an arm's checkpoints go to `run_folder`.
        command: as typed, for the provenance of the checkpoints.
        continued: go on with the experiment in `folder`: with arms that were begun, and only score
            those that are complete. Otherwise it is removed.
        progress: told the steps done, all steps, and a note.
        should_stop: asked after every step and every few windows that are scored.

    Returns:
        Summary with a row of scores for each run, and an example for maps.

    Raises:
        Interrupted: `should_stop` said so; the arm's state is saved.
        DataError: the store is too short, has too few stations or no wind, or `folder` cannot be
            written.
        UsageError: the earlier experiment had other options or data, or more runs.
    """
    scoring = Scoring.of(store, config.frames)
    for seed, arm in config.runs[:1]:  # before anything is removed
        prepare(config.training(arm, seed), store, fit=False)
    begin(folder, config, store, continued=continued)
    rows: list[dict[str, Any]] = []
    probed: dict[str, NDArray[np.float64]] = {}
    for number, (seed, arm) in enumerate(config.runs):
        training = config.training(arm, seed)
        prepared = prepare(training, store)

        def on_step(step: int, steps: int, _: Any, done: int = number, name: str = arm) -> None:
            progress(done * steps + step, len(config.runs) * steps, ARMS[name].description)

        output = run_folder(folder, arm, seed)
        trainer = start(
            prepared, training, output, [Path(store.source)], command,
            Callbacks(on_step, should_stop=should_stop), continued and (output / "last").exists(),
        )  # fmt: skip
        best = trainer.run().best
        row, example = scoring.scores(
            prepared.model.eval(), prepared, seed,
            shuffled=ARMS[arm].shuffled, should_stop=should_stop,
        )  # fmt: skip
        rows.append({"arm": arm, "seed": seed, "steps": trainer.steps, **row, "co2_rmse": best})
        probed.setdefault(arm, example)
    summary = {
        "runs": rows,
        "rivals": scoring.rivals(),
        "block": scoring.block,
        "scored_windows": len(scoring.positions),
        "options": asdict(config),
    }
    return summary, scoring.example(probed)
