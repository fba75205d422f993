"""Options of a simulation, validated."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from co2net_phys.simulation.sources import COMPONENTS
from co2net_phys.validated import validated

Integrator = Literal[
    "auto", "rk4", "low-storage", "semi-lagrangian", "chebyshev", "exact-zonal", "exact-solid-body"
]
"""How the spectral scheme steps in time; see `co2net_phys.solvers.integrators`."""


class SimulationConfig(BaseModel):
    """How to integrate and what to write; times in seconds, SI units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    truncation: int = Field(default=63, ge=1, le=1279)
    """Triangular truncation T of the spherical harmonics."""
    start: datetime = datetime(2018, 1, 1, 1, 30)
    """First output (UTC); the default is the first record of a CarbonTracker day."""
    frames: int = Field(default=480, ge=1)
    """Number of output times."""
    output_every: float = Field(default=10800.0, gt=0)
    """Seconds between outputs."""
    spin_up: float = Field(default=12 * 86400.0, ge=0)
    """Seconds integrated before the first output."""
    time_step: float | None = Field(default=None, gt=0)
    """Seconds; None takes the longest stable step that divides `output_every`."""
    diffusivity: float = Field(default=1e5, ge=0)
    """Horizontal diffusivity D in m2 s-1."""
    hyperdiffusivity: float = Field(default=0.0, ge=0)
    """Damping of the smallest scales in m4 s-1; spectral scheme only."""
    lifetime: float | None = Field(default=None, gt=0)
    """Seconds in which the tracers decay by a factor e; None for no decay."""
    scheme: Literal["spectral", "monotone"] = "spectral"
    """Spherical harmonics, accurate for smooth fields, or finite volumes without new extremes."""
    integrator: Integrator = "rk4"
    """Time integration of the spectral scheme; `auto` picks an exact one if there is."""
    form: Literal["advective", "flux"] = "advective"
    """Keep constants, or keep the mass, where the wind is divergent."""
    diagnostics: bool = False
    """Whether mean, variance, extremes, spectrum and Courant number are written too."""
    grid: Literal["carbontracker", "model"] = "carbontracker"
    """Output on the 2° × 3° CarbonTracker grid or on the solver's Gaussian grid."""
    components: tuple[str, ...] = COMPONENTS
    """Sources that are switched on."""
    exchange: bool = True
    """Whether the surface layer exchanges air with the free troposphere."""
    separate: bool = False
    """Also carry each source as a tracer of its own."""
    seed: int = Field(default=0, ge=0)

    @property
    def decay(self) -> float:
        """Rate of decay in s-1."""
        return 0.0 if self.lifetime is None else 1.0 / self.lifetime

    @model_validator(mode="after")
    def _known_components(self) -> SimulationConfig:
        unknown = sorted(set(self.components) - set(COMPONENTS))
        if unknown:
            raise ValueError(
                f"unknown --sources {unknown[0]!r}; choose from {', '.join(COMPONENTS)}"
            )
        return self


def simulation_config(**options: Any) -> SimulationConfig:
    """Return the configuration, or raise a one-line `UsageError` naming the wrong option."""
    return validated(SimulationConfig, options)
