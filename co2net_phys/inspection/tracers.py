"""Which tracer a station file holds, and which release it is of."""

from __future__ import annotations

import re
from pathlib import Path

import xarray as xr

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.products import dataset_names
from co2net_phys.products.files import open_product_file
from co2net_phys.products.station_files import Kind

_HEADER = re.compile(r"^#\s*(?:contact_)?parameter\s*:\s*(\w+)", re.MULTILINE)
_HEAD_BYTES = 2**16


def tracer_of(path: Path, kind: Kind) -> tuple[str, str]:
    """Lower-case formula of the tracer ("co2" where nothing says), and the release if known.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    named = dataset_names.parsed(dataset_names.of_file(path))
    by_name = named.tracer if named else ""
    if kind in ("ObsPack NetCDF", "observations"):
        with open_product_file(path) as dataset, explained_reading_errors(path):
            told = str(dataset.attrs.get("dataset_parameter", dataset.attrs.get("tracer", "")))
            release = str(dataset.attrs.get("obspack_name", "")).strip()
            return (told.strip().lower() or by_name or _by_identity(dataset) or "co2"), release
    if kind == "NOAA text":
        with explained_reading_errors(path), path.open(encoding="utf-8", errors="replace") as text:
            header = _HEADER.search(text.read(_HEAD_BYTES))
        return (header[1].lower() if header else by_name or "co2"), ""
    return "co2", ""


def _by_identity(dataset: xr.Dataset) -> str:
    """Tracer in the name of the first record's dataset, in files of one day."""
    if "obspack_id" not in dataset or not dataset["obspack_id"].size:
        return ""
    first = dataset["obspack_id"][0].values
    text = first.tobytes() if first.ndim else first.item()
    parts = (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)).split("~")
    found = dataset_names.parsed(parts[1].strip("\0 ")) if len(parts) > 1 else None
    return found.tracer if found else ""
