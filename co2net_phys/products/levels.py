"""Which level of a vertical coordinate is meant: one that is asked for, or the lowest."""

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from co2net_phys.data.coordinates import find_coordinate
from co2net_phys.data.selection import select_level
from co2net_phys.data.units import unit_conversion
from co2net_phys.errors import DataError


@dataclass(frozen=True)
class LevelChoice:
    """Positions of a vertical dimension for `co2net_phys.products.recipes.recipe`.

    Attributes:
        positions: the one level chosen.
        column: levels from the ground up, where the ground cuts through the lowest ones.
        description: in words, ``""`` for a variable without levels.
    """

    positions: dict[Hashable, tuple[int, ...]] = field(default_factory=dict)
    column: tuple[Hashable, tuple[int, ...]] | None = None
    description: str = ""


def choose_level(
    dataset: xr.Dataset, variable: str, level: float | None, where: str, *, on_pressure: bool
) -> LevelChoice:
    """Return the asked level of a variable, or the lowest where none is asked for.

    Args:
        dataset: an open file.
        variable: of the file.
        level: value of the vertical coordinate in its own units.
        where: ``"<file>: variable '<name>'"``.
        on_pressure: whether pressure levels give the lowest one that is above ground when none is
            asked for; otherwise one must be asked for.

    Raises:
        DataError: the asked level is absent, or nothing tells which one is the lowest.
    """
    name = find_coordinate(dataset, variable, "vertical")
    if name is None or name not in dataset[variable].dims:
        return LevelChoice()
    size = dataset[variable].sizes[name]
    labels = dataset[name] if name in dataset.coords else numbered(dataset, name)
    if level is None and size > 1:
        lowest = lowest_level(labels)
        if is_pressure(labels) and on_pressure:
            order = np.argsort(-np.asarray(labels.values, dtype=np.float64))
            upward = tuple(int(position) for position in order)
            return LevelChoice({}, (name, upward), f"lowest {name} above ground")
        if lowest is not None and not is_pressure(labels):
            value, unit = float(labels.values[lowest]), str(labels.attrs.get("units", ""))
            return LevelChoice({name: (lowest,)}, None, f"{name} = {value:g} {unit}".rstrip())
    chosen, description = select_level(numbered(dataset, name), name, level, where)
    return LevelChoice({name: (int(chosen),)}, None, description)


def numbered(dataset: xr.Dataset, dimension: Hashable) -> xr.DataArray:
    """Return the positions 0, 1, … along a dimension, with its coordinate where it has one."""
    positions = xr.DataArray(np.arange(dataset.sizes[dimension]), dims=[dimension])
    if dimension not in dataset.coords:
        return positions
    return positions.assign_coords({dimension: dataset[dimension].variable})


def lowest_level(coordinate: xr.DataArray) -> int | None:
    """Return the position of the level nearest to the ground; None where nothing tells it.

    Pressures and hybrid or sigma coordinates grow downwards, whatever the attribute ``positive``
    says (GEOS-Chem writes "up" beside them); heights and bare level numbers follow ``positive``.
    """
    values = np.atleast_1d(np.asarray(coordinate.values, dtype=np.float64))
    if values.size == 1:
        return 0
    if not np.isfinite(values).all():
        return None
    standard_name = str(coordinate.attrs.get("standard_name", ""))
    if is_pressure(coordinate) or "sigma" in standard_name:
        return int(np.argmax(values))
    positive = str(coordinate.attrs.get("positive", "")).lower()
    if positive == "up" or _is_height(coordinate):
        return int(np.argmin(values))
    return int(np.argmax(values)) if positive == "down" else None


def is_pressure(coordinate: xr.DataArray) -> bool:
    """Whether the values of a vertical coordinate are pressures."""
    return coordinate.attrs.get("standard_name") == "air_pressure" or _has_units_of(
        coordinate, "Pa"
    )


def _is_height(coordinate: xr.DataArray) -> bool:
    name = str(coordinate.attrs.get("standard_name", ""))
    return "height" in name or "altitude" in name or _has_units_of(coordinate, "m")


def _has_units_of(coordinate: xr.DataArray, wanted: str) -> bool:
    try:
        unit_conversion(str(coordinate.attrs.get("units", "")), wanted, where=str(coordinate.name))
    except DataError:
        return False
    return True
