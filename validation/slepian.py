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

LARGEST_DEGREE, DEGREE_OF_THE_COUNT = 12, 24
"""L up to which the smallest eigenvalue is followed (4e-27; 1e-32 is the limit), and at which
eigenvalues are counted."""

NOISE = 1e-6
"""Root mean square error of the data on the cap, relative to that of the field."""

DRAWS = 400
"""Fields by which errors are measured."""

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

    The nodes are exact for products of two of its columns: the transpose times the matrix holds the
    integrals 2π ∫ P_lm P_l'm dx over the cap, and the singular values are √λ, to twice as many
    digits as the integrals would give.

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
    """Error of random fields continued from the cap to the sphere, relative to their own size.

    The fields have independent normal coefficients up to L. The error of the data is independent
    and normal in each of the (L + 1)² directions that they can have on the cap; its root mean
    square over the cap is ``relative_noise`` times theirs over the sphere. Least squares on the
    quadrature nodes of the cap, order by order; root mean square of :data:`DRAWS` fields.

    Args:
        degree: L.
        relative_noise: of the data; 0 leaves only their rounding.
        radius: Θ, degrees of arc.
    """
    random = np.random.default_rng(1)
    spread = relative_noise * math.sqrt(shannon_number(0, radius))
    missed = total = 0.0
    for order in range(-degree, degree + 1):
        matrix = cap_matrix(degree, abs(order), radius)
        truth, noise = random.standard_normal((2, matrix.shape[1], DRAWS))
        data = matrix @ truth + spread * np.linalg.qr(matrix)[0] @ noise
        found = np.linalg.lstsq(matrix, data, rcond=0.0)[0]
        missed += float(((found - truth) ** 2).sum())
        total += float((truth**2).sum())
    return math.sqrt(missed / total)


def expected_error(degree: int, relative_noise: float, radius: float = RADIUS) -> float:
    """What :func:`recovery_error` should be: noise √(A/4π Σ 1/λ)/(L + 1), A the cap's area.

    Args:
        degree: L.
        relative_noise: as there, without the rounding.
        radius: of the cap, degrees.
    """
    spread = relative_noise * math.sqrt(shannon_number(0, radius))
    return spread * math.sqrt(float((1.0 / concentration(degree, radius)).mean()))


def resolved_on_cap(relative_noise: float, radius: float = RADIUS) -> int:
    """Largest L, 12 at most, for which the continued field is expected to be less wrong than 0."""
    degrees = range(LARGEST_DEGREE + 1)
    beyond = (l - 1 for l in degrees if expected_error(l, relative_noise, radius) > 1.0)
    return next(beyond, LARGEST_DEGREE)


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
        2e-14,
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
        6e-8,
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


def rounding_is_all_that_is_missed() -> Finding:
    """Errors of fields from exact values on the cap times √λ of the worst direction, L ≤ 8."""
    errors = [recovery_error(l, 0.0) * _smallest_root(l) for l in range(1, 9)]
    return find(
        "continuation-to-rounding",
        "exact data on a cap determine the field, to their rounding divided by √λ",
        "Theorem 2, in practice",
        max(errors),
        1e-15,
        f"times √λ of the smallest λ, L = 1 … 8; itself {errors[-1] / _smallest_root(8):.0e} at 8",
    )


def exact_data_determine_the_field() -> Finding:
    """Fields of degree 4 from their values on the cap, without noise."""
    degree = 4
    return find(
        "exact-continuation",
        "the field on an open set determines it everywhere",
        "Theorem 2, as printed",
        recovery_error(degree, 0.0),
        4e-12,
        f"L = {degree}; rounding of the data is multiplied by ≤ {1 / _smallest_root(degree):.1e}",
    )


def noisy_data_determine_few_degrees() -> Finding:
    """Trial errors by what the eigenvalues promise, at the last resolved degree and the next."""
    degree = resolved_on_cap(NOISE)
    pair = (degree, degree + 1)
    errors = {l: recovery_error(l, NOISE) for l in pair}
    return find(
        "noisy-continuation",
        f"data with an error of {NOISE:g} on a 60° cap give the field up to degree {degree}",
        "Theorem 2, in practice",
        max(abs(errors[l] / expected_error(l, NOISE) - 1.0) for l in pair),
        0.15,
        f"relative error of the field {errors[degree]:.2g} at degree {degree}, 1 being that of "
        f"knowing nothing, {errors[degree + 1]:.2g} at {degree + 1}; departure of these from "
        f"noise √(A/4π Σ 1/λ)/(L + 1), {DRAWS} fields",
    )


def noisy_data_determine_all() -> Finding:
    """A field of degree 8 from noisy values on the cap."""
    return find(
        "noisy-continuation-printed",
        "the field on an open set determines it everywhere",
        "Theorem 2, read as a method",
        recovery_error(NOISY_DEGREE, NOISE),
        1.0,
        f"L = {NOISY_DEGREE}; the noise is multiplied by ≤ {1 / _smallest_root(NOISY_DEGREE):.1e}",
    )


def _smallest_root(degree: int) -> float:
    """√λ of the worst direction on the cap of the checks."""
    return math.sqrt(float(concentration(degree)[-1]))


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
        "smallest-eigenvalue",
        "R8",
        "the smallest concentration eigenvalue falls by tan⁴(Θ/4) with each degree",
        corrected=smallest_eigenvalue_decays,
    ),
    Statement(
        "continuation-exact",
        "R8",
        "exact data on a cap determine the field outside it, to their rounding divided by √λ",
        corrected=rounding_is_all_that_is_missed,
        printed=exact_data_determine_the_field,
        printed_holds=True,
    ),
    Statement(
        "continuation-noisy",
        "R8",
        "noisy data on a cap determine only the lowest degrees of the field outside it",
        corrected=noisy_data_determine_few_degrees,
        printed=noisy_data_determine_all,
        reading="implied",
    ),
)
"""Theorem 2: from an open set."""
