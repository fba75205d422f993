"""What a run can be asked for beside the plain loop, each against what it promises."""

import csv
import json

import pytest
import torch
from safetensors.torch import load_file

from co2net_phys.checkpoint import TRAINING, WEIGHTS, kept, load_model, load_training
from co2net_phys.config import TrainingConfig
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import UsageError
from co2net_phys.preparation import prepare
from co2net_phys.trainer import Callbacks, Interrupted
from co2net_phys.training import start

TINY = {
    "size": "XS", "model": {"frames": 2}, "background": "none", "epochs": 2, "device": "cpu",
    "windows_per_epoch": 8, "batch_size": 4, "precision": "fp32", "validate_every": 1,
}  # fmt: skip
"""Two steps in an epoch, four in the run."""


@pytest.fixture(scope="module")
def store(small_world):
    return TrainingStore(small_world(), "world.nc")


def trainer(store, output, *, continued=False, callbacks=None, **options):
    config = TrainingConfig(**(TINY | options))
    callbacks = callbacks or Callbacks()
    return start(prepare(config, store), config, output, [], ["co2phys"], callbacks, continued)


def log(output):
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def weights(output, name="last"):
    return load_file(output / name / WEIGHTS)


def stop_after(steps):
    done = []
    return Callbacks(
        on_step=lambda step, total, values: done.append(step),
        should_stop=lambda: len(done) >= steps,
    )


def differences(one, other):
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_parts_of_a_batch_give_the_step_of_the_whole(store, tmp_path):
    trainer(store, tmp_path / "whole").run()
    trainer(store, tmp_path / "parts", accumulate=3).run()
    assert differences(weights(tmp_path / "whole"), weights(tmp_path / "parts")) < 1e-6
    for whole, parts in zip(log(tmp_path / "whole"), log(tmp_path / "parts"), strict=True):
        assert parts["supervised"] == pytest.approx(whole["supervised"], rel=1e-5)


def test_recomputed_activations_give_the_same_bits(store, tmp_path):
    regularised = {"frames": 2, "dropout": 0.1, "drop_path": 0.1}
    trainer(store, tmp_path / "kept", model=regularised).run()
    trainer(store, tmp_path / "again", model=regularised, recompute=True).run()
    assert differences(weights(tmp_path / "kept"), weights(tmp_path / "again")) == 0.0


def test_the_average_is_what_is_validated_and_kept(store, tmp_path):
    seen = []
    run = trainer(
        store, tmp_path, average=0.9, learning_rate=5e-3,
        callbacks=Callbacks(
            on_step=lambda *_: seen.append(next(run.model.parameters()).detach().clone())
        ),
    )  # fmt: skip
    name = next(iter(run.average.average))
    before = run.average.average[name].clone()
    run.run()
    for step, value in enumerate(seen, start=1):
        keep = min(0.9, (1 + step) / (10 + step))
        before = keep * before + (1 - keep) * value
    torch.testing.assert_close(run.average.average[name], before)
    best = weights(tmp_path, "best")
    last, average = weights(tmp_path), load_training(tmp_path / "last")[1]
    assert differences(best, last) > 1e-5
    if log(tmp_path)[-1]["validation_rmse"] == run.progress.best:
        for key in run.average.average:
            torch.testing.assert_close(best[key], average[f"average.{key}"])


@pytest.mark.slow
def test_a_run_with_everything_resumes_bit_for_bit(store, tmp_path):
    options = {
        "average": 0.9, "accumulate": 2, "learned_weights": True, "residual_weight": 0.1,
        "mass_weight": 0.1, "model": {"frames": 6}, "save_every": 1,
    }  # fmt: skip
    trainer(store, tmp_path / "through", **options).run()
    with pytest.raises(Interrupted):
        trainer(store, tmp_path / "parts", callbacks=stop_after(3), **options).run()
    trainer(store, tmp_path / "parts", continued=True, **options).run()
    for part in (WEIGHTS, TRAINING):
        through, parts = (
            load_file(tmp_path / name / "last" / part) for name in ("through", "parts")
        )
        assert differences(through, parts) == 0.0
    names = set(load_training(tmp_path / "parts" / "last")[1])
    assert {"objective.uncertainty.wind", "objective.uncertainty.residual"} <= names


def test_an_average_of_spread_weights_is_refused(store, tmp_path):
    with pytest.raises(UsageError, match=r"average: .*shard=false"):
        trainer(store, tmp_path, average=0.9, shard=True)


def test_patience_ends_a_run_that_no_longer_improves(store, tmp_path):
    """With a learning rate of nothing the first validation stays the best."""
    options = {"epochs": 9, "patience": 2, "learning_rate": 1e-30, "final_learning_rate": 0.0}
    progress = trainer(store, tmp_path, **options).run()
    assert progress.epoch == 3
    again = trainer(store, tmp_path, continued=True, **options).run()
    assert again.epoch == 3 and len(log(tmp_path)) == 3


def test_as_many_states_are_kept_as_asked_for(store, tmp_path):
    trainer(store, tmp_path, save_every=1, keep=3).run()
    places = kept(tmp_path / "last")
    assert [place.name for place in places] == ["last", "last.previous", "last.previous-2"]
    steps = []
    for place in places:
        progress = json.loads((place / "metadata.json").read_text())["progress"]
        steps.append(2 * progress["epoch"] + progress["batch"])
    assert steps == sorted(steps, reverse=True)
    for place in places[:2]:
        (place / WEIGHTS).write_bytes(b"")
    _, metadata = load_model(tmp_path / "last")
    assert metadata["folder"] == str(places[2])


@pytest.mark.slow
def test_physical_losses_lower_what_they_weigh(store, tmp_path):
    options = {"model": {"frames": 6}, "epochs": 6, "windows_per_epoch": 24, "learning_rate": 2e-3}
    for name, weight in (("heavy", 10.0), ("light", 1e-9)):
        physical = {"residual_weight": weight, "mass_weight": weight}
        trainer(store, tmp_path / name, **options, **physical).run()
    heavy, light = (log(tmp_path / name)[-1] for name in ("heavy", "light"))
    assert heavy["residual"] < 0.7 * light["residual"]
    assert heavy["mass"] < 0.7 * light["mass"]
    assert heavy["supervised"] < log(tmp_path / "heavy")[0]["supervised"]
    with pytest.raises(UsageError, match="6 frames or more"):
        trainer(store, tmp_path / "short", residual_weight=1.0)


def test_learned_weights_follow_their_losses(store, tmp_path):
    """At the optimum the precision is the inverse of the loss, so that a small one gets more."""
    run = trainer(store, tmp_path, learned_weights=True, learning_rate=1e-2, epochs=6)
    run.run()
    logged = {name: float(value) for name, value in run.task.learner.objective.uncertainty.items()}
    assert logged.keys() == {"supervised", "wind"}
    last = log(tmp_path)[-1]
    order = sorted(logged, key=lambda name: last[name] * {"supervised": 1.0, "wind": 0.2}[name])
    assert logged[order[0]] < logged[order[1]]


def test_a_network_that_predicts_its_error_is_trained(store, tmp_path):
    model = {"frames": 2, "predict_variance": True}
    trainer(store, tmp_path, model=model, epochs=6, windows_per_epoch=24, learning_rate=2e-3).run()
    rows = log(tmp_path)
    assert rows[-1]["supervised"] < rows[0]["supervised"]


def test_another_target(store, tmp_path):
    model = {"frames": 2, "target_variable": "tas"}
    progress = trainer(store, tmp_path, model=model).run()
    assert progress.best < 100
    with pytest.raises(UsageError, match="first guess of CO2"):
        trainer(store, tmp_path / "other", model=model, background="climatology")
    with pytest.raises(UsageError, match="residual_weight"):
        trainer(store, tmp_path / "third", model=model, residual_weight=1.0)


def test_the_log_is_a_table_too(store, tmp_path):
    trainer(store, tmp_path, validate_every=2).run()
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    logged = log(tmp_path)
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert rows[0]["validation_rmse"] == ""
    assert float(rows[1]["validation_rmse"]) == logged[1]["validation_rmse"]


@pytest.mark.parametrize("mode", ["always", "never"])
def test_where_the_series_is_does_not_matter(store, tmp_path, mode):
    trainer(store, tmp_path / "auto").run()
    trainer(store, tmp_path / mode, series_on_device=mode).run()
    assert differences(weights(tmp_path / "auto"), weights(tmp_path / mode)) == 0.0


def test_how_a_run_is_done_may_change_on_the_way(store, tmp_path):
    with pytest.raises(Interrupted):
        trainer(store, tmp_path, callbacks=stop_after(1)).run()
    changed = {"recompute": True, "save_every": 3, "keep": 4, "series_on_device": "never"}
    assert trainer(store, tmp_path, continued=True, **changed).run().epoch == 2


def test_a_log_for_tensorboard(store, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with pytest.raises(Interrupted):
        trainer(store, tmp_path, callbacks=stop_after(3), tensorboard=True).run()
    trainer(store, tmp_path, continued=True, tensorboard=True).run()
    found = events.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    logged = [event.value for event in found.Scalars("supervised")]
    assert logged == pytest.approx([row["supervised"] for row in log(tmp_path)])


def test_without_tensorboard_the_remedy_is_named(store, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"co2phys\[tensorboard\]"):
        trainer(store, tmp_path, tensorboard=True)
