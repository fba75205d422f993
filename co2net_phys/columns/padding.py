"""Convolutions on the sphere: around the Earth in longitude, over the poles in latitude.

A row beyond a pole is the row on this side of it, half a turn around: whoever walks north over the
pole goes on southwards on the opposite meridian. There east points the other way, so that the
components of a vector change sign. Where the grid has a row at the pole itself, that row is not
repeated.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SPREAD = 0.7
"""Cells: standard deviation of the bell by which the size of a kernel's weights falls off at the
start. Networks of several layers then hear mostly the cell itself and those beside it."""


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
    """Convolution of fields (N, C, H, W) on the globe, padded by `pad_sphere`.

    Weights are stored with variance 1 and multiplied by `gain`, which keeps the variance of
    features from layer to layer (He et al. 2015, doi:10.1109/ICCV.2015.123): a step of Adam then
    changes every weight by the same share, whether a layer hears 64 numbers or 4000 (equalised
    learning rate, Karras et al. 2018, arXiv 1710.10196). They begin largest in the middle of the
    kernel, biases at 0.

    Parameters
    ----------
    channels, features
        Of the input and of the output.
    kernel
        Cells that a kernel spans in both directions, odd.
    rows_at_poles
        As in `pad_sphere`.
    signs
        (C,) as in `pad_sphere`.
    margin
        Cells that the input is padded by; without one those that keep the grid as it is.
    """

    signs: Tensor | None

    def __init__(
        self,
        channels: int,
        features: int,
        kernel: int,
        *,
        rows_at_poles: bool = False,
        signs: tuple[int, ...] | None = None,
        bias: bool = True,
        margin: int | None = None,
    ) -> None:
        super().__init__(channels, features, kernel, bias=bias)
        self.gain = math.sqrt(2 / (channels * kernel**2))
        with torch.no_grad():
            self.weight.normal_().mul_(_bell(kernel))
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.margin = kernel // 2 if margin is None else margin
        self.rows_at_poles = rows_at_poles
        values = None if signs is None else torch.tensor(signs, dtype=torch.float32)
        self.register_buffer("signs", values, persistent=False)

    def forward(self, input: Tensor) -> Tensor:  # named as in the base class
        """Return (N, features, H, W), each side 2·margin + 1 − kernel longer than the input's."""
        if self.margin:
            signs = None if self.signs is None else self.signs.to(input.dtype)
            input = pad_sphere(input, self.margin, signs, rows_at_poles=self.rows_at_poles)
        return self._conv_forward(input, self.gain * self.weight, self.bias)


def _bell(kernel: int) -> Tensor:
    """Sizes (kernel, kernel) of weights at the start, with mean square 1."""
    squared = (torch.arange(kernel) - kernel // 2) ** 2
    bell = (-(squared[:, None] + squared) / (2 * SPREAD**2)).exp()
    return bell * kernel / bell.norm()
