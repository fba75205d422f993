"""Where and when the three instruments look at the sunlit ground."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from co2net_phys.satellite.orbits import (
    EPOCH,
    CircularOrbit,
    gosat_orbit,
    oco2_orbit,
    seconds_after_epoch,
    space_station_orbit,
    wrapped_longitude,
)
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import Floats
from co2net_phys.satellite.synthetic_weather import year_phase
from co2net_phys.simulation.climate import declination
from co2net_phys.solvers.constants import EARTH_RADIUS_M, SECONDS_PER_DAY

LARGEST_SOLAR_ZENITH = 70.0
"""Degrees; with a lower sun nothing is retrieved."""


@dataclass(frozen=True)
class Instrument:
    """One spectrometer and its way of looking down."""

    sensor: str
    """Key of `co2net_phys.satellite.schema.SENSORS`."""
    platform: str
    spectrometer: str
    orbit: CircularOrbit
    first_day: np.datetime64
    offsets_m: tuple[float, ...]
    """Centres of the footprints across the track, to the right of it, m."""
    frame_s: float
    """Seconds between two rows of footprints."""
    step_s: float
    """Seconds between two footprints of a row; 0 where they are seen at once."""
    width_m: float
    """Of a footprint, across the track."""
    length_m: float
    """Of a footprint, along the track."""


def _grating_spectrometer(
    sensor: str, platform: str, orbit: CircularOrbit, first: str
) -> Instrument:
    """OCO-2 or OCO-3: eight footprints of 1.29 km × 2.25 km, three rows a second."""
    offsets = tuple(1290.0 * (number - 3.5) for number in range(8))
    day = np.datetime64(first, "D")
    return Instrument(sensor, platform, platform, orbit, day, offsets, 1 / 3, 0.0, 1290.0, 2250.0)


def instruments() -> dict[str, Instrument]:
    """The three instruments by sensor.

    References: Crisp et al. (2017), doi:10.5194/amt-10-59-2017; Eldering et al. (2019),
    doi:10.5194/amt-12-2341-2019; Kuze et al. (2009), doi:10.1364/AO.48.006716 (five points of
    10.5 km across the track, 4.6 s each, some 160 km apart).
    """
    gosat = Instrument(
        "gosat",
        "GOSAT",
        "TANSO-FTS",
        gosat_orbit(),
        np.datetime64("2009-04-18"),
        tuple(158e3 * (number - 2) for number in range(5)),
        23.0,
        4.6,
        10.5e3,
        10.5e3,
    )
    oco2 = _grating_spectrometer("oco2", "OCO-2", oco2_orbit(), "2014-09-06")
    oco3 = _grating_spectrometer("oco3", "OCO-3", space_station_orbit(), "2019-08-06")
    return {"oco2": oco2, "oco3": oco3, "gosat": gosat}


@dataclass(frozen=True)
class Footprints:
    """Places on the ground that an instrument looks at, (n,) each."""

    seconds: Floats
    """After `EPOCH`."""
    latitude: Floats
    """Degrees north of the centre."""
    longitude: Floats
    """Degrees east of the centre, −180 to 180."""
    number: NDArray[np.int64]
    """Position across the track, from 1."""
    revolution: NDArray[np.int64]
    heading: Floats
    """Of the satellite, radians clockwise from north."""
    offset_m: Floats
    """To the right of the track."""
    solar_zenith: Floats
    """Degrees."""
    solar_azimuth: Floats
    """Degrees clockwise from north, 0 to 360."""

    def __len__(self) -> int:
        """Number of footprints."""
        return len(self.seconds)

    @property
    def time(self) -> NDArray[np.datetime64]:
        """UTC, to the millisecond."""
        milliseconds = np.round(self.seconds * 1e3).astype("timedelta64[ms]")
        return EPOCH.astype("datetime64[ms]") + milliseconds

    def take(self, index: NDArray[Any]) -> Self:
        """Return the footprints of a boolean mask (n,) or of positions (m,)."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Return all parts (at least one), one after another."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )

    def moved(self, right_m: Floats | float, ahead_m: Floats | float) -> tuple[Floats, Floats]:
        """Latitude and longitude of points (n,) beside the centres, seen along the track."""
        sine, cosine = np.sin(self.heading), np.cos(self.heading)
        return moved(
            self.latitude,
            self.longitude,
            right_m * cosine + ahead_m * sine,
            ahead_m * cosine - right_m * sine,
        )


def moved(
    latitude: Floats, longitude: Floats, east_m: Floats, north_m: Floats
) -> tuple[Floats, Floats]:
    """Places a few hundred kilometres at most away from others, all in degrees."""
    north = latitude + np.degrees(north_m / EARTH_RADIUS_M)
    shrink = np.cos(np.radians((latitude + north) / 2))
    return north, wrapped_longitude(longitude + np.degrees(east_m / EARTH_RADIUS_M) / shrink)


def footprints(instrument: Instrument, region: Region, day: np.datetime64) -> Footprints:
    """Sunlit footprints with their centre in a region on a UTC day, in the order of time."""
    margin_km = max(abs(offset) for offset in instrument.offsets_m) / 1e3
    passes = instrument.orbit.passes(day, region, margin_km)
    parts = [_row_by_row(instrument, begin, end) for begin, end in passes]
    if not parts:
        parts = [_row_by_row(instrument, 0.0, -1.0)]
    found = Footprints.joined(parts)
    first = seconds_after_epoch(day)
    seen = found.solar_zenith < LARGEST_SOLAR_ZENITH
    seen &= (found.seconds >= first) & (found.seconds < first + SECONDS_PER_DAY)
    seen &= region.cells(found.latitude, found.longitude)[2]
    return found.take(seen)


def _row_by_row(instrument: Instrument, begin: float, end: float) -> Footprints:
    """All footprints between two moments, by day and night."""
    rows = np.arange(np.ceil(begin / instrument.frame_s), np.floor(end / instrument.frame_s) + 1)
    across = np.arange(len(instrument.offsets_m))
    seconds = (rows[:, None] * instrument.frame_s + across * instrument.step_s).ravel()
    offset = np.tile(np.asarray(instrument.offsets_m), len(rows))
    latitude, longitude = instrument.orbit.ground_track(seconds)
    heading = instrument.orbit.heading(seconds)
    latitude, longitude = moved(
        latitude, longitude, offset * np.cos(heading), -offset * np.sin(heading)
    )
    zenith, azimuth = solar_angles(latitude, longitude, seconds)
    return Footprints(
        seconds,
        latitude,
        longitude,
        np.tile(across + 1, len(rows)),
        instrument.orbit.revolution(seconds),
        heading,
        offset,
        zenith,
        azimuth,
    )


def solar_angles(latitude: Floats, longitude: Floats, seconds: Floats) -> tuple[Floats, Floats]:
    """Zenith angle and azimuth of the mean Sun (n,), degrees; azimuth clockwise from north."""
    if not len(seconds):
        return np.zeros(0), np.zeros(0)
    day = (EPOCH + np.timedelta64(round(float(seconds[0])), "s")).astype("datetime64[D]")
    sun = declination(year_phase(day))
    hour_angle = 2 * np.pi * (seconds / SECONDS_PER_DAY - 0.5) + np.radians(longitude)
    north = np.radians(latitude)
    up = np.sin(north) * np.sin(sun) + np.cos(north) * np.cos(sun) * np.cos(hour_angle)
    eastward = -np.cos(sun) * np.sin(hour_angle)
    northward = np.sin(sun) * np.cos(north) - np.cos(sun) * np.cos(hour_angle) * np.sin(north)
    zenith = np.degrees(np.arccos(np.clip(up, -1, 1)))
    return zenith, np.remainder(np.degrees(np.arctan2(eastward, northward)), 360)
