"""Everything a training run was asked to do; written into every checkpoint and output."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from co2net_phys import architectures
from co2net_phys.architectures import ARCHITECTURES
from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import Split
from co2net_phys.errors import UsageError
from co2net_phys.model import CO2NetConfig
from co2net_phys.network_config import NetworkConfig
from co2net_phys.run_options import RunOptions

Background = Literal[
    "none", "station-mean", "kriging", "climatology", "climatology-offset",
    "climatology-kriging", "eof-regression", "optimal-interpolation",
]  # fmt: skip
"""First guesses a network may start from (names of `co2net_phys.baselines`)."""


class TrainingConfig(RunOptions):
    """Options of a run that reconstructs a surface field. Defaults are the paper's, if it has any.

    Those in the list are CO2-Net's; another `architecture` has some of its own, see
    `co2net_phys.architectures`.
    """

    architecture: architectures.Name = "co2net"
    """Network that is trained."""
    size: Literal["XS", "S", "B", "L"] = "S"
    """Of CO2-Net; other networks have the paper's size unless `model` has other numbers."""
    sample_every: int = Field(default=1, ge=1)
    """Steps of the store from one frame of a window to the next (table 6b)."""
    without: tuple[str, ...] = ()
    """Auxiliaries of the store that the network does not read (table 6c)."""
    background: Background = "climatology-kriging"
    """First guess that the network corrects (`none`: paper)."""
    windows_per_epoch: int | None = Field(default=None, ge=1)
    """Windows drawn in one epoch; None takes all of them."""
    wind_weight: float = Field(default=0.2, ge=0)
    """λ of the wind-recovery loss (0.2 for CarbonTracker, 1 for CMIP6)."""
    shuffled_wind: bool = False
    """Take each window's target of the wind loss from another time of its block: the control that
    shows what a wind probe reaches without any relation between input and target."""
    target: Literal["dense", "stations"] = "dense"
    latitude_weighted: bool = True
    """Weight the supervised loss by cell area (False: paper)."""
    residual_weight: float = Field(default=0.0, ge=0)
    """λ of the residual of the transport equation; more than zero decodes all token times."""
    residual_diffusivity: float = Field(default=1e5, ge=0)
    """D in that equation, m2 s-1."""
    mass_weight: float = Field(default=0.0, ge=0)
    """λ of the loss of global mass; more than zero decodes all token times."""
    mass_growth: float = 0.0
    """Known growth of the global mean, µmol mol-1 a year."""
    learned_weights: bool = False
    """Learn a precision for every loss, beside its λ."""
    station_dropout: float | None = Field(default=None, ge=0, lt=1)
    """Share of the training stations hidden from a window, drawn anew each time; None: none, or
    a quarter where the stations are the target."""
    training_stations: int = Field(default=72, ge=3)
    """Stations given to the method; the others are held out for scoring."""
    station_seed: int | None = Field(default=None, ge=0)
    """Of their choice; None takes `seed`. Members of an ensemble share it."""
    split: Split | None = None
    """Blocks of time; None takes those the store was prepared for, or cuts the record by the rule
    of `co2net_phys.data.splits`."""
    precision: Literal["bf16", "fp32"] = "bf16"
    series_on_device: Literal["auto", "always", "never"] = "auto"
    """Whether all frames stay on the device that trains: if they fit, always, never."""

    @model_validator(mode="before")
    @classmethod
    def _train_as_its_paper_does(cls, given: Any) -> Any:
        """Options that are not given are those of the architecture."""
        name = given.get("architecture") if isinstance(given, dict) else None
        if not isinstance(name, str) or name not in ARCHITECTURES:
            return given
        return {**ARCHITECTURES[name].training, **given}

    @model_validator(mode="after")
    def _has_one_size(self) -> Self:
        if self.architecture != "co2net" and self.size != "S":
            raise ValueError(
                f"size {self.size} is one of CO2-Net; set the sizes of {self.architecture} one by "
                "one, as model.…"
            )
        return self

    def member(self, number: int) -> Self:
        """Return the options of one member of an ensemble, which all have the same stations."""
        stations = self.seed if self.station_seed is None else self.station_seed
        return self.model_copy(update={"seed": self.seed + number, "station_seed": stations})

    @property
    def target_variable(self) -> str:
        """The variable that is reconstructed."""
        return str(self.model.get("target_variable", CO2))

    @property
    def decodes_times(self) -> bool:
        """Whether a loss needs the fields at all token times."""
        return self.residual_weight > 0 or self.mass_weight > 0


def usual_batch(size: str) -> int:
    """Windows in a step unless told otherwise: the paper's 32, and 4 for XS, the size for CPUs."""
    return 4 if size == "XS" else 32


SHORTEST = 6
"""Frames of a window with two residuals, which can differ."""


def check_losses(config: TrainingConfig, model: NetworkConfig) -> None:
    """Refuse losses that a network cannot have.

    Raises
    ------
    UsageError
        A physical loss for a target other than CO2, the residual in windows too short for it, no
        station hidden that could be the target, or a loss that takes another network.
    """
    if not isinstance(model, CO2NetConfig):
        for name in ("wind_weight", "residual_weight", "mass_weight"):
            if getattr(config, name):
                raise UsageError(f"{name}: only CO2-Net has such a loss; set it to 0")
    if model.own_losses and config.target == "stations":
        raise UsageError(
            f"target: {config.architecture} learns what whole fields look like; use target=dense"
        )
    if config.decodes_times and model.target_variable != CO2:
        raise UsageError(
            f"residual_weight, mass_weight: the equation is that of {CO2!r}, not of "
            f"{model.target_variable!r}; set them to 0"
        )
    if config.target == "stations" and config.station_dropout == 0:
        raise UsageError(
            "station_dropout: 0 hides no station that could be the target; leave it out, or use "
            "target=dense"
        )
    if config.residual_weight and model.frames < SHORTEST:
        raise UsageError(
            f"residual_weight: a source that is constant in a window shows only in {SHORTEST} "
            f"frames or more, the model has {model.frames}; set model.frames or the weight to 0"
        )
