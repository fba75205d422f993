"""What the Legendre kernels need to know of a truncation and of a set of latitudes."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from co2net_phys.solvers.lanes import REGISTER_BYTES

Array = NDArray[Any]

NEGLIGIBLE = {8: 1e-20, 4: 1e-11}
"""By bytes per number: a sum over degree starts where some |P_lm| of the block exceeds this."""

FLOOR = {8: 1e-250, 4: 1e-31}
"""Likewise, the starting values taken for zero. At P_lm's first significant degree neighbouring
latitudes differ by a factor of at most about e² (their spacing is 2/T, and l cos θ ≥ m), so that
across 16 lanes nothing that comes to count later is more than 1e-15 below the threshold."""

LIMB = 2.0**512
"""Unit of the extended exponent in which the starting values are found."""


class LegendrePlan(NamedTuple):
    """Tables of O(T² + T nlat) numbers; with n = m + 2j + 1 as in ``legendre_kernels``.

    Latitudes are those of one hemisphere, from the equator to the pole, padded with zero weight
    to an even number of registers, the blocks.
    """

    ratio_begin: Array
    """(m,) where order m begins in ``ratios``."""
    ratios: Array
    """(j, 2) of each order: A_j, B_j of q_{j+1} = (A_j x² + B_j) q_j + q_{j−1}."""
    fold_begin: Array
    """(m + 1,) where order m begins in ``folds``."""
    folds: Array
    """(7, ``plane_length``) of each order, a register of zeros before j = 0: s_j ε_n, s_j ε_{n+1}
    and s_j, then l ε_{l+1} and (l + 1) ε_l of l = m + 2j and of l = m + 2j + 1."""
    first: Array
    """(m, block) the first j that counts; ``starts`` has q_{j−1} and q_j there."""
    starts: Array
    """(m, block, 2, lane) flattened."""
    nodes: Array
    """(4, latitude) flattened: x = sin θ ≥ 0; the weights π w / nlon, which are those of quadrature
    in area for Fourier sums without 1/nlon and, of pairs, without 1/2; ones; 1/cos θ."""
    phases: Array
    """(m, 2) cos and sin of m times the first longitude."""


def plane_length(truncation: int, order: int, width: int) -> int:
    """Room for all j of an order in whole registers, and one more."""
    return -(-((truncation + 1 - order) // 2 + 1) // width) * width + width


def legendre_plan(
    latitude: Array,
    weights: Array,
    truncation: int,
    nlon: int,
    first_longitude: float,
    dtype: Any,
) -> LegendrePlan:
    """Plan for a grid that mirrors itself at the equator and has no node at a pole.

    Args:
        latitude: (nlat,) ascending, degrees.
        weights: (nlat,) quadrature weights in sin θ.
        truncation: largest degree T.
        nlon: number of longitudes.
        first_longitude: degrees east.
        dtype: float64 or float32.
    """
    half, width = -(-latitude.size // 2), REGISTER_BYTES // np.dtype(dtype).itemsize
    padded = -(-half // (2 * width)) * 2 * width
    theta = np.deg2rad(latitude[latitude.size - half :])
    halved = weights[latitude.size - half :].copy()
    if latitude.size % 2 == 1:  # the equator is its own mirror image
        halved[0] /= 2.0
    sines, cosines = _pad(np.sin(theta), padded), _pad(np.cos(theta), padded)
    ratio_begin, ratios, fold_begin, folds, scales = _recurrences(truncation, width)
    order = np.arange(truncation + 1)
    first, starts = _starts(
        sines, cosines, ratio_begin, scales, ratios, epsilon(order + 1, order), width,
        NEGLIGIBLE[np.dtype(dtype).itemsize],
    )  # fmt: skip
    # What comes too late to count would only slow the sums down by subnormal numbers.
    starts[np.abs(starts) < FLOOR[np.dtype(dtype).itemsize]] = 0.0
    phase = order * math.radians(first_longitude)

    def real(values: Array) -> Array:
        return np.ascontiguousarray(values, dtype=dtype)

    return LegendrePlan(
        ratio_begin=ratio_begin,
        ratios=real(ratios.ravel()),
        fold_begin=fold_begin,
        folds=real(folds),
        first=first,
        starts=real(starts.ravel()),
        nodes=real(
            np.concatenate(
                [
                    sines,
                    _pad(math.pi / nlon * halved, padded),
                    np.ones(padded),
                    _pad(1.0 / np.cos(theta), padded),
                ]
            )
        ),
        phases=real(np.stack([np.cos(phase), np.sin(phase)], axis=-1)),
    )


def epsilon(degree: Array, order: Array) -> Array:
    """ε_n = √((n² − m²)/(4n² − 1)), zero for n ≤ m."""
    square = np.maximum(degree * degree - order * order, 0.0)
    return np.asarray(np.sqrt(square / np.maximum(4.0 * degree * degree - 1.0, 1.0)))


def _pad(values: Array, size: int) -> Array:
    return np.concatenate([values, np.zeros(size - values.size)])


def _recurrences(truncation: int, width: int) -> tuple[Array, Array, Array, Array, Array]:
    """Tables for orders 0…T and degrees up to T + 1, which a gradient has; and the scales s_j."""
    ratio_begin, fold_begin = [0], [0]
    ratios, folds, scales = [], [], []
    for m in range(truncation + 1):
        count = (truncation + 1 - m) // 2 + 1
        n = np.arange(m + 1.0, m + 2 * count, 2)
        order = np.full(count, float(m))
        down, here, up, beyond = (epsilon(n + shift, order) for shift in (-1, 0, 1, 2))
        # s_{j+1} ε_{n+1} ε_{n+2} = −ε_n ε_{n−1} s_{j−1} leaves q_{j−1} without a factor; s_0 = 1.
        scale = np.ones(count + 1)
        for j in range(1, count):
            scale[j + 1] = -here[j] * down[j] / (up[j] * beyond[j]) * scale[j - 1]
        slope = scale[:-1] / (scale[1:] * up * beyond)
        ratios.append(np.stack([slope, -(up**2 + here**2) * slope], axis=-1))
        scale = scale[:-1]
        planes = np.zeros((7, plane_length(truncation, m, width)))
        planes[:, width : width + count] = (
            scale * here, scale * up, scale,
            (n - 1) * here, n * down, n * up, (n + 1) * here,
        )  # fmt: skip
        folds.append(planes.ravel())
        scales.append(scale)
        ratio_begin.append(ratio_begin[-1] + count)
        fold_begin.append(fold_begin[-1] + planes.size)
    folds.append(np.zeros(width))  # the last plane may be read one register too far
    tables = np.concatenate(ratios), np.array(fold_begin), np.concatenate(folds)
    return np.array(ratio_begin), *tables, np.concatenate(scales)


@njit(cache=True)
def _starts(
    sines: Any, cosines: Any, begin: Any, scales: Any, ratios: Any, epsilons: Any,
    width: int, negligible: float,
) -> Any:  # fmt: skip
    """``first`` and ``starts``: the recurrence with an exponent of its own, value × LIMB^−limbs."""
    orders, blocks = begin.size - 1, sines.size // width
    first = np.zeros((orders, blocks), dtype=np.int64)
    starts = np.zeros((orders, blocks, 2, width))
    sectoral = np.full(sines.size, math.sqrt(0.25 / math.pi))  # P_mm
    sectoral_limbs = np.zeros(sines.size, dtype=np.int64)
    previous, value = np.zeros(width), np.zeros(width)
    limbs = np.zeros(width, dtype=np.int64)
    for m in range(orders):
        for b in range(blocks):
            for i in range(width):
                k = b * width + i
                previous[i] = 0.0
                value[i] = sectoral[k] / epsilons[m]
                limbs[i] = sectoral_limbs[k]
            j = begin[m]
            while j < begin[m + 1]:
                largest = 0.0
                for i in range(width):
                    if limbs[i] == 0:
                        largest = max(largest, abs(value[i]))
                if largest * abs(scales[j]) > negligible:
                    break
                for i in range(width):
                    square = sines[b * width + i] ** 2
                    following = (ratios[j, 0] * square + ratios[j, 1]) * value[i] + previous[i]
                    previous[i], value[i] = value[i], following
                    if abs(following) > 1.0 and limbs[i] > 0:
                        previous[i] /= LIMB
                        value[i] /= LIMB
                        limbs[i] -= 1
                j += 1
            first[m, b] = j - begin[m]
            for i in range(width):
                if limbs[i] < 2:
                    starts[m, b, 0, i] = previous[i] / LIMB ** limbs[i]
                    starts[m, b, 1, i] = value[i] / LIMB ** limbs[i]
        for k in range(sines.size):
            sectoral[k] *= -cosines[k] * math.sqrt((2.0 * m + 3.0) / (2.0 * m + 2.0))
            if 0.0 < abs(sectoral[k]) < 1.0 / LIMB:
                sectoral[k] *= LIMB
                sectoral_limbs[k] += 1
    return first, starts
