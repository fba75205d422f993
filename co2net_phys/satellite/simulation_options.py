"""Options of the synthetic satellite world, validated."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from co2net_phys.satellite.region import Region
from co2net_phys.validated import validated

Satellite = Literal["oco2", "oco3", "gosat"]

MAXIMUM_EXTENT = 60.0
"""Degrees: over a larger region the invented weather, drawn on a plane, would be distorted."""

MAXIMUM_CELLS = 4_000_000
"""Cells of a region: a day's maps then stay below 1 GB of memory."""

OFFSET_REFERENCE = 400.0
"""µmol mol-1 at which GOSAT is `gosat_offset` above OCO-2 and OCO-3."""


class SatelliteSimulationConfig(BaseModel):
    """Where, when, and how the invented XCO2 is observed; mole fractions in µmol mol-1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    west: float = Field(default=92.35, ge=-180, le=180)
    """Western border, degrees east; the default box surrounds Sichuan."""
    south: float = Field(default=26.05, ge=-85, le=85)
    """Southern border, degrees north."""
    east: float = Field(default=108.25, ge=-180, le=540)
    """Eastern border, degrees east, above `west` (over 180 beyond the date line)."""
    north: float = Field(default=34.35, ge=-85, le=85)
    """Northern border, degrees north."""
    spacing: float = Field(default=0.1, ge=0.005, le=5)
    """Cell width, degrees."""
    start: date = date(2019, 9, 1)
    """First day (UTC)."""
    days: int = Field(default=365, ge=1, le=20_000)
    """Number of days."""
    satellites: tuple[Satellite, ...] = Field(default=("oco2", "oco3", "gosat"), min_length=1)
    """Which fly; each only after its launch."""
    cloud_fraction: float = Field(default=0.6, ge=0, le=0.98)
    """Mean share of the sky that is cloudy; soundings under clouds are lost."""
    bad_fraction: float = Field(default=0.2, ge=0, le=0.9)
    """Share of the remaining soundings, those nearest to clouds, that are wrong and flagged 1."""
    oco_noise: tuple[float, float] = (0.5, 1.0)
    """Smallest and largest standard deviation of an OCO-2 or OCO-3 sounding."""
    gosat_noise: tuple[float, float] = (1.5, 2.0)
    """The same for GOSAT."""
    gosat_slope: float = Field(default=0.97, gt=0.5, lt=2)
    """Bias: GOSAT = 400 + slope (OCO − 400) + offset."""
    gosat_offset: float = Field(default=0.8, ge=-20, le=20)
    """µmol mol-1, see `gosat_slope`."""
    growth: float = Field(default=2.2, ge=-20, le=20)
    """Growth of XCO2, µmol mol-1 a year."""
    season_range: float = Field(default=5.0, ge=0, le=50)
    """From the trough in September to the peak in May (half a year later in the south)."""
    emission_per_person: float = Field(default=8.0, ge=0, le=1000)
    """Tonnes of CO2 a year that a city emits for each inhabitant."""
    seed: int = Field(default=0, ge=0)

    @property
    def region(self) -> Region:
        """The grid of the truth."""
        return Region(self.west, self.south, self.east, self.north, self.spacing)

    @property
    def dates(self) -> np.ndarray:
        """Every day (days,), datetime64[D]."""
        return np.datetime64(self.start, "D") + np.arange(self.days)

    @model_validator(mode="after")
    def _makes_sense(self) -> SatelliteSimulationConfig:
        extent = max(self.east - self.west, self.north - self.south)
        if extent > MAXIMUM_EXTENT:
            raise ValueError(f"region: {extent:g}° is more than {MAXIMUM_EXTENT:g}°; move a border")
        if np.prod(self.region.shape) > MAXIMUM_CELLS:
            raise ValueError(
                f"spacing: {self.spacing:g}° makes more than {MAXIMUM_CELLS} cells; "
                "take a wider spacing"
            )
        if min(self.region.shape) < 2:
            raise ValueError("region: fewer than two rows or columns; take a narrower spacing")
        for name in ("oco_noise", "gosat_noise"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 100:  # who reads a Lite file refuses a sounding without error
                raise ValueError(
                    f"{name}: {low:g} to {high:g} is no range of standard deviations; "
                    "give two numbers above 0 and up to 100, the smaller first"
                )
        if len(set(self.satellites)) != len(self.satellites):
            raise ValueError("satellites: one is named twice; name each once")
        return self


def satellite_simulation_config(**options: Any) -> SatelliteSimulationConfig:
    """Return the configuration, or raise a one-line `UsageError` naming the wrong option."""
    return validated(SatelliteSimulationConfig, options)
