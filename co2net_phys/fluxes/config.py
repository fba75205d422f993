"""Options of the synthetic carbon world, validated."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from co2net_phys.validated import validated


class CarbonWorldConfig(BaseModel):
    """How large the world is and how wrong its observers are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_year: int = Field(default=2001, ge=1900, le=2100)
    """First calendar year."""
    years: int = Field(default=6, ge=1, le=40)
    """Length of the record."""
    grid_step: float = Field(default=5.0, ge=1.0, le=15.0)
    """Degrees between cells, in both directions; must divide 180."""
    truncation: int = Field(default=15, ge=5, le=63)
    """Triangular truncation of the weather and of the transport."""
    towers: int = Field(default=150, ge=12, le=1000)
    """Number of flux towers; one in twelve stands within 20° of the equator, four in five north of
    30°."""
    night_loss: float = Field(default=0.15, ge=0.0, le=0.9)
    """Share of respiration that tropical towers do not see, as air drains away at night."""
    inversions: int = Field(default=5, ge=2, le=50)
    """Members of the ensemble of inversions."""
    transport_days: int = Field(default=365, ge=2)
    """Days, from the start on, for which mole fractions at stations are simulated."""
    seed: int = Field(default=0, ge=0)
    """Of all random numbers."""

    @model_validator(mode="after")
    def _consistent(self) -> CarbonWorldConfig:
        if abs(180 / self.grid_step - round(180 / self.grid_step)) > 1e-9:
            raise ValueError(f"grid_step of {self.grid_step:g}° does not divide 180°; try 4 or 5")
        if self.transport_days > 365 * self.years:
            raise ValueError(
                f"transport_days {self.transport_days} exceeds the record of {self.years} years"
            )
        return self


def carbon_world_config(**options: Any) -> CarbonWorldConfig:
    """Return the configuration, or raise a one-line `UsageError` naming the wrong option."""
    return validated(CarbonWorldConfig, options)
