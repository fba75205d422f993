import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.solvers.grid import Grid
from co2net_phys.solvers.harmonics import SphericalHarmonics
from co2net_phys.solvers.local_interpolation import LocalInterpolator, extend, sampled_wind
from co2net_phys.solvers.winds import DeformationalFlow, SolidBodyRotation

GRIDS = [Grid("gaussian", 16, 32), Grid("cell-centre", 18, 36, first_longitude=-178.5)]
WIDTHS = [2, 4, 6, 8]


def nodes(grid):
    latitude = torch.from_numpy(np.deg2rad(grid.latitude))[:, None]
    longitude = torch.from_numpy(np.deg2rad(grid.longitude))[None, :]
    return torch.broadcast_tensors(latitude, longitude)


def smooth(latitude, longitude):
    """Smooth on the sphere: a function of Cartesian coordinates."""
    x, y = latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin()
    return torch.exp(x + 0.7 * y * latitude.sin())


def scattered(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sine = 2.0 * torch.rand(count, generator=generator, dtype=torch.float64) - 1.0
    return sine.asin(), 20.0 * torch.rand(count, generator=generator, dtype=torch.float64) - 10.0


@pytest.mark.parametrize("grid", GRIDS)
def test_extension_continues_over_the_poles(grid):
    interpolator = LocalInterpolator(grid, 6)
    rows = torch.from_numpy(interpolator.rows)[:, None]
    columns = torch.arange(-3, grid.nlon + 3).double() * (2 * math.pi / grid.nlon)
    columns = columns + math.radians(grid.first_longitude)
    extended = extend(smooth(*nodes(grid)), 3)
    # The formula of a smooth field holds beyond the pole as well, where the cosine is negative.
    torch.testing.assert_close(extended, smooth(rows, columns[None]), rtol=0.0, atol=1e-13)


def test_extension_turns_vectors_round():
    grid = GRIDS[0]
    harmonics = SphericalHarmonics(grid, 5)
    flow = SolidBodyRotation(harmonics, 1e-6, tilt_degrees=60.0)
    rows = torch.from_numpy(LocalInterpolator(grid, 4).rows)[:, None]
    columns = torch.arange(-2, grid.nlon + 2, dtype=torch.float64)[None] * (2 * math.pi / 32)
    for sampled, exact in zip(flow(0.0), flow.at(rows, columns, 0.0), strict=True):
        extended = extend(sampled, 2, is_vector=True)
        torch.testing.assert_close(extended, exact.expand_as(extended), rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("width", WIDTHS)
def test_polynomials_are_reproduced(grid, width):
    generator = torch.Generator().manual_seed(width)
    coefficients = torch.rand(width, width, generator=generator, dtype=torch.float64)

    def polynomial(latitude, longitude):
        relative = longitude - math.radians(grid.first_longitude)
        terms = [
            coefficients[i, j] * latitude**i * (relative / 3) ** j
            for i in range(width)
            for j in range(width)
        ]
        return sum(terms)

    # Away from the seam and the poles, where a polynomial has nothing to continue it.
    latitude = torch.linspace(-0.6, 0.6, 57, dtype=torch.float64)
    longitude = math.radians(grid.first_longitude) + torch.linspace(1.0, 5.0, 57).double()
    interpolator = LocalInterpolator(grid, width)
    found = interpolator.interpolate(
        polynomial(*nodes(grid)), interpolator.stencils(latitude, longitude)
    )
    torch.testing.assert_close(found, polynomial(latitude, longitude), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("width", WIDTHS)
def test_nodal_values_at_the_nodes_and_by_whole_cells(grid, width):
    interpolator = LocalInterpolator(grid, width)
    field = torch.rand(2, 3, *grid.shape, dtype=torch.float64)
    latitude, longitude = nodes(grid)
    for cells in (0, 5, -40):
        turned = longitude + cells * (2 * math.pi / grid.nlon)
        found = interpolator.interpolate(field, interpolator.stencils(latitude, turned))
        torch.testing.assert_close(found, field.roll(-cells, -1), rtol=0.0, atol=2e-13)


@pytest.mark.parametrize("kind", ["gaussian", "cell-centre"])
@pytest.mark.parametrize("width", WIDTHS)
def test_order_is_the_width(kind, width):
    errors = []
    points = scattered(1500)
    for nlat in (32, 64):
        grid = Grid(kind, nlat, 2 * nlat)
        interpolator = LocalInterpolator(grid, width)
        found = interpolator.interpolate(smooth(*nodes(grid)), interpolator.stencils(*points))
        errors.append(float((found - smooth(*points)).square().mean().sqrt()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(width, abs=0.3)


@pytest.mark.parametrize("width", WIDTHS)
def test_kernels_agree_with_plain_numpy(width):
    grid = GRIDS[0]
    interpolator = LocalInterpolator(grid, width)
    latitude, longitude = scattered(40, seed=1)
    fields = torch.rand(3, *grid.shape, dtype=torch.float64)
    found = interpolator.interpolate(fields, interpolator.stencils(latitude, longitude)).numpy()
    half = width // 2
    plane = extend(fields, half).numpy()
    columns = (np.arange(-half, grid.nlon + half)) * (2 * np.pi / grid.nlon)
    for n, (theta, lam) in enumerate(
        zip(latitude.numpy(), longitude.numpy() % (2 * np.pi), strict=True)
    ):
        row = np.searchsorted(interpolator.rows, theta, side="right") - half
        column = np.searchsorted(columns, lam, side="right") - half
        box = plane[:, row : row + width, column : column + width]
        by_row = _lagrange(interpolator.rows[row : row + width], theta)
        by_column = _lagrange(columns[column : column + width], lam)
        np.testing.assert_allclose(found[:, n], box @ by_column @ by_row, rtol=1e-10, atol=1e-12)


def _lagrange(points, x):
    return np.array(
        [np.prod([(x - q) / (p - q) for q in points if q != p], initial=1.0) for p in points]
    )


@settings(max_examples=25, deadline=None)
@given(
    latitude=st.floats(-math.pi / 2, math.pi / 2),
    longitude=st.floats(-1e3, 1e3),
    constant=st.floats(-1e6, 1e6),
)
def test_constants_at_any_point(latitude, longitude, constant):
    interpolator = LocalInterpolator(GRIDS[1], 8)
    point = (torch.tensor([latitude]).double(), torch.tensor([longitude]).double())
    field = torch.full(GRIDS[1].shape, constant, dtype=torch.float64)
    found = interpolator.interpolate(field, interpolator.stencils(*point))
    assert float(found) == pytest.approx(constant, rel=1e-12, abs=1e-300)


def test_seam_and_missing_points_stay_inside_the_field():
    interpolator = LocalInterpolator(Grid("cell-centre", 8, 16), 8)
    field = torch.ones(8, 16, dtype=torch.float64)
    longitude = torch.tensor([-1e-18, 2 * math.pi, float("nan"), 0.0]).double()
    latitude = torch.tensor([0.0, 0.0, 0.0, float("nan")]).double()
    found = interpolator.interpolate(field, interpolator.stencils(latitude, longitude))
    torch.testing.assert_close(found[:2], torch.ones(2, dtype=torch.float64))
    assert found[2:].isnan().all()


def test_type_and_shape_follow_the_field():
    interpolator = LocalInterpolator(GRIDS[0], 4)
    stencils = interpolator.stencils(torch.zeros(5, 1), torch.zeros(1, 7))
    found = interpolator.interpolate(torch.ones(2, 3, 16, 32), stencils)
    assert found.shape == (2, 3, 5, 7) and found.dtype == torch.float32


@pytest.mark.parametrize("flow", ["rotation", "deformation"])
def test_sampled_wind_converges_across_the_poles(flow):
    errors = []
    latitude = torch.linspace(1.2, math.pi / 2, 200, dtype=torch.float64)
    longitude = torch.linspace(0.0, 40.0, 200, dtype=torch.float64)
    for nlat in (24, 48):
        harmonics = SphericalHarmonics(Grid("gaussian", nlat, 2 * nlat), 5)
        rotation = SolidBodyRotation(harmonics, 1e-6, tilt_degrees=70.0)
        wind = rotation if flow == "rotation" else DeformationalFlow(harmonics)
        sampled = sampled_wind(wind, harmonics.grid)(latitude, longitude, 2e5)
        exact = wind.at(latitude, longitude, 2e5)
        pairs = zip(sampled, exact, strict=True)
        errors.append(max(float((a - b).abs().max()) for a, b in pairs) / wind.max_speed)
    assert errors[1] < 1e-6
    assert math.log2(errors[0] / errors[1]) > 5.5


def test_sampled_wind_reads_each_time_once():
    harmonics = SphericalHarmonics(GRIDS[0], 5)
    calls = []

    class Counting:
        max_speed = 1.0

        def __call__(self, time):
            calls.append(time)
            return torch.ones(16, 32).double(), torch.zeros(16, 32).double()

    wind_at = sampled_wind(Counting(), harmonics.grid)
    for time in (3600.0, 1800.0, 1800.0, 0.3 - 0.1 - 0.2 + 3600.0, 3600.0 * (1 + 1e-15)):
        wind_at(torch.zeros(3), torch.zeros(3), time)
    assert calls == [3600.0, 1800.0]


@pytest.mark.parametrize(
    "grid, width, message",
    [
        (GRIDS[0], 5, "choose one of"),
        (Grid("gaussian", 16, 33), 4, "even number"),
        (Grid("gaussian", 4, 32), 6, "at least 6"),
    ],
)
def test_refusals(grid, width, message):
    with pytest.raises(UsageError, match=message):
        LocalInterpolator(grid, width)
