"""What a store of columns holds: names, dimensions, units. The contract of the column emulator.

Levels are layers between terrain-following interfaces, numbered from the ground up: `level` 0 lies
on the ground. An interface is at the pressure p = ap + b·ps, so that a layer's air has the mass
Δp/g per area. Names are those of CMIP6 tables where one exists.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import is_time_like
from co2net_phys.data.schema import Variable
from co2net_phys.errors import DataError
from co2net_phys.solvers.constants import GRAVITY

TRACER = "mmrbc"
"""Mass fraction of black carbon from biomass burning in air, kg kg-1 (CMIP6 table AERmon name)."""

EMISSION = "emibc"
"""Emission of that black carbon, mean over the interval that ends at the frame, kg m-2 s-1."""

GRID = ("latitude", "longitude")
SURFACE_DIMENSIONS = ("time", *GRID)
PROFILE_DIMENSIONS = ("time", "level", *GRID)

OFFSET_BOUNDS, SHARE_BOUNDS = "ap_bnds", "b_bnds"
"""(level, 2) lower and upper interface of each layer: ap in Pa, b dimensionless."""

SURFACE_VARIABLES: Mapping[str, Variable] = {
    EMISSION: Variable(
        "tendency_of_atmosphere_mass_content_of_elemental_carbon_dry_aerosol_particles"
        "_due_to_emission",
        "Emission of black carbon from biomass burning",
        "kg m-2 s-1",
    ),
    "ps": Variable("surface_air_pressure", "Surface air pressure", "Pa"),
    "tas": Variable("air_temperature", "Near-surface air temperature", "K"),
    "pr": Variable("precipitation_flux", "Precipitation", "kg m-2 s-1"),
    "prc": Variable("convective_precipitation_flux", "Convective precipitation", "kg m-2 s-1"),
    "bldep": Variable("atmosphere_boundary_layer_thickness", "Boundary layer depth", "m"),
}
"""The 6 two-dimensional inputs, (time, latitude, longitude)."""

PROFILE_VARIABLES: Mapping[str, Variable] = {
    TRACER: Variable(
        "mass_fraction_of_elemental_carbon_dry_aerosol_particles_in_air",
        "Mass fraction of black carbon from biomass burning",
        "kg kg-1",
    ),
    "ua": Variable("eastward_wind", "Eastward wind", "m s-1"),
    "va": Variable("northward_wind", "Northward wind", "m s-1"),
    "ta": Variable("air_temperature", "Air temperature", "K"),
    "hus": Variable("specific_humidity", "Specific humidity", "1"),
    "wap": Variable(
        "lagrangian_tendency_of_air_pressure", "Pressure velocity, positive downwards", "Pa s-1"
    ),
    "edt": Variable(
        "atmosphere_heat_diffusivity",
        "Eddy diffusivity of heat and tracers at the top of the layer",
        "m2 s-1",
    ),
    "mc": Variable(
        "atmosphere_net_upward_convective_mass_flux",
        "Convective updraught at the top of the layer, kg of air",
        "kg m-2 s-1",
    ),
}
"""The 8 profile inputs, (time, level, latitude, longitude), the tracer first."""

SURFACE_INPUTS = tuple(SURFACE_VARIABLES)
PROFILE_INPUTS = tuple(PROFILE_VARIABLES)
VARIABLES: Mapping[str, Variable] = {**SURFACE_VARIABLES, **PROFILE_VARIABLES}

BUDGET: Mapping[str, str] = {
    "burden": "Mass of the tracer in the atmosphere",
    "emitted": "Mass emitted since the frame before",
    "dry_deposited": "Mass deposited at the ground since the frame before",
    "wet_deposited": "Mass rained out since the frame before",
}
"""Global sums per frame, dimension (time,), kg, float64: the change of the burden is what was
emitted less what was deposited."""


AREA = "areacella"
"""Area of each cell, m2, (latitude, longitude), float64."""


def air_mass(
    surface_pressure: NDArray[np.floating],
    offset_bounds: NDArray[np.floating],
    share_bounds: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Air mass per area, kg m-2, (..., level, latitude, longitude): |Δap + Δb·ps| / g.

    Args:
        surface_pressure: Pa, (..., latitude, longitude).
        offset_bounds: ap of the two interfaces of each layer, Pa, (level, 2).
        share_bounds: b of them, dimensionless, (level, 2).
    """
    offset = np.diff(np.asarray(offset_bounds, dtype=np.float64))[:, 0, None, None]
    share = np.diff(np.asarray(share_bounds, dtype=np.float64))[:, 0, None, None]
    pressure = np.asarray(surface_pressure, dtype=np.float64)[..., None, :, :]
    return np.asarray(np.abs(offset + share * pressure) / GRAVITY)


def air_mass_of(dataset: xr.Dataset) -> xr.DataArray:
    """Air mass per area of every layer of a store, kg m-2, with the dimensions of a profile."""
    values = air_mass(
        dataset["ps"].values, dataset[OFFSET_BOUNDS].values, dataset[SHARE_BOUNDS].values
    )
    attributes = {"long_name": "Mass of air per area", "units": "kg m-2"}
    return xr.DataArray(values, dims=PROFILE_DIMENSIONS, attrs=attributes)


def validate_columns(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` with the schema's dimension order, or say what is wrong with it.

    Raises
    ------
    DataError
        naming `source`, the variable and the remedy: a coordinate or variable is missing or has
        other dimensions, an axis does not ascend, there are fewer than two layers or times, or
        the layers are not numbered from the ground up.
    """
    _check_axes(dataset, source)
    _check_layers(dataset, source)
    for name in VARIABLES:
        if name not in dataset:
            raise DataError(
                f"{source}: no variable {name!r}; make a store of columns with "
                "`co2phys simulate --preset columns`"
            )
        if set(dataset[name].dims) != set(_dimensions(name)):
            raise DataError(
                f"{source}: variable {name!r} has dimensions {dataset[name].dims}, "
                f"expected {_dimensions(name)}; transpose or squeeze it first"
            )
    return dataset.assign({name: dataset[name].transpose(*_dimensions(name)) for name in VARIABLES})


def _dimensions(name: str) -> tuple[str, ...]:
    return SURFACE_DIMENSIONS if name in SURFACE_VARIABLES else PROFILE_DIMENSIONS


def _check_axes(dataset: xr.Dataset, source: str) -> None:
    for axis in PROFILE_DIMENSIONS:
        if axis not in dataset.indexes:
            raise DataError(
                f"{source}: no coordinate {axis!r}; a store of columns needs time, level, "
                "latitude and longitude (make one with `co2phys simulate --preset columns`)"
            )
        if dataset.sizes[axis] < 2:
            raise DataError(f"{source}: {axis!r} has one entry where at least two are needed")
    if not is_time_like(dataset["time"]):
        raise DataError(
            f"{source}: 'time' has no CF units; give it units such as 'hours since 2000-01-01'"
        )
    for axis in ("time", *GRID):
        values = dataset[axis].values
        if not np.all(values[1:] > values[:-1]):
            raise DataError(f"{source}: coordinate {axis!r} does not ascend; sort it first")


def _check_layers(dataset: xr.Dataset, source: str) -> None:
    for name in (OFFSET_BOUNDS, SHARE_BOUNDS):
        if name not in dataset or dataset[name].shape != (dataset.sizes["level"], 2):
            raise DataError(
                f"{source}: no variable {name!r} of shape (level, 2); the mass of air needs the "
                "interfaces of the layers, p = ap + b*ps"
            )
    bounds = dataset[OFFSET_BOUNDS].values + dataset[SHARE_BOUNDS].values * 101325.0
    descends = bounds[:, 1] < bounds[:, 0]
    if not np.all(descends) or not np.allclose(bounds[1:, 0], bounds[:-1, 1]):
        raise DataError(
            f"{source}: {OFFSET_BOUNDS!r} and {SHARE_BOUNDS!r}: layers must touch and go from the "
            "ground up, the lower interface first; sort 'level' so"
        )
