"""The restart file of a long run: one safetensors file, replaced in one step, without pickle.

It is written after the frames that it counts have reached the disk, so that whatever it says has
been written can be relied on, and what lies beyond is written again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from co2net_phys.data.atomic import atomic_write_bytes
from co2net_phys.errors import DataError

LAYOUT = 1
"""Number of the layout described here; another one is refused."""


@dataclass(frozen=True)
class Restart:
    """What a run needs to go on.

    Attributes:
        done: outputs behind the run, those of a spin-up included.
        arrays: numbers of the model at the last of them, by name.
        facts: whatever else must be kept, possible to write as JSON.
    """

    done: int
    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WritingPoint:
    """A restart together with how far the output had been written.

    Attributes:
        restart: of the model.
        written: records in chunks that are complete.
        pending: records after those, stacked along the first axis by variable.
    """

    restart: Restart
    written: int
    pending: Mapping[str, NDArray[Any]]


def write_restart(path: Path, point: WritingPoint) -> None:
    """Replace the restart file at ``path`` in one step.

    Raises:
        DataError: the disk is full or fails; the file before stays.
    """
    tensors = {f"model/{name}": array for name, array in point.restart.arrays.items()}
    tensors |= {f"pending/{name}": array for name, array in point.pending.items()}
    facts = {
        "layout": LAYOUT,
        "done": point.restart.done,
        "written": point.written,
        "facts": dict(point.restart.facts),
    }
    atomic_write_bytes(path, save(tensors, metadata={"co2phys": json.dumps(facts)}))


def read_restart(path: Path) -> WritingPoint:
    """Read what `write_restart` wrote.

    Raises:
        DataError: the file is damaged or of another layout.
    """
    try:
        with safe_open(path, framework="numpy") as stream:
            facts = json.loads(stream.metadata()["co2phys"])
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        if facts["layout"] != LAYOUT:
            raise ValueError(f"layout {facts['layout']}")
        restart = Restart(facts["done"], _part(tensors, "model/"), facts["facts"])
        return WritingPoint(restart, facts["written"], _part(tensors, "pending/"))
    except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{path}: damaged, or from another version of co2phys; begin again with --overwrite"
        ) from error


def _part(tensors: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): array
        for name, array in tensors.items()
        if name.startswith(prefix)
    }
