"""What the training engine is told: a learner, what it learns from, and how it is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from co2net_phys.learned_model import LearnedModel
from co2net_phys.run_options import RunOptions

TOTAL = "total"
"""Name of the weighted sum among the losses."""

Positions = NDArray[np.int64]
Part = tuple[float, Positions, Any]
"""Weight of the mean loss of some samples in that of the whole batch, their positions, and what
they are."""


class Learner(nn.Module):
    """From samples to losses: all that learns is in here.

    A subclass has a `forward` that returns the losses by name, dimensionless scalars, with their
    weighted sum as `TOTAL`. The `model` is kept; the `objective` may have weights of its own to
    learn, in a `ParameterDict` of scalars called `uncertainty`.
    """

    model: LearnedModel
    objective: nn.Module

    def __init__(self, model: LearnedModel, objective: nn.Module) -> None:
        super().__init__()
        self.model, self.objective = model, objective


class Task(ABC):
    """Something to learn, on the device it is learned on.

    Attributes
    ----------
    options
        Of the run.
    learner
        Has the weights.
    description
        Plain values for the checkpoint's metadata, which a continued run must share: splits, sites.
    source
        Where the data are from, for messages.
    unit
        Of the validation error.
    """

    options: RunOptions
    learner: Learner
    description: Mapping[str, Any]
    source: str
    unit: str

    @property
    @abstractmethod
    def batches_per_epoch(self) -> int:
        """Optimiser steps in one epoch."""

    @abstractmethod
    def steps(self, epoch: int, done: int) -> Generator[list[Part], None, None]:
        """Parts of this process at every step of an epoch but the first `done`.

        What they are depends on the seed and the epoch alone, so that a run can go on anywhere.
        """

    def arguments(self, positions: Positions, sample: Any) -> tuple[Any, ...]:
        """What the learner is called with; here something may be drawn at random."""
        return (sample,)

    @abstractmethod
    def validation_error(self) -> float:
        """Error of the learner's model on the validation samples, in `unit`; its mode is kept."""

    def losses(self, module: nn.Module, positions: Positions, sample: Any) -> dict[str, Tensor]:
        """Loss terms of some samples by name; `module` is the learner, perhaps spread out."""
        terms: dict[str, Tensor] = module(*self.arguments(positions, sample))
        return terms
