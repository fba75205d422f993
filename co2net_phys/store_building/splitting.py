"""Which frames of a store are for training, validation and test."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.output_layout import TimeEncoding
from co2net_phys.data.splits import PAPER_SPLITS, SPLIT_NAMES, Split, block_split, split_frames
from co2net_phys.errors import DataError, UsageError

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoreFrames:
    """Frames in time, as `co2net_phys.data.splits` wants them."""

    times: xr.DataArray
    source: str

    def __len__(self) -> int:
        return int(self.times.size)

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """(N,) seconds since the first frame."""
        encoding = TimeEncoding(self.times.values[0])
        return np.array([3600 * encoding.hours(time) for time in self.times.values])

    @property
    def time_step(self) -> float:
        """Shortest interval between frames, seconds."""
        return float(np.diff(self.seconds).min())


def chosen_split(timeline: StoreFrames, name: str | None, product: str | None) -> tuple[str, Split]:
    """Name and blocks of a split.

    Parameters
    ----------
    timeline
        Frames of the store.
    name
        Of the split; None takes that of the `product` where its blocks all hold frames, otherwise
        "blocks".

    Raises
    ------
    UsageError
        There is no such split.
    DataError
        No frame is left to train on.
    """
    if name is None:
        name = product if product and _holds_all(timeline, PAPER_SPLITS[product]) else "blocks"
    if name == "blocks":
        return name, block_split(timeline, 1)
    if name not in PAPER_SPLITS:
        raise UsageError(f"--split {name!r}: choose from {', '.join(PAPER_SPLITS)} or blocks")
    split = PAPER_SPLITS[name]
    empty = [block for block in SPLIT_NAMES if not _holds(timeline, split, block)]
    if "train" in empty:
        raise DataError(
            f"{timeline.source}: time: no frame in the training years of split {name!r}; pass "
            "--split blocks"
        )
    if empty:
        LOG.warning("%s: no frame in the %s years of split %r", timeline.source, empty[0], name)
    return name, split


def _holds(timeline: StoreFrames, split: Split, block: str) -> bool:
    try:
        return len(split_frames(timeline, split, block)) > 0
    except DataError:
        return False


def _holds_all(timeline: StoreFrames, split: Split) -> bool:
    return all(_holds(timeline, split, block) for block in SPLIT_NAMES)
