"""Stations are points: K of them fix at most K coefficients of the field at an instant.

The sampling matrix of 96 stations has full column rank up to degree 8, with 81 coefficients, and no
further; its singular values tell that the last degrees before the limit cost decades of precision.
"""

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.data.stations import Station, load_stations
from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.validation.finding import Finding, find
from co2net_phys.validation.statement import Statement
from co2net_phys.validation.station_matrix import (
    condition_number,
    null_space,
    random_network,
    rank,
    sampling_matrix,
    singular_values,
    values_by_scipy,
)
from co2net_phys.validation.station_window import unit_fields

Array = NDArray[np.float64]

LARGEST_DEGREE = 12
"""Degree up to which the sampling matrix is looked at."""

INVISIBLE_DEGREE = 9
"""Largest degree of the field that vanishes at all stations: 100 coefficients, 96 stations."""

NOISE = 0.1
"""Error of a measurement relative to the root mean square of the field."""

RANDOM_NETWORKS = 100
"""How many networks of random sites stand beside the built-in one."""


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
    stations: tuple[Station, ...], degree: int, relative_noise: float, draws: int = 2000
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
    null = null_space(load_stations(), degree)
    degrees = np.repeat(np.arange(degree + 1), 2 * np.arange(degree + 1) + 1)
    roughness = null.T @ ((degrees * (degrees + 1.0))[:, None] * null)
    smoothest = null @ np.linalg.eigh(roughness)[1][:, 0]
    return np.asarray(smoothest * math.sqrt(4.0 * math.pi) * np.sign(smoothest[0] or 1.0))


def rank_is_the_smaller_number() -> Finding:
    """Fields from values by scipy while there are few coefficients, unseen fields beyond."""
    stations = load_stations()
    degrees = range(LARGEST_DEGREE + 1)
    misses = [abs(rank(stations, l) - min(len(stations), (l + 1) ** 2)) for l in degrees]
    last = math.isqrt(len(stations)) - 1
    errors = [_error_from_exact_values(stations, l) for l in degrees[: last + 1]]
    unseen = [_largest_unseen_value(stations, l) for l in degrees[last + 1 :]]
    return find(
        "sampling-rank",
        "K stations fix K coefficients at an instant and no more",
        "Theorem 2, corrected",
        float(max(*misses, *errors, *unseen)),
        4e-12,
        f"{len(stations)} built-in stations; the largest of: relative error of random fields of "
        f"degree ≤ {last} from exact values, largest value at a station of unit fields in the null "
        f"space up to {LARGEST_DEGREE}, both by scipy's harmonics, and rank less min(K, (L+1)²)",
    )


def invisible_field_vanishes() -> Finding:
    """Values at the stations of a field of degree 9, and its size over the sphere."""
    field = invisible_field()
    there = float(np.abs(values_by_scipy(load_stations(), field)).max())
    size, largest = _size_over_the_sphere(field)
    return find(
        "invisible-field",
        f"a field of degree {INVISIBLE_DEGREE} is zero at all stations and not elsewhere",
        "Theorem 2, corrected",
        max(there, abs(size - 1.0)),
        1e-13,
        "largest value at a station by scipy's harmonics, or departure from one of the root mean "
        f"square over the sphere by the solver's; the field reaches {largest:.1f} elsewhere",
    )


def stations_determine_the_field() -> Finding:
    """Error of the invisible field as least squares finds it from the stations' values."""
    stations, truth = load_stations(), invisible_field()
    matrix = sampling_matrix(stations, INVISIBLE_DEGREE)
    found = np.linalg.lstsq(matrix, values_by_scipy(stations, truth), rcond=None)[0]
    return find(
        "stations-determine-field",
        "the values at the stations determine the field everywhere",
        "Theorem 2, with stations for the open set",
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
    """Trial error variances by the formula's, at the resolved degree and the next."""
    stations = load_stations()
    degree = resolved_degree(stations, NOISE)
    pair = (degree, degree + 1)
    trial = {l: measured_error_variance(stations, l, NOISE) for l in pair}
    formula = {l: error_variance(stations, l, NOISE) for l in pair}
    return find(
        "resolved-degree",
        f"with errors of {NOISE:.0%} the built-in stations resolve degree {degree}",
        "Theorem 2, in practice",
        max(abs(trial[l] / formula[l] - 1.0) for l in pair),
        0.15,
        f"error variance of trials, of the field's: {trial[degree]:.2g} at degree {degree}, "
        f"{trial[degree + 1]:.2g} at {degree + 1}; largest departure from noise² tr (YᵀY)⁻¹/4π",
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


def _error_from_exact_values(stations: tuple[Station, ...], degree: int) -> float:
    """Least squares' relative error of a random field of ``degree``, from values by scipy."""
    truth = np.random.default_rng(5).standard_normal((degree + 1) ** 2)
    matrix = sampling_matrix(stations, degree)
    found = np.linalg.lstsq(matrix, values_by_scipy(stations, truth), rcond=None)[0]
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def _largest_unseen_value(stations: tuple[Station, ...], degree: int) -> float:
    """Largest value by scipy at a station of the null space's fields, of root mean square one."""
    fields = math.sqrt(4.0 * math.pi) * null_space(stations, degree)
    return float(np.abs(values_by_scipy(stations, fields)).max())


def _size_over_the_sphere(coefficients: Array) -> tuple[float, float]:
    """Root mean square and largest size of a field, by the solver's transforms."""
    degree = math.isqrt(len(coefficients)) - 1
    harmonics = SphericalHarmonics(Grid.gaussian(degree), degree)
    basis = unit_fields(degree, degree)
    modal = torch.tensordot(torch.from_numpy(coefficients).to(basis.dtype), basis, 1)
    nodal = harmonics.to_nodal(modal).numpy()
    weights = np.polynomial.legendre.leggauss(harmonics.grid.nlat)[1] / 2.0
    return math.sqrt(float(weights @ (nodal**2).mean(-1))), float(np.abs(nodal).max())


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
        reading="implied",
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
        reading="implied",
    ),
)
"""Theorem 2: from stations."""
