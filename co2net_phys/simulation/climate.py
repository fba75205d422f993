"""The seasonal and diurnal normals around which the invented weather varies."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from co2net_phys.simulation.geography import Field, Geography

LAPSE_RATE = 6.5e-3
"""K m-1, standard atmosphere."""

SCALE_HEIGHT = 8400.0
"""Metres: pressure falls by e over this height near the ground."""


def declination(year_phase: float) -> float:
    """Solar declination in radians; northern midsummer near day 172."""
    return float(np.radians(23.44) * np.sin(2 * np.pi * (year_phase - 0.2206)))


@lru_cache(maxsize=4)  # several sources ask for the same moment; nobody writes into the answer
def sunlight(geography: Geography, day_phase: float, year_phase: float) -> Field:
    """Cosine of the solar zenith angle, zero at night (nlat, nlon)."""
    hour_angle = 2 * np.pi * (day_phase - 0.5) + np.radians(geography.east)
    north, sun = np.radians(geography.north), declination(year_phase)
    cosine = np.sin(north) * np.sin(sun) + np.cos(north) * np.cos(sun) * np.cos(hour_angle)
    return np.asarray(np.maximum(cosine, 0))


def local_day_phase(geography: Geography, day_phase: float) -> Field:
    """Fraction of the local solar day, in [0, 1), (1, nlon)."""
    return np.asarray((day_phase + geography.east / 360) % 1)


def summer(geography: Geography, year_phase: float, peak: float) -> Field:
    """Seasonal wave (nlat, 1), +1 at `peak` (year phase) in the north and −1 then in the south."""
    hemisphere = np.tanh(geography.north / 10)
    return np.asarray(hemisphere * np.cos(2 * np.pi * (year_phase - peak)))


@lru_cache(maxsize=4)
def temperature(geography: Geography, day_phase: float, year_phase: float) -> Field:
    """Normal near-surface temperature in K (nlat, nlon)."""
    sine = np.abs(np.sin(np.radians(geography.north)))
    annual = 301 - 48 * sine**2 - LAPSE_RATE * geography.orography
    seasonal = (2 + (2 + 19 * geography.land) * sine**1.5) * summer(geography, year_phase, 0.55)
    afternoon = np.cos(2 * np.pi * (local_day_phase(geography, day_phase) - 0.61))
    diurnal = (0.4 + 4.6 * geography.land) * np.cos(np.radians(geography.north)) * afternoon
    return annual + seasonal + diurnal


def zonal_wind(latitude: Field, year_phase: float) -> Field:
    """Normal eastward wind in m s-1 at latitudes in degrees: trades, westerlies, polar easterlies.

    Peaks are set beside the zonal means of the real 10 m analysis in the sample data
    (+2.6, −5.0, −3.8, +5.9 m s-1 at 45, 15, −15, −50 degrees).
    """
    shifted = latitude - 4 * np.cos(2 * np.pi * (year_phase - 0.58))
    northern_winter = 0.5 + 0.5 * np.cos(2 * np.pi * (year_phase - 0.04))

    def belt(centre: float, width: float) -> Field:
        return np.exp(-(((shifted - centre) / width) ** 2))

    trades = -6.0 * belt(14, 10) - 6.0 * belt(-16, 10)
    westerlies = (3.5 + 3.0 * northern_winter) * belt(46, 12) + 8.5 * belt(-50, 12)
    polar = -2.0 * belt(74, 10) - 3.0 * belt(-72, 8)
    return np.asarray((trades + westerlies + polar) * np.cos(np.radians(latitude)) ** 0.25)


def meridional_wind(latitude: Field, year_phase: float) -> Field:
    """Normal northward wind in m s-1: both trades blow towards the convergence zone."""
    zone = 3 + 8 * np.cos(2 * np.pi * (year_phase - 0.58))
    away = (latitude - zone) / 11
    return np.asarray(-2.6 * away * np.exp(0.5 - away**2 / 2) * np.cos(np.radians(latitude)))


def saturation_humidity(temperature: Field, pressure: Field) -> Field:
    """Saturation specific humidity (kg kg-1), T in K, p in Pa.

    Magnus form with the coefficients of Alduchov and Eskridge (1996),
    doi:10.1175/1520-0450(1996)035<0601:IMFAOS>2.0.CO;2.
    """
    celsius = temperature - 273.15
    vapour = 610.94 * np.exp(17.625 * celsius / (celsius + 243.04))
    return np.asarray(0.622 * vapour / (pressure - 0.378 * vapour))
