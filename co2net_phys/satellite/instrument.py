"""What the instruments report of a true day: clear places, kernels, noise, biases, bad retrievals.

reported = xₐ + Σ h a (x − xₐ) + noise, to which GOSAT adds a bias, and a flagged one a large error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from co2net_phys.satellite.clouds import cloud_chance, elevation_effect, sky
from co2net_phys.satellite.footprints import (
    LARGEST_SOLAR_ZENITH,
    Footprints,
    Instrument,
    footprints,
)
from co2net_phys.satellite.profiles import (
    averaging_kernel,
    level_shares,
    pressure_weights,
    prior_profile,
    true_profile,
)
from co2net_phys.satellite.schema import SENSORS, Floats, Soundings
from co2net_phys.satellite.simulation_options import OFFSET_REFERENCE, SatelliteSimulationConfig
from co2net_phys.satellite.soundings import averaging_kernel_xco2
from co2net_phys.satellite.truth import Truth, at_places
from co2net_phys.solvers.constants import SECONDS_PER_DAY

BAD_ERROR = (-1.5, 4.0)
"""Mean and standard deviation of what clouds beside a footprint add, µmol mol-1."""

FULL_SUN_SHARE = 0.5
"""Part of the range of noise that comes with a low sun; chance decides the rest."""

RING = 0.65
"""Radius, in half widths of a footprint, at which six points stand for its rim."""


@dataclass(frozen=True)
class Retrievals:
    """Everything a Lite file holds of a day."""

    soundings: Soundings
    footprints: Footprints
    altitude: Floats
    """m of the ground (n,)."""
    land_percent: Floats
    """Share of land (n,), %."""
    aerosol_depth: Floats
    """Retrieved, dimensionless (n,)."""
    true_xco2: Floats
    """Mean over the footprint, µmol mol-1 (n,); known only here."""


def observe(instrument: Instrument, truth: Truth, day: np.datetime64, xco2: Floats) -> Retrievals:
    """Retrievals of one instrument on one day.

    Args:
        instrument: which looks.
        truth: the world.
        day: UTC date.
        xco2: the true map of that day (rows, columns), µmol mol-1, from `Truth.xco2`.
    """
    config = truth.config
    random = np.random.default_rng([config.seed, 30, SENSORS[instrument.sensor], _ordinal(day)])
    found = footprints(instrument, truth.region, day)
    sky_above = _sky_above(truth, found, day)
    clear = sky_above >= 0
    found, sky_above = found.take(clear), sky_above[clear]
    column = footprint_means(instrument, truth, xco2, found)
    noise = _noise(config, instrument, found, random)
    is_bad = sky_above < config.bad_fraction
    error = noise * random.standard_normal(len(found))
    error += is_bad * random.normal(*BAD_ERROR, len(found))
    soundings = _retrieved(instrument, truth, day, found, column)
    biased = biased_xco2(config, instrument.sensor, soundings.xco2)
    aerosol = random.lognormal(-2.2 + 1.2 * is_bad, 0.5)
    return Retrievals(
        _with_errors(soundings, biased + error, noise, is_bad),
        found,
        _at(truth, truth.elevation, found),
        100 * _at(truth, truth.land, found),
        aerosol,
        column,
    )


def biased_xco2(config: SatelliteSimulationConfig, sensor: str, xco2: Floats) -> Floats:
    """Add the systematic difference of GOSAT to XCO2 (n,), µmol mol-1; OCO has none."""
    if sensor != "gosat":
        return xco2
    change = config.gosat_slope * (xco2 - OFFSET_REFERENCE)
    return np.asarray(OFFSET_REFERENCE + change + config.gosat_offset)


def footprint_means(
    instrument: Instrument, truth: Truth, field: Floats, found: Footprints
) -> Floats:
    """Mean of a map over footprints (n,): the centre, and six points round it where it is wide."""
    centre = _at(truth, field, found)
    if instrument.width_m < 5e3:  # below any grid on which the truth is known well
        return centre
    angles = np.arange(6) * np.pi / 3
    right = RING * instrument.width_m / 2 * np.cos(angles)
    ahead = RING * instrument.length_m / 2 * np.sin(angles)
    region = truth.region
    rim = [
        at_places(field, region.latitude, region.longitude, found.moved(a, b))
        for a, b in zip(right, ahead, strict=True)
    ]
    return np.asarray((centre + sum(rim)) / 7)


def _sky_above(truth: Truth, found: Footprints, day: np.datetime64) -> Floats:
    """See `co2net_phys.satellite.clouds.sky`; (n,)."""
    chance = cloud_chance(
        truth.config.cloud_fraction,
        _at(truth, truth.elevation, found),
        float(elevation_effect(truth.elevation).mean()),
        truth.weather.season(day),
    )
    days = found.seconds / SECONDS_PER_DAY
    return sky(truth.weather, found.latitude, found.longitude, days, chance)


def _noise(
    config: SatelliteSimulationConfig,
    instrument: Instrument,
    found: Footprints,
    random: np.random.Generator,
) -> Floats:
    """Standard deviation of the noise (n,), larger under a low sun."""
    low, high = config.gosat_noise if instrument.sensor == "gosat" else config.oco_noise
    sun = FULL_SUN_SHARE * found.solar_zenith / LARGEST_SOLAR_ZENITH
    return np.asarray(low + (high - low) * (sun + (1 - FULL_SUN_SHARE) * random.random(len(found))))


def _retrieved(
    instrument: Instrument, truth: Truth, day: np.datetime64, found: Footprints, column: Floats
) -> Soundings:
    """Retrievals (n,) without any error but that of the kernel."""
    count, background = len(found), truth.background(day)
    weights = np.tile(pressure_weights(), (count, 1))
    prior, kernel = prior_profile(background, count), averaging_kernel(found.solar_zenith)
    region = truth.region
    pressure_map = truth.weather.surface_pressure(
        region.latitude, region.longitude, truth.elevation, day
    )
    surface_pressure = _at(truth, pressure_map, found)
    return Soundings(
        time=found.time,
        latitude=found.latitude,
        longitude=found.longitude,
        xco2=averaging_kernel_xco2(true_profile(background, column), prior, kernel, weights),
        uncertainty=np.zeros(count),
        sensor=np.full(count, SENSORS[instrument.sensor], dtype=np.int8),
        quality_flag=np.zeros(count, dtype=np.int8),
        operation_mode=np.full(count, -1 if instrument.sensor == "gosat" else 0, dtype=np.int8),
        averaging_kernel=kernel,
        pressure_weight=weights,
        pressure=surface_pressure[:, None] * level_shares(),
        apriori_profile=prior,
        apriori_xco2=(weights * prior).sum(axis=1),
        surface_pressure=surface_pressure,
    )


def _with_errors(
    soundings: Soundings, xco2: Floats, noise: Floats, is_bad: np.ndarray
) -> Soundings:
    changes = {"xco2": xco2, "uncertainty": noise, "quality_flag": is_bad.astype(np.int8)}
    return Soundings(**(vars(soundings) | changes))


def _at(truth: Truth, field: Floats, found: Footprints) -> Floats:
    """A map of the truth's grid at the centres of footprints (n,)."""
    region = truth.region
    places = (found.latitude, found.longitude)
    return at_places(field, region.latitude, region.longitude, places)


def _ordinal(day: np.datetime64) -> int:
    """Days since 1970-01-01, never negative: no instrument here is that old."""
    return int(day.astype("datetime64[D]").astype(np.int64))
