"""Read station tables in CSV: monthly means (one row a dataset, one column a month), or a list."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.stations import checked_code
from co2net_phys.errors import DataError
from co2net_phys.products import dataset_names
from co2net_phys.products.noaa_text import packaged_stations
from co2net_phys.products.observations import (
    MOVING_KILOMETRES,
    Part,
    Records,
    Series,
    Times,
    checked_position,
    in_brief,
    is_moving,
    unit_factor,
    without_fills,
)

_logger = logging.getLogger(__name__)

UNITS = "ppm"
"""Units of a monthly table, which names none."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "code": ("code", "site_code", "sitecode", "sitename", "site"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
    "elevation": ("elevation_masl", "elevation", "height_above_sea_level"),
    "name": ("name", "site_name"),
    "dataset": ("file", "obspack_file", "dataset"),
}


@dataclass(frozen=True)
class _Table:
    """The rows of a file by column, with the number of their lines."""

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, role: str) -> int | None:
        """Position of the column with this meaning, None if there is none."""
        return next((self.header.index(n) for n in _NAMES[role] if n in self.header), None)

    def text(self, role: str, row: int) -> str:
        """One cell, "" if there is no such column."""
        column = self.column(role)
        return "" if column is None else self.rows[row][column].strip()

    def number(self, column: int, row: int) -> float:
        """One cell as a number, NaN where it is empty.

        Raises
        ------
        DataError
            It holds something else.
        """
        cell = self.rows[row][column].strip()
        try:
            return float(cell) if cell else np.nan
        except ValueError as error:
            raise DataError(
                f"{self.path}, line {self.lines[row]}: column '{self.header[column]}' is {cell!r}, "
                "not a number; correct it, or leave it empty if it is missing"
            ) from error


def is_station_table(lines: Sequence[str]) -> bool:
    """Whether the first lines of a text are those of a monthly table or a list of stations."""
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    header = _header(next(csv.reader([first]), []))
    return all(any(n in header for n in _NAMES[role]) for role in ("code", "latitude", "longitude"))


def read(path: Path, tracer: str, units: str | None = None) -> tuple[list[Part], Counter[str]]:
    """Read a monthly table, or a list of stations as series without measurements.

    Args:
        path: CSV file with the columns code, latitude and longitude (also sitecode, lat, lon),
            and the optional file, name and elevation; each further column that is a date
            (YYYY-MM-DD) holds the means of its calendar month, empty where missing.
        tracer: the wanted tracer, lower case.
        units: of the values, if they are not in ppm.

    Returns:
        One part for each row, and how many cells were left out for which reason.

    Raises
    ------
    DataError
        The file cannot be read, lacks columns, or a cell is wrong.
    """
    table = _read_table(path)
    dates = {i: day for i, name in enumerate(table.header) if (day := _date(name)) is not None}
    days = np.array(list(dates.values()), dtype="datetime64[s]")
    _refuse_repeated_months(path, days)
    values = np.array([[table.number(c, r) for c in dates] for r in range(len(table.rows))])
    values = without_fills(values.reshape(len(table.rows), len(dates)))
    north, east = _positions(table)
    dropped = Counter({"negative": int(np.count_nonzero(values <= 0))})
    if dropped["negative"]:
        _logger.warning(
            "%s: has %d mole fractions that are not positive: left out", path, dropped["negative"]
        )
    values = np.where(values > 0, values, np.nan)
    factor = unit_factor(values, units or UNITS, tracer, f"{path}: the values")
    parts: list[Part] = []
    for row in range(len(table.rows)):
        series = _series(table, row, north[row], east[row], tracer, is_monthly=bool(dates))
        parts.append((series, _records(days, values[row] * factor, series)))
    _refuse_two_places(path, [series for series, _ in parts])
    return parts, dropped


def _read_table(path: Path) -> _Table:
    """Header and rows of a CSV file without comments and empty lines."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise DataError(f"{path}: cannot be read ({reason}); give a UTF-8 CSV file") from error
    numbered = [
        (number, row)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
        for row in csv.reader([line])
    ]
    header = _header(numbered[0][1]) if numbered else []
    for role in ("code", "latitude", "longitude"):
        if not any(name in header for name in _NAMES[role]):
            raise DataError(
                f"{path}: column '{_NAMES[role][0]}' is missing; the header must name code, "
                "latitude and longitude"
            )
    if len(numbered) == 1:
        raise DataError(f"{path}: holds no station; add one line for each site")
    for number, row in numbered:
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {number}: has {len(row)} cells where the header names "
                f"{len(header)}; copy or export the file again"
            )
    return _Table(path, header, [row for _, row in numbered[1:]], [n for n, _ in numbered[1:]])


def _header(cells: Sequence[str]) -> list[str]:
    return [cell.strip().lower() for cell in cells]


def _date(name: str) -> date | None:
    """The day that a column is named after, None if it is no date."""
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _refuse_repeated_months(path: Path, days: Times) -> None:
    months = days.astype("datetime64[M]")
    repeated = [month for month in months if np.count_nonzero(months == month) > 1]
    if repeated:
        raise DataError(
            f"{path}: several columns lie in {repeated[0]}; a monthly table has one a month"
        )


def _positions(table: _Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place of every row; NaN, with one warning, where a fill value stands for it."""
    columns = [table.column("latitude"), table.column("longitude")]
    rows = range(len(table.rows))
    north, east = (np.array([table.number(c, r) for r in rows]) for c in columns if c is not None)
    for row in rows:
        off = abs(north[row]) > 90 or not -180 <= east[row] <= 360
        if off and np.isfinite(without_fills(np.array([north[row], east[row]]))).all():
            raise DataError(
                f"{table.path}, line {table.lines[row]}: latitude {north[row]:g}, longitude "
                f"{east[row]:g} is no place on Earth; correct the line"
            )
    north, east = checked_position(north, east)
    lost = [table.text("code", row) for row in rows if np.isnan(north[row])]
    if lost:
        _logger.warning(
            "%s: no position for %s: kept in the table, but on no map",
            *(table.path, in_brief(lost)),
        )
    return north, east


def _refuse_two_places(path: Path, series: Sequence[Series]) -> None:
    """Raise if rows with one code are of different sites: they would become one station."""
    fixed = [one for one in series if not one.is_mobile]
    for site in dict.fromkeys(one.site for one in fixed):
        north, east = (
            np.array([getattr(one, f"site_{axis}") for one in fixed if one.site == site])
            for axis in ("latitude", "longitude")
        )
        known = np.isfinite(north)
        if known.any() and is_moving(north[known], east[known]):
            raise DataError(
                f"{path}: {site} stands for places further apart than {MOVING_KILOMETRES:g} km; "
                "give each site its own code"
            )


def _series(
    table: _Table, row: int, north: float, east: float, tracer: str, *, is_monthly: bool
) -> Series:
    """Description of one row; name and elevation of the packaged network where there are none."""
    site = checked_code(table.text("code", row).upper(), f"{table.path}, line {table.lines[row]}")
    dataset = dataset_names.of_file(table.text("dataset", row) or site)
    parsed, known = dataset_names.parsed(dataset), packaged_stations().get(site)
    if parsed is not None and parsed.tracer != tracer:
        raise DataError(
            f"{table.path}, line {table.lines[row]}: the dataset {dataset} is of "
            f"{parsed.tracer.upper()}, not of {tracer.upper()}; leave the line out"
        )
    column = table.column("elevation")
    elevation = np.nan if column is None else float(table.number(column, row))
    if np.isnan(elevation) and known is not None:
        elevation = known.elevation_masl
    return Series(
        site=site,
        site_name=table.text("name", row) or (known.name if known else site),
        dataset=dataset,
        project=parsed.project if parsed else "",
        laboratory=parsed.laboratory if parsed else "",
        selection_tag=parsed.tag if parsed else "",
        site_latitude=float(north),
        site_longitude=float(east),
        elevation=elevation,
        series_height=parsed.height if parsed else np.nan,
        is_mobile=bool(parsed and parsed.project.startswith(("aircraft", "shipboard"))),
        is_monthly_mean=is_monthly,
    )


def _records(days: Times, values: NDArray[np.float64], series: Series) -> Records:
    """The months of one row that have a value."""
    known = np.isfinite(values)
    size = int(np.count_nonzero(known))

    def constant(value: float) -> NDArray[np.float64]:
        return np.full(size, value)

    return Records(
        time=days[known],
        value=values[known],
        standard_deviation=constant(np.nan),
        latitude=constant(series.site_latitude),
        longitude=constant(series.site_longitude),
        altitude=constant(series.elevation + series.series_height),
        intake_height=constant(series.series_height),
        count=np.ones(size, dtype=np.int32),
    )
