"""The time step that every transform library is timed on.

One step of integrating-factor Runge–Kutta 4 of ∂φ/∂t + w·∇φ = D∇²φ: four times gradient synthesis,
product and analysis, and their combination. It is written once for every library whose arrays
know + and ×; what a library has to give is :class:`TransformLibrary`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.time_integration import stable_time_step
from co2net_phys.solvers.winds import DeformationalFlow

Array = NDArray[Any]

DIFFUSIVITY = 1e5
"""D, m² s⁻¹."""


@dataclass(frozen=True)
class AdvectionProblem:
    """Inputs of the step, as plain float64 arrays with latitude ascending."""

    truncation: int
    fields: int
    """Tracers carried at once."""
    single: bool
    """Whether the library is to work in float32."""
    threads: int
    grid: Grid
    u: Array
    """Eastward wind, (nlat, nlon), m s⁻¹; steady, as its cost is no part of the comparison."""
    v: Array
    """Northward, likewise."""
    tracers: Array
    """(fields, nlat, nlon), random with a spectrum that falls off as l⁻²."""
    time_step: float
    """Half of the longest stable one, s."""

    def factor(self, degree: Array) -> Array:
        """exp(−D l(l+1)/R² Δt/2) of each ``degree``: the diffusion of half a step."""
        rate = -DIFFUSIVITY * degree * (degree + 1.0) / EARTH_RADIUS_M**2
        return np.asarray(np.exp(0.5 * rate * self.time_step))


class TransformLibrary(Protocol):
    """A library set up for one problem; spectra are whatever it likes best."""

    def analyse(self, nodal: Any) -> Any:
        """Spectrum of a field in the library's own layout."""
        ...

    def round_trip(self, spectrum: Any) -> Any:
        """Synthesis and analysis of scalar fields."""
        ...

    def step(self, spectrum: Any) -> Any:
        """One time step."""
        ...

    def start(self) -> Any:
        """Spectrum of the tracers of the problem."""
        ...

    def values(self, spectrum: Any) -> Array:
        """(fields, nlat, nlon), float64, latitude ascending."""
        ...


def advection_problem(
    truncation: int, fields: int = 1, single: bool = False, threads: int = 1
) -> AdvectionProblem:
    """The problem at a truncation, on its alias-free Gaussian grid.

    Args:
        truncation: T.
        fields: tracers carried at once.
        single: float32 instead of float64.
        threads: how many a library may use.
    """
    grid = Grid.gaussian(truncation)
    harmonics = SphericalHarmonics(grid, truncation)
    wind = DeformationalFlow(harmonics)
    generator = torch.Generator().manual_seed(0)
    size = truncation + 1
    modal = torch.randn(fields, size, size, 2, generator=generator, dtype=torch.float64)
    spectrum = torch.view_as_complex(modal).tril()
    spectrum = spectrum / torch.arange(1.0, size + 1.0, dtype=torch.float64)[:, None] ** 2
    spectrum[..., 0] = spectrum[..., 0].real.to(spectrum.dtype)
    u, v = wind(0.0)
    return AdvectionProblem(
        truncation, fields, single, threads, grid, u.numpy(), v.numpy(),
        harmonics.to_nodal(spectrum).numpy(), stable_time_step(harmonics, wind.max_speed, 0.5),
    )  # fmt: skip


def runge_kutta_step(
    tendency: Callable[[Any], Any], half: Any, time_step: float
) -> Callable[[Any], Any]:
    """Integrating-factor RK4, ``half`` being the factor of half a step: e^{Lh/2}."""
    full, h = half * half, time_step
    halved, third, sixth = half * (h / 2), half * (h / 3), full * (h / 6)

    def step(y: Any) -> Any:
        k1 = tendency(y)
        carried = half * y
        k2 = tendency(carried + halved * k1)
        k3 = tendency(carried + (h / 2) * k2)
        k4 = tendency(full * y + (half * h) * k3)
        return full * y + sixth * k1 + third * (k2 + k3) + (h / 6) * k4

    return step
