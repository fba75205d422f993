"""The task of a fusion network: XCO2 of a place and day from its features."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import Any

import torch

from co2net_phys.devices import choose_device
from co2net_phys.distributed import Team
from co2net_phys.epoch import shares_of_epoch
from co2net_phys.errors import UsageError
from co2net_phys.satellite.learner import FusionLearner, SampleBatch, validation_error
from co2net_phys.satellite.models import MODELS, FusionRunOptions
from co2net_phys.satellite.network import FusionConfig, statistics_of
from co2net_phys.satellite.points import Samples
from co2net_phys.task import Part, Positions, Task

OF_THE_DATA = ("features", "statistics")
"""Fields of a network's configuration that its samples say."""


class FusionTask(Task):
    """A network, the samples that it learns from, and those that say when it has learned.

    Raises
    ------
    UsageError
        An option of the network has a wrong value, or is not to be chosen.
    DataError
        Samples with gaps.
    """

    options: FusionRunOptions
    learner: FusionLearner
    unit = "umol mol-1"

    def __init__(
        self,
        options: FusionRunOptions,
        training: Samples,
        validation: Samples,
        team: Team | None = None,
        description: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        for name in OF_THE_DATA:
            if name in options.model:
                raise UsageError(f"model.{name}: comes from the samples; leave it out")
        self.samples, self.validation = training.require_complete(), validation.require_complete()
        config = FusionConfig(
            features=training.names, statistics=statistics_of(training), **options.model
        )
        self.options, self.team, self.source = options, team or Team(), training.origin
        self.description = description
        self.device = choose_device(options.device)
        torch.manual_seed(options.seed)
        network = MODELS[options.architecture].network(config)
        self.learner = FusionLearner(network, options.precision).to(self.device)

    @property
    def batches_per_epoch(self) -> int:
        """Optimiser steps in one epoch."""
        return -(-len(self.samples) // self.options.batch_size)

    def steps(self, epoch: int, done: int) -> Generator[list[Part], None, None]:
        """Parts of this process at every step of an epoch but the first `done`."""
        for parts in shares_of_epoch(len(self.samples), self.options, self.team, epoch, done):
            yield [
                (weight, positions, SampleBatch.of(self.samples, positions))
                for positions, weight in parts
            ]

    def arguments(self, positions: Positions, sample: SampleBatch) -> tuple[SampleBatch]:
        """The samples on the device that learns."""
        return (sample.to(self.device),)

    def validation_error(self) -> float:
        """RMSE of XCO2 at the validation samples, µmol mol-1."""
        return validation_error(self.learner.model, self.validation)
