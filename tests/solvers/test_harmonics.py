import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import sph_harm_y
from torch_harmonics import InverseRealSHT, RealSHT

from co2net_phys.errors import UsageError
from co2net_phys.solvers import EARTH_RADIUS_M, Grid, SphericalHarmonics
from co2net_phys.solvers.legendre import legendre_tables

CASES = [
    (Grid.gaussian(1), 1),
    (Grid.gaussian(10), 10),
    (Grid.gaussian(42), 42),
    (Grid.gaussian(42), 63),
    (Grid("gaussian", 16, 40, first_longitude=-177.0), 15),
    (Grid.carbontracker(), 44),
    (Grid("cell-centre", 45, 91, first_longitude=13.0), 20),
    (Grid("cell-centre", 9, 11), 4),
]
BACKENDS = ("numba", "torch")
both_backends = pytest.mark.parametrize("backend", BACKENDS)
SMALL_OF = {name: SphericalHarmonics(Grid.gaussian(10), 10, backend=name) for name in BACKENDS}


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture
def small(backend):
    return SMALL_OF[backend]


def random_modal(truncation, *batch, seed=0):
    """Coefficients of a real field: no m > l, real m = 0."""
    generator = torch.Generator().manual_seed(seed)
    size = truncation + 1
    modal = torch.randn(*batch, size, size, dtype=torch.complex128, generator=generator).tril()
    modal[..., 0] = modal[..., 0].real.to(modal.dtype)
    return modal


def bump(latitude, longitude):
    """A smooth field that is not band-limited, latitude and longitude in radians."""
    return torch.exp(latitude.cos() * (longitude - 1.0).cos() + 0.5 * latitude.sin())


@pytest.mark.parametrize("grid, truncation", CASES, ids=str)
def test_repeated_round_trips_do_not_drift(backend, grid, truncation):
    harmonics = SphericalHarmonics(grid, truncation, backend=backend)
    start = modal = random_modal(truncation, 2)
    for _ in range(8):
        modal = harmonics.to_modal(harmonics.to_nodal(modal))
    assert (modal - start).abs().max() < 5e-12


@pytest.mark.parametrize("grid, truncation", CASES, ids=str)
def test_parseval(backend, grid, truncation):
    harmonics = SphericalHarmonics(grid, truncation, backend=backend)
    modal = random_modal(truncation)
    power = modal.abs() ** 2
    expected = EARTH_RADIUS_M**2 * (2 * power.sum() - power[:, 0].sum())
    torch.testing.assert_close(
        harmonics.integrate(harmonics.to_nodal(modal) ** 2), expected, rtol=1e-12, atol=0.0
    )


HAND_TYPED = {  # Y_lm e^{−imλ}, with s = sin(latitude) and c = cos(latitude)
    (0, 0): lambda s, c: math.sqrt(1 / (4 * math.pi)) * torch.ones_like(s),
    (1, 0): lambda s, c: math.sqrt(3 / (4 * math.pi)) * s,
    (1, 1): lambda s, c: -math.sqrt(3 / (8 * math.pi)) * c,
    (2, 0): lambda s, c: math.sqrt(5 / (16 * math.pi)) * (3 * s**2 - 1),
    (2, 1): lambda s, c: -math.sqrt(15 / (8 * math.pi)) * s * c,
    (2, 2): lambda s, c: math.sqrt(15 / (32 * math.pi)) * c**2,
    (3, 0): lambda s, c: math.sqrt(7 / (16 * math.pi)) * (5 * s**3 - 3 * s),
    (3, 1): lambda s, c: -math.sqrt(21 / (64 * math.pi)) * c * (5 * s**2 - 1),
    (3, 2): lambda s, c: math.sqrt(105 / (32 * math.pi)) * s * c**2,
    (3, 3): lambda s, c: -math.sqrt(35 / (64 * math.pi)) * c**3,
}


@pytest.mark.parametrize("l, m", HAND_TYPED)
@pytest.mark.parametrize("grid", [Grid.gaussian(5), Grid("cell-centre", 12, 24, -172.5)], ids=str)
def test_hand_typed_harmonics(backend, grid, l, m):
    harmonics = SphericalHarmonics(grid, 5, backend=backend)
    latitude, longitude = harmonics.coordinates()
    amplitude = HAND_TYPED[l, m](latitude.sin(), latitude.cos())
    one = torch.zeros(6, 6, dtype=torch.complex128)
    one[l, m] = 0.6 + (0.8j if m else 0.0)
    wave = 0.6 * (m * longitude).cos() - 0.8 * (m * longitude).sin()  # Re (0.6 + 0.8i) e^{imλ}
    nodal = amplitude * (2 * wave if m else 0.6 * torch.ones_like(longitude))
    torch.testing.assert_close(harmonics.to_nodal(one), nodal, rtol=0.0, atol=1e-14)
    torch.testing.assert_close(harmonics.to_modal(nodal), one, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("l, m", [(7, 4), (30, 0), (42, 1), (42, 42)])
def test_scipy_convention(backend, l, m):
    harmonics = SphericalHarmonics(Grid.gaussian(42), 42, backend=backend)
    latitude, longitude = (axis.numpy() for axis in harmonics.coordinates())
    nodal = torch.from_numpy(sph_harm_y(l, m, np.pi / 2 - latitude, longitude).real)
    expected = torch.zeros(43, 43, dtype=torch.complex128)
    expected[l, m] = 0.5 if m else 1.0
    torch.testing.assert_close(harmonics.to_modal(nodal), expected, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("truncation", [10, 42])
def test_agrees_with_torch_harmonics(backend, truncation):
    """Oracle of our own sums: the library's modules, whose grid runs north to south."""
    grid = Grid.gaussian(truncation)
    harmonics = SphericalHarmonics(grid, truncation, backend=backend)
    size = {"lmax": truncation + 1, "mmax": truncation + 1, "grid": "legendre-gauss"}
    nodal = torch.randn(3, *grid.shape, dtype=torch.float64)
    modal = harmonics.to_modal(nodal)
    expected = RealSHT(*grid.shape, **size)(nodal.flip(-2))
    torch.testing.assert_close(modal, expected, rtol=0.0, atol=1e-13)
    back = InverseRealSHT(*grid.shape, **size)(modal).flip(-2)
    torch.testing.assert_close(harmonics.to_nodal(modal), back, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("grid, truncation", CASES[1:], ids=str)
def test_gradient_of_an_analytic_field(backend, grid, truncation):
    """cos²θ sin θ cos 2λ, of degree three."""
    harmonics = SphericalHarmonics(grid, truncation, radius=2.0, backend=backend)
    latitude, longitude = harmonics.coordinates()
    s, c = latitude.sin(), latitude.cos()
    east, north = harmonics.gradient(harmonics.to_modal(c**2 * s * (2 * longitude).cos()))
    expected_east = -2 * c * s * (2 * longitude).sin() / 2.0
    expected_north = (c**3 - 2 * c * s**2) * (2 * longitude).cos() / 2.0
    torch.testing.assert_close(east, expected_east, rtol=0.0, atol=1e-13)
    torch.testing.assert_close(north, expected_north, rtol=0.0, atol=1e-13)


def test_gradient_converges_for_a_field_that_is_not_band_limited(backend):
    harmonics = SphericalHarmonics(Grid.gaussian(30), 30, radius=1.0, backend=backend)
    latitude, longitude = harmonics.coordinates()
    field = bump(latitude, longitude)
    east, north = harmonics.gradient(harmonics.to_modal(field))
    torch.testing.assert_close(east, -(longitude - 1.0).sin() * field, rtol=0.0, atol=1e-11)
    slope = -latitude.sin() * (longitude - 1.0).cos() + 0.5 * latitude.cos()
    torch.testing.assert_close(north, slope * field, rtol=0.0, atol=1e-11)


def test_laplacian(backend):
    harmonics = SphericalHarmonics(Grid.gaussian(30), 30, radius=3.0, backend=backend)
    assert harmonics.laplacian_eigenvalues[2] == pytest.approx(-6 / 9)
    latitude, longitude = harmonics.coordinates()
    # In Cartesian x, g = exp(a·x) has ∇²g = (|a|² − (a·x)² − 2 a·x) g on the unit sphere.
    exponent = latitude.cos() * (longitude - 1.0).cos() + 0.5 * latitude.sin()
    field = bump(latitude, longitude)
    laplacian = harmonics.to_nodal(harmonics.laplacian(harmonics.to_modal(field)))
    expected = (1.25 - exponent**2 - 2 * exponent) * field / 9
    torch.testing.assert_close(laplacian, expected, rtol=0.0, atol=1e-11)


def test_green_identity(small):
    """∫ ∇f·∇g = −∫ f ∇²g: ties gradient, Laplacian and quadrature together."""
    f, g = random_modal(10, 2)
    (fe, fn), (ge, gn) = small.gradient(f), small.gradient(g)
    left = small.integrate(fe * ge + fn * gn)
    right = -small.integrate(small.to_nodal(f) * small.to_nodal(small.laplacian(g)))
    torch.testing.assert_close(left, right, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("grid, truncation", CASES, ids=str)
def test_wind_round_trip(backend, grid, truncation):
    harmonics = SphericalHarmonics(grid, truncation, backend=backend)
    psi, chi = 1e7 * random_modal(truncation, 2)
    psi[0, 0] = chi[0, 0] = 0.0
    got_psi, got_chi = harmonics.streamfunction_and_potential(*harmonics.wind(psi, chi))
    torch.testing.assert_close(got_psi, psi, rtol=0.0, atol=1e-4)
    torch.testing.assert_close(got_chi, chi, rtol=0.0, atol=1e-4)


def test_solid_body_rotation_from_its_streamfunction(small):
    """ψ = −ΩR² sin θ gives u = ΩR cos θ, and back."""
    angular_speed = 1e-5
    latitude, longitude = small.coordinates()
    psi = -angular_speed * EARTH_RADIUS_M**2 * latitude.sin() * torch.ones_like(longitude)
    u, v = small.wind(small.to_modal(psi))
    expected = angular_speed * EARTH_RADIUS_M * latitude.cos().expand_as(u)
    torch.testing.assert_close(u, expected, rtol=0.0, atol=1e-11)
    assert v.abs().max() < 1e-11
    got_psi, got_chi = small.streamfunction_and_potential(expected, torch.zeros_like(expected))
    torch.testing.assert_close(small.to_nodal(got_psi), psi, rtol=1e-13, atol=1e-5)
    assert got_chi.abs().max() < 1e-5  # of about 8e8 in ψ


def test_potential_flow_diverges_and_does_not_turn(small):
    latitude, longitude = small.coordinates()
    chi = small.to_modal(1e7 * latitude.sin() * torch.ones_like(longitude))
    u, v = small.wind(torch.zeros_like(chi), chi)
    torch.testing.assert_close(v, (1e7 / EARTH_RADIUS_M * latitude.cos()).expand_as(v))
    assert u.abs().max() < 1e-12


@both_backends
@settings(max_examples=20, deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 2**31))
def test_transforms_are_linear(backend, a, b, seed):
    small = SMALL_OF[backend]
    generator = torch.Generator().manual_seed(seed)
    f, g = torch.randn(2, *small.grid.shape, generator=generator, dtype=torch.float64)
    left = small.to_modal(a * f + b * g)
    torch.testing.assert_close(
        left, a * small.to_modal(f) + b * small.to_modal(g), rtol=0.0, atol=1e-12
    )


@both_backends
@settings(max_examples=20, deadline=None)
@given(st.floats(-360, 360), st.integers(0, 2**31))
def test_rotation_about_the_pole_is_a_phase(backend, shift, seed):
    """A grid that starts at another longitude sees the same field turned."""
    small = SMALL_OF[backend]
    modal = random_modal(10, seed=seed)
    turned = SphericalHarmonics(
        Grid("gaussian", 16, 32, first_longitude=shift), 10, backend=backend
    )
    order = torch.arange(11, dtype=torch.float64)
    phase = torch.exp(1j * order * math.radians(shift))
    torch.testing.assert_close(
        turned.to_nodal(modal), small.to_nodal(modal * phase), rtol=0.0, atol=1e-11
    )
    torch.testing.assert_close(
        turned.to_modal(small.to_nodal(modal)), modal / phase, rtol=0.0, atol=1e-11
    )


def test_shift_by_whole_cells_is_a_roll(small):
    modal = random_modal(10)
    order = torch.arange(11, dtype=torch.float64)
    eastward = modal * torch.exp(-1j * order * (2 * math.pi * 5 / small.grid.nlon))
    rolled = small.to_nodal(modal).roll(5, dims=-1)
    torch.testing.assert_close(small.to_nodal(eastward), rolled, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("truncation", [10, 42, 70])
def test_synthesise_gives_point_values(backend, truncation):
    """Also for waves shorter than two cells of the output grid (m = 70 on 120 longitudes)."""
    harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation, backend=backend)
    output = Grid.carbontracker()
    modal = torch.zeros(truncation + 1, truncation + 1, dtype=torch.complex128)
    modal[truncation, truncation - 1] = 0.6 - 0.8j
    latitude, longitude = np.meshgrid(
        np.deg2rad(output.latitude), np.deg2rad(output.longitude), indexing="ij"
    )
    wave = sph_harm_y(truncation, truncation - 1, np.pi / 2 - latitude, longitude)
    expected = torch.from_numpy(2 * ((0.6 - 0.8j) * wave).real)
    torch.testing.assert_close(harmonics.synthesise(modal, output), expected, rtol=0, atol=1e-11)


def test_synthesise_at_home_is_to_nodal(small):
    psi, chi = random_modal(10, 2)
    home = small.grid
    torch.testing.assert_close(small.synthesise(psi, home), small.to_nodal(psi))
    for potential in (None, chi):
        torch.testing.assert_close(
            small.synthesise_wind(psi, potential, home), small.wind(psi, potential)
        )


def test_output_tables_are_made_once(backend):
    harmonics = SphericalHarmonics(Grid.gaussian(5), 5, backend=backend)
    harmonics.synthesise(random_modal(5), Grid.carbontracker())
    first = harmonics._on(Grid.carbontracker(), torch.device("cpu"))
    assert harmonics._on(Grid.carbontracker(), torch.device("cpu")) is first


def test_tables_at_the_poles_are_finite_and_right():
    """Y_11 ∝ cos θ: zero at the poles, its slope and m P/cos θ are not."""
    tables = legendre_tables([-90.0, 90.0], 3)
    amplitude = math.sqrt(3 / (8 * math.pi))
    expected = torch.tensor([-amplitude, amplitude], dtype=torch.float64)
    torch.testing.assert_close(tables.derivative[1, 1], expected, rtol=0.0, atol=1e-14)
    expected = torch.full((2,), -amplitude, dtype=torch.float64)
    torch.testing.assert_close(tables.over_cosine[1, 1], expected, rtol=0.0, atol=1e-14)


def test_global_mean_and_integral_agree(small):
    modal = random_modal(10, 3)
    mean = small.integrate(small.to_nodal(modal)) / (4 * math.pi * EARTH_RADIUS_M**2)
    torch.testing.assert_close(small.global_mean(modal), mean, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("grid", [Grid.gaussian(2), Grid("cell-centre", 5, 6, 10.0)], ids=str)
def test_gradients_flow(grid):
    harmonics = SphericalHarmonics(grid, 2)
    nodal = torch.randn(2, *grid.shape, dtype=torch.float64, requires_grad=True)

    def every_operator(field):
        modal = harmonics.to_modal(field)
        east, north = (1e6 * part for part in harmonics.gradient(modal))
        psi, chi = harmonics.streamfunction_and_potential(1e-6 * field, 1e-6 * field)
        there = harmonics.synthesise(modal, Grid("cell-centre", 3, 4))
        return harmonics.to_nodal(modal), east, north, psi, chi, there

    assert torch.autograd.gradcheck(every_operator, (nodal,))


def test_float32_and_module_to(small, backend):
    single = SphericalHarmonics(Grid.gaussian(10), 10, dtype=torch.float32, backend=backend)
    nodal = small.to_nodal(random_modal(10))
    modal = single.to_modal(nodal.float())
    assert modal.dtype == torch.complex64
    assert (single.to_nodal(modal) - nodal).abs().max() < 1e-4
    shifted = SphericalHarmonics(
        Grid("gaussian", 16, 32, first_longitude=40.0), 10, backend=backend
    )
    modal = shifted.to(torch.float32).to_modal(nodal.float())
    assert (shifted.to_nodal(modal) - nodal).abs().max() < 1e-4


def test_nothing_is_written_to_checkpoints(small):
    small.to_nodal(random_modal(10))
    assert small.state_dict() == {}


def test_wrong_shapes_and_truncations_are_refused():
    with pytest.raises(UsageError, match="choose 0 to 44"):
        SphericalHarmonics(Grid.carbontracker(), 45)
    with pytest.raises(ValueError, match="nlat, nlon"):
        SMALL_OF["numba"].to_modal(torch.zeros(32, 16, dtype=torch.float64))
    with pytest.raises(ValueError, match="l, m"):
        SMALL_OF["numba"].to_nodal(torch.zeros(10, 11, dtype=torch.complex128))
