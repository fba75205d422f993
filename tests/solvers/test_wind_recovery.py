import math

import pytest
import torch

from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers import (
    AdvectionDiffusion,
    Grid,
    SphericalHarmonics,
    SteadyWind,
    lawson_rk4,
    recover_wind,
    trajectory,
)
from co2net_phys.solvers.wind_noise import difference_covariance, noise_covariance

HOUR = 3600.0
SMALL = SphericalHarmonics(Grid.gaussian(31), 31)


def smooth_wind(harmonics):
    """Non-divergent, of degree 3 and below, up to about 30 m/s."""
    latitude, longitude = torch.broadcast_tensors(*harmonics.coordinates())
    sine, cosine = latitude.sin(), latitude.cos()
    psi = -15 * sine + 6 * cosine**2 * sine * (2 * longitude).cos()
    psi = psi + 5 * cosine**3 * (3 * longitude).sin()
    return harmonics.wind(harmonics.to_modal(harmonics.radius * psi))


def twin(harmonics, count, interval, instants, diffusivity=1e5, source=None, longest_step=900.0):
    """Wind and tracers of degree 2 and below, so that in hours nothing reaches the truncation."""
    latitude, longitude = torch.broadcast_tensors(*harmonics.coordinates())
    x, y = latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin()
    z = latitude.sin()
    initial = [
        10 * x + 3 * y * z + 2 * z**2,
        10 * y + 3 * x * z + 2 * x * y,
        10 * z + 3 * x * y + 2 * y**2,
    ]
    u, v = smooth_wind(harmonics)
    rate = None if source is None else lambda time, tracer: source
    equation = AdvectionDiffusion(harmonics, SteadyWind(u, v), diffusivity, rate)
    substeps = max(1, round(interval / longest_step))
    step = lawson_rk4(equation, interval / substeps)
    state = harmonics.to_modal(torch.stack(initial[:count]))
    states = trajectory(step, state, 0.0, interval / substeps, substeps)
    fields = [harmonics.to_nodal(next(states)[1]) for _ in range(instants)]
    return u, v, torch.stack(fields, dim=1)


def one_percent(harmonics, tracers):
    """Noise of 1 % of each tracer's standard deviation in space, (K,)."""
    area = 4 * math.pi * harmonics.radius**2
    first = tracers[:, 0]
    anomaly = first - (harmonics.integrate(first) / area)[:, None, None]
    return 0.01 * (harmonics.integrate(anomaly**2) / area).sqrt()


def noisy(harmonics, tracers, seed):
    generator = torch.Generator().manual_seed(seed)
    deviation = one_percent(harmonics, tracers)
    random = torch.randn(tracers.shape, generator=generator, dtype=torch.float64)
    return tracers + deviation[:, None, None, None] * random, deviation


def covered(harmonics, wind, u, v):
    """Share of the area where the truth is within one claimed standard deviation.

    Of both components where both are determined, and of the one along ``direction`` elsewhere.
    """
    east, north = wind.direction.unbind(-1)
    along = wind.u * east + wind.v * north - (u * east + v * north)
    sigma = torch.einsum("tija,tijab,tijb->tij", wind.direction, wind.covariance, wind.direction)
    both, one = wind.determined, wind.components == 1
    hits = torch.stack([wind.u - u, wind.v - v, along]).abs() <= torch.stack(
        [wind.covariance[..., 0, 0].sqrt(), wind.covariance[..., 1, 1].sqrt(), sigma.sqrt()]
    )
    weights = torch.from_numpy(harmonics.grid.area_weights) * torch.stack([both, both, one])
    return float((hits * weights).sum() / weights.sum())


def relative_error(wind, u, v):
    """Rms over the places where both components are determined and cond(G) < 1e4."""
    good = wind.determined & (wind.condition < 1e4)
    error = ((wind.u - u) ** 2 + (wind.v - v) ** 2)[good].mean().sqrt()
    return float(error / (u**2 + v**2).mean().sqrt())


def test_error_falls_at_the_order_of_the_time_difference():
    harmonics = SphericalHarmonics(Grid.gaussian(42), 42)
    errors = {}
    for interval in (7200.0, 3600.0, 300.0):
        u, v, tracers = twin(harmonics, 3, interval, 6, longest_step=300.0)
        for order in (2, 4):
            wind = recover_wind(tracers, interval, 1e5, harmonics=harmonics, order=order)
            assert wind.u.shape == (6 - order, *harmonics.grid.shape)
            errors[order, interval] = relative_error(wind, u, v)
            assert float((wind.determined & (wind.condition < 1e4)).double().mean()) > 0.99
    for order in (2, 4):
        slope = math.log2(errors[order, 7200.0] / errors[order, 3600.0])
        assert slope == pytest.approx(order, abs=0.15)
        assert errors[order, 300.0] <= 1e-4


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize(
    "count, window, interval, diffusivity",
    [
        (2, 1, 3 * HOUR, 0.0),
        (3, 1, HOUR, 1e6),
        (3, 1, 3 * HOUR, 1e5),
        (1, 1, HOUR, 1e5),
        (1, 4, 3 * HOUR, 1e5),
        (3, 4, 3 * HOUR, 0.0),
    ],
)
def test_claimed_error_covers_the_truth(count, window, interval, diffusivity, order):
    u, v, clean = twin(SMALL, count, interval, 9, diffusivity)
    tracers, deviation = noisy(SMALL, clean, seed=count + order)
    options = {"harmonics": SMALL, "order": order, "window": window}
    wind = recover_wind(tracers, interval, diffusivity, noise=deviation, **options)
    assert float((wind.components > 0).double().mean()) > 0.7
    assert covered(SMALL, wind, u, v) == pytest.approx(0.68, abs=0.05)
    if count * window > 2:  # the residuals tell the noise
        wind = recover_wind(tracers, interval, diffusivity, **options)
        assert covered(SMALL, wind, u, v) == pytest.approx(0.68, abs=0.05)


def test_error_of_a_coarse_time_difference_is_claimed():
    """Without noise; the claim may be too large, as it holds for neighbourhoods."""
    u, v, tracers = twin(SMALL, 2, 6 * HOUR, 7)
    for order in (2, 4):
        wind = recover_wind(tracers, 6 * HOUR, 1e5, noise=0.0, harmonics=SMALL, order=order)
        assert 0.6 < covered(SMALL, wind, u, v) <= 1.0
        assert float(wind.covariance[..., 0, 0].nanmean()) < 1.0


@pytest.mark.parametrize("order, instants", [(2, 3), (4, 5)])
def test_as_few_instants_as_the_difference_takes(order, instants):
    u, v, tracers = twin(SMALL, 2, 3 * HOUR, instants)
    wind = recover_wind(tracers, 3 * HOUR, 1e5, noise=0.0, harmonics=SMALL, order=order)
    assert wind.u.shape[0] == 1 and wind.instants.tolist() == [instants // 2]
    assert 0.5 < covered(SMALL, wind, u, v) <= 1.0


def test_order_falls_where_instants_are_few():
    _, _, tracers = twin(SMALL, 2, HOUR, 4)
    wind = recover_wind(tracers, HOUR, 1e5, harmonics=SMALL)
    assert wind.instants.tolist() == [1.0, 2.0]


def test_one_tracer_gives_the_component_along_its_gradient():
    u, v, tracers = twin(SMALL, 1, 300.0, 7)
    wind = recover_wind(tracers, 300.0, 1e5, harmonics=SMALL)
    assert int(wind.components.max()) == 1
    east, north = SMALL.gradient(SMALL.to_modal(tracers[0, 2:5]))
    steep = torch.hypot(east, north)
    along = (u * east + v * north) / steep
    good = (steep > 0.05 * steep.mean()) & (wind.components == 1)
    assert float(good.double().mean()) > 0.95
    torch.testing.assert_close(wind.u[good], (along * east / steep)[good], rtol=0, atol=1e-6)
    torch.testing.assert_close(wind.v[good], (along * north / steep)[good], rtol=0, atol=1e-6)
    across = torch.stack([-north, east], dim=-1) / steep[..., None]
    claim = torch.einsum("tija,tijab,tijb->tij", across, wind.covariance, across)
    assert float(claim[good].abs().max()) < 1e-12


def test_parallel_tracers_give_one_component():
    _, _, tracers = twin(SMALL, 1, HOUR, 5)
    wind = recover_wind(torch.cat([tracers, 2 * tracers]), HOUR, 1e5, harmonics=SMALL)
    assert int(wind.components.max()) == 1


def test_window_of_a_turning_gradient_determines_both():
    """A blob that a rotation carries past: its gradient turns at a place."""
    latitude, longitude = torch.broadcast_tensors(*SMALL.coordinates())
    u, v = smooth_wind(SMALL)
    x = latitude.cos() * longitude.cos()
    blob = (8 * (x - 1)).exp()[None] + 0.5 * latitude.sin() ** 2
    equation = AdvectionDiffusion(SMALL, SteadyWind(u, v), 1e5)
    states = trajectory(lawson_rk4(equation, 900.0), SMALL.to_modal(blob), 0.0, 900.0, 12)
    tracers = torch.stack([SMALL.to_nodal(next(states)[1]) for _ in range(12)], dim=1)
    wind = recover_wind(tracers, 3 * HOUR, 1e5, noise=1e-4, harmonics=SMALL, window=8)
    both = wind.determined
    assert float(both.double().mean()) > 0.01
    assert float(((wind.u - u)[both] ** 2).mean().sqrt()) < 5.0


@pytest.mark.parametrize("field", [False, True])
def test_sources_and_varying_diffusivity(field):
    latitude, longitude = torch.broadcast_tensors(*SMALL.coordinates())
    source = 1e-4 * latitude.cos() * longitude.cos() + 5e-5
    diffusivity = 1e5 * (2 + latitude.sin()) if field else 1e5
    u, v, tracers = twin(SMALL, 3, 600.0, 5, diffusivity, source)
    steady = source.expand(3, -1, -1)
    wind = recover_wind(tracers, 600.0, diffusivity, steady, harmonics=SMALL)
    assert relative_error(wind, u, v) < 1e-6
    over_time = steady[:, None].expand(-1, 5, -1, -1)
    again = recover_wind(tracers, 600.0, diffusivity, over_time, harmonics=SMALL)
    torch.testing.assert_close(again.u, wind.u, equal_nan=True)
    without = recover_wind(tracers, 600.0, diffusivity, harmonics=SMALL)
    assert not relative_error(without, u, v) < 1e-2


@pytest.mark.parametrize(
    "harmonics",
    [
        SphericalHarmonics(Grid.gaussian(8), 8),
        SphericalHarmonics(Grid("cell-centre", 20, 24), 7, radius=1e6),
    ],
)
def test_noise_covariance_against_samples(harmonics):
    samples, grid = 4000, harmonics.grid
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(samples, *grid.shape, generator=generator, dtype=torch.float64)
    modal = harmonics.to_modal(noise)
    parts = [harmonics.to_nodal(modal), *harmonics.gradient(modal)]
    parts.append(harmonics.to_nodal(harmonics.laplacian(modal)))
    fields = torch.stack(parts)
    sampled = torch.einsum("anij,bnij->iab", fields, fields) / (samples * grid.nlon)
    expected = noise_covariance(harmonics)
    deviation = expected.diagonal(dim1=1, dim2=2).sqrt()
    error = (sampled - expected) / (deviation[:, :, None] * deviation[:, None, :])
    assert float(error.abs().max()) < 0.04


@pytest.mark.parametrize("order", [2, 4, 6])
def test_difference_covariance_against_its_matrix(order):
    """The differences of unit vectors make the matrix explicitly."""
    weights = {2: [-0.5, 0.5], 4: [1 / 12, -2 / 3, 2 / 3, -1 / 12]}
    weights[6] = [-1 / 60, 3 / 20, -3 / 4, 3 / 4, -3 / 20, 1 / 60]
    full = [*weights[order][: order // 2], 0.0, *weights[order][order // 2 :]]
    matrix = torch.zeros(5, 5 + order, dtype=torch.float64)
    for i in range(5):
        matrix[i, i : i + order + 1] = torch.tensor(full, dtype=torch.float64)
    torch.testing.assert_close(difference_covariance(order, 5), matrix @ matrix.mT)


def test_scale_of_the_tracers_does_not_matter():
    _, _, clean = twin(SMALL, 3, HOUR, 5)
    tracers, deviation = noisy(SMALL, clean, seed=1)
    for noise, scaled in ((deviation, 1e6 * deviation), (None, None)):
        wind = recover_wind(tracers, HOUR, 1e5, noise=noise, harmonics=SMALL)
        again = recover_wind(1e6 * tracers, HOUR, 1e5, noise=scaled, harmonics=SMALL)
        torch.testing.assert_close(again.u, wind.u, rtol=1e-6, atol=1e-8, equal_nan=True)
        torch.testing.assert_close(
            again.covariance, wind.covariance, rtol=1e-6, atol=1e-8, equal_nan=True
        )


def test_rotating_the_longitudes_rotates_the_wind():
    _, _, clean = twin(SMALL, 2, HOUR, 5)
    tracers, deviation = noisy(SMALL, clean, seed=2)
    limits = {"harmonics": SMALL, "largest_error": math.inf, "smallest_gradient": 0.0}
    wind = recover_wind(tracers, HOUR, 1e5, noise=deviation, **limits)
    again = recover_wind(tracers.roll(7, -1), HOUR, 1e5, noise=deviation, **limits)
    claim = wind.covariance.roll(7, 2)
    # A random sample in the claim does not turn with the fields: it is the same to its scatter.
    ratio = again.covariance[..., 0, 0] / claim[..., 0, 0]
    torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=0.2, atol=0)
    moved = (again.u - wind.u.roll(7, -1)).abs() / claim[..., 0, 0].sqrt()
    assert float(moved.max()) < 0.05


def test_a_steady_tracer_without_a_spare_equation():
    """There is only round-off to claim."""
    latitude, _ = torch.broadcast_tensors(*SMALL.coordinates())
    steady = (400.0 + latitude.sin()).expand(1, 5, -1, -1)
    wind = recover_wind(steady, HOUR, harmonics=SMALL)
    assert bool((wind.components == 1).all())
    assert float(wind.v.abs().max()) < 1e-9
    assert 0 < float(wind.covariance[..., 1, 1].max()) < 1e-12


def test_residuals_beyond_the_noise_enlarge_the_claim():
    """A source that nobody told of; two equations fit anything, three do not."""
    latitude, _ = torch.broadcast_tensors(*SMALL.coordinates())
    _, _, tracers = twin(SMALL, 3, HOUR, 5, source=3e-4 * latitude.sin())
    wind = recover_wind(tracers, HOUR, 1e5, noise=1e-4, harmonics=SMALL)
    honest = recover_wind(tracers[:2], HOUR, 1e5, noise=1e-4, harmonics=SMALL)
    assert float(wind.covariance[..., 0, 0].nanmedian()) > 100 * float(
        honest.covariance[..., 0, 0].nanmedian()
    )


TRACERS = torch.randn(
    2, 6, *SMALL.grid.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64
)


@pytest.mark.parametrize(
    "changes, error, match",
    [
        ({"tracers": TRACERS[:, :2]}, DataError, "two time steps"),
        ({"tracers": TRACERS[:, :1]}, DataError, "one time step"),
        ({"tracers": TRACERS[:, :4], "window": 3}, DataError, "window of 3"),
        ({"tracers": torch.ones_like(TRACERS)}, DataError, "constant in space"),
        ({"tracers": 400 + torch.zeros_like(TRACERS)}, DataError, "constant in space"),
        ({"tracers": TRACERS[..., :-1]}, DataError, "one grid"),
        ({"tracers": TRACERS[0]}, DataError, "shape"),
        ({"tracers": TRACERS[:0]}, DataError, "shape"),
        ({"tracers": TRACERS.long()}, DataError, "floating-point"),
        ({"tracers": TRACERS / 0.0}, DataError, "not finite"),
        ({"dt": 0.0}, UsageError, "dt must be positive"),
        ({"dt": math.nan}, UsageError, "dt must be positive"),
        ({"order": 3}, UsageError, "2, 4 or 6"),
        ({"window": 0}, UsageError, "window"),
        ({"noise": -1.0}, UsageError, "noise"),
        ({"noise": [1.0, 2.0, 3.0]}, UsageError, "noise"),
        ({"diffusivity": -1.0}, UsageError, "diffusivity"),
        ({"diffusivity": torch.ones(3, 4)}, DataError, "diffusivity"),
        ({"sources": torch.ones(3, *SMALL.grid.shape)}, DataError, "sources"),
        ({"sources": TRACERS[:, 0] / 0.0}, DataError, "sources"),
        ({"largest_error": 0.0}, UsageError, "largest_error"),
        ({"smallest_gradient": -1.0}, UsageError, "smallest_gradient"),
        ({"largest_condition": 0.5}, UsageError, "largest_condition"),
    ],
)
def test_refused(changes, error, match):
    arguments = {"tracers": TRACERS, "dt": HOUR, "harmonics": SMALL} | changes
    with pytest.raises(error, match=match) as caught:
        recover_wind(**arguments)
    assert "\n" not in str(caught.value)
