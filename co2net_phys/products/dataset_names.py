"""Names of station datasets: ``co2_lef_tower-insitu_1_allvalid-396magl`` and the like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_LAYOUT = re.compile(
    r"(?P<tracer>[a-z0-9]+)_(?P<site>[a-z0-9]+)_(?P<project>[a-z]+(?:-[a-z]+)?)"
    r"_(?P<laboratory>\d+)_(?P<tag>.+?)(?:-(?P<height>[0-9.]+)magl)?",
    re.IGNORECASE,
)
_SUFFIXES = {".nc", ".nc4", ".txt", ".csv"}


@dataclass(frozen=True)
class DatasetName:
    """The parts of a dataset's name.

    Attributes:
        tracer: lower case, such as "co2".
        site: upper case, such as "LEF".
        project: platform and method, lower case, such as "tower-insitu".
        laboratory: number of the laboratory, as text.
        tag: lower case, such as "representative" or "allvalid", without the height.
        height: metres above the ground, NaN if the name has none.
    """

    tracer: str
    site: str
    project: str
    laboratory: str
    tag: str
    height: float


def parsed(name: str) -> DatasetName | None:
    """The parts of a dataset's name, None if it follows another scheme."""
    match = _LAYOUT.fullmatch(name)
    if match is None:
        return None
    height = float(match["height"]) if match["height"] else np.nan
    return DatasetName(
        match["tracer"].lower(),
        match["site"].upper(),
        match["project"].lower(),
        match["laboratory"],
        match["tag"].lower(),
        height,
    )


def of_file(path: Path | str) -> str:
    """Name of the dataset that a file is named after: without folder and suffix."""
    path = Path(path)
    return path.stem if path.suffix.lower() in _SUFFIXES else path.name
