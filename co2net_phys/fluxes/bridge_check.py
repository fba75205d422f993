"""What the bridges say of a trained model's NEE against the sums over all of it (section 3.7)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from co2net_phys.fluxes.bridges import Bridge, BridgeOperator
from co2net_phys.fluxes.prior_nee import PriorNee
from co2net_phys.fluxes.regions import cell_areas, region_areas, region_fractions
from co2net_phys.fluxes.sparse_regression import r_squared

DAYS_PER_YEAR = 365.2425


def check_bridges(bridges: Sequence[Bridge], modelled: PriorNee) -> dict[str, dict[str, float]]:
    """Compare bridge and true sum of each region, over all days of `modelled`.

    Returns
    -------
        For each region `r2` of the daily sums, `bias` in Pg a-1 (bridge minus sum), and
        `uniform_response`: what the bridge makes of the same small change everywhere, as a share
        of what that change adds to the sum. One where a bridge follows a change of the mean.
    """
    grid = modelled.grid
    operator = BridgeOperator(bridges, grid.latitude, grid.longitude)
    with torch.no_grad():
        estimated = operator(torch.from_numpy(modelled.series(operator.pixels))).numpy()
    true = modelled.summary()[1][:, operator.regions]
    areas = region_areas(region_fractions(grid), cell_areas(grid))[operator.regions]
    response = operator.coefficients.sum(0).numpy() / (areas * 1e-15)
    bias = (estimated - true).mean(axis=0) * DAYS_PER_YEAR
    return {
        bridge.region: {
            "r2": r_squared(true[:, place], estimated[:, place]),
            "bias": float(bias[place]),
            "uniform_response": float(response[place]),
        }
        for place, bridge in enumerate(bridges)
    }
