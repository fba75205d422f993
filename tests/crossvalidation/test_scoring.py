"""Scores, the floor and kinds of sites by hand."""

import re

import numpy as np
import pytest

from co2net_phys.crossvalidation.kinds import kinds_of_series, scores_by_kind
from co2net_phys.crossvalidation.method import Predictions
from co2net_phys.crossvalidation.page import sections
from co2net_phys.crossvalidation.running import Outcome, crossvalidate
from co2net_phys.crossvalidation.scoring import (
    floor,
    site_rmse,
    summary,
    trimmed_rmse,
    without_worst,
)
from co2net_phys.report import Table, render_report


@pytest.fixture
def outcome(invented):
    """Errors of 1 ppm everywhere, but of 10 ppm at the third site."""
    task, names = invented(sites=6, months=12)
    errors = np.where(task.records.rows == 2, 10.0, 1.0)
    found = {"mean": Predictions(task.records.values + errors)}
    return Outcome(task, names, found, {"mean": "mean"}, ("mean",))


def test_the_floor_is_the_site_with_the_largest_share(outcome):
    rows = floor(outcome, "mean")
    n = np.bincount(outcome.records.rows)
    assert rows[0]["site"] == "S002"
    assert rows[0]["rmse"] == pytest.approx(10)
    assert rows[0]["bias"] == pytest.approx(10)
    assert rows[0]["share_of_squared_error"] == pytest.approx(
        100 * n[2] / (100 * n[2] + n.sum() - n[2])
    )
    assert sum(row["share_of_squared_error"] for row in rows) == pytest.approx(1)
    assert all(row["why"] for row in rows)


def test_without_the_worst_site_only_small_errors_are_left(outcome):
    found = without_worst(outcome, "mean", "mean")
    assert found["1"] == {"rmse": pytest.approx(1), "median_abs_error": pytest.approx(1)}


def test_trimmed_and_by_site():
    errors = np.array([1.0] * 95 + [100.0] * 5)
    assert trimmed_rmse(errors) == pytest.approx(1)
    sites = np.array(["a", "b"]).repeat(50)
    found = site_rmse(np.where(np.arange(100) == 0, np.nan, errors), sites)
    assert found["a"] == pytest.approx(1)
    assert found["b"] == pytest.approx(np.sqrt((45 + 5e4) / 50))


def test_a_reference_that_is_perfect_is_not_the_best_method(outcome, tmp_path):
    perfect = Predictions(outcome.records.values)
    both = Outcome(
        outcome.task, outcome.names, {**outcome.predictions, "reference": perfect},
        {"mean": "mean", "reference": "model"}, ("mean",),
    )  # fmt: skip
    scores = summary(both)
    assert scores["best"] == "mean"
    assert scores["methods"]["reference"]["rmse"] == pytest.approx(0, abs=1e-12)
    assert scores["methods"]["reference"]["difference"]["rmse"]["value"] < -1


def test_the_best_is_found_where_all_methods_predict(outcome):
    """A method that leaves out what is hard is not better for that."""
    values, rows = outcome.records.values, outcome.records.rows
    choosy = Predictions(np.where(rows == 2, np.nan, values + 2.0))
    several = Outcome(
        outcome.task, outcome.names, {**outcome.predictions, "choosy": choosy},
        {"mean": "mean", "choosy": "choosy"}, ("mean", "choosy"),
    )  # fmt: skip
    scores = summary(several)
    assert scores["methods"]["choosy"]["rmse"] < scores["methods"]["mean"]["rmse"]
    assert (scores["best"], scores["best_simple"]) == ("mean", "mean")
    (table,) = (
        section
        for section in sections(several, scores)
        if isinstance(section, Table) and "Bold" in section.caption
    )
    page = render_report("Sites", [table])
    marked = re.findall("<strong>([^<]*)</strong>", page)
    shown = ("rmse", "median_abs_error", "bias", "trimmed_rmse", "median_site_rmse")
    assert marked == [f"{scores['methods']['mean'][key]:.2f}" for key in shown]


def test_every_series_is_of_one_latitude_and_one_surface(outcome):
    kinds = kinds_of_series(outcome)
    for prefix in ("latitude", "project", "selection"):
        members = sum(mask.astype(int) for name, mask in kinds.items() if name.startswith(prefix))
        assert (members == 1).all()
    surfaces = ("sea, small islands", "coast", "land below 1000 m", "above 1000 m")
    assert (sum(kinds[name].astype(int) for name in surfaces) == 1).all()


def test_scores_by_kind_add_up(outcome):
    kinds = scores_by_kind(outcome, ["mean"])
    assert kinds["project surface-flask"]["mean"]["n"] == outcome.records.values.size


def test_progress_reaches_one(invented):
    task, names = invented(sites=6, months=6)
    seen = []
    crossvalidate(task, names, ["mean", "kriging"], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
