"""What stations see of a field that the solver carries past them, frame by frame.

The field at the start of the window has degree L or less, (L + 1)² coefficients, which are carried
all at once as independent tracers, as the equation without sources is linear.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.data.stations import Station, load_stations
from co2net_phys.data.winds import WindSeries
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.from_files import covered, on_solver_grid
from co2net_phys.simulation.weather import Weather
from co2net_phys.solvers import (
    AdvectionDiffusion,
    Grid,
    SphericalHarmonics,
    Step,
    TabulatedWind,
    Wind,
    lawson_rk4,
    stable_time_step,
    trajectory,
)
from co2net_phys.solvers.legendre import legendre_tables

Array = NDArray[np.float64]

FRAME = 10800.0
"""Seconds between two looks at the stations."""

FRAMES = (1, 8, 40, 80)
"""Lengths of the windows, in frames: an instant, a day, five and ten days."""

DEGREE = 15
"""L of the field at the start: 256 coefficients."""

TRUNCATION = 21
"""T of the solver, which also carries the finer structure that the wind makes."""

DIFFUSIVITY = 1e5
"""D, m² s⁻¹, the default of the simulations."""


@dataclass(frozen=True)
class BackAndForth:
    """A wind whose records are run forwards, backwards, forwards, … to outlast its table.

    The order of the records turns, not the wind: a longer series for want of data.

    Attributes:
        wind: covers 0 to ``length``.
        length: s.
    """

    wind: Wind
    length: float

    @property
    def max_speed(self) -> float:
        """Largest speed, m s⁻¹."""
        return self.wind.max_speed

    def __call__(self, time: float) -> tuple[Tensor, Tensor]:
        """Wind at ``time`` ≥ 0, s."""
        phase = time % (2.0 * self.length)
        return self.wind(min(phase, 2.0 * self.length - phase))


def wind_of_series(series: WindSeries, harmonics: SphericalHarmonics) -> Wind:
    """A file's wind at the solver's nodes, for any length of time.

    Args:
        series: from ``co2net_phys.data.winds.read_wind``; a steady one is held, one with records
            is run to and fro.
        harmonics: of the solver.

    Raises:
        DataError: a record has missing values or speeds that no wind reaches.
    """
    length = covered(series)
    frames = 1 if length is None else int(length // FRAME) + 1
    config = SimulationConfig(frames=frames, output_every=FRAME)
    wind = on_solver_grid(series, harmonics, config)
    return wind if length is None else BackAndForth(wind, length)


def twin_wind(harmonics: SphericalHarmonics, frames: int = FRAMES[-1], seed: int = 0) -> Wind:
    """The invented weather of the simulations, linear between records of ``FRAME``."""
    weather = Weather(harmonics, Clock(np.datetime64("2018-01-01T01:30")), seed, FRAME)
    records = []
    for _ in range(frames + 1):
        state = weather.state()
        records.append(harmonics.wind(state.streamfunction, state.potential))
        weather.advance()
    u, v = (torch.stack(components) for components in zip(*records, strict=True))
    return TabulatedWind.from_arrays(np.arange(frames + 1) * FRAME, u, v)


def unit_fields(degree: int, truncation: int) -> Tensor:
    """Modal fields ((L + 1)², T + 1, T + 1) in the order of ``station_matrix.real_harmonics``."""
    shape = ((degree + 1) ** 2, truncation + 1, truncation + 1, 2)
    parts = torch.zeros(shape, dtype=torch.float64)
    for l in range(degree + 1):
        parts[l * l + l, l, 0, 0] = 1.0
        for m in range(1, l + 1):
            # 2 Re(a e^{imλ}) is √2 cos mλ for a = √½ and √2 sin mλ for a = −i√½.
            parts[l * l + l + m, l, m, 0] = math.sqrt(0.5)
            parts[l * l + l - m, l, m, 1] = -math.sqrt(0.5)
    return torch.view_as_complex(parts)


def station_values(stations: Sequence[Station], truncation: int) -> Tensor:
    """H, (2 (T + 1)², K): real and imaginary parts of modal coefficients to values at stations."""
    legendre = legendre_tables([station.latitude for station in stations], truncation).values
    longitude = torch.tensor([station.longitude for station in stations], dtype=torch.float64)
    order = torch.arange(truncation + 1)[:, None]
    wave = torch.where(order == 0, 1.0, 2.0) * torch.exp(1j * order * longitude.deg2rad())  # (m, K)
    terms = legendre.transpose(0, 1) * wave.conj()  # (l, m, K); Re(a b) = Re a Re b − Im a Im b
    return torch.view_as_real(terms).movedim(-1, 2).reshape(-1, len(stations))


def frame_step(harmonics: SphericalHarmonics, wind: Wind, diffusivity: float) -> tuple[Step, int]:
    """A stable step of the solver that divides a frame, and how many make one."""
    count = max(1, math.ceil(FRAME / stable_time_step(harmonics, wind.max_speed)))
    equation = AdvectionDiffusion(harmonics, wind, diffusivity)
    return lawson_rk4(equation, FRAME / count), count


def still_air_step(harmonics: SphericalHarmonics, diffusivity: float) -> Step:
    """The exact step of one frame where nothing but diffusion acts."""
    factor = torch.exp(diffusivity * harmonics.laplacian_eigenvalues[:, None] * FRAME)
    return lambda state, time: factor * state


def observation_matrix(
    stations: Sequence[Station], step: Step, steps_per_frame: int, truncation: int, frames: int
) -> Array:
    """H M_k for k = 0 … ``frames`` − 1: all unit fields are carried at once, as tracers.

    Args:
        stations: K sites.
        step: of the solver, ``FRAME``/``steps_per_frame`` long.
        steps_per_frame: how many make a frame.
        truncation: T of the solver.
        frames: how many.

    Returns:
        (frames, K, (L + 1)²), L = ``DEGREE``: values at the stations for each coefficient.
    """
    values = station_values(stations, truncation)
    start = unit_fields(DEGREE, truncation)
    states = trajectory(step, start, 0.0, FRAME / steps_per_frame, steps_per_frame)
    seen = [
        torch.view_as_real(state.resolve_conj()).flatten(1) @ values
        for _, (_, state) in zip(range(frames), states, strict=False)
    ]
    return np.asarray(torch.stack(seen).mT.numpy())


def observed_with_wind(
    wind: Wind, harmonics: SphericalHarmonics, diffusivity: float = DIFFUSIVITY, frames: int = 80
) -> Array:
    """:func:`observation_matrix` of the built-in stations under ``wind``."""
    step, count = frame_step(harmonics, wind, diffusivity)
    return observation_matrix(load_stations(), step, count, harmonics.truncation, frames)


@cache
def observed_in_twin(frames: int = FRAMES[-1]) -> Array:
    """The same under the invented weather, with the numbers of this module."""
    harmonics = solver_harmonics()
    return observed_with_wind(twin_wind(harmonics), harmonics, frames=frames)


@cache
def observed_in_still_air(diffusivity: float, frames: int = FRAMES[-1]) -> Array:
    """The same without any wind."""
    step = still_air_step(solver_harmonics(), diffusivity)
    return observation_matrix(load_stations(), step, 1, TRUNCATION, frames)


@cache
def solver_harmonics() -> SphericalHarmonics:
    """Transforms of the checks."""
    return SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
