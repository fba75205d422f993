"""Describe the variables of a file by their attributes and a sample of their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import find_coordinate, is_time_like
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.schema import VARIABLES
from co2net_phys.errors import DataError
from co2net_phys.inspection.grids import describe_levels
from co2net_phys.inspection.naming import COLUMNS, schema_names
from co2net_phys.inspection.recognition import CARBONTRACKER, Origin
from co2net_phys.inspection.report import Problem, VariableReport
from co2net_phys.inspection.unit_advice import advise
from co2net_phys.products.field_units import without_fill_values

LARGEST_SAMPLE = 2**22
"""Values of one variable that are looked at; of larger maps only the middle rows are."""

Values = NDArray[np.floating[Any]]

_CARBONTRACKER_UNITS = {"huss": "kg kg-1", "tas": "K", "ps": "Pa", "gph": "m", "oro": "m"} | {
    "uas": "m s-1",
    "vas": "m s-1",
}


def describe_variables(
    dataset: xr.Dataset, origin: Origin, where: str
) -> tuple[list[VariableReport], list[Problem]]:
    """All variables that are no coordinates and no bounds, and what is odd about them.

    Args:
        dataset: an open file.
        origin: what it is.
        where: the file, for messages.
    """
    names = schema_names(dataset, origin)
    bounds = {str(array.attrs.get("bounds", "")) for array in dataset.variables.values()}
    reports, problems = [], []
    for name in map(str, dataset.data_vars):
        if name in bounds or name.endswith(("_bnds", "_bounds")):
            continue
        try:
            report, found = _described(dataset, name, names.get(name, ""), origin, where)
        except DataError as error:
            text = str(error).removeprefix(where).lstrip(": ")
            report, found = _bare(dataset[name], name, ""), [Problem("error", "values", text)]
        reports.append(report)
        problems += found
    known = [report for report in reports if report.schema_name]
    problems += _order_problems(dataset, [report.name for report in known])
    bare = [f"'{r.name}'" for r in known if not r.standard_name and not r.long_name]
    if bare:
        text = f"neither standard_name nor long_name, known by the name alone: {', '.join(bare)}"
        problems.append(Problem("note", "attributes", text))
    return sorted(reports, key=_importance), problems


def _importance(report: VariableReport) -> tuple[int, int]:
    """Sorting key: the order of the schema, then the number of dimensions."""
    known = list(VARIABLES)
    place = known.index(report.schema_name) if report.schema_name else len(known)
    return place, -len(report.dimensions)


def _described(
    dataset: xr.Dataset, name: str, schema: str, origin: Origin, where: str
) -> tuple[VariableReport, list[Problem]]:
    array = dataset[name]
    report = _bare(array, name, schema)
    problems: list[Problem] = []
    if array.dtype.kind not in "fiu" or not array.size:
        return report, [] if array.size else [Problem("error", "values", f"'{name}' is empty")]
    found: Counter[str] = Counter()
    chosen, sample = _sample(dataset, name)
    with explained_reading_errors(f"{where}: variable '{name}'"):
        values = chosen.values
    values = values if values.dtype.kind == "f" else values.astype("f8")
    if schema:  # kilograms of air, or counts, may well have the size of a fill value
        values = without_fill_values(values, found)
    known = np.isfinite(values)
    changes: dict[str, Any] = {"sample": sample, "missing": float(1 - known.mean())}
    if known.any():
        changes |= {"minimum": float(values[known].min()), "maximum": float(values[known].max())}
    if schema:
        assumed = _CARBONTRACKER_UNITS.get(schema, "") if origin.product == CARBONTRACKER else ""
        # Only air near the ground is known well enough to judge the units by its values.
        is_known = origin.product == CARBONTRACKER or _knows_ground(dataset, name)
        near_ground = values if is_known else values[:0]
        advice = advise(name, schema, array.attrs, near_ground, assumed)
        changes |= {"schema_units": advice.schema_units, "units_option": advice.option}
        problems += advice.problems
        problems += _known_problems(dataset, name, schema, values, found, assumed)
    return VariableReport(**{**vars(report), **changes}), problems


def _bare(array: xr.DataArray, name: str, schema: str) -> VariableReport:
    """What the header tells."""

    def attribute(key: str) -> str:
        return " ".join(str(array.attrs.get(key, "")).split())

    stored = np.dtype(array.encoding.get("dtype", array.dtype))
    packed = "scale_factor" in array.encoding or "add_offset" in array.encoding
    return VariableReport(
        name,
        schema,
        attribute("standard_name"),
        attribute("long_name"),
        attribute("units"),
        "",
        "",
        tuple(map(str, array.dims)),
        tuple(array.shape),
        ("packed " if packed else "") + (str(stored) if stored.kind != "O" else "text"),
    )


def _sample(dataset: xr.Dataset, name: str) -> tuple[xr.DataArray, str]:
    """The first record of a variable at its lowest level, not more than `LARGEST_SAMPLE`."""
    array = dataset[name]
    horizontal: set[Hashable] = set()
    for role in ("latitude", "longitude"):
        axis = find_coordinate(dataset, name, role)
        horizontal |= set(dataset[axis].dims) if axis is not None else set()
    if not horizontal:
        return _cut(array, "all values")
    _, _, lowest = describe_levels(dataset, name)
    vertical = find_coordinate(dataset, name, "vertical")
    places = {d: lowest if d == vertical else 0 for d in array.dims if d not in horizontal}
    said = [f"{dimension} {place}" for dimension, place in places.items() if array.sizes[dimension]]
    return _cut(array.isel(places), "entry " + ", ".join(said) if said else "all values")


def _knows_ground(dataset: xr.Dataset, name: str) -> bool:
    levels, _, _ = describe_levels(dataset, name)
    return levels is None or levels.lowest != "unknown"


def _cut(array: xr.DataArray, sample: str) -> tuple[xr.DataArray, str]:
    """The middle part of an array that is too large, along its first dimensions."""
    for dimension in array.dims:
        rest = array.size // max(array.sizes[dimension], 1)
        most = max(1, LARGEST_SAMPLE // max(rest, 1))
        if array.size > LARGEST_SAMPLE and array.sizes[dimension] > most:
            start = (array.sizes[dimension] - most) // 2
            array = array.isel({dimension: slice(start, start + most)})
            sample += f", {dimension} {start} to {start + most - 1}"
    return array, sample


def _known_problems(
    dataset: xr.Dataset,
    name: str,
    schema: str,
    values: Values,
    found: Counter[str],
    assumed: str,
) -> list[Problem]:
    """Oddities of a variable that a store has a place for."""
    array, problems = dataset[name], []
    if found:
        shown = ", ".join(f"{value} ({count} times)" for value, count in found.most_common(3))
        text = f"variable '{name}' holds fill values that it does not declare: {shown}; they count"
        problems.append(Problem("warning", "values", f"{text} as missing"))
    missing = float(1 - np.isfinite(values).mean())
    if missing == 1:
        problems.append(Problem("error", "values", f"variable '{name}' is missing everywhere"))
    elif missing:
        text = f"variable '{name}' is missing in {missing:.2g} of the sample"
        problems.append(Problem("warning", "values", text))
    if assumed and not str(array.attrs.get("units", "")).strip():
        text = f"variable '{name}' has no units attribute; taken as {assumed}"
        problems.append(Problem("note", "units", text))
    if name.lower() in COLUMNS:
        text = f"variable '{name}' is the mean of the column of air, not CO2 at the surface"
        problems.append(Problem("warning", "values", text))
    return problems


def _order_problems(dataset: xr.Dataset, names: Sequence[str]) -> list[Problem]:
    """Variables whose dimensions are not in the order time, level, latitude, longitude."""
    other: dict[tuple[Hashable, ...], list[str]] = {}
    for name in names:
        if not _is_in_order(dataset, name):
            other.setdefault(dataset[name].dims, []).append(name)
    return [
        Problem(
            "note",
            "grid",
            f"dimensions are in the order ({', '.join(map(str, dims))}): the readers transpose "
            + ", ".join(f"'{name}'" for name in found),
        )
        for dims, found in other.items()
    ]


def _is_in_order(dataset: xr.Dataset, name: str) -> bool:
    dims = dataset[name].dims
    axes = [find_coordinate(dataset, name, r) for r in ("time", "vertical", "latitude")]
    axes.append(find_coordinate(dataset, name, "longitude"))
    own = [d for axis in axes if axis is not None for d in dimensions_of(dataset, axis)]
    usual = [d for d in dict.fromkeys(own) if d in dims]
    return [d for d in dims if d in usual] == usual


def dimensions_of(dataset: xr.Dataset, axis: Hashable) -> tuple[Hashable, ...]:
    """The dimensions of a coordinate, or the bare dimension of that name."""
    return dataset[axis].dims if axis in dataset.variables else (axis,)


def units_by_name(dataset: xr.Dataset) -> Mapping[str, str]:
    """The units attribute of every variable, to compare the files of a series."""
    return {
        str(name): str(array.attrs.get("units", ""))
        for name, array in dataset.data_vars.items()
        if not is_time_like(array)
    }
