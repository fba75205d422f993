"""Warping distances, clusters that are there, samples of every group."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.fluxes.clustering import cluster, stratified_sample, warping_distances


def warping_distance(one, other, band):
    """Textbook dynamic programme over the squared differences, within a band."""
    cost = np.full((len(one) + 1, len(other) + 1), np.inf)
    cost[0, 0] = 0
    for i in range(1, len(one) + 1):
        for j in range(max(1, i - band), min(len(other), i + band) + 1):
            step = min(cost[i - 1, j], cost[i, j - 1], cost[i - 1, j - 1])
            cost[i, j] = (one[i - 1] - other[j - 1]) ** 2 + step
    return np.sqrt(cost[-1, -1])


def test_distances_are_those_of_the_textbook():
    series = np.random.default_rng(0).standard_normal((6, 24))
    expected = [[warping_distance(a, b, band=4) for b in series] for a in series]
    np.testing.assert_allclose(warping_distances(series), expected, atol=1e-12)


def test_a_shift_costs_little_and_an_offset_much():
    phase = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    series = np.stack([np.sin(phase), np.sin(phase - 0.3), np.sin(phase) + 0.5])
    distances = warping_distances(series)
    assert distances[0, 1] < 0.5 * np.linalg.norm(series[0] - series[1])
    assert distances[0, 2] > distances[0, 1]


def test_clusters_that_are_there_are_found():
    random, phase = np.random.default_rng(1), np.linspace(0, 2 * np.pi, 36)
    kinds = np.stack([np.sin(phase), 3 * np.cos(phase), np.full(36, -2.0)])
    truth = random.integers(0, 3, 60)
    found = cluster(kinds[truth] + 0.05 * random.standard_normal((60, 36)), 3)
    pairs = set(zip(truth.tolist(), found.tolist(), strict=True))
    assert len(pairs) == 3  # one label for each kind, up to their names


def test_degenerate_regions_have_clusters_too():
    same = np.ones((9, 36))
    assert set(cluster(same, 4)) == {0}
    assert cluster(same[:3], 4).tolist() == [0, 1, 2]
    assert set(cluster(np.random.default_rng(0).standard_normal((9, 12)), 1)) == {0}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 99))
def test_a_sample_has_every_group_in_its_share(labels, count, seed):
    groups = np.array(labels)
    drawn = stratified_sample(groups, count, np.random.default_rng(seed))
    assert len(drawn) == min(count, len(groups)) == len(set(drawn.tolist()))
    names, sizes = np.unique(groups, return_counts=True)
    taken = np.array([np.sum(groups[drawn] == name) for name in names])
    assert (taken > 0).sum() == min(len(names), len(drawn))
    if len(drawn) >= 2 * len(names):
        share = len(drawn) * sizes / len(groups)
        assert np.all(taken >= np.minimum(np.floor(share) - len(names), sizes))


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "dtaidistance.dtw", None)
    with pytest.raises(
        UsageError, match=r"dtaidistance is not installed; pip install 'co2phys\[fluxes"
    ):
        warping_distances(np.ones((2, 4)))
