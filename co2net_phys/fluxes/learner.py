"""From the samples of a step to the losses of a flux model.

EC has towers alone; EC-ATM adds regional totals of inversions through bridges, EC-STATIONS the mole
fractions of stations through transport.
"""

from __future__ import annotations

from torch import Tensor

from co2net_phys.fluxes.bridges import BridgeOperator
from co2net_phys.fluxes.network import FluxNetwork
from co2net_phys.fluxes.regional_loss import (
    UNIT_RANGE,
    UncertaintyWeighting,
    regional_loss,
    station_loss,
    tower_loss,
)
from co2net_phys.fluxes.samples import FluxSample, station_values
from co2net_phys.task import TOTAL, Learner

TOWERS, REGIONS, STATIONS = "towers", "regions", "stations"
"""Names of the losses."""


class FluxLearner(Learner):
    """A flux network and the constraints on it.

    Parameters
    ----------
    model
        The network.
    bridges
        Of the regional constraint; None without it.
    with_stations
        Whether stations constrain the network.
    unit_range
        See `co2net_phys.fluxes.regional_loss.regional_loss`, Pg.
    """

    model: FluxNetwork
    objective: UncertaintyWeighting

    def __init__(
        self,
        model: FluxNetwork,
        bridges: BridgeOperator | None = None,
        *,
        with_stations: bool = False,
        unit_range: float = UNIT_RANGE,
    ) -> None:
        names = [TOWERS]
        names += [REGIONS] if bridges is not None else []
        names += [STATIONS] if with_stations else []
        super().__init__(model, UncertaintyWeighting(names))
        self.bridges, self.unit_range = bridges, unit_range

    def forward(self, sample: FluxSample) -> dict[str, Tensor]:
        """Losses of a sample by name, dimensionless, with their weighted sum as `TOTAL`."""
        terms = {TOWERS: tower_loss(self.model(sample.towers.drivers), sample.towers.nee)}
        if self.bridges is not None and sample.regions is not None:
            seen = sample.regions
            totals = self.bridges.monthly(self.model(seen.drivers), seen.months)
            terms[REGIONS] = regional_loss(totals, seen.inversions, seen.land_area, self.unit_range)
        if sample.stations is not None:
            there = sample.stations
            modelled = station_values(there, self.model(there.drivers))
            terms[STATIONS] = station_loss(modelled, there.observed, there.error)
        return {**terms, TOTAL: self.objective.total(terms)}

    def regional_totals(self, drivers: Tensor, months: Tensor) -> Tensor:
        """Monthly totals (M, R) in Pg, on the CPU, of drivers (D, N, drivers) of a sample."""
        if self.bridges is None:
            raise ValueError("a learner without bridges knows no regional totals")
        device = next(self.model.parameters()).device
        return self.bridges.monthly(self.model(drivers.to(device)), months.to(device)).cpu()
