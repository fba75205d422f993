"""`co2phys ablate`, at small size."""

import csv
import json
import os
import signal
import time

import numpy as np
import pytest

from co2net_phys.ablation import tables

QUICK = (
    "--epochs", "2", "--windows-per-epoch", "8", "--set", "model.patch=[6,8]",
    "--set", "model.frames=4", "--set", "training_stations=6", "--set", "validate_every=1",
    "--set", "device=cpu", "--background", "station-mean",
)  # fmt: skip


@pytest.fixture
def ablate(co2phys, world):
    def run(*words):
        return co2phys("ablate", "--data", world, *QUICK, *words)

    return run


@pytest.mark.slow
def test_tables_are_written_and_shared_runs_trained_once(ablate, tmp_path, listing):
    done = ablate("5c", "losses", "--seeds", "2", "--set", "model.frames=8", "--json")
    assert done.code == 0, done.err
    found, folder = json.loads(done.out), tmp_path / "ablation"
    assert json.loads((folder / "ablation.json").read_text()) == found
    first, second = found["tables"]
    runs = {path.name for path in (folder / "runs").iterdir()}
    assert runs == {
        "base", "wind_weight-0.0", "residual_weight-1.0_wind_weight-0.0",
        "residual_weight-1e-09_wind_weight-0.0", "mass_weight-10.0_wind_weight-0.0",
        "mass_weight-10.0_residual_weight-1.0",
    }  # fmt: skip
    given, without = first["rows"]
    assert (
        second["rows"][1]["seeds"] == given["seeds"]
        and second["rows"][0]["rmse_difference"] is None
    )
    values = [run["rmse"] for run in given["seeds"]]
    assert [run["seed"] for run in given["seeds"]] == [1, 2]
    assert given["rmse"] == pytest.approx(
        {"mean": np.mean(values), "spread": np.std(values, ddof=1)}
    )
    apart = [b["rmse"] - a["rmse"] for a, b in zip(given["seeds"], without["seeds"], strict=True)]
    assert without["rmse_difference"]["mean"] == pytest.approx(np.mean(apart)) and any(apart)
    assert {"supervised", "wind"} == {*given["losses"]}
    assert {"supervised", "residual", "mass"} == {*second["rows"][2]["losses"]}

    lines = list(csv.DictReader((folder / "ablation.csv").read_text().splitlines()))
    assert len(lines) == 2 * 2 + 6 * 2
    assert float(lines[0]["rmse"]) == given["seeds"][0]["rmse"]
    page = (folder / "ablation.md").read_text()
    assert "## Table 5c: wind loss" in page and f"{given['rmse']['mean']:.3f} ±" in page

    trained = listing(folder / "runs")
    again = ablate("5c", "--seeds", "2", "--set", "model.frames=8", "--resume", "--json")
    assert json.loads(again.out)["tables"] == [first]
    assert listing(folder / "runs") == trained, "complete runs are left alone"


@pytest.mark.slow
def test_a_run_scores_what_train_reconstruct_and_evaluate_do(ablate, co2phys, world, tmp_path):
    """With the same windows, which table 5b has."""
    done = ablate("5b", "--seeds", "1", "--json")
    (table,) = json.loads(done.out)["tables"]
    row = next(row for row in table["rows"] if row["label"] == "ClimODE")
    words = ("--data", world, "--output", "run", "--size", "XS", "--seed", "1", *QUICK)
    assert co2phys("train", *words, "--embedding", "climode", "--wind-weight", "0").code == 0
    made = ("--checkpoint", "run/best", "--data", world, "--split", "test", "--output", "r.nc")
    assert co2phys("reconstruct", *made).code == 0
    scored = co2phys("evaluate", "--prediction", "r.nc", "--truth", world, "--json")
    result = json.loads(scored.out)
    assert row["rmse"]["mean"] == pytest.approx(result["rmse"], rel=1e-5)
    assert row["acc"]["mean"] == pytest.approx(result["acc"], rel=1e-4)
    pooled = result["stations"]["held_out"]["pooled"]["rmse"]
    assert row["held_out_station_rmse"]["mean"] == pytest.approx(pooled, rel=1e-5)


def test_rows_of_a_table_are_scored_at_the_same_times(ablate):
    done = ablate("6b", "--seeds", "1", "--dry-run", "--json")
    plan = json.loads(done.out)
    assert {run["variant"] for run in plan["runs"]} == {
        "base", *(f"sample_every-{n}" for n in (2, 3, 4)),
    }  # fmt: skip
    assert {*plan["impossible"]} == {f"sample_every-{n}" for n in (6, 8, 12, 16)}
    assert "no 25 consecutive time steps" in plan["impossible"]["sample_every-8"]


@pytest.mark.slow
def test_a_stopped_experiment_goes_on_to_the_same_bits(ablate, tmp_path, monkeypatch):
    one = ablate("5c", "--seeds", "1", "--output", "whole", "--json")
    assert one.code == 0, one.err
    steps = []

    def stop_at_the_third(done, total, note):
        steps.append(done)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)

    from co2net_phys.cli import console

    with monkeypatch.context() as patch:
        patch.setattr(console.Progress, "update", lambda self, *what: stop_at_the_third(*what, ""))
        stopped = ablate("5c", "--seeds", "1", "--output", "parts")
    assert stopped.code == 143, stopped.err
    assert "go on with --resume" in stopped.err
    assert not (tmp_path / "parts" / "ablation.json").exists()
    rest = ablate("5c", "--seeds", "1", "--output", "parts", "--resume", "--json")
    assert rest.code == 0, rest.err

    def scores(text):
        rows = json.loads(text)["tables"][0]["rows"]
        return [{k: v for k, v in row["seeds"][0].items() if k != "seconds"} for row in rows]

    assert scores(rest.out) == scores(one.out)


def test_scores_of_other_options_are_not_taken(ablate):
    assert ablate("5c", "--seeds", "1").code == 0
    other = ablate("5c", "--seeds", "1", "--resume", "--set", "learning_rate=0.001")
    assert other.code == 2
    assert "started with learning_rate = 0.0005, not 0.001" in other.err.splitlines()[-1]


def test_what_is_given_goes_before_the_file_before_the_defaults(ablate, tmp_path):
    (tmp_path / "o.yaml").write_text("{epochs: 7, batch_size: 3, learning_rate: 0.002}")
    plan = json.loads(ablate("5c", "--config", "o.yaml", "--dry-run", "--json").out)
    assert {run["steps"] for run in plan["runs"]} == {2 * 3}, "2 epochs are given, batches of 3 not"


def test_mistakes_are_explained_and_nothing_is_written(ablate, co2phys, tmp_path, world):
    cases = {
        "no table '7'": ("7",),
        "exclude each other": ("5c", "--resume", "--overwrite"),
        "--set learning_rat: no such option; did you mean learning_rate": (
            *("5c", "--set", "learning_rat=1"),
        ),
        "nowhere/x.yaml: No such file": ("5c", "--config", "nowhere/x.yaml"),
    }
    for message, words in cases.items():
        done = ablate(*words)
        assert done.code in (2, 3) and message in done.err.splitlines()[-1], done.err
    assert co2phys("ablate", "5c").code == 2
    missing = co2phys("ablate", "5c", "--data", "nowhere.zarr")
    assert missing.code == 3 and "nowhere.zarr: no such file" in missing.err
    assert not list(tmp_path.iterdir())
    (tmp_path / "ablation" / "runs" / "base" / "seed-1").mkdir(parents=True)
    done = ablate("5c")
    assert done.code == 2 and "--resume or --overwrite" in done.err


def test_every_row_of_every_table_is_a_valid_run():
    base = tables.TrainingConfig.validated({"size": "XS"})
    for table in tables.ABLATIONS.values():
        configs = [variant.config(base, 3) for variant in table.variants]
        assert all(config.seed == 3 for config in configs)
        assert len({config.model_dump_json() for config in configs}) == len(configs), table.name


def test_options_that_the_base_has_make_no_new_run():
    small = tables.TrainingConfig.validated(
        {"size": "XS", "model": {"frames": 4}, "wind_weight": 0.5}
    )
    keys = [[v.over(small).key for v in tables.ABLATIONS[name].variants] for name in ("6a", "16c")]
    assert keys[0] == ["frames-8", "frames-2", "base", "frames-16", "frames-32"]
    assert keys[1][2] == "base"
    plain = tables.TrainingConfig.validated({"size": "XS"})
    assert set(tables.variants_of(tables.chosen(["6a", "6b", "16c"]), plain)) >= {"base"}
