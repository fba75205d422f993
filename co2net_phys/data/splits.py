"""Training, validation and test frames: blocks of time with gaps between them.

Interleaved test weeks leak, because what a method gets wrong today it still gets wrong three days
later; the headline split is therefore a final block after a gap. A block may be several intervals,
as in the splits of the CO2-Net paper; no window reaches over what is left out between two of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.errors import DataError, UsageError

if TYPE_CHECKING:
    from co2net_phys.data.store import TrainingStore

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")

Interval = tuple[str, str]
"""First and last time (ISO 8601, inclusive).

A last time may be cut short: "2018-12-31" includes that whole day, "2018" that whole year.
"""

Block = Interval | tuple[Interval, ...]
"""One interval, or several that do not overlap."""

Split = Mapping[str, Block]
"""The intervals of each block, by name."""

PAPER_SPLITS: Mapping[str, Split] = {
    "carbontracker": {
        "train": ("2002", "2018"),
        "validation": (("2001", "2001"), ("2019", "2019")),
        "test": (("2000", "2000"), ("2020", "2020")),
    },
    "cmip6": {
        "train": ("1865", "1999"),
        "validation": (("1860", "1864"), ("2000", "2004")),
        "test": (("1850", "1859"), ("2005", "2014")),
    },
}
"""Splits of the CO2-Net paper. They leave no gap between blocks, `block_split` does."""

SPLIT_ATTRIBUTE = "co2phys_split"
"""Global attribute of a store: the split whose training block its statistics are of, as JSON."""

_ISO = re.compile(r"\d{4,}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d)?)?)?)?)?")

GAP_DAYS = 5.0
"""Days left out between blocks, or `GAP_SHARE` of the record where that is shorter."""

GAP_SHARE = 0.06
VALIDATION_SHARE = 0.1
TEST_SHARE = 0.2


class Timeline(Protocol):
    """Frames in time; a `TrainingStore` is one."""

    @property
    def source(self) -> str:
        """Where the frames are from, for errors."""

    @property
    def times(self) -> xr.DataArray:
        """(N,) numpy or cftime times, ascending."""

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(N,) seconds since the first frame."""

    @property
    def time_step(self) -> float:
        """Shortest interval between frames, seconds."""

    def __len__(self) -> int: ...


def block_split(store: Timeline, frames_per_window: int) -> dict[str, Interval]:
    """Cut the record of `store` into train, validation and test blocks, in this order.

    Raises
    ------
    DataError
        The record is too short for every block to hold one window of `frames_per_window`.
    """
    seconds = store.seconds
    span = seconds[-1] - seconds[0] + store.time_step
    gap = min(GAP_DAYS * 86400, GAP_SHARE * span)
    usable = span - 2 * gap
    train_end = (1 - VALIDATION_SHARE - TEST_SHARE) * usable
    validation_end = train_end + gap + VALIDATION_SHARE * usable
    edges = {
        "train": (0.0, train_end),
        "validation": (train_end + gap, validation_end),
        "test": (validation_end + gap, span),
    }
    labels = time_labels(store)
    split = {}
    for name, (first, last) in edges.items():
        inside = np.flatnonzero((seconds >= first) & (seconds < last))
        if len(inside) < frames_per_window:
            need = np.ceil(frames_per_window / VALIDATION_SHARE * store.time_step / 86400 * 1.2)
            raise DataError(
                f"{store.source}: {len(store)} time steps are too few to split, the {name} block "
                f"holds less than one window of {frames_per_window}; provide at least "
                f"{need:.0f} days"
            )
        split[name] = (labels[inside[0]], labels[inside[-1]])
    return split


def split_of(store: TrainingStore, frames_per_window: int) -> Split:
    """Return the split that a store was prepared for, or else `block_split`; raises as that."""
    return stored_split(store.dataset) or block_split(store, frames_per_window)


def intervals(block: Sequence[Any]) -> tuple[Interval, ...]:
    """Intervals of a block, as tuples; JSON and older checkpoints hold lists.

    Raises
    ------
    UsageError
        It is neither one interval nor several.
    """
    parts = (block,) if block and all(isinstance(part, str) for part in block) else block
    found = []
    for part in parts:
        if isinstance(part, str) or len(part) != 2 or not all(isinstance(m, str) for m in part):
            raise UsageError(f"split: {block!r} is no interval; write a first and a last time")
        found.append((str(part[0]), str(part[1])))
    if not found:
        raise UsageError("split: a block holds no interval; write a first and a last time")
    return tuple(found)


def split_frames(store: Timeline, split: Split, name: str) -> NDArray[np.int64]:
    """Frame indices of one block, all its intervals together, ascending.

    Raises
    ------
    UsageError
        No block is called `name`, or `split` is invalid (see `check_split`).
    DataError
        The store has no frame in the block.
    """
    if name == "all":
        return np.arange(len(store))
    check_split(split)
    if name not in split:
        raise UsageError(f"no split {name!r}; choose from {', '.join(split)} or all")
    labels = np.array(time_labels(store))
    inside = np.zeros(len(labels), dtype=bool)
    parts = intervals(split[name])
    for first, last in parts:
        inside |= (labels >= first) & (labels.astype(f"<U{len(last)}") <= last)
    if not inside.any():
        between = " or ".join(f"{first} and {last}" for first, last in parts)
        raise DataError(f"{store.source}: no time step between {between} (split {name!r})")
    return np.flatnonzero(inside)


def check_split(split: Split) -> None:
    """Refuse a split whose blocks have other names, end before they start, or overlap.

    Raises
    ------
    UsageError
        naming the block.
    """
    found: list[tuple[str, Interval]] = []
    for name, block in split.items():
        if name not in SPLIT_NAMES:
            raise UsageError(f"split: no block is called {name!r}; use {', '.join(SPLIT_NAMES)}")
        for first, last in intervals(block):
            _check_interval(name, first, last)
            found.append((name, (first, last)))
    ordered = sorted(found, key=lambda item: item[1][0])
    for (one, (_, end)), (other, (start, _)) in pairwise(ordered):
        if not _is_before(end, start):
            raise UsageError(f"split: blocks {one!r} and {other!r} overlap; end one before {start}")


def stored_split(dataset: xr.Dataset) -> Split | None:
    """The split that a store was prepared for, or None."""
    text = dataset.attrs.get(SPLIT_ATTRIBUTE)
    if text is None:
        return None
    found = {name: intervals(block) for name, block in json.loads(text).items()}
    return {name: parts[0] if len(parts) == 1 else parts for name, parts in found.items()}


def _check_interval(name: str, first: str, last: str) -> None:
    for moment in (first, last):
        if not _ISO.fullmatch(moment):
            raise UsageError(
                f"split: {moment!r} ({name}) is no ISO 8601 time; write 2018-12-31T21:00:00"
            )
    if _is_before(last, first):
        raise UsageError(f"split: block {name!r} ends at {last}, before it starts at {first}")


def _is_before(one: str, other: str) -> bool:
    """Whether the period `one` ends before the period `other` starts."""
    length = min(len(one), len(other))
    return one[:length] < other[:length]


def time_labels(store: Timeline) -> list[str]:
    """ISO 8601 labels of all frames; their order is the order in time, in any calendar."""
    return [str(label) for label in store.times.dt.strftime("%Y-%m-%dT%H:%M:%S").values]
