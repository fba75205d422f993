"""Invented weather of a column: temperature, moisture, turbulence, convection and rain.

Everything follows from the surface weather and the flow of the same moment by simple rules that
give believable maps, seasons and days; nothing feeds back on the winds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from co2net_phys.columns.circulation import Flow, mean_pressure
from co2net_phys.columns.levels import GAS_CONSTANT, Array, Levels
from co2net_phys.simulation import climate
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Geography
from co2net_phys.simulation.mixing import layer_depth
from co2net_phys.solvers.constants import GRAVITY

CLOUD_BASE = 0.9
"""σ above which updraughts detrain and below which they draw in air."""

STRONGEST_UPDRAUGHT = 0.012
"""kg m-2 s-1 at the cloud base: deep tropical convection averaged over a grid cell."""

RAIN_EFFICIENCY = 0.6
"""Share of the vapour lifted through the cloud base that rains out."""

STRATIFORM_RAIN = 9e-5
"""kg m-2 s-1 (8 mm a day) in the middle of a moist cyclone."""

RAIN_TOP = 0.35
"""σ above which stratiform rain does not form."""

STRATIFORM_SCAVENGING = 0.12
"""m2 kg-1: the loss rate in s-1 per kg m-2 s-1 of stratiform rain."""

CONVECTIVE_SCAVENGING = 0.35
"""Tracer rained out of an updraught per tracer that it detrains."""

DEPOSITION_VELOCITY = (3e-4, 1e-3)
"""m s-1, over the sea and over land."""


@dataclass(frozen=True)
class Air:
    """What the processes of a column need; fields (nlat, nlon), layers (level, nlat, nlon)."""

    tas: Array
    """Near-surface temperature, K."""
    ta: Array
    """Temperature, K."""
    hus: Array
    """Specific humidity, 1."""
    bldep: Array
    """Depth of the boundary layer, m."""
    edt: Array
    """Eddy diffusivity on top of the layers, m2 s-1."""
    exchange: Array
    """ρK/Δz on top of the layers, kg m-2 s-1."""
    mc: Array
    """Updraught's mass flux on top of the layers, kg m-2 s-1."""
    entrainment: Array
    """Air that it draws in, kg m-2 s-1."""
    updraught_washout: Array
    """Air whose tracer rains out of it, kg m-2 s-1."""
    pr: Array
    """Precipitation, kg m-2 s-1."""
    prc: Array
    """The convective part of it."""
    scavenging: Array
    """Loss rate in stratiform rain, s-1."""
    conductance: Array
    """Air density times deposition velocity at the ground, kg m-2 s-1."""


class ColumnWeather:
    """Works out the air of a flow; the same flow always has the same air."""

    def __init__(self, geography: Geography, clock: Clock, levels: Levels) -> None:
        self.geography, self.clock, self.levels = geography, clock, levels

    def __call__(self, flow: Flow) -> Air:
        """The air in the middle of the flow's step."""
        tas, ps = flow.surface["tas"], flow.surface["ps"]
        day, year = self.clock.day_phase(flow.seconds), self.clock.year_phase(flow.seconds)
        sunlight = climate.sunlight(self.geography, day, year)
        ta = self._temperature(tas)
        hus = self._humidity(ta, ps, flow.surface)
        wind = np.hypot(flow.u[0], flow.v[0])
        depth = layer_depth(self.geography, sunlight, wind)
        diffusivity = self._diffusivity(ta, depth, wind, sunlight)
        base, top = self._convection(flow, sunlight)
        updraught, entrainment, washout = self._updraught(base, top)
        convective = RAIN_EFFICIENCY * base * hus[0]
        stratiform = self._stratiform_rain(flow)
        velocity = np.array(DEPOSITION_VELOCITY)
        land = self.geography.land
        return Air(
            tas=tas,
            ta=ta,
            hus=hus,
            bldep=depth,
            edt=diffusivity,
            exchange=self._exchange(diffusivity, ta, ps),
            mc=updraught,
            entrainment=entrainment,
            updraught_washout=washout,
            pr=convective + stratiform,
            prc=convective,
            scavenging=self._scavenging(stratiform),
            conductance=ps / (GAS_CONSTANT * tas) * (velocity[0] + np.diff(velocity) * land),
        )

    def _temperature(self, tas: Array) -> Array:
        """A constant lapse rate up to a stratosphere that is colder over the tropics."""
        sine = np.sin(np.radians(self.geography.north))
        troposphere = tas * self.levels.centre ** (GAS_CONSTANT * climate.LAPSE_RATE / GRAVITY)
        return np.asarray(np.maximum(troposphere, 200 + 20 * sine**2))

    def _humidity(self, ta: Array, ps: Array, surface: dict[str, Array]) -> Array:
        """Relative humidity falls with height from that near the ground."""
        saturation = climate.saturation_humidity(surface["tas"], ps)
        relative = surface["huss"] / saturation * (0.2 + 0.8 * self.levels.centre**2)
        aloft = climate.saturation_humidity(ta, ps * np.maximum(self.levels.centre, 0.05))
        return np.asarray(np.minimum(relative * aloft, surface["huss"]))

    def _diffusivity(self, ta: Array, depth: Array, wind: Array, sunlight: Array) -> Array:
        """κ w z (1 − z/h)² in the boundary layer, w from wind and sunshine; little above it."""
        height = np.cumsum(self.levels.depth(ta), axis=0)
        velocity = 0.04 * wind + 1.2 * self.geography.land * sunlight ** (1 / 3)
        inside = np.clip(1.0 - height / depth, 0.0, None)
        return np.asarray(0.4 * velocity * height * inside**2 + 3.0 * self.levels.centre + 0.1)

    def _exchange(self, diffusivity: Array, ta: Array, ps: Array) -> Array:
        """ρK over the distance of the layers' centres; nothing on top of the last layer."""
        half = 0.5 * self.levels.depth(ta)
        density = ps * self.levels.centre / (GAS_CONSTANT * ta)
        exchange = np.zeros_like(diffusivity)
        between = 0.5 * (density[1:] + density[:-1]) / (half[1:] + half[:-1])
        exchange[:-1] = diffusivity[:-1] * between
        return exchange

    def _convection(self, flow: Flow, sunlight: Array) -> tuple[Array, Array]:
        """Mass flux at the cloud base (kg m-2 s-1), and σ of the cloud top.

        Warm, moist air rises where the trades meet, over land in the sun, and little elsewhere.
        """
        moist = np.clip(flow.surface["huss"] / 0.016, 0.0, 1.3) ** 1.5
        meeting = np.clip(flow.convergence / 2e-6, 0.0, 1.5)
        forcing = 0.08 + 0.5 * meeting + 0.5 * self.geography.land * sunlight
        weather = 0.4 + 1.2 * self._cyclonic(flow)
        base = STRONGEST_UPDRAUGHT * moist * forcing * weather
        deep = np.clip(base / (0.6 * STRONGEST_UPDRAUGHT), 0.0, 1.0)
        return base, 0.75 - 0.6 * deep

    def _updraught(self, base: Array, top: Array) -> tuple[Array, Array, Array]:
        """Mass flux, entrainment and washout of a cloud from its base flux and its top."""
        drawn = self.levels.share_between(np.full_like(top, CLOUD_BASE), np.ones_like(top))
        anvil = self.levels.share_between(top, 0.5 * (top + CLOUD_BASE))
        left = 0.5 * anvil + 0.5 * self.levels.share_between(top, np.full_like(top, CLOUD_BASE))
        updraught = base * np.maximum(np.cumsum(drawn - left, axis=0), 0.0)
        updraught[-1] = 0.0
        return updraught, base * drawn, CONVECTIVE_SCAVENGING * base * left

    def _stratiform_rain(self, flow: Flow) -> Array:
        moist = np.clip(flow.surface["huss"] / 0.008, 0.0, 1.5) ** 0.7
        return np.asarray(STRATIFORM_RAIN * moist * self._cyclonic(flow) ** 3)

    def _scavenging(self, stratiform: Array) -> Array:
        """Loss rate in s-1, in the layers in which rain forms or through which it falls."""
        column = self.levels.share_between(RAIN_TOP, 1.0)[:, None, None]
        inside = column * (1.0 - RAIN_TOP) / self.levels.thickness
        return np.asarray(STRATIFORM_SCAVENGING * stratiform * inside)

    def _cyclonic(self, flow: Flow) -> Array:
        """0 in the middle of a high, 1 in the middle of a low, (nlat, nlon)."""
        anomaly = flow.surface["ps"] - mean_pressure(self.geography)
        return np.asarray(1.0 / (1.0 + np.exp(anomaly / 600.0)))
