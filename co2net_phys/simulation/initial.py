"""Initial tracer fields: analytic ones and those read from files, as modal coefficients."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from co2net_phys.data.fields import read_field
from co2net_phys.data.interpolation import BilinearInterpolator
from co2net_phys.data.schema import CO2
from co2net_phys.data.units import to_micromol_per_mol
from co2net_phys.errors import UsageError
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Field, Geography
from co2net_phys.simulation.mixing import free_troposphere
from co2net_phys.solvers import SphericalHarmonics

LOG = logging.getLogger(__name__)

ANALYTIC = ("uniform", "zonal", "hills", "coordinates")
"""Names accepted instead of a file: 400 everywhere, the free troposphere, two Gaussian hills, and
three tracers, the Cartesian coordinates of the sphere."""

COORDINATE_TRACERS = ("tracer_x", "tracer_y", "tracer_z")
"""Tracers of `coordinates`; a bare x, y or z would pass for an axis in a file."""

COORDINATE_MEAN, COORDINATE_AMPLITUDE = 400.0, 100.0
"""µmol mol-1. Steep, so that the seven digits of a file leave much of the gradient."""


@dataclass(frozen=True)
class NamedField:
    """An initial tracer: its output name, description and nodal values (nlat, nlon)."""

    name: str
    long_name: str
    values: Field


def analytic_tracers(name: str, harmonics: SphericalHarmonics, clock: Clock) -> list[NamedField]:
    """The tracers that `name` stands for: the three of `coordinates`, else the CO2 tracer."""
    if name == "coordinates":
        return coordinate_tracers(harmonics)
    return [analytic_tracer(name, harmonics, clock)]


def coordinate_tracers(harmonics: SphericalHarmonics) -> list[NamedField]:
    """Tracers 400 + 100 (x, y, z) in µmol mol-1, (x, y, z) = (cos θ cos λ, cos θ sin λ, sin θ).

    Their gradients are the projections of three orthogonal vectors on the tangent plane, which
    they span everywhere: with all three the wind can be told from the tracers at any place.
    """
    geography = Geography(harmonics.grid)
    coordinates = np.moveaxis(_unit_vectors(geography.latitude, geography.longitude), -1, 0)
    return [
        NamedField(
            name,
            f"Tracer, initially the coordinate {name[-1]} of the unit sphere",
            COORDINATE_MEAN + COORDINATE_AMPLITUDE * coordinate,
        )
        for name, coordinate in zip(COORDINATE_TRACERS, coordinates, strict=True)
    ]


def analytic_tracer(name: str, harmonics: SphericalHarmonics, clock: Clock) -> NamedField:
    """The analytic field called `name` as the CO2 tracer."""
    return NamedField(CO2, f"CO2, initially {name}", analytic_field(name, harmonics, clock))


def tracers_from_file(
    path: Path, variables: Sequence[str], harmonics: SphericalHarmonics, **options: Any
) -> list[NamedField]:
    """One tracer for each variable; a single one is called `CO2`. Options as `field_from_file`."""
    names = [CO2] if len(variables) == 1 else variables
    return [
        NamedField(name, f"{variable} of {path.name}, transported", values)
        for name, variable in zip(names, variables, strict=True)
        for values in [field_from_file(path, variable, harmonics, **options)]
    ]


def analytic_field(name: str, harmonics: SphericalHarmonics, clock: Clock) -> Field:
    """Nodal field (nlat, nlon) in µmol mol-1.

    `hills` are the Gaussian hills of Lauritzen et al. (2012), doi:10.5194/gmd-5-887-2012, of
    height 40 on 400.
    """
    geography = Geography(harmonics.grid)
    if name == "uniform":
        return np.full_like(geography.latitude, 400.0)
    if name == "zonal":
        return free_troposphere(geography.latitude, clock, 0.0)
    if name == "hills":
        point = _unit_vectors(geography.latitude, geography.longitude)
        centres = [_unit_vectors(np.zeros(1), np.array([east]))[0] for east in (150.0, 210.0)]
        distances = [np.square(point - centre).sum(-1) for centre in centres]
        return 400 + 40 * 0.95 * np.sum([np.exp(-5 * distance) for distance in distances], axis=0)
    raise UsageError(f"no initial field {name!r}; give a file or one of {', '.join(ANALYTIC)}")


def _unit_vectors(latitude: Field, longitude: Field) -> Field:
    north, east = np.radians(latitude), np.radians(longitude)
    parts = [np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)]
    return np.stack(parts, axis=-1)


def field_from_file(
    path: Path,
    variable: str,
    harmonics: SphericalHarmonics,
    *,
    units: str | None = None,
    time: str | None = None,
    level: float | None = None,
    select: Mapping[str, str] | None = None,
) -> Field:
    """Nodal field (nlat, nlon) in µmol mol-1, interpolated to the solver's grid.

    `units` replaces the file's attribute, with a warning. Without `time` the first record of a
    series is taken.

    Raises
    ------
    DataError
        The file cannot be read, or its units are not (or cannot be) those of a mole fraction.
    """
    field = read_field(path, variable, level=level, time=time, select=select)
    values = field.record(0)
    if units is not None and units != field.units:
        LOG.warning(
            "%s: units attribute '%s' replaced by '%s' as asked", field.where, field.units, units
        )
    standard_name = "" if units is not None else field.standard_name
    values = to_micromol_per_mol(
        values, units or field.units, where=field.where, standard_name=standard_name
    )
    grid = harmonics.grid
    interpolator = BilinearInterpolator(
        field.latitude, field.longitude, grid.latitude, grid.longitude
    )
    return interpolator(values)
