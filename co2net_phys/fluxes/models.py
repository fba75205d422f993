"""The flux models that can be trained, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field

from co2net_phys.errors import UsageError
from co2net_phys.fluxes.folds import FOLDS, HELD_OUT_YEARS
from co2net_phys.fluxes.network import (
    EcAtmConfig,
    EcConfig,
    EcStationsConfig,
    FluxConfig,
    FluxNetwork,
)
from co2net_phys.fluxes.regional_loss import UNIT_RANGE
from co2net_phys.fluxes.towers import LEAST_QUALITY
from co2net_phys.learned_model import Architecture
from co2net_phys.run_options import RunOptions

EC, EC_ATM, EC_STATIONS = "ec", "ec-atm", "ec-stations"
"""Names of the models."""

MODELS: Mapping[str, Architecture[FluxConfig, FluxNetwork]] = {
    EC: Architecture("EC", EcConfig, FluxNetwork),
    EC_ATM: Architecture("EC-ATM", EcAtmConfig, FluxNetwork),
    EC_STATIONS: Architecture("EC-STATIONS", EcStationsConfig, FluxNetwork),
}
"""One network, told apart by what constrains it: towers alone, regional totals of inversions too,
or the mole fractions of stations too."""


class FluxOptions(RunOptions):
    """Options of a run that learns NEE from drivers.

    Batch and learning rate are those of table B1 of Upton et al. (2024,
    doi:10.5194/acp-24-2555-2024), which names no schedule, weight decay or length.
    """

    architecture: Literal["ec", "ec-atm", "ec-stations"] = "ec"
    epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=10000, ge=1)
    """Days at towers in a step."""
    learning_rate: float = Field(default=3e-3, gt=0)
    schedule: Literal["cosine", "constant", "plateau"] = "constant"
    weight_decay: float = Field(default=0.0, ge=0)
    validate_every: int = Field(default=1, ge=1)
    folds: int = Field(default=FOLDS, ge=2, le=1000)
    """Parts into which the sites are cut."""
    fold: int = Field(default=0, ge=0)
    """The part that is held out, from 0 on; members of an ensemble take one after the other."""
    held_out_years: int = Field(default=HELD_OUT_YEARS, ge=0)
    """Years of the inversions that are held out, drawn for each fold."""
    bridges: str | None = None
    """File of `co2phys bridge`: regional for ec-atm, physics for ec-stations."""
    day_step: int = Field(default=5, ge=1, le=28)
    """EC-STATIONS: of the days of a month one in so many is taken on all land, others next."""
    least_quality: float = Field(default=LEAST_QUALITY, ge=0, le=1)
    """Share of good half-hours that a day at a tower must have."""
    unit_range: float = Field(default=UNIT_RANGE, gt=0)
    """EC-ATM: Pg a month, the "1" of equation 7."""

    def member(self, number: int) -> Self:
        """Return the options of one member: another fold with the same initial weights.

        Raises
        ------
        UsageError
            There is no such fold, or a fold was asked for.
        """
        if self.fold:
            raise UsageError(
                f"fold: {self.fold} has no effect with --ensemble, whose members take one fold "
                "after the other; leave it out"
            )
        if number >= self.folds:
            raise UsageError(
                f"--ensemble: {self.folds} folds make {self.folds} members at most; ask for fewer, "
                "or for more folds (--set folds=…)"
            )
        return self.model_copy(update={"fold": number})
