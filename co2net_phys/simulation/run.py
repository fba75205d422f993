"""Integrate a world and stream it to disk."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from co2net_phys.data.output_layout import (
    OutputVariable,
    TimeEncoding,
    latitude_longitude_template,
    station_coordinates,
)
from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.stations import Station
from co2net_phys.data.writer import StreamingWriter
from co2net_phys.errors import UsageError
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.forcing import NODE_INTERVAL
from co2net_phys.simulation.geography import Field
from co2net_phys.simulation.observing import StationNetwork
from co2net_phys.simulation.world import World
from co2net_phys.solvers import (
    AdvectionDiffusion,
    check_time_step,
    lawson_rk4,
    stable_time_step,
    trajectory,
)

GRID = ("latitude", "longitude")

TIMED_STEPS = 7
"""Steps that a plan takes to estimate the time of a run."""


@dataclass(frozen=True)
class Plan:
    """What a run will do; printed by a dry run."""

    truncation: int
    tracers: int
    output_grid: tuple[int, int]
    frames: int
    variables: tuple[str, ...]
    time_step: float
    """Seconds."""
    steps: int
    expected_bytes: int
    """Uncompressed size of the output."""
    expected_seconds: float
    """Measured on the first steps on this machine."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


class Extent(NamedTuple):
    """Range of a tracer over a run, and its area mean in the last frame."""

    lowest: float
    last_mean: float
    highest: float
    units: str


def time_step_of(world: World, config: SimulationConfig) -> float:
    """Return the user's step if it is stable, else the longest that divides the output interval.

    Raises
    ------
    NumericalError
        The user's step is unstable; the message says the largest that is not.
    UsageError
        The user's step does not divide the output interval.
    """
    if config.time_step is not None:
        check_time_step(config.time_step, world.harmonics, world.wind.max_speed)
        ratio = config.output_every / config.time_step
        if abs(ratio - round(ratio)) > 1e-9:
            raise UsageError(
                f"--time-step {config.time_step:g} s does not divide --output-every "
                f"{config.output_every:g} s; choose one that does"
            )
        return config.time_step
    longest = stable_time_step(world.harmonics, world.wind.max_speed)
    longest = min(longest, NODE_INTERVAL) if world.source is not None else longest
    return config.output_every / math.ceil(config.output_every / longest)


def plan(world: World, config: SimulationConfig, stations: Sequence[Station] = ()) -> Plan:
    """Work out sizes, and time a few steps, without writing; leaves `world` used up."""
    step_length = time_step_of(world, config)
    equation = AdvectionDiffusion(world.harmonics, world.wind, config.diffusivity, world.source)
    step = lawson_rk4(equation, step_length)
    length = (config.frames - 1) * config.output_every - world.first_second
    steps = round(length / step_length)
    state, moment, spent = world.initial, world.first_second, [0.0]
    for _ in range(min(TIMED_STEPS, steps)):
        started = time.perf_counter()
        state = step(state, moment)
        spent.append(time.perf_counter() - started)
        moment += step_length
    seconds = float(np.median(spent))  # the first one fills the caches
    variables = _output_variables(world, stations)
    return Plan(
        truncation=world.harmonics.truncation,
        tracers=len(world.initial),
        output_grid=world.output_grid.shape,
        frames=config.frames,
        variables=tuple(variables),
        time_step=step_length,
        steps=steps,
        expected_bytes=_output_bytes(world, config, variables, len(stations)),
        expected_seconds=steps * seconds,
    )


def simulate(
    world: World,
    config: SimulationConfig,
    path: Path,
    *,
    attributes: Mapping[str, str | float],
    stations: Sequence[Station] = (),
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda frame: None,
) -> dict[str, Extent]:
    """Integrate `world` and write its frames, with station observations where asked.

    Returns the extent of each tracer, by name.

    Raises
    ------
    NumericalError
        The tracer is no longer finite, or the step is unstable; nothing is left behind.
    DataError
        The output cannot be written.
    """
    step_length = time_step_of(world, config)
    equation = AdvectionDiffusion(world.harmonics, world.wind, config.diffusivity, world.source)
    steps_per_output = round(config.output_every / step_length)
    skipped = round(-world.first_second / config.output_every)  # frames of the spin-up
    step = lawson_rk4(equation, step_length)
    states = trajectory(step, world.initial, world.first_second, step_length, steps_per_output)
    network = _network(world, config, stations)
    extents: dict[str, Extent] = {}
    with _writer(world, config, path, attributes, stations, overwrite) as writer:
        for name, field in world.static.items():
            writer.write_static(name, field)
        for number, (seconds, state) in enumerate(states):
            if number >= skipped:
                nodal = world.harmonics.synthesise(state, world.output_grid).numpy()
                record = dict(zip(world.tracers, nodal, strict=True))
                extents = {
                    name: _extended(extents.get(name), world, record[name], name) for name in record
                }
                record |= world.auxiliary(seconds)
                if network is not None:
                    record[STATION_CO2] = network.observe(record[world.tracers[0]])
                writer.append(world.clock.moment(seconds), record)
            progress(number + 1)
            if number + 1 == skipped + config.frames:
                break
    return extents


def _extended(extent: Extent | None, world: World, field: Field, name: str) -> Extent:
    low, high = float(field.min()), float(field.max())
    mean = float((field * world.output_grid.area_weights).mean())
    if extent is not None:
        low, high = min(low, extent.lowest), max(high, extent.highest)
    return Extent(low, mean, high, world.variables[name].units)


def _network(
    world: World, config: SimulationConfig, stations: Sequence[Station]
) -> StationNetwork | None:
    if not stations:
        return None
    grid = world.output_grid
    return StationNetwork(stations, grid.latitude, grid.longitude, config.seed, config.output_every)


def _writer(
    world: World,
    config: SimulationConfig,
    path: Path,
    attributes: Mapping[str, str | float],
    stations: Sequence[Station],
    overwrite: bool,
) -> StreamingWriter:
    grid = world.output_grid
    template = latitude_longitude_template(
        grid.latitude, grid.longitude, grid.latitude_bounds, grid.longitude_bounds
    )
    variables = _output_variables(world, stations)
    size = _output_bytes(world, config, variables, len(stations))
    return StreamingWriter(
        path,
        template=template.assign_coords(station_coordinates(stations)) if stations else template,
        variables=variables,
        attributes=attributes,
        encoding=TimeEncoding(world.clock.moment(0.0)),
        overwrite=overwrite,
        expected_bytes=size // 2,  # compression saves at least this much on such fields
    )


def _output_variables(world: World, stations: Sequence[Station]) -> dict[str, OutputVariable]:
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
    return variables


def _output_bytes(
    world: World, config: SimulationConfig, variables: Mapping[str, OutputVariable], stations: int
) -> int:
    """Uncompressed size of float32 data."""
    sizes = {
        "time": config.frames,
        "latitude": world.output_grid.nlat,
        "longitude": world.output_grid.nlon,
        "station": stations,
    }
    return 4 * sum(
        math.prod(sizes[axis] for axis in variable.dimensions) for variable in variables.values()
    )
