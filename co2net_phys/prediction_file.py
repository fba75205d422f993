"""A file of predicted maps: which variable it holds, read some maps at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import is_time_like
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.schema import CO2, TARGETS, VARIABLES, standard_error_name
from co2net_phys.data.store_units import in_schema_units
from co2net_phys.errors import DataError

Floats = NDArray[np.floating[Any]]

DIMENSIONS = ("time", "latitude", "longitude")
MEMBERS = "realization"
"""Dimension of the members of an ensemble, by its CF standard name."""

PIECE_BYTES = 2**24
"""Of one field (float64) in memory at a time; scores need some twenty of its size."""


class Predicted(NamedTuple):
    """A variable and, where known, its standard error, (n, H, W), and its members."""

    mean: Floats
    standard_error: Floats | None = None
    members: Floats | None = None
    """(M, n, H, W)."""


def target_of(prediction: xr.Dataset, source: str) -> str:
    """The variable to score: the first of `TARGETS` with the right dimensions.

    Raises
    ------
    DataError
        There is none, or it lacks coordinates.
    """
    for name in TARGETS:
        if name in prediction and {*prediction[name].dims} - {MEMBERS} == {*DIMENSIONS}:
            for axis in DIMENSIONS:
                if axis not in prediction.coords:
                    raise DataError(f"{source}: no coordinate {axis!r}; write the file with it")
            if not is_time_like(prediction["time"]):
                raise DataError(
                    f"{source}: 'time' has no CF units; give it units such as "
                    "'hours since 2000-01-01'"
                )
            return name
    raise DataError(
        f"{source}: no variable {CO2!r} (time, latitude, longitude); give a file of "
        "`co2phys reconstruct`"
    )


def checked_units(prediction: xr.Dataset, source: str) -> xr.Dataset:
    """The variable to score in the unit of the schema, with its standard error if it has one.

    Raises
    ------
    DataError
        The units are missing or of another kind, or the standard error has others.
    """
    name = target_of(prediction, source)
    converted = in_schema_units(prediction[[name]], source)
    error = standard_error_name(name)
    if error not in prediction:
        return converted
    units = prediction[error].attrs.get("units", "")
    if units != VARIABLES[name].units:
        raise DataError(
            f"{source}: variable {error!r} has units {units!r}; convert it to "
            f"{VARIABLES[name].units!r}"
        )
    return converted.assign({error: prediction[error]})


def listed_codes(prediction: xr.Dataset, attribute: str) -> list[str] | None:
    """Codes of stations in a global attribute, None where it is absent."""
    text = prediction.attrs.get(attribute)
    return None if text is None else str(text).split()


def pieces(prediction: xr.Dataset, source: str) -> Iterator[Predicted]:
    """The variable to score, some maps at a time, with its standard error and members if any.

    Raises
    ------
    DataError
        A value cannot be read, or a standard error is negative.
    """
    target = target_of(prediction, source)
    name = standard_error_name(target)
    if name in prediction and {*prediction[name].dims} != {*DIMENSIONS}:
        raise DataError(
            f"{source}: variable {name!r} has dimensions {prediction[name].dims}, expected "
            f"{DIMENSIONS}"
        )
    sizes = prediction.sizes
    step = frames_at_once(sizes["latitude"] * sizes["longitude"] * sizes.get(MEMBERS, 1))
    for first in range(0, sizes["time"], step):
        part = prediction.isel(time=slice(first, first + step))
        members = errors = None
        mean = _values(part, target, source)
        if mean.ndim == 4:
            members, mean = mean, mean.mean(axis=0)
            errors = members.std(axis=0)
        if name in prediction:
            errors = _values(part, name, source)
            if (errors < 0).any():
                raise DataError(f"{source}: variable {name!r} is negative somewhere; mask it there")
        yield Predicted(mean, errors, members)


def part_of(given: Predicted, frames: slice) -> Predicted:
    """Those maps only."""
    errors, members = given.standard_error, given.members
    return Predicted(
        given.mean[frames],
        None if errors is None else errors[frames],
        None if members is None else members[:, frames],
    )


def frames_at_once(cells: int) -> int:
    """Maps of so many cells that are read together."""
    return max(1, PIECE_BYTES // (8 * cells))


def _values(prediction: xr.Dataset, name: str, source: str) -> Floats:
    """Values (n, H, W), or (M, n, H, W) of members."""
    array = prediction[name]
    with explained_reading_errors(f"{source}: variable {name!r}"):
        return np.asarray(array.transpose(..., *DIMENSIONS).values, dtype=np.float64)
