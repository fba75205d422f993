"""How sure a score is: bootstrap intervals for series that remember and for sites.

Neighbouring times are alike, and so are the records of one site. Resampling single values would
take them for independent news and make intervals too narrow; here whole blocks of time, or whole
sites, are drawn. Intervals lie between percentiles of the replicates, expanded for the number k of
blocks or sites: deviations by √(k/(k−1)), the spread that drawing with replacement loses, and
normal quantiles to those of Student's t (after Hesterberg 2015,
doi:10.1080/00031305.2015.1089789). Fewer than two blocks or sites tell nothing: the interval is
NaN then.

A NaN value makes the interval NaN. Drop the times without truth before, or pass `np.nanmean`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit

from co2net_phys.errors import UsageError
from co2net_phys.metrics.cells import Floats

Statistic = Callable[..., Any]
"""Called as `statistic(values, axis=-1)`, like `np.mean`."""

LEVEL = 0.95

_VALUES_AT_ONCE = 2**22
"""Resampled values in memory at a time, 32 MiB."""


@dataclass(frozen=True)
class DrawnSums(Mapping[str, NDArray[Any]]):
    """Sums at drawn positions, picked when they are asked for: no score needs all of them."""

    sums: Mapping[str, NDArray[Any]]
    positions: NDArray[np.intp]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.sums[name][self.positions]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sums)

    def __len__(self) -> int:
        return len(self.sums)


class Interval(NamedTuple):
    """A statistic, its bootstrap interval and standard error."""

    value: float
    low: float
    high: float
    standard_error: float
    level: float = LEVEL


class Difference(NamedTuple):
    """First minus second, its interval, and the two-sided p-value of no difference."""

    value: float
    low: float
    high: float
    standard_error: float
    p_value: float
    level: float = LEVEL


def root_mean_square(values: ArrayLike, axis: int = -1) -> Floats:
    """Statistic of errors: their RMSE."""
    return np.sqrt(np.mean(np.square(values), axis=axis))


def median_absolute(values: ArrayLike, axis: int = -1) -> Floats:
    """Statistic of errors: their median absolute value."""
    return np.asarray(np.median(np.abs(values), axis=axis), dtype=np.float64)


def block_bootstrap(
    values: ArrayLike,
    block: int,
    samples: int = 1000,
    seed: int = 0,
    statistic: Statistic = np.mean,
) -> Interval:
    """Interval of a statistic of an autocorrelated series, by circular blocks.

    Blocks start anywhere and go on from the end to the beginning, so that every time is drawn
    equally often (Politis and Romano 1992, in: Exploring the Limits of Bootstrap, pp. 263–270).

    Args:
        values: (time,) at equal steps.
        block: steps in a block, see `block_length`; 1 for independent values.
        samples: number of replicates.
        seed: of the random draw.
        statistic: of (..., time) along the last axis.

    Raises:
        UsageError: no values, or a block that is not between 1 and their number.
    """
    series = _series(values)
    draws = _blocks(series.size, block, samples, seed)
    replicates = _drawn(series, draws, statistic)
    return _interval(float(statistic(series, axis=-1)), replicates, series.size / block)


def paired_difference(
    one: ArrayLike,
    other: ArrayLike,
    block: int,
    samples: int = 1000,
    seed: int = 0,
    statistic: Statistic = np.mean,
) -> Difference:
    """Statistic of `one` minus that of `other`, two methods at the same times (time,).

    Both are resampled with the same blocks, so what they share cancels. The p-value is the share
    of replicates that lie as far from the difference as zero does. Of RMSE series the difference
    of means is the difference of the two RMSE.

    Raises:
        UsageError: lengths disagree, or as for `block_bootstrap`.
    """
    pair = _pair(one, other)
    count = pair[0].size
    draws = [_blocks(count, block, samples, seed) for _ in pair]
    return _difference(pair, draws, statistic, count / block)


def cluster_bootstrap(
    values: ArrayLike,
    groups: ArrayLike,
    samples: int = 1000,
    seed: int = 0,
    statistic: Statistic = np.mean,
) -> Interval:
    """Interval of a statistic of station records, by drawing sites with all their records.

    Args:
        values: (record,), such as errors.
        groups: (record,) site of each record.
        samples: number of replicates.
        seed: of the random draw.
        statistic: of (record,) along the last axis, such as `root_mean_square`.

    Raises:
        UsageError: no records, or a number of groups that differs from theirs.
    """
    records = _series(values)
    draws = _clusters(records.size, groups, samples, seed)
    replicates = _drawn(records, draws, statistic)
    return _interval(float(statistic(records, axis=-1)), replicates, np.unique(groups).size)


def cluster_difference(
    one: ArrayLike,
    other: ArrayLike,
    groups: ArrayLike,
    samples: int = 1000,
    seed: int = 0,
    statistic: Statistic = np.mean,
) -> Difference:
    """Statistic of `one` minus that of `other`, two methods at the same records (record,).

    As `paired_difference`, but with sites drawn as in `cluster_bootstrap`.

    Raises:
        UsageError: lengths disagree, or as for `cluster_bootstrap`.
    """
    pair = _pair(one, other)
    draws = [_clusters(pair[0].size, groups, samples, seed) for _ in pair]
    return _difference(pair, draws, statistic, np.unique(groups).size)


def _blocks(count: int, block: int, samples: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Positions (some samples, count) of resampled series, a bounded number at a time."""
    if not 1 <= block <= count:
        raise UsageError(f"a bootstrap block of {block} steps does not fit a series of {count}")
    rng = np.random.default_rng(seed)
    starts = rng.integers(count, size=(samples, -(-count // block)))
    rows = max(1, _VALUES_AT_ONCE // count)
    for first in range(0, samples, rows):
        positions = starts[first : first + rows, :, None] + np.arange(block)
        yield positions.reshape(len(positions), -1)[:, :count] % count


def _clusters(count: int, groups: ArrayLike, samples: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Positions (1, records) of resampled sites, one sample at a time as their sizes differ."""
    labels = np.asarray(groups)
    if labels.shape != (count,):
        raise UsageError(f"{count} records need one group each, got groups {labels.shape}")
    sites, label = np.unique(labels, return_inverse=True)
    members = np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1])
    rng = np.random.default_rng(seed)
    for _ in range(samples):
        chosen = rng.integers(sites.size, size=sites.size)
        yield np.concatenate([members[site] for site in chosen])[None]


def _drawn(series: Floats, draws: Iterator[NDArray[np.intp]], statistic: Statistic) -> Floats:
    """Statistic (samples,) of every draw."""
    return np.concatenate([statistic(series[positions], axis=-1) for positions in draws])


def _difference(
    pair: tuple[Floats, Floats],
    draws: list[Iterator[NDArray[np.intp]]],
    statistic: Statistic,
    pieces: float,
) -> Difference:
    one, other = (float(statistic(series, axis=-1)) for series in pair)
    first, second = (_drawn(*each, statistic) for each in zip(pair, draws, strict=True))
    value, replicates = one - other, first - second
    interval = _interval(value, replicates, pieces)
    p_value = float("nan")
    if not np.isnan(interval.standard_error):
        as_far = np.abs(_expanded(value, replicates, pieces) - value) >= abs(value)
        p_value = float((as_far.sum() + 1) / (replicates.size + 1))
    return Difference(*interval[:4], p_value=p_value)


def _interval(value: float, replicates: Floats, pieces: float) -> Interval:
    """Expanded percentile interval from replicates (samples,) of so many blocks or sites."""
    if pieces < 2:
        return Interval(value, *[float("nan")] * 3)
    expanded = _expanded(value, replicates, pieces)
    tail = ndtr(stdtrit(pieces - 1, (1 - LEVEL) / 2))
    low, high = np.quantile(expanded, [tail, 1 - tail])
    return Interval(value, float(low), float(high), float(expanded.std(ddof=1)))


def _expanded(value: float, replicates: Floats, pieces: float) -> Floats:
    """Replicates whose spread is no longer too small by the factor √(1 − 1/pieces)."""
    return value + (replicates - value) * np.sqrt(pieces / (pieces - 1))


def _series(values: ArrayLike) -> Floats:
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1 or series.size == 0:
        raise UsageError(f"a bootstrap needs a series of one value or more, got {series.shape}")
    return series


def _pair(one: ArrayLike, other: ArrayLike) -> tuple[Floats, Floats]:
    pair = _series(one), _series(other)
    if pair[0].shape != pair[1].shape:
        raise UsageError(
            f"series of {pair[0].size} and {pair[1].size} values are no pairs: compare two methods"
            " at the same times or records"
        )
    return pair
