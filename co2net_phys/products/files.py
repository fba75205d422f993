"""From what the user typed (files, folders, patterns) to a list of files, each once."""

import logging
import os
from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path

import xarray as xr

from co2net_phys.data.opening import open_dataset
from co2net_phys.errors import DataError

__all__ = ["open_product_file", "source_files"]

_logger = logging.getLogger(__name__)

_ENDINGS = (".nc", ".nc4", ".cdf", ".netcdf", ".zarr")
_GZIP_START = b"\x1f\x8b"


def source_files(inputs: Iterable[str | Path]) -> list[Path]:
    """Return the files that paths, folders and patterns such as ``"CT2022*.nc"`` stand for.

    A folder gives the NetCDF files and Zarr stores directly in it; a file that is reached twice,
    by a link or by two patterns, is given once. The order is that of the names.

    Raises:
        DataError: nothing matches, a folder cannot be listed, or a link leads back to itself.
    """
    found: dict[Path, Path] = {}
    for given in inputs:
        for path in _expanded(str(given)):
            found.setdefault(_resolved(path), path)
    if not found:
        raise DataError("no input file is named; give files, a folder or a pattern")
    return sorted(found.values())


def open_product_file(path: Path) -> xr.Dataset:
    """Open one file as `co2net_phys.data.opening.open_dataset` does, telling gzip apart.

    Raises:
        DataError: as `open_dataset`, or the file is compressed as a whole.
    """
    try:
        if path.is_file():
            with path.open("rb") as stream:
                compressed = stream.read(2) == _GZIP_START
            if compressed:
                raise DataError(f"{path}: is compressed with gzip; unpack it with gunzip first")
    except PermissionError as error:
        raise DataError(f"{path}: permission denied; make the file readable") from error
    return open_dataset(path)


def _expanded(given: str) -> list[Path]:
    """Return the files of one argument."""
    path = Path(given)
    if path.exists() and not _is_plain_folder(path):
        return [path]
    if path.exists():
        return _files_in(path)
    _resolved(path)  # a link that leads nowhere says so here
    matches = [Path(match) for match in glob(given)] if has_magic(given) else []
    if not matches:
        kind = "no file matches the pattern" if has_magic(given) else "no such file or folder"
        raise DataError(f"{given}: {kind}; check the path")
    return [match for match in matches if not _is_plain_folder(match) or _ends_well(match)]


def _is_plain_folder(path: Path) -> bool:
    """Tell a folder of files from a Zarr store."""
    markers = ("zarr.json", ".zgroup", ".zmetadata", ".zattrs")
    # Unlike Path.is_file, this is no error in a folder that must not be read.
    return path.is_dir() and not any(os.path.isfile(path / marker) for marker in markers)


def _ends_well(path: Path) -> bool:
    return path.name.lower().endswith(_ENDINGS)


def _files_in(folder: Path) -> list[Path]:
    """Return the NetCDF files and Zarr stores of a folder."""
    try:
        names = sorted(os.listdir(folder))
    except PermissionError as error:
        raise DataError(f"{folder}: permission denied; make the folder readable") from error
    paths = [folder / name for name in names if name.lower().endswith(_ENDINGS)]
    if not paths:
        raise DataError(f"{folder}: holds no NetCDF file or Zarr store; check the path")
    if len(paths) < len(names):
        _logger.warning(
            "%s: %d entries that are not NetCDF or Zarr are left out",
            *(folder, len(names) - len(paths)),
        )
    return paths


def _resolved(path: Path) -> Path:
    """Return the path without links, refusing one that leads back to itself or nowhere."""
    try:
        real = path.resolve(strict=path.is_symlink())
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{path}: is a link that leads back to itself or to nothing; correct the link"
        ) from error
    return real
