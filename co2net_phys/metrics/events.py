"""A box and some days in which CO2 changes fast: do the methods follow the truth there?"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from co2net_phys.data.cells import cell_bounds, latitude_bounds
from co2net_phys.errors import UsageError
from co2net_phys.metrics.at_stations import series_scores
from co2net_phys.metrics.cells import Floats
from co2net_phys.metrics.grid_series import mean_series


@dataclass(frozen=True)
class Event:
    """A box on the globe and a period.

    Args:
        name: for tables and files.
        south: edge of the box, degrees north.
        north: the same.
        west: edge, degrees east, any convention; the box goes eastward from here.
        east: edge; the box crosses the dateline where it is the smaller, and goes once round if
            both are 360 apart.
        first: first day of the event.
        last: last day of it.

    Raises:
        UsageError: an empty box or period.
    """

    name: str
    south: float
    north: float
    west: float
    east: float
    first: date
    last: date

    def __post_init__(self) -> None:
        if not -90 <= self.south < self.north <= 90 or self.west == self.east:
            raise UsageError(
                f"event {self.name!r}: the box {self.south:g} to {self.north:g}°N, {self.west:g} to"
                f" {self.east:g}°E is empty; give south below north, within ±90, and west ≠ east"
            )
        if self.first > self.last:
            raise UsageError(f"event {self.name!r}: ends before it begins; swap first and last")

    def frames(self, times: ArrayLike) -> NDArray[np.intp]:
        """Positions of the times (time,), datetime64 or cftime, that lie in the period."""
        stamps = xr.DataArray(np.asarray(times), dims="time").dt
        day = (stamps.year.values * 100 + stamps.month.values) * 100 + stamps.day.values
        first, last = ((d.year * 100 + d.month) * 100 + d.day for d in (self.first, self.last))
        return np.flatnonzero((day >= first) & (day <= last))


EVENTS = {
    event.name: event
    for event in (
        # The arc of deforestation from Acre and Rondônia to Pará, with the Bolivian lowlands,
        # where most of the fires were.
        Event("amazon-fires-2019", -15, -3, -72, -48, date(2019, 8, 5), date(2019, 8, 10)),
        Event("california-fires-2020", 32, 42, -125, -114, date(2020, 10, 11), date(2020, 10, 30)),
        # The boreal forest between the Ob and the Lena.
        Event("siberian-uptake-2020", 52, 68, 65, 130, date(2020, 6, 3), date(2020, 6, 23)),
    )
}
"""Events of the CO2-Net paper's figure 4 by name; it gives the periods, the boxes are ours."""


def event_curve(
    field: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    event: Event,
    mask: ArrayLike | None = None,
) -> Floats:
    """Mean (time,) of a field over the box of an event, each cell by its area within the box.

    Args:
        field: (time, lat, lon), the times of `Event.frames` or any others.
        latitude: (lat,) degrees north.
        longitude: (lon,) degrees east, either convention.
        event: whose box to take.
        mask: cells that count, (lat, lon) or (time, lat, lon); without it a missing value in the
            box makes its time NaN.

    Raises:
        UsageError: the shapes disagree, or the box lies outside the grid.
    """
    weights = _area_within(event, latitude, longitude)
    if not weights.any():
        raise UsageError(f"event {event.name!r}: no cell of the grid lies in its box")
    return mean_series(field, weights, mask)


def event_scores(curve: ArrayLike, truth_curve: ArrayLike) -> dict[str, float]:
    """How well a curve follows the change that the event is about.

    That is the largest rise or the largest fall of the truth, whichever is larger: from its
    lowest value before the peak to the peak, or the other way round.

    Args:
        curve: (time,) of a method, in µmol mol⁻¹.
        truth_curve: (time,) at the same times, NaN where unknown.

    Returns:
        "rmse" and "bias" in µmol mol⁻¹; "correlation"; "amplitude", the truth's change with its
        sign; "amplitude_ratio", the largest change of the curve in that direction over that of the
        truth; "timing_error", time steps by which the end of the curve's change comes late.
        All but the amplitude are NaN if the curve lacks a known time.

    Raises:
        UsageError: lengths disagree.
    """
    y, u = np.asarray(curve, dtype=np.float64), np.asarray(truth_curve, dtype=np.float64)
    if y.shape != u.shape or u.ndim != 1:
        raise UsageError(f"curves {y.shape} and {u.shape} must share their times (time,)")
    known = np.flatnonzero(~np.isnan(u))
    scores = series_scores(y, u)
    result = {name: float(scores[name]) for name in ("rmse", "bias", "correlation")}
    result |= dict.fromkeys(("amplitude", "amplitude_ratio", "timing_error"), float("nan"))
    if known.size == 0:
        return result
    rise, fall = _largest_rise(u[known]), _largest_rise(-u[known])
    sign, (change, end) = (1, rise) if rise[0] >= fall[0] else (-1, fall)
    result["amplitude"] = sign * change
    if change > 0 and not np.isnan(y[known]).any():
        found, found_end = _largest_rise(sign * y[known])
        result["amplitude_ratio"] = found / change
        result["timing_error"] = float(known[found_end] - known[end])
    return result


def _largest_rise(curve: Floats) -> tuple[float, int]:
    """Largest rise from any value to a later one, and the position where it ends."""
    rises = curve - np.minimum.accumulate(curve)
    end = int(np.argmax(rises))
    return float(rises[end]), end


def _area_within(event: Event, latitude: ArrayLike, longitude: ArrayLike) -> Floats:
    """Area (lat, lon) of each cell within the box, up to a factor."""
    edges = np.clip(latitude_bounds(latitude), event.south, event.north)
    heights = np.abs(np.diff(np.sin(np.radians(edges))))
    return heights[:, None] * _width_within(event, longitude)


def _width_within(event: Event, longitude: ArrayLike) -> Floats:
    """Degrees (lon,) of each column within the box."""
    edges = cell_bounds(np.unwrap(np.asarray(longitude, dtype=np.float64), period=360.0))
    widths = np.abs(np.diff(edges))
    span = (event.east - event.west) % 360.0 or 360.0
    # Degrees from the western edge of the box to that of each cell, eastward.
    start = (np.minimum(edges[:-1], edges[1:]) - event.west) % 360.0
    ahead = np.minimum(start + widths, span) - start
    # A cell that begins east of the box may reach round the globe into it.
    around = np.minimum(start + widths - 360.0, span)
    return np.clip(ahead, 0.0, None) + np.clip(around, 0.0, None)
