"""`co2phys compare`, at small size."""

import csv
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml

from co2net_phys.comparison import experiment

TINY = {
    "epochs": 2, "windows_per_epoch": 8, "batch_size": 4, "validate_every": 1, "device": "cpu",
    "model": {"patch": [6, 8], "frames": 4},
}  # fmt: skip


@pytest.fixture
def compare(co2phys, world, tmp_path):
    """Function that writes a file of these options and compares what it names."""

    def run(*words, **changes):
        options = {
            "data": str(world),
            "seeds": [1, 2],
            "training_stations": 6,
            "score_every": 2,
            "common": TINY,
            "methods": {
                "station mean": {"baseline": "station-mean"},
                "kriging": {"baseline": "kriging"},
                "CO2-Net XS": {"train": {"size": "XS", "background": "station-mean"}},
            },
        }
        Path("compare.yaml").write_text(yaml.safe_dump(options | changes, sort_keys=False))
        return co2phys("compare", "compare.yaml", "--output", "table", *words)

    return run


def test_a_network_scores_what_train_reconstruct_and_evaluate_do(compare, co2phys, world, tmp_path):
    alone = {"CO2-Net XS": {"train": {"size": "XS", "background": "station-mean"}}}
    longer = TINY | {"epochs": 3}
    done = compare("--json", seeds=[1], score_every=1, methods=alone, common=longer)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert json.loads((tmp_path / "table" / "compare.json").read_text()) == found
    (row,) = found["rows"]
    words = ("--size", "XS", "--seed", "1", "--epochs", "3", "--windows-per-epoch", "8")
    words += ("--set", "model.patch=[6,8]", "--set", "model.frames=4", "--set", "validate_every=1")
    words += ("--set", "training_stations=6", "--set", "device=cpu", "--batch-size", "4")
    words += ("--background", "station-mean")
    assert co2phys("train", "--data", world, "--output", "run", *words).code == 0
    made = ("--checkpoint", "run/best", "--data", world, "--split", "test", "--output", "r.nc")
    assert co2phys("reconstruct", *made).code == 0
    scored = co2phys("evaluate", "--prediction", "r.nc", "--truth", world, "--json")
    result = json.loads(scored.out)
    assert found["times"]["count"] == result["times"]["count"]
    for region, scores in {"global": result, **result["regions"]}.items():
        for measure, value in row["regions"][region].items():
            assert value["mean"] == pytest.approx(scores[measure], rel=1e-4, abs=1e-5)
    held_out = result["stations"]["held_out"]["pooled"]["rmse"]
    assert row["stations"]["held_out"]["rmse"]["mean"] == pytest.approx(held_out, rel=1e-4)
    cost = row["cost"]
    assert cost["parameters"] > 1e5 and cost["map_seconds"] > 0
    assert cost["seconds"] == pytest.approx(3 * cost["epoch_seconds"]), "no odd epoch counts"


@pytest.mark.slow
def test_tables_say_how_sure_they_are_and_complete_runs_are_kept(compare, tmp_path, listing):
    done = compare("--json")
    assert done.code == 0, done.err
    found, folder = json.loads(done.out), tmp_path / "table"
    mean, kriging, network = found["rows"]
    assert (
        found["reference"]
        == min((mean, kriging), key=lambda row: row["regions"]["global"]["rmse"]["mean"])["method"]
    )
    for row in found["rows"]:
        interval = row["interval"]
        assert interval["value"] == pytest.approx(row["regions"]["global"]["rmse"]["mean"])
        assert interval["low"] <= interval["value"] <= interval["high"]
        apart = row["difference"]
        assert (apart is None) == (row["method"] == found["reference"])
    reference = next(row for row in found["rows"] if row["method"] == found["reference"])
    apart = (
        network["regions"]["global"]["rmse"]["mean"]
        - reference["regions"]["global"]["rmse"]["mean"]
    )
    assert network["difference"]["value"] == pytest.approx(apart)
    lines = list(csv.DictReader((folder / "compare.csv").read_text().splitlines()))
    assert {line["where"] for line in lines} >= {"global", "ocean", "stations held out"}
    page = (folder / "compare.md").read_text()
    assert "| CO2-Net XS |" in page and "reference" in page
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG")

    check_spread(found, folder)
    check_stations(folder)
    trained = listing(folder / "runs")
    again = json.loads(compare("--json", "--resume").out)
    assert again == found and listing(folder / "runs") == trained
    assert compare().code == 2, "what is there is not replaced unasked"


def check_spread(found, folder):
    values = [
        json.loads((folder / f"runs/kriging/seed-{seed}/scores.json").read_text())["scores"]
        for seed in (1, 2)
    ]
    values = [one["regions"]["land"]["acc"] for one in values]
    assert found["rows"][1]["regions"]["land"]["acc"] == pytest.approx(
        {"mean": np.mean(values), "spread": np.std(values, ddof=1)}
    )


def check_stations(folder):
    """All methods see the same ones, and another seed draws others."""
    held_out = {}
    for path in folder.glob("runs/*/seed-*/scores.json"):
        sites = json.loads(path.read_text())["scores"]["sites"]
        held_out.setdefault(path.parent.name, set()).add(tuple(sites))
    assert all(len(sites) == 1 for sites in held_out.values())
    assert held_out["seed-1"] != held_out["seed-2"]


@pytest.mark.slow
def test_a_stopped_comparison_goes_on_to_the_same_scores(compare, tmp_path, monkeypatch):
    whole = json.loads(compare("--json").out)
    (tmp_path / "table").rename(tmp_path / "whole")
    reconstructed = experiment.reconstructed

    def stop_at_the_network(task, *rest):
        if task.label == "CO2-Net XS" and task.seed == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return reconstructed(task, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(experiment, "reconstructed", stop_at_the_network)
        stopped = compare("--json")
    assert stopped.code == 143 and "--resume" in stopped.err
    partial = json.loads((tmp_path / "table" / "compare.json").read_text())
    assert partial["rows"][2]["seeds"] == [1], "the table is written after every run"
    assert "| CO2-Net XS (of seed 1) |" in (tmp_path / "table" / "compare.md").read_text()
    resumed = json.loads(compare("--json", "--resume").out)
    for one, other in zip(resumed["rows"], whole["rows"], strict=True):
        assert one["regions"] == other["regions"] and one["stations"] == other["stations"]


def test_a_method_that_fails_or_cannot_run_is_named_and_the_others_go_on(compare, monkeypatch):
    from co2net_phys.errors import NumericalError

    reconstructed = experiment.reconstructed

    def fail(task, *rest):
        if task.method.baseline == "kriging":
            raise NumericalError("the field is absurd")
        return reconstructed(task, *rest)

    monkeypatch.setattr(experiment, "reconstructed", fail)
    methods = {
        "mean": {"baseline": "station-mean"},
        "kriging": {"baseline": "kriging"},
        "too long": {"train": {"model": {"frames": 400, "patch": [6, 8]}}},
    }
    done = compare("--json", methods=methods, seeds=[1])
    assert done.code == 0, done.err
    rows = {row["method"]: row for row in json.loads(done.out)["rows"]}
    assert rows["kriging"]["failed"] == "the field is absurd"
    assert "400 consecutive time steps" in rows["too long"]["impossible"]
    assert "regions" in rows["mean"]
    page = Path("table/compare.md").read_text()
    assert "*kriging*: failed: the field is absurd" in page


def test_a_method_that_is_run_alone_joins_the_table(compare):
    methods = {"mean": {"baseline": "station-mean"}, "kriging": {"baseline": "kriging"}}
    rest = {"methods": methods, "seeds": [1]}
    assert compare(**rest).code == 0
    done = compare("--json", "--resume", "--only", "kriging", **rest)
    assert done.code == 0, done.err
    rows = json.loads(done.out)["rows"]
    assert [row["method"] for row in rows] == ["mean", "kriging"]
    alone = json.loads(compare("--json", "--overwrite", "--only", "kriging", **rest).out)["rows"]
    assert [row["method"] for row in alone] == ["kriging"]


def test_a_plan_writes_nothing(compare, tmp_path):
    done = compare("--dry-run", "--json")
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    assert len(plan["runs"]) == 6 and plan["scored_times"] > 5
    assert {run["steps"] for run in plan["runs"] if run["method"] == "CO2-Net XS"} == {4}
    assert [path.name for path in tmp_path.iterdir()] == ["compare.yaml"]
    only = json.loads(compare("--dry-run", "--json", "--only", "kriging").out)
    assert {run["method"] for run in only["runs"]} == {"kriging"}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"methods": {}}, "methods"),
        ({"methods": {"a": {"baseline": "crystal-ball"}}}, "no baseline 'crystal-ball'"),
        ({"methods": {"a": {}}}, "needs one of"),
        ({"methods": {"a": {"baseline": "kriging", "train": {}}}}, "needs one of"),
        ({"methods": {"a": {"baselin": "kriging"}}}, "no such option; did you mean baseline?"),
        ({"methods": {"a": {"train": {"size": "XXL"}}}}, "methods.a: size"),
        ({"methods": {"a": {"train": {"architecture": "x"}}}}, "methods.a: architecture: Input"),
        ({"methods": {"a": {"invert": {"spin_up": 3}}}}, "methods.a: spin_up: no such option; cho"),
        ({"methods": {"a": {"invert": {"windw": 3}}}}, "methods.a: windw: no such option; did you"),
        ({"methods": {"a": {"train": {"seed": 3}}}}, "seed is the same for all methods"),
        ({"methods": {"A b": {"baseline": "kriging"}, "a-B": {"baseline": "ridge"}}}, "own"),
        ({"common": {"training_stations": 3}}, "common: training_stations"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"reference": "nothing"}, "no method is called 'nothing'"),
        ({"speed": 3}, "speed"),
    ],
)
def test_wrong_files_are_explained_in_one_line(compare, tmp_path, changes, part):
    done = compare(**changes)
    assert done.code == 2
    assert part in done.err and done.err.count("\n") == 1
    assert "compare.yaml: " in done.err
    assert not (tmp_path / "table").exists()


def test_a_file_that_is_missing_and_a_method_unknown(compare, co2phys):
    done = co2phys("compare", "nowhere.yaml", "--output", "table")
    assert done.code == 3 and "nowhere.yaml" in done.err
    done = compare("--only", "ViT")
    assert done.code == 2 and "choose from station mean, kriging, CO2-Net XS" in done.err
    done = compare(data="nowhere.zarr")
    assert done.code == 3 and "nowhere.zarr" in done.err
