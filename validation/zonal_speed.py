"""Theorem 2's wind: constant angular speed leaves the degrees apart, constant linear speed not.

Of the order m, advection by u(θ) couples the degree n to n' by

    C_nn' = (im/R) ∫ P_nm u P_n'm / cos θ dΩ = (2πim/R) ∫ P_nm u P_n'm dθ,

the diagonal imU for u = UR cos θ. For a constant u the second form has a trigonometric polynomial
under the integral, so that equally spaced θ give it exactly, pole or no pole; every entry with
n + n' even is positive, those with n + n' odd vanish (R6). The solver's own quadrature does not
integrate the 1/cos θ exactly, so that the truth for such a wind is the exponential of the exact
matrix and not a run.
"""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import expm
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    Grid,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadyWind,
    ZonalPropagator,
)
from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.solvers.legendre import legendre_tables
from co2net_phys.validation.closed_form import closed_form
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

TRUNCATION = 21
"""Largest degree of the checks."""

ANGULAR_SPEED = 5e-6
"""U, rad s⁻¹."""

LINEAR_SPEED = ANGULAR_SPEED * EARTH_RADIUS_M
"""The constant zonal wind that has this angular speed at the equator, 32 m s⁻¹."""

DIFFUSIVITY = 1e5
"""D of the run, m² s⁻¹."""

DURATION = 3.0 * SECONDS_PER_DAY
"""Of the run, s."""

START = (0.9, 0.0)
"""Latitude and longitude of the hill that is carried, radians: 52° N."""


def angular_speed_leaves_degrees_apart() -> Finding:
    """Departure of the solver's matrices for u = UR cos θ from the diagonal imU."""
    errors = []
    for m, block in enumerate(solver_coupling()[1:], start=1):
        expected = -1j * m * ANGULAR_SPEED * torch.eye(len(block), dtype=block.dtype)
        errors.append(float((block - expected).abs().max()) / (m * ANGULAR_SPEED))
    return find(
        "angular-speed",
        "u = UR cos θ multiplies each coefficient by −imU and couples no two of them",
        "Theorem 2, corrected",
        max(errors),
        1e-13,
        f"largest error of an entry relative to mU, T{TRUNCATION}, m = 1 to {TRUNCATION}",
    )


def linear_speed_leaves_degrees_apart() -> Finding:
    """Off-diagonal share of the exact coupling by a zonal wind of constant linear speed."""
    shares = [off_diagonal_share(coupling(m)) for m in range(1, TRUNCATION // 2)]
    return find(
        "linear-speed-coupling",
        "a zonal wind of constant speed, w = (0, U), leaves the coefficients apart",
        "Theorem 2, as printed",
        max(shares),
        1e-12,
        f"off-diagonal share of the matrix of order m in the Frobenius norm, {shares[0]:.2f} for "
        f"m = 1 and {shares[-1]:.2f} for m = {len(shares)}; exact matrices",
    )


def angular_speed_has_the_series() -> Finding:
    """Relative error of the series for a hill in solid-body rotation."""
    solved, series = carried_hill(linear=False)
    return find(
        "angular-speed-series",
        "the series gives the tracer in a wind of constant angular speed",
        "Theorem 2, corrected",
        _relative_error(series, solved),
        1e-13,
        f"{DURATION / SECONDS_PER_DAY:g} days against one matrix exponential per order",
    )


def linear_speed_has_the_series() -> Finding:
    """Relative error of the (corrected) series for a hill in a wind of constant linear speed."""
    exact, series = carried_hill(linear=True)
    by_solver = _relative_error(solved_hill(linear=True), exact)
    return find(
        "linear-speed-series",
        "the series gives the tracer in a zonal wind of constant speed, w = (0, U)",
        "Theorem 2, as printed",
        _relative_error(series, exact),
        1e-13,
        f"largest error after {DURATION / SECONDS_PER_DAY:g} days relative to the largest value, "
        "signs of imU put right, against the exponential of the exact coupling; the solver, which "
        f"has no exact 1/cos θ, is off by {by_solver:.1%}",
    )


def solver_coupling() -> list[Tensor]:
    """Matrices (n, n') of the orders 0…T by which the solver advects with u = UR cos θ, s⁻¹."""
    harmonics = _harmonics()
    wind = SolidBodyRotation(harmonics, ANGULAR_SPEED)
    return ZonalPropagator(AdvectionDiffusion(harmonics, wind)).blocks


def coupling(order: int, truncation: int = TRUNCATION) -> NDArray[np.float64]:
    """(n, n') of C/(im) for constant u = LINEAR_SPEED and n = m…T, s⁻¹; exact.

    The integrand is a polynomial of degree 2T in sin θ and cos θ and, where it does not vanish by
    symmetry, of period π: more than T equally spaced nodes integrate it exactly.

    Args:
        order: m.
        truncation: T.
    """
    count = 2 * (truncation + 1)
    latitude = -90.0 + (np.arange(count) + 0.5) * 180.0 / count
    table = legendre_tables(latitude, truncation).values.numpy()[order, order:]  # (n, θ)
    weight = 2.0 * np.pi * (np.pi / count)
    return np.asarray(LINEAR_SPEED / EARTH_RADIUS_M * weight * table @ table.T)


def off_diagonal_share(matrix: NDArray[np.float64]) -> float:
    """Frobenius norm of what is off the diagonal, relative to that of the whole."""
    rest = matrix - np.diag(np.diag(matrix))
    return float(np.linalg.norm(rest) / np.linalg.norm(matrix))


@cache  # checks and a figure read the same fields
def carried_hill(linear: bool) -> tuple[Tensor, Tensor]:
    """A hill after :data:`DURATION`, nodal (nlat, nlon): as it is, and by the series.

    The former is the solver's in solid-body rotation and by the exact coupling in the other wind.

    Args:
        linear: a wind of constant linear speed instead of solid-body rotation.
    """
    harmonics, initial = _harmonics(), _hill()
    later = harmonics.to_nodal(_exactly(initial)) if linear else solved_hill(linear)
    series = closed_form(harmonics, initial, 0 * initial, DIFFUSIVITY, ANGULAR_SPEED, DURATION)
    return later, harmonics.to_nodal(series)


def solved_hill(linear: bool) -> Tensor:
    """The hill after :data:`DURATION` by the solver, nodal (nlat, nlon); see carried_hill."""
    harmonics = _harmonics()
    u = torch.full(harmonics.grid.shape, LINEAR_SPEED, dtype=torch.float64)
    wind = SteadyWind(u, 0.0 * u) if linear else SolidBodyRotation(harmonics, ANGULAR_SPEED)
    propagator = ZonalPropagator(AdvectionDiffusion(harmonics, wind, DIFFUSIVITY))
    return harmonics.to_nodal(propagator(_hill(), DURATION))


def _exactly(initial: Tensor) -> Tensor:
    """Modal (l, m) after :data:`DURATION` for constant u: one exponential of −C − D n(n+1)/R²."""
    later = torch.zeros_like(initial)
    for m in range(TRUNCATION + 1):
        n = np.arange(m, TRUNCATION + 1.0)
        decay = np.diag(DIFFUSIVITY / EARTH_RADIUS_M**2 * n * (n + 1.0))
        grown = expm(-(1j * m * coupling(m) + decay) * DURATION)
        later[m:, m] = torch.from_numpy(grown) @ initial[m:, m]
    return later


def _hill() -> Tensor:
    """The hill at the start, modal (l, m)."""
    harmonics = _harmonics()
    latitude, longitude = harmonics.coordinates()
    across = latitude.cos() * np.cos(START[0]) * (longitude - START[1]).cos()
    return harmonics.to_modal(torch.exp(8.0 * (latitude.sin() * np.sin(START[0]) + across - 1.0)))


def _harmonics() -> SphericalHarmonics:
    return SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)


def _relative_error(value: Tensor, reference: Tensor) -> float:
    return float((value - reference).abs().max() / reference.abs().max())


STATEMENTS = (
    Statement(
        "coupling",
        "R6",
        "constant angular speed couples no degrees; constant linear speed couples them all",
        corrected=angular_speed_leaves_degrees_apart,
        printed=linear_speed_leaves_degrees_apart,
    ),
    Statement(
        "zonal-wind",
        "R6",
        "the series applies to solid-body rotation, u = UR cos θ",
        corrected=angular_speed_has_the_series,
        printed=linear_speed_has_the_series,
    ),
)
"""The wind of Theorem 2."""
