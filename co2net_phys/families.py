"""All models that can be trained, by name, and the families they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from co2net_phys.architectures import ARCHITECTURES, network_title
from co2net_phys.columns.models import MODELS as COLUMN_MODELS
from co2net_phys.columns.models import ColumnOptions
from co2net_phys.config import TrainingConfig
from co2net_phys.fluxes.models import MODELS as FLUX_MODELS
from co2net_phys.fluxes.models import FluxOptions
from co2net_phys.learned_model import Architecture, ModelConfig
from co2net_phys.run_options import RunOptions
from co2net_phys.satellite.models import MODELS as SATELLITE_MODELS
from co2net_phys.satellite.models import FusionRunOptions


@dataclass(frozen=True)
class Family:
    """Models that learn the same thing from the same kind of data."""

    models: Mapping[str, Architecture[Any, Any]]
    options: type[RunOptions]
    """Those of a run."""


FAMILIES: Mapping[str, Family] = {
    "surface": Family(ARCHITECTURES, TrainingConfig),
    "columns": Family(COLUMN_MODELS, ColumnOptions),
    "satellite": Family(SATELLITE_MODELS, FusionRunOptions),
    "fluxes": Family(FLUX_MODELS, FluxOptions),
}
"""By name: surface fields from stations, and the systems of `co2net_phys.systems`."""

MODELS: Mapping[str, Architecture[Any, Any]] = {
    name: kind for family in FAMILIES.values() for name, kind in family.models.items()
}


def family_of(name: str) -> Family:
    """Return the family of the model called `name`."""
    return next(family for family in FAMILIES.values() if name in family.models)


def name_of(config: ModelConfig) -> str:
    """Return the name of the model that a configuration describes."""
    return next(name for name, kind in MODELS.items() if type(config) is kind.config)


def title_of(options: Mapping[str, Any]) -> str:
    """Name in words of the model that options of a run ask for, such as CO2-Net S."""
    name = options["architecture"]
    return network_title(options) if name in ARCHITECTURES else MODELS[name].title
