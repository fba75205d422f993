"""What a run keeps in its folder beside the checkpoints: a log, one JSON line an epoch."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from co2net_phys.checkpoint import kept
from co2net_phys.data.atomic import atomic_write_text, explained_writing_errors
from co2net_phys.errors import UsageError
from co2net_phys.json_text import plain

LOG, TABLE, BOARD = "log.jsonl", "log.csv", "tensorboard"


def clear_run(folder: Path) -> None:
    """Remove what an earlier run left, lest its checkpoint be taken for one of this run."""
    for name in ("best", "last"):
        for checkpoint in kept(folder / name):
            if checkpoint.exists():
                shutil.rmtree(checkpoint)
    shutil.rmtree(folder / BOARD, ignore_errors=True)
    atomic_write_text(folder / LOG, "")  # a link is replaced, not followed


def has_state(folder: Path) -> bool:
    """Whether a run has left a state in `folder` to go on from."""
    return any(place.exists() for place in kept(folder / "last"))


def append_log(folder: Path, row: Mapping[str, Any]) -> None:
    """Add the row of one epoch, what is not finite as null, and see it to the disk."""
    path = folder / LOG
    with explained_writing_errors(path), path.open("a") as log:
        log.write(json.dumps(plain(row), allow_nan=False) + "\n")
        log.flush()
        os.fsync(log.fileno())
    _write_table(folder)


def _write_table(folder: Path) -> None:
    """The same log as a table, `log.csv`; what an epoch does not have is empty."""
    rows = read_log(folder)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    atomic_write_text(folder / TABLE, text.getvalue())


def truncate_log(folder: Path, epochs: int) -> None:
    """Drop the rows of epochs that the checkpoint does not know."""
    path = folder / LOG
    if path.exists():
        atomic_write_text(path, "".join(path.read_text().splitlines(keepends=True)[:epochs]))


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of all epochs."""
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


class Board:
    """The log for TensorBoard, in the run's folder.

    Raises
    ------
    UsageError
        The package `tensorboard` is not installed.
    """

    def __init__(self, folder: Path, epochs: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "tensorboard: the package is not installed; pip install 'co2phys[tensorboard]'"
            ) from error
        # What a stopped run has logged after its last state is logged again.
        self._writer = SummaryWriter(str(folder / BOARD), purge_step=epochs + 1)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add the row of one epoch."""
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()
