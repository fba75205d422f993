"""Daily means of half-hourly exchange, and the rule for gaps.

A day's mean is that of all its half-hours, filled ones included: gaps come mostly at night, so that
a mean of what was measured alone would miss respiration. A day with a half-hour that was neither
measured nor filled is missing. What share of the day can be trusted is its quality, and the user of
the record decides how much is enough.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.errors import DataError

Array = NDArray[np.float64]

GRAMS_PER_MICROMOLE = 12.011e-6
"""Grams of carbon in one µmol of CO2."""

SECONDS_PER_DAY = 86400.0

TO_GRAMS_PER_DAY = GRAMS_PER_MICROMOLE * SECONDS_PER_DAY
"""g m-2 d-1 of carbon in one µmol m-2 s-1 of CO2."""

MICROMOLE_UNITS = {"umol_m-2_s-1", "umol m-2 s-1", "umolco2 m-2 s-1", "µmol m-2 s-1"}

_REFORM = np.datetime64("1582-10-15")
"""From here on the mixed calendar is the Gregorian one."""


def daily_means(
    moments: NDArray[np.datetime64], values: Array, is_good: NDArray[np.bool_], where: str
) -> tuple[NDArray[np.datetime64], Array, Array]:
    """Daily means of half-hourly or hourly values.

    Args:
        moments: (n,) start of each interval, ascending, evenly spaced where there is no gap.
        values: (n,) in any unit, filled; NaN where nothing is known.
        is_good: (n,) whether a value was measured or filled with high confidence.
        where: file and variable, the beginning of an error message.

    Returns:
        Days (d,) without gaps from the first to the last, means (d,) with NaN where a half-hour of
        the day is missing, and the share (d,) of good half-hours in the day.

    Raises:
        DataError: times do not ascend, or are not half-hours or hours.
    """
    steps = np.diff(moments) / np.timedelta64(60, "s")
    if len(moments) < 2 or not (steps > 0).all():
        raise DataError(f"{where}: times do not ascend; sort the file and drop repeated lines")
    minutes = steps.min()
    if minutes not in (30.0, 60.0):
        raise DataError(f"{where}: steps of {minutes:g} min; give half-hourly or hourly values")
    dates = moments.astype("datetime64[D]")
    number = (dates - dates[0]).astype(int)
    days, full = number[-1] + 1, round(1440 / minutes)
    known = np.isfinite(values)
    count = np.bincount(number, known, days)
    total = np.bincount(number, np.where(known, values, 0.0), days)
    means = np.where(count == full, total / full, np.nan)
    good = np.bincount(number, known & is_good, days) / full
    return dates[0] + np.arange(days), means, good


def read_half_hourly_netcdf(path: Path) -> dict[str, Any]:
    """Read one site's half-hourly NetCDF file of the La Thuile layout as daily values.

    `NEE_f` is the filled and `NEE` the measured exchange, `Tair` the air temperature.

    Returns:
        "site", "days", "nee" (g m-2 d-1), "quality" (0…1), "air_temperature" (K).

    Raises:
        DataError: a variable, the units or the origin of time are not as expected.
    """
    with explained_reading_errors(path), xr.open_dataset(path, decode_times=False) as data:
        for name in ("time", "NEE", "NEE_f"):
            if name not in data:
                raise DataError(f"{path}: no variable {name!r}; give a half-hourly FLUXNET file")
        unit = str(data["NEE_f"].attrs.get("units", ""))
        if unit.lower() not in MICROMOLE_UNITS:
            raise DataError(f"{path}: NEE_f: units are {unit!r}; expected 'umol m-2 s-1'")
        moments = _moments(data["time"], path)
        measured, filled = (_series(data, name, path) for name in ("NEE", "NEE_f"))
        celsius = _series(data, "Tair", path) if "Tair" in data else np.full(filled.shape, np.nan)
        site = str(data.attrs.get("Site_ID", path.stem))
    days, nee, quality = daily_means(moments, filled, np.isfinite(measured), f"{path}: NEE_f")
    _, warmth, _ = daily_means(moments, celsius, np.isfinite(celsius), f"{path}: Tair")
    return {
        "site": site,
        "days": days,
        "nee": nee * TO_GRAMS_PER_DAY,
        "quality": quality,
        "air_temperature": warmth + 273.15,
    }


def _series(data: xr.Dataset, name: str, path: Path) -> Array:
    """Values (time,) of a variable at the only place of the file."""
    array = data[name]
    if array.size != data.sizes["time"]:
        raise DataError(f"{path}: {name}: holds several places; give the file of one site")
    return np.asarray(array.values, dtype=np.float64).ravel()


def _moments(time: xr.DataArray, path: Path) -> NDArray[np.datetime64]:
    """Times to the minute.

    These files count from 1582-10-14 in the mixed calendar, which has no such day, so that CF
    decoding fails. Read as a date of the Julian calendar, as the mixed one is before 1582-10-15, it
    gives the dates that the files' own year, month and day variables say.
    """
    unit, _, origin = str(time.attrs.get("units", "")).partition(" since ")
    if unit != "days" or not origin:
        raise DataError(f"{path}: time: units are {time.attrs.get('units')!r}; expected days since")
    try:
        start = _origin(origin.strip())
    except ValueError as error:
        raise DataError(f"{path}: time: {origin!r} is no date; correct the units") from error
    minutes = np.asarray(time.values, dtype=np.float64) * 1440
    if not np.isfinite(minutes).all():
        raise DataError(f"{path}: time: values are missing; cut the file to valid times")
    return start + np.round(minutes).astype("timedelta64[m]")


def _origin(text: str) -> np.datetime64:
    """The Gregorian date of a date of the mixed calendar, to the minute."""
    moment = np.datetime64(text.replace(" ", "T"), "m")
    if moment >= _REFORM:
        return moment
    day = moment.astype("datetime64[D]").item()
    julian = cftime.datetime(day.year, day.month, day.day, calendar="julian")
    lag = round(julian.toordinal()) - round(
        cftime.datetime(day.year, day.month, day.day, calendar="proleptic_gregorian").toordinal()
    )
    return np.datetime64(moment + np.timedelta64(lag, "D"))
