"""What a run keeps in its folder beside the checkpoints: a log, one JSON line an epoch."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from co2net_phys.checkpoint import previous
from co2net_phys.data.atomic import explained_writing_errors
from co2net_phys.json_text import plain

LOG = "log.jsonl"


def clear_run(folder: Path) -> None:
    """Remove what an earlier run left, lest its checkpoint be taken for one of this run."""
    for name in ("best", "last"):
        for checkpoint in (folder / name, previous(folder / name)):
            if checkpoint.exists():
                shutil.rmtree(checkpoint)
    (folder / LOG).write_text("")


def append_log(folder: Path, row: Mapping[str, Any]) -> None:
    """Add the row of one epoch, what is not finite as null, and see it to the disk."""
    path = folder / LOG
    with explained_writing_errors(path), path.open("a") as log:
        log.write(json.dumps(plain(row), allow_nan=False) + "\n")
        log.flush()
        os.fsync(log.fileno())


def truncate_log(folder: Path, epochs: int) -> None:
    """Drop the rows of epochs that the checkpoint does not know."""
    path = folder / LOG
    if path.exists():
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:epochs]))


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of all epochs."""
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
