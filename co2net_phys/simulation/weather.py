"""Invented weather: jets and travelling Rossby waves as a red-noise streamfunction.

Each spherical-harmonic coefficient of the streamfunction is a complex Ornstein–Uhlenbeck process
that decorrelates in a few days and drifts with the Rossby–Haurwitz phase speed: the steering flow
less 2Ω/(n(n+1)). Storm tracks come from a latitude envelope. The wind is therefore band-limited,
smooth in time, and non-divergent but for the mean meridional (Hadley) flow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from co2net_phys.simulation import climate
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Field, Geography
from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.solvers.constants import EARTH_RADIUS_M, EARTH_ROTATION_RATE, GRAVITY

EDDY_SPEED = 7.0
"""m s-1: root-mean-square wind of the travelling waves in the storm tracks."""

STEERING_SPEED = 14.0
"""m s-1: flow at the equator-equivalent that carries short waves eastward."""

PEAK_DEGREE = 9
"""Degree n at which the waves' kinetic energy peaks (wavelengths near 4000 km)."""

DECORRELATION_DAYS = 4.5
"""e-folding time, in days, of waves of the peak degree."""

AIR_DENSITY = 1.2
"""kg m-3, near the ground."""


@dataclass(frozen=True)
class WeatherState:
    """Winds in spectral form at one moment."""

    seconds: float
    streamfunction: Tensor
    """(T+1, T+1) complex, m2 s-1: mean flow and waves."""
    waves: Tensor
    """(T+1, T+1) complex, m2 s-1: the waves alone."""
    potential: Tensor
    """(T+1, T+1) complex, m2 s-1: velocity potential of the mean meridional flow."""


class Weather:
    """A seeded sequence of weather states, advanced one record at a time."""

    def __init__(self, harmonics: SphericalHarmonics, clock: Clock, seed: int, interval: float):
        self.harmonics, self.clock, self.interval = harmonics, clock, interval
        self.random = np.random.default_rng([seed, 1])
        degrees = np.arange(harmonics.truncation + 1)
        self.deviation = self._calibrated(_wave_spectrum(degrees))
        self.memory, self.drift = _memory_and_drift(degrees, interval)
        self.modal = self._noise()
        self.seconds = 0.0

    def advance(self) -> None:
        """Move the waves on by one interval (exact discretisation of the process)."""
        shape = self.modal.shape
        turn = np.exp(-1j * np.arange(shape[1])[None, :] * self.drift[:, None] * self.interval)
        memory = self.memory[:, None]
        self.modal = memory * turn * self.modal + np.sqrt(1 - memory**2) * self._noise()
        self.seconds += self.interval

    def state(self) -> WeatherState:
        """Winds now."""
        year_phase = self.clock.year_phase(self.seconds)
        harmonics = self.harmonics
        waves = torch.as_tensor(self.modal)
        shaped = harmonics.to_modal(harmonics.to_nodal(waves) * self._envelope(year_phase))
        latitude = harmonics.grid.latitude
        mean_u = torch.as_tensor(climate.zonal_wind(latitude, year_phase))[:, None]
        mean_v = torch.as_tensor(climate.meridional_wind(latitude, year_phase))[:, None]
        nlon = harmonics.grid.nlon
        mean_psi, mean_chi = harmonics.streamfunction_and_potential(
            mean_u.expand(-1, nlon).contiguous(), mean_v.expand(-1, nlon).contiguous()
        )
        return WeatherState(self.seconds, mean_psi + shaped, shaped, mean_chi)

    def _noise(self) -> np.ndarray:
        count = len(self.deviation)
        parts = self.random.standard_normal((2, count, count))
        modal = (parts[0] + 1j * parts[1]) / np.sqrt(2)
        modal[:, 0] = parts[0, :, 0]
        return np.tril(modal) * self.deviation[:, None]

    def _calibrated(self, spectrum: np.ndarray) -> np.ndarray:
        """Scale the spectrum so that the expected unshaped wind speed is `EDDY_SPEED`."""
        degrees = np.arange(len(spectrum))
        energy = spectrum**2 * degrees * (degrees + 1) * (2 * degrees + 1)
        mean_square_speed = energy.sum() / (4 * np.pi * EARTH_RADIUS_M**2)
        return np.asarray(spectrum * EDDY_SPEED / np.sqrt(mean_square_speed))

    def _envelope(self, year_phase: float) -> Tensor:
        """Storm tracks: strongest near 48 degrees and in winter, weak in the tropics."""
        latitude = self.harmonics.grid.latitude
        winter = 1 + 0.15 * np.sign(latitude) * np.cos(2 * np.pi * (year_phase - 0.04))
        track = 0.35 + 0.75 * np.exp(-(((np.abs(latitude) - 48) / 20) ** 2)) * winter
        return torch.as_tensor(track)[:, None]


def _wave_spectrum(degrees: np.ndarray) -> np.ndarray:
    """Standard deviation of streamfunction coefficients; kinetic energy falls as n⁻³."""
    scaled = degrees / PEAK_DEGREE
    energy = scaled**2 / (1 + scaled**5)
    energy[degrees < 2] = 0
    energy *= degrees <= 5 * PEAK_DEGREE
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(energy / (degrees * (degrees + 1) * (2 * degrees + 1)))
    return np.nan_to_num(deviation)


def _memory_and_drift(degrees: np.ndarray, interval: float) -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelation over one interval and eastward angular speed (rad s-1) by degree."""
    floor = np.maximum(degrees, 1)
    decorrelation = DECORRELATION_DAYS * 86400 * (PEAK_DEGREE / floor) ** (2 / 3)
    rossby = 2 * EARTH_ROTATION_RATE / (floor * (floor + 1))
    drift = STEERING_SPEED / EARTH_RADIUS_M - rossby
    return np.exp(-interval / decorrelation), np.clip(drift, -4e-6, None)


class SurfaceAnalysis:
    """Near-surface fields on an output grid, in balance with a weather state."""

    names = ("ps", "huss", "tas", "uas", "vas", "gph")

    def __init__(self, harmonics: SphericalHarmonics, grid: Grid, clock: Clock):
        self.harmonics, self.grid, self.clock = harmonics, grid, clock
        self.geography = Geography(grid)

    def fields(self, state: WeatherState) -> dict[str, Field]:
        """Return ps (Pa), huss (1), tas (K), uas, vas (m s-1), gph (m), each (nlat, nlon)."""
        u, v, wave_v = self._winds(state)
        waves = self.harmonics.synthesise(state.waves, self.grid).numpy()
        day, year = self.clock.day_phase(state.seconds), self.clock.year_phase(state.seconds)
        tas = self._temperature(wave_v, day, year)
        anomaly = AIR_DENSITY * self._coriolis() * waves
        ps = (101325 + anomaly) * np.exp(-self.geography.orography / climate.SCALE_HEIGHT)
        huss = self._relative_humidity(anomaly) * climate.saturation_humidity(tas, ps)
        thickness = 287.05 * tas / GRAVITY * 6e-3
        gph = self.geography.orography + thickness + anomaly / AIR_DENSITY / GRAVITY
        return {"ps": ps, "huss": huss, "tas": tas, "uas": u, "vas": v, "gph": gph}

    def _winds(self, state: WeatherState) -> tuple[Field, Field, Field]:
        """Both components of the wind, and the northward wind of the waves alone (m s-1)."""
        streamfunctions = torch.stack([state.streamfunction, state.waves])
        potentials = torch.stack([state.potential, torch.zeros_like(state.potential)])
        u, v = self.harmonics.synthesise_wind(streamfunctions, potentials, self.grid)
        return u[0].numpy(), v[0].numpy(), v[1].numpy()

    def _coriolis(self) -> Field:
        """2Ω sin θ (s-1)."""
        return 2 * EARTH_ROTATION_RATE * np.sin(np.radians(self.geography.north))

    def _temperature(self, wave_v: Field, day_phase: float, year_phase: float) -> Field:
        """Normal temperature shifted by the air that the waves brought in half a day (K)."""
        normal = climate.temperature(self.geography, day_phase, year_phase)
        sine = np.sin(np.radians(2 * self.geography.north))
        northward_gradient = -48 * sine / EARTH_RADIUS_M
        return normal - northward_gradient * wave_v * 43200 * (0.5 + 0.5 * self.geography.land)

    def _relative_humidity(self, pressure_anomaly: Field) -> Field:
        normal = 0.82 - 0.22 * self.geography.land * (1 - self.geography.vegetation)
        return np.clip(normal - pressure_anomaly / 12000, 0.15, 1.0)
