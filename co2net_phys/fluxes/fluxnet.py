"""Read the records of flux towers: FLUXNET2015 CSV files and half-hourly NetCDF files.

Three resolutions of the FULLSET and SUBSET files are read, told apart by the time stamp:

* monthly (MM, TIMESTAMP YYYYMM) and daily (DD, YYYYMMDD): g m-2 d-1 of carbon; the flag is the
  share of half-hours measured or filled with high confidence;
* half-hourly and hourly (HH, HR, TIMESTAMP_START YYYYMMDDhhmm): µmol m-2 s-1 of CO2, made into
  daily means; the flag is 0 measured, 1 filled well, 2 and 3 filled with less confidence.

Layout: Pastorello et al. (2020), doi:10.1038/s41597-020-0534-3.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.errors import DataError
from co2net_phys.fluxes.half_hourly import (
    TO_GRAMS_PER_DAY,
    daily_means,
    read_half_hourly_netcdf,
)

Array = NDArray[np.float64]

MISSING = -9999.0
"""Stands for a missing value in FLUXNET files."""

WORST_GOOD_FLAG = 1
"""Largest half-hourly flag that counts as good."""

_EXCHANGE = ("NEE_VUT_REF", "NEE_CUT_REF")  # friction-velocity thresholds: by year, or one for all
_TEMPERATURE = ("TA_F", "TA_F_MDS")
_SITE = re.compile(r"^[A-Za-z0-9]+_([A-Z]{2}-[A-Za-z0-9]{3})_")
_DIGITS = {4: "yearly", 6: "monthly", 8: "daily"}


@dataclass(frozen=True)
class TowerRecord:
    """What one tower measured, by day or by month."""

    site: str
    """Code, for example "DE-Tha"."""
    times: NDArray[np.datetime64]
    """(n,) days (datetime64[D]) or months (datetime64[M]), ascending."""
    nee: Array
    """(n,) g m-2 d-1 of carbon, positive into the air; NaN where missing."""
    quality: Array
    """(n,) share of good half-hours, 0…1; 0 where missing."""
    air_temperature: Array
    """(n,) K; NaN where missing."""

    @property
    def resolution(self) -> Literal["daily", "monthly"]:
        """What one value stands for."""
        return "daily" if self.times.dtype == np.dtype("datetime64[D]") else "monthly"

    def trusted(self, least_quality: float) -> Array:
        """NEE (n,) with NaN where less than this share of half-hours is good."""
        return np.where(self.quality >= least_quality, self.nee, np.nan)


def read_tower_record(path: str | Path) -> TowerRecord:
    """Read one tower's file: a FLUXNET2015 CSV (HH, HR, DD or MM) or a half-hourly NetCDF.

    Raises:
        DataError: the file cannot be read, lacks a column or holds something that is no number; its
            times are wrong, or it is weekly or yearly.
    """
    source = Path(path)
    if source.suffix.lower() in (".nc", ".nc4"):
        daily = read_half_hourly_netcdf(source)
        times = daily.pop("days")
        return _record(times=times, **daily)
    header = _header(source)
    stamp = "TIMESTAMP" if "TIMESTAMP" in header else "TIMESTAMP_START"
    exchange = _first_of(_EXCHANGE, header, source)
    columns = [stamp, exchange, f"{exchange}_QC"]
    temperature = next((name for name in _TEMPERATURE if name in header), None)
    columns += [temperature] if temperature else []
    table = _table(source, header, columns)
    table = np.where(table == MISSING, np.nan, table)
    celsius = table[3] if temperature else np.full(table.shape[1], np.nan)
    return _of_columns(source, stamp, table[0], table[1], table[2], celsius + 273.15)


def _of_columns(
    source: Path, stamp: str, stamps: Array, nee: Array, flags: Array, temperature: Array
) -> TowerRecord:
    """The record of four columns (n,), in the units of the file but for the temperature (K).

    `stamp` is the name of the first of them.
    """
    match = _SITE.match(source.name)
    site = match[1] if match else source.stem
    digits = len(f"{stamps[0]:.0f}") if np.isfinite(stamps).all() else 0
    if digits == 12:
        where = f"{source}: NEE"
        moments = _dates(stamps, digits, source)
        is_good = flags <= WORST_GOOD_FLAG
        days, means, good = daily_means(moments, nee, is_good, where)
        _, warmth, _ = daily_means(moments, temperature, is_good, where)
        return _record(site, days, means * TO_GRAMS_PER_DAY, good, warmth)
    resolution = _DIGITS.get(digits, "unknown")
    if stamp == "TIMESTAMP_START" and resolution == "daily":
        resolution = "weekly"  # the only other files that give a start and an end
    if resolution not in ("monthly", "daily"):
        raise DataError(
            f"{source}: {stamp}: {resolution} values; give the half-hourly, daily or monthly file "
            "of the site (HH, DD, MM)"
        )
    if np.nanmax(flags, initial=0.0) > 1:
        raise DataError(f"{source}: NEE_*_QC: above 1, yet it is a share; check the file's columns")
    return _record(site, _dates(stamps, digits, source), nee, flags, temperature)


def _record(
    site: str,
    times: NDArray[np.datetime64],
    nee: Array,
    quality: Array,
    air_temperature: Array,
) -> TowerRecord:
    known = np.isfinite(nee)
    return TowerRecord(
        site, times, nee, np.where(known, np.nan_to_num(quality), 0.0), air_temperature
    )


def _header(source: Path) -> list[str]:
    with explained_reading_errors(source):
        if not source.is_file():
            raise DataError(f"{source}: no such file; check the path")
        with source.open(encoding="utf-8-sig") as stream:
            line = stream.readline()
    header = [name.strip() for name in line.split(",")]
    if not {"TIMESTAMP", "TIMESTAMP_START"} & set(header):
        raise DataError(f"{source}: no column TIMESTAMP in its first line; give a FLUXNET2015 file")
    return header


def _first_of(names: Sequence[str], header: list[str], source: Path) -> str:
    """The first column that is there together with its flag."""
    for name in names:
        if name in header and f"{name}_QC" in header:
            return name
    raise DataError(
        f"{source}: no columns {names[0]} and {names[0]}_QC; give a FULLSET or SUBSET file"
    )


def _table(source: Path, header: list[str], columns: list[str]) -> Array:
    """Columns (k, n) as numbers."""
    places = [header.index(name) for name in columns]
    with explained_reading_errors(source), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no data: said below
        try:
            rows = np.loadtxt(source, delimiter=",", skiprows=1, usecols=places, ndmin=2)
        except ValueError as error:
            reason = str(error).split(";")[0].rstrip(".")
            raise DataError(f"{source}: {reason}; repair that line or copy the file again") from (
                error
            )
    if len(rows) == 0:
        raise DataError(f"{source}: no line after the first; copy the file again")
    return np.ascontiguousarray(rows.T)


def _dates(stamps: Array, digits: int, source: Path) -> NDArray[np.datetime64]:
    """Times of stamps (n,) such as 200701, 20070131 or 200701311230."""
    numbers = stamps.astype(np.int64)
    years = numbers // 10 ** (digits - 4)
    months = numbers // 10 ** (digits - 6) % 100
    if np.any((months < 1) | (months > 12) | (years < 1900) | (years > 2200)):
        raise DataError(f"{source}: TIMESTAMP: not YYYYMM…; repair the first column")
    times: NDArray[np.datetime64] = (years * 12 + months - 1 - 1970 * 12).astype("datetime64[M]")
    if digits >= 8:
        times = _with_days(times, numbers // 10 ** (digits - 8) % 100, source)
    if digits == 12:
        hours, minutes = numbers // 100 % 100, numbers % 100
        if np.any((hours >= 24) | (minutes >= 60)):
            raise DataError(f"{source}: TIMESTAMP_START: not a time of day; repair that column")
        times = times.astype("datetime64[m]") + (hours * 60 + minutes)
    if not np.all(times[1:] > times[:-1]):
        raise DataError(f"{source}: TIMESTAMP: does not ascend; sort it and drop repeated lines")
    return times


def _with_days(
    months: NDArray[np.datetime64], days: NDArray[np.int64], source: Path
) -> NDArray[np.datetime64]:
    """Dates (n,) of months (n,) and days of the month (n,) from 1 on."""
    dates = months.astype("datetime64[D]") + (days - 1)
    if np.any((days < 1) | (dates.astype("datetime64[M]") != months)):
        raise DataError(f"{source}: TIMESTAMP: not a day of its month; repair the first column")
    return np.asarray(dates)
