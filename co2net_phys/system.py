"""What the commands ask of a family of models that makes something else than surface fields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from co2net_phys.assessed import Assessed
from co2net_phys.distributed import Team
from co2net_phys.errors import UsageError
from co2net_phys.learned_model import LearnedModel
from co2net_phys.task import Task

SYSTEM_ATTRIBUTE = "co2phys_system"
"""Global attribute of an output: the family of the models that made it."""


@dataclass(frozen=True)
class Trained:
    """Models of one run, one or the members of an ensemble, and what is known of their training."""

    models: Sequence[LearnedModel]
    metadata: Mapping[str, Any]
    """Of the first member's checkpoint."""


@dataclass(frozen=True)
class Request:
    """How `co2phys reconstruct` was asked to make its output.

    Attributes
    ----------
    attributes
        Global attributes of the output: provenance, and the system.
    choices
        Options of the command that were given, by name; a system refuses those it has no use for.
    progress
        To be told how many pieces of the work are done, and of how many.
    """

    attributes: Mapping[str, Any]
    choices: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    overwrite: bool = False
    progress: Callable[[int, int], None] = lambda done, total: None

    def refuse_all_but(self, known: Collection[str], model: str) -> None:
        """Refuse options that have no meaning for `model`, in words such as "an emulator".

        Raises
        ------
        UsageError
            naming the first of them.
        """
        for name in sorted(set(self.choices) - set(known)):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} has no effect with {model}; leave it out")


class System(Protocol):
    """A module with these functions; see `co2net_phys.systems`."""

    def task_of(self, options: Any, data: Path, team: Team) -> Task:
        """Return what a run with these options learns from the files in `data`."""

    def reconstruct(
        self, trained: Trained, data: Path, output: Path, request: Request
    ) -> dict[str, Any]:
        """Apply models to `data`, write the `output`, and return what there is to say of it."""

    def assess(self, predictions: Sequence[Path], truth: Path) -> Assessed:
        """Score predictions, the first one foremost, against a truth."""
