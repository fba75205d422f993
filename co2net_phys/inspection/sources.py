"""From what the user typed to files, without stopping at what cannot be read.

`os.path` tells whether a path exists where `pathlib` raises: below a folder without permission.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from glob import glob, has_magic
from pathlib import Path

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.errors import DataError
from co2net_phys.products.files import source_files
from co2net_phys.products.station_files import kind_of

_logger = logging.getLogger(__name__)

_GRIDDED = (".nc", ".nc4", ".cdf", ".netcdf", ".zarr")
_TEXT = (".txt", ".csv")
_ZARR_MARKERS = ("zarr.json", ".zgroup", ".zmetadata", ".zattrs")


@dataclass
class Sources:
    """Files to look at, and what is none.

    Attributes:
        files: each once, in the order of the arguments, by name within a folder.
        failures: path and reason.
    """

    files: list[Path] = field(default_factory=list)
    failures: list[tuple[Path, str]] = field(default_factory=list)


def reason_of(error: DataError, path: Path) -> str:
    """The message of an error without the name of the file at its beginning."""
    return str(error).removeprefix(str(path)).lstrip(":, ")


def expand(inputs: Iterable[str | Path]) -> Sources:
    """The files that paths, folders (with their subfolders) and patterns stand for.

    Of a folder these are NetCDF files, Zarr stores, and those texts that are station files; of a
    dataset that is there as NetCDF and as text, the NetCDF.
    """
    found = Sources()
    for given in map(str, inputs):
        if os.path.exists(given) or not has_magic(given):
            _add(Path(given), found)
            continue
        matches = sorted(glob(given))
        if not matches:
            found.failures.append((Path(given), "no file matches the pattern; check the path"))
        for match in matches:
            _add(Path(match), found)
    unique = {os.path.realpath(path): path for path in reversed(found.files)}
    found.files = list(reversed(unique.values()))
    return found


def _add(path: Path, found: Sources) -> None:
    """Add a file or all of a folder."""
    if os.path.isdir(path) and not _is_product(path):
        _add_folder(path, found)
        return
    try:
        if not os.path.exists(path):
            with explained_reading_errors(path):
                source_files([path])  # says whether it is absent, or a link to nowhere
    except DataError as error:
        found.failures.append((path, reason_of(error, path)))
        return
    found.files.append(path)


def _is_product(folder: Path) -> bool:
    """Whether a folder is a Zarr store, or is named like a file and will be refused as one."""
    named = folder.name.lower().endswith(_GRIDDED)
    return named or any(os.path.isfile(folder / marker) for marker in _ZARR_MARKERS)


def _add_folder(folder: Path, found: Sources) -> None:
    """Add what lies below a folder; a link to a folder is followed once."""

    def unreadable(error: OSError) -> None:
        place = Path(error.filename or folder)
        found.failures.append((place, f"{error.strerror}; make the folder readable".lower()))

    paths: list[Path] = []
    seen: set[str] = set()
    known = len(found.failures)
    for place, folders, names in os.walk(folder, followlinks=True, onerror=unreadable):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        stores = [name for name in folders if _is_product(Path(place, name))]
        folders[:] = sorted(n for n in folders if n not in stores and not n.startswith("."))
        paths += [Path(place, name) for name in sorted([*stores, *names])]
    gridded = [path for path in paths if path.name.lower().endswith(_GRIDDED)]
    stems = {path.stem for path in gridded}
    texts = [p for p in paths if p.suffix.lower() in _TEXT and p.stem not in stems]
    readable = [path for path in texts if _is_station_text(path)]
    if len(readable) < len(texts):
        _logger.warning(
            "%s: %d text files are no station files and are left out",
            *(folder, len(texts) - len(readable)),
        )
    if not gridded and not readable and len(found.failures) == known:
        found.failures.append((folder, "holds no NetCDF file, Zarr store or station file"))
    for path in sorted([*gridded, *readable]):
        if path.is_dir():
            found.files.append(path)
        else:
            _add(path, found)


def _is_station_text(path: Path) -> bool:
    """Whether a text may be a station file; one that cannot be read will say so later."""
    try:
        if not os.access(path, os.R_OK) or not path.stat().st_size:
            return True
        kind_of(path)
    except (DataError, OSError):
        return False
    return True
