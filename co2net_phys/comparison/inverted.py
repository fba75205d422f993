"""How an inversion makes the maps of a comparison: it runs through the whole test block."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.comparison.task import Made, Task, asking_of_the_store
from co2net_phys.data.atomic import atomic_write_text
from co2net_phys.data.opening import open_dataset
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.inversion.attributes import inversion_attributes
from co2net_phys.inversion.cycling import Belief, Window
from co2net_phys.inversion.experiment import Inversion
from co2net_phys.inversion.run import invert
from co2net_phys.resources import measured
from co2net_phys.trainer import Callbacks, Interrupted

FILE = "inversion.zarr"
"""In the folder of the run."""

SECONDS = "seconds.json"
"""Beside it: what all sessions together took so far."""

SPIN_UP = 4 * 86400.0
"""Seconds assimilated before the first map."""


class InversionOfTask(Inversion):
    """An inversion that raises `CannotRun` where the store lacks what a window or its start needs.

    Only there: that its file cannot be written is no fault of the method.
    """

    def window(self, number: int) -> Window:
        """See `Inversion`."""
        with asking_of_the_store():
            return super().window(number)

    def begin(self) -> Belief:
        """See `Inversion`."""
        with asking_of_the_store():
            return super().begin()


def inversion_of(task: Task, store: TrainingStore, frames: NDArray[np.int64]) -> Inversion:
    """The inversion of a task over consecutive frames; raises as `Inversion` does."""
    return InversionOfTask(
        store,
        task.settings,
        frames,
        task.training,
        task.held_out,
        spin_up=round(SPIN_UP / store.time_step),
        flux_file=task.flux,
    )


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
    with asking_of_the_store():
        inversion = inversion_of(task, store, np.arange(ends[0], ends[-1] + 1))
    pieces = len(inversion.spans) * inversion.pieces
    resume = continued and any(folder.glob(f"{FILE}*"))
    folder.mkdir(parents=True, exist_ok=True)
    spent = _clock(folder / SECONDS, resume)

    def progress(done: int) -> None:
        spent()
        callbacks.on_step(done, pieces, {})
        if callbacks.should_stop():
            raise Interrupted

    inputs = [Path(store.source), *([] if task.flux is None else [task.flux])]
    attributes = inversion_attributes(inversion, inputs, "test", command)
    with measured(torch.device("cpu")) as work:
        invert(
            inversion, folder / FILE,
            attributes=attributes, overwrite=True, resume=resume, progress=progress,
        )  # fmt: skip
    with open_dataset(folder / FILE) as data:
        field = np.asarray(data[CO2].isel(time=ends - ends[0]).values, dtype=np.float32)
    cost = {"parameters": None, "epoch_seconds": None, "memory_bytes": work.memory_bytes}
    return Made(field, {**cost, "seconds": spent(), "map_seconds": None})


def _clock(path: Path, continued: bool) -> Callable[[], float]:
    """Function that keeps, and returns, the seconds from the beginning of the run on.

    Those of earlier sessions, which a run that goes on finds at `path`, are among them.
    """
    before = json.loads(path.read_text()) if continued and path.exists() else 0.0
    began = time.perf_counter()

    def spent() -> float:
        seconds = before + time.perf_counter() - began
        atomic_write_text(path, json.dumps(seconds))
        return float(seconds)

    return spent
