"""The sampling matrix of a network: real spherical harmonics at the stations, and what it tells."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import sph_harm_y

from co2net_phys.data.stations import Station
from co2net_phys.solvers.legendre import legendre_tables

Array = NDArray[np.float64]


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


def values_by_scipy(stations: Sequence[Station], coefficients: Array) -> Array:
    """Fields at the stations by another library, order by order as their definition has them.

    Args:
        stations: K sites.
        coefficients: ((L + 1)², ...) in the order of :func:`real_harmonics`.

    Returns:
        (K, ...).
    """
    polar = np.radians([90.0 - station.latitude for station in stations])
    longitude = np.radians([station.longitude for station in stations])
    values = np.zeros((len(stations), *coefficients.shape[1:]))
    for column, coefficient in enumerate(coefficients):
        l = math.isqrt(column)
        m = column - l * l - l
        wave = math.sqrt(2.0 if m else 1.0) * sph_harm_y(l, abs(m), polar, longitude)
        values += np.multiply.outer(wave.imag if m < 0 else wave.real, coefficient)
    return values


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


def null_space(stations: Sequence[Station], degree: int) -> Array:
    """((L + 1)², dimension) orthonormal coefficients of the fields that are zero at K stations.

    As many as there are more coefficients than stations, whatever the rank.
    """
    matrix = sampling_matrix(stations, degree)
    return np.asarray(np.linalg.svd(matrix)[2][matrix.shape[0] :].T)
