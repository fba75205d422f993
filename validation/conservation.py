"""What transport keeps: mass, constants, variance and extremes, and what it does not."""

import math
from functools import cache

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    lawson_rk4,
    variance,
)
from co2net_phys.solvers.equations import Form
from co2net_phys.solvers.invariants import inner_product
from co2net_phys.solvers.monotone import monotone
from co2net_phys.validation import density
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement
from co2net_phys.validation.transport_cases import InitialField, gaussian_hills, slotted_cylinders
from co2net_phys.validation.transport_diagnostics import new_extremes, order_of_convergence

Array = NDArray[np.float64]

TRUNCATION = 21
"""Of the spectral runs."""

TIME_STEP = 3600.0
"""Of the spectral runs, s."""

DURATION = 6.0 * SECONDS_PER_DAY
"""Until the deformation is strongest, s."""

VARIANCE_DURATION = 1.0 * SECONDS_PER_DAY
"""In which the change of variance is measured, s."""

VARIANCE_STEPS = (16, 24, 36)
"""Numbers of steps for that."""

DIFFUSIVITY = 1e6
"""D where variance decays, m² s⁻¹."""

ANGULAR_SPEED = 5e-6
"""Of the rotation in which variance decays in closed form, rad s⁻¹."""

MONOTONE_STEP = 21600.0
"""Of the monotone runs, s."""


def flux_form_keeps_mass() -> Finding:
    """Change of the mass in the flux form in a divergent wind."""
    return find(
        "mass-flux-form",
        "∂φ/∂t + ∇·(wφ) = ∇·(D∇φ) keeps the mass in any wind",
        "Numerics, N11",
        float(np.abs(mass_changes("flux")).max()),
        1e-13,
        f"largest relative change in {DURATION / SECONDS_PER_DAY:g} days of divergent wind, by "
        "quadrature; kept by construction, whether the right density moves is density-spectral. "
        f"The advective form changes it by {np.abs(mass_changes('advective')).max():.0%}",
    )


def advective_form_keeps_mass_without_divergence() -> Finding:
    """Change of the mass in the advective form in a wind without divergence."""
    return find(
        "mass-nondivergent",
        "∂φ/∂t + w·∇φ = D∇²φ keeps the mass if ∇·w = 0",
        "Numerics, N11",
        float(np.abs(mass_changes("advective", divergent=False)).max()),
        1e-13,
        f"largest relative change in {DURATION / SECONDS_PER_DAY:g} days; the paper's equation (1) "
        "is this form, and claims nothing of the mass",
    )


def advective_form_keeps_constants() -> Finding:
    """Largest departure of a constant from itself in a divergent wind, at the nodes."""
    lowest, highest = constant_after_a_day("flux")
    return find(
        "constant-advective-form",
        "the advective form keeps constants in any wind",
        "Numerics, N12",
        max(abs(value - 1.0) for value in constant_after_a_day("advective")),
        1e-14,
        "relative, at the nodes, a day, as ∇1 = 0; in the flux form 1 becomes "
        f"{lowest:.2f} to {highest:.2f}",
    )


def wind_leaves_variance() -> Finding:
    """∫ φ w·∇φ dΩ of a random tracer in a non-divergent wind, relative to the norms."""
    harmonics = _harmonics()
    generator = torch.Generator().manual_seed(0)
    nodal = torch.randn(*harmonics.grid.shape, generator=generator, dtype=torch.float64)
    tracer = harmonics.to_modal(nodal)
    tendency = AdvectionDiffusion(harmonics, DeformationalFlow(harmonics)).transport(tracer, 0.0)
    norms = inner_product(tracer, tracer) * inner_product(tendency, tendency)
    return find(
        "variance-tendency",
        "a non-divergent wind changes no variance, truncated or not",
        "Numerics, N13",
        float(inner_product(tracer, tendency).abs() / norms.sqrt()),
        1e-14,
        f"T{TRUNCATION}, rough tracer; cosine of the angle between tracer and tendency; "
        "∫ φ w·∇φ dΩ = ½ ∫ w·∇φ² dΩ = 0",
    )


def scheme_leaves_variance() -> Finding:
    """Order at which the change of variance by RK4 falls with the time step."""
    changes = variance_changes()
    order = order_of_convergence(list(VARIANCE_DURATION / np.array(VARIANCE_STEPS)), changes)
    return find(
        "variance-order",
        "without diffusion RK4 keeps the variance to fifth order",
        "Numerics, N13",
        abs(order - 5.0),
        0.15,
        f"order {order:.2f}, relative change {changes[0]:.1e} to {changes[-1]:.1e}; for z = iy "
        "|1 + z + … + z⁴/24|² = 1 − y⁶/72 + …",
    )


def variance_decays() -> Finding:
    """Variance after days of diffusion in a rotating flow against its closed form."""
    harmonics = _harmonics()
    equation = AdvectionDiffusion(
        harmonics, SolidBodyRotation(harmonics, ANGULAR_SPEED), DIFFUSIVITY
    )
    initial = _modal(harmonics, gaussian_hills)
    steps = round(DURATION / (TIME_STEP / 4.0))
    later = _run(equation, initial, steps)[-1]
    degree = torch.arange(harmonics.truncation + 1.0, dtype=torch.float64)
    rate = DIFFUSIVITY * degree * (degree + 1.0) / harmonics.radius**2
    expected = variance(initial * torch.exp(-rate * DURATION)[:, None])
    return find(
        "variance-decay",
        "diffusion takes variance at the rate 2Dn(n+1)/R² of each degree, rotation none",
        "Numerics, N13",
        float((variance(later) / expected - 1.0).abs()),
        2e-9,
        f"{float(1.0 - expected / variance(initial)):.0%} of it in "
        f"{DURATION / SECONDS_PER_DAY:g} days",
    )


def monotone_makes_no_extremes() -> Finding:
    """Over- and undershoot of cylinders carried by the monotone scheme."""
    start, end, spectral = carried_cylinders()
    lower, upper = new_extremes(end, start)
    ringing = max(-new_extremes(spectral, start)[0], new_extremes(spectral, start)[1])
    return find(
        "monotone-extremes",
        "the monotone scheme makes no new extremes",
        "Numerics, N7",
        max(0.0, -lower, upper),
        1e-14,
        f"share of the range, {DURATION / SECONDS_PER_DAY:g} days of deformation; a series at "
        f"T{TRUNCATION} overshoots by {ringing:.2f}",
    )


def monotone_keeps_mass_and_constants() -> Finding:
    """Larger of the change of mass and, if constants are not kept bit by bit, of a constant."""
    start, end, _ = carried_cylinders()
    equation = _cell_equation()
    areas = equation.harmonics.grid.area_weights
    constant = torch.full(equation.harmonics.grid.shape, 400.1, dtype=torch.float64)
    kept = torch.equal(_run_monotone(equation, constant, 4), constant)
    change = float(abs((areas * end).sum() / (areas * start).sum() - 1.0))
    return find(
        "monotone-mass",
        "the monotone scheme keeps the mass, and constants bit by bit",
        "Numerics, N7",
        change if kept else float("inf"),
        1e-12,
        f"relative change of mass in {DURATION / SECONDS_PER_DAY:g} days",
    )


@cache  # checks and a figure
def mass_changes(form: Form, divergent: bool = True) -> Array:
    """Relative change (n,) of the mass of two hills after each day, 0 first, with diffusion.

    By quadrature of the values at the nodes, with weights from another library.
    """
    harmonics = _harmonics()
    wind = DeformationalFlow(harmonics, divergent=divergent)
    equation = AdvectionDiffusion(harmonics, wind, DIFFUSIVITY, form=form)
    states = _run(equation, _modal(harmonics, gaussian_hills), round(DURATION / TIME_STEP))
    nodal = harmonics.to_nodal(states[:: round(SECONDS_PER_DAY / TIME_STEP)]).numpy()
    mass = nodal.mean(-1) @ leggauss(harmonics.grid.nlat)[1]
    return np.asarray(mass / mass[0] - 1.0)


def variance_changes() -> list[float]:
    """Relative change of variance for each of :data:`VARIANCE_STEPS`, without diffusion."""
    harmonics = _harmonics()
    equation = AdvectionDiffusion(harmonics, DeformationalFlow(harmonics))
    initial = _modal(harmonics, gaussian_hills)
    finals = [_run(equation, initial, steps, VARIANCE_DURATION)[-1] for steps in VARIANCE_STEPS]
    return [float((variance(final) / variance(initial) - 1.0).abs()) for final in finals]


@cache  # two checks and a figure
def carried_cylinders() -> tuple[Array, Array, Array]:
    """Slotted cylinders at the start and at the strongest deformation, nodal (nlat, nlon).

    By the monotone scheme on equal cells, and by the spectral one on the same cells.
    """
    equation = _cell_equation()
    harmonics = equation.harmonics
    latitude, longitude = (axis.numpy() for axis in harmonics.coordinates())
    start = torch.from_numpy(slotted_cylinders(latitude, longitude))
    end = _run_monotone(equation, start, round(DURATION / MONOTONE_STEP))
    spectral = _run(
        AdvectionDiffusion(harmonics, equation.wind),
        harmonics.to_modal(start),
        round(DURATION / TIME_STEP),
    )[-1]
    return start.numpy(), end.numpy(), harmonics.to_nodal(spectral).numpy()


def constant_after_a_day(form: Form) -> tuple[float, float]:
    """Smallest and largest ratio to its start, at the nodes, of a constant in divergent wind."""
    harmonics = _harmonics()
    wind = DeformationalFlow(harmonics, divergent=True)
    equation = AdvectionDiffusion(harmonics, wind, DIFFUSIVITY, form=form)
    one = torch.zeros(TRUNCATION + 1, TRUNCATION + 1, dtype=torch.complex128)
    one[0, 0] = math.sqrt(4.0 * math.pi)
    later = _run(equation, one, 24, SECONDS_PER_DAY)[-1]
    ratio = harmonics.to_nodal(later) / harmonics.to_nodal(one)
    return float(ratio.min()), float(ratio.max())


def cell_grid() -> Grid:
    """Where the cylinders are carried: 4.1° cells."""
    return Grid("cell-centre", 44, 88)


def _cell_equation() -> AdvectionDiffusion:
    harmonics = SphericalHarmonics(cell_grid(), TRUNCATION)
    return AdvectionDiffusion(harmonics, DeformationalFlow(harmonics))


def _run_monotone(equation: AdvectionDiffusion, state: Tensor, steps: int) -> Tensor:
    step = monotone(equation, MONOTONE_STEP)
    for n in range(steps):
        state = step(state, n * MONOTONE_STEP)
    return state


def _run(
    equation: AdvectionDiffusion, state: Tensor, steps: int, duration: float = DURATION
) -> Tensor:
    """States (steps + 1, l, m) of RK4."""
    time_step, states = duration / steps, [state]
    step = lawson_rk4(equation, time_step)
    for n in range(steps):
        states.append(step(states[-1], n * time_step))
    return torch.stack(states)


def _harmonics() -> SphericalHarmonics:
    return SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)


def _modal(harmonics: SphericalHarmonics, field: InitialField) -> Tensor:
    latitude, longitude = (axis.numpy() for axis in harmonics.coordinates())
    return harmonics.to_modal(torch.from_numpy(field(latitude, longitude)))


STATEMENTS = (
    Statement(
        "mass-flux",
        "N11",
        "the flux form keeps the mass in any wind",
        corrected=flux_form_keeps_mass,
    ),
    Statement(
        "mass-nondivergent",
        "N11",
        "the advective form, equation (1) of the paper, keeps the mass if ∇·w = 0",
        corrected=advective_form_keeps_mass_without_divergence,
    ),
    Statement(
        "constants",
        "N12",
        "the advective form keeps constants in any wind",
        corrected=advective_form_keeps_constants,
    ),
    Statement(
        "variance-wind",
        "N13",
        "a non-divergent wind changes no variance",
        corrected=wind_leaves_variance,
    ),
    Statement(
        "variance-scheme",
        "N13",
        "RK4 keeps the variance to fifth order",
        corrected=scheme_leaves_variance,
    ),
    Statement(
        "variance-decay",
        "N13",
        "diffusion takes variance at 2Dn(n+1)/R² of each degree",
        corrected=variance_decays,
    ),
    Statement(
        "monotone-extremes",
        "N7",
        "the monotone scheme makes no new extremes",
        corrected=monotone_makes_no_extremes,
    ),
    Statement(
        "monotone-mass",
        "N7",
        "the monotone scheme keeps the mass, and constants bit by bit",
        corrected=monotone_keeps_mass_and_constants,
    ),
    *density.STATEMENTS,
)
"""Of the integral properties."""
