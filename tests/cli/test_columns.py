"""Columns on the command line: simulate, train, roll out, score; bad input; stopping, going on."""

import json
import shutil

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file

from co2net_phys.cli.evaluate_system import _value
from co2net_phys.columns.simulate import simulate_columns
from co2net_phys.columns.world import ColumnsConfig
from co2net_phys.errors import UsageError

SIMULATE = ("simulate", "--preset", "columns", "--levels", "3", "--truncation", "7")
TRAIN = (
    "train", "--device", "cpu", "--epochs", "2", "--windows-per-epoch", "8",
    "--set", "model={frames: 2, width: 3, depth: 1, encoder_kernel: 3}",
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A world of 3 layers on the grid of T7, 60 days."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("columns") / "columns.zarr"
    config = ColumnsConfig(levels=3, truncation=7, days=60, spin_up_days=2)
    simulate_columns(config, path, command="co2phys simulate --preset columns")
    return path


@pytest.fixture
def rolled_out(co2phys, store):
    """Function of a model's name: trains it, rolls it out, and gives the file."""

    def run(model):
        done = co2phys(*TRAIN, "--model", model, "--data", store, "--output", f"run-{model}")
        assert done.code == 0, done.err
        output = f"{model}.zarr"
        words = ("--checkpoint", f"run-{model}", "--data", store, "--output", output)
        done = co2phys("reconstruct", *words, "--device", "cpu", "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["split"] == "test"
        return output

    return run


def test_the_chain_from_a_world_to_a_report(co2phys, store, rolled_out, tmp_path):
    files = [rolled_out("column-emulator"), rolled_out("convlstm")]
    with (
        xr.open_zarr(files[0], consolidated=False) as made,
        xr.open_zarr(store, consolidated=False) as truth,
    ):
        assert made["mmrbc"].dims == ("time", "level", "latitude", "longitude")
        assert made["mmrbc"].attrs["units"] == "kg kg-1"
        assert made.attrs["co2phys_system"] == "columns"
        assert np.array_equal(made["b_bnds"], truth["b_bnds"])
        assert np.isin(made["time"], truth["time"]).all()
    words = ("evaluate", "--prediction", *files, "--truth", store)
    done = co2phys(*words, "--json", "--report", "page")
    assert done.code == 0, done.err
    methods = json.loads(done.out)["methods"]
    assert set(methods) == {"Column emulator", "ConvLSTM of columns", "persistence"}
    page = (tmp_path / "page" / "report.html").read_text()
    assert page.count("<img") == 2 and "Errors of the whole roll-out" in page
    limit = "methods.Column emulator.rmse"
    assert co2phys(*words, "--fail-if", f"{limit}>0").code == 5
    assert co2phys(*words, "--fail-if", f"{limit}>1").code == 0
    assert co2phys(*words, "--fail-if", "methods.nobody.rmse>1").code == 2


def test_rows_at_the_poles_are_learned_and_rolled_out(co2phys, store, tmp_path):
    north = np.linspace(-90, 90, 12)
    polar = altered(store, "polar.zarr", lambda data: data.assign_coords(latitude=north))
    done = co2phys(*TRAIN, "--model", "convlstm", "--data", polar, "--output", "run")
    assert done.code == 0, done.err
    words = ("--checkpoint", "run", "--data", polar, "--output", "polar-rolled.zarr")
    done = co2phys("reconstruct", *words, "--device", "cpu")
    assert done.code == 0, done.err
    with xr.open_zarr("polar-rolled.zarr", consolidated=False) as made:
        bounds = made["latitude_bnds"].values
    assert bounds[0, 0] == -90 and bounds[-1, 1] == 90
    np.testing.assert_allclose(bounds[:-1, 1], (north[1:] + north[:-1]) / 2)


def test_of_names_with_points_the_longest_that_fits_is_meant():
    scores = {"a": {"b.nc": {"rmse": 1.0}}, "a.b": {"nc": {"rmse": 2.0}}}
    assert _value(scores, "a.b.nc.rmse") == 2.0
    assert _value({"a": scores["a"], "ab": 0.0}, "a.b.nc.rmse") == 1.0
    with pytest.raises(UsageError, match="there is no such score"):
        _value(scores, "a.b.n")


def test_members_of_an_ensemble_are_scored_by_their_files(co2phys, store, rolled_out):
    file = rolled_out("convlstm")
    shutil.copytree(file, "again.zarr")
    words = ("evaluate", "--truth", store, "--json", "--prediction", file)
    done = co2phys(*words, "again.zarr")
    assert done.code == 0, done.err
    assert set(json.loads(done.out)["methods"]) == {file, "again.zarr", "persistence"}
    limit = "methods.again.zarr.rmse"
    assert co2phys(*words, "again.zarr", "--fail-if", f"{limit}>0").code == 5
    assert co2phys(*words, "again.zarr", "--fail-if", f"{limit}>1").code == 0
    assert co2phys(*words, "again.zarr", "--fail-if", "methods.again.rmse>1").code == 2
    twice = co2phys(*words, file)
    assert twice.code == 2
    assert "given twice" in twice.err


def test_a_world_that_cannot_be_is_refused(co2phys):
    for words, message in [
        (("--set", "output_hours=7"), "output_hours: frames are 6, 12 or 24 hours apart"),
        (("--set", "layers=3"), "layers"),
        (("--days", "1"), "days"),
        (("--winds", "solid-body"), "--set has no effect"),
    ]:
        done = co2phys(*SIMULATE, *words, "--set", "seed=1", "--output", "x.zarr")
        assert done.code == 2, done.err
        (line,) = done.err.strip().splitlines()
        assert message in line or "--levels" in line
    done = co2phys("simulate", "--preset", "satellites", "--levels", "3", "--output", "x")
    assert done.code == 2
    assert "--levels has no effect with --preset satellites" in done.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--set", "model.width=1000000"), 2, "model.width"),
        (("--set", "model.levels=5"), 2, "model.levels"),
        (("--set", "model.colour=red"), 2, "model.colour"),
        (("--set", "rollout_steps=0"), 2, "rollout_steps"),
        (("--frames", "4"), 2, "--frames has no effect with --model convlstm"),
        (("--data", "nowhere.zarr"), 3, "nowhere.zarr"),
    ],
)
def test_options_of_training_that_make_no_sense_are_refused(co2phys, store, words, code, message):
    done = co2phys("train", "--model", "convlstm", "--data", store, "--output", "run", *words)
    assert done.code == code, done.err
    (line,) = done.err.strip().splitlines()
    assert line.startswith("co2phys: error: ") and message in line


def test_inspection_knows_the_store(co2phys, store):
    done = co2phys("data", "inspect", store)
    assert done.code == 0 and "co2phys columns of a tracer" in done.out
    assert "train --model column-emulator" in done.out


def altered(store, name, change):
    with xr.open_zarr(store, consolidated=False) as data:
        change(data.load()).to_zarr(name, consolidated=False, zarr_format=3)
    return name


def coarser(data):
    return data.isel(longitude=slice(None, None, 2))


def slower(data):
    return data.isel(time=slice(None, None, 2))


def flipped(data):
    return data.assign_coords(latitude=data["latitude"].values * 0.99)


def with_gap(data):
    return data.isel(time=[*range(52), *range(53, 60)])


def shallower(data):
    return data.isel(level=slice(0, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (coarser, "other longitudes than the emulator was trained with"),
        (slower, "other interval between frames"),
        (flipped, "other latitudes"),
        (shallower, "other layers"),
        (with_gap, "variable 'time' has a gap"),
    ],
)
def test_a_store_that_does_not_suit_the_emulator_is_refused(
    change, message, co2phys, store, rolled_out
):
    rolled_out("convlstm")
    other = altered(store, "other.zarr", change)
    words = ("--checkpoint", "run-convlstm", "--data", other, "--output", "y.zarr")
    done = co2phys("reconstruct", *words, "--device", "cpu")
    assert done.code == 3, done.err
    (line,) = done.err.strip().splitlines()
    assert line.startswith("co2phys: error: other.zarr") and message in line


def test_what_is_no_rollout_of_the_store_is_refused(co2phys, store, rolled_out):
    file = rolled_out("convlstm")
    for change, message in [
        (flipped, "other values of 'latitude'"),
        (coarser, "the truth has"),
        (slower, "'time' is not that of"),
        (lambda data: data.drop_vars("mmrbc"), "no variable 'mmrbc'"),
    ]:
        shutil.rmtree("other.zarr", ignore_errors=True)
        other = altered(file, "other.zarr", change)
        done = co2phys("evaluate", "--prediction", other, "--truth", store)
        assert done.code == 3, done.err
        (line,) = done.err.strip().splitlines()
        assert line.startswith("co2phys: error: other.zarr") and message in line
    done = co2phys("evaluate", "--prediction", file, "--truth", file)
    assert done.code == 3
    assert co2phys("evaluate", "--prediction", file).code == 2


def test_what_a_rollout_has_no_use_for_is_refused(co2phys, store, rolled_out):
    rolled_out("convlstm")
    words = ("reconstruct", "--data", store, "--output", "y.zarr", "--checkpoint")
    assert "--region has no effect" in co2phys(*words, "run-convlstm", "--region", "0,0,1,1").err
    members = ("--ensemble", "2", "--output", "members")
    done = co2phys(*TRAIN, "--model", "convlstm", "--data", store, *members)
    assert done.code == 0, done.err
    done = co2phys(*words, "members")
    assert done.code == 2
    assert "give one member" in done.err


def test_a_checkpoint_with_impossible_sizes_is_refused(co2phys, store, rolled_out, tmp_path):
    rolled_out("convlstm")
    file = next((tmp_path / "run-convlstm" / "best").resolve().glob("*.json"))
    metadata = json.loads(file.read_text())
    words = ("reconstruct", "--data", store, "--output", "y.zarr", "--checkpoint", "run-convlstm")
    for name, value in [("width", 10**9), ("levels", 10**9), ("frames", 10**9), ("interval", -1)]:
        model = metadata["model"] | {name: value}
        file.write_text(json.dumps(metadata | {"model": model}))
        done = co2phys(*words)
        assert done.code in (2, 3), done.err
        (line,) = done.err.strip().splitlines()
        assert name in line


def test_a_run_stopped_within_an_epoch_goes_on_to_the_same_bits(
    co2phys, store, monkeypatch, tmp_path
):
    from co2net_phys.trainer import Trainer

    words = (*TRAIN, "--model", "column-emulator", "--data", store, "--set", "rollout_steps=2")
    words = (*words, "--batch-size", "2")
    assert co2phys(*words, "--output", "straight").code == 0
    step = Trainer._step
    steps = []

    def stopping(self, parts):
        step(self, parts)
        steps.append(1)
        if len(steps) == 6:  # two of the second epoch's four
            self.callbacks = self.callbacks.__class__(should_stop=lambda: True)

    monkeypatch.setattr(Trainer, "_step", stopping)
    assert co2phys(*words, "--output", "stopped").code != 0
    monkeypatch.setattr(Trainer, "_step", step)
    done = co2phys(*words, "--output", "stopped", "--resume", "auto")
    assert done.code == 0, done.err
    for name in ("last", "best"):
        one, other = (
            load_file(next((tmp_path / run / name).resolve().glob("model*.safetensors")))
            for run in ("straight", "stopped")
        )
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
def test_sixty_two_layers_keep_their_mass_and_can_be_learned(co2phys):
    world = ("simulate", "--preset", "columns", "--levels", "62", "--truncation", "7")
    spin_up = ("--set", "spin_up_days=2")
    done = co2phys(*world, "--days", "60", *spin_up, "--output", "deep.zarr")
    assert done.code == 0, done.err
    with xr.open_zarr("deep.zarr", consolidated=False) as data:
        budget = data["emitted"] - data["dry_deposited"] - data["wet_deposited"]
        change = data["burden"].diff("time")
        error = float(abs(change - budget).max() / data["burden"].max())
        assert error < 1e-12
    done = co2phys(*TRAIN, "--model", "column-emulator", "--data", "deep.zarr", "--output", "run")
    assert done.code == 0, done.err
    words = ("--checkpoint", "run", "--data", "deep.zarr", "--output", "deep-rolled.zarr")
    done = co2phys("reconstruct", *words, "--device", "cpu")
    assert done.code == 0, done.err
    done = co2phys("evaluate", "--prediction", "deep-rolled.zarr", "--truth", "deep.zarr", "--json")
    methods = json.loads(done.out)["methods"]
    assert methods["Column emulator"]["rmse"] < methods["persistence"]["rmse"]
