"""Theorem 2's uniqueness from an open set: true, and of little use beyond a few degrees.

The fields of degree L or less, seen on a cap only, are the range of a matrix whose squared singular
values λ, the shares of energy inside the cap of Slepian's functions, add up to the Shannon number
(L + 1)² A/4π. About that many are near one. The smallest falls by tan⁴(Θ/4) with each degree, and
its root divides the noise. Simons, Dahlen and Wieczorek (2006), doi:10.1137/S0036144504445765.
"""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from co2net_phys.solvers.legendre import legendre_tables
from co2net_phys.solvers.quadrature import gauss_legendre
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

Array = NDArray[np.float64]

RADIUS = 60.0
"""Θ of the checks, degrees of arc from the centre of the cap to its rim."""

LARGEST_DEGREE = 12
"""L up to which the smallest eigenvalue is followed: 4e-27 there, and 1e-32 is the limit."""

DEGREE_OF_THE_COUNT = 24
"""L at which eigenvalues are counted."""

NOISE = 1e-6
"""Error of the data on the cap relative to the root mean square of the field."""

NOISY_DEGREE = 8
"""L of the field to be recovered from them."""


def shannon_number(degree: int, radius: float) -> float:
    """(L + 1)² A/4π with A/4π = (1 − cos Θ)/2 the cap's share of the sphere.

    Args:
        degree: L.
        radius: Θ, degrees of arc.
    """
    return float((degree + 1) ** 2 * (1.0 - math.cos(math.radians(radius))) / 2.0)


def cap_matrix(degree: int, order: int, radius: float) -> Array:
    """√w_k P_lm(x_k) at Gauss–Legendre nodes of the cap, (nodes, L − m + 1).

    The nodes are exact for products of two of its columns, so that the matrix times its transpose
    holds the integrals 2π ∫ P_lm P_l'm dx over the cap, and its singular values are √λ: to the
    same absolute accuracy as the integrals' λ, and so to twice as many digits.

    Args:
        degree: L.
        order: m ≥ 0.
        radius: Θ, degrees of arc.
    """
    nodes, weights = gauss_legendre(degree + 1)
    rim = math.cos(math.radians(radius))
    sine = (1.0 + rim) / 2.0 + (1.0 - rim) / 2.0 * nodes
    tables = legendre_tables(np.rad2deg(np.arcsin(sine)), degree)
    root = np.sqrt(math.pi * (1.0 - rim) * weights)
    return np.asarray((tables.values[order, order:].numpy() * root).T)


@cache
def concentration(degree: int, radius: float = RADIUS) -> Array:
    """All (L + 1)² eigenvalues λ, descending: squared singular values of :func:`cap_matrix`.

    Args:
        degree: L.
        radius: Θ, degrees of arc.
    """
    matrices = (cap_matrix(degree, order, radius) for order in range(degree + 1))
    by_order = [np.linalg.svd(matrix, compute_uv=False) ** 2 for matrix in matrices]
    return _both_signs([np.asarray(values, np.float64) for values in by_order])


@cache
def concentration_by_commuting_matrix(degree: int, radius: float = RADIUS) -> Array:
    """The same from eigenvectors of the tridiagonal matrix that commutes with the integrals.

    The matrix of Grünbaum, Longhi and Perlstadt (1982), doi:10.1137/0142067, has well separated
    eigenvalues, so its eigenvectors are good to round-off; their energy in the cap is then a sum of
    squares, without cancellation.

    Args:
        degree: L.
        radius: Θ, degrees of arc.
    """
    by_order = []
    for order in range(degree + 1):
        vectors = eigh_tridiagonal(*commuting_matrix(degree, order, radius))[1]
        inside = cap_matrix(degree, order, radius) @ vectors
        by_order.append((inside**2).sum(axis=0))
    return _both_signs(by_order)


def commuting_matrix(degree: int, order: int, radius: float) -> tuple[Array, Array]:
    """Diagonal (L − m + 1) and off-diagonal (L − m) of Grünbaum's matrix for order m.

    −l(l + 1) cos Θ and (l(l + 2) − L(L + 2)) √(((l + 1)² − m²)/((2l + 1)(2l + 3))).
    """
    l = np.arange(order, degree + 1, dtype=np.float64)
    diagonal = -l * (l + 1.0) * math.cos(math.radians(radius))
    ratio = np.sqrt(((l + 1.0) ** 2 - order**2) / ((2.0 * l + 1.0) * (2.0 * l + 3.0)))
    return diagonal, ((l * (l + 2.0) - degree * (degree + 2.0)) * ratio)[:-1]


def smallest_eigenvalues(radius: float = RADIUS) -> Array:
    """(12,) smallest λ for L = 1, …, 12 on a cap of ``radius`` degrees."""
    return np.array([concentration(l, radius)[-1] for l in range(1, LARGEST_DEGREE + 1)])


def decay_per_degree(radius: float = RADIUS) -> float:
    """b in ln λ_min = a − b L + p ln L fitted from L = 4 on; the power of L takes up curvature."""
    degrees = np.arange(1, LARGEST_DEGREE + 1, dtype=np.float64)[3:]
    columns = np.stack([np.ones_like(degrees), -degrees, np.log(degrees)], axis=1)
    logarithms = np.log(smallest_eigenvalues(radius)[3:])
    return float(np.linalg.lstsq(columns, logarithms, rcond=None)[0][1])


def recovery_error(degree: int, relative_noise: float, radius: float = RADIUS) -> float:
    """Error of a random field continued from the cap to the sphere, relative to its own size.

    The field has independent normal coefficients up to L. So has the error of the data, on the
    cap, with a root mean square of ``relative_noise`` times that of the field. Least squares on
    the quadrature nodes of the cap, order by order.

    Args:
        degree: L.
        relative_noise: of the data; 0 leaves only their rounding.
        radius: Θ, degrees of arc.
    """
    random = np.random.default_rng(1)
    missed = total = 0.0
    for order in range(-degree, degree + 1):
        matrix = cap_matrix(degree, abs(order), radius)
        truth = random.standard_normal((matrix.shape[1],))
        # Of the density of the field: one unit in every direction that the data can have.
        noise = relative_noise * random.standard_normal((matrix.shape[0],))
        found = np.linalg.lstsq(matrix, matrix @ truth + noise, rcond=0.0)[0]
        missed += float(((found - truth) ** 2).sum())
        total += float((truth**2).sum())
    return math.sqrt(missed / total)


def resolved_on_cap(relative_noise: float, radius: float = RADIUS) -> int:
    """Largest L, 12 at most, for which the continued field is expected to be less wrong than 0.

    Noise as in :func:`recovery_error`: the expected squared error, relative to the field's, is
    noise² Σ 1/λ / (L + 1)².
    """
    degrees = range(LARGEST_DEGREE + 1)
    errors = [relative_noise**2 * float((1.0 / concentration(l, radius)).mean()) for l in degrees]
    return next((l - 1 for l in degrees if errors[l] > 1.0), LARGEST_DEGREE)


def trace_is_the_shannon_number() -> Finding:
    """Sum of the eigenvalues for L = 24, and for caps of 15, 60 and 120 degrees."""
    degree = DEGREE_OF_THE_COUNT
    errors = [
        abs(float(concentration(degree, radius).sum()) / shannon_number(degree, radius) - 1.0)
        for radius in (15.0, RADIUS, 120.0)
    ]
    return find(
        "shannon-number",
        "the concentration eigenvalues of a cap add up to (L+1)² A/4π",
        "Simons, Dahlen and Wieczorek (2006)",
        max(errors),
        1e-12,
        f"L = {degree}, caps of 15°, {RADIUS:g}° and 120°; round-off",
    )


def count_is_the_shannon_number() -> Finding:
    """Number of eigenvalues beyond one half, against the Shannon number."""
    degree = DEGREE_OF_THE_COUNT
    expected = shannon_number(degree, RADIUS)
    counted = int((concentration(degree) > 0.5).sum())
    return find(
        "recoverable-number",
        "about (L+1)² A/4π degrees of freedom of a field can be seen on a cap",
        "Theorem 2, in practice",
        abs(counted / expected - 1.0),
        0.05,
        f"{counted} eigenvalues exceed 1/2 at L = {degree}, Shannon number {expected:.2f} "
        f"of {(degree + 1) ** 2}",
    )


def two_computations_agree() -> Finding:
    """Largest relative difference between singular values and commuting matrix, L up to 8."""
    errors = [
        float(np.abs(concentration_by_commuting_matrix(l) / concentration(l) - 1.0).max())
        for l in range(1, 9)
    ]
    return find(
        "concentration-eigenvalues",
        "singular values and the commuting matrix of Grünbaum et al. give the same eigenvalues",
        "Grünbaum, Longhi and Perlstadt (1982)",
        max(errors),
        1e-5,
        f"relative, L ≤ 8, down to {concentration(8)[-1]:.1e}, below the integrals' own precision",
    )


def smallest_eigenvalue_decays() -> Finding:
    """Fitted decay per degree against 4 ln cot(Θ/4), for caps of 60, 75 and 90 degrees."""
    errors = [
        abs(decay_per_degree(radius) / (4.0 * _log_cotangent(radius)) - 1.0)
        for radius in (RADIUS, 75.0, 90.0)
    ]
    smallest = smallest_eigenvalues()
    return find(
        "smallest-eigenvalue",
        "the smallest eigenvalue falls by tan⁴(Θ/4) with each degree: 194 on a 60° cap",
        "Theorem 2, in practice",
        max(errors),
        0.02,
        f"fit to L = 4 … {LARGEST_DEGREE}, caps of 60°, 75° and 90°; on 60° {smallest[3]:.1e} at "
        f"L = 4, {smallest[7]:.1e} at L = 8",
    )


def exact_data_determine_the_field() -> Finding:
    """A field of degree 4 from its values on the cap, without noise."""
    degree = 4
    smallest = math.sqrt(float(concentration(degree)[-1]))
    return find(
        "exact-continuation",
        "the field on an open set determines it everywhere",
        "Theorem 2, as printed",
        recovery_error(degree, 0.0),
        100.0 * float(np.finfo(np.float64).eps) / smallest,
        f"L = {degree}, data exact but for rounding, which 1/√λ = {1 / smallest:.1e} amplifies",
    )


def noisy_data_determine_few_degrees() -> Finding:
    """A field of the degree that the eigenvalues promise, from noisy values on the cap."""
    degree = resolved_on_cap(NOISE)
    return find(
        "noisy-continuation",
        f"data with an error of {NOISE:g} on a 60° cap give the field up to degree {degree}",
        "Theorem 2, in practice",
        recovery_error(degree, NOISE),
        1.0,
        "relative error of the field; 1 is that of knowing nothing",
    )


def noisy_data_determine_all() -> Finding:
    """A field of degree 8 from noisy values on the cap."""
    return find(
        "noisy-continuation-printed",
        "the field on an open set determines it everywhere",
        "Theorem 2, read as a method",
        recovery_error(NOISY_DEGREE, NOISE),
        1.0,
        f"L = {NOISY_DEGREE}, data with an error of {NOISE:g}: the noise is multiplied by up to "
        f"{1 / math.sqrt(float(concentration(NOISY_DEGREE)[-1])):.1e}",
    )


def _both_signs(by_order: list[Array]) -> Array:
    """Order 0 once, the others twice, as −m has the eigenvalues of m; descending."""
    return np.sort(np.concatenate([by_order[0], *by_order[1:], *by_order[1:]]))[::-1]


def _log_cotangent(radius: float) -> float:
    return -math.log(math.tan(math.radians(radius) / 4.0))


STATEMENTS = (
    Statement(
        "shannon-number",
        "R8",
        "the concentration eigenvalues of a cap add up to the Shannon number (L+1)² A/4π",
        corrected=trace_is_the_shannon_number,
    ),
    Statement(
        "concentration-eigenvalues",
        "R8",
        "two independent computations of the concentration eigenvalues agree",
        corrected=two_computations_agree,
    ),
    Statement(
        "recoverable-number",
        "R8",
        "about (L+1)² A/4π degrees of freedom can be seen on a cap",
        corrected=count_is_the_shannon_number,
    ),
    Statement(
        "continuation-exact",
        "R8",
        "exact data on a cap determine the field, at a price of tan⁴(Θ/4) for each degree",
        corrected=smallest_eigenvalue_decays,
        printed=exact_data_determine_the_field,
        printed_holds=True,
    ),
    Statement(
        "continuation-noisy",
        "R8",
        "noisy data on a cap determine only the lowest degrees of the field outside it",
        corrected=noisy_data_determine_few_degrees,
        printed=noisy_data_determine_all,
    ),
)
"""Theorem 2: from an open set."""
