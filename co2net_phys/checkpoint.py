"""Checkpoints without pickle: weights as safetensors, everything else as JSON.

A checkpoint is a folder. It is written beside its place and renamed, and the one before is kept as
`<name>.previous`, so that neither a crash nor a corrupt file loses more than one checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from co2net_phys.baselines import build_baseline
from co2net_phys.data.atomic import explained_writing_errors
from co2net_phys.errors import Co2physError, DataError
from co2net_phys.json_text import json_text
from co2net_phys.model import CO2Net, CO2NetConfig

LOG = logging.getLogger(__name__)

WEIGHTS, METADATA, TRAINING = "model.safetensors", "metadata.json", "training.safetensors"

UNREADABLE = (
    OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError,
    SafetensorError, Co2physError,
)  # fmt: skip
"""What reading a damaged checkpoint raises; `Co2physError` where the metadata makes no sense."""

Loaded = TypeVar("Loaded")


def save_checkpoint(
    folder: Path,
    model: CO2Net,
    metadata: Mapping[str, Any],
    training: Mapping[str, Tensor] | None = None,
    *,
    weights: Mapping[str, Tensor] | None = None,
    keep: int = 2,
) -> None:
    """Write `model` and JSON `metadata` to `folder`; `training` holds what a resume needs.

    `weights` are those to write if not the model's own; `keep` checkpoints are kept, this one and
    those before it. Numbers that are not finite become null, as JSON knows no others.

    Raises
    ------
    DataError
        The folder cannot be written; an older checkpoint stays as it was.
    """
    with explained_writing_errors(folder, 0):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            files = {
                WEIGHTS: model.state_dict() if weights is None else weights,
                TRAINING: training,
            }
            checksums = {}
            for name, tensors in files.items():
                if tensors is not None:
                    plain = {
                        key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()
                    }
                    _save_tensors(plain, temporary / name)
                    checksums[name] = _checksum(temporary / name)
            content = {**metadata, **_description(model), "sha256": checksums}
            (temporary / METADATA).write_text(json_text(content))
            _flush(temporary)
            _replace(temporary, folder, keep)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def load_model(folder: Path) -> tuple[CO2Net, dict[str, Any]]:
    """Return the network of a checkpoint folder, in evaluation mode, and its metadata.

    The metadata's "folder" is the one that was read: `folder`, or the one before it.

    Raises
    ------
    DataError
        Neither the checkpoint nor the one before it can be read.
    """

    def read(place: Path) -> tuple[CO2Net, dict[str, Any]]:
        metadata = _metadata(place)
        background = metadata["background"]
        model = CO2Net(
            CO2NetConfig(**metadata["model"]),
            None if background is None else build_baseline(background),
        )
        model.load_state_dict(_tensors(place, WEIGHTS, metadata))
        return model.eval(), {**metadata, "folder": str(place)}

    return _first_readable(folder, read)


def load_metadata(folder: Path) -> dict[str, Any]:
    """Return the metadata of a checkpoint folder.

    Raises
    ------
    DataError
        Neither the checkpoint nor one before it can be read.
    """
    return _first_readable(folder, _metadata)


def load_training(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """Return (weights, training tensors, metadata) of a checkpoint to resume from."""

    def read(place: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
        metadata = _metadata(place)
        weights = _tensors(place, WEIGHTS, metadata)
        return weights, _tensors(place, TRAINING, metadata), metadata

    return _first_readable(folder, read)


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint folder meant by `path`: itself, or the best or last one of a run.

    Raises
    ------
    DataError
        There is none.
    """
    path = path if path.name else path.resolve()  # "." has no name to put ".previous" behind
    for candidate in (path, path / "best", path / "last"):
        if any((place / METADATA).exists() for place in (candidate, previous(candidate))):
            return candidate
    raise DataError(f"{path}: no checkpoint here; give the --output folder of `co2phys train`")


def previous(folder: Path, steps: int = 1) -> Path:
    """Where the checkpoint so many before `folder` is kept."""
    return folder.with_name(folder.name + ".previous" + (f"-{steps}" if steps > 1 else ""))


def kept(folder: Path) -> list[Path]:
    """Where `folder` and the checkpoints before it are, the latest first."""
    places = [folder, previous(folder)]
    while previous(folder, len(places)).exists():
        places.append(previous(folder, len(places)))
    return places


def _description(model: CO2Net) -> dict[str, Any]:
    background: Any = model.background
    return {
        "model": model.config.model_dump(mode="json"),
        "background": None if background is None else background.configuration(),
    }


def _first_readable(folder: Path, read: Callable[[Path], Loaded]) -> Loaded:
    problems = []
    for place in kept(folder):
        try:
            loaded = read(place)
        except UNREADABLE as error:
            problems.append((str(error).strip().splitlines() or [type(error).__name__])[0])
            continue
        if problems:
            LOG.warning("%s: unreadable (%s); using the one before it", folder, problems[0])
        return loaded
    raise DataError(f"{folder}: not a readable checkpoint ({problems[0]}); train again")


def _metadata(place: Path) -> dict[str, Any]:
    content = json.loads((place / METADATA).read_text())
    if not isinstance(content, dict):
        raise ValueError(f"{METADATA} is not an object")
    return content


def _tensors(place: Path, name: str, metadata: Mapping[str, Any]) -> dict[str, Tensor]:
    if metadata["sha256"].get(name) != _checksum(place / name):
        raise DataError(f"{place / name}: checksum differs from {METADATA}")
    return dict(load_file(place / name))


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file; a failing disk is an `OSError`, as everywhere else."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _replace(temporary: Path, folder: Path, keep: int) -> None:
    """Rename into place; at every moment `folder` or its predecessor is whole."""
    places = kept(folder)
    for place in places[keep - 1 :]:
        shutil.rmtree(place, ignore_errors=True)
    for older in range(min(keep, len(places)) - 1, -1, -1):
        if places[older].exists():
            places[older].rename(previous(folder, older + 1))
    temporary.rename(folder)
