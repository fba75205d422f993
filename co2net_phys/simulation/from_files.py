"""A world made of a user's files: their winds carry their CO2 field."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from co2net_phys.data.interpolation import BilinearInterpolator
from co2net_phys.data.schema import CO2, VARIABLES, Variable
from co2net_phys.data.winds import WindSeries
from co2net_phys.errors import DataError
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.forcing import TOTAL, Air, SurfaceForcing
from co2net_phys.simulation.geography import Field, Geography
from co2net_phys.simulation.initial import NamedField
from co2net_phys.simulation.sources import SurfaceSources
from co2net_phys.simulation.world import World
from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadyWind,
    TabulatedWind,
)
from co2net_phys.solvers.winds import Wind

LOG = logging.getLogger(__name__)

MEAN_CLOUDINESS = 0.5


def start_of(winds: WindSeries, fallback: np.datetime64) -> np.datetime64:
    """First time of the winds as a proleptic Gregorian date; `fallback` for steady winds."""
    times = winds.times
    if times is None:
        return fallback
    first = times[0]
    if isinstance(first, np.datetime64):
        return first
    LOG.warning("%s: calendar '%s' is read as Gregorian", winds.source, first.calendar)
    try:
        return np.datetime64(first.isoformat())
    except ValueError as error:
        raise DataError(
            f"{winds.source}: the first time, {first}, is not a Gregorian date; "
            "cut the file so that it starts on another day"
        ) from error


def analytic_wind(name: str, harmonics: SphericalHarmonics) -> Wind:
    """`solid-body`: once round in 12 days; the others: Lauritzen et al. (2012)."""
    if name == "solid-body":
        return SolidBodyRotation(harmonics, 2 * np.pi / (12 * SECONDS_PER_DAY))
    return DeformationalFlow(harmonics, divergent=name == "divergent")


def covered(winds: WindSeries) -> float | None:
    """Seconds from the first to the last record; None for steady winds."""
    return None if winds.is_steady else float(_seconds(winds)[-1])


def file_world(
    config: SimulationConfig,
    harmonics: SphericalHarmonics,
    winds: WindSeries | Wind,
    initial: Sequence[NamedField],
    clock: Clock,
) -> World:
    """Return the transport of `initial` by `winds`, with the sources that `config` switches on.

    Sources and exchange act on the first tracer only; the others are passive.

    Raises
    ------
    DataError
        The winds end before the run does.
    """
    wind = on_solver_grid(winds, harmonics, config) if isinstance(winds, WindSeries) else winds
    description = winds.level_description if isinstance(winds, WindSeries) else ""
    output_grid = Grid.carbontracker() if config.grid == "carbontracker" else harmonics.grid
    names = ("ua", "va") if description else ("uas", "vas")
    nodal = torch.as_tensor(np.stack([field.values for field in initial]))

    def auxiliary(seconds: float) -> dict[str, Field]:
        modal = harmonics.streamfunction_and_potential(*wind(seconds))
        components = harmonics.synthesise_wind(*modal, output_grid)
        return {name: part.numpy() for name, part in zip(names, components, strict=True)}

    return World(
        harmonics=harmonics,
        clock=clock,
        wind=wind,
        source=_first_tracer_forcing(config, harmonics, clock, wind, len(initial)),
        initial=harmonics.to_modal(nodal),
        initial_nodal=nodal,
        first_second=0.0,
        output_grid=output_grid,
        tracers=tuple(field.name for field in initial),
        auxiliaries=names,
        auxiliary=auxiliary,
        variables={**_tracer_variables(initial), **_wind_variables(names, description)},
    )


def on_solver_grid(
    winds: WindSeries, harmonics: SphericalHarmonics, config: SimulationConfig
) -> Wind:
    """Interpolate winds to the solver's nodes and truncate them to its degree."""
    grid = harmonics.grid
    interpolator = BilinearInterpolator(
        winds.latitude, winds.longitude, grid.latitude, grid.longitude
    )

    def record(index: int) -> tuple[Tensor, Tensor]:
        u, v = interpolator.wind(*winds.record(index))
        modal = harmonics.streamfunction_and_potential(torch.as_tensor(u), torch.as_tensor(v))
        return harmonics.wind(*modal)

    if winds.is_steady:
        return SteadyWind(*record(0))
    seconds = _seconds(winds)
    length = (config.frames - 1) * config.output_every
    if length > seconds[-1] + 1:
        raise DataError(
            f"{winds.source}: winds cover {seconds[-1] / 3600:g} h from their first time, the run "
            f"needs {length / 3600:g} h; shorten --duration"
        )
    needed = min(int(np.searchsorted(seconds, length)) + 1, len(seconds))
    fastest = max(float(torch.hypot(*record(index)).max()) for index in range(needed))
    return TabulatedWind(seconds, record, max_speed=fastest)


def _seconds(winds: WindSeries) -> Field:
    times = winds.times
    assert times is not None
    if np.issubdtype(times.dtype, np.datetime64):
        return np.asarray((times - times[0]) / np.timedelta64(1, "s"), dtype=np.float64)
    return np.array([(time - times[0]).total_seconds() for time in times])


def _first_tracer_forcing(
    config: SimulationConfig, harmonics: SphericalHarmonics, clock: Clock, wind: Wind, count: int
) -> Callable[[float, Tensor], Tensor] | None:
    if not config.components:
        return None
    geography = Geography(harmonics.grid)

    def air(seconds: float) -> Air:
        return Air(torch.hypot(*wind(seconds)).numpy(), MEAN_CLOUDINESS)

    sources = SurfaceSources(geography, clock, config.seed)
    forcing = SurfaceForcing(
        geography, clock, sources, (TOTAL,), config.components, air, config.exchange
    )

    def source(time: float, tracers: Tensor) -> Tensor:
        tendency = forcing(time, tracers[:1])
        return torch.cat([tendency, torch.zeros_like(tracers[1:])]) if count > 1 else tendency

    return source


def _tracer_variables(initial: Sequence[NamedField]) -> Mapping[str, Variable]:
    co2 = VARIABLES[CO2]
    return {
        field.name: Variable(co2.standard_name, field.long_name, co2.units) for field in initial
    }


def _wind_variables(names: tuple[str, str], level: str) -> Mapping[str, Variable]:
    if not level:
        return {name: VARIABLES[name] for name in names}
    return {
        "ua": Variable("eastward_wind", f"Eastward wind at {level}", "m s-1"),
        "va": Variable("northward_wind", f"Northward wind at {level}", "m s-1"),
    }
