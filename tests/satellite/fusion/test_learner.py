from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from co2net_phys.distributed import Team
from co2net_phys.errors import DataError
from co2net_phys.run_options import RunOptions
from co2net_phys.satellite.learner import (
    TRAINING_OPTIONS,
    FusionLearner,
    SampleFeed,
    validation_error,
)
from co2net_phys.satellite.network import FusionConfig, NetworkPredictor, ResNetLSTM, statistics_of
from co2net_phys.satellite.points import Samples


def network(samples: Samples, seed: int = 0) -> ResNetLSTM:
    torch.manual_seed(seed)
    config = FusionConfig(
        features=samples.names, statistics=statistics_of(samples),
        first_width=8, widths=(16, 16), hidden=16, dropout=0.1,
    )  # fmt: skip
    return ResNetLSTM(config)


def train(samples: Samples, epochs: int, seed: int = 0) -> ResNetLSTM:
    model = network(samples, seed)
    learner, feed = FusionLearner(model), SampleFeed(samples, 64, seed)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    for epoch in range(epochs):
        for parts in feed.steps(epoch, 0):
            optimiser.zero_grad()
            sum(weight * learner(batch)["total"] for weight, _, batch in parts).backward()
            optimiser.step()
    return model


def test_the_engine_knows_the_options() -> None:
    options = RunOptions.validated({"architecture": "resnet-lstm", **TRAINING_OPTIONS})
    assert options.batch_size == 1024 and options.epochs == 200 and options.patience == 10
    assert (options.plateau_patience, options.plateau_factor) == (5, 0.5)


def test_loss_is_the_mean_absolute_error_in_deviations(make_samples: Any) -> None:
    samples = make_samples(50)
    model = network(samples).eval()
    batch = SampleFeed(samples, 50, 0).batch(np.arange(50))
    found = NetworkPredictor(model).predict(samples)
    expected = np.abs(found - samples.xco2).mean() / model.config.statistics["xco2"][1]
    loss = FusionLearner(model).eval()(batch)["total"]
    assert loss.ndim == 0 and loss.item() == pytest.approx(expected, rel=1e-5)


def test_it_learns_and_repeats_itself(make_samples: Any) -> None:
    samples, fresh = make_samples(500), make_samples(200, seed=1)
    before = validation_error(network(samples), fresh)
    one, other = train(samples, 25), train(samples, 25)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert validation_error(one, fresh) < 0.5 * before
    assert before == pytest.approx(fresh.xco2.std(), rel=0.3)


def test_validation_error_is_the_rmse(make_samples: Any) -> None:
    samples = make_samples(30)
    model = network(samples)
    errors = NetworkPredictor(model).predict(samples) - samples.xco2
    assert validation_error(model, samples) == pytest.approx(np.sqrt((errors**2).mean()))
    assert model.training


def test_an_epoch_has_every_sample_once_in_an_order_of_its_own(make_samples: Any) -> None:
    feed = SampleFeed(make_samples(100), 32, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        steps = list(feed.steps(epoch, 0))
        assert len(steps) == feed.steps_per_epoch == 4
        orders.append(np.concatenate([part[1] for step in steps for part in step]))
        assert sorted(orders[-1]) == list(range(100))
    assert (orders[0] == orders[2]).all() and (orders[0] != orders[1]).any()
    resumed = [part[1] for step in feed.steps(1, 2) for part in step]
    np.testing.assert_array_equal(np.concatenate(resumed), orders[1][64:])


def test_parts_and_processes_share_a_batch(make_samples: Any) -> None:
    """Weighted means over parts and processes make up the mean over the batch."""
    samples = make_samples(50)
    model = network(samples).eval()
    learner = FusionLearner(model).eval()
    whole = next(SampleFeed(samples, 37, 0).steps(0, 0))
    expected = learner(whole[0][2])["total"].item()
    total = 0.0
    for rank in range(3):
        feed = SampleFeed(samples, 37, 0, accumulate=4, team=Team(rank, 3))
        parts = next(feed.steps(0, 0))
        assert len(parts) == 4
        total += sum(weight * learner(batch)["total"].item() for weight, _, batch in parts) / 3
    assert total == pytest.approx(expected, rel=1e-5)


def test_samples_with_gaps_are_refused(make_samples: Any) -> None:
    samples = make_samples(20)
    samples.features[3, 2] = np.nan
    with pytest.raises(DataError, match="made up: elevation: is missing at 1 of 20"):
        SampleFeed(samples, 8, 0)
