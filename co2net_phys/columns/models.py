"""The emulators that can be trained, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from co2net_phys.columns.network import ColumnEmulator, ColumnNetwork, PlainConvLSTM
from co2net_phys.columns.network_config import ColumnConfig, PlainConfig
from co2net_phys.data.splits import Split
from co2net_phys.learned_model import Architecture
from co2net_phys.run_options import RunOptions

MODELS: Mapping[str, Architecture[ColumnConfig, ColumnNetwork]] = {
    "column-emulator": Architecture("Column emulator", ColumnConfig, ColumnEmulator),
    "convlstm": Architecture("ConvLSTM of columns", PlainConfig, PlainConvLSTM),
}


class ColumnOptions(RunOptions):
    """Options of a run that learns how tracer columns change; the slides of the paper name none."""

    architecture: Literal["column-emulator", "convlstm"] = "column-emulator"
    epochs: int = Field(default=40, ge=1)
    batch_size: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    validate_every: int = Field(default=2, ge=1)
    windows_per_epoch: int | None = Field(default=None, ge=1)
    """Windows drawn in one epoch; None takes all of them."""
    rollout_steps: int = Field(default=1, ge=1, le=64)
    """Frames predicted one from another in training: 1 learns single steps."""
    split: Split | None = None
    """Blocks of time; None cuts the record by the rule of `co2net_phys.data.splits`."""
