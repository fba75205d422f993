import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file

from co2net_phys.baselines import BASELINES
from co2net_phys.baselines.cross_fitting import FOLDS, blocks_left_out
from co2net_phys.checkpoint import TRAINING, WEIGHTS, load_model
from co2net_phys.config import TrainingConfig
from co2net_phys.data.schema import BACKGROUND, CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError, NumericalError, UsageError
from co2net_phys.preparation import prepare
from co2net_phys.trainer import Callbacks, Interrupted
from co2net_phys.training import start
from co2net_phys.validation_error import validation_rmse

TINY = {
    "size": "XS", "model": {"frames": 2}, "background": "none", "epochs": 3,
    "windows_per_epoch": 8, "batch_size": 4, "precision": "fp32", "validate_every": 2,
}  # fmt: skip
"""Two steps in an epoch, six in the run."""


@pytest.fixture(scope="module")
def store(small_world):
    return TrainingStore(small_world(), "world.nc")


def trainer(store, output, *, continued=False, callbacks=None, **options):
    config = TrainingConfig(**(TINY | {"device": "cpu"} | options))
    callbacks = callbacks or Callbacks()
    return start(prepare(config, store), config, output, [], ["co2phys"], callbacks, continued)


def log(output):
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def tensors(output):
    last = output / "last"
    return load_file(last / WEIGHTS), load_file(last / TRAINING)


def stop_after(steps):
    done = []
    return Callbacks(
        on_step=lambda step, total, values: done.append(step),
        should_stop=lambda: len(done) >= steps,
    )


def test_the_loss_falls_on_a_world_that_can_be_learnt(store, tmp_path):
    run = trainer(store, tmp_path, epochs=6, windows_per_epoch=40, learning_rate=2e-3)
    before = validation_rmse(run.model, run.task.prepared.validation, run.task.device, run.config)
    progress = run.run()
    losses = [row["supervised"] for row in log(tmp_path)]
    assert losses[-1] < 0.4 * losses[0]
    assert progress.best < 0.6 * before
    model, metadata = load_model(tmp_path / "best")
    again = validation_rmse(model, run.task.prepared.validation, run.task.device, run.config)
    assert again == pytest.approx(progress.best, rel=1e-5)
    assert metadata["progress"]["best"] == progress.best


@pytest.mark.parametrize(
    "background", ["none", pytest.param(TrainingConfig().background, marks=pytest.mark.slow)]
)
def test_one_batch_is_learnt_by_heart(store, tmp_path, background, monkeypatch):
    """To less than one per cent of the variance of what is to be learnt of it: the field, or the
    field less the first guess. By the engine itself, one step an epoch."""
    options = {"background": background, "epochs": 80, "learning_rate": 3e-3, "batch_size": 4}
    config = TrainingConfig(**(TINY | {"device": "cpu", "validate_every": 80} | options))
    prepared = prepare(config, store)
    ends = prepared.train.ends[[0, 30, 60, 90]]
    prepared = replace(prepared, train=replace(prepared.train, ends=ends))
    run = start(prepared, config, tmp_path, [], ["co2phys"], Callbacks(), False)
    batch = prepared.train.batch(range(4))
    seen = run.task._with_first_guess(batch, ends)
    to_learn = batch.fields[CO2] - (seen.fields[BACKGROUND] if background != "none" else 0)
    assert to_learn.std() > 0.1, "there is something to learn"
    for name in ("save_checkpoint", "append_log"):  # a state after every step is not needed
        monkeypatch.setattr(f"co2net_phys.trainer.{name}", lambda *arguments, **options: None)
    run.run()
    with torch.no_grad():
        found = run.model.eval()(seen).fields[CO2]
    assert run.steps == 80
    error = (found - batch.fields[CO2]).square().mean()
    assert error < 0.01 * to_learn.var()


@pytest.mark.parametrize(
    ("stop", "target", "precision"),
    [(1, "dense", "fp32"), (2, "dense", "bf16"), (3, "stations", "fp32"), (5, "stations", "bf16")],
)
def test_a_resumed_run_is_bit_for_bit_the_uninterrupted_one(
    store, tmp_path, precision, target, stop
):
    """With dropout on; stopped inside an epoch, at its end, and in the last one."""
    regularised = {"frames": 2, "dropout": 0.1, "drop_path": 0.1}
    options = {"precision": precision, "target": target, "model": regularised}
    trainer(store, tmp_path / "through", **options).run()
    with pytest.raises(Interrupted):
        trainer(store, tmp_path / "parts", callbacks=stop_after(stop), **options).run()
    torch.rand(100)  # the generator's state must come from the checkpoint
    trainer(store, tmp_path / "parts", continued=True, **options).run()
    for through, parts in zip(
        tensors(tmp_path / "through"), tensors(tmp_path / "parts"), strict=True
    ):
        assert through.keys() == parts.keys()
        for name, value in through.items():
            assert torch.equal(value, parts[name]), name
    rows = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in log(tmp_path / name)]
        for name in ("through", "parts")
    ]
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_a_run_with_a_background_resumes_too(store, tmp_path):
    options = {"background": "climatology-kriging"}
    trainer(store, tmp_path / "through", **options).run()
    with pytest.raises(Interrupted):
        trainer(store, tmp_path / "parts", callbacks=stop_after(3), **options).run()
    trainer(store, tmp_path / "parts", continued=True, **options).run()
    through, parts = (tensors(tmp_path / name)[0] for name in ("through", "parts"))
    assert all(torch.equal(through[name], parts[name]) for name in through)


def test_a_finished_run_has_nothing_left_to_do(store, tmp_path):
    trainer(store, tmp_path).run()
    before = (tmp_path / "last" / WEIGHTS).read_bytes()
    progress = trainer(store, tmp_path, continued=True).run()
    assert progress.epoch == 3
    assert (tmp_path / "last" / WEIGHTS).read_bytes() == before
    assert len(log(tmp_path)) == 3


@pytest.mark.parametrize(
    "changed", [{"epochs": 4}, {"seed": 1}, {"learning_rate": 1e-3}, {"precision": "bf16"}]
)
def test_resuming_with_other_options_is_refused(store, tmp_path, changed):
    with pytest.raises(Interrupted):
        trainer(store, tmp_path, callbacks=stop_after(1)).run()
    (name,) = changed
    with pytest.raises(UsageError, match=f"{tmp_path.name}.*{name}.*same options"):
        trainer(store, tmp_path, continued=True, **changed)


def test_resuming_without_a_checkpoint_is_refused(store, tmp_path):
    with pytest.raises(DataError, match="last"):
        trainer(store, tmp_path, continued=True)


def test_seeds_decide(store, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        trainer(store, tmp_path / name, epochs=1, seed=seed).run()
    a, b, c = (tensors(tmp_path / name)[0] for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_a_loss_that_is_not_finite_stops_the_run(store, tmp_path):
    run = trainer(store, tmp_path)
    with torch.no_grad():
        next(run.model.parameters()).fill_(float("nan"))
    with pytest.raises(NumericalError, match=r"epoch 1; lower --learning-rate"):
        run.run()
    assert not (tmp_path / "last").exists()


def test_the_log_has_a_row_for_every_epoch(store, tmp_path):
    steps = []
    seen = []
    callbacks = Callbacks(lambda *row: steps.append(row), seen.append)
    run = trainer(store, tmp_path, callbacks=callbacks)
    run.run()
    rows = log(tmp_path)
    assert rows == seen
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert ["validation_rmse" in row for row in rows] == [False, True, True]
    assert all(row["supervised"] > 0 and row["wind"] > 0 and row["seconds"] > 0 for row in rows)
    assert [(step, total) for step, total, _ in steps] == [(n, 6) for n in range(1, 7)]
    per_step = [values["supervised"] for _, _, values in steps]
    assert rows[1]["supervised"] == pytest.approx(np.mean(per_step[2:4]))
    assert run.steps == 6


def test_the_learning_rate_warms_up_and_falls_like_a_cosine(store, tmp_path):
    rates = []
    callbacks = Callbacks(on_step=lambda step, total, values: rates.append(values["learning_rate"]))
    trainer(store, tmp_path, callbacks=callbacks, epochs=10, warm_up=0.2, validate_every=10).run()
    assert rates[0] == pytest.approx(5e-4 / 5)
    assert rates[4] == 5e-4 == max(rates)
    assert (np.diff(rates[:5]) > 0).all()
    assert (np.diff(rates[4:]) < 0).all()
    assert rates[12] == pytest.approx((5e-4 + 1e-6) / 2, rel=1e-6), "half way"
    assert 1e-6 < rates[-1] < 1e-5


def test_hidden_stations_are_scored_and_not_seen(store, tmp_path):
    run = trainer(store, tmp_path, target="stations")
    batch = run.task.prepared.train.batch(range(40))
    seen, hidden = run.task._split_observations(batch)
    value = batch.observations.value
    given, kept = (part.observations.value.isfinite() for part in (seen, hidden))
    assert torch.equal(given | kept, value.isfinite())
    assert not (given & kept).any()
    assert 0.1 < kept.float().mean() < 0.4
    assert torch.equal(kept, kept[:, :1].expand_as(kept)), "hidden in every frame of a window"
    blank = replace(batch, fields={k: v for k, v in batch.fields.items() if k != CO2})
    torch.manual_seed(0)
    terms = run.module(seen, blank, hidden)
    assert float(terms["supervised"].detach()) > 0, "the gridded field is not needed"


def test_hidden_stations_do_not_reach_the_first_guess(store, tmp_path):
    run = trainer(store, tmp_path, target="stations", background="station-mean", epochs=1)
    given = []

    def note(module, inputs):
        if module.training:
            given.append(inputs[0])

    run.model.register_forward_pre_hook(note)
    run.run()
    for batch in given:
        mean = batch.observations.value[:, -1].nanmean(dim=1)  # of the stations not hidden
        guess = batch.fields[BACKGROUND]
        torch.testing.assert_close(guess[:, 0, 0, 0], mean.to(guess.dtype), rtol=1e-5, atol=0)
    assert len(given) == 2, "one an optimiser step"


def test_a_first_guess_has_not_seen_its_own_block(store):
    config = TrainingConfig(**(TINY | {"background": "climatology"}))
    prepared = prepare(config, store)
    windows, methods = prepared.train, prepared.cross_fitted
    ends = windows.ends[[0, len(windows) // 2, len(windows) - 1]]
    batch = windows.batch([0, len(windows) // 2, len(windows) - 1])
    mixed = methods.first_guess(batch, ends)
    folds = blocks_left_out(store, np.union1d(windows.ends, windows.ends - 1), FOLDS)
    for row, end in enumerate(ends):
        (kept,) = [kept for kept, block in folds if block[0] <= end <= block[-1]]
        assert end not in kept
        alone = BASELINES["climatology"].fit(store, kept, windows.stations)(batch)
        torch.testing.assert_close(mixed[row], alone.fields[CO2][row])


def test_resuming_on_other_data_is_refused(store, small_world, tmp_path):
    trainer(store, tmp_path, epochs=1).run()
    longer = TrainingStore(small_world().isel(time=slice(0, -8)), "other.nc")
    with pytest.raises(UsageError, match="other data"):
        trainer(longer, tmp_path, epochs=1, continued=True)


def test_missing_truth_is_left_out_of_the_validation(small_world, store, tmp_path):
    world = small_world()
    run = trainer(store, tmp_path)
    gap = np.zeros(len(store), dtype=bool)
    gap[run.task.prepared.validation.ends[0]] = True
    holed = world.assign(co2s=world["co2s"].where(~xr.DataArray(gap, dims="time")))
    prepared = prepare(TrainingConfig(**TINY), TrainingStore(holed, "holed.nc"))
    assert np.isfinite(validation_rmse(run.model, prepared.validation, run.task.device, run.config))


def test_stations_alone_can_be_learnt_from(store, tmp_path):
    options = {"epochs": 6, "windows_per_epoch": 40, "learning_rate": 1e-3}
    trainer(store, tmp_path, target="stations", **options).run()
    losses = [row["supervised"] for row in log(tmp_path)]
    assert losses[-1] < 0.5 * losses[0]


def test_without_the_probe_there_is_no_wind_loss(store, tmp_path):
    trainer(store, tmp_path, wind_weight=0.0, epochs=1).run()
    assert "wind" not in log(tmp_path)[0]


def test_a_store_without_wind_needs_the_probe_switched_off(small_world, tmp_path):
    calm = TrainingStore(small_world().drop_vars(["uas"]), "calm.nc")
    with pytest.raises(UsageError, match=r"calm\.nc: no 'uas'.*--wind-weight 0"):
        trainer(calm, tmp_path)


def test_too_few_stations_are_refused(small_world, tmp_path):
    few = TrainingStore(small_world().isel(station=[0, 1, 2]), "few.nc")
    with pytest.raises(DataError, match=r"few\.nc: 3 stations, at least 4"):
        trainer(few, tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"size": "M"}, {"learning_rate": 0.0}, {"wind_weight": -1.0}, {"x": 1}]
)
def test_wrong_options_are_one_line(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))) as caught:
        TrainingConfig.validated(wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_sigterm_leaves_a_state_to_resume_from(small_world, tmp_path):
    write_dataset(small_world(), tmp_path / "world.zarr")
    command = [
        *(str(Path(sys.executable).with_name("co2phys")), "train", "--data", "world.zarr"),
        *("--output", "run", "--size", "XS", "--frames", "2", "--epochs", "500"),
        *("--windows-per-epoch", "40", "--background", "none"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "last").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert said.splitlines()[-1] == "co2phys: error: terminated"
    assert "--resume auto" in said
    assert not list((tmp_path / "run").glob("*.tmp-*"))
    _, metadata = load_model(tmp_path / "run" / "last")
    reached = metadata["progress"]
    assert reached["epoch"] * 10 + reached["batch"] > 0
    stop = [*command[:-2], "--background", "none", "--resume", "auto", "--json"]
    process = subprocess.Popen(stop, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(log(tmp_path / "run")) <= reached["epoch"] and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    _, metadata = load_model(tmp_path / "run" / "last")
    assert metadata["progress"]["epoch"] > reached["epoch"], "went on from there"
