"""Everything a training run was asked to do; written into every checkpoint and output."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from co2net_phys.data.splits import Split
from co2net_phys.errors import UsageError

Background = Literal[
    "none", "station-mean", "climatology", "climatology-offset", "climatology-kriging"
]
"""First guesses a network may start from (names of `co2net_phys.baselines`)."""


class TrainingConfig(BaseModel):
    """Options of one run. Defaults are the paper's where it has any (co2net.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Literal["XS", "S", "B", "L"] = "S"
    model: dict[str, Any] = Field(default_factory=dict)
    """Further fields of `CO2NetConfig`, for example `{"embedding": "climode"}`."""
    background: Background = "climatology-kriging"
    """First guess that the network corrects (`none`: paper)."""

    epochs: int = Field(default=250, ge=1)
    windows_per_epoch: int | None = Field(default=None, ge=1)
    """Windows drawn in one epoch; None takes all of them."""
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    final_learning_rate: float = Field(default=1e-6, ge=0)
    warm_up: float = Field(default=0.02, ge=0, lt=1)
    """Share of all steps in which the learning rate rises linearly from zero."""
    weight_decay: float = Field(default=8e-4, ge=0)
    gradient_clip: float | None = Field(default=1.0, gt=0)
    """Largest norm of the gradient; None leaves it alone (paper)."""
    wind_weight: float = Field(default=0.2, ge=0)
    """λ of the wind-recovery loss (0.2 for CarbonTracker, 1 for CMIP6)."""
    shuffled_wind: bool = False
    """Take each window's target of the wind loss from another time of its block: the control that
    shows what a wind probe reaches without any relation between input and target."""
    target: Literal["dense", "stations"] = "dense"
    latitude_weighted: bool = True
    """Weight the supervised loss by cell area (False: paper)."""
    validate_every: int = Field(default=5, ge=1)
    """Epochs between validations; the best checkpoint is kept."""

    training_stations: int = Field(default=72, ge=3)
    """Stations given to the method; the others are held out for scoring."""
    split: Split | None = None
    """Blocks of time; None cuts the record by the rule of `co2net_phys.data.splits`."""

    seed: int = Field(default=0, ge=0)
    device: str = "auto"
    precision: Literal["bf16", "fp32"] = "bf16"


def validated_config(options: dict[str, Any]) -> TrainingConfig:
    """Return the configuration, or raise a one-line `UsageError` naming the wrong option."""
    try:
        return TrainingConfig(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "configuration"
        raise UsageError(f"{where}: {first['msg']}; got {first['input']!r}") from error
