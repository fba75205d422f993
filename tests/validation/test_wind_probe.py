"""The experiment on the wind probe: scores in closed form, honest arms, resuming."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from co2net_phys import metrics, objective
from co2net_phys.checkpoint import load_model
from co2net_phys.data.store import TrainingStore, open_store
from co2net_phys.data.windows import Windows
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError, UsageError
from co2net_phys.losses import wind_loss, with_taught_wind
from co2net_phys.preparation import other_times, prepare
from co2net_phys.trainer import Callbacks, Interrupted
from co2net_phys.training import start
from co2net_phys.validation import wind_probe_scores
from co2net_phys.validation.wind_probe import ARMS, ProbeConfig, run_probe
from co2net_phys.validation.wind_probe_experiment import (
    PICTURE,
    SUMMARY,
    TABLE,
    remove_results,
    run_folder,
)
from co2net_phys.validation.wind_probe_plan import plan
from co2net_phys.validation.wind_probe_regression import WEATHER, regressed_wind
from co2net_phys.validation.wind_probe_results import mean_scores, table, write_results
from co2net_phys.validation.wind_probe_scores import (
    Scoring,
    disjoint,
    explained,
    global_mean,
    probed_wind,
    true_wind,
)

SMALL = ProbeConfig(("given", "shuffled"), epochs=2, windows_per_epoch=80, frames=2)
LATITUDE = np.arange(-85.0, 90, 10)
WEIGHTS = metrics.latitude_weights(LATITUDE)


@pytest.fixture(scope="module")
def store(small_world, tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "world.nc"
    write_dataset(small_world(), path)
    return open_store(path)


@pytest.fixture(scope="module")
def experiment(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    return folder, *run_probe(SMALL, store, folder, ["co2phys", "probe"])


@pytest.fixture
def winds():
    """Truth (2, n, H, W) and a climatology (2, 1, H, W)."""
    random = np.random.default_rng(0)
    return random.normal(3, 2, (2, 5, 18, 24)), random.normal(3, 1, (2, 1, 18, 24))


def test_a_perfect_probe_scores_one_and_the_training_mean_nothing(winds):
    truth, climatology = winds
    assert explained(truth, truth, climatology, WEIGHTS) == {"u": 1.0, "v": 1.0, "pooled": 1.0}
    known = np.broadcast_to(climatology, truth.shape)
    assert explained(known, truth, climatology, WEIGHTS) == {"u": 0.0, "v": 0.0, "pooled": 0.0}


def test_a_share_of_the_anomaly_explains_its_part(winds):
    truth, climatology = winds
    shares = np.array([0.75, -1.0])[:, None, None, None]
    found = explained(climatology + shares * (truth - climatology), truth, climatology, WEIGHTS)
    assert found["u"] == pytest.approx(1 - 0.25**2)
    assert found["v"] == pytest.approx(1 - 2**2)
    assert found["v"] < found["pooled"] < found["u"]


def test_errors_count_by_area():
    """Only the row nearest to the pole is wrong, by the size of the anomaly."""
    truth = np.ones((2, 3, 18, 24))
    probed = truth.copy()
    probed[:, :, -1] = 0.0
    found = explained(probed, truth, np.zeros((2, 1, 18, 24)), WEIGHTS)
    assert found["pooled"] == pytest.approx(1 - (1 - np.sin(np.radians(80))) / 2)


def test_about_the_global_mean_it_is_the_common_score(winds):
    truth, climatology = winds
    known = np.broadcast_to(climatology, truth.shape)
    found = explained(known, truth, global_mean(truth, WEIGHTS), WEIGHTS)
    for n, name in enumerate("uv"):
        assert found[name] == pytest.approx(metrics.r2(known[n], truth[n], WEIGHTS))


def test_a_truth_that_never_leaves_its_reference_has_no_score():
    still = np.zeros((2, 3, 18, 24))
    assert all(np.isnan(value) for value in explained(still, still, still, WEIGHTS).values())


def test_the_climatology_is_that_of_the_training_block(store):
    scoring = Scoring.of(store, 2)
    prepared = prepare(SMALL.training("given", 1), store)
    frames = np.arange(prepared.train.ends[0] - 1, prepared.train.ends[-1] + 1)
    mean = store.field("vas", frames).mean(axis=0, dtype=np.float64)
    assert scoring.climatology[1, 0] == pytest.approx(mean)
    assert scoring.windows.ends[0] > prepared.validation.ends[-1] > prepared.train.ends[-1]
    found = scoring.rivals()["climatology"]
    assert [found[f"r2_{name}"] for name in ("u", "v", "pooled")] == [0, 0, 0]
    assert found["r2_about_mean_u"] > 0.1  # the pattern that stays is worth something there


def test_a_linear_fit_finds_what_the_weather_says(store, small_world):
    """Every field of this world is the same wave, so that pressure tells the wind exactly."""
    assert Scoring.of(store, 2).rivals()["regression"]["r2_pooled"] == pytest.approx(1, abs=1e-5)
    bare = TrainingStore(small_world().drop_vars([*WEATHER]), "bare.nc")
    blind = Scoring.of(bare, 2)
    assert blind.rivals()["regression"]["r2_pooled"] == pytest.approx(0, abs=0.05)
    frames = np.arange(0, 40)
    known = regressed_wind(bare, frames, np.array([50, 60]))
    mean = bare.field("uas", frames[::4]).mean(axis=0)
    assert known[0] == pytest.approx(np.stack([mean, mean]), abs=1e-6)


def test_slopes_of_the_pressure_tell_a_balanced_wind():
    """u = −∂p/∂y and v = ∂p/∂x of pressures that are random in time."""
    random = np.random.default_rng(1)
    modes = random.normal(size=(60, 4))
    phi, lam = np.radians(LATITUDE)[:, None], np.radians(np.arange(-172.5, 180, 15))
    shapes = [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(2 * lam)]
    shapes += [np.cos(phi) ** 2 * np.sin(lam), np.sin(2 * phi) + 0 * lam]
    fields = {"ps": 1e5 + np.tensordot(modes, np.array(shapes), 1)}
    fields["uas"] = 5 - np.gradient(fields["ps"], axis=1)
    fields["vas"] = np.roll(fields["ps"], -1, axis=2) - np.roll(fields["ps"], 1, axis=2)
    world = SimpleNamespace(
        auxiliaries=tuple(fields), shape=(18, 24), field=lambda name, frames: fields[name][frames]
    )
    found = regressed_wind(world, np.arange(50), np.arange(50, 60))
    assert found[0] == pytest.approx(fields["uas"][50:], abs=1e-6)
    assert found[1] == pytest.approx(fields["vas"][50:], abs=1e-6)


def test_a_store_without_wind_is_refused(small_world):
    still = TrainingStore(small_world().drop_vars("vas"), "still.nc")
    for ask in (lambda: Scoring.of(still, 2), lambda: plan(SMALL, still)):
        with pytest.raises(DataError, match=r"still\.nc: no 'vas'.*add the wind \(uas, vas\)"):
            ask()


def test_no_frame_is_scored_twice(store, monkeypatch):
    windows = Windows(store, np.arange(8, 90), np.array([0]), 8)
    ends = windows.ends[disjoint(windows)]
    assert ends[0] == 8
    assert (np.diff(ends) >= 8).all()
    assert len(ends) == 11
    monkeypatch.setattr(wind_probe_scores, "SCORED_WINDOWS", 3)
    assert windows.ends[disjoint(windows)].tolist() == [8, 48, 88]


def block(store, ends):
    return Windows(store, np.asarray(ends), np.array([0]), 2)


@pytest.mark.parametrize("ends", [[3, 4], range(5, 8), range(1, 12), range(150), range(7, 199)])
def test_the_other_time_is_far_away_and_in_the_same_block(store, ends):
    windows = block(store, ends)
    times = store.seconds[windows.ends]
    apart = min(5 * 86400, (times[-1] - times[0]) / 4)
    for seed in range(20):
        other = other_times(windows, seed)
        assert ((other >= 0) & (other < len(windows))).all()
        assert (np.abs(times[other] - times) >= apart).all()
        assert (other != np.arange(len(windows))).all()


def test_other_times_follow_from_the_seed_and_come_from_everywhere(store):
    windows = block(store, range(199))
    assert (other_times(windows, 3) == other_times(windows, 3)).all()
    assert (other_times(windows, 3) != other_times(windows, 4)).mean() > 0.9
    drawn = np.stack([other_times(windows, seed) for seed in range(300)])
    allowed = np.abs(np.arange(199) - 80) >= 40  # five days of three hours
    assert set(drawn[:, 80]) <= set(np.flatnonzero(allowed))
    assert len(set(drawn[:, 80])) > 0.75 * allowed.sum()


def test_one_window_has_no_other_time(store):
    with pytest.raises(DataError, match=r"world\.nc: one window.*longer record"):
        other_times(block(store, [9]), 0)


def networks(store):
    return {arm: prepare(SMALL.training(arm, 1), store).model.eval() for arm in ARMS}


@torch.no_grad()
def test_withheld_arms_do_not_see_the_wind(store):
    batch = prepare(SMALL.training("given", 1), store).train.batch([0, 9])
    generator = torch.Generator().manual_seed(0)
    storm = {
        name: 30 * torch.randn(batch.fields[name].shape, generator=generator)
        for name in ("uas", "vas")
    }
    weather = {name: field + 1 for name, field in batch.fields.items() if name not in storm}
    for arm, model in networks(store).items():
        before, after = model(batch).fields, model(batch.with_fields(**storm)).fields
        same = all(torch.equal(before[name], after[name]) for name in before)
        assert same == ("given" not in arm), arm
        after = model(batch.with_fields(**storm, **weather)).fields
        same = all(torch.equal(before[name], after[name]) for name in before)
        assert same == (arm == "co2-only"), arm


def test_only_the_input_and_the_target_tell_the_arms_apart():
    configs = {arm: SMALL.training(arm, 4).model_dump() for arm in ARMS}
    for config in configs.values():
        del config["model"], config["shuffled_wind"]
    assert all(config == configs["given"] for config in configs.values())
    assert [SMALL.training(arm, 4).shuffled_wind for arm in ARMS] == [False] * 3 + [True] * 2


def test_a_shuffled_arm_is_taught_the_wind_of_its_other_time(store, tmp_path, monkeypatch):
    batches = []

    def spy(output, batch, statistics):
        batches.append(batch)
        return wind_loss(output, batch, statistics)

    monkeypatch.setattr(objective.losses, "wind_loss", spy)
    config = replace(SMALL, epochs=1, windows_per_epoch=8).training("shuffled", 1)
    prepared = prepare(config, store)
    start(prepared, config, tmp_path, [], [], Callbacks(), False).run()
    every = store.field("uas", np.arange(len(store)))
    assert len(batches) == 2
    for batch in batches:
        for own, taught in zip(batch.fields["uas"], batch.fields["uas_taught"], strict=True):
            frames = [
                int(np.flatnonzero((every == field[-1].numpy()).all(axis=(1, 2)))[0])
                for field in (own, taught)
            ]
            here, there = np.searchsorted(prepared.train.ends, frames)
            assert prepared.wind_from[here] == there


def test_the_wind_loss_reads_what_is_taught(store):
    windows = block(store, range(5, 50))
    batch, other = windows.batch([0, 1]), windows.batch([30, 40])
    taught = with_taught_wind(batch, other)
    statistics = {"uas": (0.0, 1.0), "vas": (0.0, 2.0)}
    assert wind_loss(other, taught, statistics) == 0
    assert wind_loss(batch, taught, statistics) > 0
    assert wind_loss(batch, batch, statistics) == 0
    assert torch.equal(taught.fields["uas"], batch.fields["uas"])


def test_without_a_probe_nothing_is_shuffled(store):
    config = SMALL.training("shuffled", 1).model_copy(update={"wind_weight": 0.0})
    assert prepare(config, store).wind_from is None


def test_a_run_that_does_not_know_the_option_can_be_resumed(store, tmp_path):
    config = replace(SMALL, epochs=1, windows_per_epoch=8).training("given", 1)
    start(prepare(config, store), config, tmp_path, [], [], Callbacks(), False).run()
    path = tmp_path / "last" / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["config"]["shuffled_wind"]
    path.write_text(json.dumps(metadata))
    again = start(prepare(config, store), config, tmp_path, [], [], Callbacks(), True)
    assert again.progress.epoch == 1


def test_a_run_names_the_data_it_was_started_with(store, small_world, tmp_path):
    config = replace(SMALL, epochs=1, windows_per_epoch=4).training("given", 1)
    command, calls = ["co2phys"], Callbacks()
    inputs = [Path(store.source)]
    start(prepare(config, store), config, tmp_path, inputs, command, calls, False).run()
    warmer = small_world()
    warmer["tas"] += 1
    other = prepare(config, TrainingStore(warmer, "other.nc"))
    with pytest.raises(
        UsageError, match=r"data \(world\.nc\) than other\.nc, which differ in statistics; give"
    ):
        start(other, config, tmp_path, inputs, command, calls, True)


def test_the_experiment_tells_copying_from_nothing(experiment):
    _, summary, _ = experiment
    given, shuffled = summary["runs"]
    assert (given["arm"], shuffled["arm"]) == SMALL.arms
    assert given["r2_pooled"] > 0.3
    assert given["r2_own_target"] == given["r2_pooled"]
    assert shuffled["r2_pooled"] < 0.1
    assert shuffled["r2_own_target"] < 0.1
    assert shuffled["r2_own_target"] != shuffled["r2_pooled"]
    assert given["steps"] == shuffled["steps"] == 40


def test_scores_are_those_of_the_saved_network(experiment, store):
    folder, summary, example = experiment
    model, _ = load_model(run_folder(folder, "given", 1) / "last")
    scoring = Scoring.of(store, 2)
    stations = prepare(SMALL.training("given", 1), store).train.stations
    windows = replace(scoring.windows, stations=stations)
    probed = probed_wind(model, windows, scoring.positions)
    truth = true_wind(windows, scoring.positions)
    found = explained(probed, truth, scoring.climatology, scoring.weights)
    assert summary["runs"][0]["r2_pooled"] == pytest.approx(found["pooled"], rel=1e-5)
    frame = 2 * (len(scoring.positions) // 2) + 1
    assert example.truth == pytest.approx((truth - scoring.climatology)[0, frame])
    assert example.probed["given"] == pytest.approx(
        (probed - scoring.climatology)[0, frame], abs=1e-4
    )
    moment = store.times.values[windows.ends[scoring.positions[len(scoring.positions) // 2]]]
    assert example.time == f"{str(moment)[:10]} {str(moment)[11:16]} UTC"


def test_a_complete_arm_is_not_trained_again(experiment, store):
    folder, summary, _ = experiment
    steps = []
    again, _ = run_probe(
        SMALL, store, folder, ["co2phys"], continued=True, progress=lambda *now: steps.append(now)
    )
    assert steps == []
    for row, before in zip(again["runs"], summary["runs"], strict=True):
        assert row == pytest.approx(before)


def test_an_interrupted_experiment_ends_with_the_same_scores(store, tmp_path):
    config = replace(SMALL, epochs=1, windows_per_epoch=12)
    through, _ = run_probe(config, store, tmp_path / "through", [])
    seen = []
    with pytest.raises(Interrupted):
        run_probe(
            config, store, tmp_path / "parts", [], progress=lambda *now: seen.append(now),
            should_stop=lambda: len(seen) == 4,
        )  # fmt: skip
    assert seen[-1] == (4, 6, ARMS["shuffled"].description)
    parts, _ = run_probe(config, store, tmp_path / "parts", [], continued=True)
    assert parts == through


@pytest.mark.parametrize("when", [1, 3, 7])
def test_scoring_can_be_interrupted(store, tmp_path, monkeypatch, when):
    """Before its first batch, in the middle, and after its last; the network is kept."""
    config = replace(SMALL, arms=("given",), epochs=1, windows_per_epoch=4)
    monkeypatch.setattr(wind_probe_scores, "SCORED_WINDOWS", 12)
    trained, asked = [], []

    def should_stop():
        if len(trained) == 1:
            asked.append(1)
        return len(asked) > when  # asked once by the training, after its step

    with pytest.raises(Interrupted):
        run_probe(
            config, store, tmp_path, [], progress=lambda *now: trained.append(now),
            should_stop=should_stop,
        )  # fmt: skip
    assert len(asked) == when + 1
    steps = []
    summary, _ = run_probe(
        config, store, tmp_path, [], continued=True, progress=lambda *now: steps.append(now)
    )
    assert steps == []
    assert summary["runs"][0]["steps"] == 1


def test_results_are_written_and_removed(experiment, tmp_path):
    _, summary, example = experiment
    write_results(tmp_path, summary, example)
    assert {path.name for path in tmp_path.iterdir()} == {SUMMARY, TABLE, PICTURE}
    assert json.loads((tmp_path / SUMMARY).read_text())["runs"] == summary["runs"]
    with (tmp_path / TABLE).open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["r2_u"]) for row in rows] == [row["r2_u"] for row in summary["runs"]]
    assert (tmp_path / PICTURE).read_bytes()[:4] == b"\x89PNG"
    remove_results(tmp_path)
    assert not any(tmp_path.iterdir())


def test_the_table_averages_the_seeds(experiment):
    _, summary, _ = experiment
    first = summary["runs"][0]
    second = {**first, "seed": 2, "r2_pooled": first["r2_pooled"] - 0.2}
    both = {**summary, "runs": [first, second]}
    assert mean_scores(both)["given"]["r2_pooled"] == pytest.approx(first["r2_pooled"] - 0.1)
    assert mean_scores(both)["given"]["r2_u"] == first["r2_u"]
    text = table(both)
    assert f"{second['r2_pooled']:.3f} to {first['r2_pooled']:.3f}" in text
    assert "linear fit to weather" in text
    assert " to " not in table(summary).splitlines()[1]


def test_the_plan_counts_every_run(store):
    rows = plan(replace(SMALL, seeds=2), store)
    assert [(row["seed"], row["arm"]) for row in rows] == [
        (1, "given"), (1, "shuffled"), (2, "given"), (2, "shuffled"),
    ]  # fmt: skip
    assert all(row["steps"] == 40 and row["expected_seconds"] > 0 for row in rows)
    assert plan(replace(SMALL, windows_per_epoch=10**6), store)[0]["steps"] < 1000


def test_the_plan_of_an_experiment_that_goes_on(experiment, store, tmp_path):
    config = replace(SMALL, arms=("given", "shuffled", "co2-only"))
    rows = plan(config, store, experiment[0])
    assert [row["done"] for row in rows] == [40, 40, 0]
    assert 0 < 5 * rows[0]["expected_seconds"] < rows[2]["expected_seconds"]
    with pytest.raises(UsageError, match="--epochs 2, not 1"):
        plan(replace(config, epochs=1), store, experiment[0])
    seen = []
    with pytest.raises(Interrupted):
        run_probe(
            SMALL, store, tmp_path, [], progress=lambda *now: seen.append(now),
            should_stop=lambda: len(seen) == 23,
        )  # fmt: skip
    assert [row["done"] for row in plan(SMALL, store, tmp_path)] == [23, 0]


@pytest.mark.parametrize("arms", [("given", "taken"), (), ("given", "given")])
def test_arms_are_known_and_named_once(arms):
    with pytest.raises(UsageError, match="--arms"):
        ProbeConfig(arms)
