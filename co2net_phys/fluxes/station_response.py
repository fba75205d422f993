"""How station mole fractions answer to monthly fluxes: the transport as a linear map.

For known winds the tracer equation is linear in the flux, so the response of the stations can be
computed once, by the adjoint, and is then a matrix that a training step multiplies by. One row
costs one member of a batched adjoint run, whatever the number of grid cells; columns would cost one
run for each cell and month.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from co2net_phys.inversion.observation_operator import StationOperator
from co2net_phys.inversion.transport_model import Forcing, WindowModel


@dataclass(frozen=True)
class MonthlyForcing(Forcing):
    """Forcing whose factors are maps of flux, one for each calendar month of the window."""

    months: Tensor
    """(N,) position of each entry's month among those of the window."""

    def period_of(self, entry: int, periods: int) -> int:
        """Month of an entry; on a border the later one."""
        return int(self.months[entry])


@dataclass(frozen=True)
class StationResponse:
    """The linear part of the transport over one window, seen as means at S stations.

    Parameters
    ----------
    model
        The transport of the window, with any fluxes.
    operator
        What the stations see of a field.
    months
        (N,) position of the month of each entry of `model.forcing`, from 0 to M − 1.
    weights
        (F, S) share of each frame in the mean of a station.
    """

    model: WindowModel
    operator: StationOperator
    months: Tensor
    weights: Tensor

    def baseline(self, initial: Tensor) -> Tensor:
        """Means (S,), µmol mol-1, that the fluxes of `model` and a modal field (l, m) lead to."""
        shape = self.model.forcing.flux.shape[1:]
        factors = torch.ones(1, *shape, dtype=torch.float64)
        with torch.no_grad():
            return self._means(self.model.states(initial, factors))

    def __call__(self, flux: Tensor) -> Tensor:
        """Means (K, S), µmol mol-1, that fluxes (K, M, nlat, nlon), µmol m-2 s-1, add.

        The transport itself: differentiable by the fluxes.
        """
        forcing = self.model.forcing
        entries = len(forcing.moles)
        linear = MonthlyForcing(
            start=forcing.start,
            interval=forcing.interval,
            period=forcing.period,
            flux=torch.ones(entries, 1, 1, 1, dtype=torch.float64),
            moles=forcing.moles,
            exchange=forcing.exchange,
            above=torch.zeros_like(forcing.above),
            months=self.months,
        )
        harmonics = self.model.harmonics
        nothing = harmonics.to_modal(flux.new_zeros(len(flux), *harmonics.grid.shape))
        states = replace(self.model, forcing=linear).states(nothing, flux[:, :, None])
        return self._means(states)

    def matrix(self) -> Tensor:
        """Response (S, M, nlat, nlon) in µmol mol-1 per µmol m-2 s-1, by one adjoint run.

        Each station has a member of its own, whose flux the others do not see.
        """
        stations, months = self.weights.shape[1], int(self.months.max()) + 1
        shape = (stations, months, *self.model.harmonics.grid.shape)
        flux = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        (response,) = torch.autograd.grad(self(flux).diagonal().sum(), flux)
        return response

    def _means(self, states: Tensor) -> Tensor:
        """Means (..., S) of modal states (F, ..., l, m)."""
        values = self.operator(states)
        return torch.einsum("f...s,fs->...s", values, self.weights)
