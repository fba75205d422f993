"""One method of a comparison with one seed, and what it makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from co2net_phys.comparison.config import FLUX, Comparison, Method
from co2net_phys.config import TrainingConfig
from co2net_phys.data.splits import Split
from co2net_phys.data.stations import Station
from co2net_phys.errors import DataError, NumericalError
from co2net_phys.inversion.settings import InversionSettings
from co2net_phys.provenance import sha256_of


class CannotRun(NumericalError):
    """The store lacks what a method needs: like a numerical failure it ends this method only."""


@contextmanager
def asking_of_the_store() -> Iterator[None]:
    """Where a method is fitted: what the store does not have ends this method only.

    Raises
    ------
    CannotRun
        for a `DataError`.
    """
    try:
        yield
    except DataError as error:
        raise CannotRun(str(error)) from error


@dataclass(frozen=True)
class Task:
    """One method with one seed, and what it may see."""

    comparison: Comparison
    label: str
    seed: int
    split: Split
    training: tuple[Station, ...]
    held_out: tuple[Station, ...]

    @property
    def method(self) -> Method:
        """What the comparison says of it."""
        return self.comparison.methods[self.label]

    @cached_property
    def config(self) -> TrainingConfig:
        """Options of a network, with the blocks of time of the comparison."""
        found = self.comparison.training(self.label, self.seed)
        return found.model_copy(update={"split": self.split})

    @cached_property
    def settings(self) -> InversionSettings:
        """Options of an inversion."""
        return self.comparison.inversion(self.label, self.seed)

    @cached_property
    def flux(self) -> Path | None:
        """File of an inversion's prior fluxes."""
        return self.comparison.flux(self.label)

    @property
    def description(self) -> dict[str, Any]:
        """Plain values that say what the method is and sees."""
        options: Any = None
        if self.method.train is not None:
            options = self.config.model_dump(mode="json")
        elif self.method.invert is not None:
            flux = None if self.flux is None else sha256_of(self.flux, with_values=True)
            options = asdict(self.settings) | {FLUX: flux}
        return {
            "baseline": self.method.baseline,
            "options": options,
            "split": {name: list(block) for name, block in self.split.items()},
            "stations": [station.code for station in self.training],
        }


class Made(NamedTuple):
    """Maps (n, H, W) in µmol mol-1, and what they cost."""

    field: NDArray[np.float32]
    cost: dict[str, float | int | None]
    """"parameters", "seconds" of fitting, inverting or training (the median of an epoch × epochs),
    "epoch_seconds" and "memory_bytes" of it, "map_seconds" of making one map without reading; None
    where there is no such thing or it is not known."""
