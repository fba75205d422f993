"""B-CAST: bottleneck cross attention between the spatial and the temporal stream.

Idea: Lee, Lee & Choi, "CAST: cross-attention in space and time", NeurIPS 2023; used in every layer
of CO2-Net (section 3.3), between attention and MLP.
"""

from __future__ import annotations

from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.nn.attention import CrossAttention

Axis = Literal["space", "time"]
_SEQUENCES = {"time": "b t n d -> (b n) t d", "space": "b t n d -> (b t) n d"}
_TOKENS = {"time": "(b n) t d -> b t n d", "space": "(b t) n d -> b t n d"}


class PositionTerms(nn.Module):
    """Learned terms of place (N, D) and of time (T′, D), added to tokens (B, T′, N, D)."""

    def __init__(self, times: int, places: int, width: int) -> None:
        super().__init__()
        self.time = nn.Parameter(nn.init.trunc_normal_(torch.empty(times, 1, width), std=0.02))
        self.place = nn.Parameter(nn.init.trunc_normal_(torch.empty(places, width), std=0.02))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens (B, T′, N, D) with both terms added."""
        return tokens + (self.time + self.place)


class Bottleneck(nn.Module):
    """Project tokens (B, T′, N, D) to D/2, normalise, and say where and when each one is."""

    def __init__(self, times: int, places: int, width: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, width // 2)
        self.norm = nn.LayerNorm(width // 2)
        self.position = PositionTerms(times, places, width // 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return narrow tokens (B, T′, N, D/2)."""
        narrow: Tensor = self.position(self.norm(self.down(tokens)))
        return narrow


class StreamReader(nn.Module):
    """One direction: the receiver's tokens query the source's along one axis, at width D/2.

    `along="time"`: at each place, T′ tokens query T′ tokens (temporal → spatial stream);
    `along="space"`: in each frame, N tokens query N tokens (spatial → temporal stream).
    """

    def __init__(
        self, along: Axis, times: int, places: int, width: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.along = along
        self.receiver = Bottleneck(times, places, width)
        self.source = Bottleneck(times, places, width)
        self.attention = CrossAttention(width // 2, heads, dropout)
        self.activation = nn.GELU()
        self.up = nn.Linear(width // 2, width)

    def forward(self, receiver: Tensor, source: Tensor) -> Tensor:
        """Return the update (B, T′, N, D) for the receiver."""
        sequences, tokens = _SEQUENCES[self.along], _TOKENS[self.along]
        read = self.attention(
            rearrange(self.receiver(receiver), sequences),  # (B·N, T′, D/2) or (B·T′, N, D/2)
            rearrange(self.source(source), sequences),
        )
        update: Tensor = self.up(self.activation(read))
        return rearrange(update, tokens, b=len(receiver))  # (B, T′, N, D)


class Connection(nn.Module):
    """B-CAST in both directions at once; each stream keeps a residual path with drop path."""

    def __init__(
        self, times: int, places: int, width: int, heads: int, dropout: float, drop_path: nn.Module
    ) -> None:
        super().__init__()
        self.to_spatial = StreamReader("time", times, places, width, heads, dropout)
        self.to_temporal = StreamReader("space", times, places, width, heads, dropout)
        self.drop_path = drop_path

    def forward(self, spatial: Tensor, temporal: Tensor) -> tuple[Tensor, Tensor]:
        """Return both streams (B, T′, N, D), each having read the other's incoming state."""
        return (
            spatial + self.drop_path(self.to_spatial(spatial, temporal)),
            temporal + self.drop_path(self.to_temporal(temporal, spatial)),
        )
