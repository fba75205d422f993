"""Read a pair of wind components as a series of records in m s-1."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import shown_time
from co2net_phys.data.fields import LatLonField, field_from_dataset, listed_variables
from co2net_phys.data.opening import open_dataset
from co2net_phys.data.units import wind_factor
from co2net_phys.errors import DataError

_KNOWN_PAIRS = (
    ("u10", "v10"),
    ("uas", "vas"),
    ("u", "v"),
    ("ua", "va"),
    ("u_component_of_wind", "v_component_of_wind"),
    ("10m_u_component_of_wind", "10m_v_component_of_wind"),
    ("u10m", "v10m"),
    ("10u", "10v"),
    ("ugrd", "vgrd"),
    ("ugrd10m", "vgrd10m"),
)
"""Names of (eastward, northward) wind in common products, compared without case."""

_STRONGEST_CREDIBLE = 500.0
"""m s-1; no wind of the Earth reaches it, an undeclared fill value or wrong unit does."""


@dataclass(frozen=True)
class WindSeries:
    """Eastward and northward wind on one global latitude-longitude grid, loaded record by record.

    Attributes:
        eastward: dims (time?, latitude, longitude), m s-1, positive to the east.
        northward: the same, positive to the north.
    """

    eastward: LatLonField
    northward: LatLonField

    @property
    def source(self) -> Path:
        """The file or Zarr store."""
        return self.eastward.source

    @property
    def level_description(self) -> str:
        """The chosen level in words, ``""`` for a variable without levels."""
        return self.eastward.level_description

    @property
    def latitude(self) -> NDArray[np.float64]:
        """Degrees north, shape (latitude,), ascending."""
        return self.eastward.latitude

    @property
    def longitude(self) -> NDArray[np.float64]:
        """Degrees east in [0, 360), shape (longitude,), ascending."""
        return self.eastward.longitude

    @property
    def times(self) -> NDArray[Any] | None:
        """Record times as datetime64 or cftime, shape (time,); None for a steady wind."""
        return self.eastward.times

    @property
    def is_steady(self) -> bool:
        """Whether the wind is one record that holds at all times."""
        return self.times is None

    @property
    def record_count(self) -> int:
        """Number of records; 1 for a steady wind."""
        return self.eastward.record_count

    def record(self, index: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Load one record: eastward and northward wind in m s-1, each (latitude, longitude).

        Raises:
            DataError: unreadable, missing or infinite values, or a speed beyond 500 m s-1.
        """
        return _credible_record(self.eastward, index), _credible_record(self.northward, index)


def read_wind(
    path: str | Path,
    *,
    level: float | None = None,
    select: Mapping[str, str] | None = None,
    u_name: str | None = None,
    v_name: str | None = None,
    steady: bool = False,
) -> WindSeries:
    """Open the wind of a NetCDF file or Zarr store.

    Args:
        path: the file or store.
        level: value of the vertical coordinate in its own units; needed if there are several.
        select: entry of each further dimension, for example ``{"month": "7"}``.
        u_name: variable of the eastward wind; found by standard_name or common name if None.
        v_name: variable of the northward wind, likewise.
        steady: hold the only record of a time axis of length one for ever.

    Raises:
        DataError: unreadable file, no or several candidate components, components on different
            grids, units that are not a speed, one time step without ``steady``, or any failure
            of `co2net_phys.data.fields.read_field`.
    """
    source = Path(path)
    dataset = open_dataset(source)
    names = _component_names(dataset, source, u_name, v_name)
    eastward, northward = (
        _in_metres_per_second(field_from_dataset(dataset, source, name, level=level, select=select))
        for name in names
    )
    _check_same_grid(eastward, northward)
    return WindSeries(_checked_duration(eastward, steady), _checked_duration(northward, steady))


def _component_names(
    dataset: xr.Dataset, source: Path, u_name: str | None, v_name: str | None
) -> tuple[str, str]:
    """Return the names of the eastward and northward wind: as asked, by attribute, by name."""
    eastward = [u_name] if u_name else _candidates(dataset, "eastward_wind", 0)
    northward = [v_name] if v_name else _candidates(dataset, "northward_wind", 1)
    for found, component, option in (
        (eastward, "eastward", "--u-name"),
        (northward, "northward", "--v-name"),
    ):
        if not found:
            raise DataError(
                f"{source}: has no {component} wind (no standard_name {component}_wind, no known "
                f"name); it has {listed_variables(dataset)}; choose with --u-name and --v-name, or "
                "put both components in one file"
            )
        if len(found) > 1:
            raise DataError(
                f"{source}: has several {component} winds ({', '.join(found)}); "
                f"choose one with {option}"
            )
    return eastward[0], northward[0]


def _candidates(dataset: xr.Dataset, standard_name: str, position: int) -> list[str]:
    """Return variables with the standard name, else those with a known name."""
    by_attribute = [
        str(name)
        for name, variable in dataset.data_vars.items()
        if variable.attrs.get("standard_name") == standard_name
    ]
    known = {pair[position] for pair in _KNOWN_PAIRS}
    by_name = [str(name) for name in dataset.data_vars if str(name).lower() in known]
    return by_attribute or by_name


def _in_metres_per_second(field: LatLonField) -> LatLonField:
    """Return the field with its values lazily converted to m s-1."""
    factor = wind_factor(field.units, where=field.where)
    data = (field.data * factor).assign_attrs({**field.data.attrs, "units": "m s-1"})
    return LatLonField(data, field.name, field.source, field.level_description)


def _check_same_grid(eastward: LatLonField, northward: LatLonField) -> None:
    """Raise unless both components have the same coordinates."""
    for name in ("latitude", "longitude", "times"):
        first, second = getattr(eastward, name), getattr(northward, name)
        if not np.array_equal(np.atleast_1d(first), np.atleast_1d(second)):
            raise DataError(
                f"{eastward.where} and '{northward.name}' have different {name}; "
                "bring both components to one grid first"
            )


def _checked_duration(field: LatLonField, steady: bool) -> LatLonField:
    """Refuse a lone record unless the wind is asked to be steady, then drop its time axis."""
    if field.times is None:
        return field
    if not steady:
        if field.record_count == 1:
            raise DataError(
                f"{field.where} has one time step where two are needed; use --steady to hold it"
            )
        return field
    if field.record_count > 1:
        raise DataError(
            f"{field.where} has {field.record_count} time steps, which --steady would ignore; "
            "drop --steady or extract one time first"
        )
    data = field.data.isel(time=0)
    return LatLonField(data, field.name, field.source, field.level_description)


def _credible_record(field: LatLonField, index: int) -> NDArray[np.float64]:
    """Load one record of a component and refuse speeds that no wind reaches."""
    values = field.record(index)
    strongest = float(np.abs(values).max())
    if strongest > _STRONGEST_CREDIBLE:
        when = "" if field.times is None else f" at {shown_time(field.times[index])}"
        raise DataError(
            f"{field.where} reaches {strongest:.3g} m s-1{when}, which is no wind; correct its "
            "units or declare its fill value (_FillValue)"
        )
    return values
