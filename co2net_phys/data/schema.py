"""What a training store holds: names, dimensions, units. The contract between files and methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from co2net_phys.data.coordinates import is_time_like
from co2net_phys.errors import DataError


@dataclass(frozen=True)
class Variable:
    """CF description of one variable."""

    standard_name: str
    long_name: str
    units: str
    static: bool = False

    @property
    def attributes(self) -> dict[str, str]:
        """CF attributes to write with the variable."""
        # CF-1.11, section 3.1.2: say whether kelvins are a temperature or a difference of two.
        scale = {"units_metadata": "temperature: on_scale"} if self.units == "K" else {}
        return scale | {
            "standard_name": self.standard_name,
            "long_name": self.long_name,
            "units": self.units,
            "coverage_content_type": "modelResult",
        }


CO2 = "co2s"
"""Surface mole fraction of CO2 in dry air, µmol mol-1 (CMIP6 table Emon name)."""

BACKGROUND = "co2s_background"
"""First guess of `CO2` that a method may start from, µmol mol-1."""

STATION_CO2 = "co2s_station"
"""`CO2` as observed at stations, dimensions (time, station), µmol mol-1, NaN where missing."""

HELD_OUT_ATTRIBUTE = "held_out_stations"
"""Global attribute of a reconstruction: codes of the stations it has not seen."""

TARGETS = (CO2, "ps", "huss", "tas")
"""Variables that a network can reconstruct (CO2-Net paper, table 13)."""

AUXILIARIES = ("ps", "huss", "tas", "uas", "vas", "gph", "oro")
"""The K = 7 auxiliary variables of the CarbonTracker set-up (CO2-Net paper, table 1), in order."""

VARIABLES: Mapping[str, Variable] = {
    CO2: Variable(
        "mole_fraction_of_carbon_dioxide_in_air", "Surface CO2 (ppm, dry air)", "umol mol-1"
    ),
    "ps": Variable("surface_air_pressure", "Surface air pressure", "Pa"),
    "huss": Variable("specific_humidity", "Near-surface specific humidity", "1"),
    "tas": Variable("air_temperature", "Near-surface air temperature", "K"),
    "uas": Variable("eastward_wind", "Eastward near-surface wind", "m s-1"),
    "vas": Variable("northward_wind", "Northward near-surface wind", "m s-1"),
    "gph": Variable("geopotential_height", "Geopotential height of the lowest layer", "m"),
    "oro": Variable("surface_altitude", "Orography", "m", static=True),
}


def standard_error_name(name: str) -> str:
    """Name of the field that holds the standard error of the variable `name`, in its unit."""
    return f"{name}_standard_error"


def standard_error_attributes(name: str) -> dict[str, str]:
    """CF attributes of the standard error of the variable `name`.

    CF-1.11, section 3.3 and appendix C: the modifier follows the standard name after a blank, the
    unit is that of the variable. An error in kelvin is a difference of two temperatures.
    """
    variable = VARIABLES[name]
    scale = {"units_metadata": "temperature: difference"} if variable.units == "K" else {}
    return scale | {
        "standard_name": f"{variable.standard_name} standard_error",
        "long_name": f"Standard error of: {variable.long_name}",
        "units": variable.units,
        "coverage_content_type": "qualityInformation",
    }


def validate_store(dataset: xr.Dataset, source: str, *, need_target: bool = True) -> xr.Dataset:
    """Return `dataset` with the schema's dimension order, or say what is wrong with it.

    Raises
    ------
    DataError
        naming `source`, the variable and the remedy: a coordinate or variable is missing, an axis
        does not ascend, or the time axis has fewer than two entries.
    """
    for axis in ("time", "latitude", "longitude"):
        if axis not in dataset.indexes:
            raise DataError(
                f"{source}: no coordinate {axis!r}; a training store needs time, latitude and "
                "longitude (make one with `co2phys simulate`)"
            )
    for axis in ("latitude", "longitude"):
        if np.any(np.diff(dataset[axis].values) <= 0):
            raise DataError(f"{source}: coordinate {axis!r} does not ascend; sort it first")
    if dataset.sizes["time"] < 2:
        raise DataError(f"{source}: 'time' has one step where at least two are needed")
    if not is_time_like(dataset["time"]):
        raise DataError(
            f"{source}: 'time' has no CF units; give it units such as 'hours since 2000-01-01'"
        )
    times = dataset["time"].values
    if not np.all(times[1:] > times[:-1]):  # in any calendar; NaT compares false
        raise DataError(f"{source}: 'time' does not ascend; sort it and drop duplicates first")
    if need_target and CO2 not in dataset:
        raise DataError(
            f"{source}: no variable {CO2!r}, found {_some(dataset)}; add the files of CO2"
        )
    gridded = [name for name in VARIABLES if name in dataset]
    order = {name: _dimensions(name) for name in gridded}
    for name, dimensions in order.items():
        if set(dataset[name].dims) != set(dimensions):
            raise DataError(
                f"{source}: variable {name!r} has dimensions {dataset[name].dims}, "
                f"expected {dimensions}"
            )
    return dataset.assign({name: dataset[name].transpose(*order[name]) for name in gridded})


def _dimensions(name: str) -> tuple[str, ...]:
    grid = ("latitude", "longitude")
    return grid if VARIABLES[name].static else ("time", *grid)


def _some(dataset: xr.Dataset) -> str:
    return ", ".join(list(map(str, dataset.data_vars))[:8]) or "no variables at all"
