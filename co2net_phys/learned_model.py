"""What every model that the training engine makes has: a configuration that can make it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from torch import nn

from co2net_phys.errors import UsageError
from co2net_phys.validated import first_problem


class ModelConfig(BaseModel):
    """All that is needed to make a model again, without the data that it learned from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            config = handler(data)
        except ValidationError as error:
            problem = first_problem(error, cls.model_fields, whose="option of this network")
            raise UsageError(f"model.{problem}") from error
        for problem in config._problems():
            raise UsageError(f"model.{problem}")
        return config

    def _problems(self) -> list[str]:
        """What contradicts itself, each in one line that begins with the option."""
        return []


class LearnedModel(nn.Module):
    """A model whose weights are learned: made of its configuration alone, also without memory.

    A `background` is a module of its own that the model starts from; most have none.
    """

    config: ModelConfig
    other_forwards: ClassVar[tuple[str, ...]] = ()
    """Methods beside `forward` that use weights, for processes that share them."""

    def __init__(self, config: ModelConfig, background: nn.Module | None = None) -> None:
        super().__init__()
        self.config, self.background = config, background

    def repeated_layers(self) -> Iterable[nn.Module]:
        """Return the layers to be compiled, recomputed or spread over processes one by one."""
        return ()


Config = TypeVar("Config", bound=ModelConfig)
Model = TypeVar("Model", bound=LearnedModel)


@dataclass(frozen=True)
class Architecture(Generic[Config, Model]):
    """A kind of model."""

    title: str
    """Its name in words."""
    config: type[Config]
    network: Callable[..., Model]
    """Makes one of a configuration, with random weights."""
    paper_parameters: float | None = None
    """Parameters that its paper counts."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Options of a run that differ from those of its family unless they are given."""
