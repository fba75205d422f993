"""Everything a training run was asked to do; written into every checkpoint and output."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from co2net_phys import architectures
from co2net_phys.architectures import ARCHITECTURES
from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import Split
from co2net_phys.errors import UsageError
from co2net_phys.model import CO2NetConfig
from co2net_phys.network_config import NetworkConfig

Background = Literal[
    "none", "station-mean", "climatology", "climatology-offset", "climatology-kriging",
    "eof-regression", "optimal-interpolation",
]  # fmt: skip
"""First guesses a network may start from (names of `co2net_phys.baselines`)."""


class TrainingConfig(BaseModel):
    """Options of one run. Defaults are the paper's where it has any.

    Those in the list are CO2-Net's; another `architecture` has some of its own, see
    `co2net_phys.architectures`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    architecture: architectures.Name = "co2net"
    """Network that is trained."""
    size: Literal["XS", "S", "B", "L"] = "S"
    """Of CO2-Net; other networks have the paper's size unless `model` has other numbers."""
    model: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the network's configuration, for example `{"embedding": "climode"}`."""
    sample_every: int = Field(default=1, ge=1)
    """Steps of the store from one frame of a window to the next (table 6b)."""
    without: tuple[str, ...] = ()
    """Auxiliaries of the store that the network does not read (table 6c)."""
    background: Background = "climatology-kriging"
    """First guess that the network corrects (`none`: paper)."""

    epochs: int = Field(default=250, ge=1)
    windows_per_epoch: int | None = Field(default=None, ge=1)
    """Windows drawn in one epoch; None takes all of them."""
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    final_learning_rate: float = Field(default=1e-6, ge=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    """What the learning rate does after the warm-up; a constant one has no final rate."""
    warm_up: float = Field(default=0.02, ge=0, lt=1)
    """Share of all steps in which the learning rate rises linearly from zero."""
    weight_decay: float = Field(default=8e-4, ge=0)
    """Of AdamW, which is Adam without it."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (
        0.9,
        0.999,
    )
    """Shares that the two moments of AdamW keep of themselves at a step."""
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
    validate_every: int = Field(default=5, ge=1)
    """Epochs between validations; the best checkpoint is kept."""
    patience: int | None = Field(default=None, ge=1)
    """Validations in a row without a new best after which the run ends; None: never."""
    average: float | None = Field(default=None, gt=0, lt=1)
    """Share that a running average of the weights keeps of itself at a step; validated and kept as
    best instead of the weights themselves. None: none."""

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

    seed: int = Field(default=0, ge=0, lt=2**63)
    device: str = "auto"
    precision: Literal["bf16", "fp32"] = "bf16"
    accumulate: int = Field(default=1, ge=1)
    """Parts in which a batch is worked on, one after the other, to save memory."""
    recompute: bool = False
    """Compute the layers' activations again in the backward pass, to save memory."""
    compile: bool = False
    """Let torch.compile make kernels for the layers."""
    series_on_device: Literal["auto", "always", "never"] = "auto"
    """Whether all frames stay on the device that trains: if they fit, always, never."""
    shard: bool = False
    """Spread weights and optimiser over the processes (FSDP), to save memory."""
    deterministic: bool = False
    """Only algorithms with the same bits each time, also on a GPU."""
    save_every: int | None = Field(default=None, ge=1)
    """Steps between saved states, beside those at the end of epochs."""
    keep: int = Field(default=2, ge=2)
    """States kept: the last one and those before it."""
    tensorboard: bool = False
    """Log for TensorBoard as well."""

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


MAY_DIFFER = (
    "device", "compile", "save_every", "keep", "tensorboard", "recompute", "series_on_device",
)  # fmt: skip
"""Options that a continued run may change: they say how, not what."""


def validated_config(options: dict[str, Any]) -> TrainingConfig:
    """Return the configuration, or raise a one-line `UsageError` naming the wrong option."""
    try:
        return TrainingConfig(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "configuration"
        raise UsageError(f"{where}: {first['msg']}; got {first['input']!r}") from error
