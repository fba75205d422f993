"""Invented winds of every layer, and the air that they pile up, in exact balance of mass.

The waves and trades of the surface weather are given a vertical structure: waves grow towards the
tropopause and lean westward with height, jets blow in the subtropics, and what flows into the
convergence zone near the ground flows out aloft. What is prescribed is the mass flux of a layer,

    m_k w_k = m_0 Δσ_k (k × ∇ψ_k + ∇χ_k),      m_0 = p_0/g,

so that its divergence m_0 Δσ_k ∇²χ_k is known exactly and adds up over a column to the change of
its surface pressure. Winds follow by division: they are faster over mountains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from co2net_phys.columns.levels import Array, Levels
from co2net_phys.simulation import climate
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Geography
from co2net_phys.simulation.weather import SurfaceAnalysis, Weather, WeatherState
from co2net_phys.solvers import SphericalHarmonics
from co2net_phys.solvers.constants import EARTH_RADIUS_M, GRAVITY

STANDARD_PRESSURE = 101325.0
"""p_0 in Pa."""

JET_SPEED = 30.0
"""m s-1: the subtropical jets at their height, in the mean over the year."""

WESTWARD_TILT = np.radians(15.0)
"""Angle by which the waves at the top lag behind those at the ground."""


@dataclass(frozen=True)
class Flow:
    """Air and winds of one step; fields are (nlat, nlon), layers (level, nlat, nlon)."""

    seconds: float
    """Middle of the step."""
    state: WeatherState
    """The surface weather then."""
    surface: dict[str, Array]
    """Its analysis: ps, huss, tas and so on."""
    pressure: Array
    """Surface pressure at the end of the step, Pa."""
    before: Array
    """Air mass at the beginning, kg m-2."""
    gathered: Array
    """Air mass after horizontal transport alone, kg m-2."""
    after: Array
    """Air mass at the end, kg m-2."""
    u: Array
    """Eastward wind, m s-1."""
    v: Array
    """Northward wind, m s-1."""
    pressure_velocity: Array
    """dp/dt of the air in the middle of a layer, Pa s-1."""
    convergence: Array
    """Of the trades near the ground, s-1."""


class Circulation:
    """A seeded sequence of flows, one for each step of `time_step` seconds."""

    def __init__(
        self,
        harmonics: SphericalHarmonics,
        clock: Clock,
        seed: int,
        levels: Levels,
        time_step: float,
        first_second: float,
    ) -> None:
        self.harmonics, self.clock, self.levels = harmonics, clock, levels
        self.time_step = time_step
        self.analysis = SurfaceAnalysis(harmonics, harmonics.grid, clock)
        self.weather = Weather(harmonics, clock, seed, time_step / 2)
        self.weather.seconds = first_second
        self._mean_pressure = mean_pressure(self.analysis.geography)
        self._structure = _vertical_structure(levels)
        self._degree = torch.arange(harmonics.truncation + 1, dtype=torch.float64)
        self._anomaly = self._pressure_anomaly(self.weather.state())

    @property
    def pressure(self) -> Array:
        """Surface pressure now, Pa."""
        return self._mean_pressure + self.harmonics.to_nodal(self._anomaly).numpy()

    def skip(self, steps: int) -> None:
        """Draw the weather of so many steps without working it out."""
        for _ in range(2 * steps):
            self.weather.advance()
        self._anomaly = self._pressure_anomaly(self.weather.state())

    def advance(self) -> Flow:
        """The flow of the next step."""
        start, before = self.pressure, self._anomaly
        self.weather.advance()
        state = self.weather.state()
        self.weather.advance()
        self._anomaly = self._pressure_anomaly(self.weather.state())
        end, middle = self.pressure, 0.5 * (start + self.pressure)
        tendency = (self._anomaly - before) / self.time_step
        piled = -self._inverse_laplacian(tendency) / STANDARD_PRESSURE
        u, v = self._winds(state, piled, middle)
        into = self._divergence(state.potential, piled)
        air = self.levels.air(start), self.levels.air(end)
        gathered = air[0] - self.time_step * into
        return Flow(
            seconds=state.seconds,
            state=state,
            surface=self.analysis.fields(state),
            pressure=end,
            before=air[0],
            gathered=gathered,
            after=air[1],
            u=u,
            v=v,
            pressure_velocity=self._pressure_velocity(u, v, middle, (end - start), gathered, air),
            convergence=-self._nodal_laplacian(state.potential),
        )

    def _pressure_anomaly(self, state: WeatherState) -> Tensor:
        """(T+1, T+1) departure of the surface pressure from its mean, Pa, without global mean."""
        departure = self.analysis.fields(state)["ps"] - self._mean_pressure
        modal = self.harmonics.to_modal(torch.from_numpy(departure))
        modal[0, 0] = 0.0
        return modal

    def _winds(self, state: WeatherState, piled: Tensor, pressure: Array) -> tuple[Array, Array]:
        """Winds of all layers under a surface pressure."""
        wave, tilt, mean, jet, overturning = self._structure
        turn = torch.exp(1j * tilt[:, None] * self._degree)
        streamfunction = (
            wave * turn[:, None, :] * state.waves
            + mean * (state.streamfunction - state.waves)
            + jet * self._jet_streamfunction(self.clock.year_phase(state.seconds))
        )
        u, v = self.harmonics.wind(streamfunction, overturning * state.potential + piled)
        thinner = STANDARD_PRESSURE / pressure
        return u.numpy() * thinner, v.numpy() * thinner

    def _jet_streamfunction(self, year_phase: float) -> Tensor:
        """ψ of the westerly jets, stronger and nearer the equator in winter."""
        latitude = self.harmonics.grid.latitude
        winter = np.sign(latitude) * np.cos(2 * np.pi * (year_phase - 0.04))
        belt = np.exp(-(((np.abs(latitude) - 38 + 5 * winter) / 13) ** 2))
        u = torch.as_tensor(JET_SPEED * (1 + 0.35 * winter) * belt)[:, None]
        u = u.expand(-1, self.harmonics.grid.nlon).contiguous()
        return self.harmonics.streamfunction_and_potential(u, torch.zeros_like(u))[0]

    def _divergence(self, potential: Tensor, piled: Tensor) -> Array:
        """Divergence of the layers' mass fluxes, kg m-2 s-1."""
        overturning = self._structure[-1].real.numpy() * self._nodal_laplacian(potential)
        per_sigma = overturning + self._nodal_laplacian(piled)
        return np.asarray(STANDARD_PRESSURE / GRAVITY * self.levels.thickness * per_sigma)

    def _pressure_velocity(
        self,
        u: Array,
        v: Array,
        pressure: Array,
        change: Array,
        gathered: Array,
        air: tuple[Array, Array],
    ) -> Array:
        """σ dps/dt, less what crosses the interfaces: the mean of both interfaces of a layer."""
        modal = self.harmonics.to_modal(torch.from_numpy(pressure))
        east, north = (part.numpy() for part in self.harmonics.gradient(modal))
        rising = np.cumsum(gathered - air[1], axis=0)
        rising[-1] = 0.0
        below = np.concatenate([np.zeros_like(rising[:1]), rising[:-1]])
        crossing = GRAVITY * 0.5 * (rising + below) / self.time_step
        following = change / self.time_step + u * east + v * north
        return np.asarray(self.levels.centre * following - crossing)

    def _nodal_laplacian(self, modal: Tensor) -> Array:
        return self.harmonics.to_nodal(self.harmonics.laplacian(modal)).numpy()

    def _inverse_laplacian(self, modal: Tensor) -> Tensor:
        eigenvalues = self.harmonics.laplacian_eigenvalues.clone()
        eigenvalues[0] = -1.0 / EARTH_RADIUS_M**2  # the mean is zero anyway
        return modal / eigenvalues[:, None]


def mean_pressure(geography: Geography) -> Array:
    """Surface pressure at the height of the ground in the mean over all weather, Pa."""
    return np.asarray(STANDARD_PRESSURE * np.exp(-geography.orography / climate.SCALE_HEIGHT))


def _vertical_structure(levels: Levels) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Factors by layer: waves, their tilt (rad), surface wind, jets, and overturning."""
    sigma = levels.centre
    wave = 1.0 + 1.3 * np.exp(-(((sigma - 0.25) / 0.25) ** 2))
    jet = np.exp(-(((sigma - 0.2) / 0.3) ** 2)) - np.exp(-((0.8 / 0.3) ** 2))
    overturning = np.cos(np.pi * (1.0 - sigma))
    overturning -= (levels.thickness * overturning).sum()  # so that no column loses air
    factors = (wave, np.ones_like(sigma), jet, overturning)
    tilt = torch.from_numpy(WESTWARD_TILT * (1.0 - sigma[:, 0, 0]))
    waves, means, jets, overturnings = (torch.from_numpy(f).to(torch.complex128) for f in factors)
    return waves, tilt, means, jets, overturnings
