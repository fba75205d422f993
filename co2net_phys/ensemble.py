"""Deep ensembles: networks that differ by their seed, and what they say together.

Members lie in folders `member-01`, `member-02`, … of one run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.checkpoint import WEIGHTS, find_checkpoint, load_model
from co2net_phys.data.schema import standard_error_name
from co2net_phys.data.windows import Windows
from co2net_phys.errors import DataError
from co2net_phys.network import Network
from co2net_phys.reconstruct import Record, records

MEMBER = re.compile(r"member-\d+")

MEMORY_BYTES = 256 * 2**20
"""What the moments of the frames in hand may take; more frames are done in several turns."""


def member_folder(run: Path, number: int) -> Path:
    """Folder of one member of a run; `number` counts from 1."""
    return run / f"member-{number:02d}"


def member_folders(run: Path) -> list[Path]:
    """Folders of the members that are in `run`, in their order."""
    folders = run.iterdir() if run.is_dir() else ()
    members = [folder for folder in folders if MEMBER.fullmatch(folder.name) and folder.is_dir()]
    return sorted(members, key=lambda folder: int(folder.name.split("-")[1]))


def find_checkpoints(path: Path) -> list[Path]:
    """Return the checkpoint of each member of the run in `path`, or the only one that it means.

    Raises
    ------
    DataError
        There is none, or a member has none.
    """
    members = member_folders(path)
    return [find_checkpoint(folder) for folder in members or [path]]


class Ensemble:
    """Networks trained on the same data with different seeds; one alone is allowed.

    The mean of N members is their reconstruction. Its variance, by the law of total variance for
    the mixture of the members (Lakshminarayanan et al. 2017, arXiv 1612.01474), is the mean of the
    variances that they predict, if they do, plus the variance of their means, (1/N) Σ (y_i − ȳ)².
    With few members the latter is on average too small by the factor (N − 1)/N.

    Members are loaded one after the other, so memory holds one of them, and moments of at most
    `MEMORY_BYTES`, however many there are. All are read once at the start: a damaged or alien one
    is found before any work.

    Parameters
    ----------
    checkpoints
        Folder of each member's checkpoint.

    Raises
    ------
    DataError
        A checkpoint cannot be read, or was trained on other data, stations or options.
    """

    def __init__(self, checkpoints: Sequence[Path]) -> None:
        self.checkpoints = tuple(checkpoints)
        self._loaded: tuple[Path, Network, dict[str, Any]] | None = None
        found = [self._load(place)[1] for place in self.checkpoints]
        for place, metadata in zip(self.checkpoints, found, strict=True):
            _require_alike(place, metadata, self.checkpoints[0], found[0])
        self.metadata = found[0]
        """Of the first member."""
        self.weights = tuple(Path(metadata["folder"]) / WEIGHTS for metadata in found)
        """Files the networks were read from."""
        target, *errors = self.first.config.outputs
        if len(self) > 1:
            errors = [standard_error_name(target)]
        self.names = (target, *errors)
        """Fields of a reconstruction: a variable and, but for a single member without the head
        for it, its standard error."""

    def __len__(self) -> int:
        return len(self.checkpoints)

    @property
    def first(self) -> Network:
        """The first member."""
        return self._load(self.checkpoints[0])[0]

    def records(
        self,
        windows: Windows,
        batch_size: int,
        device: torch.device | None = None,
        precision: str = "fp32",
        progress: Callable[[int], None] = lambda done: None,
    ) -> Iterator[Record]:
        """Yield the mean and, if there is one, the standard error of every window's last frame.

        `progress` hears how many windows of all members are done, `len(self) * len(windows)` at
        the end.

        Raises
        ------
        NumericalError
            A member's field is not finite.
        """
        height, width = windows.store.shape
        turn = max(1, MEMORY_BYTES // (3 * 8 * height * width))
        done = 0
        for first in range(0, len(windows), turn):
            part = replace(windows, ends=windows.ends[first : first + turn])
            moments = _Moments((len(part), height, width))
            for place in self.checkpoints:
                for fields in self._fields(place, part, batch_size, device, precision):
                    moments.add(*fields)
                    done += 1
                    progress(done)
            yield from self._merged(part, moments)

    def _load(self, place: Path) -> tuple[Network, dict[str, Any]]:
        """Network and metadata of a checkpoint; they replace those that were loaded before."""
        if self._loaded is None or self._loaded[0] != place:
            self._loaded = None  # first, so that there is never room needed for two
            self._loaded = (place, *load_model(place))
        return self._loaded[1:]

    def _fields(
        self,
        place: Path,
        windows: Windows,
        batch_size: int,
        device: torch.device | None,
        precision: str,
    ) -> Iterator[Sequence[NDArray[np.float32]]]:
        """Fields (H, W) of one member, window by window; nothing refers to it afterwards."""
        model = self._load(place)[0].to(device or torch.device("cpu"))
        names = model.config.outputs
        for _, fields in records(model, windows, batch_size, device, precision, names):
            yield [fields[name] for name in names]

    def _merged(self, part: Windows, moments: _Moments) -> Iterator[Record]:
        both = (moments.mean, moments.standard_errors())
        for index, frame in enumerate(part.ends):
            named = zip(self.names, both, strict=False)  # without an error only the mean
            yield int(frame), {name: field[index].astype(np.float32) for name, field in named}


class _Moments:
    """Running mean, scatter and mean variance of members, (frame, H, W) in double precision."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.mean, self.scatter, self.variance = (np.zeros(shape) for _ in range(3))
        self.added = 0

    def add(
        self, field: NDArray[np.float32], standard_error: NDArray[np.float32] | None = None
    ) -> None:
        """Take in the next frame, of the next member after the last one (Welford's update)."""
        turn, index = divmod(self.added, len(self.mean))
        change = field - self.mean[index]
        self.mean[index] += change / (turn + 1)
        self.scatter[index] += change * (field - self.mean[index])
        if standard_error is not None:
            variance = standard_error.astype(np.float64) ** 2
            self.variance[index] += (variance - self.variance[index]) / (turn + 1)
        self.added += 1

    def standard_errors(self) -> NDArray[np.float64]:
        """Root of the total variance."""
        members = self.added // len(self.mean)
        return np.asarray(np.sqrt(self.variance + self.scatter / members))


def _require_alike(
    place: Path, metadata: dict[str, Any], first: Path, expected: dict[str, Any]
) -> None:
    """Refuse a member that saw other data than the first, or maps another field."""
    known = {"architecture": "co2net", **expected["model"], **expected}
    found = {"architecture": "co2net", **metadata["model"], **metadata}
    for name in (
        "architecture",
        *("split", "training_stations", "held_out_stations", "latitude", "longitude"),
        *("target_variable", "predict_variance", "grid", "frames", "frame_spacing_s"),
        "auxiliaries",
    ):
        if found.get(name) != known.get(name):
            raise DataError(
                f"{place}: {name.replace('_', ' ')} differs from {first}; members of an ensemble "
                "share all but their seed: train them with `co2phys train --ensemble`"
            )
