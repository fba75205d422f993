"""Proposition 1: superposition, and when a particular solution is time-invariant.

w·∇φ − D∇²φ = s has a solution on the closed sphere only if s is balanced: ∫ s ρ dΩ = 0 with the
invariant density ρ, ∇·(wρ) + D∇²ρ = 0, which is constant for non-divergent w. Otherwise the
particular solution is steady(s − s̄) + s̄ t with s̄ = ∫ s ρ dΩ / ∫ ρ dΩ.
"""

import math
from functools import cache
from itertools import islice

import torch
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SphericalHarmonics,
    SteadySource,
    SteadyWind,
    Step,
    Wind,
    lawson_rk4,
    trajectory,
)
from co2net_phys.solvers.invariants import inner_product
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

DIFFUSIVITY = 1e6
"""D of the checks, m² s⁻¹."""

DURATION = 10.0 * SECONDS_PER_DAY
"""Simulated time, s."""

TIME_STEP = 900.0
"""Time step, s."""

TRUNCATION = 10
"""Largest degree of the checks."""

SOURCE_CENTRES = ((0.7, 1.8), (0.5, -1.6))
"""Latitude and longitude of the two hills of the source, radians."""

SHARPNESS = 10.0
"""κ of a hill exp(κ(cos γ − 1)) at the angular distance γ from its centre; mean (1 − e^−2κ)/2κ."""

WINDS = (False, True)
"""Whether the wind of a check has a divergence."""

_UNIT_MEAN = math.sqrt(4.0 * math.pi)
"""a_00 of a field of mean one."""


def superposition() -> Finding:
    """solve(φ0, s) against solve(φ0, 0) + solve(0, s) in an unsteady deformational wind."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    wind = DeformationalFlow(harmonics)
    initial, source = _random_modal(harmonics)
    together = _run(harmonics, wind, initial, source)
    apart = _run(harmonics, wind, initial, 0 * source) + _run(harmonics, wind, 0 * initial, source)
    return find(
        "linearity",
        "the solution is the homogeneous one plus a particular one",
        "Proposition 1",
        float((together - apart).abs().max() / together.abs().max()),
        1e-13,
        "round-off, as the equation is linear",
    )


def balanced_source() -> Finding:
    """Change in ten days of the steady solution of a balanced source, in two winds."""
    changes = [_largest_change(particular_solution(False, divergent)[1]) for divergent in WINDS]
    harmonics, wind, source = steady_problem(divergent=True)
    density = invariant_density(harmonics, wind, DIFFUSIVITY)
    plain = 1.0 - weighted_mean(source, density) * DURATION
    return find(
        "balanced-source",
        "with ∫ s ρ dΩ = 0, ρ the invariant density, a time-invariant particular solution exists",
        "Proposition 1, corrected",
        max(changes),
        3e-11,
        "largest change in a wind without divergence, where ρ = 1, and with, where the balanced "
        f"source has an area mean, {plain:.1%} of s before; steps of {TIME_STEP:g} s",
    )


def net_source() -> Finding:
    """Growth of the particular solution of a source with a mean, as printed invariant."""
    _, states = particular_solution(net=True)
    return find(
        "net-source",
        "the particular solution is time-invariant whenever w, D and s are",
        "Proposition 1, as printed",
        _largest_change(states),
        1e-10,
        "no steady solution exists: the field of the balanced part gains the net source",
    )


def net_source_drift() -> Finding:
    """Growth of the global mean against that of the source, which is one by a closed form."""
    harmonics, _, _ = steady_problem(divergent=False)
    _, states = particular_solution(net=True)
    return find(
        "net-source-drift",
        "a net source s̄ makes the particular solution grow as s̄ t",
        "Proposition 1, corrected",
        abs(float(harmonics.global_mean(states[-1] - states[0])) - 1.0),
        1e-12,
        "s̄ t is the integral of two hills in closed form; the growth rate of atmospheric CO2",
    )


def weighted_drift() -> Finding:
    """The drift in a divergent wind against the mean source weighted by the invariant density."""
    harmonics, wind, source = steady_problem(divergent=True)
    drift = weighted_mean(source, invariant_density(harmonics, wind, DIFFUSIVITY)) * DURATION
    _, states = particular_solution(net=True, divergent=True)
    gained = states[-1] - states[0]
    uniform = torch.zeros_like(gained)
    uniform[0, 0] = drift * _UNIT_MEAN
    return find(
        "weighted-drift",
        "in a divergent wind the drift is uniform and equals ∫sρ/∫ρ",
        "Proposition 1, corrected",
        float((gained - uniform).abs().max() / uniform.abs().max()),
        5e-12,
        f"the plain area mean of s would be off by {abs(1.0 / drift - 1.0):.0%}",
    )


@cache  # four checks and a figure read these runs
def particular_solution(net: bool, divergent: bool = False) -> tuple[Tensor, Tensor]:
    """Days (n,) and states (n, l, m) that start from the steady solution of the balanced part.

    Args:
        net: keep the mean of the source, weighted by the invariant density; without it, the
            source is balanced.
        divergent: the wind, as in :func:`steady_problem`.
    """
    harmonics, wind, source = steady_problem(divergent)
    steady = steady_solution(harmonics, wind, source, DIFFUSIVITY)
    if not net:
        density = invariant_density(harmonics, wind, DIFFUSIVITY)
        source[0, 0] -= weighted_mean(source, density) * _UNIT_MEAN
    days, per_day = round(DURATION / SECONDS_PER_DAY), round(SECONDS_PER_DAY / TIME_STEP)
    daily = trajectory(_step(harmonics, wind, source), steady, 0.0, TIME_STEP, per_day)
    states = torch.stack([state for _, state in islice(daily, days + 1)])
    return torch.arange(days + 1, dtype=torch.float64), states


def steady_solution(
    harmonics: SphericalHarmonics, wind: SteadyWind, source: Tensor, diffusivity: float
) -> Tensor:
    """Zero-mean φ with w·∇φ − D∇²φ = s − s̄, by a dense solve; s̄ is the weighted mean of s.

    Args:
        harmonics: of low truncation, as the matrix has (T + 1)² rows.
        wind: steady.
        source: s, modal (l, m), tracer unit per s.
        diffusivity: D, m² s⁻¹.

    Returns:
        φ, modal (l, m), tracer unit.
    """
    operator = -_operator(AdvectionDiffusion(harmonics, wind), diffusivity)
    right = _pack(source)
    solution = torch.zeros_like(right)
    # Without column 0, the mean, which the operator does not feel, and row 0: s̄ fulfils it.
    solution[1:] = torch.linalg.solve(operator[1:, 1:], right[1:])
    return _unpack(solution, harmonics.truncation)


def invariant_density(
    harmonics: SphericalHarmonics, wind: SteadyWind, diffusivity: float
) -> Tensor:
    """ρ of mean one with ∇·(wρ) + D∇²ρ = 0: steady in the flux form with the wind reversed.

    Args:
        harmonics: of low truncation.
        wind: steady; if it is non-divergent, ρ is 1 everywhere.
        diffusivity: D, m² s⁻¹.

    Returns:
        ρ, modal (l, m), dimensionless.
    """
    u, v = wind(0.0)
    backwards = AdvectionDiffusion(harmonics, SteadyWind(-u, -v), form="flux")
    operator = _operator(backwards, diffusivity)
    density = torch.zeros_like(operator[0])
    density[0] = _UNIT_MEAN
    density[1:] = torch.linalg.solve(operator[1:, 1:], -operator[1:, 0] * _UNIT_MEAN)
    return _unpack(density, harmonics.truncation)


def weighted_mean(source: Tensor, density: Tensor) -> float:
    """s̄ = ∫ s ρ dΩ / ∫ ρ dΩ of modal (l, m) s and ρ, unit of s."""
    one = torch.zeros_like(density)
    one[0, 0] = _UNIT_MEAN
    return float(inner_product(source, density) / inner_product(one, density))


def steady_problem(divergent: bool) -> tuple[SphericalHarmonics, SteadyWind, Tensor]:
    """A frozen deformational wind and a source of two hills, modal, of mean one per duration.

    Args:
        divergent: which of the two deformational winds.
    """
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    wind = SteadyWind(*DeformationalFlow(harmonics, divergent=divergent)(0.0))
    latitude, longitude = harmonics.coordinates()
    hills = torch.zeros(harmonics.grid.shape, dtype=torch.float64)
    for north, east in SOURCE_CENTRES:
        across = latitude.cos() * math.cos(north) * (longitude - east).cos()
        hills += torch.exp(SHARPNESS * (latitude.sin() * math.sin(north) + across - 1.0))
    # Not by the transforms or their mean, which checks are to judge.
    mean = len(SOURCE_CENTRES) * -math.expm1(-2.0 * SHARPNESS) / (2.0 * SHARPNESS)
    return harmonics, wind, harmonics.to_modal(hills / (mean * DURATION))


def _operator(equation: AdvectionDiffusion, diffusivity: float) -> Tensor:
    """Matrix of transport and diffusion; column j is what they make of the j-th basis field."""
    harmonics = equation.harmonics
    size = (harmonics.truncation + 1) ** 2
    basis = _unpack(torch.eye(size, dtype=torch.float64), harmonics.truncation)
    tendency = equation.explicit_terms(basis, 0.0) + diffusivity * harmonics.laplacian(basis)
    return _pack(tendency).mT


def _pack(modal: Tensor) -> Tensor:
    """(..., l, m) complex to its (T + 1)² independent real numbers, the mean first."""
    l, m = torch.tril_indices(modal.shape[-2], modal.shape[-1])
    waves = m > 0
    return torch.cat([modal[..., l, m].real, modal[..., l[waves], m[waves]].imag], dim=-1)


def _unpack(packed: Tensor, truncation: int) -> Tensor:
    """Inverse of :func:`_pack`."""
    size = truncation + 1
    l, m = torch.tril_indices(size, size)
    waves = m > 0
    parts = packed.new_zeros(*packed.shape[:-1], size, size, 2)
    parts[..., l, m, 0] = packed[..., : l.numel()]
    parts[..., l[waves], m[waves], 1] = packed[..., l.numel() :]
    return torch.view_as_complex(parts)


def _random_modal(harmonics: SphericalHarmonics) -> tuple[Tensor, Tensor]:
    """Initial field and source, both random and the latter with a mean of one per duration."""
    generator = torch.Generator().manual_seed(0)
    nodal = torch.randn(2, *harmonics.grid.shape, generator=generator, dtype=torch.float64)
    initial, source = harmonics.to_modal(nodal + torch.tensor([0.0, 1.0])[:, None, None])
    return initial, source / DURATION


def _largest_change(states: Tensor) -> float:
    """Largest departure (n, l, m) from the first state, relative to it."""
    return float((states - states[0]).abs().max() / states[0].abs().max())


def _step(harmonics: SphericalHarmonics, wind: Wind, source: Tensor) -> Step:
    rate = SteadySource(harmonics.to_nodal(source))
    return lawson_rk4(AdvectionDiffusion(harmonics, wind, DIFFUSIVITY, rate), TIME_STEP)


def _run(harmonics: SphericalHarmonics, wind: Wind, initial: Tensor, source: Tensor) -> Tensor:
    step, state = _step(harmonics, wind, source), initial
    for n in range(round(DURATION / TIME_STEP)):
        state = step(state, n * TIME_STEP)
    return state


STATEMENTS = (
    Statement(
        "linearity",
        "R1",
        "the solution is the homogeneous one plus a particular one",
        corrected=superposition,
    ),
    Statement(
        "time-invariance",
        "R2",
        "a time-invariant particular solution exists if ∫ s ρ dΩ = 0, and not otherwise",
        corrected=balanced_source,
        printed=net_source,
    ),
    Statement(
        "net-source-drift",
        "R3",
        "a net source s̄ makes the particular solution grow as s̄ t",
        corrected=net_source_drift,
    ),
    Statement(
        "weighted-drift",
        "R3",
        "in a divergent wind s̄ is weighted by the invariant density of the adjoint",
        corrected=weighted_drift,
    ),
)
"""Proposition 1."""
