"""Which samples are left out together: at random, or by day, week, month, pass or tile.

Soundings of one day lie side by side along a track, and weather lasts for days. A method that is
tested on random samples has seen their neighbours; blocks keep neighbours together.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.points import Integers, Samples
from co2net_phys.satellite.schema import SENSORS

Blocks = Literal["sample", "day", "week", "month", "pass", "tile"]
BLOCKS: tuple[Blocks, ...] = get_args(Blocks)

TILE_DEGREES = 1.0
"""Side of a tile."""


class Fold(NamedTuple):
    """Positions of the samples to learn from and of those to be tested on."""

    training: Integers
    test: Integers


def block_labels(samples: Samples, blocks: Blocks, tile_degrees: float = TILE_DEGREES) -> Integers:
    """Number (n,) of the block of each sample, counted from 0.

    "sample": each is its own block, which is what random splits are made of. "day", "week" and
    "month" are those of the calendar, weeks from Thursday on as 1970 began. "pass" is what the
    same sensors saw on one day: satellites in sun-synchronous orbits cross a region the size of a
    province once a day in daylight; where OCO-2 and OCO-3 met in a cell, both tracks of the day are
    one. "tile" is a square of the map, over all days.
    """
    if blocks == "sample":
        return np.arange(len(samples))
    if blocks == "tile":
        if not tile_degrees > 0:
            raise UsageError(f"tiles of {tile_degrees:g}° are none; give a positive size")
        north = np.floor(samples.latitude / tile_degrees)
        east = np.floor(samples.longitude / tile_degrees)
        keys = np.stack([north, east])
    else:
        unit = {"day": "D", "week": "W", "month": "M", "pass": "D"}[blocks]
        period = samples.time.astype(f"datetime64[{unit}]").astype(np.int64)
        sensors = _tracks(samples, period) if blocks == "pass" else np.zeros_like(period)
        keys = np.stack([period, sensors]).astype(np.float64)
    return np.unique(keys, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _tracks(samples: Samples, day: Integers) -> Integers:
    """Sensors (n,) whose track each sample is on; those that met on its day count as one."""
    both = SENSORS["oco2"] | SENSORS["oco3"]
    met = np.isin(day, day[samples.sensors & both == both])
    return np.where(met & (samples.sensors & both > 0), both, samples.sensors)


def k_folds(labels: Integers, count: int, seed: int) -> list[Fold]:
    """Deal blocks out at random to `count` folds; each is the test of one.

    Raises
    ------
    UsageError
        Fewer than two folds.
    DataError
        There are fewer blocks than folds.
    """
    if count < 2:
        raise UsageError(f"{count} folds leave nothing to learn from; take two or more")
    blocks, label = np.unique(labels, return_inverse=True)
    if blocks.size < count:
        raise DataError(f"{blocks.size} blocks of samples are fewer than {count} folds; take fewer")
    dealt = np.empty(blocks.size, dtype=np.int64)
    dealt[np.random.default_rng(seed).permutation(blocks.size)] = np.arange(blocks.size) % count
    return [_fold(dealt[label] == number) for number in range(count)]


def hold_out(labels: Integers, share: float, seed: int) -> Fold:
    """Leave out random blocks, as many as first reach `share` of the samples, but never all.

    Raises
    ------
    UsageError
        The share is not between 0 and 1.
    DataError
        There is only one block.
    """
    if not 0 < share < 1:
        raise UsageError(f"--hold-out {share:g}: not between 0 and 1; give a share such as 0.2")
    label, sizes = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    if sizes.size < 2:
        raise DataError("one block of samples cannot be split; give more, or make smaller blocks")
    order = np.random.default_rng(seed).permutation(sizes.size)
    reached = np.cumsum(sizes[order])
    needed = int(np.searchsorted(reached, share * len(labels) * (1 - 1e-12))) + 1
    chosen = order[: min(needed, sizes.size - 1)]
    return _fold(np.isin(label, chosen))


def _fold(is_test: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Fold:
    return Fold(np.flatnonzero(~is_test), np.flatnonzero(is_test))
