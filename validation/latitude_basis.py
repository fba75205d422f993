"""Theorem 2's basis: with θ the latitude, the argument of the Legendre functions is sin θ.

The paper writes P_n^m(cos θ), which is right for the polar angle of its proof and wrong for the
latitude of its grid: e^{imλ} P_n^m(cos θ) is then no eigenfunction of the Laplacian.
"""

import math
from collections.abc import Callable

import torch
from scipy.special import assoc_legendre_p
from torch import Tensor

from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

LARGEST_DEGREE = 6
"""Of the functions examined."""

TRUNCATION = 32
"""Of the harmonics that their variance is examined with: those of the cosine have long tails."""

CURVED_TRUNCATION = 16
"""Of those that their Laplacian is taken with; the round-off of two derivatives grows with it."""

Argument = Callable[[Tensor], Tensor]
"""Latitude in radians to the argument of the Legendre functions."""


def sine_is_the_argument() -> Finding:
    """Departure of P_n^m(sin θ) e^{imλ} from an eigenfunction of the Laplacian."""
    return find(
        "sine-of-latitude",
        "P_n^m(sin θ) e^{imλ}, θ the latitude, is an eigenfunction of ∇² of degree n",
        "Theorem 2, corrected",
        _largest_residual(torch.sin),
        1.5e-12,
        f"|∇·∇Y + n(n+1)Y/R²| relative to the second term, n = 1 to {LARGEST_DEGREE}, "
        f"T{CURVED_TRUNCATION}",
    )


def cosine_is_the_argument() -> Finding:
    """Share of the variance of P_n^m(cos θ) e^{imλ} that is not of degree n."""
    outside = 1.0 - torch.cat([_of_degree(n, torch.cos) for n in range(1, LARGEST_DEGREE + 1)])
    return find(
        "cosine-of-latitude",
        "P_n^m(cos θ) e^{imλ}, θ the latitude of the grid, is an eigenfunction of ∇² of degree n",
        "Theorem 2, as printed",
        float(outside.max()),
        1e-12,
        f"share of variance outside degree n, the largest of n = 1 to {LARGEST_DEGREE}; "
        f"the smallest is {float(outside.min()):.2f}",
    )


def variance_by_degree(degree: int, argument: Argument) -> Tensor:
    """Shares (m, l) of the variance of P_n^m(argument(θ)) cos mλ in the degrees l = 0…32.

    Args:
        degree: n; one row for each order m = 0…n.
        argument: of the Legendre functions.
    """
    harmonics = _harmonics(TRUNCATION)
    nodal = _nodal(harmonics, degree, argument)
    modal = harmonics.to_modal(nodal)
    order = torch.arange(degree + 1)
    power = modal[order, :, order].abs().square()  # (m, l)
    counted = torch.where(order == 0, 1.0, 2.0).double()[:, None]  # order −m as well
    total = harmonics.integrate(nodal.square()) / harmonics.radius**2
    return counted * power / total[:, None]


def _of_degree(degree: int, argument: Argument) -> Tensor:
    return variance_by_degree(degree, argument)[:, degree]


def _largest_residual(argument: Argument) -> float:
    harmonics, largest = _harmonics(CURVED_TRUNCATION), 0.0
    for degree in range(1, LARGEST_DEGREE + 1):
        nodal = _nodal(harmonics, degree, argument)
        curvature = harmonics.divergence(*harmonics.gradient(harmonics.to_modal(nodal)))
        expected = -degree * (degree + 1) / harmonics.radius**2 * nodal
        error = (harmonics.to_nodal(curvature) - expected).abs().amax((-2, -1))
        largest = max(largest, float((error / expected.abs().amax((-2, -1))).max()))
    return largest


def _nodal(harmonics: SphericalHarmonics, degree: int, argument: Argument) -> Tensor:
    """P_n^m(argument(θ)) cos mλ, (m, nlat, nlon), by scipy, orthonormal up to a factor."""
    latitude, longitude = harmonics.coordinates()
    x = argument(latitude).numpy()
    fields = []
    for m in range(degree + 1):
        legendre = assoc_legendre_p(degree, m, x, norm=True)[0]
        fields.append(torch.from_numpy(legendre) * (m * longitude).cos() / math.sqrt(math.pi))
    return torch.stack(fields)


def _harmonics(truncation: int) -> SphericalHarmonics:
    return SphericalHarmonics(Grid.gaussian(truncation), truncation)


STATEMENTS = (
    Statement(
        "latitude",
        "R11",
        "with θ the latitude the argument of P_n^m is sin θ",
        corrected=sine_is_the_argument,
        printed=cosine_is_the_argument,
    ),
)
"""The basis of Theorem 2."""
