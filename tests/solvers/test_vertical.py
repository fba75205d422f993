import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import solve_banded

from co2net_phys.solvers.vertical import convect, diffuse, redistribute

LAYERS = [2, 20, 62]
HOUR = 3600.0


def column(seed, layers, columns=3):
    """Random mixing ratios and air masses."""
    random = np.random.default_rng(seed)
    return random.uniform(0, 1, (layers, columns)), random.uniform(10, 500, (layers, columns))


def cloud(seed, layers, columns=3):
    """A random updraught that grows in the lower half and detrains in the upper one, its
    entrainment (more than it grows by), and what rains out of it."""
    random = np.random.default_rng(seed)
    source, sink = random.uniform(0, 1, (2, layers, columns))
    half = max(1, layers // 2)
    source[half:], sink[:half] = 0.0, 0.0
    updraught = 0.02 * np.cumsum(source / source.sum(0) - sink / sink.sum(0), axis=0)
    updraught = np.maximum(updraught, 0.0)
    growth = np.diff(updraught, axis=0, prepend=0.0)
    entrainment = np.maximum(growth, 0.0) + 0.001 * random.uniform(0, 1, growth.shape)
    return updraught, entrainment, 0.002 * random.uniform(0, 1, growth.shape)


def convection_matrix(air, updraught, entrainment, washout):
    """dq/dt = C q of one column, written out entry by entry: the reference for `convect`."""
    layers = len(air)
    lift = np.append(updraught[:-1], 0.0)
    arriving = np.append(0.0, lift[:-1])
    inside = arriving + entrainment
    plume = np.zeros((layers, layers))  # u = plume @ q
    for k in range(layers):
        plume[k, k] = entrainment[k]
        if k:
            plume[k] += arriving[k] * plume[k - 1]
        plume[k] /= inside[k] + washout[k]
    rate = (inside - lift)[:, None] * plume - np.diag(entrainment + arriving)
    rate[np.arange(layers - 1), np.arange(1, layers)] += lift[:-1]
    return rate / air[:, None], plume


def cosine_error(layers, time_step, end=1000.0, diffusivity=10.0, depth=1000.0):
    """Largest error of the gravest cosine mode after `end` s, against exp(−k²Kt)."""
    spacing, wavenumber = depth / layers, np.pi / depth
    centre = (np.arange(layers) + 0.5) * spacing
    ratio = np.cos(wavenumber * centre)
    air, exchange = np.full(layers, 1.2 * spacing), np.full(layers, 1.2 * diffusivity / spacing)
    decayed = ratio * np.exp(-(wavenumber**2) * diffusivity * end)
    for _ in range(round(end / time_step)):
        ratio = diffuse(ratio, air, exchange, time_step).ratio
    return np.abs(ratio - decayed).max()


def test_diffusion_of_a_cosine_is_second_order_in_space():
    errors = [cosine_error(layers, 1e4 / layers**2) for layers in (10, 20, 40)]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(slopes, 2.0, atol=0.15)
    assert errors[-1] < 2e-4


def test_diffusion_is_first_order_in_time():
    errors = [cosine_error(200, step) for step in (100.0, 50.0, 25.0)]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(slopes, 1.0, atol=0.15)


@pytest.mark.parametrize("layers", LAYERS)
def test_diffusion_solves_its_linear_system(layers):
    ratio, air = (a[:, 0] for a in column(1, layers))
    exchange = np.random.default_rng(2).uniform(0, 0.5, layers)
    exchange[-1] = 0.0
    emission, conductance = 1e-3, 2e-3
    found = diffuse(ratio, air, exchange, HOUR, emission=emission, conductance=conductance)
    below = np.append(conductance, exchange[:-1])
    bands = np.zeros((3, layers))
    bands[0, 1:], bands[2, :-1] = -HOUR * exchange[:-1], -HOUR * exchange[:-1]
    bands[1] = air + HOUR * (exchange + below)
    right = air * ratio
    right[0] += HOUR * emission
    np.testing.assert_allclose(found.ratio, solve_banded((1, 1), bands, right), rtol=1e-12)
    np.testing.assert_allclose(found.deposited, HOUR * conductance * found.ratio[0], rtol=1e-15)


def test_deposition_and_emission_come_to_their_balance():
    ratio, air = column(3, 20)
    exchange = np.full_like(air, 0.3)
    found = diffuse(1e-9 * ratio, air, exchange, 1e14, emission=2e-9, conductance=1e-3)
    np.testing.assert_allclose(found.ratio, 2e-6, rtol=1e-6)


@pytest.mark.parametrize("layers", LAYERS)
def test_convection_agrees_with_the_matrix_written_out(layers):
    ratio, air = column(4, layers)
    updraught, entrainment, washout = cloud(5, layers)
    found = convect(ratio, air, updraught, entrainment, HOUR, washout)
    for n in range(ratio.shape[1]):
        rate, plume = convection_matrix(
            air[:, n], updraught[:, n], entrainment[:, n], washout[:, n]
        )
        expected = np.linalg.solve(np.eye(layers) - HOUR * rate, ratio[:, n])
        np.testing.assert_allclose(found.ratio[:, n], expected, rtol=1e-11, atol=1e-14)
        rained = HOUR * (washout[:, n] * (plume @ expected)).sum()
        np.testing.assert_allclose(found.deposited[n], rained, rtol=1e-11)


def test_convection_lifts_tracer_from_the_ground_to_the_anvil():
    ratio, air = np.zeros(10), np.full(10, 1000.0)
    ratio[0] = 1.0
    updraught = np.append(np.full(8, 0.01), [0.0, 0.0])  # all of it detrains in layer 8
    entrainment = np.append(0.01, np.zeros(9))
    found = convect(ratio, air, updraught, entrainment, 1.0).ratio
    np.testing.assert_allclose(found[8], 0.01 / 1000.0, rtol=1e-3)
    assert np.all(found[1:8] < 1e-8)
    assert found[9] == 0.0


@pytest.mark.parametrize("layers", LAYERS)
def test_a_well_mixed_column_stays_so(layers):
    _, air = column(6, layers)
    updraught, entrainment, _ = cloud(7, layers)
    mixed = np.full_like(air, 0.7)
    target = air[::-1] * (air.sum(0) / air[::-1].sum(0))
    for after in (
        diffuse(mixed, air, 0.4 * np.ones_like(air), HOUR).ratio,
        convect(mixed, air, updraught, entrainment, HOUR).ratio,
        redistribute(mixed, air, target),
    ):
        np.testing.assert_allclose(after, 0.7, rtol=1e-13)


seeds = st.integers(0, 10**6)
sizes = st.sampled_from([2, 3, 20])


@settings(max_examples=40, deadline=None)
@given(seeds, sizes, st.floats(1.0, 1e6))
def test_mass_is_accounted_for_and_nothing_turns_negative(seed, layers, interval):
    ratio, air = column(seed, layers)
    ratio[:: 1 + seed % 3] = 0.0
    updraught, entrainment, washout = cloud(seed + 1, layers)
    before = (air * ratio).sum(0)
    mixed = diffuse(ratio, air, 0.2 * air / 500, interval, emission=1e-6, conductance=1e-3)
    lifted = convect(ratio, air, updraught, entrainment, interval, washout)
    for after, gained in ((mixed, 1e-6 * interval), (lifted, 0.0)):
        left = (air * after.ratio).sum(0) + after.deposited
        np.testing.assert_allclose(left, before + gained, rtol=1e-12, atol=1e-12)
        assert after.ratio.min() >= 0.0
        assert after.deposited.min() >= 0.0


@settings(max_examples=30, deadline=None)
@given(seeds, sizes, st.floats(-5.0, 5.0))
def test_diffusion_and_convection_are_linear(seed, layers, factor):
    first, air = column(seed, layers)
    second, _ = column(seed + 1, layers)
    updraught, entrainment, washout = cloud(seed + 2, layers)

    def operators(ratio):
        mixed = diffuse(ratio, air, 0.3 * np.ones_like(air), HOUR, conductance=1e-3)
        return (*mixed, *convect(ratio, air, updraught, entrainment, HOUR, washout))

    both = operators(first + factor * second)
    apart = zip(operators(first), operators(second), strict=True)
    for whole, (one, other) in zip(both, apart, strict=True):
        np.testing.assert_allclose(whole, one + factor * other, rtol=1e-11, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(seeds, sizes)
def test_air_that_passes_keeps_mass_and_makes_no_new_extremes(seed, layers):
    ratio, air = column(seed, layers)
    _, target = column(seed + 1, layers)
    target *= air.sum(0) / target.sum(0)
    moved = redistribute(ratio, air, target)
    np.testing.assert_allclose((target * moved).sum(0), (air * ratio).sum(0), rtol=1e-12)
    assert np.all(moved <= ratio.max(0) + 1e-12)
    assert np.all(moved >= ratio.min(0) - 1e-12)


def test_rising_air_carries_a_smooth_profile_with_second_order():
    """A stack that sinks by half a layer in many steps, the profile zero at both ends."""

    def error(layers):
        edges = np.linspace(0, 1, layers + 1)
        shift, steps = 0.1, 8 * layers // 20

        def bump(offset):  # cell means of sin⁴ on [0.2, 0.7] moved by `offset`
            x = np.clip((edges - 0.2 - offset) / 0.5, 0, 1) * np.pi
            primitive = 3 * x / 8 - np.sin(2 * x) / 4 + np.sin(4 * x) / 32
            return np.diff(primitive) * 0.5 / np.pi * layers

        ratio, air = bump(0.0), np.full(layers, 1.0)
        target = air.copy()
        lifted = shift * layers / steps  # layers of air through every interface, each step
        target[0] -= lifted
        target[-1] += lifted
        for _ in range(steps):
            ratio = redistribute(ratio, air, target)
        return np.abs(ratio - bump(shift)).mean()

    errors = [error(layers) for layers in (40, 80, 160)]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(slopes > 1.7), slopes  # the limiter takes some of the order at the maximum


def test_wrong_mass_fluxes_are_refused():
    ratio, air = column(8, 4)
    flux = np.full_like(air, 0.01)
    with pytest.raises(ValueError, match="must not be negative"):
        convect(ratio, air, flux, -flux, HOUR)
    with pytest.raises(ValueError, match="more than it entrains"):
        convect(ratio, air, flux, 0.0 * flux, HOUR)
