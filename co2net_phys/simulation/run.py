"""Integrate a world and stream it to disk, from the start or from where a killed run stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.data.opening import open_dataset
from co2net_phys.data.schema import STATION_CO2
from co2net_phys.data.stations import Station
from co2net_phys.data.writer_messages import saying_what_is_kept
from co2net_phys.data.writer_restart import Restart
from co2net_phys.data.writer_resumable import ResumableWriter
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.diagnostics import Diagnostics
from co2net_phys.simulation.geography import Field
from co2net_phys.simulation.integration import Integration, integration
from co2net_phys.simulation.observing import StationNetwork
from co2net_phys.simulation.output import output_bytes, output_layout
from co2net_phys.simulation.world import World

LOG = logging.getLogger(__name__)

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
    integrator: str
    """Name of the scheme that steps in time."""
    reason: str
    """Why that one."""
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


def plan(world: World, config: SimulationConfig, stations: Sequence[Station] = ()) -> Plan:
    """Work out sizes, and time a few steps, without writing; leaves `world` used up."""
    scheme = integration(world, config)
    length = (config.frames - 1) * config.output_every - world.first_second
    steps = round(length / scheme.time_step)
    state, spent = scheme.initial, [0.0]
    for number in range(min(TIMED_STEPS, steps)):
        started = time.perf_counter()
        state = scheme.step(state, scheme.time(number))
        spent.append(time.perf_counter() - started)
    seconds = float(np.median(spent))  # the first one fills the caches
    diagnostics = Diagnostics(scheme) if config.diagnostics else None
    layout = output_layout(world, config, stations, diagnostics, {})
    return Plan(
        truncation=world.harmonics.truncation,
        tracers=len(world.initial),
        output_grid=world.output_grid.shape,
        frames=config.frames,
        variables=tuple(layout.variables),
        integrator=scheme.name,
        reason=scheme.reason,
        time_step=scheme.time_step,
        steps=steps,
        expected_bytes=output_bytes(layout),
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
    resume: bool = False,
    progress: Callable[[int], None] = lambda frame: None,
    say: Callable[[str], None] = LOG.info,
) -> dict[str, Extent]:
    """Integrate `world` and write its frames, with station observations where asked.

    A run that ends early, for whatever reason, leaves its frames in ``<path>.partial.zarr``; with
    `resume` it goes on from the last one and gives the same bytes as without the interruption.

    Returns the extent of each tracer, by name.

    Raises
    ------
    NumericalError
        The tracer has blown up or is not finite, or the step is unstable.
    DataError
        The output cannot be written, or holds an unfinished run and `resume` is false.
    UsageError
        `resume`, and the earlier run had another configuration, inputs or version.
    """
    scheme = integration(world, config)
    if config.integrator == "auto" and config.scheme == "spectral":
        say(f"integrator {scheme.name}, step {scheme.time_step:g} s: {scheme.reason}")
    frames = _Frames(scheme, config, stations)
    layout = output_layout(world, config, stations, frames.diagnostics, attributes)
    writer = ResumableWriter(
        path,
        layout,
        resume=resume,
        overwrite=overwrite,
        expected_bytes=output_bytes(layout) // 2,  # compression saves at least this much
    )
    if resume and writer.is_finished():
        say(f"{path}: is complete already, nothing to do")
        return _extents_of(path, world)
    total = frames.skipped + config.frames
    with saying_what_is_kept(writer), writer:
        begin, done = frames.take_up(writer.restart)
        if done:
            say(f"{path}: go on after {max(done - frames.skipped, 0)} of {config.frames} frames")
        for number, seconds, state in islice(scheme.outputs(done, begin), total - done):
            record = frames.record(number, seconds, state)
            writer.append(record, frames.restart(number + 1, state))
            progress(number + 1)
    return frames.extents


class _Frames:
    """Turns states into records, and remembers what a resumed run must know of those before."""

    def __init__(
        self, scheme: Integration, config: SimulationConfig, stations: Sequence[Station]
    ) -> None:
        self.scheme, self.world = scheme, scheme.world
        self.skipped = round(-self.world.first_second / config.output_every)
        self.diagnostics = Diagnostics(scheme) if config.diagnostics else None
        grid = self.world.output_grid
        self.network = (
            StationNetwork(
                stations, grid.latitude, grid.longitude, config.seed, config.output_every
            )
            if stations
            else None
        )
        self.extents: dict[str, Extent] = {}

    def take_up(self, restart: Restart | None) -> tuple[Tensor | None, int]:
        """Return the last state and how many outputs are done; bring everything else there."""
        if restart is None:
            return None, 0
        self.extents = {name: Extent(*row) for name, row in restart.facts["extents"].items()}
        if self.network is not None:
            self.network.skip(max(restart.done - self.skipped, 0))
        state = torch.from_numpy(restart.arrays["state"].copy())
        return torch.view_as_complex(state) if self.scheme.is_modal else state, restart.done

    def restart(self, done: int, state: Tensor) -> Restart:
        """What a run needs that goes on after `done` outputs."""
        numbers = torch.view_as_real(state.resolve_conj()) if state.is_complex() else state
        facts = {"extents": {name: list(extent) for name, extent in self.extents.items()}}
        return Restart(done, {"state": numbers.numpy().copy()}, facts)

    def record(
        self, number: int, seconds: float, state: Tensor
    ) -> dict[str, NDArray[np.float64]] | None:
        """Everything to write at an output; None in the spin-up."""
        if number < self.skipped:
            return None
        frame = self.scheme.on_output_grid(state)
        record = dict(zip(self.world.tracers, frame, strict=True))
        self.extents = {
            name: _extended(self.extents.get(name), self.world, field, name)
            for name, field in record.items()
        }
        if self.diagnostics is not None:
            record |= self.diagnostics.values(seconds, state, frame)
        record |= self.world.auxiliary(seconds)
        if self.network is not None:
            record[STATION_CO2] = self.network.observe(frame[0])
        return record


def _extended(extent: Extent | None, world: World, field: Field, name: str) -> Extent:
    low, high = float(field.min()), float(field.max())
    mean = float((field * world.output_grid.area_weights).mean())
    if extent is not None:
        low, high = min(low, extent.lowest), max(high, extent.highest)
    return Extent(low, mean, high, world.variables[name].units)


def _extents_of(path: Path, world: World) -> dict[str, Extent]:
    """Extents of a finished output, read from it."""
    extents: dict[str, Extent] = {}
    with open_dataset(path) as data:
        for name in world.tracers:
            for number in range(data.sizes["time"]):
                field = data[name][number].values.astype(np.float64)
                extents[name] = _extended(extents.get(name), world, field, name)
    return extents
