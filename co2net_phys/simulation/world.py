"""Everything a simulation integrates and writes, whether invented or read from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from co2net_phys.data.schema import CO2, VARIABLES, Variable
from co2net_phys.errors import UsageError
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.forcing import BOUNDARY, TOTAL, Air, SurfaceForcing
from co2net_phys.simulation.geography import Field, Geography
from co2net_phys.simulation.mixing import free_troposphere
from co2net_phys.simulation.sources import SurfaceSources
from co2net_phys.simulation.weather import SurfaceAnalysis, Weather, WeatherState
from co2net_phys.solvers import Grid, SphericalHarmonics, TabulatedWind
from co2net_phys.solvers.winds import Wind

WEATHER_INTERVAL = 10800.0
"""Seconds between wind records; linear in between, as in offline transport models."""

FASTEST_WIND = 60.0
"""m s-1: bound on the invented winds (their root mean square is 7–10), for the time step."""


@dataclass(frozen=True)
class World:
    """One transport problem, ready to be integrated.

    Attributes
    ----------
    initial
        (K, T+1, T+1) complex modal tracers at `first_second`.
    initial_nodal
        (K, nlat, nlon) the same before truncation, for a scheme that keeps sharp edges.
    tracers
        Output names of the K tracers.
    auxiliaries
        Names of the fields that `auxiliary` gives.
    first_second
        Start of the integration, zero or negative; the first output is at zero.
    auxiliary
        Named fields (nlat, nlon) to write beside them at a time in seconds.
    """

    harmonics: SphericalHarmonics
    clock: Clock
    wind: Wind
    source: Callable[[float, Tensor], Tensor] | None
    initial: Tensor
    initial_nodal: Tensor
    first_second: float
    output_grid: Grid
    tracers: tuple[str, ...]
    auxiliaries: tuple[str, ...]
    auxiliary: Callable[[float], dict[str, Field]]
    variables: Mapping[str, Variable]
    static: Mapping[str, Field] = field(default_factory=dict)


class WeatherRecords:
    """Weather states by record number; records are made in order and the latest ones kept.

    A run that is resumed asks for a late record first: those before it are drawn, because the
    weather remembers, but not worked out.
    """

    def __init__(self, weather: Weather, first_record: int, keep: int = 6):
        self.weather, self.keep = weather, keep
        self.weather.seconds = first_record * WEATHER_INTERVAL
        self._latest = first_record
        self._recent = {first_record: weather.state()}

    def __getitem__(self, record: int) -> WeatherState:
        while record > self._latest:
            self.weather.advance()
            self._latest += 1
            if record - self._latest < self.keep:
                self._recent[self._latest] = self.weather.state()
        for old in [number for number in self._recent if number <= self._latest - self.keep]:
            del self._recent[old]
        return self._recent[record]


def twin_world(config: SimulationConfig) -> World:
    """Return the invented Earth: weather, sources, mixing, and its own surface analysis."""
    harmonics = SphericalHarmonics(Grid.gaussian(config.truncation), config.truncation)
    clock = Clock(np.datetime64(config.start.replace(tzinfo=None)))
    if config.output_every % WEATHER_INTERVAL:
        raise UsageError("--output-every must be a multiple of 3h, the interval of the weather")
    first_second = -np.ceil(config.spin_up / config.output_every) * config.output_every
    first = round(first_second / WEATHER_INTERVAL)
    last = int(np.ceil(config.frames * config.output_every / WEATHER_INTERVAL)) + 1
    weather = Weather(harmonics, clock, config.seed, WEATHER_INTERVAL)
    # A long step looks at the whole of an output interval, in any order.
    keep = max(6, round(config.output_every / WEATHER_INTERVAL) + 3)
    records = WeatherRecords(weather, first, keep)

    @lru_cache(maxsize=4)  # the sources look an hour ahead of the transport
    def wind_record(index: int) -> tuple[Tensor, Tensor]:
        state = records[index + first]
        return harmonics.wind(state.streamfunction, state.potential)

    times = np.arange(first, last + 1) * WEATHER_INTERVAL
    wind = TabulatedWind(times, wind_record, max_speed=FASTEST_WIND)
    tracers = (TOTAL, *_separate(config))
    initial = _initial_tracers(harmonics.grid, clock, first_second, tracers)
    forcing = _forcing(config, harmonics, clock, tracers, _air(harmonics, wind, records))
    output_grid = Grid.carbontracker() if config.grid == "carbontracker" else harmonics.grid
    analysis = SurfaceAnalysis(harmonics, output_grid, clock)
    return World(
        harmonics=harmonics,
        clock=clock,
        wind=wind,
        source=forcing,
        initial=harmonics.to_modal(initial),
        initial_nodal=initial,
        first_second=first_second,
        output_grid=output_grid,
        tracers=_names(tracers),
        auxiliaries=SurfaceAnalysis.names,
        auxiliary=lambda seconds: analysis.fields(records[round(seconds / WEATHER_INTERVAL)]),
        variables=_variables(tracers),
        static={"oro": analysis.geography.orography},
    )


def _separate(config: SimulationConfig) -> tuple[str, ...]:
    return (BOUNDARY, *config.components) if config.separate else ()


def _forcing(
    config: SimulationConfig,
    harmonics: SphericalHarmonics,
    clock: Clock,
    tracers: tuple[str, ...],
    air: Callable[[float], Air],
) -> SurfaceForcing:
    geography = Geography(harmonics.grid)
    sources = SurfaceSources(geography, clock, config.seed)
    return SurfaceForcing(
        geography, clock, sources, tracers, config.components, air, config.exchange
    )


def _air(
    harmonics: SphericalHarmonics, wind: Wind, records: WeatherRecords
) -> Callable[[float], Air]:
    """Wind speed, and clouds where the pressure is low."""

    @lru_cache(maxsize=4)
    def clouds(record: int) -> Field:
        waves = harmonics.to_nodal(records[record].waves).numpy()
        cyclonic = -waves * np.sign(harmonics.grid.latitude)[:, None]
        return np.asarray(1 / (1 + np.exp(-cyclonic / 4e6)))

    def air(seconds: float) -> Air:
        u, v = wind(seconds)
        return Air(torch.hypot(u, v).numpy(), clouds(int(np.floor(seconds / WEATHER_INTERVAL))))

    return air


def _initial_tracers(grid: Grid, clock: Clock, seconds: float, tracers: tuple[str, ...]) -> Tensor:
    """Start from the free troposphere; tracers of single sources start at zero."""
    latitude = np.repeat(grid.latitude[:, None], grid.nlon, axis=1)
    above = torch.as_tensor(free_troposphere(latitude, clock, seconds))
    nothing = torch.zeros_like(above)
    return torch.stack([above if name in (TOTAL, BOUNDARY) else nothing for name in tracers])


def _names(tracers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(CO2 if name == TOTAL else f"{CO2}_from_{name}" for name in tracers)


def _variables(tracers: tuple[str, ...]) -> dict[str, Variable]:
    variables = dict(VARIABLES)
    for name, variable in zip(tracers, _names(tracers), strict=True):
        if name != TOTAL:
            variables[variable] = Variable(
                "mole_fraction_of_carbon_dioxide_in_air",
                f"Part of surface CO2 that came from: {name}",
                "umol mol-1",
            )
    return variables
