"""The network of the satellite fusion: residual convolutions along the features, then an LSTM.

Zhang et al., Reconstruction on High-Resolution XCO2 Spatiotemporal Distribution in Sichuan Province
Using ResNet-LSTM Model, tables 4 and 5 and equations 2–12. The "sequence" is the row of features of
one place and day, not a series in time: the paper reshapes 46 features to (batch, 1, 46).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from co2net_phys.errors import UsageError
from co2net_phys.learned_model import LearnedModel, ModelConfig
from co2net_phys.satellite.points import TARGET, Floats, Points, Samples

Width = Annotated[int, Field(ge=1, le=4096)]

ROWS_AT_ONCE = 1024
"""Points that `NetworkPredictor` hands to the network together."""


class FusionConfig(ModelConfig):
    """Sizes of a `ResNetLSTM` and the statistics that scale its inputs and output."""

    features: Annotated[tuple[str, ...], Field(min_length=1, max_length=4096)]
    """Names of the inputs, in the order of a row (46 in the paper)."""
    statistics: Mapping[str, tuple[float, float]]
    """Mean and standard deviation of each feature and of XCO2, in their units."""
    first_width: Width = 32
    widths: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = (64, 128, 256, 512)
    """Channels after each residual block."""
    hidden: Width = 128
    lstm_layers: Annotated[int, Field(ge=1, le=16)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the values between LSTM layers that training leaves out."""

    def _problems(self) -> list[str]:
        found = []
        if len(set(self.features)) < len(self.features) or TARGET in self.features:
            found.append(f"features: name each once, and not {TARGET!r}, which is looked for")
        for name in (*self.features, TARGET):
            mean, spread = self.statistics.get(name, (np.nan, np.nan))
            if not (np.isfinite(mean) and 0 < spread < np.inf):
                found.append(f"statistics: {name!r} needs a mean and a positive deviation")
        return found


class ResidualBlock(nn.Module):
    """y = σ(W₂ σ(W₁x + b₁) + b₂ + Px), half as long (equations 2 and 3).

    The paper adds x itself, which has neither the length nor the channels of a block with stride 2;
    P is the 1×1 convolution of the same stride that gives it both. No batch normalisation, as in
    the equations: a prediction then depends on its own features only, in training too, and the
    bits of a continued run do not hang on running statistics.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, outputs, kernel_size=3, stride=2, padding=1)
        self.second = nn.Conv1d(outputs, outputs, kernel_size=3, padding=1)
        self.skip = nn.Conv1d(inputs, outputs, kernel_size=1, stride=2, bias=False)  # b₂ is there

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, L) to (B, outputs, ⌈L/2⌉)."""
        change: Tensor = self.second(functional.relu(self.first(x)))
        return functional.relu(change + self.skip(x))


class ResNetLSTM(LearnedModel):
    """XCO2 of one place and day from its features."""

    config: FusionConfig
    centre: Tensor
    spread: Tensor

    def __init__(self, config: FusionConfig) -> None:
        super().__init__(config)
        self.first = nn.Conv1d(1, config.first_width, kernel_size=3, stride=1, padding=1)
        widths = (config.first_width, *config.widths)
        self.blocks = nn.Sequential(*map(ResidualBlock, widths[:-1], widths[1:]))
        # One layer has nothing between layers to leave out, and PyTorch warns of it.
        dropout = config.dropout if config.lstm_layers > 1 else 0.0
        self.lstm = nn.LSTM(
            widths[-1], config.hidden, config.lstm_layers, batch_first=True, dropout=dropout
        )
        self.dense = nn.Linear(config.hidden, 1)
        table = torch.tensor([config.statistics[name] for name in config.features], device="cpu")
        # Not saved with the weights: the configuration has them.
        self.register_buffer("centre", table[:, 0].clone(), persistent=False)
        self.register_buffer("spread", table[:, 1].clone(), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, F) in their units to XCO2 (B,) in µmol mol-1."""
        mean, spread = self.config.statistics[TARGET]
        return mean + spread * self.standardised(features)

    def standardised(self, features: Tensor) -> Tensor:
        """Map features (B, F) to (XCO2 − mean) / deviation (B,).

        The loss is taken here: at 400 µmol mol-1 a float32 has lost three digits of what differs.
        """
        row = ((features - self.centre) / self.spread)[:, None]  # (B, 1, F)
        maps = self.blocks(functional.relu(self.first(row)))  # (B, channels, ⌈F/16⌉)
        states, _ = self.lstm(maps.transpose(1, 2))  # (B, ⌈F/16⌉, hidden)
        found: Tensor = self.dense(states[:, -1])[:, 0]
        return found


class NetworkPredictor:
    """A trained network as a predictor."""

    def __init__(self, network: ResNetLSTM) -> None:
        self.network = network

    @torch.no_grad()
    def predict(self, points: Points) -> Floats:
        """XCO2 (n,), µmol mol-1.

        Points go through in batches of one size, the last filled up with zeros, so that the bits of
        a value do not depend on the points that happen to be asked for together.

        Raises
        ------
        UsageError
            The features are not those that the network learned from.
        """
        config, device = self.network.config, self.network.centre.device
        if points.names != config.features:
            raise UsageError(
                "the features are not those that the network learned from: use covariates with "
                f"{', '.join(config.features[:3])}, …"
            )
        was_training = self.network.training
        self.network.eval()
        mean, spread = config.statistics[TARGET]
        found = np.empty(len(points))
        for first in range(0, len(points), ROWS_AT_ONCE):
            part = points.features[first : first + ROWS_AT_ONCE]
            batch = np.zeros((ROWS_AT_ONCE, len(config.features)), np.float32)
            batch[: len(part)] = part
            scaled = self.network.standardised(torch.from_numpy(batch).to(device))
            found[first : first + len(part)] = mean + spread * scaled[: len(part)].double().cpu()
        self.network.train(was_training)
        return found


class EnsemblePredictor:
    """The mean of several trained networks."""

    def __init__(self, members: Sequence[NetworkPredictor]) -> None:
        self.members = members

    def predict(self, points: Points) -> Floats:
        """XCO2 (n,), µmol mol-1; see `NetworkPredictor.predict`."""
        return np.mean([member.predict(points) for member in self.members], axis=0)


def statistics_of(samples: Samples) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each feature and of XCO2; a constant one is given 1.

    They are rounded to float32, in which the network computes.
    """
    columns: dict[str, Floats] = {
        name: samples.features[:, i].astype(np.float64) for i, name in enumerate(samples.names)
    }
    found = {}
    for name, exact in {**columns, TARGET: samples.xco2}.items():
        mean, spread = np.float32(exact.mean()), np.float32(exact.std())
        is_constant = spread <= 1e-6 * abs(mean)  # round-off of a constant is no spread
        found[name] = (float(mean), 1.0 if is_constant else float(spread))
    return found
