"""Theorem 2: the spherical-harmonic series of a tracer in solid-body rotation.

For u = UR cos θ, constant D and a steady source S, each coefficient obeys dA/dt = −λA + S with
λ_nm = D n(n+1)/R² + imU, so A(t) = A(0) e^{−λt} + S (1 − e^{−λt})/λ, and A(0) + S t where λ = 0.
The paper has imU with the other sign, twice, and starts the sum at n = 1. Which wind and which
argument of the Legendre functions it takes are the matter of ``zonal_speed`` and
``latitude_basis``.
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
    SteadySource,
    lawson_rk4,
)
from co2net_phys.validation import latitude_basis, zonal_speed
from co2net_phys.validation.closed_form import closed_form, printed_form
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

TURNING_ORDERS = 6
"""Orders whose direction of rotation is measured: mUt < π, or a wave would look the same again."""

__all__ = [
    "STATEMENTS",
    "carried_tracer",
    "closed_form",
    "corrected_series",
    "global_mean_is_needed",
    "mean_grows_linearly",
    "printed_form",
    "printed_rotation",
    "printed_series",
    "rotation_follows_the_wind",
]


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


def mean_grows_linearly() -> Finding:
    """The global mean of the solver against A(0) + St, where λ = 0."""
    harmonics, _, _, solved = _solve()
    initial, emitted = _area_mean(_random_fields(harmonics))
    expected = initial + emitted
    return find(
        "mean-growth",
        "the term n = m = 0 is A(0) + St",
        "Theorem 2, corrected",
        float((harmonics.global_mean(solved) - expected).abs() / expected.abs()),
        1e-12,
        "A(0) and S by numpy's quadrature; C = S/λ of the printed form does not exist, as λ = 0",
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
    turned = _turned(_turning_waves())
    return find(
        "rotation-direction",
        "a wave of order m turns eastward by Ut, its coefficient by e^{−imUt}",
        "Theorem 2, corrected",
        float((turned / (ANGULAR_SPEED * DURATION) - 1.0).abs().max()),
        1e-10,
        "relative to Ut = 24.8°; the printed e^{+imUt} would give 2, the wrong direction",
    )


def printed_rotation() -> Finding:
    """Longitude by which waves would have turned with the printed e^{+imUt}, against the solver."""
    harmonics, order = _harmonics(), torch.arange(1, TURNING_ORDERS + 1)
    initial = _sectoral(order)
    printed = printed_form(harmonics, initial, 0.0 * initial, 0.0, ANGULAR_SPEED, DURATION)
    ratio = _turned(printed) / _turned(_turning_waves())
    return find(
        "printed-rotation",
        "a wave of order m turns by e^{+imUt}",
        "Theorem 2, as printed",
        float((ratio - 1.0).abs().max()),
        1e-10,
        "relative to the solver's turn: 2 is the same angle in the wrong direction",
    )


def carried_tracer(days: float) -> tuple[SphericalHarmonics, Tensor, Tensor, Tensor]:
    """A hill at 0° N, 0° E: transforms, start, solver and printed form after ``days``; nodal."""
    harmonics = SphericalHarmonics(Grid.gaussian(3 * TRUNCATION), 3 * TRUNCATION)
    latitude, longitude = harmonics.coordinates()
    hill = torch.exp(6.0 * (latitude.cos() * longitude.cos() - 1.0))
    initial, duration = harmonics.to_modal(hill), days * SECONDS_PER_DAY
    solved = _run(harmonics, initial, None, DIFFUSIVITY, duration)
    none = torch.zeros_like(initial)
    printed = printed_form(harmonics, initial, none, DIFFUSIVITY, ANGULAR_SPEED, duration)
    printed[0, 0] = solved[0, 0]  # the missing mean is another matter
    return harmonics, hill, harmonics.to_nodal(solved), harmonics.to_nodal(printed)


@cache  # four checks judge the same run
def _solve() -> tuple[SphericalHarmonics, Tensor, Tensor, Tensor]:
    """Transforms, random A(0) and S (S T about as large as A), and the solver's A(T)."""
    harmonics = _harmonics()
    initial, source = harmonics.to_modal(_random_fields(harmonics))
    source = source / DURATION
    return harmonics, initial, source, _run(harmonics, initial, source, DIFFUSIVITY, DURATION)


def _random_fields(harmonics: SphericalHarmonics) -> Tensor:
    """A(0) and S T at the nodes, (2, nlat, nlon)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, *harmonics.grid.shape, generator=generator, dtype=torch.float64)


def _area_mean(nodal: Tensor) -> Tensor:
    """Mean (...) of values at Gaussian nodes, by numpy's weights and not by what is judged."""
    weights = torch.from_numpy(np.polynomial.legendre.leggauss(nodal.shape[-2])[1])
    return nodal.mean(-1) @ weights / 2.0


@cache  # two checks judge the same run
def _turning_waves() -> Tensor:
    return _run(_harmonics(), _sectoral(torch.arange(1, TURNING_ORDERS + 1)), None, 0.0, DURATION)


def _sectoral(order: Tensor) -> Tensor:
    """Unit coefficients of n = m for each order."""
    modal = torch.zeros(TRUNCATION + 1, TRUNCATION + 1, dtype=torch.complex128)
    modal[order, order] = 1.0
    return modal


def _turned(modal: Tensor) -> Tensor:
    """Longitude by which the sectoral waves have turned eastward, radians, within ±π/m."""
    order = torch.arange(1, TURNING_ORDERS + 1)
    return -torch.angle(modal[order, order]) / order


def _harmonics() -> SphericalHarmonics:
    return SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)


def _run(
    harmonics: SphericalHarmonics,
    initial: Tensor,
    source: Tensor | None,
    diffusivity: float,
    duration: float,
) -> Tensor:
    """The solver with explicit advection, so that it knows nothing of the closed form."""
    wind = SolidBodyRotation(harmonics, ANGULAR_SPEED)
    rate = None if source is None else SteadySource(harmonics.to_nodal(source))
    equation = AdvectionDiffusion(harmonics, wind, diffusivity, rate)
    step, state = lawson_rk4(equation, TIME_STEP), initial
    for n in range(round(duration / TIME_STEP)):
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
        printed=printed_rotation,
        margin=1.0,
    ),
    Statement(
        "global-mean",
        "R5",
        "the sum starts at n = 0, the global mean, which grows as A(0) + St",
        corrected=mean_grows_linearly,
        printed=global_mean_is_needed,
    ),
    *zonal_speed.STATEMENTS,
    *latitude_basis.STATEMENTS,
)
"""Theorem 2."""
