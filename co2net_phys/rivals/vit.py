"""Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929), read out densely.

The last frame is cut into patches, each a token; after twelve pre-norm layers a linear layer turns
every token into the cells of its patch. There is no class token, as nothing is classified.
Sizes: CO2-Net paper, table 8. With heads of 64 channels, as Dosovitskiy's Base and Large have, its
16 heads are wider together (1024) than a token (768), and the count is the 76 M of table 12; with
heads that share the token's width it would be 67 M.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from co2net_phys.nn.attention import CrossAttention
from co2net_phys.nn.blocks import FeedForward, initialise_linear
from co2net_phys.nn.tokenizer import unpatchify
from co2net_phys.rivals.base import (
    LARGEST_DEPTH,
    LARGEST_WIDTH,
    Rival,
    StaticConfig,
    patches_problems,
    zero,
)


class ViTConfig(StaticConfig):
    """Sizes of the transformer; defaults of table 8."""

    patch: tuple[int, int] = (9, 12)
    width: int = Field(default=768, ge=1, le=LARGEST_WIDTH)
    """Of a token."""
    depth: int = Field(default=12, ge=1, le=LARGEST_DEPTH)
    heads: int = Field(default=16, ge=1, le=LARGEST_WIDTH)
    head_width: int = Field(default=64, ge=1, le=LARGEST_WIDTH)
    hidden: int = Field(default=2048, ge=1, le=LARGEST_WIDTH)
    """Of the MLP in each layer."""
    dropout: float = Field(default=0.1, ge=0, lt=1)

    def _problems(self) -> list[str]:
        return patches_problems(self.grid, self.patch) + super()._problems()


class TransformerLayer(nn.Module):
    """Pre-norm attention of tokens (n, L, D) on one another, then an MLP."""

    def __init__(
        self, width: int, heads: int, hidden: int, dropout: float = 0.0, inner: int | None = None
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = CrossAttention(width, heads, dropout, inner=inner)
        self.feed_forward = FeedForward(width, hidden, dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens (n, L, D) after this layer."""
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed)
        after: Tensor = tokens + self.feed_forward(tokens)
        return after


class ViT(Rival):
    """From the last frame's channels to the field, patch by patch."""

    config: ViTConfig

    def __init__(self, config: ViTConfig, background: nn.Module | None = None) -> None:
        super().__init__(config, background)
        (rows, columns), (p, q) = config.grid, config.patch
        width, inner = config.width, config.heads * config.head_width
        channels = config.channels(background=background is not None)
        self.tokenizer = nn.Linear(channels * p * q, width)
        places = (rows // p) * (columns // q)
        self.positions = nn.Parameter(nn.init.trunc_normal_(torch.empty(places, width), std=0.02))
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(width, config.heads, config.hidden, config.dropout, inner)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, p * q)
        initialise_linear(self)
        if background is not None:
            zero(self.head)

    def repeated_layers(self) -> Iterable[nn.Module]:
        """Return the layers of the transformer."""
        return self.layers

    def estimate(self, *inputs: Tensor) -> Tensor:
        """Return the normalised field (B, 1, H, W) of channels (B, 1, C, H, W)."""
        (channels,) = inputs
        p, q = self.config.patch
        patches = rearrange(channels, "b 1 c (y p) (x q) -> b (y x) (c p q)", p=p, q=q)
        tokens = self.dropout(self.tokenizer(patches) + self.positions)  # (B, N, D)
        for layer in self.layers:
            tokens = layer(tokens)
        cells = rearrange(self.head(self.norm(tokens)), "b n c -> b 1 n c")  # (B, 1, N, p·q)
        return unpatchify(cells, self.config.grid, self.config.patch)
