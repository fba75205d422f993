"""The table: blocks of time, differences, and what to do where something is missing."""

import re

import numpy as np
import pytest

from co2net_phys.comparison.experiment import run_all
from co2net_phys.comparison.pages import as_markdown
from co2net_phys.comparison.results import summary
from co2net_phys.data.schema import CO2

TWO = {"mean": {"baseline": "station-mean"}, "nearest": {"baseline": "nearest-station"}}
ERROR = {"rmse": 1.0, "acc": 0.5, "bias": 0.0}
COST = dict.fromkeys(("parameters", "epoch_seconds", "seconds", "memory_bytes", "map_seconds"))


def scored(method, series, seed=1):
    """Scores of a run with this RMSE at each time."""
    return {
        "method": method, "seed": seed, "regions": {"global": ERROR}, "cost": COST,
        "stations": {"held_out": ERROR}, "rmse_series": list(series),
    }  # fmt: skip


def test_a_map_without_truth_is_not_scored(planned, small_world):
    """Its error would be NaN, and so would be every interval."""
    scored_before = planned().ends
    world = small_world()
    world[CO2][{"time": int(scored_before[3])}] = np.nan
    experiment = planned(world, TWO)
    assert experiment.ends.tolist() == np.delete(scored_before, 3).tolist()
    rows = summary(experiment, list(run_all(experiment, [])))["rows"]
    for row in rows:
        assert np.isfinite([row["interval"]["low"], row["interval"]["high"]]).all()
    assert sum(row["difference"] is not None for row in rows) == 1


def test_scores_that_were_kept_with_a_missing_value_can_be_read(planned):
    series = [None, *np.linspace(1, 2, 40)]
    found = summary(planned(), [scored("station mean", series)])
    assert np.isnan(found["rows"][0]["interval"]["value"])
    assert "| station mean | nan (nan, nan) | reference |" in as_markdown(found)


def test_methods_without_a_common_seed_are_not_compared(planned):
    series = np.linspace(1, 2, 40)
    results = [scored("mean", series, seed=1), scored("nearest", series + 1, seed=2)]
    found = summary(planned(methods=TWO, seeds=(1, 2)), results)
    assert [row["difference"] and row["difference"]["value"] for row in found["rows"]] == [
        None, None,
    ]  # fmt: skip
    page = as_markdown(found)
    assert re.search(r"\| mean \(of seed 1\) \| 1\.500 \([\d., ]*\) \| reference \|  \|\n", page)
    assert re.search(
        r"\| nearest \(of seed 2\) \| 2\.500 \([\d., ]*\) \| no common seed \|  \|\n", page
    )


def test_blocks_are_as_long_as_a_lasting_difference(planned):
    """A large error that two methods share does not hide that they drift apart slowly."""
    rng = np.random.default_rng(1)
    shared, drift = 5 + rng.standard_normal(400), np.sin(np.arange(400) / 30) / 5
    results = [scored("mean", shared), scored("nearest", shared + drift)]
    found = summary(planned(methods=TWO), results)
    assert found["times"]["block"] > 20
    alone = summary(planned(methods=TWO), results[:1])
    assert alone["times"]["block"] < 10
    low, high = (found["rows"][1]["difference"][name] for name in ("low", "high"))
    assert low < 0 < high and high - low == pytest.approx(2 * 2 * 0.14 / np.sqrt(5), rel=0.5)
