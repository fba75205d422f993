"""Nothing leaks from what is left out; simple methods are what they say."""

import dataclasses

import numpy as np
import pytest

from co2net_phys.crossvalidation.methods import METHODS, chosen_methods
from co2net_phys.errors import UsageError


def run(name, task):
    return METHODS[name].run(task, lambda share: None)


def changed(task, rows, new):
    table = task.records.table.copy()
    table[rows] = np.where(np.isfinite(table[rows]), new, np.nan)
    return dataclasses.replace(task, records=dataclasses.replace(task.records, table=table))


@pytest.mark.parametrize("name", METHODS)
def test_a_site_left_out_has_no_influence_on_its_prediction(invented, name, monkeypatch):
    monkeypatch.setattr("co2net_phys.crossvalidation.fitting.ITERATIONS", 3)
    task, _ = invented()
    rows = np.flatnonzero(task.groups == task.groups[0])  # both series of the first site
    assert rows.size == 2
    mine = np.isin(task.records.rows, rows)
    noise = np.random.default_rng(1).normal(500, 80, task.records.table[rows].shape)
    before = run(name, task)
    after = run(name, changed(task, rows, noise))
    assert np.isfinite(before.values).all()
    assert np.abs(after.values - before.values)[mine].max() < 1e-7
    assert np.abs(after.values - before.values)[~mine].max() > 0.1, "it is used for the others"
    if before.standard_errors is not None:
        assert np.allclose(after.standard_errors[mine], before.standard_errors[mine], rtol=1e-8)


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_the_series_does_not_matter(invented, name, monkeypatch):
    monkeypatch.setattr("co2net_phys.crossvalidation.fitting.ITERATIONS", 2)
    task, _ = invented(sites=16, months=3, seed=2)
    order = np.random.default_rng(0).permutation(16)
    records = dataclasses.replace(
        task.records,
        series=tuple(task.records.series[i] for i in order),
        table=task.records.table[order],
    )
    other = dataclasses.replace(task, records=records, groups=task.groups[order])

    def table(one):
        found = np.full(one.records.table.shape, np.nan)
        found[one.records.rows, one.records.columns] = run(name, one).values
        return found

    assert np.allclose(table(other), table(task)[order], atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("name", METHODS)
def test_adding_a_constant_to_all_adds_it_to_the_predictions(invented, name, monkeypatch):
    monkeypatch.setattr("co2net_phys.crossvalidation.fitting.ITERATIONS", 2)
    task, _ = invented(sites=9, months=4, seed=3)
    every = np.arange(9)
    more = changed(task, every, task.records.table[every] + 10)
    assert np.allclose(run(name, more).values, run(name, task).values + 10, atol=1e-6)


def test_mean_and_nearest_by_hand(invented):
    values = np.array([[1.0, 2.0], [10.0, np.nan], [100.0, 4.0]]) + 380
    task, _ = invented(sites=3, months=2, values=values)
    mean, nearest = run("mean", task), run("nearest", task)
    assert np.allclose(mean.values - 380, [55, 4, 50.5, 5.5, 2])
    d = task.distance
    first = values[1, 0] if d[0, 1] < d[0, 2] else values[2, 0]
    assert nearest.values[0] == first
    assert nearest.values[1] == values[2, 1]


def test_a_month_of_one_site_is_not_predicted(invented):
    values = np.full((4, 2), 390.0)
    values[1:, 1] = np.nan
    task, _ = invented(sites=4, months=2, values=values)
    for name in METHODS:
        predicted = run(name, task).values
        alone = task.records.columns == 1
        assert np.isnan(predicted[alone]).all()
        assert np.allclose(predicted[~alone], 390.0, atol=1e-3)


def test_methods_are_chosen_by_name():
    assert chosen_methods(None) == list(METHODS)
    assert chosen_methods(["kriging", "mean"]) == ["mean", "kriging"]
    with pytest.raises(UsageError, match="choose from mean"):
        chosen_methods(["krigging"])
