"""How an inversion makes the maps of a comparison: it runs through the whole test block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.comparison.task import Made, Task
from co2net_phys.data.opening import open_dataset
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.inversion.attributes import inversion_attributes
from co2net_phys.inversion.experiment import Inversion
from co2net_phys.inversion.run import invert
from co2net_phys.resources import measured
from co2net_phys.trainer import Callbacks, Interrupted

FILE = "inversion.zarr"
"""In the folder of the run."""

SPIN_UP = 4 * 86400.0
"""Seconds assimilated before the first map."""


def inversion_of(task: Task, store: TrainingStore, frames: NDArray[np.int64]) -> Inversion:
    """The inversion of a task over consecutive frames; raises as `Inversion` does."""
    spin_up = round(SPIN_UP / store.time_step)
    return Inversion(store, task.settings, frames, task.training, task.held_out, spin_up=spin_up)


def inverted(
    task: Task,
    store: TrainingStore,
    ends: NDArray[np.int64],
    folder: Path,
    command: list[str],
    callbacks: Callbacks,
    continued: bool,
) -> Made:
    """Invert from the first to the last of `ends`, and take the maps at these frames.

    Raises
    ------
    Interrupted
        A callback asked to stop; what is done is kept in `folder`.
    DataError, NumericalError, UsageError
        in one line, whatever keeps the inversion from it.
    """
    inversion = inversion_of(task, store, np.arange(ends[0], ends[-1] + 1))
    pieces = len(inversion.spans) * inversion.pieces

    def progress(done: int) -> None:
        callbacks.on_step(done, pieces, {})
        if callbacks.should_stop():
            raise Interrupted

    attributes = inversion_attributes(inversion, [Path(store.source)], "test", command)
    folder.mkdir(parents=True, exist_ok=True)
    begun = any(folder.glob(f"{FILE}*"))
    with measured(torch.device("cpu")) as work:
        invert(
            inversion, folder / FILE,
            attributes=attributes, overwrite=True, resume=continued and begun, progress=progress,
        )  # fmt: skip
    with open_dataset(folder / FILE) as data:
        field = np.asarray(data[CO2].isel(time=ends - ends[0]).values, dtype=np.float32)
    cost = {"parameters": None, "epoch_seconds": None, "memory_bytes": work.memory_bytes}
    return Made(field, {**cost, "seconds": work.seconds, "map_seconds": None})
