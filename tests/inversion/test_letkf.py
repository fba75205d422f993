"""The filter's algebra against the Kalman equations, and its localisation and inflation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.baselines.sphere import gaspari_cohn
from co2net_phys.data.stations import Station
from co2net_phys.inversion.letkf import (
    analysis_weights,
    combine,
    localisation,
    relax_spread,
)
from co2net_phys.inversion.observation_operator import Observations
from co2net_phys.solvers import Grid

FRAMES, SITES, STATE = 3, 4, 6


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def problem(seed=0):
    """A linear observation operator (F, S, n), reports and their errors."""
    operator = normal(FRAMES, SITES, STATE, seed=seed)
    values = normal(FRAMES, SITES, seed=seed + 1)
    values[1, 2] = math.nan
    return operator, Observations(values, torch.tensor([0.5, 0.7, 1.0, 0.4], dtype=torch.float64))


def kalman(mean, covariance, operator, observations):
    """Analysis mean and covariance from dense matrices."""
    reported = torch.isfinite(observations.values)
    matrix, values = operator[reported], observations.values[reported]
    errors = torch.diag(observations.errors.expand(FRAMES, SITES)[reported] ** 2)
    gain = covariance @ matrix.T @ torch.linalg.inv(matrix @ covariance @ matrix.T + errors)
    return mean + gain @ (values - matrix @ mean), covariance - gain @ matrix @ covariance


def filtered(members, operator, observations, closeness=None):
    """New members (k, n) of members (k, n): at one place, or every component at its own."""
    modelled = torch.einsum("fsn,kn->fks", operator, members)
    if closeness is not None:
        return combine(members, analysis_weights(modelled, observations, closeness))
    everywhere = torch.ones(1, SITES, dtype=torch.float64)
    weights = analysis_weights(modelled, observations, everywhere)
    return combine(members[..., None], weights)[..., 0]


def covariance_of(members):
    departures = members - members.mean(0)
    return departures.T @ departures / (len(members) - 1)


@pytest.mark.parametrize("members", [4, 30])
def test_in_the_space_of_the_members_the_filter_is_the_kalman_filter(members):
    operator, observations = problem()
    before = 2 * normal(members, STATE, seed=5)
    after = filtered(before, operator, observations)
    mean, covariance = kalman(before.mean(0), covariance_of(before), operator, observations)
    assert torch.allclose(after.mean(0), mean, rtol=0, atol=1e-10)
    assert torch.allclose(covariance_of(after), covariance, rtol=0, atol=1e-10)


def test_with_many_members_it_converges_to_the_kalman_analysis_at_the_monte_carlo_rate():
    operator, observations = problem()
    root = torch.linalg.cholesky(torch.eye(STATE) + 0.5 * torch.ones(STATE, STATE)).double()
    truth = kalman(torch.zeros(STATE).double(), root @ root.T, operator, observations)
    sizes, errors = [50, 150, 450], []
    for size in sizes:
        squares = []
        for seed in range(24):
            after = filtered(normal(size, STATE, seed=100 + seed) @ root.T, operator, observations)
            squares.append(float(((after.mean(0) - truth[0]) ** 2).sum()))
            squares.append(float(((covariance_of(after) - truth[1]) ** 2).sum()))
        errors.append(math.sqrt(np.mean(squares)))
    rate = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert rate == pytest.approx(-0.5, abs=0.12)


def test_a_place_far_from_every_station_keeps_its_members():
    operator, observations = problem()
    closeness = torch.ones(STATE, SITES, dtype=torch.float64)
    closeness[3] = 0.0
    before = normal(8, STATE, seed=6)
    after = filtered(before, operator, observations, closeness)
    assert torch.allclose(after[:, 3], before[:, 3], atol=1e-12)
    assert not torch.allclose(after[:, 2], before[:, 2], atol=1e-2)


def test_the_order_of_members_and_of_stations_does_not_matter():
    operator, observations = problem()
    before, order, sites = normal(7, STATE, seed=8), torch.randperm(7), torch.tensor([2, 0, 3, 1])
    after = filtered(before, operator, observations)
    assert torch.allclose(filtered(before[order], operator, observations), after[order], atol=1e-12)
    moved = Observations(observations.values[:, sites], observations.errors[sites])
    assert torch.allclose(filtered(before, operator[:, sites], moved), after, atol=1e-12)


def test_reports_that_share_an_error_weigh_as_one():
    operator = normal(1, SITES, STATE, seed=9)
    values, errors = normal(1, SITES, seed=10), torch.full((SITES,), 0.7, dtype=torch.float64)
    before = normal(20, STATE, seed=11)

    def repeated(times, repeats):
        seen = Observations(values.expand(times, -1), errors, repeats)
        return filtered(before, operator.expand(times, -1, -1), seen)

    assert torch.allclose(repeated(4, 4.0), repeated(1, 1.0), atol=1e-11)


def test_the_localisation_function_is_that_of_gaspari_and_cohn():
    # At r = 1, 5/24; at r = 1/2 and 3/2 the two branches of their (4.10).
    values = gaspari_cohn(torch.tensor([0.0, 1.0, 2.0, 0.5, 1.5], dtype=torch.float64))
    assert values[:3].tolist() == pytest.approx([1.0, 5 / 24, 0.0], abs=1e-12)
    assert values[3:].tolist() == pytest.approx([0.6848958, 0.0164931], abs=1e-6)


@given(st.floats(1e3, 2e7), st.integers(2, 12))
def test_localised_correlations_stay_a_correlation_matrix(support, count):
    random = np.random.default_rng(count)
    points = random.standard_normal((count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    chord = 6.371e6 * np.linalg.norm(points[:, None] - points, axis=-1)
    matrix = gaspari_cohn(torch.from_numpy(2 * chord / support)).numpy()
    assert np.linalg.eigvalsh(matrix).min() > -1e-9


def test_closeness_is_one_at_a_station_and_zero_beyond_the_support():
    grid = Grid("cell-centre", 18, 36)
    site = Station("a", "", 5.0, 20.0, 0.0)
    closeness = localisation(grid, (site,), 3e6).reshape(18, 36)
    assert float(closeness[9, 2]) == pytest.approx(1.0)  # 5 degrees north, 20 degrees east
    assert float(closeness[9, 6]) == 0.0  # 40 degrees away, 4,400 km
    assert 0 < float(closeness[9, 3]) < 1


def test_relaxation_gives_back_a_share_of_the_lost_spread():
    before, mean = 3 * normal(10, 5, seed=1), normal(5, seed=2)
    after = mean + 0.2 * normal(10, 5, seed=1)
    relaxed = relax_spread(after, before, 0.25)
    assert torch.allclose(relaxed.mean(0), after.mean(0))
    wanted = 0.75 * after.std(0) + 0.25 * before.std(0)
    assert torch.allclose(relaxed.std(0), wanted)
    flat = torch.zeros(4, 2, dtype=torch.float64)
    assert torch.equal(relax_spread(flat, flat, 0.5), flat)
