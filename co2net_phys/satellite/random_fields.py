"""Smooth random fields in space and time, known everywhere at once.

A stationary Gaussian field is a sum of plane waves with random wave numbers, frequencies and
phases (spectral method, Shinozuka and Deodatis 1991, doi:10.1115/1.3119501)::

    f(x, t) = √(2/N) Σ cos(k·(x − U t) − ω t + φ)

With k ~ N(0, 1/L²) and ω ~ N(0, 1/T²), its covariance is exp(−|x − U t|²/2L² − t²/2T²). No step
depends on the one before, so any day can be had without those before it, and on a
latitude–longitude grid the sum is one product of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from co2net_phys.satellite.schema import Floats
from co2net_phys.solvers.constants import EARTH_RADIUS_M, SECONDS_PER_DAY

KM_PER_DEGREE = float(np.pi * EARTH_RADIUS_M / 180e3)
"""Length of a degree of latitude, km."""


class RandomField:
    """A zero-mean, unit-variance field over a region of a few thousand kilometres at most."""

    def __init__(
        self,
        key: Sequence[int],
        length_km: float,
        days: float,
        *,
        middle_latitude: float,
        middle_longitude: float,
        drift_m_s: tuple[float, float] = (0.0, 0.0),
        waves: int = 64,
    ) -> None:
        """Draw the waves.

        Args:
            key: seeds of the random numbers; another key is another, independent field.
            length_km: correlation length L.
            days: correlation time T in the moving frame; infinite for a map that never changes.
            middle_latitude: degrees; where a degree of longitude is measured.
            middle_longitude: degrees; opposite it, where the field has its seam, nothing is asked.
            drift_m_s: U, eastward and northward, m s-1.
            waves: N; with more of them a field is closer to Gaussian.
        """
        random = np.random.default_rng(list(key))
        self._wave_numbers = random.standard_normal((2, waves)) / length_km  # rad km-1
        kilometres_a_day = np.asarray(drift_m_s) * SECONDS_PER_DAY / 1e3
        self._frequencies = random.standard_normal(waves) / days  # rad d-1
        self._frequencies += kilometres_a_day @ self._wave_numbers
        self._phases = random.uniform(0, 2 * np.pi, waves)
        self._middle_longitude = middle_longitude
        self._scale = np.array([KM_PER_DEGREE * np.cos(np.radians(middle_latitude)), KM_PER_DEGREE])
        self._amplitude = np.sqrt(2 / waves)

    def at(self, latitude: Floats, longitude: Floats, days: Floats | float) -> Floats:
        """Values at points (n,) and times in days (n,) or one for all."""
        places = np.stack([self._turned(longitude), latitude])
        east, north = (self._scale[:, None] * places)[..., None]
        phase = east * self._wave_numbers[0] + north * self._wave_numbers[1] + self._phases
        phase -= np.asarray(days)[..., None] * self._frequencies
        return np.asarray(self._amplitude * np.cos(phase).sum(axis=-1))

    def on_grid(self, latitude: Floats, longitude: Floats, days: float) -> Floats:
        """Values (latitude, longitude) at one time in days."""
        rows = np.exp(1j * np.outer(latitude * self._scale[1], self._wave_numbers[1]))
        eastward = self._turned(longitude) * self._scale[0]
        columns = np.exp(1j * np.outer(self._wave_numbers[0], eastward))
        rows *= np.exp(1j * (self._phases - days * self._frequencies))
        # The real part of the complex product, without its imaginary part.
        product = rows.real @ columns.real - rows.imag @ columns.imag
        return np.asarray(self._amplitude * product)

    def _turned(self, longitude: Floats) -> Floats:
        """Longitudes by the full turn that brings each nearest the middle: waves have no period."""
        turns = np.round((np.asarray(longitude) - self._middle_longitude) / 360.0)
        return np.asarray(longitude - 360.0 * turns)
