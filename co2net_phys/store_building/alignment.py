"""Values of slower or shifted auxiliaries at the frames of CO2, without reading them.

CO2 sets the frames of a store. An auxiliary with the same times is taken as it is; any other is
interpolated linearly between its two neighbours in time, or taken from the nearer one. It reaches
half of its own step beyond its first and last time, where the end value stands; frames farther out,
or in a gap of more than one and a half of its steps, it does not cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.errors import DataError

Alignment = Literal["linear", "nearest"]

GAP_STEPS = 1.5
"""Intervals longer than this many (median) steps are gaps."""


@dataclass(frozen=True)
class TimeWeights:
    """Where each frame lies between the times of an auxiliary.

    Attributes
    ----------
    before, after
        (N,) indices of its neighbours in time.
    fraction
        (N,) share of `after`, in [0, 1].
    covered
        (N,) whether the auxiliary has a value for the frame.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    fraction: NDArray[np.float64]
    covered: NDArray[np.bool_]

    def take(self, dataset: xr.Dataset, frames: slice) -> xr.Dataset:
        """Values at `frames`, lazily; their time axis is that of the frames, without coordinate."""
        low, high = self.before[frames], self.after[frames]
        first = int(low.min())
        near = dataset.isel(time=slice(first, int(high.max()) + 1)).drop_vars("time")
        if np.array_equal(low, high):
            return near if near.sizes["time"] == len(low) else _at(near, low, first)
        share = xr.DataArray(self.fraction[frames].astype(np.float32), dims="time")
        one, other = _at(near, low, first), _at(near, high, first)
        return one + share * (other - one)


def time_weights(
    own: xr.DataArray, frames: xr.DataArray, method: Alignment, where: str
) -> TimeWeights:
    """Weights that bring an auxiliary from its `own` times to those of the `frames`.

    Raises
    ------
    DataError
        naming `where`: the calendars differ, or the auxiliary has fewer than two times and another
        one than the frames.
    """
    at, given = _seconds(frames, own, where), _seconds(own, own, where)
    if np.array_equal(at, given):
        same = np.arange(len(at))
        return TimeWeights(same, same, np.zeros(len(at)), np.ones(len(at), dtype=bool))
    if len(given) < 2:
        raise DataError(f"{where}: one time, not that of CO2; give the times that CO2 has")
    steps = np.diff(given)
    typical = float(np.median(steps))
    before = np.clip(np.searchsorted(given, at, side="right") - 1, 0, len(given) - 2)
    fraction = np.clip((at - given[before]) / steps[before], 0.0, 1.0)
    exact = (fraction == 0) | (fraction == 1)
    inside = (at >= given[0] - typical / 2) & (at <= given[-1] + typical / 2)
    covered = inside & (exact | (steps[before] <= GAP_STEPS * typical))
    if method == "nearest":
        fraction = np.round(fraction)
    # One neighbour only where the other has no weight: it may be missing, or lie in another file.
    low = np.where(fraction == 1, before + 1, before)
    high = np.where(fraction == 0, before, before + 1)
    return TimeWeights(low, high, np.where(low == high, 0.0, fraction), covered)


def _at(dataset: xr.Dataset, indices: NDArray[np.int64], first: int) -> xr.Dataset:
    return dataset.isel(time=indices - first)


def _seconds(times: xr.DataArray, origin: xr.DataArray, where: str) -> NDArray[np.float64]:
    """Seconds since the first of `origin`."""
    first: Any = origin.values[0]
    kinds = [values.dtype == object for values in (times, origin)]
    if kinds[0] != kinds[1] or (kinds[0] and times.values[0].calendar != first.calendar):
        raise DataError(
            f"{where}: its calendar is {_calendar(origin)}, that of CO2 {_calendar(times)}; "
            "give files of one calendar"
        )
    if kinds[0]:
        return np.array([(moment - first).total_seconds() for moment in times.values])
    return np.asarray((times.values - first) / np.timedelta64(1, "s"), dtype=np.float64)


def _calendar(times: xr.DataArray) -> str:
    return str(times.dt.calendar)
