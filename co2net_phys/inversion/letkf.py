"""Local ensemble transform Kalman filter: every place takes its own combination of the members.

Of k members with mean x̄ and departures X, observed as ȳ and Y, a place finds

    P = [(k − 1) I + Yᵀ ρ R⁻¹ Y]⁻¹,   w̄ = P Yᵀ ρ R⁻¹ (y − ȳ),   W = [(k − 1) P]^½,

and takes x̄ + X (w̄ + W) for its members (Hunt et al. 2007, doi:10.1016/j.physd.2006.11.008). ρ falls
with the distance between the place and an observation (Gaspari and Cohn 1999,
doi:10.1002/qj.49712555417). Observations at any time of a window count, and the weights hold for
the whole of it. Fluxes are corrected by their correlation with the observed CO2 (Kang et al. 2012,
doi:10.1029/2012JD018259; COLA: Liu et al. 2022, doi:10.5194/gmd-15-5511-2022).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from co2net_phys.baselines.sphere import gaspari_cohn, great_circle_degrees, grid_points
from co2net_phys.data.stations import Station
from co2net_phys.inversion.observation_operator import Observations
from co2net_phys.solvers import EARTH_RADIUS_M, Grid


class Weights(NamedTuple):
    """How to combine k members at each of G places."""

    mean: Tensor
    """w̄, (G, k): of the departures, for the mean."""
    members: Tensor
    """W, (G, k, k) symmetric: of the departures, for those of the new members."""


def localisation(grid: Grid, stations: tuple[Station, ...], support: float) -> Tensor:
    """ρ, (G, S), of every node of a grid (row by row) and every station: 0 from `support` m on."""
    nodes = grid_points(torch.from_numpy(grid.latitude), torch.from_numpy(grid.longitude))
    sites = torch.tensor([(site.latitude, site.longitude) for site in stations]).double()
    metres = torch.deg2rad(great_circle_degrees(*nodes, sites[:, 0], sites[:, 1])) * EARTH_RADIUS_M
    return gaspari_cohn(2 * metres / support)


def analysis_weights(modelled: Tensor, observations: Observations, closeness: Tensor) -> Weights:
    """The weights at G places.

    Parameters
    ----------
    modelled
        What k members say of the observations, (F, k, S), µmol mol-1.
    observations
        Of F frames and S stations.
    closeness
        ρ, (G, S).
    """
    count = modelled.shape[1]
    mean = modelled.mean(1)
    reported = torch.isfinite(observations.values)
    scaled = (
        (modelled - mean[:, None]) / observations.weighing_errors * reported[:, None]
    )  # (F, k, S)
    innovation = -observations.misfit(mean)  # (F, S)
    # Summed by station first: a place then only has to add up stations.
    information = torch.einsum("fis,fjs->sij", scaled, scaled)
    pull = torch.einsum("fis,fs->si", scaled, innovation)
    precision = torch.tensordot(closeness, information, dims=1)  # (G, k, k)
    values, vectors = torch.linalg.eigh(precision)
    spread = count - 1 + values.clamp(min=0.0)  # (G, k)
    local = torch.einsum("gij,gi->gj", vectors, closeness @ pull)
    return Weights(
        torch.einsum("gij,gj->gi", vectors, local / spread),
        torch.einsum("gij,gj,gkj->gik", vectors, ((count - 1) / spread).sqrt(), vectors),
    )


def combine(members: Tensor, weights: Weights) -> Tensor:
    """New members (k, ..., G) from members (k, ..., G) of any unit."""
    mean = members.mean(0)
    transform = weights.mean[:, :, None] + weights.members  # (G, old, new)
    return mean + torch.einsum("i...g,gij->j...g", members - mean, transform)


def relax_spread(after: Tensor, before: Tensor, share: float) -> Tensor:
    """Bring the spread of members (k, ...) back by `share` of what the analysis took from it.

    Whitaker and Hamill (2012), doi:10.1175/MWR-D-11-00276.1: σ ← σ_a + share (σ_b − σ_a).
    """
    mean, left, had = after.mean(0), after.std(0), before.std(0)
    ratio = torch.where(left > 0, share * (had - left) / left.clamp(min=1e-300) + 1, 1.0)
    return mean + (after - mean) * ratio
