"""The network of every flux model: from the drivers of a place and day to its NEE.

Three fully connected layers with ReLU between them (section 3.3 and table B1 of Upton et al. 2024,
doi:10.5194/acp-24-2555-2024). The models differ in what constrains them, not in the network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from co2net_phys.fluxes.schema import DRIVERS, NEE
from co2net_phys.learned_model import LearnedModel, ModelConfig


class FluxConfig(ModelConfig):
    """Everything that fixes a flux network."""

    statistics: Mapping[str, tuple[float, float]]
    """Mean and standard deviation of NEE and each driver in its unit, from training sites."""
    drivers: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)] = tuple(DRIVERS)
    """Names of the inputs, in order."""
    width: Annotated[int, Field(ge=1, le=4096)] = 32
    """Nodes of each hidden layer."""
    initial_seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of the initial weights: networks of one seed and size begin with the same bits."""

    def _problems(self) -> list[str]:
        found = []
        for name in (NEE, *self.drivers):
            mean, deviation = self.statistics.get(name, (math.nan, math.nan))
            if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0):
                found.append(f"statistics: needs a mean and a positive deviation of {name!r}")
        found += [f"drivers: {name!r} is none" for name in self.drivers if name not in DRIVERS]
        return found


class EcConfig(FluxConfig):
    """Of a network that learns from towers alone."""


class EcAtmConfig(FluxConfig):
    """Of one that learns from inversions as well."""


class EcStationsConfig(FluxConfig):
    """Of one that learns from mole fractions at stations as well."""


class FluxNetwork(LearnedModel):
    """Daily NEE from drivers; it normalises and un-normalises by itself.

    Parameters
    ----------
    config
        Its size, units and initial weights.
    """

    config: FluxConfig
    _mean: Tensor
    _deviation: Tensor

    def __init__(self, config: FluxConfig) -> None:
        super().__init__(config)
        statistics = torch.tensor([config.statistics[name] for name in config.drivers])
        self.register_buffer("_mean", statistics[:, 0], persistent=False)
        self.register_buffer("_deviation", statistics[:, 1], persistent=False)
        with torch.random.fork_rng(devices=[]):  # whatever was drawn before, the same weights
            torch.manual_seed(config.initial_seed)
            self.layers = nn.Sequential(
                nn.Linear(len(config.drivers), config.width),
                nn.ReLU(),
                nn.Linear(config.width, config.width),
                nn.ReLU(),
                nn.Linear(config.width, 1),
            )

    def forward(self, drivers: Tensor) -> Tensor:
        """NEE (...) in g m-2 d-1 of drivers (..., len(config.drivers)) in their own units."""
        mean, deviation = self.config.statistics[NEE]
        normalised: Tensor = self.layers((drivers - self._mean) / self._deviation)
        return mean + deviation * normalised.squeeze(-1)
