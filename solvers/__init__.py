"""Advection–diffusion of tracers on the sphere.

A ``Grid`` and a truncation make ``SphericalHarmonics``; these, a ``Wind``, a diffusivity and a
source make ``AdvectionDiffusion``, the one description of a problem. ``choose`` picks an integrator
and ``trajectory`` runs its step; ``lawson_rk4``, ``semi_lagrangian``, ``monotone`` and the others
can be taken by hand.
"""

from co2net_phys.solvers.adjoint import checkpointed_trajectory, run
from co2net_phys.solvers.chebyshev import ChebyshevPropagator
from co2net_phys.solvers.constants import (
    EARTH_RADIUS_M,
    EARTH_ROTATION_RATE,
    GRAVITY,
    SECONDS_PER_DAY,
)
from co2net_phys.solvers.equations import (
    AdvectionDiffusion,
    Source,
    SplitEquation,
    SteadySource,
)
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.integrators import INTEGRATORS, Choice, choose
from co2net_phys.solvers.invariants import extrema, total_mass, variance
from co2net_phys.solvers.low_storage import low_storage
from co2net_phys.solvers.propagators import SolidBodyPropagator, ZonalPropagator
from co2net_phys.solvers.rotation import mean_rotation
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
from co2net_phys.solvers.wind_fit import fit_wind
from co2net_phys.solvers.wind_recovery import RecoveredWind, recover_wind
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
    "INTEGRATORS",
    "KUTTA3",
    "RK4",
    "SECONDS_PER_DAY",
    "AdvectionDiffusion",
    "ButcherTable",
    "ChebyshevPropagator",
    "Choice",
    "DeformationalFlow",
    "Grid",
    "RecoveredWind",
    "SolidBodyPropagator",
    "SolidBodyRotation",
    "Source",
    "SphericalHarmonics",
    "SplitEquation",
    "SteadySource",
    "SteadyWind",
    "Step",
    "TabulatedWind",
    "Wind",
    "ZonalPropagator",
    "check_time_step",
    "checkpointed_trajectory",
    "choose",
    "extrema",
    "fit_wind",
    "lawson",
    "lawson_rk4",
    "low_storage",
    "mean_rotation",
    "recover_wind",
    "run",
    "stable_time_step",
    "total_mass",
    "trajectory",
    "variance",
]
