"""Stations are points: K of them fix at most K coefficients of the field at an instant.

The sampling matrix holds the real spherical harmonics at the stations. That of 96 stations has full
column rank up to degree 8, with 81 coefficients, and no further; its singular values tell that the
last degrees before the limit cost decades of precision.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from co2net_phys.data.stations import Station, load_stations
from co2net_phys.solvers.legendre import legendre_tables
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement

Array = NDArray[np.float64]

LARGEST_DEGREE = 12
"""Degree up to which the sampling matrix is looked at."""

INVISIBLE_DEGREE = 9
"""Largest degree of the field that vanishes at all stations: 100 coefficients, 96 stations."""

NOISE = 0.1
"""Error of a measurement relative to the root mean square of the field."""

RANDOM_NETWORKS = 100
"""How many networks of random sites stand beside the built-in one."""


def real_harmonics(latitude: ArrayLike, longitude: ArrayLike, degree: int) -> Array:
    """Real spherical harmonics at points, orthonormal on the unit sphere.

    Column l² + l + m holds P_l0 for m = 0, √2 P_lm cos mλ for m > 0, √2 P_l|m| sin |m|λ for m < 0:
    the first (l + 1)² columns are those up to degree l.

    Args:
        latitude: (k,) degrees north.
        longitude: (k,) degrees east.
        degree: largest degree L.

    Returns:
        (k, (L + 1)²).
    """
    legendre = legendre_tables(latitude, degree).values.numpy()
    angle = np.radians(np.asarray(longitude, dtype=np.float64))
    columns = []
    for l in range(degree + 1):
        for m in range(-l, l + 1):
            wave = np.cos(m * angle) if m >= 0 else np.sin(-m * angle)
            columns.append((math.sqrt(2.0) if m else 1.0) * legendre[abs(m), l] * wave)
    return np.stack(columns, axis=1)


def sampling_matrix(stations: Sequence[Station], degree: int) -> Array:
    """(K, (L + 1)²) real harmonics up to ``degree`` at the stations: coefficients to values."""
    latitude = [station.latitude for station in stations]
    longitude = [station.longitude for station in stations]
    return real_harmonics(latitude, longitude, degree)


@cache
def random_network(seed: int, count: int = 96) -> tuple[Station, ...]:
    """Sites scattered evenly over the sphere, independent of each other."""
    random = np.random.default_rng([seed, 96])
    latitude = np.degrees(np.arcsin(random.uniform(-1.0, 1.0, count)))
    longitude = random.uniform(-180.0, 180.0, count)
    return tuple(
        Station(f"R{k}", f"random site {k}", float(latitude[k]), float(longitude[k]), 0.0)
        for k in range(count)
    )


@cache
def singular_values(stations: tuple[Station, ...], degree: int) -> Array:
    """Those of the sampling matrix, descending, min(K, (L + 1)²) of them."""
    return np.asarray(
        np.linalg.svd(sampling_matrix(stations, degree), compute_uv=False), np.float64
    )


def condition_number(stations: tuple[Station, ...], degree: int) -> float:
    """Largest by smallest singular value of the sampling matrix; its normal equations square it."""
    values = singular_values(stations, degree)
    return float(values[0] / values[-1])


def rank(stations: tuple[Station, ...], degree: int) -> int:
    """Number of singular values above round-off (K ε times the largest)."""
    values = singular_values(stations, degree)
    threshold = len(stations) * np.finfo(np.float64).eps * values[0]
    return int((values > threshold).sum())


def error_variance(stations: tuple[Station, ...], degree: int, relative_noise: float) -> float:
    """Expected squared error of the field from least squares, relative to the field's variance.

    noise² tr (YᵀY)⁻¹/4π, averaged over the sphere. It is the optimist's number: the field is taken
    to have no part beyond ``degree``, which in truth is mistaken for lower degrees.

    Args:
        stations: K sites with independent errors.
        degree: of the field and of the fit.
        relative_noise: standard deviation of an error by the root mean square of the field.

    Returns:
        Dimensionless; infinite if there are more coefficients than stations.
    """
    if (degree + 1) ** 2 > len(stations):
        return math.inf
    values = singular_values(stations, degree)
    return float(relative_noise**2 * (values**-2.0).sum() / (4.0 * math.pi))


def resolved_degree(stations: tuple[Station, ...], relative_noise: float) -> int:
    """Largest L up to which the error variance stays below that of the field; −1 if there is none.

    Args:
        stations: the network.
        relative_noise: as in :func:`error_variance`.
    """
    degree = -1
    while error_variance(stations, degree + 1, relative_noise) < 1.0:
        degree += 1
    return degree


def measured_error_variance(
    stations: tuple[Station, ...], degree: int, relative_noise: float, draws: int = 400
) -> float:
    """The same by trial: random fields of unit variance, noisy values, least squares.

    Args:
        stations: the network.
        degree: of the fields and of the fit; the fit of smallest norm if it is not unique.
        relative_noise: as in :func:`error_variance`.
        draws: number of fields.
    """
    random = np.random.default_rng(2)
    matrix = sampling_matrix(stations, degree)
    count = matrix.shape[1]
    # Coefficients of variance 4π/count each: the field has unit variance.
    truth = math.sqrt(4.0 * math.pi / count) * random.standard_normal((count, draws))
    noise = relative_noise * random.standard_normal((len(stations), draws))
    found = np.linalg.lstsq(matrix, matrix @ truth + noise, rcond=None)[0]
    return float(((found - truth) ** 2).sum() / (truth**2).sum())


@cache
def invisible_field(degree: int = INVISIBLE_DEGREE) -> Array:
    """Coefficients ((L + 1)²,) of the smoothest field that is zero at all built-in stations.

    Of the null space of the sampling matrix it is the one with the least mean square gradient;
    its root mean square over the sphere is one.
    """
    matrix = sampling_matrix(load_stations(), degree)
    null = np.linalg.svd(matrix)[2][matrix.shape[0] :].T  # (coefficients, dimension)
    degrees = np.repeat(np.arange(degree + 1), 2 * np.arange(degree + 1) + 1)
    roughness = null.T @ ((degrees * (degrees + 1.0))[:, None] * null)
    smoothest = null @ np.linalg.eigh(roughness)[1][:, 0]
    return np.asarray(smoothest * math.sqrt(4.0 * math.pi) * np.sign(smoothest[0] or 1.0))


def rank_is_the_smaller_number() -> Finding:
    """Rank of the built-in network's matrix against min(K, (L + 1)²), degree by degree."""
    stations = load_stations()
    degrees = range(LARGEST_DEGREE + 1)
    misses = [abs(rank(stations, l) - min(len(stations), (l + 1) ** 2)) for l in degrees]
    return find(
        "sampling-rank",
        "K stations fix K coefficients at an instant and no more",
        "Theorem 2, corrected",
        float(max(misses)),
        0.0,
        f"{len(stations)} built-in stations, degrees to {LARGEST_DEGREE}: rank less "
        "min(K, (L+1)²), a number of coefficients",
    )


def invisible_field_vanishes() -> Finding:
    """Largest value at a station of a field of degree 9 with root mean square one."""
    values = sampling_matrix(load_stations(), INVISIBLE_DEGREE) @ invisible_field()
    return find(
        "invisible-field",
        f"a field of degree {INVISIBLE_DEGREE} is zero at all stations and not elsewhere",
        "Theorem 2, corrected",
        float(np.abs(values).max()),
        1e-12,
        "largest value at a station; root mean square one over the sphere",
    )


def stations_determine_the_field() -> Finding:
    """Error of the invisible field as least squares finds it from the stations' values."""
    matrix, truth = sampling_matrix(load_stations(), INVISIBLE_DEGREE), invisible_field()
    found = np.linalg.lstsq(matrix, matrix @ truth, rcond=None)[0]
    return find(
        "stations-determine-field",
        "the values at the stations determine the field everywhere",
        "Theorem 2, as printed, with stations for the open set",
        float(np.linalg.norm(found - truth) / np.linalg.norm(truth)),
        1e-6,
        "relative error of the field from exact data: all values are zero",
    )


def condition_grows() -> Finding:
    """Condition at degree 4 by that at degree 8: built-in, and the median random network."""
    ratios = [conditions[4] / conditions[8] for conditions in (built_in(), random_median())]
    names = zip(("built-in", "random"), (built_in(), random_median()), strict=True)
    shown = "; ".join(f"{name} {c[4]:.0f}, {c[6]:.0f}, {c[8]:.0f}" for name, c in names)
    return find(
        "sampling-condition",
        "from degree 4 to 8 the condition number grows by more than a decade",
        "Theorem 2, in practice",
        max(ratios),
        0.1,
        f"at L = 4, 6, 8: {shown}; squares of these in the normal equations",
    )


def resolution_at_a_noise() -> Finding:
    """Trial error variance at the resolved degree, and what the next one falls short of one."""
    stations = load_stations()
    degree = resolved_degree(stations, NOISE)
    within, beyond = (measured_error_variance(stations, l, NOISE) for l in (degree, degree + 1))
    return find(
        "resolved-degree",
        f"with errors of {NOISE:.0%} the built-in stations resolve degree {degree}",
        "Theorem 2, in practice",
        max(within, 1.0 / beyond),
        1.0,
        f"error variance {within:.2g} of the field's at degree {degree}, {beyond:.2g} at "
        f"{degree + 1}; the larger of the first and the second's inverse",
    )


def resolution_as_counted() -> Finding:
    """The trial error variance at degree 8, up to which coefficients are no more than stations."""
    degree = math.isqrt(len(load_stations())) - 1
    return find(
        "resolved-degree-counted",
        f"as many coefficients as stations are determined: degree {degree}",
        "Theorem 2, read as a method",
        measured_error_variance(load_stations(), degree, NOISE),
        1.0,
        f"error variance relative to the field's with errors of {NOISE:.0%}",
    )


@cache
def built_in() -> tuple[float, ...]:
    """Condition numbers of the built-in network by degree, 0 to 12."""
    return tuple(condition_number(load_stations(), l) for l in range(LARGEST_DEGREE + 1))


@cache
def random_conditions() -> Array:
    """(networks, degree) condition numbers of random networks of 96 sites, degrees 0 to 12."""
    return np.array(
        [
            [condition_number(random_network(seed), l) for l in range(LARGEST_DEGREE + 1)]
            for seed in range(RANDOM_NETWORKS)
        ]
    )


def random_median() -> tuple[float, ...]:
    """Median of :func:`random_conditions` by degree."""
    return tuple(float(value) for value in np.median(random_conditions(), axis=0))


STATEMENTS = (
    Statement(
        "sampling-rank",
        "R12",
        "K stations fix K coefficients at an instant and no more",
        corrected=rank_is_the_smaller_number,
    ),
    Statement(
        "stations-are-points",
        "R12",
        f"a field of degree {INVISIBLE_DEGREE} is zero at all stations and not elsewhere",
        corrected=invisible_field_vanishes,
        printed=stations_determine_the_field,
    ),
    Statement(
        "sampling-condition",
        "R12",
        "towards the limit the condition number grows by decades",
        corrected=condition_grows,
    ),
    Statement(
        "resolved-degree",
        "R12",
        "noise lowers the resolved degree below that of as many coefficients as stations",
        corrected=resolution_at_a_noise,
        printed=resolution_as_counted,
    ),
)
"""Theorem 2: from stations."""
