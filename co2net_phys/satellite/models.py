"""The fusion networks that can be trained, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from co2net_phys.learned_model import Architecture
from co2net_phys.run_options import RunOptions
from co2net_phys.satellite.folds import Blocks
from co2net_phys.satellite.network import FusionConfig, ResNetLSTM

MODELS: Mapping[str, Architecture[FusionConfig, ResNetLSTM]] = {
    "resnet-lstm": Architecture("ResNet-LSTM", FusionConfig, ResNetLSTM),
}


class FusionRunOptions(RunOptions):
    """Options of a run that learns XCO2 from samples.

    The defaults are those of Zhang et al., table 5; what it does not name is switched off.
    """

    architecture: Literal["resnet-lstm"] = "resnet-lstm"
    epochs: int = Field(default=200, ge=1)
    batch_size: int = Field(default=1024, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["cosine", "constant", "plateau"] = "plateau"
    plateau_patience: int = Field(default=5, ge=0)
    plateau_factor: float = Field(default=0.5, gt=0, lt=1)
    final_learning_rate: float = Field(default=0.0, ge=0)
    warm_up: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    gradient_clip: float | None = Field(default=None, gt=0)
    validate_every: int = Field(default=1, ge=1)
    patience: int | None = Field(default=10, ge=1)
    hold_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the samples that the network does not learn from: their error ends the run."""
    hold_out_blocks: Blocks = "day"
    """What is held out together: the paper's random samples are "sample", which leaks."""
    hold_out_seed: int = Field(default=0, ge=0, lt=2**63)
    """Which they are; members of an ensemble hold out the same."""
