"""The main command lines, in order, at a small size."""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from co2net_phys.cli import main
from co2net_phys.data.opening import open_dataset
from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2
from co2net_phys.data.writer import write_dataset
from co2net_phys.provenance import sha256_of

COMMANDS = ("simulate", "train", "reconstruct", "evaluate", "plot", "demo")
SIMULATE = (
    *("simulate", "--preset", "twin", "--days", "12", "--output", "twin.zarr", "--seed", "1"),
    *("--truncation", "10", "--spin-up", "6h"),
)
TRAIN = (
    *("train", "--data", "twin.zarr", "--size", "XS", "--epochs", "1", "--output", "runs/xs"),
    *("--seed", "1", "--windows-per-epoch", "8"),
)
RECONSTRUCT = (
    *("reconstruct", "--checkpoint", "runs/xs", "--data", "twin.zarr", "--split", "test"),
    *("--output", "rec.nc"),
)
EVALUATE = ("evaluate", "--prediction", "rec.nc", "--truth", "twin.zarr", "--json")


def installed(*words, folder):
    """Run the installed command."""
    program = Path(sys.executable).with_name("co2phys")
    done = subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A folder after the commands, and what each printed; two of them by the installed command."""
    folder = tmp_path_factory.mktemp("chain")
    said = {"simulate": installed(*SIMULATE, folder=folder)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in (TRAIN, RECONSTRUCT, ("plot", "rec.nc", "--output", "map.png")):
            patch.setattr("sys.argv", ["co2phys", *words])
            with redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as leaving:
                main.main()
            assert leaving.value.code == 0, words
            said[words[0]] = SimpleNamespace(stdout=out.getvalue())
    said["evaluate"] = installed(*EVALUATE, folder=folder)
    return folder, said


def test_simulate_makes_a_drop_in_for_the_product(chain):
    folder, said = chain
    with xr.open_dataset(folder / "twin.zarr", engine="zarr", consolidated=False) as twin:
        assert twin[CO2].sizes == {"time": 96, "latitude": 90, "longitude": 120}
        assert {CO2, STATION_CO2, *AUXILIARIES} <= set(twin)
        assert twin.sizes["station"] == 96
        assert twin["time"].values[-1] == np.datetime64("2018-01-12T22:30"), "whole days"
        assert all(np.isfinite(twin[name]).all() for name in (CO2, *AUXILIARIES))
        assert twin.attrs["co2phys_seed"] == "1"
        assert twin.attrs["co2phys_command"] == " ".join(("co2phys", *SIMULATE))
        assert "CF-1.11" in twin.attrs["Conventions"]
    assert "wrote twin.zarr: 96 frames" in said["simulate"].stdout
    assert "%" in said["simulate"].stderr, "plain lines of progress in a log"
    assert "\r" not in said["simulate"].stderr


def test_train_leaves_checkpoints_and_a_log(chain):
    folder, said = chain
    assert {path.name for path in (folder / "runs/xs").iterdir()} == {
        "best",
        "last",
        "log.csv",
        "log.jsonl",
    }
    metadata = json.loads((folder / "runs/xs/best/metadata.json").read_text())
    assert (len(metadata["training_stations"]), len(metadata["held_out_stations"])) == (72, 24)
    assert metadata["provenance"]["co2phys_command"] == " ".join(("co2phys", *TRAIN))
    assert "trained 1 epochs (2 steps)" in said["train"].stdout


def test_reconstruct_maps_the_test_block(chain):
    folder, _ = chain
    metadata = json.loads((folder / "runs/xs/best/metadata.json").read_text())
    with xr.open_dataset(folder / "rec.nc") as data:
        assert data[CO2].dims == ("time", "latitude", "longitude")
        assert np.isfinite(data[CO2]).all()
        assert str(data["time"].values[-1])[:19] == metadata["split"]["test"][1]
        assert data.attrs["held_out_stations"].split() == metadata["held_out_stations"]


def test_evaluate_prints_the_promised_keys(chain):
    folder, said = chain
    scores = json.loads(said["evaluate"].stdout)
    assert {"rmse", "acc", "regions", "stations"} <= set(scores)
    assert 0 < scores["rmse"] < 20
    assert -1 <= scores["acc"] <= 1
    with open_dataset(folder / "twin.zarr") as twin, open_dataset(folder / "rec.nc") as made:
        seen = twin[STATION_CO2].sel(time=made["time"]).notnull().any("time")
        reporting = {str(code) for code in twin["station_code"].values[seen.values]}
    for group, count in (("held_out", 24), ("training", 72)):
        found = scores["stations"][group]
        assert len({*found["sites"], *found["silent"]}) == count
        # An instrument may be down all the time.
        assert {*found["sites"]} <= reporting and not {*found["silent"]} & reporting
    assert said["evaluate"].stderr == ""


def test_plot_draws_a_picture(chain):
    folder, _ = chain
    assert (folder / "map.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_nothing_else_is_left(chain):
    folder, _ = chain
    names = {"twin.zarr", "runs", "rec.nc", "map.png"}
    assert {path.name for path in folder.iterdir()} == names


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (SIMULATE, {"truncation", "time_step", "steps", "expected_bytes", "expected_seconds"}),
        (
            (*TRAIN, "--background", "none"),
            {"parameters", "input_shape", "memory_bytes", "expected_seconds", "steps"},
        ),
        (RECONSTRUCT, {"parameters", "frames", "grid", "output_bytes", "expected_seconds"}),
        (EVALUATE[:-1], {"times", "grid", "memory_bytes"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_dry_run_plans_and_writes_nothing(chain, co2phys, listing, monkeypatch, words, keys):
    folder, _ = chain
    monkeypatch.chdir(folder)
    before = listing(folder)
    new = [word.replace("rec.nc", "new.nc").replace("twin.zarr", "new.zarr") for word in words]
    words = words if words[0] in ("evaluate", "train") else (*words[:1], *new[1:])
    words = [
        word.replace("new.zarr", "twin.zarr") if words[0] != "simulate" else word for word in words
    ]
    text, machine = co2phys(*words, "--dry-run"), co2phys(*words, "--dry-run", "--json")
    assert (text.code, machine.code) == (0, 0), text.err + machine.err
    assert "nothing (dry run)" in text.out
    plan = json.loads(machine.out)
    assert keys <= set(plan)
    assert all(plan[key] for key in keys)
    assert listing(folder) == before


def test_json_of_commands_that_write(chain, co2phys, tmp_path):
    folder, _ = chain
    made = co2phys(*SIMULATE, "--days", "1", "--output", tmp_path / "x.nc", "--json")
    assert json.loads(made.out)["variables"][CO2]["units"] == "umol mol-1"
    words = [
        str(folder / word) if word in ("twin.zarr", "runs/xs") else word for word in RECONSTRUCT
    ]
    made = co2phys(*words, "--json")
    assert json.loads(made.out)["frames"] > 5
    words = [str(folder / word) if word == "twin.zarr" else word for word in TRAIN]
    made = co2phys(*words, "--background", "none", "--json")
    assert json.loads(made.out)["steps"] == 2


def test_a_table_for_people(chain, co2phys, monkeypatch):
    monkeypatch.chdir(chain[0])
    shown = co2phys(*EVALUATE[:-1])
    assert shown.code == 0
    for word in ("RMSE", "ACC", "held out", "24 sites", "global"):
        assert word in shown.out


@pytest.mark.parametrize(
    ("condition", "code"),
    [("rmse>1000", 0), ("rmse>0.0001", 5), ("acc<-1", 0), ("acc<0.99999", 5)],
)
def test_fail_if(chain, co2phys, monkeypatch, condition, code):
    monkeypatch.chdir(chain[0])
    done = co2phys(*EVALUATE, "--fail-if", condition)
    assert done.code == code
    assert json.loads(done.out)["rmse"] > 0, "the scores are printed all the same"
    assert ("--fail-if" in done.err) == (code == 5)


def test_a_run_is_not_overwritten_by_chance(chain, co2phys, monkeypatch, listing):
    monkeypatch.chdir(chain[0])
    before = listing(chain[0])
    done = co2phys(*TRAIN)
    assert (done.code, listing(chain[0])) == (2, before)
    assert "runs/xs" in done.err
    assert "--resume auto or --overwrite" in done.err
    done = co2phys(*TRAIN, "--resume", "auto", "--epochs", "3")
    assert (done.code, listing(chain[0])) == (2, before)
    assert "epochs" in done.err
    for words in (SIMULATE, RECONSTRUCT):
        done = co2phys(*words)
        assert (done.code, listing(chain[0])) == (3, before)
        assert "--overwrite" in done.err


def test_a_damaged_checkpoint_is_no_obstacle(chain, co2phys, tmp_path):
    folder, _ = chain
    shutil.copytree(folder / "runs/xs/best", tmp_path / "run" / "best.previous")
    shutil.copytree(folder / "runs/xs/best", tmp_path / "run" / "best")
    os.truncate(tmp_path / "run/best/model.safetensors", 100)
    words = ("--checkpoint", "run", "--data", folder / "twin.zarr", "--output", "rec.nc")
    done = co2phys("reconstruct", *words)
    assert done.code == 0, done.err
    assert "co2phys: warning: run/best: unreadable" in done.err
    whole = sha256_of(folder / "runs/xs/best/model.safetensors")
    with xr.open_dataset(tmp_path / "rec.nc") as data:
        assert whole in data.attrs["co2phys_input_sha256"], "the one that was read"


def test_plot_beside_the_truth_and_in_vectors(chain, co2phys, monkeypatch, tmp_path):
    monkeypatch.chdir(chain[0])
    pdf, svg = tmp_path / "three.pdf", tmp_path / "tas.svg"
    assert co2phys("plot", "rec.nc", "--truth", "twin.zarr", "--output", pdf).code == 0
    assert pdf.read_bytes()[:5] == b"%PDF-"
    assert co2phys("plot", "twin.zarr", "--variable", "tas", "--output", svg).code == 0
    assert b"<svg" in svg.read_bytes()
    assert co2phys("plot", "rec.nc", "--output", "map.bmp").code == 2


@pytest.mark.parametrize("days", ["0", "-1"])
def test_no_days_at_all_are_refused(co2phys, tmp_path, days):
    done = co2phys(*SIMULATE, "--days", days)
    assert done.code == 2
    assert "--days" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(co2phys, command):
    shown = co2phys(*command.split(), "--help")
    assert shown.code == 0
    assert "Usage" in shown.out
    assert shown.err == ""
    for word in COMMANDS if not command else ("--output" if command != "evaluate" else "--truth",):
        assert word in shown.out


@pytest.mark.parametrize("command", COMMANDS[:4])
def test_every_step_offers_a_dry_run_and_json(co2phys, command):
    shown = co2phys(command, "--help").out
    assert "--dry-run" in shown
    assert "--json" in shown


def test_the_truth_is_not_needed_to_reconstruct(chain, co2phys, tmp_path):
    folder, _ = chain
    with xr.open_dataset(folder / "twin.zarr", engine="zarr", consolidated=False) as twin:
        write_dataset(twin.drop_vars(CO2), tmp_path / "seen.zarr")
    words = ("--checkpoint", folder / "runs/xs", "--data", "seen.zarr", "--output", "rec.nc")
    done = co2phys("reconstruct", *words)
    assert done.code == 0, done.err
    with xr.open_dataset(tmp_path / "rec.nc") as one, xr.open_dataset(folder / "rec.nc") as other:
        np.testing.assert_array_equal(one[CO2], other[CO2])


def test_an_input_is_never_replaced(chain, co2phys, monkeypatch, listing, tmp_path):
    monkeypatch.chdir(chain[0])
    (tmp_path / "alias.zarr").symlink_to(chain[0] / "twin.zarr")
    (tmp_path / "rec.png").symlink_to(chain[0] / "rec.nc")
    before = listing(chain[0])
    monkeypatch.chdir(tmp_path)
    where = chain[0]
    for words in (
        (*("reconstruct", "--checkpoint", where / "runs/xs", "--data", where / "twin.zarr"),
         *("--output", "alias.zarr", "--overwrite")),
        ("plot", where / "rec.nc", "--output", "rec.png", "--overwrite"),
        ("plot", "x.nc", "--truth", where / "rec.nc", "--output", "rec.png", "--overwrite"),
    ):  # fmt: skip
        done = co2phys(*words)
        assert (done.code, listing(where)) == (2, before)
        assert "is an input of this command" in done.err


def test_the_twin_with_its_stations_passes_the_cf_checker(co2phys, tmp_path):
    runner = pytest.importorskip("compliance_checker.runner", reason="compliance-checker is absent")
    words = ["--truncation", "10", "--days", "1", "--spin-up", "0d", "--output", "twin.nc"]
    assert co2phys("simulate", "--preset", "twin", *words).code == 0
    suite = runner.CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(tmp_path / "twin.nc"))
    (groups, errors) = suite.run_all(dataset, ["cf:1.11"], skip_checks=[])["cf:1.11"]
    dataset.close()
    assert not errors
    assert groups
    assert [group.msgs for group in groups if group.value[0] < group.value[1]] == []
