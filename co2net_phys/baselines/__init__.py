"""The simple rivals that every result is compared with, each a map from `Batch` to `Batch`."""

from __future__ import annotations

from co2net_phys.baselines.base import JSON, Baseline
from co2net_phys.baselines.climatology_kriging import ClimatologyKriging
from co2net_phys.baselines.climatology_offset import ClimatologyOffset, ClimatologyOnly
from co2net_phys.baselines.eof_regression import EOFRegression
from co2net_phys.baselines.kriging import (
    Kriging,
    KrigingExponential,
    KrigingGaussian,
    KrigingLinear,
    KrigingPower,
)
from co2net_phys.baselines.nearest_station import NearestStation
from co2net_phys.baselines.optimal_interpolation import OptimalInterpolation
from co2net_phys.baselines.persistence import Persistence
from co2net_phys.baselines.ridge import Ridge
from co2net_phys.baselines.station_mean import StationMean
from co2net_phys.errors import UsageError

BASELINES: dict[str, type[Baseline]] = {
    method.name: method
    for method in (
        StationMean,
        NearestStation,
        Persistence,
        ClimatologyOnly,
        ClimatologyOffset,
        Kriging,
        KrigingExponential,
        KrigingLinear,
        KrigingPower,
        KrigingGaussian,
        Ridge,
        EOFRegression,
        ClimatologyKriging,
        OptimalInterpolation,
    )
}
"""Every baseline by name, from the simplest to the best."""

__all__ = ["BASELINES", "JSON", "Baseline", "build_baseline"]


def build_baseline(configuration: dict[str, JSON]) -> Baseline:
    """The module that `Baseline.configuration` describes, with buffers yet to be loaded."""
    name = configuration.get("name")
    if name not in BASELINES:
        raise UsageError(f"no baseline {name!r}; choose one of {', '.join(BASELINES)}")
    return BASELINES[str(name)].from_configuration(configuration)
