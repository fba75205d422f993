"""How a model is trained, whatever it learns; written into every checkpoint."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from co2net_phys.validated import validated

MAY_DIFFER = (
    "device", "compile", "save_every", "keep", "tensorboard", "recompute", "series_on_device",
)  # fmt: skip
"""Options that a continued run may change: they say how, not what."""


class RunOptions(BaseModel):
    """Options that every run has. A family of models adds its own, and its own defaults."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    architecture: str
    """Model that is trained."""
    model: dict[str, Any] = Field(default_factory=dict)
    """Fields of the model's configuration, for example `{"width": 32}`."""

    epochs: int = Field(default=250, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    final_learning_rate: float = Field(default=1e-6, ge=0)
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    """What the learning rate does after the warm-up: falls to the final one, stays, or falls by
    `plateau_factor` whenever validation has not improved for long."""
    plateau_patience: int = Field(default=5, ge=0)
    """Validations without a new best that a plateau may last."""
    plateau_factor: float = Field(default=0.5, gt=0, lt=1)
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
    """Largest norm of the gradient; None leaves it alone."""
    validate_every: int = Field(default=5, ge=1)
    """Epochs between validations; the best checkpoint is kept."""
    patience: int | None = Field(default=None, ge=1)
    """Validations in a row without a new best after which the run ends; None: never."""
    average: float | None = Field(default=None, gt=0, lt=1)
    """Share that a running average of the weights keeps of itself at a step; validated and kept as
    best instead of the weights themselves. None: none."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    device: str = "auto"
    precision: Literal["bf16", "fp32"] = "fp32"
    accumulate: int = Field(default=1, ge=1)
    """Parts in which a batch is worked on, one after the other, to save memory."""
    recompute: bool = False
    """Compute the layers' activations again in the backward pass, to save memory."""
    compile: bool = False
    """Let torch.compile make kernels for the layers."""
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

    def member(self, number: int) -> Self:
        """Return the options of one member of an ensemble; `number` counts from 0."""
        return self.model_copy(update={"seed": self.seed + number})

    @classmethod
    def validated(cls, options: dict[str, Any]) -> Self:
        """Return the options, or raise a one-line `UsageError` naming the wrong one."""
        model = options.get("architecture", cls.model_fields["architecture"].default)
        command = f"`co2phys config generate --model {model}`"
        return validated(cls, options, f"{command} lists all; those of the network are model.NAME")
