"""From coefficients to the next tracer: emission, transport, mixing and removal of every cell.

What an atmosphere does to a tracer q between two frames is linear in q and in what is emitted:
a plume ten times as dense goes the same way. A network that adds an increment of a fixed size to
q cannot say so, and learns the densest plumes alone. Here a network says, at each cell, what share
goes where:

    e_l = q_l + a_l E Δt / m_l                 emission E, a share a_l to each layer
    q_l ← exp(−d_l) Σ_n w_ln e(n)              gathered from around, less what is removed

where n are the cells within `reach` in the same layer, itself among them, and those above and
below, with Σ_l a_l = Σ_n w_ln = 1, w ≥ 0, d ≥ 0. So the tracer stays positive, twice the tracer
and emission give twice the result at the same coefficients, and no roll-out can blow up: the
largest mass fraction grows by emission alone. The mass emitted is exact; that moved and removed is
learned.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from co2net_phys.columns.network_config import ColumnConfig
from co2net_phys.columns.padding import pad_sphere
from co2net_phys.solvers.constants import GRAVITY

STANDARD_PRESSURE = 1e5
"""Pa, at which layers are compared."""

EMISSION_DEPTH = 0.1
"""Share of the air, from the ground up, over which an untrained network spreads an emission."""

KEPT, REMOVAL = 4.0, -3.0
"""Of an untrained network: logit of a cell's own share, and what `softplus` makes the removal of.
Two thirds stay where they are and 5 % is lost, and yet both can learn."""


class Exchange(nn.Module):
    """Apply `Exchange.coefficients` numbers of each cell to its tracer and its emission.

    It has no weights of its own. Coefficients of 0 give nearly persistence plus emission.
    """

    thickness: Tensor
    start: Tensor

    def __init__(self, config: ColumnConfig) -> None:
        super().__init__()
        self.interval, self.rows_at_poles = config.interval, config.rows_at_poles
        self.reach, self.across = config.reach, 2 * config.reach + 1
        self.donors = self.across**2 + 2
        self.sizes = [config.levels * count for count in (1, self.donors, 1)]
        thickness = rearrange(torch.tensor(config.thickness), "l part -> part l 1 1")
        self.register_buffer("thickness", thickness, persistent=False)
        self.register_buffer("start", _start(thickness, self.donors), persistent=False)

    @property
    def coefficients(self) -> int:
        """Number of them at each cell."""
        return sum(self.sizes)

    def emitted(self, shares: Tensor, emission: Tensor, pressure: Tensor) -> Tensor:
        """Return what an emission adds to each layer (B, L, H, W), kg kg-1.

        `shares` (B, L, H, W) are logits; emission in kg m-2 s-1 and surface pressure in Pa are
        (B, H, W). Σ m_l times the result is E Δt, whatever the shares.
        """
        offset, share = self.thickness
        air = (offset + share * pressure[:, None]).abs() / GRAVITY
        return shares.softmax(dim=1) * (self.interval * emission)[:, None] / air

    def forward(
        self, coefficients: Tensor, tracer: Tensor, emission: Tensor, pressure: Tensor
    ) -> Tensor:
        """Return the tracer (B, L, H, W) one frame later, kg kg-1; see `emitted` for units."""
        shares, donors, removal = (coefficients + self.start).split(self.sizes, dim=1)
        tracer = tracer + self.emitted(shares, emission, pressure)
        return self._gathered(tracer, donors) * (-functional.softplus(removal)).exp()

    def _gathered(self, tracer: Tensor, logits: Tensor) -> Tensor:
        """Mean of the cells around, over the poles too, weighted as `logits` say."""
        height, width = tracer.shape[-2:]
        weights = rearrange(logits, "b (n l) h w -> n b l h w", n=self.donors).softmax(dim=0)
        *beside, below, above = weights
        first, last = tracer[:, :1], tracer[:, -1:]
        total = below * torch.cat([first, tracer[:, :-1]], dim=1)
        total = total + above * torch.cat([tracer[:, 1:], last], dim=1)
        padded = pad_sphere(tracer, self.reach, rows_at_poles=self.rows_at_poles)
        for number, weight in enumerate(beside):
            row, column = divmod(number, self.across)
            total = total + weight * padded[..., row : row + height, column : column + width]
        return total


def _start(thickness: Tensor, donors: int) -> Tensor:
    """Coefficients (C, 1, 1) of an untrained network, of layers of a thickness (2, L, 1, 1)."""
    offset, share = thickness
    air = (offset + share * STANDARD_PRESSURE).abs() / STANDARD_PRESSURE  # (L, 1, 1)
    below = air.cumsum(dim=0) - air / 2
    gathered = torch.zeros(donors, *air.shape)
    gathered[(donors - 2) // 2] = KEPT
    shares, removal = air.log() - below / EMISSION_DEPTH, torch.full_like(air, REMOVAL)
    return torch.cat([shares, gathered.flatten(0, 1), removal])
