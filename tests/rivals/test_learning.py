"""Rivals by the one engine: they learn, stop, go on, and come back from their files."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from co2net_phys.architectures import ARCHITECTURES
from co2net_phys.checkpoint import TRAINING, WEIGHTS, load_model
from co2net_phys.config import TrainingConfig
from co2net_phys.cost import training_plan
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import UsageError
from co2net_phys.preparation import prepare
from co2net_phys.reconstruct import predictions, windows_of
from co2net_phys.trainer import Callbacks, Interrupted
from co2net_phys.training import start

RIVALS = [name for name in ARCHITECTURES if name != "co2net"]

PLAIN = {
    "epochs": 3, "windows_per_epoch": 8, "batch_size": 4, "precision": "fp32", "validate_every": 2,
    "device": "cpu",
}  # fmt: skip
"""Two steps in an epoch, six in the run."""


@pytest.fixture(scope="module")
def store(small_world):
    return TrainingStore(small_world(), "world.nc")


@pytest.fixture
def trainer(store, tiny):
    """Function that starts a run of a rival."""

    def begin(name, output, *, continued=False, callbacks=None, model=(), **options):
        network = tiny(name) | {"frames": 2} | dict(model)
        config = TrainingConfig(**(PLAIN | {"architecture": name, "model": network} | options))
        callbacks = callbacks or Callbacks()
        return start(prepare(config, store), config, output, [], ["co2phys"], callbacks, continued)

    return begin


def stop_after(steps):
    done = []
    return Callbacks(
        on_step=lambda step, total, values: done.append(step),
        should_stop=lambda: len(done) >= steps,
    )


def log(output):
    rows = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.parametrize(
    ("name", "precision"),
    [("vit", "bf16"), ("swin-lstm", "fp32"), ("cyclegan", "bf16"), ("senseiver", "fp32")],
)
def test_a_resumed_run_is_bit_for_bit_the_uninterrupted_one(trainer, tmp_path, name, precision):
    """With the dropout of the paper; stopped inside an epoch."""
    trainer(name, tmp_path / "through", precision=precision).run()
    with pytest.raises(Interrupted):
        trainer(name, tmp_path / "parts", precision=precision, callbacks=stop_after(3)).run()
    torch.rand(100)  # the generator's state must come from the checkpoint
    trainer(name, tmp_path / "parts", precision=precision, continued=True).run()
    for part in (WEIGHTS, TRAINING):
        through, parts = (load_file(tmp_path / run / "last" / part) for run in ("through", "parts"))
        assert through.keys() == parts.keys()
        for key, value in through.items():
            assert torch.equal(value, parts[key]), key
    assert log(tmp_path / "through") == log(tmp_path / "parts")


STEPS = {"vit": 40, "swin-lstm": 70, "cyclegan": 60, "senseiver": 80}


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_one_batch_is_learnt_by_heart(trainer, store, tmp_path, monkeypatch, name):
    """To less than five per cent of its variance, by forty to eighty steps without dropout."""
    dropout = {} if name == "senseiver" else {"dropout": 0.0}
    options = {
        "epochs": STEPS[name], "validate_every": STEPS[name], "batch_size": 4,
        "learning_rate": 5e-3, "warm_up": 0.1, "schedule": "cosine", "latitude_weighted": False,
    }  # fmt: skip
    run = trainer(name, tmp_path, model=dropout, **options)
    ends = run.task.prepared.train.ends[[0, 30, 60, 90]]
    prepared = replace(run.task.prepared, train=replace(run.task.prepared.train, ends=ends))
    run = start(prepared, run.config, tmp_path, [], ["co2phys"], Callbacks(), False)
    batch = prepared.train.batch(range(4))
    for written in ("save_checkpoint", "append_log"):  # a state after every step is not needed
        monkeypatch.setattr(f"co2net_phys.trainer.{written}", lambda *_, **options: None)
    run.run()
    with torch.no_grad():
        found = run.model.eval()(batch).fields[CO2]
    assert run.steps == STEPS[name]
    error = (found - batch.fields[CO2]).square().mean()
    assert error < 0.05 * batch.fields[CO2].var()


@pytest.mark.parametrize("name", RIVALS)
def test_a_run_is_logged_scored_and_read_back(trainer, store, tmp_path, name):
    run = trainer(name, tmp_path, background="climatology")
    run.run()
    own = ARCHITECTURES[name].config.own_losses
    assert set(log(tmp_path)[0]) == {"epoch", "supervised", *own}
    model, metadata = load_model(tmp_path / "best")
    assert metadata["architecture"] == name and type(model) is ARCHITECTURES[name].network
    assert model.config == run.model.config
    windows = replace(windows_of(model, metadata, store, "test"), with_target=True)
    found = dict(predictions(model, windows, 4))
    with torch.no_grad():
        expected = load_model(tmp_path / "best")[0](windows.batch([0])).fields[CO2][0, 0]
    torch.testing.assert_close(torch.from_numpy(found[int(windows.ends[0])]), expected)
    assert run.progress.best == metadata["progress"]["best"]


@pytest.mark.parametrize("name", ["vit", "cyclegan"])
def test_recomputed_activations_give_the_same_bits(trainer, tmp_path, name):
    trainer(name, tmp_path / "kept", epochs=1).run()
    trainer(name, tmp_path / "again", epochs=1, recompute=True).run()
    kept, again = (load_file(tmp_path / run / "last" / WEIGHTS) for run in ("kept", "again"))
    assert all(torch.equal(kept[key], again[key]) for key in kept)


def test_parts_of_a_batch_give_the_step_of_the_whole(trainer, tmp_path):
    """For the method with the most losses of its own."""
    for parts in (1, 2):
        trainer("cyclegan", tmp_path / str(parts), accumulate=parts, model={"dropout": 0.0},
                epochs=1).run()  # fmt: skip
    whole, parts = (load_file(tmp_path / run / "last" / WEIGHTS) for run in ("1", "2"))
    assert max(float((whole[key] - parts[key]).abs().max()) for key in whole) < 1e-5


def test_weights_of_own_losses_are_not_learned(trainer, tmp_path):
    run = trainer("cyclegan", tmp_path, learned_weights=True)
    assert set(run.task.learner.objective.uncertainty) == {"supervised"}


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("vit", {"wind_weight": 0.2}, "wind_weight: only CO2-Net"),
        ("vit", {"residual_weight": 0.2}, "residual_weight: only CO2-Net"),
        ("cyclegan", {"target": "stations"}, "target: cyclegan learns what whole fields look"),
    ],
)
def test_losses_that_a_rival_cannot_have_are_refused(trainer, tmp_path, name, options, said):
    with pytest.raises(UsageError, match=said):
        trainer(name, tmp_path, **options)


def test_only_co2net_has_sizes():
    with pytest.raises(UsageError, match=r"size XS is one of CO2-Net; set the sizes of vit"):
        TrainingConfig.validated({"architecture": "vit", "size": "XS"})


def test_another_network_is_not_gone_on_with(trainer, tmp_path):
    with pytest.raises(Interrupted):
        trainer("vit", tmp_path, callbacks=stop_after(1)).run()
    with pytest.raises(UsageError, match=r"architecture = 'vit', not 'senseiver'"):
        trainer("senseiver", tmp_path, continued=True)


@pytest.mark.parametrize("name", RIVALS)
def test_a_plan_says_what_a_run_costs(trainer, tmp_path, name):
    run = trainer(name, tmp_path)
    plan = training_plan(run.task.prepared, run.config)
    assert (plan["model"], plan["size"], plan["steps"]) == (name, None, 6)
    assert plan["input_shape"] == [4, 9, run.model.config.frames_read, 18, 24]
    assert plan["options"]["learning_rate"] == 1e-4
    assert plan["memory_bytes"] > 18 * plan["parameters"] and plan["expected_seconds"] > 0
