"""Block formulas against solving every system anew."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.crossvalidation.leaving_out import left_out, precision


def problem(seed, count=18, columns=3):
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(count, 3))
    distance = np.linalg.norm(places[:, None] - places, axis=2)
    covariance = np.exp(-distance) + 0.3 * np.eye(count)
    drift = places[:, :1] ** np.arange(columns)
    return covariance, drift, rng.normal(size=count) + 390, rng.integers(0, 5, count)


def brute_force(covariance, drift, values, groups):
    predicted, variance = np.empty(values.size), np.empty(values.size)
    columns = drift.shape[1]
    for group in np.unique(groups):
        g, o = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        left = np.block(
            [[covariance[np.ix_(o, o)], drift[o]], [drift[o].T, np.zeros((columns, columns))]]
        )
        right = np.vstack([covariance[np.ix_(o, g)], drift[g].T])
        weights = np.linalg.solve(left, right)
        predicted[g] = weights[: o.size].T @ values[o]
        variance[g] = np.diag(covariance)[g] - (weights * right).sum(axis=0)
    return predicted, variance


@given(seed=st.integers(0, 10_000), columns=st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_it_equals_kriging_of_each_group_from_the_others(seed, columns):
    covariance, drift, values, groups = problem(seed, columns=columns)
    expected = brute_force(covariance, drift, values, groups)
    tensors = [torch.from_numpy(x) for x in (covariance, drift, values, groups)]
    matrix = precision(tensors[0], tensors[1] if columns else None)
    found = left_out(matrix, tensors[2], tensors[3])
    assert bool(found.is_determined.all())
    for one, other in zip(found[:2], expected, strict=True):
        assert np.abs(one.numpy() - other).max() < 1e-10 * 390


def test_groups_of_one_are_single_records_left_out():
    covariance, drift, values, _ = problem(3)
    matrix = precision(torch.from_numpy(covariance), torch.from_numpy(drift))
    found, variance, _ = left_out(matrix, torch.from_numpy(values), torch.arange(values.size))
    q = matrix.numpy()
    assert np.allclose(found, values - (q @ values) / np.diag(q), atol=1e-9)
    assert np.allclose(variance, 1 / np.diag(q))


def test_a_drift_that_the_others_cannot_tell_is_marked():
    covariance, _, values, groups = problem(1)
    drift = np.stack([np.ones(values.size), groups == 2], axis=1).astype(float)
    matrix = precision(torch.from_numpy(covariance), torch.from_numpy(drift))
    found = left_out(matrix, torch.from_numpy(values), torch.from_numpy(groups))
    assert torch.isfinite(found.predicted).all()
    assert (found.is_determined.numpy() == (groups != 2)).all()


def test_gradients_are_those_of_finite_differences():
    covariance, drift, values, groups = problem(5, count=8, columns=2)

    def density(nugget):
        matrix = torch.from_numpy(covariance) + nugget * torch.eye(8, dtype=torch.float64)
        matrix = precision(matrix, torch.from_numpy(drift))
        predicted, variance, _ = left_out(
            matrix, torch.from_numpy(values), torch.from_numpy(groups)
        )
        return predicted.sum() + variance.log().sum()

    assert torch.autograd.gradcheck(
        density, torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    )


@pytest.mark.parametrize("sizes", [(1, 1, 1), (5, 1, 2)])
def test_the_order_of_the_records_does_not_matter(sizes):
    groups = np.repeat(np.arange(3), sizes)
    covariance, drift, values, _ = problem(2, count=groups.size, columns=1)
    order = np.random.default_rng(0).permutation(groups.size)

    def solve(i):
        matrix = precision(torch.from_numpy(covariance[np.ix_(i, i)]), torch.from_numpy(drift[i]))
        return left_out(matrix, torch.from_numpy(values[i]), torch.from_numpy(groups[i]))[0].numpy()

    assert np.allclose(solve(order), solve(np.arange(groups.size))[order], atol=1e-9)
