"""One layer of the Swin transformer, on a grid of tokens that goes round the Earth.

Liu et al. 2021, "Swin transformer" (arXiv 2103.14030): attention within windows that every other
layer are shifted by half a window, with a learned bias for each offset between two tokens. Here the
shift wraps in longitude, where the first and the last column are neighbours; over the poles it does
not, and tokens that it brings together from the two polar caps are kept apart.
"""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from co2net_phys.nn.attention import CrossAttention
from co2net_phys.nn.blocks import FeedForward

Tokens = tuple[int, int]
"""Rows and columns of the grid of tokens."""


def window_of(tokens: Tokens, size: int) -> Tokens:
    """Rows and columns of a window: `size`, or the whole axis where that does not divide it."""
    rows, columns = (size if n % size == 0 else n for n in tokens)
    return rows, columns


def offsets(window: Tokens, *, full_circle: bool) -> tuple[Tensor, int]:
    """Number (L, L) of the offset from each token of a window to each other, and their count.

    Offsets in longitude are those of a circle where the window goes all around it.
    """
    rows, columns = window
    place = torch.arange(rows * columns)
    row, column = place // columns, place % columns
    north = row[:, None] - row + rows - 1
    east = column[:, None] - column
    east, widths = (
        (east % columns, columns) if full_circle else (east + columns - 1, 2 * columns - 1)
    )
    return north * widths + east, (2 * rows - 1) * widths


def polar_mask(tokens: Tokens, window: Tokens, shift: int) -> Tensor:
    """Bias (windows from south to north, L, L) after a shift of rows: −∞ between the two poles.

    The shift carries the southernmost rows to the north, into the last window there.
    """
    rows, height = tokens[0], window[0]
    row = torch.arange(rows)
    carried = (row >= rows - shift).view(-1, height)  # (windows, height)
    carried = repeat(carried, "n h -> n (h w)", w=window[1])  # (windows, L)
    apart = carried[:, :, None] != carried[:, None]
    return torch.zeros(apart.shape).masked_fill(apart, -torch.inf)


class WindowAttention(nn.Module):
    """Tokens (B, Y, X, D) attend to those in their window."""

    mask: Tensor | None
    offset: Tensor

    def __init__(
        self, tokens: Tokens, width: int, heads: int, size: int, dropout: float, *, shifted: bool
    ) -> None:
        super().__init__()
        self.window = window_of(tokens, size)
        rows, columns = (
            side // 2 if shifted and side < n else 0
            for side, n in zip(self.window, tokens, strict=True)
        )
        self.shift = (rows, columns)
        offset, count = offsets(self.window, full_circle=self.window[1] == tokens[1])
        self.register_buffer("offset", offset, persistent=False)
        mask = polar_mask(tokens, self.window, rows) if rows else None
        self.register_buffer("mask", mask, persistent=False)
        self.bias = nn.Parameter(nn.init.trunc_normal_(torch.empty(heads, count), std=0.02))
        self.attention = CrossAttention(width, heads, dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what the tokens (B, Y, X, D) read from each other."""
        south, west = self.shift
        moved = torch.roll(tokens, (-south, -west), dims=(1, 2))
        h, w = self.window
        y, x = tokens.shape[1] // h, tokens.shape[2] // w
        windows = rearrange(moved, "b (y h) (x w) d -> (b y x) (h w) d", h=h, w=w)
        read = self.attention(windows, windows, self._bias(len(tokens), x))
        moved = rearrange(read, "(b y x) (h w) d -> b (y h) (x w) d", y=y, x=x, h=h, w=w)
        return torch.roll(moved, (south, west), dims=(1, 2))

    def _bias(self, size: int, around: int) -> Tensor:
        """Bias of each offset, and of the poles: (heads, L, L), or (B·Y·X, heads, L, L)."""
        by_offset = self.bias[:, self.offset]  # (heads, L, L)
        if self.mask is None:
            return by_offset
        bias = by_offset + rearrange(self.mask, "y l m -> y 1 l m")
        return repeat(bias, "y h l m -> (b y x) h l m", b=size, x=around)


class SwinLayer(nn.Module):
    """Attention within windows on tokens joined with a hidden state, then an MLP."""

    def __init__(
        self,
        tokens: Tokens,
        width: int,
        heads: int,
        hidden: int,
        size: int,
        dropout: float,
        *,
        shifted: bool,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.join = nn.Linear(2 * width, width)
        self.attention = WindowAttention(tokens, width, heads, size, dropout, shifted=shifted)
        self.feed_forward = FeedForward(width, hidden, dropout)

    def forward(self, tokens: Tensor, state: Tensor) -> Tensor:
        """Return tokens (B, Y, X, D) after this layer; `state` has the same shape."""
        joined = self.join(torch.cat([self.norm(tokens), self.norm(state)], dim=-1))
        tokens = tokens + self.attention(joined)
        after: Tensor = tokens + self.feed_forward(tokens)
        return after
