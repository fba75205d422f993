"""Values of predicted maps at given places and times, reading a few maps at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.schema import CO2
from co2net_phys.errors import DataError, UsageError
from co2net_phys.evaluate import Sampling
from co2net_phys.metrics import sample_at
from co2net_phys.prediction_file import checked_units, pieces, target_of
from co2net_phys.products.observation_raster import calendar_name, calendar_seconds
from co2net_phys.products.times import is_monthly, months_of

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.int64]
TimeSampling = Literal["linear", "nearest"]

GAP = 1.5
"""Two maps further apart than this many usual steps leave a gap, which nothing is filled into."""


@dataclass(frozen=True)
class Maps:
    """The maps of a prediction and how to sample them.

    Attributes:
        dataset: with CO2 in µmol mol⁻¹ on (time, latitude, longitude).
        source: its file, for errors.
        place: "bilinear" in degrees, or the "nearest" cell.
        moment: "linear" between two maps, or the "nearest" one.
    """

    dataset: xr.Dataset
    source: str
    place: Sampling = "bilinear"
    moment: TimeSampling = "linear"

    @property
    def times(self) -> NDArray[Any]:
        """(T,) datetime64 or cftime."""
        return np.asarray(self.dataset["time"].values)

    @property
    def seconds(self) -> Floats:
        """(T,) seconds in the calendar of the maps."""
        return calendar_seconds(self.times, calendar_name(self.times))[0]

    @property
    def step(self) -> float:
        """Usual (median) interval in seconds; that of a day for a single map."""
        return float(np.median(np.diff(self.seconds))) if len(self.times) > 1 else 86400.0

    def pieces(self) -> Iterator[tuple[int, Floats]]:
        """Maps (m, H, W), some at a time, and the position of the first of them."""
        first = 0
        for part in pieces(self.dataset, self.source):
            yield first, part.mean
            first += len(part.mean)

    def at(self, maps: Floats, latitude: Floats, longitude: Floats) -> Floats:
        """Values (m, S) of maps (m, H, W) at places (S,)."""
        north, east = (self.dataset[name].values for name in ("latitude", "longitude"))
        try:
            return sample_at(maps, north, east, latitude, longitude, self.place)
        except UsageError as error:
            raise DataError(f"{self.source}: {error}") from error


def maps_of(
    dataset: xr.Dataset,
    source: str,
    place: Sampling = "bilinear",
    moment: TimeSampling = "linear",
) -> Maps:
    """The maps of CO2 in a file.

    Raises
    ------
    DataError
        There are none, they have the wrong units, or their times do not ascend.
    """
    if (target := target_of(dataset, source)) != CO2:
        raise DataError(f"{source}: holds {target!r}, but stations observe CO2; give --truth only")
    times = dataset["time"].values
    if len(times) == 0 or not np.all(times[1:] > times[:-1]):
        raise DataError(f"{source}: 'time' does not ascend; sort it and drop duplicates first")
    return Maps(checked_units(dataset, source), source, place, moment)


def at_observations(
    maps: Maps, times: NDArray[Any], latitude: Floats, longitude: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Values (n,) at own times and places (n,), and whether maps cover them.

    Linear in time between the two maps around a time, or those of the nearest map not further away
    than half a step. NaN where not covered: before, after, and in gaps of the record.
    """
    frames = maps.seconds
    moments, exists = calendar_seconds(times, calendar_name(maps.times))
    lower = np.clip(np.searchsorted(frames, moments, side="right") - 1, 0, max(len(frames) - 2, 0))
    upper = np.minimum(lower + 1, len(frames) - 1)
    apart = frames[upper] - frames[lower]
    share = (moments - frames[lower]) / np.where(apart > 0, apart, 1.0)
    if maps.moment == "nearest":
        share = np.where(share > 0.5, 1.0, 0.0)
        away = np.abs(moments - np.where(share > 0, frames[upper], frames[lower]))
        covered = exists & (away <= maps.step / 2)
    else:
        on_a_map = (share == 0) | ((share == 1) & (apart > 0))
        covered = exists & (on_a_map | ((share > 0) & (share < 1) & (apart <= GAP * maps.step)))
    values = np.full(len(moments), np.nan)
    before: Floats | None = None  # an interval may begin with the last map of the piece before
    for start, fields in maps.pieces():
        first = start if before is None else start - 1
        known = fields if before is None else np.concatenate([before, fields])
        last = first + max(len(known) - 1, int(len(frames) == 1))
        here = np.flatnonzero(covered & (lower >= first) & (lower < last))
        if here.size:
            values[here] = _in_piece(
                maps, known, lower[here] - first, share[here], latitude[here], longitude[here]
            )
        before = fields[-1:]
    return values, covered


def _in_piece(
    maps: Maps, fields: Floats, lower: Indices, share: Floats, latitude: Floats, longitude: Floats
) -> Floats:
    """Values (n,) between the maps `lower` and `lower` + 1 of a piece."""
    places, place = np.unique(np.stack([latitude, longitude]), axis=1, return_inverse=True)
    series = maps.at(fields, places[0], places[1])
    place = place.ravel()
    before, after = (series[np.minimum(lower + ahead, len(fields) - 1), place] for ahead in (0, 1))
    # A missing map has no part in a value that lies exactly on the other one.
    return np.where(share < 1, before, 0) * (1 - share) + np.where(share > 0, after, 0) * share


def monthly_means(
    maps: Maps, latitude: Floats, longitude: Floats
) -> tuple[Indices, Floats, Floats]:
    """Means over calendar months at places (S,).

    Returns:
        Months (M,) since January of the year 0; means (M, S); share (M,) of each month that maps
        cover, each map standing for one step, and a monthly one for its month.
    """
    month, frame = np.unique(months_of(maps.times), return_inverse=True)
    total = np.zeros((len(month), len(latitude)))
    for first, fields in maps.pieces():
        series = maps.at(fields, latitude, longitude)
        np.add.at(total, frame[first : first + len(fields)], series)
    count = np.bincount(frame)
    if is_monthly(maps.times):
        return month, total / count[:, None], np.ones(len(month))
    days = maps.dataset["time"].dt.days_in_month.values
    length = 86400.0 * np.bincount(frame, weights=days) / count
    return month, total / count[:, None], np.minimum(1.0, count * maps.step / length)
