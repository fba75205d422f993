"""From a variable of an open file to the recipe by which its whole series is read."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from co2net_phys.data.schema import VARIABLES
from co2net_phys.errors import DataError
from co2net_phys.products.axes import grid_axes
from co2net_phys.products.field_source import FieldSource
from co2net_phys.products.field_units import conversion
from co2net_phys.products.times import TimeAxis

_KEPT_ATTRIBUTES = ("standard_name", "long_name", "units", "cell_methods")

Positions = Mapping[Hashable, tuple[int, ...]]


def recipe(
    dataset: xr.Dataset,
    path: Path,
    name: str,
    variables: Sequence[str],
    *,
    times: TimeAxis | None,
    positions: Positions | None = None,
    column: tuple[Hashable, tuple[int, ...]] | None = None,
    units: Mapping[str, str] | None = None,
    assumed_units: str = "",
    linear: tuple[float, float] = (1.0, 0.0),
    level: str = "",
) -> FieldSource:
    """Return how the field ``name`` is read from the sum of ``variables``.

    Args:
        dataset: the open file.
        path: of the file, for messages.
        name: in the schema; another name keeps the file's units.
        variables: of the file, alike in dimensions and units.
        times: of the file, None for a static field.
        positions: entries of further dimensions; their mean is taken.
        column: a vertical dimension and its positions from the ground up, see `FieldSource`.
        units: what the user says the units are, by the file's name or that of the schema.
        assumed_units: what the product documents, where the attribute is missing.
        linear: (factor, summand) in the schema's unit, applied after the conversion.
        level: the chosen level in words.

    Raises:
        DataError: not on a latitude-longitude grid, a further dimension without a choice, or
            units that cannot be converted.
    """
    lead = variables[0]
    where = f"{path}: variable '{lead}'"
    axes, row, across = grid_axes(dataset, lead, where)
    array = dataset[lead]
    clock = None if times is None else times.dimension
    entries = dict(positions or {})
    known = {clock, row, across, *entries, *([column[0]] if column else [])}
    for dimension in array.dims:
        if dimension in known:
            continue
        if array.sizes[dimension] > 1:
            raise DataError(
                f"{where} has the further dimension '{dimension}' with {array.sizes[dimension]} "
                f"entries; cut one out first, for example with `ncks -d {dimension},0`"
            )
        entries[dimension] = (0,)
    unit, factor, summand = _units(dataset, lead, name, where, units or {}, assumed_units)
    for other in variables[1:]:
        if str(dataset[other].attrs.get("units", "")) != str(array.attrs.get("units", "")):
            raise DataError(
                f"{path}: variables '{lead}' and '{other}' differ in units, so they cannot be "
                "added; correct the units attributes"
            )
    kept = {key: str(array.attrs[key]) for key in _KEPT_ATTRIBUTES if key in array.attrs}
    kept |= {"original_level": level} if level else {}
    return FieldSource(
        name,
        tuple(variables),
        axes,
        (clock, row, across),
        entries=tuple((d, p) for d, p in entries.items() if d in array.dims),
        column=column,
        factor=factor * linear[0],
        summand=summand * linear[0] + linear[1],
        units=unit,
        stored_records=_stored_records(array, clock),
        attributes=tuple(kept.items()),
    )


def _units(
    dataset: xr.Dataset,
    variable: str,
    name: str,
    where: str,
    given: Mapping[str, str],
    assumed: str,
) -> tuple[str, float, float]:
    """Return the units of the file, and factor and summand to those of the schema."""
    attributes: Mapping[str, Any] = dataset[variable].attrs
    standard_name = str(attributes.get("standard_name", ""))
    told = given.get(variable, given.get(name))
    unit = str(attributes.get("units", "")).strip() or assumed
    if told is not None:
        unit, standard_name = told, ""
    if name not in VARIABLES:
        return unit, 1.0, 0.0
    factor, summand = conversion(
        name, unit, where=where, standard_name=standard_name, option=variable
    )
    return unit, factor, summand


def _stored_records(array: xr.DataArray, clock: Hashable | None) -> int:
    """Return how many records the file keeps in one piece along time."""
    sizes = array.encoding.get("chunksizes")
    if clock not in array.dims or not sizes:
        return 1
    return max(1, int(sizes[array.dims.index(clock)]))
