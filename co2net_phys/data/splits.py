"""Training, validation and test frames: blocks of time with gaps between them.

Interleaved test weeks leak, because what a method gets wrong today it still gets wrong three days
later; the headline split is therefore a final block after a gap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError, UsageError

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")

Split = Mapping[str, tuple[str, str]]
"""First and last time (ISO 8601, inclusive) of each block, by name.

A last time may be cut short: "2018-12-31" includes that whole day, "2018" that whole year.
"""

_ISO = re.compile(r"\d{4,}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d)?)?)?)?)?")

GAP_DAYS = 5.0
"""Days left out between blocks, or `GAP_SHARE` of the record where that is shorter."""

GAP_SHARE = 0.06
VALIDATION_SHARE = 0.1
TEST_SHARE = 0.2


def block_split(store: TrainingStore, frames_per_window: int) -> dict[str, tuple[str, str]]:
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


def split_frames(store: TrainingStore, split: Split, name: str) -> NDArray[np.int64]:
    """Frame indices of one block.

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
    first, last = split[name]
    labels = np.array(time_labels(store))
    frames = np.flatnonzero((labels >= first) & (labels.astype(f"<U{len(last)}") <= last))
    if len(frames) == 0:
        raise DataError(f"{store.source}: no time step between {first} and {last} (split {name!r})")
    return frames


def check_split(split: Split) -> None:
    """Refuse a split whose blocks have other names, end before they start, or overlap.

    Raises
    ------
    UsageError
        naming the block.
    """
    for name, (first, last) in split.items():
        if name not in SPLIT_NAMES:
            raise UsageError(f"split: no block is called {name!r}; use {', '.join(SPLIT_NAMES)}")
        for moment in (first, last):
            if not _ISO.fullmatch(moment):
                raise UsageError(
                    f"split: {moment!r} ({name}) is no ISO 8601 time; write 2018-12-31T21:00:00"
                )
        if _is_before(last, first):
            raise UsageError(f"split: block {name!r} ends at {last}, before it starts at {first}")
    ordered = sorted(split.items(), key=lambda item: item[1][0])
    for (one, (_, end)), (other, (start, _)) in pairwise(ordered):
        if not _is_before(end, start):
            raise UsageError(f"split: blocks {one!r} and {other!r} overlap; end one before {start}")


def _is_before(one: str, other: str) -> bool:
    """Whether the period `one` ends before the period `other` starts."""
    length = min(len(one), len(other))
    return one[:length] < other[:length]


def time_labels(store: TrainingStore) -> list[str]:
    """ISO 8601 labels of all frames; their order is the order in time, in any calendar."""
    return [str(label) for label in store.times.dt.strftime("%Y-%m-%dT%H:%M:%S").values]
