"""Read the text files of NOAA GML: one line a sample (event), an hour, or a calendar month.

The older files name their columns in a comment ``# data_fields:``, the newer ones in the last line
before the data. Events have -999.99 where nothing was measured and a flag of three characters.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.stations import Station, load_stations
from co2net_phys.errors import DataError
from co2net_phys.products import dataset_names
from co2net_phys.products.observation_flags import Selection, flag_masks, retained
from co2net_phys.products.observations import (
    Part,
    Records,
    Series,
    Times,
    checked_position,
    instants,
    is_moving,
    nominal_position,
    unit_factor,
    without_fills,
)

_logger = logging.getLogger(__name__)

UNITS = {"co2": "micromol mol-1"}
"""Units of the values where the file names none (README of NOAA GML); nanomol mol-1 for others."""

_DATE = ("year", "month", "day", "hour", "minute", "second")
_ALIASES = {
    "sample_site_code": "site",
    "site_code": "site",
    "sample_seconds": "second",
    "seconds": "second",
    "analysis_value": "value",
    "analysis_uncertainty": "value_unc",
    "analysis_flag": "qcflag",
    "parameter_formula": "formula",
} | {f"sample_{name}": name for name in (*_DATE, "latitude", "longitude", "altitude")}
_ALIASES |= {"sample_elevation": "elevation", "sample_intake_height": "intake_height"}


@dataclass(frozen=True)
class _Text:
    """The lines of one file: its comments, and its columns as text by their common name."""

    path: Path
    comments: list[str]
    columns: dict[str, NDArray[np.str_]]
    numbers: list[int]

    @property
    def size(self) -> int:
        return len(self.numbers)

    def floats(self, name: str) -> NDArray[np.float64]:
        """A column as numbers, NaN for fill values, all NaN if it is absent."""
        if name not in self.columns:
            return np.full(self.size, np.nan)
        return without_fills(self._converted(name, float))

    def integers(self, name: str) -> NDArray[np.int64]:
        """A column as whole numbers, zeros if it is absent."""
        if name not in self.columns:
            return np.zeros(self.size, dtype=np.int64)
        return self._converted(name, int).astype(np.int64)

    def comment(self, pattern: str) -> str:
        """What follows the first comment that begins so, "" if none does."""
        found = (re.match(rf"#\s*{pattern}\s*:\s*(.*)", line) for line in self.comments)
        return next((match[1].strip() for match in found if match), "")

    def _converted(self, name: str, kind: type) -> NDArray[Any]:
        column = self.columns[name]
        try:
            return column.astype(kind)
        except (ValueError, OverflowError):
            bad = next(i for i, text in enumerate(column) if not _is(text, kind))
        raise DataError(
            f"{self.path}, line {self.numbers[bad]}: {name} is {str(column[bad])!r}, not a number; "
            "copy or download the file again"
        )


def is_noaa_text(lines: Sequence[str]) -> bool:
    """Whether the first lines of a text are those of a file of this module."""
    return _names(lines)[0] is not None


def read(
    path: Path, tracer: str, selection: Selection, units: str | None = None
) -> tuple[list[Part], Counter[str]]:
    """Read one file of single samples or of monthly means.

    Args:
        path: text file.
        tracer: the wanted tracer, lower case.
        selection: what to keep.
        units: of the values, where they are other than the file or `UNITS` says.

    Returns:
        One part, and how many lines were left out for which reason.

    Raises
    ------
    DataError
        The file cannot be read, is of another layout or tracer, or a line of it is wrong.
    """
    text = _read_text(path)
    _refuse_other_tracer(text, tracer)
    dropped: Counter[str] = Counter()
    monthly = "day" not in text.columns
    time = _months(text) if monthly else _instants(text)
    value, error = text.floats("value"), text.floats("value_unc")
    north, east = checked_position(_raw(text, "latitude"), _raw(text, "longitude"))
    masks = {"missing value": np.isfinite(value)}
    if "qcflag" in text.columns:
        masks |= flag_masks(text.columns["qcflag"], selection)
    with np.errstate(invalid="ignore"):
        masks["negative"] = ~(value <= 0)
    passing = retained(masks, dropped, text.size)
    if dropped["negative"]:
        _logger.warning(
            "%s: has %d mole fractions that are not positive: left out", path, dropped["negative"]
        )
    given = units or text.comment("value:units") or UNITS.get(tracer, "nanomol mol-1")
    factor = unit_factor(value[passing], given, tracer, f"{path}: the values")
    records = Records(
        time=time,
        value=value * factor,
        standard_deviation=np.where(error >= 0, error * factor, np.nan),
        latitude=north,
        longitude=east,
        altitude=text.floats("altitude"),
        intake_height=text.floats("intake_height"),
        count=np.ones(text.size, dtype=np.int32),
    ).where(passing)
    series = _series(text, records, monthly)
    return [(series, _placed(path, series, records))], dropped


@lru_cache(maxsize=1)
def packaged_stations() -> dict[str, Station]:
    """The packaged network by code, for files that do not say where their site is."""
    return {station.code: station for station in load_stations()}


def _read_text(path: Path) -> _Text:
    """Comments and columns of a file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    names, start = _names(lines)
    if names is None:
        raise DataError(
            f"{path}: names no columns 'site year month value'; give an event or month file of NOAA"
        )
    rows, numbers = [], []
    for number, line in enumerate(lines[start:], start=start + 1):
        if line.startswith("#") or not line.strip():
            continue
        row = line.split()
        if len(row) != len(names):
            raise DataError(
                f"{path}, line {number}: has {len(row)} columns where the header names "
                f"{len(names)}; copy or download the file again"
            )
        rows.append(row)
        numbers.append(number)
    if not rows:
        raise DataError(f"{path}: holds no measurement; copy or download the file again")
    columns = dict(zip(names, np.array(rows).T, strict=True))
    return _Text(path, [line for line in lines[:start] if line.startswith("#")], columns, numbers)


def _names(lines: Sequence[str]) -> tuple[list[str] | None, int]:
    """Common names of the columns and the first line of data; None if the text names none."""
    names: list[str] | None = None
    for number, line in enumerate(lines):
        if line.startswith("#"):
            match = re.match(r"#\s*data_fields\s*:\s*(.*)", line)
            names = match[1].split() if match else names
        elif line.strip():
            is_header = line.split()[0] in ("site_code", "site")
            names, start = (line.split(), number + 1) if is_header else (names, number)
            break
    else:
        start = len(lines)
    common = [_ALIASES.get(name, name) for name in names or []]
    needed = {"site", "year", "month", "value"}
    return (common if needed <= set(common) else None), start


def _refuse_other_tracer(text: _Text, tracer: str) -> None:
    """Raise unless every line, or else the header or the name, is of ``tracer``."""
    parsed = dataset_names.parsed(dataset_names.of_file(text.path))
    header = text.comment("contact_parameter").split()[:1] or text.comment("parameter").split()[:1]
    named = header or ([parsed.tracer] if parsed else [])
    found = {str(one).lower() for one in text.columns.get("formula", np.array(named))}
    if not found:
        raise DataError(
            f"{text.path}: does not say which tracer it holds; name the file {tracer}_<site>_…"
        )
    if found != {tracer}:
        (other, *_) = sorted(found - {tracer})
        raise DataError(
            f"{text.path}: the values are mole fractions of {other.upper()}, not of "
            f"{tracer.upper()}; leave the file out"
        )


def _instants(text: _Text) -> Times:
    """Times of single samples."""
    time, valid = instants(np.stack([text.integers(name) for name in _DATE], axis=1))
    _refuse_dates(text, valid)
    return time


def _months(text: _Text) -> Times:
    """Centres of calendar months."""
    year, month = text.integers("year"), text.integers("month")
    ones, zeros = np.ones_like(year), np.zeros_like(year)
    start, valid = instants(np.stack([year, month, ones, zeros, zeros, zeros], axis=1))
    _refuse_dates(text, valid)
    end = (start.astype("datetime64[M]") + 1).astype("datetime64[s]")
    return start + (end - start) // 2


def _refuse_dates(text: _Text, valid: NDArray[np.bool_]) -> None:
    if not valid.all():
        line = text.numbers[int(np.argmin(valid))]
        raise DataError(f"{text.path}, line {line}: the date does not exist; correct the line")


def _raw(text: _Text, name: str) -> NDArray[np.float64]:
    """A coordinate as it stands: -99.99 is a longitude too."""
    if name not in text.columns:
        return np.full(text.size, np.nan)
    return text._converted(name, float)


def _series(text: _Text, records: Records, monthly: bool) -> Series:
    """Description of the file's only series."""
    sites = np.unique(text.columns["site"])
    if len(sites) > 1:
        raise DataError(f"{text.path}: holds {len(sites)} sites; give one file for each site")
    site, dataset = str(sites[0]).upper(), dataset_names.of_file(text.path)
    parsed, known = dataset_names.parsed(dataset), packaged_stations().get(site)
    north, east = nominal_position(records.latitude, records.longitude)
    if np.isnan(north) and known is not None:
        north, east = known.latitude, known.longitude
    elevation = np.unique(text.floats("elevation"))
    elevation = elevation[np.isfinite(elevation)]
    heights = records.intake_height[np.isfinite(records.intake_height)]
    return Series(
        site=site,
        site_name=known.name if known else site,
        dataset=dataset,
        project=parsed.project if parsed else "",
        laboratory=parsed.laboratory if parsed else "",
        selection_tag=parsed.tag if parsed else "",
        site_latitude=north,
        site_longitude=east,
        elevation=float(np.median(elevation)) if elevation.size else _elevation(known),
        series_height=float(np.median(heights)) if heights.size else np.nan,
        is_mobile=is_moving(records.latitude, records.longitude),
        is_monthly_mean=monthly,
    )


def _placed(path: Path, series: Series, records: Records) -> Records:
    """The records at the place of their site where the file gives none."""
    if np.isfinite(records.latitude).all():
        return records
    if np.isnan(series.site_latitude):
        _logger.warning(
            "%s: does not say where %s is, nor does the packaged network: it has no place on a map",
            *(path, series.site),
        )
    unknown = ~np.isfinite(records.latitude)
    north = np.where(unknown, series.site_latitude, records.latitude)
    east = np.where(unknown, series.site_longitude, records.longitude)
    return replace(records, latitude=north, longitude=east)


def _elevation(station: Station | None) -> float:
    return station.elevation_masl if station else np.nan


def _is(text: str, kind: type) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
