"""The surface layer's depth, its exchange with the free troposphere, and the air above.

The tracer equation of a simulation with sources is

    φ_t + w·∇φ = D∇²φ + F/(n h) − κ (φ − φ_free),

with F the surface flux, n h the moles of air in the layer of depth h (m), κ (s-1) the exchange rate
and φ_free the free-tropospheric mole fraction. The layer is shallow and sealed on clear nights and
deep and leaky on sunny afternoons and in strong winds, which gives the diurnal cycle over land.
"""

from __future__ import annotations

import numpy as np

from co2net_phys.simulation import climate
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Field, Geography

AIR_MOLES_PER_CUBIC_METRE = 41.6
"""mol m-3 at 1013 hPa and 293 K."""

GROWTH_PPM_PER_YEAR = 2.3
"""µmol mol-1 a-1: between the means of 2000–2010 and 2010–2020 (NOAA GML)."""

FREE_TROPOSPHERE_2000 = 363.0
"""µmol mol-1: southern background at the start of 2000."""


def layer_depth(geography: Geography, sunlight: Field, wind_speed: Field) -> Field:
    """Depth of the surface layer in metres (nlat, nlon)."""
    over_land = 330 + 1300 * sunlight**0.8 + 30 * wind_speed
    over_sea = 550 + 15 * wind_speed
    return geography.land * over_land + (1 - geography.land) * over_sea


def exchange_rate(geography: Geography, sunlight: Field, wind_speed: Field) -> Field:
    """Rate κ (s-1) at which the layer is replaced by free-tropospheric air (nlat, nlon)."""
    convective = 0.8 * geography.land * sunlight
    mechanical = 0.11 + 0.014 * wind_speed
    return (convective + mechanical) / 86400


def free_troposphere(latitude: Field, clock: Clock, seconds: float) -> Field:
    """Mole fraction above the surface layer, µmol mol-1 at `latitude` (degrees).

    Growth, the north–south difference kept up by fossil fuels, and a seasonal cycle that grows
    northward and lags the biosphere; rounded from the marine background records of NOAA GML.
    """
    years, year = clock.years(seconds), clock.year_phase(seconds)
    sine = np.sin(np.radians(latitude))
    gradient = 1.7 * (1 + np.tanh(2.2 * sine))
    amplitude = 7.0 / (1 + np.exp(-(latitude - 22) / 11))
    first = np.cos(2 * np.pi * (year - 0.27))
    second = 0.33 * np.cos(4 * np.pi * (year - 0.33))
    south = 0.55 / (1 + np.exp((latitude + 25) / 10)) * np.cos(2 * np.pi * (year - 0.76))
    well_mixed = FREE_TROPOSPHERE_2000 + GROWTH_PPM_PER_YEAR * years
    return np.asarray(well_mixed + gradient + amplitude * (first + second) + south)


def layer(
    geography: Geography, clock: Clock, seconds: float, wind_speed: Field
) -> tuple[Field, Field]:
    """Moles of air n h (mol m-2) in the layer, and the exchange rate κ (s-1)."""
    sunlight = climate.sunlight(geography, clock.day_phase(seconds), clock.year_phase(seconds))
    depth = layer_depth(geography, sunlight, wind_speed)
    return AIR_MOLES_PER_CUBIC_METRE * depth, exchange_rate(geography, sunlight, wind_speed)
