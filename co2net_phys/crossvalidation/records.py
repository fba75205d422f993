"""Monthly means of CO2 at sites, as a table of series by months, from the package's reader."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import DataError, UsageError
from co2net_phys.products import station_table
from co2net_phys.products.observations import Part, Series

_logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Months = NDArray[np.datetime64]


@dataclass(frozen=True)
class MonthlyRecords:
    """Monthly means in ppm; a record is one month of one series that has a value.

    Attributes:
        source: the file.
        series: what is known of each series (S,), every one with a place and a record.
        months: (M,) datetime64[M], every month from the first to the last year.
        table: (S, M) ppm, NaN where there is no value.
    """

    source: str
    series: tuple[Series, ...]
    months: Months
    table: Floats

    @cached_property
    def _positions(self) -> tuple[Integers, Integers]:
        rows, columns = np.nonzero(np.isfinite(self.table))
        return rows.astype(np.int64), columns.astype(np.int64)

    @property
    def rows(self) -> Integers:
        """Series (n,) of each record."""
        return self._positions[0]

    @property
    def columns(self) -> Integers:
        """Month (n,) of each record, as a position in `months`."""
        return self._positions[1]

    @property
    def values(self) -> Floats:
        """Value (n,) of each record, ppm."""
        return self.table[self._positions]

    @property
    def codes(self) -> NDArray[np.str_]:
        """Site code (S,) of each series."""
        return np.array([one.site for one in self.series])

    @property
    def latitude(self) -> Floats:
        """Degrees north (S,)."""
        return np.array([one.site_latitude for one in self.series])

    @property
    def longitude(self) -> Floats:
        """Degrees east (S,)."""
        return np.array([one.site_longitude for one in self.series])


def read_monthly(
    path: Path, first_year: int | None = None, last_year: int | None = None
) -> MonthlyRecords:
    """Read a monthly table; series without a place or without a value in the years are left out.

    Args:
        path: CSV file, see `co2net_phys.products.station_table`.
        first_year: January of this year is the first month; None for the first of the file.
        last_year: December of this year is the last month; None for the last of the file.

    Raises
    ------
    UsageError
        The first year is after the last.
    DataError
        The file is no monthly table, or has no value in these years.
    """
    if first_year is not None and last_year is not None and first_year > last_year:
        raise UsageError(f"--start {first_year} is after --end {last_year}; exchange them")
    parts = _monthly_parts(path)
    months = _months(path, parts, first_year, last_year)
    table = _table(parts, months)
    placed = np.array([np.isfinite(series.site_latitude) for series, _ in parts])
    used = placed & np.isfinite(table).any(axis=1)
    if not used.any():
        raise DataError(
            f"{path}: no site with a place has a value between {months[0]} and {months[-1]}; "
            "choose other --start and --end"
        )
    series = tuple(part[0] for part, use in zip(parts, used, strict=True) if use)
    return MonthlyRecords(str(path), series, months, table[used])


def read_alongside(path: Path, records: MonthlyRecords) -> Floats:
    """Values (S, M) of another monthly table, such as a model's, at the series of `records`.

    Rows are matched by the name of the dataset, or else by a site code that only one row has; NaN
    where the file has no such row or month.

    Raises
    ------
    DataError
        The file is no monthly table, or shares no record.
    """
    parts = _monthly_parts(path)
    table = _table(parts, records.months)
    by_dataset = {series.dataset: row for row, (series, _) in enumerate(parts)}
    codes = [series.site for series, _ in parts]
    by_code = {code: row for row, code in enumerate(codes) if codes.count(code) == 1}
    found = [by_dataset.get(one.dataset, by_code.get(one.site)) for one in records.series]
    values = np.full(records.table.shape, np.nan)
    for row, other in enumerate(found):
        if other is not None:
            values[row] = table[other]
    if not np.isfinite(values[records.rows, records.columns]).any():
        raise DataError(
            f"{path}: shares no site and month with {records.source}; give the same sites and years"
        )
    missing = found.count(None)
    if missing:
        _logger.warning("%s: lacks %d of %d series", path, missing, len(found))
    return values


def _monthly_parts(path: Path) -> list[Part]:
    """The rows of a table of monthly means."""
    parts, _ = station_table.read(path, "co2")
    if not any(series.is_monthly_mean for series, _ in parts):
        raise DataError(
            f"{path}: has no column of a month; name the columns of values by date, as 2008-01-15"
        )
    return parts


def _months(path: Path, parts: list[Part], first: int | None, last: int | None) -> Months:
    """Every month of the years asked for, or between the first and the last value."""
    times = np.concatenate([records.time for _, records in parts]).astype("datetime64[M]")
    if not times.size:
        raise DataError(f"{path}: holds no value; give monthly means")
    begin = times.min() if first is None else np.datetime64(f"{first:04d}-01", "M")
    end = times.max() if last is None else np.datetime64(f"{last:04d}-12", "M")
    months = np.arange(begin, end + 1)
    if not months.size:
        raise DataError(f"{path}: has values from {times.min()} to {times.max()} only")
    return months


def _table(parts: list[Part], months: Months) -> Floats:
    """Values (series, month), NaN where there is none."""
    table = np.full((len(parts), months.size), np.nan)
    for row, (_, records) in enumerate(parts):
        column = (records.time.astype("datetime64[M]") - months[0]).astype(np.int64)
        inside = (column >= 0) & (column < months.size)
        table[row, column[inside]] = records.value[inside]
    return table
