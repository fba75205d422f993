"""How each kind of method makes its maps from the same stations and blocks of time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from co2net_phys.baselines import BASELINES
from co2net_phys.batch import Batch
from co2net_phys.checkpoint import load_model
from co2net_phys.comparison.inverted import inversion_of, inverted
from co2net_phys.comparison.task import Made, Task, asking_of_the_store
from co2net_phys.cost import count_parameters, training_plan
from co2net_phys.data.splits import split_frames
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows
from co2net_phys.devices import choose_device
from co2net_phys.preparation import DEFAULT_FRAMES, prepare
from co2net_phys.reconstruct import predictions, windows_of
from co2net_phys.resources import measured
from co2net_phys.run_folder import has_state, read_log
from co2net_phys.trainer import Callbacks
from co2net_phys.training import start

FRAMES = DEFAULT_FRAMES
"""In the windows of simple methods."""

MAPS_AT_ONCE = 8
"""Windows in a batch where maps are made."""


def plan_of(task: Task, store: TrainingStore) -> dict[str, Any]:
    """What a run will be, without training: "span" of its windows in steps, "data", and its cost.

    Raises
    ------
    DataError, UsageError
        It cannot run on this store.
    """
    plain = {"span": FRAMES, "data": None, "steps": 1, "expected_seconds": 0.0}
    if task.method.baseline is not None:
        return plain
    if task.method.invert is not None:
        inversion = inversion_of(task, store, split_frames(store, task.split, "test"))
        return {**plain, "steps": len(inversion.spans) * inversion.pieces}
    prepared = prepare(task.config, store, fit=False)
    cost = training_plan(prepared, task.config)
    return {
        "span": (prepared.train.length - 1) * task.config.sample_every + 1,
        "data": [prepared.description, prepared.model.config.model_dump(mode="json")],
        "steps": cost["steps"],
        "expected_seconds": cost["expected_seconds"],
        "parameters": cost["parameters"],
    }


def reconstructed(
    task: Task,
    store: TrainingStore,
    ends: NDArray[np.int64],
    folder: Path,
    command: list[str],
    callbacks: Callbacks,
    continued: bool,
) -> Made:
    """Fit, train or invert, and make its maps at the frames `ends`.

    Raises
    ------
    Interrupted
        A callback asked to stop; the state is saved in `folder`.
    DataError, NumericalError, UsageError
        in one line, whatever keeps the method from it.
    """
    if task.method.baseline is not None:
        return _fitted(task, store, ends)
    if task.method.invert is not None:
        return inverted(task, store, ends, folder, command, callbacks, continued)
    return _trained(task, store, ends, folder, command, callbacks, continued)


def _fitted(task: Task, store: TrainingStore, ends: NDArray[np.int64]) -> Made:
    assert task.method.baseline is not None
    stations = store.station_indices([station.code for station in task.training])
    frames = split_frames(store, task.split, "train")
    device = torch.device("cpu")
    with measured(device) as fitting, asking_of_the_store():
        method = BASELINES[task.method.baseline].fit(store, frames, stations, window=FRAMES)
    windows = Windows(store, ends, stations, FRAMES, with_target=False)
    field, seconds = _maps(method, windows, device)
    cost = {"seconds": fitting.seconds, "memory_bytes": fitting.memory_bytes}
    return Made(field, {"parameters": None, "epoch_seconds": None, **cost, "map_seconds": seconds})


def _trained(
    task: Task,
    store: TrainingStore,
    ends: NDArray[np.int64],
    folder: Path,
    command: list[str],
    callbacks: Callbacks,
    continued: bool,
) -> Made:
    config, device = task.config, choose_device(task.config.device)
    with measured(device) as training:
        with asking_of_the_store():
            prepared = prepare(config, store)
        trainer = start(
            prepared, config, folder, [Path(store.source)], command, callbacks,
            continued and has_state(folder),
        )  # fmt: skip
        trainer.run()
        del trainer, prepared
    model, metadata = load_model(folder / "best")
    model.to(device).eval()
    windows = replace(windows_of(model, metadata, store, "test"), ends=ends)
    field, seconds = _maps(model, windows, device)
    epochs = [row["seconds"] for row in read_log(folder)]
    cost: Mapping[str, Any] = {
        "parameters": count_parameters(model),
        "epoch_seconds": float(np.median(epochs)),
        # A sum would count what else the machine did, and only a part of an epoch that went on.
        "seconds": float(np.median(epochs)) * len(epochs),
        "memory_bytes": training.memory_bytes,
        "map_seconds": seconds,
    }
    return Made(field, dict(cost))


@torch.no_grad()
def _maps(
    method: nn.Module, windows: Windows, device: torch.device
) -> tuple[NDArray[np.float32], float]:
    """Maps (n, H, W) of all windows, and the seconds that one takes.

    Of the method alone, reading apart; the median over batches but the first, which warms up.
    """
    seconds: list[float] = []

    def timed(batch: Batch) -> Batch:
        began = _now(device)
        made: Batch = method(batch)
        seconds.append((_now(device) - began) / len(batch))
        return made

    found = [field for _, field in predictions(timed, windows, MAPS_AT_ONCE, device)]
    return np.stack(found), float(np.median(seconds[1:] or seconds))


def _now(device: torch.device) -> float:
    """Seconds of a clock, when all work on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
