"""The twin experiment of `co2phys demo`: simulate, train, reconstruct, compare, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.baselines import BASELINES
from co2net_phys.checkpoint import load_model
from co2net_phys.config import TrainingConfig
from co2net_phys.data.atomic import atomic_write_text
from co2net_phys.data.opening import open_dataset
from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import split_frames
from co2net_phys.data.stations import load_stations
from co2net_phys.data.store import TrainingStore, open_store
from co2net_phys.data.windows import Windows
from co2net_phys.demo_report import write_demo_report
from co2net_phys.evaluate import scores
from co2net_phys.json_text import json_text
from co2net_phys.preparation import prepare
from co2net_phys.provenance import git_commit, package_version, provenance_attributes
from co2net_phys.reconstruct import (
    predictions,
    reconstruct,
    reconstruction_attributes,
    windows_of,
)
from co2net_phys.run_folder import read_log
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.run import simulate
from co2net_phys.simulation.world import twin_world
from co2net_phys.trainer import Callbacks
from co2net_phys.training import start

RIVALS = (
    "kriging",
    "station-mean",
    "climatology-offset",
    "ridge",
    "climatology-kriging",
    "optimal-interpolation",
)
"""Simple methods given the same observations, in the order of the table."""

NETWORK = "co2net-xs"

EDITED = "-dirty"
"""End of the commit's name where the checkout was changed since."""


class Bar(Protocol):
    """A progress indicator."""

    total: int

    def update(self, done: int, note: str = "") -> None:
        """Say how much is done."""


ShowProgress = Callable[[str, int], AbstractContextManager[Bar]]


@dataclass(frozen=True)
class DemoConfig:
    """Size of the experiment; the defaults take about five minutes on two cores."""

    days: int = 120
    epochs: int = 12
    windows_per_epoch: int = 192
    seed: int = 1

    @property
    def simulation(self) -> SimulationConfig:
        """A twin on the CarbonTracker grid, 3-hourly."""
        return SimulationConfig(frames=8 * self.days, seed=self.seed)

    @property
    def training(self) -> TrainingConfig:
        """XS with a first guess and the wind probe."""
        return TrainingConfig(
            size="XS",
            epochs=self.epochs,
            windows_per_epoch=self.windows_per_epoch,
            batch_size=4,
            validate_every=max(self.epochs // 4, 1),
            seed=self.seed,
        )


def run_demo(
    config: DemoConfig,
    folder: Path,
    progress: ShowProgress,
    say: Callable[[str], None],
    command: list[str],
    *,
    resume: bool = False,
) -> dict[str, Any]:
    """Run the experiment in `folder`; return what `metrics.json` holds.

    With `resume` a simulation that was interrupted is taken up where it stopped.
    """
    began = time.perf_counter()
    store = twin_store(config, folder / "twin.zarr", progress, say, command, resume=resume)
    trained = folder / "runs" / "xs"
    curve = _train(config, store, trained, progress, say, command)
    model, metadata = load_model(trained / "best")
    windows = windows_of(model, metadata, store, "test")
    say(f"reconstruct the final block: {len(windows)} maps")
    attributes = reconstruction_attributes(metadata, command, [folder / "twin.zarr"], "test")
    reconstruct(model, windows, folder / "rec.nc", attributes=attributes, overwrite=True)
    train_frames = split_frames(store, metadata["split"], "train")
    fields = {NETWORK: open_dataset(folder / "rec.nc")[CO2].values}
    for name in RIVALS:
        say(f"fit {name}")
        rival = BASELINES[name].fit(store, train_frames, windows.stations, window=windows.length)
        fields[name] = _fields(rival, windows)
    results = {
        name: scores(field, store, windows.ends, metadata["held_out_stations"])
        for name, field in fields.items()
    }
    summary = _summary(config, results, metadata, time.perf_counter() - began)
    atomic_write_text(folder / "metrics.json", json_text(summary) + "\n")
    write_demo_report(folder / "report.html", store, windows, fields, results, metadata, curve)
    return summary


def twin_store(
    config: DemoConfig,
    path: Path,
    progress: ShowProgress,
    say: Callable[[str], None],
    command: list[str],
    *,
    resume: bool = False,
) -> TrainingStore:
    """Return the twin at `path`, simulated unless one made with the same options is there.

    With `resume` an unfinished one is taken up where it stopped, and a finished one is used even
    if the program has changed since: what was begun with it goes on with it.
    """
    simulation = config.simulation
    wanted = simulation.model_dump(mode="json")
    unfinished = path.with_name(f"{path.name}.partial.zarr").exists()
    if path.exists() and not (resume and unfinished):
        store = open_store(path)
        made = store.dataset.attrs
        same_options = json.loads(made.get("co2phys_configuration", "{}")) == wanted
        if same_options and (resume or _same_code(made)):
            say(f"use {path} again")
            return store
    attributes = provenance_attributes(
        "Synthetic reanalysis of surface CO2 (twin)",
        "An invented Earth for twin experiments; not an estimate of the real atmosphere.",
        command,
        config.seed,
        [],
        wanted,
    )
    world = twin_world(simulation)
    total = simulation.frames + round(-world.first_second / simulation.output_every)
    say(f"simulate {config.days} days of an invented Earth")
    with progress("simulate", total) as bar:
        simulate(
            world, simulation, path,
            attributes=attributes, stations=load_stations(), overwrite=True, resume=resume,
            progress=bar.update, say=say,
        )  # fmt: skip
    return open_store(path)


def _same_code(attributes: Mapping[str, Any]) -> bool:
    """Whether a twin was made by this very version; an edited checkout is never the same."""
    commit = git_commit()
    made_by = (attributes.get("co2phys_git_commit"), attributes.get("product_version"))
    return made_by == (commit, package_version()) and not commit.endswith(EDITED)


def _train(
    config: DemoConfig,
    store: TrainingStore,
    output: Path,
    progress: ShowProgress,
    say: Callable[[str], None],
    command: list[str],
) -> list[dict[str, Any]]:
    """Train, and return the rows of the log."""
    prepared = prepare(config.training, store)
    say(f"train CO2-Net XS on {len(prepared.training_stations)} stations")
    with progress("train", 1) as bar:

        def on_step(step: int, steps: int, values: dict[str, float]) -> None:
            bar.total = steps
            bar.update(step, f"loss {values['supervised']:.4f}")

        callbacks = Callbacks(on_step=on_step)
        inputs = [Path(store.source)]
        start(prepared, config.training, output, inputs, command, callbacks, False).run()
    return read_log(output)


@torch.no_grad()
def _fields(method: torch.nn.Module, windows: Windows) -> NDArray[np.float32]:
    """Reconstructions (n, H, W) of all windows, in memory."""
    method.eval()
    return np.stack([field for _, field in predictions(method, windows, batch_size=8)])


def _summary(
    config: DemoConfig,
    results: Mapping[str, Mapping[str, Any]],
    metadata: Mapping[str, Any],
    seconds: float,
) -> dict[str, Any]:
    methods = {}
    for name, result in results.items():
        pooled = result["stations"]["held_out"]["pooled"]
        methods[name] = {
            "rmse": result["rmse"],
            "acc": result["acc"],
            "bias": result["bias"],
            "held_out_station_rmse": pooled["rmse"],
        }
    return {
        "methods": methods,
        "unit": "umol mol-1",
        "block": metadata["split"]["test"],
        "options": asdict(config),
        "seconds": round(seconds, 1),
    }
