"""The kernels beneath the numba back end against plain references."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.special import sph_harm_y
from torch_harmonics.legendre import dlegpoly, legpoly

from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.solvers.fourier_kernels import radices, transform, twiddles
from co2net_phys.solvers.lanes import broadcast, load, splat, store, totals, turn, zero
from co2net_phys.solvers.legendre import legendre_tables
from co2net_phys.solvers.legendre_plan import legendre_plan
from co2net_phys.solvers.quadrature import gauss_legendre

REAL_TYPES = (np.float64, np.float32)


@njit
def lane_operations(a, result):
    w = 64 // a.itemsize
    x, y = load(a, 0), load(a, 1)
    store(result, 0, x * y + splat(a, 2.0) * broadcast(a, 3) - zero(a))
    store(result, w, totals(a, 0))
    turn(a, 0, w, result, 2 * w)


@pytest.mark.parametrize("dtype", REAL_TYPES)
def test_lanes(dtype):
    w = 64 // np.dtype(dtype).itemsize
    a = np.random.default_rng(0).normal(size=w * w).astype(dtype)
    result = np.zeros((w + 2, w), dtype)
    lane_operations(a, result.reshape(-1))
    square = a.reshape(w, w)
    close = {"rtol": 0.0, "atol": 20 * np.finfo(dtype).eps}
    np.testing.assert_allclose(result[0], a[:w] * a[1 : w + 1] + 2 * a[3], **close)
    np.testing.assert_allclose(result[1], square.sum(axis=1), **close)
    np.testing.assert_array_equal(result[2:], square.T)


@pytest.mark.parametrize("dtype", REAL_TYPES)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7, 8, 12, 49, 64, 90, 101, 120, 128, 256, 330])
def test_fourier_transform(length, dtype):
    factors, table = twiddles(length)
    assert math.prod(factors) == length
    w = 64 // np.dtype(dtype).itemsize
    parts = np.random.default_rng(length).normal(size=(length, 2, w)).astype(dtype)
    x = parts.reshape(-1).copy()
    result, _ = transform(x, np.zeros_like(x), factors, table.astype(dtype))
    got = result.reshape(length, 2, w)
    expected = np.fft.fft(parts[:, 0].astype(float) + 1j * parts[:, 1], axis=0)
    error = np.abs(got[:, 0] + 1j * got[:, 1] - expected).max()
    assert error <= 20 * np.finfo(dtype).eps * math.sqrt(length) * max(radices(length), default=1)


@pytest.mark.parametrize("length", [7, 20, 120, 192, 330])
def test_twiddles_are_right_to_the_last_digit(length):
    """Theirs is the only error of a transform that is the same on all latitudes."""
    factors, table = twiddles(length)
    radix = int(factors[0])
    p, k = np.meshgrid(np.arange(length // radix), np.arange(1, radix), indexing="ij")
    angle = 2 * np.arccos(np.longdouble(-1)) / length * (p * k)
    expected = np.stack([np.cos(angle), -np.sin(angle)], axis=-1).reshape(-1)
    found = table[2 : 2 + expected.size]
    assert float(np.abs(found - expected).max()) <= 1.2e-16


def recurrence(plan, m, block, width):
    """r_j of one order and block of latitudes by the plan, as the kernels run it."""
    count = plan.ratio_begin[m + 1] - plan.ratio_begin[m]
    ratios = plan.ratios.reshape(-1, 2)[plan.ratio_begin[m] : plan.ratio_begin[m + 1]]
    length = (plan.fold_begin[m + 1] - plan.fold_begin[m]) // 7
    planes = plan.folds[plan.fold_begin[m] : plan.fold_begin[m + 1]].reshape(7, length)
    scales = planes[2, width : width + count]
    square = plan.nodes[block * width : (block + 1) * width] ** 2
    blocks = plan.first.shape[1]
    previous, value = plan.starts.reshape(-1, blocks, 2, width)[m, block]
    result = np.zeros((count, width))
    for j in range(plan.first[m, block], count):
        result[j] = scales[j] * value
        previous, value = value, (ratios[j, 0] * square + ratios[j, 1]) * value + previous
    return result


def extended_precision(m, truncation, x):
    """(l, k) P_lm(x), l = m…T, by the three-term recurrence in numbers down to 1e-4932."""
    x = x.astype(np.longdouble)
    value = np.full(x.shape, np.sqrt(np.longdouble(0.25) / np.longdouble(np.pi)))
    for k in range(1, m + 1):
        value = -value * np.sqrt((1 - x) * (1 + x) * (2 * k + 1) / np.longdouble(2 * k))
    before, last, rows = 0 * x, np.longdouble(0), [value]
    for l in range(m + 1, truncation + 1):
        ratio = np.sqrt(np.longdouble(l * l - m * m) / np.longdouble(4 * l * l - 1))
        before, value = value, (x * value - last * before) / ratio
        last = ratio
        rows.append(value)
    return np.array(rows, dtype=float)


@pytest.fixture(scope="module")
def plan_1000():
    grid = Grid("cell-centre", 2001, 2001)
    weights = grid.quadrature_weights
    return legendre_plan(grid.latitude, weights, 1000, grid.nlon, 0.0, np.dtype(np.float64))


@pytest.mark.parametrize("m", [0, 1, 2, 40, 250, 700, 999, 1000])
def test_recurrence_to_degree_one_thousand(plan_1000, m):
    """x r_j is P_{m+2j+1}; also where cos^m θ underflows."""
    width = 8
    for block in (1, plan_1000.first.shape[1] // 2, plan_1000.first.shape[1] - 2):
        x = plan_1000.nodes[block * width : (block + 1) * width]
        got = x * recurrence(plan_1000, m, block, width)
        expected = extended_precision(m, m + 2 * len(got), x)[1::2]
        np.testing.assert_allclose(got, expected, rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("dtype", REAL_TYPES)
def test_sums_start_later_towards_the_pole(dtype):
    grid = Grid.gaussian(170)
    plan = legendre_plan(grid.latitude, grid.quadrature_weights, 170, grid.nlon, 0.0, dtype)
    assert (np.diff(plan.first, axis=1) >= 0).all()
    assert plan.first[0].max() == 0 < plan.first[100].max()
    assert np.isfinite(plan.ratios).all() and np.isfinite(plan.starts).all()


@pytest.mark.parametrize("truncation", [170, 341])
def test_single_precision_does_not_underflow(truncation):
    """Towards the pole P_mm ∝ cos^m θ is too small for float32 before it counts."""
    harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation, backend="numba")
    size = truncation + 1
    generator = torch.Generator().manual_seed(0)
    modal = torch.randn(size, size, dtype=torch.complex128, generator=generator).tril()
    expected = harmonics.to_nodal(modal)
    got = harmonics.to_nodal(modal.to(torch.complex64))
    assert (got - expected).abs().max() < 1e-6 * truncation * expected.abs().max()


def plain_sum(modal, latitude, longitude):
    """Σ a_lm Y_lm at points, by the definition."""
    total = np.zeros(np.broadcast_shapes(latitude.shape, longitude.shape))
    for l in range(modal.shape[0]):
        for m in range(l + 1):
            wave = modal[l, m] * sph_harm_y(l, m, np.pi / 2 - latitude, longitude)
            total += (1 if m == 0 else 2) * wave.real
    return total


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 12), st.integers(0, 3), st.integers(0, 3), st.floats(-180, 180),
    st.sampled_from(["gaussian", "cell-centre"]), st.integers(0, 2**31),
)  # fmt: skip
def test_any_grid_against_the_definition(truncation, rows, columns, longitude, kind, seed):
    nlat = (truncation if kind == "gaussian" else 2 * truncation) + 1 + rows
    grid = Grid(kind, nlat, 2 * truncation + 1 + columns, first_longitude=longitude)
    harmonics = SphericalHarmonics(grid, truncation, backend="numba")
    generator = torch.Generator().manual_seed(seed)
    size = truncation + 1
    modal = torch.randn(size, size, dtype=torch.complex128, generator=generator).tril()
    modal[:, 0] = modal[:, 0].real.to(modal.dtype)
    latitude, longitude = (axis.numpy() for axis in harmonics.coordinates())
    nodal = harmonics.to_nodal(modal)
    np.testing.assert_allclose(nodal, plain_sum(modal.numpy(), latitude, longitude), atol=1e-12)
    torch.testing.assert_close(harmonics.to_modal(nodal), modal, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("truncation", [1, 2, 13, 63])
def test_tables_agree_with_the_library(truncation):
    grid, size = Grid.gaussian(truncation), truncation + 1
    ours = legendre_tables(grid.latitude, truncation)
    colatitude = torch.from_numpy(90.0 - grid.latitude).deg2rad()
    # The library differentiates by colatitude, which runs the other way.
    by_colatitude, over_sine = dlegpoly(size, size, colatitude)
    theirs = legpoly(size, size, torch.cos(colatitude)), -by_colatitude, over_sine
    for got, expected in zip(ours, theirs, strict=True):
        tolerance = 1e-13 * (truncation + 1) * float(expected.abs().max())
        torch.testing.assert_close(got, expected, rtol=0.0, atol=tolerance)
    x = torch.from_numpy(np.sin(np.deg2rad(grid.latitude)))
    torch.testing.assert_close(ours.values, legpoly(size, size, x), rtol=0.0, atol=1e-12)


def test_tables_agree_with_scipy():
    latitude = np.array([-71.0, -0.5, 33.0, 89.9])
    table = legendre_tables(latitude, 40).values.numpy()
    degree, order = np.arange(41)[None, :, None], np.arange(41)[:, None, None]
    expected = sph_harm_y(degree, order, np.deg2rad(90.0 - latitude), 0.0).real
    np.testing.assert_allclose(table, np.where(degree >= order, expected, 0.0), atol=1e-13)


@pytest.mark.parametrize("count", [1, 2, 5, 64, 257])
def test_gauss_legendre(count):
    nodes, weights = gauss_legendre(count)
    usual_nodes, usual_weights = np.polynomial.legendre.leggauss(count)
    np.testing.assert_allclose(nodes, usual_nodes, rtol=0.0, atol=3e-16)
    np.testing.assert_allclose(weights, usual_weights, rtol=1e-9)
    assert weights.sum() == pytest.approx(2.0, rel=1e-14)
    # The highest even power that is integrated exactly lives at the ends, where digits get lost.
    power = 2 * count - 2
    assert weights @ nodes**power == pytest.approx(2.0 / (power + 1), rel=1e-13 * (1 + count / 10))
