import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import sph_harm_y

from co2net_phys.errors import UsageError
from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.solvers.double_fourier import SpectralInterpolator
from co2net_phys.solvers.spreading_kernel import KaiserBessel, gather

TRUNCATION = 13


def random_modal(truncation, *batch, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (*batch, truncation + 1, truncation + 1)
    modal = torch.randn(*shape, dtype=torch.complex128, generator=generator).tril()
    modal[..., 0] = modal[..., 0].real.to(modal.dtype)
    return modal


def by_direct_sum(modal, latitude, longitude):
    size = modal.shape[-1]
    total = np.zeros(latitude.shape)
    for l in range(size):
        for m in range(l + 1):
            wave = sph_harm_y(l, m, math.pi / 2 - latitude.numpy(), longitude.numpy())
            total += (1.0 if m == 0 else 2.0) * (complex(modal[l, m]) * wave).real
    return torch.from_numpy(total)


def scattered(count, seed=1):
    generator = torch.Generator().manual_seed(seed)
    sine, turn = torch.rand(2, count, dtype=torch.float64, generator=generator)
    latitude, longitude = torch.asin(2.0 * sine - 1.0), 30.0 * turn - 15.0
    latitude[:2] = torch.tensor([-math.pi / 2, math.pi / 2], dtype=torch.float64)
    longitude[2:5] = torch.tensor([0.0, 2.0 * math.pi, -1e-17], dtype=torch.float64)
    return latitude, longitude


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12])
def test_direct_sums_to_the_tolerance(tolerance):
    modal, points = random_modal(TRUNCATION), scattered(300)
    exact = by_direct_sum(modal, *points)
    error = SpectralInterpolator(TRUNCATION, tolerance)(modal, *points) - exact
    assert float(error.abs().max() / exact.abs().max()) < tolerance
    assert float(error.norm() / exact.norm()) < tolerance


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 8), st.floats(-math.pi / 2, math.pi / 2), st.floats(-20.0, 20.0))
def test_any_point_and_truncation(truncation, latitude, longitude):
    modal = random_modal(truncation, seed=truncation)
    point = torch.tensor([[latitude], [longitude]], dtype=torch.float64).unbind()
    found = SpectralInterpolator(truncation, 1e-11)(modal, *point)
    exact = by_direct_sum(modal, *point)
    torch.testing.assert_close(found, exact, rtol=0.0, atol=1e-9)


def test_nodes_and_batches_agree_with_the_synthesis():
    harmonics = SphericalHarmonics(Grid("gaussian", 20, 32, first_longitude=7.0), TRUNCATION)
    modal = random_modal(TRUNCATION, 2, 3)
    found = SpectralInterpolator(TRUNCATION, 1e-12)(modal, *harmonics.coordinates())
    torch.testing.assert_close(found, harmonics.to_nodal(modal), rtol=0.0, atol=1e-10)


def test_prepared_fields_serve_many_points():
    interpolator, modal = SpectralInterpolator(TRUNCATION), random_modal(TRUNCATION, 2)
    prepared = interpolator.prepare(modal)
    for seed in (1, 2):
        latitude, longitude = scattered(12, seed)
        shape = (3, 4)
        points = interpolator.points(latitude.reshape(shape), longitude.reshape(shape))
        values = interpolator.at(prepared, points)
        assert values.shape == (2, 3, 4)
        again = interpolator(modal, latitude, longitude)
        torch.testing.assert_close(values.reshape(2, 12), again, rtol=0.0, atol=0.0)


def test_single_precision_state():
    modal, points = random_modal(TRUNCATION), scattered(50)
    found = SpectralInterpolator(TRUNCATION)(modal.to(torch.complex64), *points)
    torch.testing.assert_close(found, by_direct_sum(modal, *points), rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("width", [4, 6, 8, 10, 12, 14])
def test_gather_is_the_plain_double_sum(width):
    kernel, generator = KaiserBessel(width), np.random.default_rng(width)
    fields = generator.standard_normal((2, 30, 40))
    row, column = generator.uniform(8, 20, 25), generator.uniform(8, 30, 25)
    weights = np.einsum(
        "ni,nj->nij",
        kernel(np.arange(30) - row[:, None]),
        kernel(np.arange(40) - column[:, None]),
    )
    expected = np.einsum("nij,bij->bn", weights, fields)
    np.testing.assert_allclose(
        gather(fields, row, column, kernel), expected, atol=20 * 10.0**-width
    )


@pytest.mark.parametrize("frequency", [0.0, 0.1, 0.25])
def test_transform_of_the_kernel(frequency):
    kernel = KaiserBessel(6)
    expected, _ = quad(lambda x: float(kernel(x)) * math.cos(2 * math.pi * frequency * x), -3, 3)
    assert float(kernel.transform(frequency)) == pytest.approx(expected, rel=1e-9)


def test_agrees_with_finufft():
    finufft = pytest.importorskip("finufft")
    modal, (latitude, longitude) = random_modal(TRUNCATION), scattered(100)
    interpolator = SpectralInterpolator(TRUNCATION, 1e-10)
    grid = Grid("cell-centre", 2 * TRUNCATION + 2, 2 * TRUNCATION + 2)
    nodal = SphericalHarmonics(grid, TRUNCATION).to_nodal(modal)
    circle = torch.cat([nodal, nodal.flip(-2).roll(grid.nlon // 2, -1)])
    spectrum = torch.fft.fftshift(torch.fft.fft2(circle, norm="forward")).numpy()
    # Rows begin half a cell north of the south pole.
    angle = latitude.numpy() + math.pi / 2 - math.pi / (2 * grid.nlat)
    values = finufft.nufft2d2(angle, longitude.numpy(), spectrum, eps=1e-12, isign=1)
    found = interpolator(modal, latitude, longitude).numpy()
    np.testing.assert_allclose(found, values.real, atol=1e-8)


@pytest.mark.parametrize("tolerance", [1e-13, 0.1, math.nan])
def test_refuses_tolerances_out_of_range(tolerance):
    with pytest.raises(UsageError, match=r"choose 1e-12 to 0\.01"):
        SpectralInterpolator(3, tolerance)


def test_refuses_to_be_differentiated():
    modal = random_modal(TRUNCATION).requires_grad_()
    with pytest.raises(UsageError, match="without gradients"):
        SpectralInterpolator(TRUNCATION)(modal, *scattered(5))
    with torch.no_grad():
        SpectralInterpolator(TRUNCATION)(modal, *scattered(5))
