"""Theorem 2: the spherical-harmonic series of a tracer in solid-body rotation.

For u = UR cos θ, constant D and a steady source S, each coefficient obeys dA/dt = −λA + S with
λ_nm = D n(n+1)/R² + imU, so A(t) = A(0) e^{−λt} + S (1 − e^{−λt})/λ, and A(0) + S t where λ = 0.
The paper has imU with the other sign, twice, and starts the sum at n = 1.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    lawson_rk4,
)
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

ANGULAR_SPEED = 5e-6
"""U of the checks, rad s⁻¹: 32 m s⁻¹ at the equator, once around in 14.5 days."""

DIFFUSIVITY = 1e6
"""D of the checks, m² s⁻¹."""

DURATION = SECONDS_PER_DAY
"""Simulated time, s."""

TIME_STEP = 120.0
"""Time step, s, small enough for the scheme's own error to be below the bound."""

TRUNCATION = 8
"""Largest degree of the checks."""


def closed_form(
    harmonics: SphericalHarmonics,
    initial: Tensor,
    source: Tensor,
    diffusivity: float,
    angular_speed: float,
    time: float,
) -> Tensor:
    """Corrected series at ``time``.

    Args:
        harmonics: gives the degrees and the radius.
        initial: A(0), (..., l, m), tracer unit.
        source: S, (..., l, m), tracer unit per s.
        diffusivity: D, m² s⁻¹.
        angular_speed: U, rad s⁻¹.
        time: t, s.
    """
    order = torch.arange(harmonics.truncation + 1, dtype=torch.float64)
    decay = -diffusivity * harmonics.laplacian_eigenvalues[:, None]
    rate = decay + 1j * angular_speed * order  # λ, (l, m)
    resting = rate == 0
    divisor = torch.where(resting, torch.ones_like(rate), rate)
    response = torch.from_numpy(-np.expm1(-rate.numpy() * time)) / divisor
    response = torch.where(resting, torch.full_like(rate, time), response)
    return initial * torch.exp(-rate * time) + source * response


def printed_form(
    harmonics: SphericalHarmonics,
    initial: Tensor,
    source: Tensor,
    diffusivity: float,
    angular_speed: float,
    time: float,
) -> Tensor:
    """The series as the paper prints it: e^{+imUt}, S/(νn(n+1) − imU), n ≥ 1; see closed_form."""
    series = closed_form(harmonics, initial, source, diffusivity, -angular_speed, time)
    series[..., 0, :] = 0.0
    return series


def corrected_series() -> Finding:
    """The solver against the corrected closed form, all degrees and orders at once."""
    harmonics, initial, source, solved = _solve()
    exact = closed_form(harmonics, initial, source, DIFFUSIVITY, ANGULAR_SPEED, DURATION)
    return find(
        "corrected-series",
        "A(t) = A(0)e^{−λt} + S(1 − e^{−λt})/λ with λ = Dn(n+1)/R² + imU, from n = 0",
        "Theorem 2, corrected",
        _relative_error(solved, exact),
        1e-10,
        f"T{TRUNCATION}, {DURATION:g} s in steps of {TIME_STEP:g} s, random A(0) and S",
    )


def printed_series() -> Finding:
    """The solver against the closed form as printed, in the degrees that it has."""
    harmonics, initial, source, solved = _solve()
    printed = printed_form(harmonics, initial, source, DIFFUSIVITY, ANGULAR_SPEED, DURATION)
    return find(
        "printed-series",
        "A(t) = (A(0) − C)e^{(imU − νn(n+1))t} + C with C = S/(νn(n+1) − imU)",
        "Theorem 2, as printed",
        _relative_error(solved[..., 1:, :], printed[..., 1:, :]),
        1e-10,
        "the sign of imU is wrong in both places: the tracer turns against the wind; "
        "n = 0, which the printed sum leaves out, is not counted here",
    )


def global_mean_is_needed() -> Finding:
    """What the printed sum, which starts at n = 1, makes of the global mean."""
    harmonics, initial, source, solved = _solve()
    printed = printed_form(harmonics, initial, source, DIFFUSIVITY, ANGULAR_SPEED, DURATION)
    mean = harmonics.global_mean(solved)
    return find(
        "printed-mean",
        "the sum over n ≥ 1 represents the tracer",
        "Theorem 2, as printed",
        float((harmonics.global_mean(printed) - mean).abs() / mean.abs()),
        1e-10,
        "relative error of the global mean: Y_00 is missing, and with it the growth of CO2",
    )


def rotation_follows_the_wind() -> Finding:
    """Longitude by which sectoral waves have turned after a day of pure advection."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    order = torch.arange(1, TRUNCATION + 1)
    initial = torch.zeros(TRUNCATION + 1, TRUNCATION + 1, dtype=torch.complex128)
    initial[order, order] = 1.0
    solved = _run(harmonics, initial, None, 0.0)
    turned = -torch.angle(solved[order, order]) / order
    expected = ANGULAR_SPEED * DURATION
    period = 2.0 * np.pi / order.double()  # a wave of order m looks the same after a turn by 2π/m
    error = torch.remainder(turned - expected + period / 2, period) - period / 2
    return find(
        "rotation-direction",
        "a wave of order m turns eastward by Ut, its coefficient by e^{−imUt}",
        "Theorem 2, corrected",
        float(error.abs().max() / expected),
        1e-10,
        "relative to Ut = 24.8°; the printed e^{+imUt} would give 2, the wrong direction",
    )


@cache  # three checks judge the same run
def _solve() -> tuple[SphericalHarmonics, Tensor, Tensor, Tensor]:
    """Transforms, random A(0) and S (S T about as large as A), and the solver's A(T)."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    generator = torch.Generator().manual_seed(0)
    nodal = torch.randn(2, *harmonics.grid.shape, generator=generator, dtype=torch.float64)
    initial, source = harmonics.to_modal(nodal)
    source = source / DURATION
    return harmonics, initial, source, _run(harmonics, initial, source, DIFFUSIVITY)


def _run(
    harmonics: SphericalHarmonics, initial: Tensor, source: Tensor | None, diffusivity: float
) -> Tensor:
    wind = SolidBodyRotation(harmonics, ANGULAR_SPEED)
    rate = None if source is None else harmonics.to_nodal(source)
    equation = AdvectionDiffusion(
        harmonics, wind, diffusivity, None if rate is None else lambda time, tracer: rate
    )
    step, state = lawson_rk4(equation, TIME_STEP), initial
    for n in range(round(DURATION / TIME_STEP)):
        state = step(state, n * TIME_STEP)
    return state


def _relative_error(value: Tensor, reference: Tensor) -> float:
    return float((value - reference).abs().max() / reference.abs().max())


STATEMENTS = (
    Statement(
        "series",
        "R4",
        "A(t) decays and turns with λ_nm = Dn(n+1)/R² + imU, from n = 0",
        corrected=corrected_series,
        printed=printed_series,
    ),
    Statement(
        "rotation-direction",
        "R4",
        "a wave turns with the wind",
        corrected=rotation_follows_the_wind,
        printed=None,
    ),
    Statement(
        "global-mean",
        "R5",
        "the sum starts at n = 0, the global mean",
        corrected=corrected_series,
        printed=global_mean_is_needed,
    ),
)
"""Theorem 2."""
