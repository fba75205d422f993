"""Pixels that behave alike, and a sample in which every kind of them is found.

Section 3.4 of Upton et al. (2024, doi:10.5194/acp-24-2555-2024): dynamic time warping measures how
unlike two series are, spectral clustering makes groups of it, and candidates are drawn from each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.optional_libraries import optional_library

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

WARPING = 6
"""Events may be shifted by this part of a series' length: two months in a seasonal cycle."""


def warping_distances(series: NDArray[Any]) -> Array:
    """Dynamic time warping distances (P, P) of P series of length T, in their unit.

    The smallest Euclidean distance after stretching, Sakoe–Chiba band of T / `WARPING`.
    """
    length = series.shape[1]
    rows = np.ascontiguousarray(series, dtype=np.float64)
    distances: Array = optional_library("dtaidistance.dtw", "fluxes").distance_matrix_fast(
        rows, window=max(1, length // WARPING) + 1, parallel=False
    )
    return distances


def cluster(series: NDArray[Any], count: int, seed: int = 0) -> Indices:
    """Group (P,) of each of P series (P, T): spectral clustering of their warping distances.

    The affinity is exp(−d²/2s²) with s the median distance between different series.
    """
    pixels = len(series)
    if pixels <= count:
        return np.arange(pixels)
    if count == 1:
        return np.zeros(pixels, dtype=np.int64)
    distances = warping_distances(series)
    apart = distances[distances > 0]
    if len(apart) == 0:  # all alike
        return np.zeros(pixels, dtype=np.int64)
    affinity = np.exp(-0.5 * (distances / np.median(apart)) ** 2)
    method = optional_library("sklearn.cluster", "fluxes").SpectralClustering(
        count, affinity="precomputed", assign_labels="cluster_qr", random_state=seed
    )
    return np.asarray(method.fit_predict(affinity), dtype=np.int64)


def stratified_sample(groups: Indices, count: int, random: np.random.Generator) -> Indices:
    """Positions (≤ count) drawn without repetition, ascending.

    Each group is drawn from in proportion to its size, and at least once as far as `count` goes.
    """
    count = min(count, len(groups))
    labels, sizes = np.unique(groups, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    quota = np.zeros(len(labels), dtype=np.int64)
    quota[order[:count]] = 1
    for _ in range(count - int(quota.sum())):
        # The group that is furthest below its share gets the next one.
        lack = np.where(quota < sizes, count * sizes / len(groups) - quota, -np.inf)
        quota[int(np.argmax(lack))] += 1
    drawn = [
        random.choice(np.flatnonzero(groups == label), number, replace=False)
        for label, number in zip(labels, quota, strict=True)
    ]
    return np.sort(np.concatenate(drawn))
