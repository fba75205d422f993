"""Open a NetCDF file or a Zarr store lazily, explaining every failure in one line."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

from co2net_phys.data.kinds import StoreKind, refuse_other_kind
from co2net_phys.errors import DataError

_ZARR_MARKERS = ("zarr.json", ".zgroup", ".zmetadata", ".zattrs")


def open_dataset(path: str | Path, wanted: StoreKind | None = None) -> xr.Dataset:
    """Open ``path`` (NetCDF-3, NetCDF-4, Zarr v2 or v3) without loading its data.

    Times are decoded to numpy datetimes, or to cftime where the calendar needs it.

    Args:
        path: of a file or a Zarr store.
        wanted: kind of store that it should be; a file of no known kind is opened as well.

    Raises:
        DataError: no such file, no permission, not NetCDF or Zarr, truncated or damaged; or a store
            of another kind than the wanted one.
    """
    source = Path(path)
    with explained_reading_errors(source):
        if not source.exists():
            raise DataError(f"{source}: no such file or folder; check the path")
        engine = _zarr_engine(source) if source.is_dir() else _netcdf_engine(source)
        options: dict[str, Any] = {"consolidated": False} if engine == "zarr" else {}
        with warnings.catch_warnings():
            # About fill values of variables that are perhaps never used; values used are checked.
            warnings.simplefilter("ignore", xr.SerializationWarning)
            dataset = xr.open_dataset(source, engine=engine, decode_timedelta=False, **options)
    if wanted is not None:
        refuse_other_kind(dataset, str(path), wanted)
    return dataset


@contextmanager
def explained_reading_errors(source: Path | str) -> Iterator[None]:
    """Turn what the libraries raise while reading ``source`` into a one-line `DataError`."""
    try:
        yield
    except DataError:
        raise
    except PermissionError as error:
        raise DataError(f"{source}: permission denied; make the file readable") from error
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, TypeError) as error:
        reason = " ".join(str(error).split())
        if "decode time" in reason or "unable to decode" in reason.lower():
            raise DataError(
                f"{source}: the time axis cannot be decoded ({reason[:120]}); give it CF units "
                "such as 'hours since 2000-01-01'"
            ) from error
        raise DataError(
            f"{source}: cannot be read, it is truncated or damaged ({reason[:120]}); "
            "copy or download it again"
        ) from error


def _zarr_engine(source: Path) -> str:
    """Return the xarray engine for a folder, or raise if it is not a Zarr store."""
    if not any((source / marker).is_file() for marker in _ZARR_MARKERS):
        raise DataError(
            f"{source}: is a folder but not a Zarr store; give a NetCDF file or a Zarr store"
        )
    return "zarr"


def _netcdf_engine(source: Path) -> str:
    """Return the xarray engine for a file by its first bytes, or raise if it is not NetCDF."""
    with source.open("rb") as stream:
        start = stream.read(8)
    if start[:3] == b"CDF":
        if start[3:4] != b"\x05":  # CDF-5, which scipy cannot judge
            _refuse_short_classic_file(source)
        return "netcdf4"
    if start == b"\x89HDF\r\n\x1a\n":
        return "netcdf4"
    if not start:
        raise DataError(f"{source}: is empty; copy or download it again")
    remedy = "convert it, for example with `cdo -f nc4 copy`" if start[:4] == b"GRIB" else ""
    raise DataError(f"{source}: is neither NetCDF nor Zarr; {remedy or 'check the path'}")


def _refuse_short_classic_file(source: Path) -> None:
    """Raise if a classic NetCDF file ends before its data do.

    The NetCDF library returns zeros for the missing end of a classic file without complaint;
    scipy's reader fails instead.
    """
    from scipy.io import netcdf_file

    try:
        with netcdf_file(source, mode="r", mmap=True):
            pass
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise DataError(
            f"{source}: is truncated (the file ends before its data); copy or download it again"
        ) from error
