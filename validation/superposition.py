"""Proposition 1: superposition, and when a particular solution is time-invariant.

w·∇φ − D∇²φ = s has a solution on the closed sphere only if s is balanced (for non-divergent w and
constant D: of zero mean). Otherwise the particular solution is steady(s − s̄) + s̄ t.
"""

import torch
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    DeformationalFlow,
    Grid,
    SphericalHarmonics,
    SteadyWind,
    Wind,
    lawson_rk4,
)
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

DIFFUSIVITY = 1e6
"""D of the checks, m² s⁻¹."""

DURATION = 5.0 * SECONDS_PER_DAY
"""Simulated time, s."""

TIME_STEP = 1800.0
"""Time step, s."""

TRUNCATION = 10
"""Largest degree of the checks."""


def superposition() -> Finding:
    """solve(φ0, s) against solve(φ0, 0) + solve(0, s) in an unsteady deformational wind."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    wind = DeformationalFlow(harmonics)
    initial, source = _random_modal(harmonics)
    together = _run(harmonics, wind, initial, source)
    apart = _run(harmonics, wind, initial, 0 * source) + _run(harmonics, wind, 0 * initial, source)
    return find(
        "superposition",
        "the solution is the homogeneous one plus a particular one",
        "Proposition 1",
        float((together - apart).abs().max() / together.abs().max()),
        1e-13,
        "round-off, as the equation is linear",
    )


def balanced_source() -> Finding:
    """Change in five days of the steady solution that belongs to a source of zero mean."""
    harmonics, wind, source = _steady_problem()
    source[0, 0] = 0.0
    steady = steady_solution(harmonics, wind, source, DIFFUSIVITY)
    later = _run(harmonics, wind, steady, source)
    return find(
        "balanced-source",
        "with a source of zero mean there is a time-invariant particular solution",
        "Proposition 1, corrected",
        float((later - steady).abs().max() / steady.abs().max()),
        1e-8,
        f"the scheme keeps it to its own error, steps of {TIME_STEP:g} s",
    )


def net_source() -> Finding:
    """Growth of the particular solution of a source with a mean, as printed invariant."""
    harmonics, wind, source = _steady_problem()
    steady = steady_solution(harmonics, wind, source, DIFFUSIVITY)
    later = _run(harmonics, wind, steady, source)
    return find(
        "net-source",
        "the particular solution is time-invariant whenever w, D and s are",
        "Proposition 1, as printed",
        float((later - steady).abs().max() / steady.abs().max()),
        1e-8,
        "no steady solution exists: the field of the balanced part gains the net source",
    )


def net_source_drift() -> Finding:
    """Growth rate of the global mean against the mean source."""
    harmonics, wind, source = _steady_problem()
    steady = steady_solution(harmonics, wind, source, DIFFUSIVITY)
    gained = harmonics.global_mean(_run(harmonics, wind, steady, source) - steady)
    expected = harmonics.global_mean(source) * DURATION
    return find(
        "net-source-drift",
        "a net source s̄ makes the particular solution grow as s̄ t",
        "Proposition 1, corrected",
        float((gained - expected).abs() / expected.abs()),
        1e-10,
        "this drift is the growth rate of atmospheric CO2",
    )


def steady_solution(
    harmonics: SphericalHarmonics, wind: SteadyWind, source: Tensor, diffusivity: float
) -> Tensor:
    """Zero-mean φ with w·∇φ − D∇²φ = s − s̄, by a dense solve; w must be non-divergent.

    Args:
        harmonics: of low truncation, as the matrix has (T + 1)² rows.
        wind: steady.
        source: s, modal (l, m), tracer unit per s.
        diffusivity: D, m² s⁻¹.

    Returns:
        φ, modal (l, m), tracer unit.
    """
    size = (harmonics.truncation + 1) ** 2
    basis = _unpack(torch.eye(size, dtype=torch.float64), harmonics.truncation)
    advection = AdvectionDiffusion(harmonics, wind).explicit_terms(basis, 0.0)
    tendency = advection + diffusivity * harmonics.laplacian(basis)
    operator = -_pack(tendency).mT  # column j: the operator on the j-th basis field
    right = _pack(source)
    solution = torch.zeros_like(right)
    # Row and column 0 belong to the mean, which neither advection nor diffusion changes or feels.
    solution[1:] = torch.linalg.solve(operator[1:, 1:], right[1:])
    return _unpack(solution, harmonics.truncation)


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


def _steady_problem() -> tuple[SphericalHarmonics, SteadyWind, Tensor]:
    """A frozen deformational wind, non-divergent, and a random source with a mean."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    wind = SteadyWind(*DeformationalFlow(harmonics)(0.0))
    return harmonics, wind, _random_modal(harmonics)[1]


def _random_modal(harmonics: SphericalHarmonics) -> tuple[Tensor, Tensor]:
    """Initial field and source, both random and the latter with a mean of one per duration."""
    generator = torch.Generator().manual_seed(0)
    nodal = torch.randn(2, *harmonics.grid.shape, generator=generator, dtype=torch.float64)
    initial, source = harmonics.to_modal(nodal + torch.tensor([0.0, 1.0])[:, None, None])
    return initial, source / DURATION


def _run(harmonics: SphericalHarmonics, wind: Wind, initial: Tensor, source: Tensor) -> Tensor:
    rate = harmonics.to_nodal(source)
    equation = AdvectionDiffusion(harmonics, wind, DIFFUSIVITY, lambda time, tracer: rate)
    step, state = lawson_rk4(equation, TIME_STEP), initial
    for n in range(round(DURATION / TIME_STEP)):
        state = step(state, n * TIME_STEP)
    return state


STATEMENTS = (
    Statement(
        "superposition",
        "R1",
        "the solution is the homogeneous one plus a particular one",
        corrected=superposition,
    ),
    Statement(
        "time-invariance",
        "R2",
        "a time-invariant particular solution exists if the source has no mean, and not otherwise",
        corrected=balanced_source,
        printed=net_source,
    ),
    Statement(
        "net-source-drift",
        "R3",
        "a net source s̄ makes the particular solution grow as s̄ t",
        corrected=net_source_drift,
    ),
)
"""Proposition 1."""
