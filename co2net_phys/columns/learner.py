"""How an emulator learns: tracer fed back over k steps, errors weighted by the mass of air."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.columns.network import ColumnNetwork
from co2net_phys.columns.windows import ColumnItem, ColumnWindows
from co2net_phys.devices import autocast
from co2net_phys.metrics import latitude_weights
from co2net_phys.task import TOTAL, Learner

VALIDATION_WINDOWS = 48
"""At most this many, evenly spread over the validation block."""


def unrolled(model: nn.Module, item: ColumnItem) -> Tensor:
    """Return the tracer (B, k, L, H, W), kg kg-1, that a network makes of its own past.

    Each step reads the forcing up to the frame it predicts and the T latest tracers, of which all
    but those of the item's history are the network's own.
    """
    frames, steps = item.history.shape[1], item.target.shape[1]
    tracers = list(item.history.unbind(dim=1))
    for step in range(steps):
        window = slice(step, step + frames)
        recent = torch.stack(tracers[-frames:], dim=1)[:, :, None]  # (B, T, 1, L, H, W)
        profiles = torch.cat([recent, item.forcing[:, window]], dim=2)  # (B, T, 8, L, H, W)
        tracers.append(model(item.surface[:, window], profiles)[:, 0])
    return torch.stack(tracers[frames:], dim=1)


class ColumnLoss(nn.Module):
    """Error of the tracer in units of its usual increment, weighted by mass of air.

    Σ m (√(1 + r²) − 1) / Σ m over all cells and steps, with r = (q̂ − q)/d_l, m the mass of air of
    a cell, its area times Δp/g, and d_l the root mean square change from frame to frame at level
    l: square where errors are small, and linear where they are large (the pseudo-Huber function of
    Charbonnier et al. 1997, doi:10.1109/83.551699), as one cell in a thousand, where it burns, has
    three quarters of all squares.
    """

    area: Tensor
    increment: Tensor

    def __init__(self, latitude: Iterable[float], increment: Iterable[float]) -> None:
        super().__init__()
        area = torch.from_numpy(latitude_weights(list(latitude))).float()
        self.register_buffer("area", rearrange(area, "h -> h 1"), persistent=False)
        sizes = rearrange(torch.tensor(list(increment)), "l -> l 1 1")
        self.register_buffer("increment", sizes, persistent=False)

    def forward(self, prediction: Tensor, item: ColumnItem) -> Tensor:
        """Return the dimensionless loss of a prediction (B, k, L, H, W), kg kg-1."""
        mass = item.air * self.area
        error = (prediction - item.target) / self.increment
        return (mass * ((1 + error.square()).sqrt() - 1)).sum() / mass.sum()


class ColumnLearner(Learner):
    """From an item to its losses: all that learns is in here.

    `precision` is "fp32", or "bf16" for mixed precision; the tracer itself stays in 32 bits.
    """

    model: ColumnNetwork
    objective: ColumnLoss

    def __init__(self, model: ColumnNetwork, precision: str = "fp32") -> None:
        super().__init__(model, ColumnLoss(model.config.latitude, model.config.increment))
        self.precision = precision

    def forward(self, item: ColumnItem) -> dict[str, Tensor]:
        """Return the loss, dimensionless, by its name and as `TOTAL`."""
        with autocast(item.air.device, self.precision):
            prediction = unrolled(self.model, item)
        loss = self.objective(prediction, item)
        return {"tracer": loss, TOTAL: loss}


@torch.no_grad()
def validation_error(
    model: nn.Module,
    windows: ColumnWindows,
    device: torch.device | str = "cpu",
    most: int = VALIDATION_WINDOWS,
) -> float:
    """RMSE of the tracer, kg kg-1, weighted by mass of air, over all steps of some windows.

    At most `most`, evenly spread. The mode of `model` is what it was before.
    """
    count = min(len(windows), most)
    positions = np.linspace(0, len(windows) - 1, count).round().astype(np.int64)
    area = latitude_weights(windows.store.latitude)[:, None]
    was_training = model.training
    model.eval()
    squares = masses = 0.0
    for position in positions:
        item = windows.batch([int(position)])
        prediction = unrolled(model, item.to(device)).double().cpu()
        mass = item.air.double() * torch.from_numpy(area)
        squares += float((mass * (prediction - item.target.double()).square()).sum())
        masses += float(mass.sum())
    model.train(was_training)
    return math.sqrt(squares / masses)
