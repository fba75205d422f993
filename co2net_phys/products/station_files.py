"""From files, folders and patterns to one observation table, whatever kind each file is."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import xarray as xr

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.errors import DataError
from co2net_phys.products import noaa_text, observation_file, obspack, station_table
from co2net_phys.products.files import open_product_file, source_files
from co2net_phys.products.observation_duplicates import merged, with_one_selection
from co2net_phys.products.observation_flags import SELECTIONS, Selection, at_suitable_hours
from co2net_phys.products.observations import Part, observation_table, source_of

_logger = logging.getLogger(__name__)

Kind = Literal["ObsPack NetCDF", "NOAA text", "station table", "observations"]
"""What a station file can be; "observations" is the output of `co2phys data prepare stations`."""

_NETCDF, _TEXT = (".nc", ".nc4"), (".txt", ".csv")
_HEAD_LINES = 400  # more than any header


def read(
    inputs: Iterable[str | Path],
    *,
    tracer: str = "co2",
    selection: Selection = SELECTIONS["representative"],
    units: str | None = None,
) -> xr.Dataset:
    """Read station files into one table (see `co2net_phys.products.observations`).

    Args:
        inputs: files, folders (with their subfolders) or patterns.
        tracer: the wanted tracer, lower case.
        selection: what to keep.
        units: of the values in every file, where their attribute is wrong.

    Returns:
        The table; its attribute ``dropped`` says in JSON how many records were left out for which
        reason. A list of stations gives series without observations.

    Raises
    ------
    DataError
        A file is missing, damaged, of no known kind, or of another tracer; its units are wrong; or
        nothing passes the selection.
    """
    parts: list[Part] = []
    dropped: Counter[str] = Counter()
    files = station_files(inputs)
    for path in files:
        found, left_out = read_file(path, tracer, selection, units)
        parts += found
        dropped += left_out
    table = observation_table(tracer, parts, dropped)
    others = f" and {len(files) - 1} more" if len(files) > 1 else ""
    table.attrs["source"] = f"{files[0]}{others}"
    had_records = bool(table.sizes["observation"]) or bool(dropped)
    table = with_one_selection(table)
    if selection.local_hours:
        table = at_suitable_hours(table)
    table = merged(table)
    if had_records and not table.sizes["observation"]:
        raise DataError(
            f"{source_of(table)}: no measurement passes the "
            f"selection ({_in_words(table.attrs['dropped'])}); choose another --selection"
        )
    return table


def read_file(
    path: Path, tracer: str, selection: Selection, units: str | None = None
) -> tuple[list[Part], Counter[str]]:
    """The series of one file, and how many records were left out for which reason.

    Raises
    ------
    DataError
        As `read`.
    """
    kind = kind_of(path)
    if kind == "station table":
        return station_table.read(path, tracer, units)
    if kind == "NOAA text":
        return noaa_text.read(path, tracer, selection, units)
    if kind == "observations":
        with open_product_file(path) as dataset, explained_reading_errors(path):
            return observation_file.read(path, dataset, tracer)
    return obspack.read(path, tracer, selection, units)


def kind_of(path: Path) -> Kind:
    """What a station file is, by its contents.

    Raises
    ------
    DataError
        It cannot be read, or is no station file.
    """
    with explained_reading_errors(path):
        with path.open("rb") as stream:
            start = stream.read(8)
        if start[:3] == b"CDF" or start[:2] in (b"\x89H", b"\x1f\x8b"):
            with open_product_file(path) as dataset:
                is_ours = observation_file.is_observation_file(dataset)
            return "observations" if is_ours else "ObsPack NetCDF"
        if not start:
            raise DataError(f"{path}: is empty; copy or download it again")
        kind = _kind_of_text(path)
    if kind is None:
        raise DataError(
            f"{path}: is no station file (ObsPack or NOAA NetCDF, NOAA text, or a CSV table with "
            "the columns code, latitude, longitude); leave it out"
        )
    return kind


def station_files(inputs: Iterable[str | Path]) -> list[Path]:
    """The files that the inputs stand for, each once, sorted.

    Of a folder these are all NetCDF files, and those texts that are station files, in it and below;
    of an ObsPack with the same dataset in NetCDF and text, the NetCDF.

    Raises
    ------
    DataError
        Nothing matches, or a folder cannot be listed.
    """
    named: list[str | Path] = []
    found: list[Path] = []
    for given in inputs:
        if Path(given).is_dir():
            found += _in_folder(Path(given))
        else:
            named.append(given)
    if named or not found:
        found += source_files(named)
    unique = {path.resolve(): path for path in sorted(found, reverse=True)}
    return sorted(unique.values())


def _in_folder(folder: Path) -> list[Path]:
    """Station files below a folder; a link to a folder is followed once."""
    files: list[Path] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_refuse_unreadable):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        files += [Path(place, name) for name in names]
    netcdf = [path for path in files if path.suffix.lower() in _NETCDF]
    stems = {path.stem for path in netcdf}
    texts = [p for p in files if p.suffix.lower() in _TEXT and p.stem not in stems]
    readable = [path for path in texts if _kind_of_text(path) is not None]
    if len(readable) < len(texts):
        _logger.warning(
            "%s: %d text files are no station files and are left out",
            *(folder, len(texts) - len(readable)),
        )
    if not netcdf and not readable:
        raise DataError(f"{folder}: holds no station file (.nc, .txt or .csv); check the path")
    return netcdf + readable


def _refuse_unreadable(error: OSError) -> None:
    raise DataError(
        f"{error.filename}: the folder cannot be read ({error.strerror}); make it readable"
    ) from error


def _kind_of_text(path: Path) -> Kind | None:
    with (
        explained_reading_errors(path),
        path.open(encoding="utf-8-sig", errors="replace") as stream,
    ):
        head = [line.rstrip("\n") for line, _ in zip(stream, range(_HEAD_LINES), strict=False)]
    if noaa_text.is_noaa_text(head):
        return "NOAA text"
    return "station table" if station_table.is_station_table(head) else None


def _in_words(dropped: str) -> str:
    counts = {reason: number for reason, number in json.loads(dropped).items() if number}
    return ", ".join(f"{number} {reason}" for reason, number in counts.items())
