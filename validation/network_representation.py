"""Theorem 4: a finite series can be written with temporal and spatial factors, trivially.

    φ(x, t) = Σ_k A_k(t) Y_k(x),    k = (n, m), n ≤ L                                       (1)

is the sum of products that a network of two branches with a product between them computes, if one
branch gives A and the other Y. What it cannot give are the degrees beyond L: the error falls
geometrically for a smooth tracer, and like 1/√L for one with an edge.
"""

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import eval_legendre, sph_harm_y
from torch import Tensor

from co2net_phys.solvers import (
    SECONDS_PER_DAY,
    AdvectionDiffusion,
    Grid,
    SolidBodyPropagator,
    SolidBodyRotation,
    SphericalHarmonics,
    SteadySource,
)
from co2net_phys.validation import wind_phase
from co2net_phys.validation.closed_form import closed_form
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

Array = NDArray[np.float64]

TRUNCATION = 10
"""L of the factorised evaluation."""

ANGULAR_SPEED, DIFFUSIVITY = 5e-6, 1e6
"""U, rad s⁻¹, and D, m² s⁻¹."""

TIMES = (0.0, 0.5 * SECONDS_PER_DAY, 3.0 * SECONDS_PER_DAY, 30.0 * SECONDS_PER_DAY)
"""Of the comparison, s."""

POTENTIAL_RATIO = 0.7
"""h of the smooth tracer 1/√(1 − 2h cos γ + h²), γ the distance from (0° N, 0° E)."""

SMOOTH_DEGREES = (4, 8, 12, 16, 20, 24, 28, 32)
"""L of the smooth tracer."""

CAP_RADIUS = math.radians(30.0)
"""Of the tracer with an edge: one inside a circle, zero outside."""

ROUGH_DEGREES = tuple(range(16, 257))
"""L over which the order is measured."""

NETWORK_DEGREE = 21
"""L of a finite network with 484 factors."""


def factorised_evaluation() -> Finding:
    """Σ A_k(t) Y_k(x) with Y by scipy against the solver's field at several times."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    generator = torch.Generator().manual_seed(0)
    nodal = torch.randn(2, *harmonics.grid.shape, generator=generator, dtype=torch.float64)
    initial, source = harmonics.to_modal(nodal)
    source = source / SECONDS_PER_DAY
    written = factorised(
        temporal_factors(harmonics, initial, source, TIMES), spatial_factors(harmonics)
    )
    wind = SolidBodyRotation(harmonics, ANGULAR_SPEED)
    rate = SteadySource(harmonics.to_nodal(source))
    propagate = SolidBodyPropagator(AdvectionDiffusion(harmonics, wind, DIFFUSIVITY, rate))
    solved = harmonics.to_nodal(torch.stack([propagate(initial, time) for time in TIMES]))
    return find(
        "factorised-evaluation",
        "temporal factors A_nm(t) and spatial factors Y_nm(x), multiplied and summed, are φ",
        "Theorem 4",
        float((written - solved).abs().max() / solved.abs().max()),
        2e-14,
        f"{(TRUNCATION + 1) ** 2} factors, {len(TIMES)} times up to 30 days, from n = 0, "
        "Y_nm by scipy",
    )


def smooth_truncation() -> Finding:
    """Largest error of the series up to L against its closed form h^{L+1}/(1 − h)."""
    measured = smooth_errors()
    expected = geometric_errors()
    return find(
        "smooth-truncation",
        "of a smooth tracer the first (L + 1)² factors miss h^{L+1}/(1 − h), geometrically little",
        "Theorem 4, with its error",
        float(np.abs(measured / expected - 1.0).max()),
        1e-8,
        f"h = {POTENTIAL_RATIO:g}, L = {SMOOTH_DEGREES[0]} to {SMOOTH_DEGREES[-1]}: errors from "
        f"{measured[0]:.1g} to {measured[-1]:.1g}",
    )


def rough_truncation() -> Finding:
    """Order at which the l2 error of a tracer with an edge falls."""
    degrees = np.array(ROUGH_DEGREES)
    order = np.polyfit(np.log(degrees), np.log(cap_errors()[degrees]), 1)[0]
    return find(
        "rough-truncation",
        "of a tracer with an edge the l2 error falls only like 1/√L",
        "Theorem 4, with its error",
        abs(order + 0.5),
        0.15,
        f"order {order:.3f}, L = {degrees[0]} to {degrees[-1]}, cap of "
        f"{math.degrees(CAP_RADIUS):g}°",
    )


def finite_network_suffices() -> Finding:
    """Relative l2 error of a tracer with an edge, written with finitely many factors."""
    return find(
        "finite-network",
        "a network of finite size implements the series of any tracer",
        "Theorem 4, read for a network of finite size",
        float(cap_errors()[NETWORK_DEGREE]),
        1e-10,
        f"L = {NETWORK_DEGREE}, {(NETWORK_DEGREE + 1) ** 2} factors, cap of "
        f"{math.degrees(CAP_RADIUS):g}°: the printed sum is infinite, a network is not",
    )


def temporal_factors(
    harmonics: SphericalHarmonics, initial: Tensor, source: Tensor, times: tuple[float, ...]
) -> Tensor:
    """A_k(t), (times, k) complex, k = (n, m ≥ 0): one branch of the network.

    Args:
        harmonics: gives the degrees and the radius.
        initial: A(0), modal (l, m), tracer unit.
        source: S, likewise, tracer unit per s.
        times: t, s.
    """
    n, m = np.tril_indices(harmonics.truncation + 1)
    series = [
        closed_form(harmonics, initial, source, DIFFUSIVITY, ANGULAR_SPEED, time) for time in times
    ]
    return torch.stack(series)[:, n, m]


def spatial_factors(harmonics: SphericalHarmonics) -> Tensor:
    """Y_k(x), (k, nlat, nlon) complex, from an independent library: the other branch.

    An order m > 0 is doubled, as the real part of it stands for −m as well.
    """
    n, m = (index[:, None, None] for index in np.tril_indices(harmonics.truncation + 1))
    latitude, longitude = (axis.numpy() for axis in harmonics.coordinates())
    values = sph_harm_y(n, m, math.pi / 2.0 - latitude, longitude)
    return torch.from_numpy(values * np.where(m > 0, 2.0, 1.0))


def factorised(temporal: Tensor, spatial: Tensor) -> Tensor:
    """Real part of Σ_k A_k(t) Y_k(x), (times, nlat, nlon): the product and the sum."""
    return torch.einsum("tk,kyx->tyx", temporal, spatial).real


@cache  # a check and a figure
def smooth_errors() -> Array:
    """Largest error (L,) of the smooth tracer written up to :data:`SMOOTH_DEGREES`.

    Coefficients by the transforms from the closed form, values on a grid with a node at the peak.
    """
    harmonics = SphericalHarmonics(Grid.gaussian(96), 96)
    modal = harmonics.to_modal(_potential(*harmonics.coordinates()))
    grid = Grid("cell-centre", 45, 90)  # an odd number of latitudes has one on the equator
    latitude, longitude = torch.from_numpy(grid.latitude), torch.from_numpy(grid.longitude)
    exact = _potential(latitude.deg2rad()[:, None], longitude.deg2rad()[None, :])
    degree = torch.arange(harmonics.truncation + 1)[:, None]
    kept = torch.stack([torch.where(degree <= last, modal, 0.0) for last in SMOOTH_DEGREES])
    error = harmonics.synthesise(kept, grid) - exact
    return np.asarray(error.abs().amax((-2, -1)).numpy())


def geometric_errors() -> Array:
    """h^{L+1}/(1 − h), the largest error of the smooth tracer, at its peak."""
    degrees = np.array(SMOOTH_DEGREES, dtype=np.float64)
    return np.asarray(POTENTIAL_RATIO ** (degrees + 1.0) / (1.0 - POTENTIAL_RATIO))


def cap_coefficients(largest: int) -> Array:
    """c_l of Σ c_l P_l(cos γ) for the cap, (largest + 1,): ½ (P_{l−1} − P_{l+1}) at its edge."""
    edge = math.cos(CAP_RADIUS)
    values = eval_legendre(np.arange(largest + 2), edge)
    return np.concatenate([[0.5 * (1.0 - edge)], 0.5 * (values[:-2] - values[2:])])


@cache  # two checks and a figure
def cap_errors(balanced: bool = False) -> Array:
    """Relative l2 error (257,) of the cap written up to each degree L = 0…256.

    Args:
        balanced: of the field instead that holds the cap as a source, less its mean, in balance
            with diffusion: its coefficients are smaller by l(l + 1).
    """
    largest = ROUGH_DEGREES[-1]
    degree = np.arange(32 * largest + 1, dtype=np.float64)
    power = cap_coefficients(degree.size - 1) ** 2 * 2.0 / (2.0 * degree + 1.0)
    total = 1.0 - math.cos(CAP_RADIUS)  # ∫ dx over the cap: what is beyond any degree counts
    if balanced:
        power[1:] /= (degree[1:] * (degree[1:] + 1.0)) ** 2
        power[0] = 0.0
        total = float(power.sum())
    tail = total - np.cumsum(power)[: largest + 1]
    return np.asarray(np.sqrt(tail / total))


def _potential(latitude: Tensor, longitude: Tensor) -> Tensor:
    """Σ h^l P_l(cos γ), the generating function of the Legendre polynomials."""
    h, cosine = POTENTIAL_RATIO, latitude.cos() * longitude.cos()
    return (1.0 - 2.0 * h * cosine + h * h).rsqrt()


STATEMENTS = (
    Statement(
        "factorised",
        "R10",
        "a finite series is a sum of products of temporal and spatial factors",
        corrected=factorised_evaluation,
    ),
    Statement(
        "truncation-smooth",
        "R18",
        "a finite network writes a smooth tracer with an error that falls geometrically in L",
        corrected=smooth_truncation,
    ),
    Statement(
        "truncation-rough",
        "R18",
        "of a tracer with an edge a finite network misses a share that falls like 1/√L",
        corrected=rough_truncation,
        printed=finite_network_suffices,
        reading="implied",
    ),
    *wind_phase.STATEMENTS,
)
"""Theorem 4, and the wind embedding."""
