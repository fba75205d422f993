"""Describe the horizontal grid and the levels of a variable."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import find_coordinate
from co2net_phys.errors import DataError
from co2net_phys.inspection.report import GridReport, LevelReport, Problem
from co2net_phys.products.axes import grid_axes
from co2net_phys.products.levels import is_pressure, lowest_level

_LARGEST_GAUSSIAN = 1280
"""Rows; beyond it finding the nodes of Gauss takes longer than it is worth."""

_SAME_DEGREES = 1e-3
_AT_POLE = 90.0 - 1e-3


def describe_grid(
    dataset: xr.Dataset, variable: str, where: str
) -> tuple[GridReport | None, list[Problem]]:
    """The grid of a variable, None if it has no latitude and longitude; and what is odd about it.

    Args:
        dataset: an open file.
        variable: of the file.
        where: ``"<file>: variable '<name>'"``.
    """
    names = [find_coordinate(dataset, variable, role) for role in ("latitude", "longitude")]
    if names[0] is None or names[1] is None:
        return None, []
    latitude, longitude = dataset[names[0]], dataset[names[1]]
    is_point = min(latitude.size, longitude.size) == 1
    if is_point or latitude.ndim != 1 or longitude.ndim != 1 or latitude.dims == longitude.dims:
        return _other_grid(latitude, longitude)
    north, east = (np.asarray(axis.values, dtype=np.float64) for axis in (latitude, longitude))
    problems = _axis_problems(latitude, longitude, north, east)
    try:
        axes, _, _ = grid_axes(dataset, variable, where)
    except DataError as error:
        problems.append(Problem("error", "grid", _without(error, where)))
        return GridReport("irregular", north.size, east.size), problems
    if axes.longitude.size < east.size:
        problems.append(
            Problem("note", "grid", "a meridian is there twice (0 and 360): the second is dropped")
        )
    coverage = "global" if axes.is_global else "regional"
    if not axes.is_global:
        text = f"the grid is regional ({axes.description}): stores and networks need a global one"
        problems.append(Problem("error", "grid", text))
    described = GridReport(
        kind=_kind(axes.latitude, axes.longitude),
        rows=north.size,
        columns=east.size,
        latitude=(float(north[0]), float(north[-1])),
        longitude=(float(east[0]), float(east[-1])),
        latitude_step=float(np.median(np.abs(np.diff(axes.latitude)))),
        longitude_step=float(np.median(np.abs(np.diff(axes.longitude)))),
        latitude_order="south to north" if north[0] < north[-1] else "north to south",
        longitude_convention=_convention(east),
        coverage=coverage,
        poles_included=bool(np.abs(north).max() > _AT_POLE),
        bounds_included=all(str(a.attrs.get("bounds")) in dataset for a in (latitude, longitude)),
    )
    return described, problems


def describe_levels(
    dataset: xr.Dataset, variable: str
) -> tuple[LevelReport | None, list[Problem], int]:
    """The levels of a variable, what is odd about them, and the position of the lowest."""
    name = find_coordinate(dataset, variable, "vertical")
    if name is None or name not in dataset[variable].dims:
        return None, [], 0
    count = dataset[variable].sizes[name]
    if name not in dataset.coords:
        report = LevelReport(str(name), "model", count, "", None, None, "unknown")
        text = f"the levels '{name}' have no coordinate, so that nothing tells which is the lowest"
        return report, [Problem("warning", "level", text)], 0
    coordinate = dataset[name]
    values = np.atleast_1d(np.asarray(coordinate.values, dtype=np.float64))
    lowest = lowest_level(coordinate)
    kind = "pressure" if is_pressure(coordinate) else _height_or_model(coordinate)
    where = {None: "unknown", 0: "first"}.get(lowest, "last" if lowest == count - 1 else "inside")
    report = LevelReport(
        str(name),
        kind,
        count,
        str(coordinate.attrs.get("units", "")),
        float(values[0]),
        float(values[-1]),
        where if count > 1 else "first",
    )
    return report, _level_problems(report, coordinate, values), lowest or 0


def _level_problems(
    report: LevelReport, coordinate: xr.DataArray, values: NDArray[np.float64]
) -> list[Problem]:
    problems = []
    positive = str(coordinate.attrs.get("positive", "")).lower()
    if report.count > 1 and report.lowest == "unknown":
        text = f"nothing tells which end of the levels '{report.name}' is the ground"
        problems.append(Problem("warning", "level", f"{text}; choose one with --level"))
    if report.lowest == "last" and report.count > 1:
        text = f"the levels '{report.name}' begin at the top: the last one is nearest the ground"
        problems.append(Problem("note", "level", text))
    falls = report.count > 1 and values[0] > values[-1] and report.kind == "model"
    if falls and positive == "up" and report.lowest == "first":
        text = (
            f"the levels '{report.name}' say positive 'up', but their values fall with height: the "
            "first one is the lowest"
        )
        problems.append(Problem("note", "level", text))
    if report.kind == "pressure" and report.count > 1:
        text = (
            "values are on pressure levels, the lowest of which lie below the ground in mountains; "
            "choose one with --level"
        )
        problems.append(Problem("note", "level", text))
    return problems


def _other_grid(
    latitude: xr.DataArray, longitude: xr.DataArray
) -> tuple[GridReport, list[Problem]]:
    """Grids that no reader takes."""
    if min(latitude.size, longitude.size) == 1:
        return GridReport("point"), [
            Problem("error", "grid", "it is a single place or column, not a map")
        ]
    kind = "curvilinear" if latitude.ndim > 1 else "unstructured"
    rows, columns = latitude.shape if latitude.ndim > 1 else (1, latitude.size)
    text = f"the grid is {kind}; regrid it to latitude-longitude first, for example with cdo"
    return GridReport(kind, rows, columns), [Problem("error", "grid", text)]


def _axis_problems(
    latitude: xr.DataArray,
    longitude: xr.DataArray,
    north: NDArray[np.float64],
    east: NDArray[np.float64],
) -> list[Problem]:
    """Oddities of the axes that the readers put right."""
    problems = []
    if north.size > 1 and north[0] > north[-1]:
        text = "latitudes run from north to south: the readers turn them round"
        problems.append(Problem("note", "grid", text))
    if (np.abs(north) > _AT_POLE).sum() == 1:
        text = "there is a row at one pole, but none at the other"
        problems.append(Problem("note", "grid", text))
    if east.size > 1 and np.any(np.diff(east) < 0):
        problems.append(Problem("note", "grid", "longitudes do not ascend: the readers sort them"))
    for axis in (latitude, longitude):
        if not axis.attrs.get("units") and not axis.attrs.get("standard_name"):
            text = f"the coordinate '{axis.name}' has no units attribute: it is known by its name"
            problems.append(Problem("note", "grid", text))
    return problems


def _kind(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> str:
    """Regular, Gaussian or irregular, of ascending axes."""
    steps = np.diff(latitude)
    if np.ptp(np.diff(longitude)) > _SAME_DEGREES:
        return "irregular"
    if np.ptp(steps) < _SAME_DEGREES:
        return "regular"
    if steps.size > 3 and np.ptp(steps[1:-1]) < _SAME_DEGREES:
        return "regular"  # with polar rows of half height
    rows = latitude.size
    if rows <= _LARGEST_GAUSSIAN and np.abs(latitude - _gaussian(rows)).max() < 0.01:
        return "Gaussian"
    return "irregular"


@lru_cache(maxsize=8)
def _gaussian(rows: int) -> NDArray[np.float64]:
    """Latitudes (rows,) of a Gaussian grid, ascending."""
    nodes: NDArray[np.float64] = np.polynomial.legendre.leggauss(rows)[0]
    return np.degrees(np.arcsin(nodes))


def _convention(east: NDArray[np.float64]) -> str:
    if east.min() < 0:
        return "-180 to 180"
    return "0 to 360" if east.max() > 180 else "either"


def _height_or_model(coordinate: xr.DataArray) -> str:
    named = str(coordinate.attrs.get("standard_name", ""))
    is_height = "height" in named or "altitude" in named or coordinate.attrs.get("units") == "m"
    return "height" if is_height else "model"


def _without(error: Any, where: str) -> str:
    return str(error).removeprefix(where).strip()
