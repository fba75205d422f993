"""Open a NetCDF file or Zarr store to look at it, even where its time axis cannot be decoded."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.errors import DataError
from co2net_phys.inspection.report import Problem
from co2net_phys.products.files import open_product_file


def open_to_inspect(path: Path) -> tuple[xr.Dataset, list[Problem]]:
    """The open dataset, with times undecoded and a problem where they cannot be decoded.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    try:
        return open_product_file(path), []
    except DataError as error:
        if "time axis cannot be decoded" not in str(error):
            raise
    with explained_reading_errors(path), warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)
        engine = "zarr" if path.is_dir() else "netcdf4"
        options: dict[str, Any] = {"consolidated": False} if path.is_dir() else {}
        dataset = xr.open_dataset(
            path, engine=engine, decode_times=False, decode_timedelta=False, **options
        )
    texts = {str(array.attrs.get("units", "")) for array in dataset.variables.values()}
    shown = ", ".join(f"'{text}'" for text in sorted(texts) if " since " in text)
    text = f"the time axis cannot be decoded (units {shown or 'unknown'})"
    remedy = "give it CF units such as 'hours since 2000-01-01'"
    return dataset, [Problem("error", "time", f"{text}; {remedy}")]


@contextmanager
def captured_warnings() -> Iterator[list[str]]:
    """Collect what the readers warn of, instead of printing it."""
    told: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger, handler = logging.getLogger("co2net_phys.products"), Collector()
    propagates = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield told
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
