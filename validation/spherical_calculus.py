"""Transforms, gradient, Helmholtz decomposition and integrals against another library or exactly.

The spherical harmonics here are those of ``scipy.special.sph_harm_y``, values and derivatives; the
means are closed forms. Both back ends of the transforms are checked.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import sph_harm_y
from torch import Tensor

from co2net_phys.solvers import Grid, SphericalHarmonics, total_mass
from co2net_phys.solvers.harmonics import Backend
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

Complex = NDArray[np.complex128]

TRUNCATION = 10
"""Largest degree."""

BACKENDS: tuple[Backend, ...] = ("numba", "torch")
"""Who computes the transforms."""

TILTED = (0.6, -0.9, 1.1)
"""a of the field exp(a·x), x on the unit sphere, whose mean is sinh|a|/|a|."""


def synthesis() -> Finding:
    """Values and gradients of a random field against the derivatives by scipy."""
    return find(
        "synthesis",
        "values and ∇f at the nodes are those of the series Σ a_nm Y_nm",
        "Numerics, N17",
        max(gradient_error(backend) for backend in BACKENDS),
        5e-14,
        f"largest error of f, ∂f/R∂θ and ∂f/(R cos θ)∂λ, each relative, T{TRUNCATION}, Y_nm and "
        "its derivatives by scipy, both back ends",
    )


def helmholtz() -> Finding:
    """ψ and χ to a wind and back, relative error."""
    return find(
        "helmholtz",
        "ψ and χ come back from the wind k × ∇ψ + ∇χ, all degrees and orders",
        "Numerics, N17",
        max(helmholtz_error(backend) for backend in BACKENDS),
        5e-14,
        f"random ψ and χ, T{TRUNCATION}, relative, both back ends; curl, divergence and ∇⁻² are "
        "inverse to the gradient",
    )


def quadrature() -> Finding:
    """Departure from R²δ of the products of all harmonics, integrated at the nodes."""
    return find(
        "quadrature",
        "∫ Y_k Ȳ_k' dA = R² δ_kk' by the nodes' weights, on both kinds of grid",
        "Numerics, N18",
        max(gram_error(grid) for grid in _grids()),
        5e-14,
        f"Y_nm by scipy, n ≤ {TRUNCATION}, relative to R²; the first is ∫ 1 dA = 4πR²",
    )


def means() -> Finding:
    """Three ways to the mean of exp(a·x) against sinh|a|/|a|."""
    return find(
        "means",
        "the area mean of exp(a·x) is sinh|a|/|a|, from coefficients and from nodes",
        "Numerics, N18",
        mean_error(),
        5e-14,
        "relative; global_mean, total_mass and integrate on both kinds of grid, and the area "
        "weights of Gaussian cells",
    )


def gradient_error(backend: Backend) -> float:
    """Largest relative error of f, its northward and its eastward derivative."""
    harmonics = _harmonics(backend)
    modal = random_fields(harmonics, 1)[0]
    values, slopes = scipy_harmonics(harmonics.grid)
    n, m = np.tril_indices(TRUNCATION + 1)
    # An order m > 0 stands for −m as well.
    weighted = modal.numpy()[n, m] * np.where(m > 0, 2.0, 1.0)
    cosine = harmonics.coordinates()[0].cos().numpy()
    expected = (
        np.tensordot(weighted, values, 1).real,
        np.tensordot(weighted, slopes[..., 1], 1).real / (harmonics.radius * cosine),
        # scipy differentiates by the colatitude.
        -np.tensordot(weighted, slopes[..., 0], 1).real / harmonics.radius,
    )
    found = (harmonics.to_nodal(modal), *harmonics.gradient(modal))
    return max(
        float(np.abs(own.numpy() - other).max() / np.abs(other).max())
        for own, other in zip(found, expected, strict=True)
    )


def helmholtz_error(backend: Backend) -> float:
    """Error of ψ and χ, each relative to its largest coefficient."""
    harmonics = _harmonics(backend)
    given = random_fields(harmonics, 2)
    given[:, 0, 0] = 0.0  # the means make no wind
    found = harmonics.streamfunction_and_potential(*harmonics.wind(*given))
    errors = (torch.stack(found) - given).abs().amax((-2, -1)) / given.abs().amax((-2, -1))
    return float(errors.max())


def gram_error(grid: Grid) -> float:
    """Largest departure of ∫ Y_k Ȳ_k' dA/R² from δ over n ≤ T, 0 ≤ m."""
    harmonics = SphericalHarmonics(grid, TRUNCATION)
    values, _ = scipy_harmonics(grid)
    products = torch.from_numpy(values[:, None] * values.conj())
    found = torch.complex(*(harmonics.integrate(p) for p in (products.real, products.imag)))
    expected = torch.eye(len(values), dtype=torch.complex128)
    return float((found / harmonics.radius**2 - expected).abs().max())


def mean_error() -> float:
    """Largest relative error of the mean of exp(a·x)."""
    size = math.hypot(*TILTED)
    mean, errors = math.sinh(size) / size, []
    for grid in _fine_grids():
        harmonics = SphericalHarmonics(grid, TRUNCATION)
        area = 4.0 * math.pi * harmonics.radius**2
        latitude, longitude = harmonics.coordinates()
        across = TILTED[0] * longitude.cos() + TILTED[1] * longitude.sin()
        nodal = torch.exp(latitude.cos() * across + TILTED[2] * latitude.sin())
        modal = harmonics.to_modal(nodal)
        found = [harmonics.global_mean(modal), total_mass(harmonics, modal) / area]
        found.append(harmonics.integrate(nodal) / area)
        if grid.kind == "gaussian":
            found.append((torch.from_numpy(grid.area_weights) * nodal).mean())
        errors += [abs(float(value) / mean - 1.0) for value in found]
    return max(errors)


def scipy_harmonics(grid: Grid) -> tuple[Complex, Complex]:
    """Y_nm (k, nlat, nlon), n ≤ T, m ≥ 0, and ∂ by colatitude and longitude (k, nlat, nlon, 2)."""
    n, m = (index[:, None, None] for index in np.tril_indices(TRUNCATION + 1))
    colatitude = np.deg2rad(90.0 - grid.latitude)[:, None]
    values, slopes = sph_harm_y(n, m, colatitude, np.deg2rad(grid.longitude), diff_n=1)
    return values, slopes


def random_fields(harmonics: SphericalHarmonics, count: int) -> Tensor:
    """Coefficients (count, l, m) of reproducible noise at the nodes."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, *harmonics.grid.shape)
    return harmonics.to_modal(torch.randn(shape, generator=generator, dtype=torch.float64))


def _harmonics(backend: Backend) -> SphericalHarmonics:
    return SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION, backend=backend)


def _grids() -> tuple[Grid, Grid]:
    return Grid.gaussian(TRUNCATION), Grid("cell-centre", 24, 48, first_longitude=3.0)


def _fine_grids() -> tuple[Grid, Grid]:
    """Fine enough for the quadrature of an exponential to be exact to round-off."""
    return Grid("gaussian", 24, 48), Grid("cell-centre", 48, 64, first_longitude=3.0)


STATEMENTS = (
    Statement(
        "synthesis",
        "N17",
        "values and gradients at the nodes are those of another library",
        corrected=synthesis,
    ),
    Statement(
        "helmholtz",
        "N17",
        "streamfunction and velocity potential come back from their wind",
        corrected=helmholtz,
    ),
    Statement(
        "quadrature",
        "N18",
        "the weights of the nodes integrate products of harmonics exactly",
        corrected=quadrature,
    ),
    Statement(
        "means",
        "N18",
        "the global mean is the area mean, from coefficients and from nodes",
        corrected=means,
    ),
)
"""Of transforms and integrals."""
