"""The network of surface CO2 sites: reading, checking and splitting it."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from pathlib import Path

import numpy as np

from co2net_phys.errors import DataError, UsageError

COLUMNS = ("code", "name", "latitude", "longitude", "elevation_masl")
"""Columns of a station file, in any order; further columns are ignored."""

_RANGES = {
    "latitude": (-90.0, 90.0),  # degrees north
    "longitude": (-180.0, 360.0),  # degrees east, either convention
    "elevation_masl": (-500.0, 9000.0),  # metres: the Dead Sea shore to above Everest
}


@dataclass(frozen=True)
class Station:
    """A surface site that measures CO2.

    Attributes:
        code: short unique name, such as "MLO".
        name: full name.
        latitude: degrees north, −90…90.
        longitude: degrees east, −180…180 (180 excluded).
        elevation_masl: height of the ground above mean sea level in metres.
    """

    code: str
    name: str
    latitude: float
    longitude: float
    elevation_masl: float


def load_stations(path: str | PathLike[str] | None = None) -> tuple[Station, ...]:
    """Read stations from a CSV file, or the 96 packaged ones.

    Lines that start with "#" are comments. Sources of the packaged sites: NOAA GML, the
    contributors to ObsPack GLOBALVIEWplus, and openghg_defs (MIT licence).

    Args:
        path: CSV file with the columns `COLUMNS`; None for the packaged network.

    Returns:
        The stations in the order of the file.

    Raises:
        DataError: the file is missing, lacks columns, or a line is invalid or a duplicate.
    """
    source = str(path) if path is not None else "co2net_phys/data/stations.csv"
    try:
        if path is None:
            text = (files("co2net_phys.data") / "stations.csv").read_text(encoding="utf-8")
        else:
            text = Path(path).read_text(encoding="utf-8-sig")  # spreadsheets add a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise DataError(
            f"{source}: cannot read the stations ({reason}): give a UTF-8 CSV file with the columns"
            f" {', '.join(COLUMNS)}"
        ) from error
    stations = tuple(_parse(text, source))
    if not stations:
        raise DataError(f"{source}: holds no station: add one line for each site")
    return stations


def split_stations(
    stations: Sequence[Station], seed: int, training: int = 72
) -> tuple[tuple[Station, ...], tuple[Station, ...]]:
    """Draw training stations at random and hold out the others.

    The draw depends on the seed and the set of stations, never on the order of the file.

    Args:
        stations: all stations, with distinct codes.
        seed: of numpy's default generator.
        training: how many stations to train on.

    Returns:
        Training and held-out stations, each sorted by code.

    Raises:
        UsageError: nothing would be left to train on or to hold out.
    """
    if not 0 < training < len(stations):
        raise UsageError(
            f"cannot train on {training} of {len(stations)} stations:"
            f" choose 1 to {len(stations) - 1}, so that some are held out"
        )
    by_code = sorted(stations, key=lambda station: station.code)
    order = np.random.default_rng(seed).permutation(len(by_code))
    chosen, rest = sorted(order[:training]), sorted(order[training:])
    return tuple(by_code[i] for i in chosen), tuple(by_code[i] for i in rest)


def checked_code(code: str, where: str) -> str:
    """Return a station code; ``where`` names its place in errors.

    Raises:
        DataError: it is empty, or holds blanks, which separate codes in the attributes of outputs.
    """
    if not code:
        raise DataError(f"{where}: the code is empty: give each site a short unique name")
    if len(code.split()) > 1:
        raise DataError(f"{where}: the code {code!r} holds a blank: replace it, for example by '_'")
    return code


def _parse(text: str, source: str) -> Iterator[Station]:
    """Yield the stations of a CSV text; `source` names it in errors."""
    numbered = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    reader = csv.DictReader(line for _, line in numbered)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{source}: column {missing[0]!r} is missing: the header must name {', '.join(COLUMNS)}"
        )
    seen: dict[object, int] = {}
    for row in reader:
        number = numbered[reader.line_num - 1][0]
        station = _station(row, f"{source}, line {number}")
        position = (round(station.latitude, 4), round(station.longitude, 4))  # about 10 m
        for key, what in ((station.code, f"code {station.code!r}"), (position, "position")):
            if key in seen:
                raise DataError(
                    f"{source}, line {number}: the {what} repeats line {seen[key]}:"
                    " keep one line for each site"
                )
            seen[key] = number
        yield station


def _station(row: dict[str, str | None], where: str) -> Station:
    """Check one CSV row; `where` names file and line in errors."""
    code, name = (row["code"] or "").strip(), (row["name"] or "").strip()
    checked_code(code, where)
    latitude, longitude, elevation = (_number(row, column, where) for column in _RANGES)
    if longitude >= 180.0:
        longitude -= 360.0
    return Station(code, name, latitude, longitude, elevation)


def _number(row: dict[str, str | None], column: str, where: str) -> float:
    """Value of a numeric column within its range."""
    low, high = _RANGES[column]
    try:
        value = float(row[column] or "")
    except ValueError:
        value = math.nan
    if not low <= value <= high:  # also catches NaN
        raise DataError(
            f"{where}: {column} is {row[column]!r}: expected a number from {low:g} to {high:g}"
        )
    return value
