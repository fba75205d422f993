"""The folder of a probe experiment, and what it was started with: nothing is lost or mixed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from co2net_phys.checkpoint import METADATA, previous
from co2net_phys.data.atomic import atomic_write_text, remove, require_writable_folder
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError, UsageError
from co2net_phys.json_text import json_text

if TYPE_CHECKING:
    from co2net_phys.validation.wind_probe import ProbeConfig

SUMMARY, TABLE, PICTURE = "probe.json", "probe.csv", "wind-probe.png"

TWIN = "twin.zarr"
"""The data of an experiment that is given none."""

RECORD = "experiment.json"
"""Runs, options and data of the experiment, among its runs."""

FRAMES_COMPARED = 64
"""Frames of the data that are compared before an experiment goes on, evenly spread."""


def run_folder(folder: Path, arm: str, seed: int) -> Path:
    """Where the checkpoints of one run are."""
    return folder / "runs" / f"{arm}-{seed}"


def check_folder(folder: Path, *, may_hold_one: bool) -> None:
    """Refuse a folder that cannot be written or, unless `may_hold_one`, holds an experiment.

    Raises:
        DataError: it or its parent is no folder, or must not be written.
        UsageError: it holds an experiment.
    """
    require_writable_folder(folder)
    unfinished_twin = folder / f"{TWIN}.partial.zarr"
    begun = (folder / SUMMARY).exists() or unfinished_twin.exists()
    if not may_hold_one and (begun or any((folder / "runs").glob("*-[0-9]*"))):
        raise UsageError(f"{folder}: already holds an experiment; pass --resume or --overwrite")


def require_twin(folder: Path) -> None:
    """Refuse to simulate the twin for an experiment that was started with other data.

    Raises:
        UsageError: `folder` holds such an experiment.
        DataError: what it was started with cannot be read.
    """
    if _record_of(folder).exists() and (source := _record(folder)["source"]) != TWIN:
        raise UsageError(
            f"{folder}: the experiment was started with other data ({source}); give the same --data"
        )


def begin(folder: Path, config: ProbeConfig, store: TrainingStore, *, continued: bool) -> None:
    """Write down what the experiment is, after removing an earlier one or comparing with it.

    Raises:
        UsageError: `continued`, and `refuse_another` refuses.
        DataError: the folder cannot be written or read.
    """
    description = _description(config, store)  # first, since the data may be unreadable
    if continued:
        refuse_another(folder, config, store)
    else:
        _remove_experiment(folder)
    atomic_write_text(_record_of(folder), json_text(description) + "\n")


def refuse_another(folder: Path, config: ProbeConfig, store: TrainingStore) -> None:
    """Raise unless the experiment in `folder`, if there is one, can go on as `config`.

    It may get more arms and seeds, but keeps those it has.

    Raises:
        UsageError: it has other options or data, or runs that `config` leaves out.
        DataError: what it was started with cannot be read.
    """
    if not _record_of(folder).exists():
        if any(run_folder(folder, arm, seed).exists() for seed, arm in config.runs):
            raise DataError(f"{_record_of(folder)}: missing; begin again with --overwrite")
        return
    earlier, now = _record(folder), _description(config, store)
    for name, value in now["options"].items():
        if earlier["options"].get(name) != value:
            raise UsageError(
                f"{folder}: the experiment was started with --{name.replace('_', '-')} "
                f"{earlier['options'].get(name)}, not {value}; give the same options, or another "
                "--output"
            )
    left_out = [f"{arm} with seed {seed}" for seed, arm in earlier["runs"]
                if [seed, arm] not in now["runs"]]  # fmt: skip
    if left_out:
        raise UsageError(
            f"{folder}: the experiment also has {', '.join(left_out)}, which would be lost; add to "
            "--arms and --seeds what it has, or take another --output"
        )
    if earlier["data"] != now["data"]:
        raise UsageError(
            f"{folder}: the experiment was started with other data ({earlier['source']}), not "
            f"those of {store.source}; give the same --data, or another --output"
        )


def steps_done(folder: Path, arm: str, seed: int, batches_per_epoch: int) -> int:
    """Optimiser steps behind a run, 0 if it has not begun."""
    last = run_folder(folder, arm, seed) / "last"
    for place in (last, previous(last)):
        try:
            progress = json.loads((place / METADATA).read_text())["progress"]
            return int(progress["epoch"]) * batches_per_epoch + int(progress["batch"])
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return 0


def remove_results(folder: Path) -> None:
    """Remove scores, table and picture, lest they be taken for those of another experiment."""
    for name in (SUMMARY, TABLE, PICTURE):
        remove(folder / name)


def fingerprint(store: TrainingStore) -> str:
    """SHA-256 of times, places and of all fields at `FRAMES_COMPARED` frames."""
    digest = hashlib.sha256(json.dumps([station.code for station in store.stations]).encode())
    for axis in (store.seconds, store.latitude, store.longitude):
        digest.update(np.ascontiguousarray(axis).tobytes())
    frames = np.linspace(0, len(store) - 1, FRAMES_COMPARED).round().astype(np.int64)
    for name in (CO2, *store.auxiliaries):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(store.field(name, frames)).tobytes())
    return digest.hexdigest()


def _record_of(folder: Path) -> Path:
    return folder / "runs" / RECORD


def _record(folder: Path) -> Mapping[str, Any]:
    path = _record_of(folder)
    try:
        record = json.loads(path.read_text())
        if not isinstance(record["options"], dict) or not isinstance(record["runs"], list):
            raise TypeError
        return {name: record[name] for name in ("options", "runs", "source", "data")}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path}: cannot be read; begin again with --overwrite") from error


def _description(config: ProbeConfig, store: TrainingStore) -> dict[str, Any]:
    return {
        "runs": [[seed, arm] for seed, arm in config.runs],
        "options": {
            name: getattr(config, name) for name in ("epochs", "windows_per_epoch", "frames")
        },
        "source": Path(store.source).name,
        "data": fingerprint(store),
    }


def _remove_experiment(folder: Path) -> None:
    """Remove the results of an earlier experiment and the runs that it wrote down."""
    remove_results(folder)
    if _record_of(folder).exists():
        try:
            for seed, arm in _record(folder)["runs"]:
                remove(run_folder(folder, arm, seed))
        except (DataError, ValueError, TypeError):
            pass  # damaged: what is trained anew is cleared by its trainer
    remove(_record_of(folder))
