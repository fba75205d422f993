"""What a comparison was asked for: the file that `co2phys compare` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from co2net_phys.baselines import BASELINES
from co2net_phys.config import TrainingConfig
from co2net_phys.config_file import read_options
from co2net_phys.errors import UsageError
from co2net_phys.inversion.settings import InversionSettings, inversion_settings
from co2net_phys.validated import first_problem

OF_THE_COMPARISON = ("seed", "station_seed", "training_stations", "split")
"""Options of training that are the same for all methods, so that no method may have its own."""

FLUX = "flux"
"""Option of an inversion that is no setting: CF file of its prior fluxes."""


class Method(BaseModel):
    """One method: a simple one by its name, a network or an inversion by its options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: str | None = None
    """Name of a simple method."""
    train: Mapping[str, Any] | None = None
    """Options of a network, over those that are `common`."""
    invert: Mapping[str, Any] | None = None
    """Options of an inversion, see `co2net_phys.inversion.settings`, in seconds and metres; and
    `flux`, a CF file of prior fluxes instead of those of the twin world."""

    @model_validator(mode="after")
    def _one_kind(self) -> Method:
        given = [
            kind for kind in ("baseline", "train", "invert") if getattr(self, kind) is not None
        ]
        if len(given) != 1:
            raise ValueError("needs one of baseline, train and invert")
        if self.baseline is not None and self.baseline not in BASELINES:
            raise ValueError(f"no baseline {self.baseline!r}; choose from {', '.join(BASELINES)}")
        own = [name for name in OF_THE_COMPARISON if name in (self.train or self.invert or {})]
        if own:
            raise ValueError(f"{own[0]} is the same for all methods; leave it out here")
        return self


class Comparison(BaseModel):
    """Methods, and what all of them share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    """Training store."""
    seeds: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1)
    """Each draws stations, weights and the order of windows anew, for every method alike."""
    training_stations: int = Field(default=72, ge=3)
    """Stations given to the methods; the others are held out."""
    score_every: int = Field(default=1, ge=1)
    """Of the maps of the test block each so many is made and scored."""
    reference: str | None = None
    """Method that the others are compared with; None: the best simple one."""
    common: Mapping[str, Any] = Field(default_factory=dict)
    """Options of every network."""
    methods: Mapping[str, Method] = Field(min_length=1)
    """By label, in the order of the table."""

    @model_validator(mode="after")
    def _consistent(self) -> Comparison:
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds: name each once, none of them negative")
        if self.reference is not None and self.reference not in self.methods:
            raise ValueError(f"reference: no method is called {self.reference!r}")
        keys = [key_of(label) for label in self.methods]
        for label, key in zip(self.methods, keys, strict=True):
            if not key or keys.count(key) > 1:
                raise ValueError(f"methods: {label!r} needs a name of its own, with a letter in it")
        own = [name for name in OF_THE_COMPARISON if name in self.common]
        if own:
            raise ValueError(f"common: {own[0]} is no option of networks here; leave it out")
        return self

    def training(self, label: str, seed: int) -> TrainingConfig:
        """Options of a network's run; raises `UsageError` naming the method."""
        options = {**self.common, **(self.methods[label].train or {})}
        shared = {"seed": seed, "training_stations": self.training_stations}
        with_model = _merged_model(self.common, self.methods[label].train or {})
        try:
            return TrainingConfig.validated({**options, **with_model, **shared})
        except UsageError as error:
            raise UsageError(f"methods.{label}: {error}") from error

    def inversion(self, label: str, seed: int) -> InversionSettings:
        """Options of an inversion; raises `UsageError` naming the method."""
        given = self.methods[label].invert or {}
        options = {name: value for name, value in given.items() if name != FLUX}
        try:
            return inversion_settings({**options, "seed": seed})
        except UsageError as error:
            raise UsageError(f"methods.{label}: {error}") from error

    def flux(self, label: str) -> Path | None:
        """File of an inversion's prior fluxes, None for those of the twin world."""
        given = (self.methods[label].invert or {}).get(FLUX)
        return None if given is None else Path(str(given))


def key_of(label: str) -> str:
    """Name of a method's folder: its label in letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def read_comparison(path: Path, changes: Mapping[str, Any]) -> Comparison:
    """Return the comparison that a YAML or TOML file describes, `changes` going before it.

    Raises
    ------
    DataError, UsageError
        in one line naming the file and the option.
    """
    options = {**read_options(path), **changes}
    try:
        found = Comparison(**options)
    except ValidationError as error:
        is_of_all = len(error.errors()[0]["loc"]) == 1
        known = Comparison.model_fields if is_of_all else Method.model_fields
        raise UsageError(f"{path}: {first_problem(error, known)}") from error
    try:
        for label, method in found.methods.items():
            if method.train is not None:
                found.training(label, found.seeds[0])
            if method.invert is not None:
                found.inversion(label, found.seeds[0])
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return found


def _merged_model(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the network itself, those of the method over the common ones."""
    merged = {**common.get("model", {}), **own.get("model", {})}
    return {"model": merged} if merged else {}
