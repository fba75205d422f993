"""Sources and exchange of the surface layer as a function the solver can call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Field, Geography
from co2net_phys.simulation.mixing import free_troposphere, layer
from co2net_phys.simulation.sources import SurfaceSources

NODE_INTERVAL = 3600.0
"""Seconds between evaluations of the forcing; linear in between."""

TOTAL = "total"
"""The tracer that every source and the free troposphere feed."""

BOUNDARY = "boundary"
"""The part of CO2 that comes from the free troposphere and the initial field."""


@dataclass(frozen=True)
class Air:
    """What the sources need to know about the weather, each (nlat, nlon) or a scalar."""

    wind_speed: Field
    cloudiness: Field | float


class SurfaceForcing:
    """s(t, φ) = F/(n h) − κ (φ − φ_free) for a stack of tracers (K, nlat, nlon).

    Parameters
    ----------
    tracers
        Names of the K tracers: `TOTAL`, `BOUNDARY` or a component of `sources.COMPONENTS`.
    components
        The sources that are switched on.
    air
        Weather at a time in seconds.
    exchange
        Whether the layer exchanges air with the free troposphere.
    """

    def __init__(
        self,
        geography: Geography,
        clock: Clock,
        sources: SurfaceSources,
        tracers: tuple[str, ...],
        components: tuple[str, ...],
        air: Callable[[float], Air],
        exchange: bool = True,
    ):
        self.geography, self.clock, self.sources, self.air = geography, clock, sources, air
        self.tracers, self.components, self.exchange = tracers, components, exchange
        self._node = lru_cache(maxsize=3)(self._evaluate)

    def __call__(self, time: float, tracers: Tensor) -> Tensor:
        """Tendency (K, nlat, nlon) in µmol mol-1 s-1 of `tracers` at `time` seconds."""
        index = int(np.floor(time / NODE_INTERVAL + 1e-9))
        share = min(max(time / NODE_INTERVAL - index, 0.0), 1.0)
        gain, rate = self._node(index)
        if share > 0:
            later_gain, later_rate = self._node(index + 1)
            gain, rate = torch.lerp(gain, later_gain, share), torch.lerp(rate, later_rate, share)
        return gain - rate * tracers

    def _evaluate(self, index: int) -> tuple[Tensor, Tensor]:
        """Return F/(n h) + κ φ_free, (K, nlat, nlon), and κ, (nlat, nlon)."""
        seconds = index * NODE_INTERVAL
        air = self.air(seconds)
        moles, rate = layer(self.geography, self.clock, seconds, air.wind_speed)
        if not self.exchange:
            rate = np.zeros_like(rate)
        gains = {
            name: self.sources.flux(name, seconds, air.cloudiness) / moles
            for name in self.components
        }
        gains[BOUNDARY] = rate * free_troposphere(self.geography.north, self.clock, seconds)
        gains[TOTAL] = np.sum(list(gains.values()), axis=0)
        return (
            torch.as_tensor(np.stack([gains[tracer] for tracer in self.tracers])),
            torch.as_tensor(rate),
        )
