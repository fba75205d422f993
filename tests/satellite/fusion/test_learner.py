from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from co2net_phys.satellite.learner import FusionLearner, SampleBatch, validation_error
from co2net_phys.satellite.network import FusionConfig, NetworkPredictor, ResNetLSTM, statistics_of
from co2net_phys.satellite.points import Samples


def network(samples: Samples, seed: int = 0) -> ResNetLSTM:
    torch.manual_seed(seed)
    config = FusionConfig(
        features=samples.names, statistics=statistics_of(samples),
        first_width=8, widths=(16, 16), hidden=16, dropout=0.1,
    )  # fmt: skip
    return ResNetLSTM(config)


def test_loss_is_the_mean_absolute_error_in_deviations(make_samples: Any) -> None:
    samples = make_samples(50)
    model = network(samples).eval()
    batch = SampleBatch.of(samples, np.arange(50))
    found = NetworkPredictor(model).predict(samples)
    expected = np.abs(found - samples.xco2).mean() / model.config.statistics["xco2"][1]
    loss = FusionLearner(model).eval()(batch)["total"]
    assert loss.ndim == 0 and loss.item() == pytest.approx(expected, rel=1e-5)


def test_validation_error_is_the_rmse(make_samples: Any) -> None:
    samples = make_samples(30)
    model = network(samples)
    errors = NetworkPredictor(model).predict(samples) - samples.xco2
    assert validation_error(model, samples) == pytest.approx(np.sqrt((errors**2).mean()))
    assert model.training
