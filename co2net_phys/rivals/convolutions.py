"""Generators and discriminators of CycleGAN (Zhu et al. 2017, arXiv 1703.10593, appendix 7.2).

A generator: a 7 × 7 convolution to 64 channels, two that halve the grid, residual blocks, two that
double it, a 7 × 7 convolution to the field. Instance normalisation and ReLU after all but the last.
A discriminator: four convolutions of 4 × 4 and one to a map of verdicts, each on a patch of
70 × 70 cells. It needs no position, so any grid will do.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Padding = Literal["reflect", "globe"]
"""Beyond the edges: `reflect` mirrors the field at all four, as in the paper; `globe` goes on
around the Earth in longitude, and mirrors at the poles only."""


def pad(field: Tensor, cells: int, padding: Padding) -> Tensor:
    """Add so many cells on each side of a field (B, C, H, W)."""
    if padding == "reflect":
        return _mirrored(_mirrored(field, cells, -1), cells, -2)
    around = functional.pad(field, (cells, cells, 0, 0), mode="circular")
    return _mirrored(around, cells, -2)


def _mirrored(field: Tensor, cells: int, axis: int) -> Tensor:
    """Go on with the mirror image beyond both ends of an axis, the outermost cells said once.

    PyTorch's own has no deterministic gradient on a GPU.
    """
    before = field.narrow(axis, 1, cells).flip(axis)
    after = field.narrow(axis, field.shape[axis] - 1 - cells, cells).flip(axis)
    return torch.cat([before, field, after], dim=axis)


class Convolution(nn.Module):
    """Padding and a convolution (B, C, H, W) to (B, C′, H / stride, W / stride), rounded up."""

    def __init__(
        self, channels: int, wanted: int, size: int, stride: int, padding: Padding, *, bias: bool
    ) -> None:
        super().__init__()
        self.cells, self.padding = size // 2, padding
        self.convolution = nn.Conv2d(channels, wanted, size, stride, bias=bias)

    def forward(self, field: Tensor) -> Tensor:
        """Return the filtered field."""
        filtered: Tensor = self.convolution(pad(field, self.cells, self.padding))
        return filtered


class Doubling(nn.Module):
    """A transposed convolution to a grid of about twice the rows and columns."""

    def __init__(self, channels: int, wanted: int, padding: Padding) -> None:
        super().__init__()
        self.around = 1 if padding == "globe" else 0
        self.convolution = nn.ConvTranspose2d(channels, wanted, 3, 2, padding=1, bias=False)

    def forward(self, field: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the field on the grid `size`; an odd one loses a row or column against twice."""
        more = self.around  # columns from around the Earth, so that no seam shows
        wide = functional.pad(field, (more, more, 0, 0), mode="circular") if more else field
        filtered: Tensor = self.convolution(wide, output_size=[size[0], size[1] + 4 * more])
        return filtered[..., 2 * more : 2 * more + size[1]]


class Residual(nn.Module):
    """Two convolutions of 3 × 3, with dropout between them, added to what they are made of."""

    def __init__(self, channels: int, dropout: float, padding: Padding) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            Convolution(channels, channels, 3, 1, padding, bias=False),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            Convolution(channels, channels, 3, 1, padding, bias=False),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, field: Tensor) -> Tensor:
        """Return the field (B, C, H, W) with the branch added."""
        after: Tensor = field + self.branch(field)
        return after


class Generator(nn.Module):
    """From channels (B, C, H, W) to one field (B, 1, H, W), without a bound on its values.

    Images are bounded, and their generators end in tanh; a normalised field is not.
    """

    def __init__(
        self, channels: int, filters: int, blocks: int, dropout: float, padding: Padding
    ) -> None:
        super().__init__()
        f = filters
        self.first = Convolution(channels, f, 7, 1, padding, bias=False)
        self.halving = nn.ModuleList(
            Convolution(n, 2 * n, 3, 2, padding, bias=False) for n in (f, 2 * f)
        )
        self.blocks = nn.ModuleList(Residual(4 * f, dropout, padding) for _ in range(blocks))
        self.doubling = nn.ModuleList(Doubling(2 * n, n, padding) for n in (2 * f, f))
        self.last = Convolution(f, 1, 7, 1, padding, bias=True)

    def forward(self, field: Tensor) -> Tensor:
        """Return the field that is made."""
        field, sizes = _settled(self.first(field)), []
        for halve in self.halving:
            sizes.append((field.shape[-2], field.shape[-1]))
            field = _settled(halve(field))
        for block in self.blocks:
            field = block(field)
        for double in self.doubling:
            field = _settled(double(field, sizes.pop()))
        made: Tensor = self.last(field)
        return made


class Discriminator(nn.Sequential):
    """From a field (B, 1, H, W) to verdicts (B, 1, H′, W′), one on each patch of 70 × 70 cells.

    `layers` convolutions halve the grid, in the paper three, which is what makes the patch 70 wide.
    """

    def __init__(self, filters: int, layers: int) -> None:
        widths = [filters * min(2**number, 8) for number in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(1, filters, 4, 2, padding=1), nn.LeakyReLU(0.2)]
        for number, (width, wanted) in enumerate(pairwise(widths), start=1):
            stride = 2 if number < layers else 1
            parts += [
                nn.Conv2d(width, wanted, 4, stride, padding=1, bias=False),
                nn.InstanceNorm2d(wanted),
                nn.LeakyReLU(0.2),
            ]
        super().__init__(*parts, nn.Conv2d(widths[-1], 1, 4, 1, padding=1))


def _settled(field: Tensor) -> Tensor:
    return functional.relu(functional.instance_norm(field))
