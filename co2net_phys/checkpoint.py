"""Checkpoints without pickle: weights as safetensors, everything else as JSON.

A checkpoint is a folder. It is written beside its place and renamed, and the one before is kept as
`<name>.previous`, so that neither a crash nor a corrupt file loses more than one checkpoint.
What is read is checked first: see `co2net_phys.checkpoint_contents`.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Mapping
from itertools import count, pairwise
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from co2net_phys.checkpoint_contents import (
    Contents,
    checksum_of,
    described_model,
    is_training_tensor,
    make_model,
    read_metadata,
    read_tensors,
    require_finite,
    require_random_states,
    training_forms,
    weight_forms,
)
from co2net_phys.data.atomic import explained_writing_errors, flush_entry, remove
from co2net_phys.errors import Co2physError, DataError
from co2net_phys.families import name_of, title_of
from co2net_phys.json_text import json_text
from co2net_phys.learned_model import LearnedModel
from co2net_phys.network import Network

LOG = logging.getLogger(__name__)

WEIGHTS, METADATA, TRAINING = "model.safetensors", "metadata.json", "training.safetensors"

UNREADABLE = (
    OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError,
    SafetensorError, Co2physError,
)  # fmt: skip
"""What reading a damaged checkpoint raises; `Co2physError` where the metadata makes no sense."""

LONGEST_PROBLEM = 200
"""Characters told of why a checkpoint is unreadable; what is in it is not to flood a terminal."""

Loaded = TypeVar("Loaded")


def save_checkpoint(
    folder: Path,
    model: LearnedModel,
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
        _remove_leftovers(folder)
        temporary = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
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
                    checksums[name] = checksum_of(temporary / name)
            content = {**metadata, **_description(model), "sha256": checksums}
            (temporary / METADATA).write_text(json_text(content))
            _flush(temporary)
            _replace(temporary, folder, keep)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def load_model(folder: Path) -> tuple[Network, dict[str, Any]]:
    """Return the network of a checkpoint folder that reconstructs surface fields; see `load`.

    Raises
    ------
    DataError
        The checkpoint cannot be read, or holds another kind of model.
    """
    model, metadata = load(folder)
    if not isinstance(model, Network):
        raise DataError(f"{folder}: {title_of(metadata['config'])} is no network of surface fields")
    return model, metadata


def load(folder: Path) -> tuple[LearnedModel, dict[str, Any]]:
    """Return the model of a checkpoint folder, in evaluation mode, and its metadata.

    The metadata's "folder" is the one that was read: `folder`, or the one before it.

    Raises
    ------
    DataError
        Neither the checkpoint nor the one before it can be read.
    """

    def read(place: Path) -> tuple[LearnedModel, dict[str, Any]]:
        metadata = read_metadata(place / METADATA)
        weights = _weights(place, metadata, described_model(metadata))
        model = make_model(metadata)
        model.load_state_dict(weights)
        return model.eval(), Contents({**metadata, "folder": str(place)}, place / METADATA)

    return _first_readable(folder, read)


def load_metadata(folder: Path) -> dict[str, Any]:
    """Return the metadata of a checkpoint folder.

    Raises
    ------
    DataError
        Neither the checkpoint nor one before it can be read.
    """
    return _first_readable(folder, lambda place: read_metadata(place / METADATA))


def load_training(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """Return (weights, training tensors, metadata) of a checkpoint to resume from.

    Raises
    ------
    DataError
        Neither the checkpoint nor one before it can be read.
    """

    def read(place: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
        metadata = read_metadata(place / METADATA)
        model = described_model(metadata)
        needed = training_forms(model, averaged=_is_averaged(metadata))
        checksum = metadata["sha256"].get(TRAINING)
        tensors = read_tensors(place / TRAINING, checksum, needed, is_training_tensor)
        require_random_states(place / TRAINING, tensors)
        return _weights(place, metadata, model), tensors, metadata

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
        if any(os.path.lexists(place / METADATA) for place in kept(candidate)):
            return candidate
    raise DataError(f"{path}: no checkpoint here; give the --output folder of `co2phys train`")


def previous(folder: Path, steps: int = 1) -> Path:
    """Where the checkpoint so many before `folder` is kept."""
    return folder.with_name(folder.name + ".previous" + (f"-{steps}" if steps > 1 else ""))


def kept(folder: Path) -> list[Path]:
    """Where `folder` is, or should be, and the checkpoints before it, the latest first."""
    name = re.compile(rf"{re.escape(folder.name)}\.previous(?:-(\d+))?")
    found = {path: name.fullmatch(path.name) for path in _beside(folder)}
    steps = {path: int(match[1] or 1) for path, match in found.items() if match}
    return [folder, *sorted(steps, key=lambda path: steps[path])]


def _description(model: LearnedModel) -> dict[str, Any]:
    background: Any = model.background
    return {
        "architecture": name_of(model.config),
        "model": model.config.model_dump(mode="json"),
        "background": None if background is None else background.configuration(),
    }


def _first_readable(folder: Path, read: Callable[[Path], Loaded]) -> Loaded:
    problems = []
    for place in kept(folder):
        try:
            loaded = read(place)
        except UNREADABLE as error:
            problems.append(_problem(error))
            continue
        if problems:
            LOG.warning("%s: unreadable (%s); using the one before it", folder, problems[0])
        return loaded
    raise DataError(f"{folder}: not a readable checkpoint ({problems[0]}); train again")


def _problem(error: BaseException) -> str:
    """The first line of an error, short and without what would steer a terminal."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    return shown if len(shown) <= LONGEST_PROBLEM else f"{shown[:LONGEST_PROBLEM]} …"


def _weights(place: Path, metadata: Mapping[str, Any], model: LearnedModel) -> dict[str, Tensor]:
    """Weights of the network that `model` describes, and its background's fitted values."""
    checksum = metadata["sha256"].get(WEIGHTS)
    weights = read_tensors(place / WEIGHTS, checksum, weight_forms(model))
    require_finite(place / WEIGHTS, weights, dict(model.named_parameters()))
    return weights


def _is_averaged(metadata: Mapping[str, Any]) -> bool:
    """Whether the run keeps a running average of its weights."""
    return metadata.get("config", {}).get("average") is not None


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file; a failing disk is an `OSError`, as everywhere else."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _flush(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        flush_entry(path)


def _replace(temporary: Path, folder: Path, keep: int) -> None:
    """Rename into place; whatever was there stays until the new one has reached the disk."""
    if os.path.lexists(folder):
        free = next(steps for steps in count(1) if not os.path.lexists(previous(folder, steps)))
        places = [folder, *(previous(folder, steps) for steps in range(1, free + 1))]
        for newer, older in reversed(list(pairwise(places))):
            newer.rename(older)
    temporary.rename(folder)
    flush_entry(folder.parent)
    for place in kept(folder)[keep:]:
        remove(place)


def _remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed while they wrote `folder` have left."""
    for path in _beside(folder):
        if re.fullmatch(rf"{re.escape(folder.name)}\.tmp-\d+", path.name):
            remove(path)


def _beside(folder: Path) -> list[Path]:
    """What lies beside a checkpoint, as far as it may be seen."""
    try:
        return list(folder.parent.iterdir())
    except OSError:
        return []
