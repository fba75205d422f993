"""What is particular to CarbonTracker: layers from the ground up, older layouts, no variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import xarray as xr

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.inspection.naming import CARBONTRACKER_NAMES
from co2net_phys.inspection.report import LevelReport, Problem

_COMPONENTS = ("bg", "ff", "bio", "ocean", "fires")
_LAYERS = 34


def from_ground(levels: Mapping[str, LevelReport]) -> dict[str, LevelReport]:
    """Levels as NOAA documents them: the first one is the lowest, whether or not the file says."""
    return {name: replace(report, kind="model", lowest="first") for name, report in levels.items()}


def layout_problems(dataset: xr.Dataset, path: Path) -> list[Problem]:
    """What an open file has in another way than the files of today, or not at all."""
    problems = []
    if "co2" not in dataset and all(name in dataset for name in _COMPONENTS):
        text = "CO2 is given by components: the reader adds bg, ff, bio, ocean and fires"
        problems.append(Problem("note", "values", text))
    if "press" in dataset:
        text = "an older layout: 'press' is the pressure of the middles of the layers"
        problems.append(Problem("note", "level", text))
    layers = dataset.sizes.get("level", _LAYERS)
    if layers != _LAYERS:
        text = f"{layers} layers instead of {_LAYERS}, as in older releases"
        problems.append(Problem("note", "level", text))
    found = {schema for name, schema in CARBONTRACKER_NAMES.items() if name in dataset}
    missing = [name for name in VARIABLES if name not in found and name != CO2]
    if missing:
        text = f"the file gives no {', '.join(missing)}: the store goes without"
        problems.append(Problem("warning", "files", text))
    return problems + _upside_down(dataset, path)


def _upside_down(dataset: xr.Dataset, path: Path) -> list[Problem]:
    """Pressure that grows with the number of the boundary: then 0 is not the ground."""
    name = next((n for n in ("pressure", "press") if n in dataset), None)
    vertical = next((d for d in ("boundary", "level") if name and d in dataset[name].dims), None)
    if name is None or vertical is None or dataset.sizes[vertical] < 2:
        return []
    corner = {dimension: 0 for dimension in dataset[name].dims if dimension != vertical}
    with explained_reading_errors(path):
        profile = dataset[name].isel(corner).values
    if profile[0] >= profile[-1]:
        return []
    text = (
        f"variable '{name}' grows along '{vertical}', whose first entry should be the lowest; give "
        "files as NOAA distributes them"
    )
    return [Problem("error", "level", text)]
