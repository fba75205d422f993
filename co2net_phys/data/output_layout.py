"""What our output files look like: variables, coordinates, bounds, time encoding, attributes.

The rules hold for NetCDF and Zarr alike: data in float32 (float64 where a variable asks
for it) with `_FillValue`, flags in int8 without one, coordinates and bounds in float64 without
one, CF attributes on every coordinate, time in hours since the start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import cftime
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.stations import Station

CONVENTIONS = "CF-1.11, ACDD-1.3"
"""The conventions that every output declares."""

FILL_VALUE = np.float32(1e20)
"""The value of missing data, as in CMIP."""

Time: TypeAlias = np.datetime64 | cftime.datetime
"""One time: numpy for the proleptic Gregorian calendar, cftime for any other."""


@dataclass(frozen=True)
class OutputVariable:
    """A variable that the writer will be given values for.

    Attributes:
        attributes: CF attributes; at least ``long_name`` and ``units``.
        dimensions: ("time", "latitude", "longitude"), ("time", "station"), or without "time" for
            a field that is written once.
        dtype: type in the file; float64 where more than seven digits matter, int8 for a flag that
            is missing nowhere (not with `ResumableWriter`, whose unwritten records are missing).
    """

    attributes: Mapping[str, str]
    dimensions: tuple[str, ...] = ("time", "latitude", "longitude")
    dtype: Literal["float32", "float64", "int8"] = "float32"

    @property
    def has_time(self) -> bool:
        """Whether the variable gets values in every record."""
        return self.dimensions[0] == "time"


@dataclass(frozen=True)
class TimeEncoding:
    """How times are written: hours since ``start`` in its calendar.

    Attributes:
        start: the origin, usually the first record; its type fixes the calendar.
        cell_method: whether values are instants (``"point"``) or averages (``"mean"``).
    """

    start: Time
    cell_method: str = "point"

    @property
    def calendar(self) -> str:
        """CF name of the calendar."""
        if isinstance(self.start, np.datetime64):
            return "proleptic_gregorian"
        return str(self.start.calendar)

    @property
    def units(self) -> str:
        """CF units: hours since the start, to the second."""
        return f"hours since {self.iso(self.start).replace('T', ' ')}"

    def hours(self, time: Time) -> float:
        """Return ``time`` in hours since the start.

        Raises:
            TypeError: ``time`` belongs to another calendar than the start.
        """
        if isinstance(time, np.datetime64) and isinstance(self.start, np.datetime64):
            # Microseconds hold both ends without the year-2262 limit of nanoseconds.
            elapsed = time.astype("datetime64[us]") - self.start.astype("datetime64[s]")
            return float(elapsed / np.timedelta64(3_600_000_000, "us"))
        if isinstance(time, np.datetime64) or isinstance(self.start, np.datetime64):
            raise TypeError(f"time {time} and start {self.start} belong to different calendars")
        return float((time - self.start.replace(microsecond=0)).total_seconds() / 3600.0)

    @staticmethod
    def iso(time: Time) -> str:
        """Return ``time`` as ``YYYY-MM-DDThh:mm:ss``."""
        if isinstance(time, np.datetime64):
            return str(np.datetime_as_string(time, unit="s"))
        return str(time.isoformat(timespec="seconds"))

    @property
    def attributes(self) -> dict[str, str]:
        """CF attributes of the time coordinate."""
        attributes = {
            "standard_name": "time",
            "long_name": "time",
            "axis": "T",
            "units": self.units,
            "calendar": self.calendar,
        }
        if self.calendar in ("standard", "proleptic_gregorian", "julian"):
            attributes["units_metadata"] = "leap_seconds: none"
        return attributes


def latitude_longitude_template(
    latitude: NDArray[Any],
    longitude: NDArray[Any],
    latitude_bounds: NDArray[Any],
    longitude_bounds: NDArray[Any],
) -> xr.Dataset:
    """Return the static part of a gridded output: coordinates and cell bounds.

    Args:
        latitude: degrees north, shape (latitude,).
        longitude: degrees east, shape (longitude,).
        latitude_bounds: degrees north, shape (latitude, 2), or the edges, (latitude + 1,).
        longitude_bounds: degrees east, shape (longitude, 2), or the edges, (longitude + 1,).
    """
    template = xr.Dataset(
        coords={
            "latitude": ("latitude", np.asarray(latitude, dtype=np.float64)),
            "longitude": ("longitude", np.asarray(longitude, dtype=np.float64)),
        }
    )
    for name, axis, unit, bounds in (
        ("latitude", "Y", "degrees_north", latitude_bounds),
        ("longitude", "X", "degrees_east", longitude_bounds),
    ):
        template[name].attrs = {
            "standard_name": name,
            "long_name": name,
            "axis": axis,
            "units": unit,
            "bounds": f"{name}_bnds",
        }
        template[f"{name}_bnds"] = ((name, "bnds"), _paired(bounds))
    return template


def station_coordinates(stations: Sequence[Station]) -> dict[str, xr.Variable]:
    """Coordinates of the `station` dimension, by their name in a training store."""
    columns: dict[str, tuple[list[Any], dict[str, str]]] = {
        "code": ([s.code for s in stations], {"cf_role": "timeseries_id"}),
        "name": ([s.name for s in stations], {}),
        "latitude": (
            [s.latitude for s in stations],
            {"standard_name": "latitude", "units": "degrees_north"},
        ),
        "longitude": (
            [s.longitude for s in stations],
            {"standard_name": "longitude", "units": "degrees_east"},
        ),
        "elevation": (
            [s.elevation_masl for s in stations],
            {"standard_name": "surface_altitude", "units": "m"},
        ),
    }
    coordinates = {}
    for name, (values, attributes) in columns.items():
        kind: Any = object if isinstance(values[0], str) else np.float64
        attributes = {"long_name": f"station {name}", **attributes}
        array = np.array(values, dtype=kind)
        coordinates[f"station_{name}"] = xr.Variable("station", array, attributes)
    return coordinates


def data_attributes(
    variable: OutputVariable, template: xr.Dataset, cell_method: str
) -> dict[str, str]:
    """Return the attributes of a data variable, completed with what CF and ACDD ask for."""
    attributes = {"coverage_content_type": "modelResult", **variable.attributes}
    if variable.has_time:
        attributes.setdefault("cell_methods", f"time: {cell_method}")
    auxiliary = [str(n) for n in template.coords if n not in template.dims]
    if "station" in variable.dimensions and auxiliary:
        attributes["coordinates"] = " ".join(sorted(auxiliary))
    return attributes


def coverage_attributes(
    template: xr.Dataset, encoding: TimeEncoding, first: Time | None, last: Time | None
) -> dict[str, str | float]:
    """Return the ACDD attributes that say which part of space and time the file covers."""
    attributes: dict[str, str | float] = {}
    for name, prefix, unit in (
        ("latitude", "geospatial_lat", "degrees_north"),
        ("longitude", "geospatial_lon", "degrees_east"),
    ):
        if name in template.variables:
            values = np.asarray(template[name].values)
            attributes[f"{prefix}_min"] = float(values.min())
            attributes[f"{prefix}_max"] = float(values.max())
            attributes[f"{prefix}_units"] = unit
    if first is not None and last is not None:
        hours = encoding.hours(last) - encoding.hours(first)
        attributes["time_coverage_start"] = encoding.iso(first) + "Z"
        attributes["time_coverage_end"] = encoding.iso(last) + "Z"
        attributes["time_coverage_duration"] = f"PT{hours * 3600.0:.0f}S"
    return attributes


def checked(
    name: str, values: NDArray[Any], variable: OutputVariable, template: xr.Dataset
) -> NDArray[Any]:
    """Return one record of a variable in its type.

    Raises:
        ValueError: the shape is not that of its dimensions other than time.
    """
    with np.errstate(over="ignore"):  # of a run that blows up: the solver will say so
        array = np.asarray(values, dtype=variable.dtype)
    dimensions = [d for d in variable.dimensions if d != "time"]
    shape = tuple(template.sizes[dimension] for dimension in dimensions)
    if array.shape != shape:
        raise ValueError(f"'{name}' must have shape {shape} {tuple(dimensions)}, got {array.shape}")
    return array


def is_data(name: str, dataset: xr.Dataset) -> bool:
    """Tell whether a variable is data rather than a coordinate or the bounds of one."""
    bounds = {dataset[other].attrs.get("bounds") for other in dataset.coords}
    return name in dataset.data_vars and name not in bounds and not name.endswith("_bnds")


def _paired(bounds: NDArray[Any]) -> NDArray[np.float64]:
    """Return bounds of shape (n, 2) from pairs or from n + 1 edges."""
    array = np.asarray(bounds, dtype=np.float64)
    return array if array.ndim == 2 else np.stack([array[:-1], array[1:]], axis=-1)
