"""The list of flux-tower sites."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from co2net_phys.errors import DataError

_NAMES: Mapping[str, tuple[str, ...]] = {
    "code": ("site_code", "SITE_ID", "sitename"),
    "latitude": ("latitude", "LOCATION_LAT", "lat"),
    "longitude": ("longitude", "LOCATION_LONG", "lon"),
}
"""Columns of a site list: of this package, of FLUXNET, and of common extracts."""

_LIMITS = {"latitude": (-90.0, 90.0), "longitude": (-180.0, 360.0)}


@dataclass(frozen=True)
class Site:
    """A flux tower."""

    code: str
    """For example "DE-Tha"."""
    latitude: float
    """Degrees north."""
    longitude: float
    """Degrees east, −180…180 (180 excluded)."""


def read_sites(path: str | Path) -> tuple[Site, ...]:
    """Read the sites of a CSV file, in its order; further columns are ignored.

    Raises:
        DataError: the file cannot be read, lacks a column, or a line is wrong or repeats a code.
    """
    source = Path(path)
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise DataError(f"{source}: cannot read the sites ({reason}); check the path") from error
    reader = csv.DictReader(lines)
    columns = {}
    for wanted, names in _NAMES.items():
        found = next((name for name in names if name in (reader.fieldnames or ())), None)
        if found is None:
            raise DataError(f"{source}: no column {names[0]!r}; the first line must name it")
        columns[wanted] = found
    sites: dict[str, Site] = {}
    for row in reader:
        site = _site(row, columns, f"{source}, line {reader.line_num}")
        if site.code in sites:
            raise DataError(
                f"{source}, line {reader.line_num}: repeats {site.code!r}; keep one line a site"
            )
        sites[site.code] = site
    if not sites:
        raise DataError(f"{source}: holds no site; add one line for each")
    return tuple(sites.values())


def _site(row: Mapping[str, str | None], columns: Mapping[str, str], where: str) -> Site:
    code = (row[columns["code"]] or "").strip()
    if not code:
        raise DataError(f"{where}: {columns['code']}: is empty; give each site its code")
    latitude, longitude = (_degrees(row, columns[axis], axis, where) for axis in _LIMITS)
    return Site(code, latitude, (longitude + 180) % 360 - 180)


def _degrees(row: Mapping[str, str | None], column: str, axis: str, where: str) -> float:
    low, high = _LIMITS[axis]
    text = row[column] or ""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:  # also catches NaN
        raise DataError(f"{where}: {column} is {text!r}; expected {low:g} to {high:g} degrees")
    return value
