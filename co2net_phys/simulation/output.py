"""What the output of a simulation holds, in which layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from co2net_phys.data.output_layout import (
    OutputVariable,
    TimeEncoding,
    latitude_longitude_template,
    station_coordinates,
)
from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.stations import Station
from co2net_phys.data.writer_partial import Layout
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.diagnostics import Diagnostics
from co2net_phys.simulation.world import World

GRID = ("latitude", "longitude")


def output_layout(
    world: World,
    config: SimulationConfig,
    stations: Sequence[Station],
    diagnostics: Diagnostics | None,
    attributes: Mapping[str, str | float],
) -> Layout:
    """Return the layout of everything that a run writes."""
    grid = world.output_grid
    template = latitude_longitude_template(
        grid.latitude, grid.longitude, grid.latitude_bounds, grid.longitude_bounds
    )
    if stations:
        template = template.assign_coords(station_coordinates(stations))
    if diagnostics is not None:
        template = template.assign_coords(diagnostics.coordinates)
    seconds = (number * config.output_every for number in range(config.frames))
    return Layout(
        template=template,
        variables=output_variables(world, stations, diagnostics),
        static=world.static,
        times=[world.clock.moment(moment) for moment in seconds],
        encoding=TimeEncoding(world.clock.moment(0.0)),
        attributes=attributes,
    )


def output_variables(
    world: World, stations: Sequence[Station], diagnostics: Diagnostics | None
) -> dict[str, OutputVariable]:
    """Describe what a run writes, by name."""
    names = (*world.tracers, *world.auxiliaries)
    variables = {name: OutputVariable(world.variables[name].attributes) for name in names}
    for name in world.static:
        variables[name] = OutputVariable(VARIABLES[name].attributes, GRID)
    if stations:
        observed = VARIABLES[CO2].attributes | {
            "long_name": "Surface CO2 observed at stations (noise and outages included)",
            "coverage_content_type": "physicalMeasurement",
        }
        variables[STATION_CO2] = OutputVariable(observed, ("time", "station"))
    if diagnostics is not None:
        variables |= diagnostics.variables
    return variables


def output_bytes(layout: Layout) -> int:
    """Size of the data before compression."""
    sizes = {str(name): size for name, size in layout.template.sizes.items()}
    sizes["time"] = len(layout.times)
    return sum(
        (8 if variable.dtype == "float64" else 4)
        * math.prod(sizes[axis] for axis in variable.dimensions)
        for variable in layout.variables.values()
    )
