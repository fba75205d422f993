"""One world of tracer columns: its state, and how a step changes it without losing a gram."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from co2net_phys.columns.circulation import Circulation, Flow
from co2net_phys.columns.emissions import FireEmissions
from co2net_phys.columns.levels import Array, Levels
from co2net_phys.columns.weather import Air, ColumnWeather
from co2net_phys.simulation.clock import Clock
from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.solvers.constants import SECONDS_PER_DAY
from co2net_phys.solvers.layer_transport import LayerTransport
from co2net_phys.solvers.vertical import convect, diffuse, redistribute
from co2net_phys.validated import validated

TIME_STEP = 21600.0
"""Seconds: four steps follow the course of a day; every process is stable with any step."""

HOURS_PER_STEP = round(TIME_STEP / 3600.0)


class ColumnsConfig(BaseModel):
    """Which world to make and how long to follow it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: int = Field(default=20, ge=2, le=256)
    """Number L of layers."""
    truncation: int = Field(default=21, ge=5, le=255)
    """Triangular truncation T; the grid is the Gaussian one without aliasing, 32 × 64 for T21."""
    start: datetime = datetime(2012, 1, 1)
    """First frame (UTC); its year decides how much burns."""
    days: int = Field(default=365, ge=2)
    """Days that the frames cover."""
    output_hours: int = Field(default=24, ge=HOURS_PER_STEP)
    """Hours between frames, a multiple of the step of 6 hours."""
    spin_up_days: int = Field(default=30, ge=1)
    """Days from empty air to the first frame; the tracer lives about a week."""
    seed: int = Field(default=0, ge=0)
    """Of weather and fires."""

    @field_validator("output_hours")
    @classmethod
    def _divides_the_day(cls, hours: int) -> int:
        if hours % HOURS_PER_STEP or 24 % hours:
            raise ValueError("frames are 6, 12 or 24 hours apart")
        return hours

    @property
    def steps_per_frame(self) -> int:
        """Steps between two frames."""
        return self.output_hours // HOURS_PER_STEP

    @property
    def frames(self) -> int:
        """Number of frames that are written."""
        return self.days * 24 // self.output_hours

    @property
    def skipped(self) -> int:
        """Number of frames of the spin-up, which are not written; its end is the first that is."""
        return self.spin_up_days * 24 // self.output_hours - 1


def columns_config(**options: Any) -> ColumnsConfig:
    """Return the configuration, or raise a one-line `UsageError` naming the wrong option."""
    return validated(ColumnsConfig, options)


@dataclass(frozen=True)
class Step:
    """What happened in one step."""

    flow: Flow
    air: Air
    emission: Array
    """kg m-2 s-1, (nlat, nlon)."""
    emitted: float
    """kg, over the globe."""
    dry_deposited: float
    """kg."""
    wet_deposited: float
    """kg."""


class ColumnWorld:
    """Columns on a Gaussian grid from empty air at `first_second` on.

    A step takes, one after the other (first order in time): emission, turbulence and dry
    deposition together; convection with the rain from updraughts; stratiform rain; horizontal
    transport of each layer; and the air that passes between layers.
    """

    def __init__(self, config: ColumnsConfig) -> None:
        self.harmonics = SphericalHarmonics(Grid.gaussian(config.truncation), config.truncation)
        self.clock = Clock(np.datetime64(config.start.replace(tzinfo=None)))
        self.levels = Levels(config.levels)
        first_second = -config.spin_up_days * SECONDS_PER_DAY
        self.circulation = Circulation(
            self.harmonics, self.clock, config.seed, self.levels, TIME_STEP, first_second
        )
        geography = self.circulation.analysis.geography
        self.weather = ColumnWeather(geography, self.clock, self.levels)
        self.emissions = FireEmissions(geography, self.clock, config.seed)
        self.transport = LayerTransport(self.harmonics, TIME_STEP)
        self.pressure = self.circulation.pressure
        """Surface pressure, Pa, (nlat, nlon)."""
        self.ratio = np.zeros((config.levels, *self.harmonics.grid.shape))
        """Mass fraction of the tracer, kg kg-1, (level, nlat, nlon)."""

    @property
    def grid(self) -> Grid:
        """Nodes, bounds and areas."""
        return self.harmonics.grid

    @property
    def burden(self) -> float:
        """Tracer in the atmosphere, kg."""
        return self._over_globe((self.levels.air(self.pressure) * self.ratio).sum(axis=0))

    def take_up(self, ratio: Array, steps: int) -> None:
        """Go on after so many steps with the tracer of then."""
        self.circulation.skip(steps)
        self.pressure, self.ratio = self.circulation.pressure, ratio

    def step(self) -> Step:
        """Move on by `TIME_STEP`."""
        flow = self.circulation.advance()
        air, emission = self.weather(flow), self.emissions(flow.seconds)
        ratio, dry, wet = _within_columns(self.ratio, emission, flow.before, air)
        moved = np.stack(
            [
                self.transport(*layer)
                for layer in zip(ratio, flow.before, flow.gathered, flow.u, flow.v, strict=True)
            ]
        )
        self.ratio = redistribute(moved, flow.gathered, flow.after)
        self.pressure = flow.pressure
        emitted = self._over_globe(emission * TIME_STEP)
        return Step(flow, air, emission, emitted, self._over_globe(dry), self._over_globe(wet))

    def _over_globe(self, per_area: Array) -> float:
        return float((per_area * self.grid.cell_area).sum())


def _within_columns(
    ratio: Array, emission: Array, mass: Array, air: Air
) -> tuple[Array, Array, Array]:
    """Mixing, emission and deposition: the new ratio, dry and wet deposition (kg m-2)."""
    mixed = diffuse(
        ratio,
        mass,
        air.exchange,
        TIME_STEP,
        emission=emission,
        conductance=air.conductance,
    )
    lifted = convect(mixed.ratio, mass, air.mc, air.entrainment, TIME_STEP, air.updraught_washout)
    rained = -np.expm1(-air.scavenging * TIME_STEP) * lifted.ratio
    wet = lifted.deposited + (rained * mass).sum(axis=0)
    return lifted.ratio - rained, mixed.deposited, wet
