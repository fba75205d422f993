"""Observations on the time axis of a training store: one column a station, the mean of each frame.

Where a tower is sampled at several heights, the highest intake of each laboratory counts, and of
several laboratories those within `SAME_AIR_METRES` of the highest. A mean of a calendar month fills
a month without single measurements, and never a shorter frame.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.output_layout import station_coordinates
from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.stations import Station
from co2net_phys.errors import DataError
from co2net_phys.products.observations import (
    Series,
    in_brief,
    nominal_position,
    series_of,
    source_of,
)
from co2net_phys.products.times import months_of

_logger = logging.getLogger(__name__)

SAME_AIR_METRES = 50.0
"""Intakes of different laboratories this close in height sample the same air for a model."""

STATION_COUNT = f"{STATION_CO2}_count"
"""Number of measurements behind each value of `STATION_CO2`, dimensions (time, station)."""

TimeStep = float | Literal["month"]
Heights = Literal["highest", "all"]

_SHORTEST_MONTH, _LONGEST_MONTH = 28 * 86400.0, 31 * 86400.0
_REAL_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
_MONTH_LENGTHS = {
    "365_day": (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
    "366_day": (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
    "360_day": (30,) * 12,
}
_SYNONYMS = {"noleap": "365_day", "all_leap": "366_day"}


def at_times(
    table: xr.Dataset,
    times: NDArray[Any],
    time_step: TimeStep | None = None,
    *,
    heights: Heights = "highest",
    mobile: bool = False,
) -> xr.Dataset:
    """Mean observed CO2 in each frame at each station.

    Args:
        table: observations of CO2, from `co2net_phys.products.station_files.read`.
        times: (N,) ascending datetime64 or cftime, the centres of the frames; for months any time
            within the month.
        time_step: length of a frame in seconds, or "month" for calendar months; None takes the
            shortest interval, and months where all intervals are 28 to 31 days.
        heights: "highest" gives one column a site; "all" one for each height, whose code then ends
            in the height, as in LEF-396magl, wherever a site has several.
        mobile: whether ships and aircraft become columns too, at their median place.

    Returns:
        `STATION_CO2` and `STATION_COUNT` (time, station) with the station coordinates of a training
        store; stations without any value in the frames are left out.

    Raises
    ------
    DataError
        The table holds another tracer, no station remains, or the calendar is unknown.
    """
    if table.attrs.get("tracer") != "co2":
        raise DataError(
            f"{source_of(table)}: the observations are of "
            f"{str(table.attrs.get('tracer')).upper()}, not CO2; give station files of CO2"
        )
    step = _step(times) if time_step is None else time_step
    codes = _columns(table, heights, mobile=mobile)
    names = sorted({code for code in codes if code})
    column = np.array([names.index(code) if code else -1 for code in codes], dtype=np.int64)
    frame = _frames(table["time"].values, times, step, source_of(table))
    total, count = _binned(table, frame, column, (len(times), len(names)), step)
    seen = [bool(number) for number in count.sum(axis=0)]
    if not any(seen):
        raise DataError(
            f"{source_of(table)}: no observation falls into the times of the fields; give station "
            "files of the same years"
        )
    _warn_of_absent(
        [name for name, has in zip(names, seen, strict=True) if not has], source_of(table)
    )
    present = [name for name, has in zip(names, seen, strict=True) if has]
    stations = [_station(name, table, codes) for name in present]
    return _raster(total[:, seen], count[:, seen], stations, times)


def stations_of(
    table: xr.Dataset, *, heights: Heights = "highest", mobile: bool = False
) -> tuple[Station, ...]:
    """The stations that a table offers as columns, sorted by code, also without observations."""
    return stations_and_codes(table, heights=heights, mobile=mobile)[0]


def stations_and_codes(
    table: xr.Dataset, *, heights: Heights = "highest", mobile: bool = False
) -> tuple[tuple[Station, ...], list[str]]:
    """As `stations_of`, with the code of the station that each series belongs to, "" if to none."""
    codes = _columns(table, heights, mobile=mobile)
    return tuple(_station(code, table, codes) for code in sorted({c for c in codes if c})), codes


def _step(times: NDArray[Any]) -> TimeStep:
    """Length of the frames by their spacing."""
    if len(times) < 2:
        raise DataError("one time has no interval; say how long the frame is")
    steps = np.diff(calendar_seconds(times, calendar_name(times))[0])
    if steps.min() >= _SHORTEST_MONTH and steps.max() <= _LONGEST_MONTH:
        return "month"
    return float(steps.min())


def _columns(table: xr.Dataset, heights: Heights, *, mobile: bool) -> list[str]:
    """Code of the column that each series belongs to, "" if to none."""
    series = series_of(table)
    moving = sorted({one.site for one in series if one.is_mobile})
    if moving and not mobile:
        _logger.warning(
            "%s: %d sites are ships, aircraft or otherwise move, and are left out of the map: %s",
            *(
                source_of(table),
                len(moving),
                ", ".join(moving[:6]) + (" …" if len(moving) > 6 else ""),
            ),
        )
    used = [bool(np.isfinite(s.site_latitude)) and (mobile or not s.is_mobile) for s in series]
    if heights == "all":
        levels = {
            site: {
                _height_name(s) for s, u in zip(series, used, strict=True) if u and s.site == site
            }
            for site in {one.site for one in series}
        }
        return [
            (f"{s.site}-{_height_name(s)}" if len(levels[s.site]) > 1 else s.site) if u else ""
            for s, u in zip(series, used, strict=True)
        ]
    by_laboratory: dict[tuple[str, ...], float] = {}
    by_site: dict[str, float] = {}
    for one, use in zip(series, used, strict=True):
        if use and np.isfinite(one.series_height):
            source = (one.site, one.project, one.laboratory)
            by_laboratory[source] = max(by_laboratory.get(source, -np.inf), one.series_height)
            by_site[one.site] = max(by_site.get(one.site, -np.inf), one.series_height)

    def counts(one: Series) -> bool:
        height = one.series_height
        if np.isnan(height):
            return True
        highest = by_laboratory[one.site, one.project, one.laboratory]
        return height >= highest - 0.5 and height >= by_site[one.site] - SAME_AIR_METRES

    return [s.site if u and counts(s) else "" for s, u in zip(series, used, strict=True)]


def _height_name(series: Series) -> str:
    return f"{series.series_height:.0f}magl" if np.isfinite(series.series_height) else "surface"


def _frames(
    observed: NDArray[np.datetime64], times: NDArray[Any], step: TimeStep, source: str
) -> NDArray[np.int64]:
    """Index of the frame that each observation falls into, −1 for none."""
    if step == "month":
        wanted = months_of(times)
        if np.any(np.diff(wanted) <= 0):
            raise DataError("several frames lie in one calendar month; give the step in seconds")
        mine = months_of(observed)
        index = np.searchsorted(wanted, mine)
        hit = (index < wanted.size) & (wanted[np.minimum(index, wanted.size - 1)] == mine)
        return np.where(hit, index, -1)
    calendar = calendar_name(times)
    centre, _ = calendar_seconds(times, calendar)
    moment, exists = calendar_seconds(observed, calendar)
    if not exists.all():
        _logger.warning(
            "%s: %d observations fall on days that the %s calendar of the fields lacks, such as "
            "29 February: left out",
            *(source, int(np.count_nonzero(~exists)), calendar),
        )
    index = np.searchsorted(centre - step / 2, moment, side="right") - 1
    inside = (index >= 0) & (moment < centre[np.maximum(index, 0)] + step / 2)
    return np.where(inside & exists, index, -1)


def _binned(
    table: xr.Dataset,
    frame: NDArray[np.int64],
    column: NDArray[np.int64],
    shape: tuple[int, int],
    step: TimeStep,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean and number of observations (time, station); monthly means where nothing else is."""
    index = table["series_index"].values
    monthly = table["is_monthly_mean"].values.astype(bool)[index]
    station = column[index]
    inside = (frame >= 0) & (station >= 0)
    values = table["co2"].values

    def binned(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        cell = frame[mask] * shape[1] + station[mask]
        size = shape[0] * shape[1]
        count = np.bincount(cell, minlength=size)
        total = np.bincount(cell, weights=values[mask], minlength=size)
        with np.errstate(invalid="ignore"):
            return (total / count).reshape(shape), count.reshape(shape)

    mean, count = binned(inside & ~monthly)
    if step == "month" or step >= _SHORTEST_MONTH:
        mean_of_month, count_of_month = binned(inside & monthly)
        empty = count == 0
        return np.where(empty, mean_of_month, mean), np.where(empty, count_of_month, count)
    if (inside & monthly).any():
        _logger.warning(
            "%s: %d monthly means cannot be placed in frames of %g h: left out; give measurements "
            "of single times",
            *(source_of(table), int(np.count_nonzero(inside & monthly)), step / 3600),
        )
    return mean, count


def _station(code: str, table: xr.Dataset, codes: Sequence[str]) -> Station:
    """The station of a column, described by its first series."""
    series = series_of(table)
    mine = [number for number, name in enumerate(codes) if name == code]
    first = series[mine[0]]
    north, east = first.site_latitude, first.site_longitude
    if first.is_mobile:
        own = np.isin(table["series_index"].values, mine)
        if own.any():
            north, east = nominal_position(
                table["latitude"].values[own], table["longitude"].values[own]
            )
    elevations = [s.elevation for s in (series[n] for n in mine) if np.isfinite(s.elevation)]
    elevation = elevations[0] if elevations else np.nan
    return Station(code, first.site_name, north, east, elevation)


def _raster(
    mean: NDArray[np.float64],
    count: NDArray[np.int64],
    stations: Sequence[Station],
    times: NDArray[Any],
) -> xr.Dataset:
    attributes: Mapping[str, str] = {
        **VARIABLES[CO2].attributes,
        "long_name": "CO2 observed at stations (ppm, dry air)",
        "coverage_content_type": "physicalMeasurement",
        "cell_methods": "time: mean",
    }
    counted = {
        "standard_name": "number_of_observations",
        "long_name": "observations averaged in each frame",
        "units": "1",
        "coverage_content_type": "auxiliaryInformation",
    }
    dataset = xr.Dataset(
        {
            STATION_CO2: (("time", "station"), mean.astype(np.float32), attributes),
            STATION_COUNT: (("time", "station"), count.astype(np.int32), counted),
        },
        coords={"time": ("time", times)},
    )
    return dataset.assign_coords(station_coordinates(stations))


def _warn_of_absent(names: Sequence[str], source: str) -> None:
    if names:
        _logger.warning(
            "%s: %d stations have no observation in the times of the fields: left out %s",
            *(source, len(names), in_brief(names)),
        )


def calendar_name(times: NDArray[Any]) -> str:
    """CF name of the calendar of the times, "standard" for any with real leap years."""
    if np.issubdtype(times.dtype, np.datetime64):
        return "standard"
    name = str(times[0].calendar)
    return "standard" if name in _REAL_CALENDARS else _SYNONYMS.get(name, name)


def calendar_seconds(
    times: NDArray[Any], calendar: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Seconds since a fixed day of a calendar, and whether each date exists in it."""
    year, month, day, second = _parts(times)
    if calendar == "standard":
        first = (12 * (year - 1970) + month - 1).astype("datetime64[M]").astype("datetime64[D]")
        days = first.astype(np.int64) + day - 1
        return np.asarray(days * 86400.0 + second), np.ones(len(times), dtype=np.bool_)
    if calendar not in _MONTH_LENGTHS:
        raise DataError(f"the calendar '{calendar}' of the fields is unknown; convert their times")
    lengths = np.array(_MONTH_LENGTHS[calendar])
    starts = np.cumsum(lengths) - lengths
    days = year * int(lengths.sum()) + starts[month - 1] + day - 1
    return np.asarray(days * 86400.0 + second), np.asarray(day <= lengths[month - 1])


def _parts(times: NDArray[Any]) -> tuple[NDArray[np.int64], ...]:
    """Year, month, day of the month and second of the day, each (N,)."""
    if np.issubdtype(times.dtype, np.datetime64):
        months = times.astype("datetime64[M]")
        days = times.astype("datetime64[D]")
        number = months.astype(np.int64)
        year, month = number // 12 + 1970, number % 12 + 1
        day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
        return year, month, day, (times.astype("datetime64[s]") - days).astype(np.int64)
    clock: Sequence[cftime.datetime] = list(times)
    rows = [(t.year, t.month, t.day, t.hour * 3600 + t.minute * 60 + t.second) for t in clock]
    return tuple(np.array(rows, dtype=np.int64).reshape(-1, 4).T)
