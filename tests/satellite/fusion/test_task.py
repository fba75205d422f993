from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from co2net_phys.checkpoint import load_metadata
from co2net_phys.distributed import Team
from co2net_phys.errors import DataError, UsageError
from co2net_phys.fusion_crossvalidation import NetworkTraining
from co2net_phys.satellite.crossvalidation import LearnedFusion, crossvalidate
from co2net_phys.satellite.models import FusionRunOptions
from co2net_phys.satellite.network import NetworkPredictor
from co2net_phys.satellite.points import Samples
from co2net_phys.satellite.task import FusionTask
from co2net_phys.trainer import Callbacks, Interrupted, begin

SMALL = {"first_width": 8, "widths": [16, 16], "hidden": 16, "dropout": 0.1}


def options(**changed: Any) -> FusionRunOptions:
    return FusionRunOptions.validated(
        {"model": SMALL, "batch_size": 64, "learning_rate": 3e-3, "epochs": 3, **changed}
    )


def trained(samples: Samples, fresh: Samples, folder: Path, **changed: Any) -> FusionTask:
    task = FusionTask(options(**changed), samples, fresh)
    begin(task, folder, [], [], Callbacks(), continued=False).run()
    return task


def test_the_defaults_are_those_of_the_paper() -> None:
    chosen = FusionRunOptions()
    assert (chosen.batch_size, chosen.epochs, chosen.patience) == (1024, 200, 10)
    assert (chosen.schedule, chosen.plateau_patience, chosen.plateau_factor) == ("plateau", 5, 0.5)
    assert (chosen.learning_rate, chosen.weight_decay) == (1e-3, 1e-4)


def test_members_of_an_ensemble_hold_out_the_same() -> None:
    one, other = options().member(0), options().member(1)
    assert one.seed != other.seed and one.hold_out_seed == other.hold_out_seed


@pytest.mark.slow
def test_it_learns_and_repeats_itself(make_samples: Any, tmp_path: Path) -> None:
    samples, fresh = make_samples(500), make_samples(200, seed=1)
    untrained = FusionTask(options(), samples, fresh).validation_error()
    one, other = (trained(samples, fresh, tmp_path / name, epochs=25) for name in "ab")
    pairs = zip(one.learner.parameters(), other.learner.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert one.validation_error() < 0.5 * untrained
    assert untrained == pytest.approx(fresh.xco2.std(), rel=0.3)


def test_an_epoch_has_every_sample_once_in_an_order_of_its_own(make_samples: Any) -> None:
    task = FusionTask(options(batch_size=32, seed=3), make_samples(100), make_samples(10, seed=1))
    orders = []
    for epoch in (0, 1, 0):
        steps = list(task.steps(epoch, 0))
        assert len(steps) == task.batches_per_epoch == 4
        orders.append(np.concatenate([part[1] for step in steps for part in step]))
        assert sorted(orders[-1]) == list(range(100))
    assert (orders[0] == orders[2]).all() and (orders[0] != orders[1]).any()
    resumed = [part[1] for step in task.steps(1, 2) for part in step]
    np.testing.assert_array_equal(np.concatenate(resumed), orders[1][64:])


def test_parts_and_processes_share_a_batch(make_samples: Any) -> None:
    """Weighted means over parts and processes make up the mean over the batch."""
    samples, fresh = make_samples(50), make_samples(10, seed=1)
    whole = FusionTask(options(batch_size=37), samples, fresh)
    learner = whole.learner.eval()
    expected = learner(next(whole.steps(0, 0))[0][2])["total"].item()
    total = 0.0
    for rank in range(3):
        task = FusionTask(options(batch_size=37, accumulate=4), samples, fresh, Team(rank, 3))
        parts = next(task.steps(0, 0))
        assert len(parts) == 4
        total += sum(weight * learner(batch)["total"].item() for weight, _, batch in parts) / 3
    assert total == pytest.approx(expected, rel=1e-5)


def test_what_the_samples_say_is_not_to_be_chosen(make_samples: Any) -> None:
    samples = make_samples(20)
    with pytest.raises(UsageError, match=r"model\.features: comes from the samples"):
        FusionTask(options(model={"features": ["a"]}), samples, samples)
    samples.features[3, 2] = np.nan
    with pytest.raises(DataError, match="made up: elevation: is missing at 1 of 20"):
        FusionTask(options(), samples, samples)


def test_networks_of_folds_are_trained_once_and_taken_again(
    make_samples: Any, tmp_path: Path
) -> None:
    """Stopped and continued gives the same bits; a finished run is not trained again."""
    samples = make_samples(200, days=40)
    calls = iter(range(100))

    def predicted(folder: str, **how: Any) -> Any:
        train = NetworkTraining(options(), tmp_path / folder, [], **how)
        outcome = crossvalidate(samples, {"it": LearnedFusion(train)}, ("day",), folds=2)
        return outcome.predictions["day"]["it"]

    through = predicted("a")
    with pytest.raises(Interrupted):
        predicted("b", should_stop=lambda: next(calls) == 8)
    np.testing.assert_array_equal(predicted("b", continued=True), through)
    times = [path.stat().st_mtime_ns for path in sorted((tmp_path / "b").rglob("*.safetensors"))]
    assert len(times) >= 2
    np.testing.assert_array_equal(predicted("b", continued=True), through)
    again = [path.stat().st_mtime_ns for path in sorted((tmp_path / "b").rglob("*.safetensors"))]
    assert again == times
    changed = NetworkTraining(options(epochs=4), tmp_path / "b", [], continued=True)
    with pytest.raises(UsageError, match="epochs = 3, not 4"):
        crossvalidate(samples, {"it": LearnedFusion(changed)}, ("day",), folds=2)


def test_a_checkpoint_says_what_was_kept_back(make_samples: Any, tmp_path: Path) -> None:
    samples = make_samples(60)
    train = NetworkTraining(options(epochs=1), tmp_path, [])
    train(samples.at(np.arange(50)), samples.at(np.arange(50, 60)), "sample")
    (best,) = tmp_path.glob("*/best")
    assert load_metadata(best)["config"]["hold_out_blocks"] == "sample"


def test_mean_of_members(make_samples: Any, tmp_path: Path) -> None:
    from co2net_phys.satellite.network import EnsemblePredictor

    samples = make_samples(60)
    members = [
        NetworkPredictor(FusionTask(options(seed=seed), samples, samples).learner.model)
        for seed in (1, 2, 3)
    ]
    mean = np.mean([member.predict(samples) for member in members], axis=0)
    np.testing.assert_array_equal(EnsemblePredictor(members).predict(samples), mean)
