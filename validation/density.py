"""What a divergent wind does to a tracer per volume: φ = ρ q, not q.

The mass of the flux form is kept by construction, the tendency being a divergence; it would be kept
with a wrong metric as well. So the field itself is compared with q₀(x₀) ρ, x₀ where the parcel was
and ρ how much the air has been compressed since, both from exact trajectories.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    Grid,
    SphericalHarmonics,
    Step,
    lawson_rk4,
)
from co2net_phys.solvers.equations import FORMS, Form
from co2net_phys.solvers.monotone import monotone
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement
from co2net_phys.validation.transport_flows import flow

Array = NDArray[np.float64]

DURATION = 2.0 * SECONDS_PER_DAY
"""Of the runs, s: ρ is then between 0.40 and 2.47."""

TRUNCATION, SPECTRAL_STEP = 42, 1800.0
"""T and time step (s) of the spectral runs."""

MONOTONE_STEP = 21600.0
"""Of the monotone runs, s."""

DECAY = 2e-6
"""K of the monotone runs, s⁻¹."""


def spectral_density() -> Finding:
    """Error of the spectral tracer in the divergent wind, both forms."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    errors = [spectral_error(harmonics, form) for form in FORMS]
    return find(
        "density-spectral",
        "in a divergent wind the advective form carries q, the flux form ρq",
        "Numerics, N11",
        max(errors),
        1e-6,
        f"cos⁶θ for {DURATION / SECONDS_PER_DAY:g} days at T{TRUNCATION}, relative to the peak, "
        f"exact trajectories; advective {errors[0]:.1g}, flux {errors[1]:.1g}",
    )


def monotone_density() -> Finding:
    """Error of the monotone tracer in the divergent wind with decay, both forms."""
    grid = Grid("cell-centre", 44, 88)
    errors = [monotone_error(grid, form) for form in FORMS]
    return find(
        "density-monotone",
        "so does the monotone scheme, to its accuracy, with decay",
        "Numerics, N7",
        max(errors),
        0.02,
        f"cos⁶θ for {DURATION / SECONDS_PER_DAY:g} days on {grid.nlat} × {grid.nlon} cells; "
        f"advective {errors[0]:.1g}, flux {errors[1]:.1g}",
    )


def spectral_error(harmonics: SphericalHarmonics, form: Form) -> float:
    """Largest nodal error relative to the peak, by RK4."""
    equation = AdvectionDiffusion(harmonics, flow("divergent").wind(harmonics), form=form)
    start = harmonics.to_modal(torch.from_numpy(equatorial_band(*_axes(harmonics))))
    end = _run(lawson_rk4(equation, SPECTRAL_STEP), start, SPECTRAL_STEP)
    return _error(harmonics.to_nodal(end), carried_band(harmonics, form))


def monotone_error(grid: Grid, form: Form) -> float:
    """The same of the monotone scheme, with decay."""
    harmonics = SphericalHarmonics(grid, min(21, grid.max_truncation))
    wind = flow("divergent").wind(harmonics)
    equation = AdvectionDiffusion(harmonics, wind, form=form, decay=DECAY)
    start = torch.from_numpy(equatorial_band(*_axes(harmonics)))
    end = _run(monotone(equation, MONOTONE_STEP), start, MONOTONE_STEP)
    return _error(end, carried_band(harmonics, form) * np.exp(-DECAY * DURATION))


def equatorial_band(latitude: Array, longitude: Array) -> Array:
    """cos⁶θ, θ in radians: small about the poles, where the divergent wind is not smooth."""
    return np.asarray(np.cos(latitude) ** 6 + 0.0 * longitude)


def carried_band(harmonics: SphericalHarmonics, form: Form) -> Array:
    """The band (nlat, nlon) after :data:`DURATION`, q or ρq, from exact trajectories."""
    origin = flow("divergent").origin(*_axes(harmonics), DURATION)
    band = equatorial_band(origin.latitude, origin.longitude)
    return band * origin.density if form == "flux" else band


def _run(step: Step, state: Tensor, time_step: float) -> Tensor:
    for n in range(round(DURATION / time_step)):
        state = step(state, n * time_step)
    return state


def _error(found: Tensor, exact: Array) -> float:
    return float(np.abs(found.numpy() - exact).max() / exact.max())


def _axes(harmonics: SphericalHarmonics) -> tuple[Array, Array]:
    latitude, longitude = (axis.numpy() for axis in harmonics.coordinates())
    return latitude, longitude


STATEMENTS = (
    Statement(
        "density-spectral",
        "N11",
        "in a divergent wind the advective form carries q, the flux form ρq",
        corrected=spectral_density,
    ),
    Statement(
        "density-monotone",
        "N7",
        "so does the monotone scheme, to its accuracy",
        corrected=monotone_density,
    ),
)
"""Of the two forms in a divergent wind."""
