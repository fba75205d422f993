"""Advection–diffusion of tracers on the sphere by spherical harmonics.

A ``Grid`` and a truncation make ``SphericalHarmonics``; these, a ``Wind``, a diffusivity and a
source make ``AdvectionDiffusion``; ``lawson_rk4`` turns it into a step and ``trajectory`` runs it.
"""

from co2net_phys.solvers.constants import (
    EARTH_RADIUS_M,
    EARTH_ROTATION_RATE,
    GRAVITY,
    SECONDS_PER_DAY,
)
from co2net_phys.solvers.equations import AdvectionDiffusion, Source, SplitEquation
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.invariants import extrema, total_mass, variance
from co2net_phys.solvers.time_integration import (
    KUTTA3,
    RK4,
    ButcherTable,
    Step,
    check_time_step,
    lawson,
    lawson_rk4,
    stable_time_step,
    trajectory,
)
from co2net_phys.solvers.winds import (
    DeformationalFlow,
    SolidBodyRotation,
    SteadyWind,
    TabulatedWind,
    Wind,
)

__all__ = [
    "EARTH_RADIUS_M",
    "EARTH_ROTATION_RATE",
    "GRAVITY",
    "KUTTA3",
    "RK4",
    "SECONDS_PER_DAY",
    "AdvectionDiffusion",
    "ButcherTable",
    "DeformationalFlow",
    "Grid",
    "SolidBodyRotation",
    "Source",
    "SphericalHarmonics",
    "SplitEquation",
    "SteadyWind",
    "Step",
    "TabulatedWind",
    "Wind",
    "check_time_step",
    "extrema",
    "lawson",
    "lawson_rk4",
    "stable_time_step",
    "total_mass",
    "trajectory",
    "variance",
]
