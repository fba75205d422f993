"""Read tracers that travel together as a series of records in their own units."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import find_coordinate, is_time_like
from co2net_phys.data.fields import LatLonField, field_from_dataset, listed_variables
from co2net_phys.data.opening import open_dataset
from co2net_phys.data.schema import AUXILIARIES
from co2net_phys.data.units import unit_conversion
from co2net_phys.errors import DataError, UsageError

_AMOUNT = re.compile(r"(fraction|concentration|mixing_ratio|content)_of_|^age_of|tracer")
"""What the standard name of a tracer says; that of pressure, wind or temperature does not."""

_NOT_TRACERS = frozenset(
    {
        *(*AUXILIARIES, "u", "v", "w", "ua", "va", "wap", "omega", "u10", "v10", "10u", "10v"),
        *("u10m", "v10m", "ugrd", "vgrd", "t", "ta", "t2m", "q", "z", "zg", "sp", "p", "pressure"),
        *("temperature", "area", "areacella", "cell_area", "orog", "sftlf", "lsm"),
    }
)
"""Common names without a standard name, in lower case."""

_SPACING_TOLERANCE = 1e-3
"""Relative difference between time steps that rounded times may leave."""


@dataclass(frozen=True)
class TracerSeries:
    """Tracers on one global grid at equally spaced times, loaded record by record.

    Attributes:
        fields: one for each tracer, dims (time, latitude, longitude), in the file's units.
        quanta: steps of the stored type of each tracer, in its unit; 0 for floating point.
        precisions: floating-point type of each tracer in the file.
        made_with: configuration of the co2phys run that wrote the file; empty if none did.
    """

    fields: tuple[LatLonField, ...]
    quanta: tuple[float, ...]
    precisions: tuple[np.dtype[Any], ...]
    made_with: Mapping[str, Any]

    @property
    def source(self) -> Path:
        """The file or Zarr store."""
        return self.fields[0].source

    @property
    def names(self) -> tuple[str, ...]:
        """Variables, in order."""
        return tuple(field.name for field in self.fields)

    @property
    def units(self) -> tuple[str, ...]:
        """Their units, as written in the file."""
        return tuple(field.units for field in self.fields)

    @property
    def times(self) -> NDArray[Any]:
        """(time,) datetime64 or cftime."""
        times = self.fields[0].times
        assert times is not None
        return times

    @property
    def record_count(self) -> int:
        """Number of times."""
        return self.fields[0].record_count

    @property
    def step(self) -> float:
        """Seconds between records."""
        seconds = _seconds(self.times)
        return float(seconds[-1] / (len(seconds) - 1))

    def record(self, index: int) -> NDArray[np.float64]:
        """All tracers at one time, (tracer, latitude, longitude), each in its unit.

        Raises:
            DataError: unreadable, missing or infinite values.
        """
        return np.stack([field.record(index) for field in self.fields])

    def rounding(self, record: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of what storage took from `record`, (tracer,), each in its unit.

        A value rounded to a step q is wrong by up to q/2 either way, evenly: q/√12.
        """
        steps = [
            quantum if quantum else _rms(np.spacing(np.abs(values).astype(precision)))
            for values, quantum, precision in zip(record, self.quanta, self.precisions, strict=True)
        ]
        return np.array(steps) / np.sqrt(12.0)


def read_tracers(
    path: str | Path,
    names: Sequence[str] = (),
    *,
    level: float | None = None,
    select: Mapping[str, str] | None = None,
) -> TracerSeries:
    """Open tracers of a NetCDF file or Zarr store.

    Args:
        path: the file or store.
        names: variables; without any, all fields of latitude, longitude and time whose standard
            name is that of an amount of a substance or, where none has one, whose name is not that
            of wind, pressure, temperature or the like.
        level: value of the vertical coordinate in its own units; needed if there are several.
        select: entry of each further dimension, for example ``{"member": "3"}``.

    Raises:
        DataError: unreadable file, no tracer or no such variable, no time axis, times that are not
            equally spaced, tracers on different grids, or any failure of
            `co2net_phys.data.fields.read_field`.
    """
    source = Path(path)
    dataset = open_dataset(source)
    chosen = tuple(names) or _found(dataset, source)
    _refuse_repeated(chosen, source)
    # Before reading, which forgets them.
    storage = [_storage(dataset[name]) for name in chosen if name in dataset.data_vars]
    fields = tuple(
        field_from_dataset(dataset, source, name, level=level, select=select) for name in chosen
    )
    for field in fields:
        _check_same_grid(fields[0], field)
        _check_same_times(fields[0], field)
        _check_times(field)
    quanta, precisions = zip(*storage, strict=True)
    return TracerSeries(fields, quanta, precisions, _configuration(dataset))


def read_sources(
    series: TracerSeries,
    names: Sequence[str],
    *,
    level: float | None = None,
    select: Mapping[str, str] | None = None,
) -> Callable[[int], NDArray[np.float64]]:
    """Open the sources of tracers, from the same file.

    Args:
        series: the tracers.
        names: variable of the source of each tracer, in order, or "none"; without a time axis a
            source is steady.
        level: as for the tracers; for sources without levels it is left out.
        select: likewise.

    Returns:
        Function of the index of a record that gives (tracer, latitude, longitude) in the unit of
        each tracer per s.

    Raises:
        UsageError: another number of names than of tracers.
        DataError: no such variable, another grid, other times or a unit of another kind.
    """
    if len(names) != len(series.names):
        raise UsageError(
            f"--source is given {len(names)} times for {len(series.names)} tracers "
            f"({', '.join(series.names)}); give one for each, or none for a tracer without"
        )
    dataset = open_dataset(series.source)
    rates: list[tuple[LatLonField, float]] = []
    for tracer, name in zip(series.fields, names, strict=True):
        if name == "none":
            rates.append((tracer, 0.0))
            continue
        field = _source(dataset, series.source, name, level, select)
        _check_same_grid(tracer, field)
        if field.times is not None:
            _check_same_times(tracer, field)
        factor, _ = unit_conversion(field.units, f"{tracer.units} s-1", where=field.where)
        rates.append((field, factor))
    return lambda index: np.stack([factor * field.record(index) for field, factor in rates])


def _configuration(dataset: xr.Dataset) -> Mapping[str, Any]:
    """What `co2net_phys.provenance` wrote down, if the file is one of ours."""
    try:
        configuration = json.loads(dataset.attrs.get("co2phys_configuration", "{}"))
    except (ValueError, TypeError):
        return {}
    return configuration if isinstance(configuration, dict) else {}


def _source(
    dataset: xr.Dataset,
    source: Path,
    name: str,
    level: float | None,
    select: Mapping[str, str] | None,
) -> LatLonField:
    """A field with the entries of those dimensions that it has."""
    has_levels = name in dataset and find_coordinate(dataset, name, "vertical") is not None
    dimensions = dataset[name].dims if name in dataset else ()
    entries = {key: value for key, value in (select or {}).items() if key in dimensions}
    return field_from_dataset(
        dataset, source, name, level=level if has_levels else None, select=entries
    )


def _found(dataset: xr.Dataset, source: Path) -> tuple[str, ...]:
    """The variables that are tracers, by standard name, else by exclusion."""
    series = [name for name in map(str, dataset.data_vars) if _is_series(dataset, name)]
    declared = [name for name in series if _AMOUNT.search(_standard_name(dataset, name))]
    bare = [
        name
        for name in series
        if not _standard_name(dataset, name) and name.lower() not in _NOT_TRACERS
    ]
    if not (declared or bare):
        raise DataError(
            f"{source}: has no tracer with latitude, longitude and time; it has "
            f"{listed_variables(dataset)}; name the tracers with --tracer"
        )
    return tuple(sorted(declared or bare))  # the order of a Zarr store's variables is arbitrary


def _is_series(dataset: xr.Dataset, name: str) -> bool:
    """Whether the variable is a real field over latitude, longitude and time."""
    if dataset[name].dtype.kind not in "fiu" or dataset[name].ndim < 3:
        return False
    time, *horizontal = (
        find_coordinate(dataset, name, role) for role in ("time", "latitude", "longitude")
    )
    return time in dataset[name].dims and None not in horizontal


def _standard_name(dataset: xr.Dataset, name: str) -> str:
    """Standard name; with a modifier, such as ``standard_error``, it is not a tracer's."""
    text = str(dataset[name].attrs.get("standard_name", ""))
    return "other" if " " in text else text


def _refuse_repeated(names: Sequence[str], source: Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{source}: variable '{name}' is named twice; give each tracer once")


def _storage(variable: xr.DataArray) -> tuple[float, np.dtype[Any]]:
    """Step of packed integers (0 for floating point) and floating-point type."""
    stored = np.dtype(variable.encoding.get("dtype", variable.dtype))
    if stored.kind in "iu":
        return abs(float(variable.encoding.get("scale_factor", 1.0))), np.dtype(np.float64)
    return 0.0, stored if stored.kind == "f" else np.dtype(np.float64)


def _check_same_grid(first: LatLonField, other: LatLonField) -> None:
    """Raise unless both have the same latitudes and longitudes."""
    for name in ("latitude", "longitude"):
        if not np.array_equal(getattr(first, name), getattr(other, name)):
            shapes = [f"{len(f.latitude)} × {len(f.longitude)}" for f in (first, other)]
            raise DataError(
                f"{first.where} ({shapes[0]}) and '{other.name}' ({shapes[1]}) are on different "
                f"grids: their {name}s differ; bring the tracers to one grid, or choose with "
                "--tracer"
            )


def _check_same_times(first: LatLonField, other: LatLonField) -> None:
    """Raise unless both have the same times, or none."""
    if not np.array_equal(np.asarray(first.times), np.asarray(other.times)):
        raise DataError(
            f"{first.where} and '{other.name}' have different times; bring the tracers to the same "
            "times, or choose with --tracer"
        )


def _check_times(field: LatLonField) -> None:
    """Raise unless the tracer has a time axis with equal steps."""
    if field.times is None or "time" not in field.data.coords:
        raise DataError(f"{field.where} has no time axis; give several times of it, equally spaced")
    if field.record_count < 2 or not is_time_like(field.data["time"]):
        return  # too few for anything, which whoever needs more will say
    steps = np.diff(_seconds(field.times))
    if np.ptp(steps) > _SPACING_TOLERANCE * steps.min():
        raise DataError(
            f"{field.where} has unequal time steps, {steps.min():g} to {steps.max():g} s; choose "
            "or interpolate to equally spaced times"
        )


def _seconds(times: NDArray[Any]) -> NDArray[np.float64]:
    """(time,) seconds since the first."""
    if np.issubdtype(times.dtype, np.datetime64):
        return np.asarray((times - times[0]) / np.timedelta64(1, "s"), dtype=np.float64)
    return np.array([(time - times[0]).total_seconds() for time in times])


def _rms(values: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
