"""Convolutions on the sphere: around the Earth in longitude, over the poles in latitude.

A row beyond a pole is the row on this side of it, half a turn around: whoever walks north over the
pole goes on southwards on the opposite meridian. There east points the other way, so that the
components of a vector change sign. Where the grid has a row at the pole itself, that row is not
repeated.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def pad_sphere(
    fields: Tensor, margin: int, signs: Tensor | None = None, *, rows_at_poles: bool = False
) -> Tensor:
    """Return fields (N, C, H, W) with `margin` more rows and columns on every side.

    Parameters
    ----------
    fields
        On all of the globe; W is even.
    margin
        At most H and W; less than H with rows at the poles.
    signs
        (C,) factor of each channel beyond a pole: −1 for components of vectors, by default 1.
    rows_at_poles
        Whether the outermost rows are the poles themselves, not centres of cells beside them.
    """
    skipped, half = int(rows_at_poles), fields.shape[-1] // 2
    inside = slice(skipped, skipped + margin)
    south = fields[..., inside, :].flip(-2)
    north = fields.flip(-2)[..., inside, :]
    beyond = [rows.roll(half, dims=-1) for rows in (south, north)]
    if signs is not None:
        beyond = [rows * signs[:, None, None] for rows in beyond]
    tall = torch.cat([beyond[0], fields, beyond[1]], dim=-2)  # (N, C, H + 2 margin, W)
    return functional.pad(tall, (margin, margin, 0, 0), mode="circular")


class SphereConv(nn.Conv2d):
    """Convolution of fields (N, C, H, W) on the globe, padded by `pad_sphere`: the grid is kept.

    `signs` (C) says which of the input channels change sign beyond a pole (−1). Weights start at
    the size that keeps the variance of features from layer to layer (He et al. 2015,
    doi:10.1109/ICCV.2015.123), biases at 0: the much smaller ones that PyTorch draws leave nothing
    of the inputs after some layers but the biases.
    """

    signs: Tensor | None

    def __init__(
        self,
        channels: int,
        features: int,
        kernel: int,
        *,
        rows_at_poles: bool,
        signs: tuple[int, ...] | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(channels, features, kernel, bias=bias)
        nn.init.kaiming_normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.rows_at_poles = rows_at_poles
        values = None if signs is None else torch.tensor(signs, dtype=torch.float32)
        self.register_buffer("signs", values, persistent=False)

    def forward(self, input: Tensor) -> Tensor:  # named as in the base class
        """Return (N, features, H, W)."""
        margin = self.kernel_size[0] // 2
        signs = None if self.signs is None else self.signs.to(input.dtype)
        return super().forward(pad_sphere(input, margin, signs, rows_at_poles=self.rows_at_poles))
