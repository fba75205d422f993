"""The two experts: pre-norm transformer layers on a spatial and a temporal stream of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.nn.attention import SelfAttention
from co2net_phys.nn.connection import Connection, PositionTerms

Stream = Literal["spatial", "temporal"]


@dataclass(frozen=True)
class Dimensions:
    """What the layers of a network have in common."""

    times: int
    """T′ = T/2 token times."""
    places: int
    """N patches per frame."""
    width: int
    """D, width of a token."""
    depth: int
    """Number of layers."""
    heads: int
    """Attention heads."""
    hidden: int
    """Hidden width of the MLP."""
    dropout: float
    drop_path: float
    """Largest probability of dropping a residual branch, reached in the last layer."""


class DropPath(nn.Module):
    """Drop the residual branch of whole samples with this probability while training.

    Source: Huang et al., "Deep networks with stochastic depth", ECCV 2016; kept branches are
    scaled by 1/(1 − probability), so that the mean is unchanged.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """Return the branch (B, ...) with some samples set to zero."""
        if not self.training or self.probability == 0:
            return branch
        kept = 1 - self.probability
        keep = branch.new_empty(len(branch), *(1,) * (branch.ndim - 1)).bernoulli_(kept)
        return branch * (keep / kept)


class StreamAttention(nn.Module):
    """Pre-norm self-attention: within each frame (spatial) or over all tokens (temporal)."""

    def __init__(self, stream: Stream, size: Dimensions) -> None:
        super().__init__()
        self.sequences = "b t n d -> (b t) n d" if stream == "spatial" else "b t n d -> b (t n) d"
        self.tokens = "(b t) n d -> b t n d" if stream == "spatial" else "b (t n) d -> b t n d"
        self.norm = nn.LayerNorm(size.width)
        self.attention = SelfAttention(size.width, size.heads, size.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the residual branch (B, T′, N, D)."""
        sequences = rearrange(self.norm(tokens), self.sequences)  # (B·T′, N, D) or (B, T′·N, D)
        branch: Tensor = self.attention(sequences)
        return rearrange(branch, self.tokens, t=tokens.shape[1])  # (B, T′, N, D)


class FeedForward(nn.Sequential):
    """Pre-norm MLP with GELU on each token (..., D)."""

    def __init__(self, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )


class Layer(nn.Module):
    """Attention in each stream, connection between the streams, MLP in each stream."""

    def __init__(
        self, streams: tuple[Stream, ...], size: Dimensions, drop_path: float, *, connected: bool
    ) -> None:
        super().__init__()
        self.drop_path = DropPath(drop_path)
        self.attention = nn.ModuleDict({name: StreamAttention(name, size) for name in streams})
        self.connection = (
            Connection(
                size.times, size.places, size.width, size.heads, size.dropout, self.drop_path
            )
            if connected
            else None
        )
        self.feed_forward = nn.ModuleDict(
            {name: FeedForward(size.width, size.hidden, size.dropout) for name in streams}
        )

    def forward(self, streams: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the streams {name: (B, T′, N, D)} after this layer."""
        after = self._residual(self.attention, streams)
        if self.connection is not None:
            spatial, temporal = self.connection(after["spatial"], after["temporal"])
            after = {"spatial": spatial, "temporal": temporal}
        return self._residual(self.feed_forward, after)

    def _residual(
        self, branches: nn.ModuleDict, streams: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        return {name: x + self.drop_path(branches[name](x)) for name, x in streams.items()}


class Experts(nn.Module):
    """Tokenizers, positions, layers and a last norm for one stream or for two connected ones."""

    def __init__(
        self,
        tokenizers: Mapping[Stream, nn.Module],
        size: Dimensions,
        *,
        connected: bool,
    ) -> None:
        super().__init__()
        streams = tuple(tokenizers)
        self.tokenizers = nn.ModuleDict({name: tokenizers[name] for name in streams})
        self.positions = nn.ModuleDict(
            {name: PositionTerms(size.times, size.places, size.width) for name in streams}
        )
        self.dropout = nn.Dropout(size.dropout)
        rates = [size.drop_path * i / max(1, size.depth - 1) for i in range(size.depth)]
        self.layers = nn.ModuleList(
            Layer(streams, size, rate, connected=connected) for rate in rates
        )
        self.norms = nn.ModuleDict({name: nn.LayerNorm(size.width) for name in streams})

    def forward(self, patches: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return {stream: hidden tokens (B, T′, N, D)} of {group: (2, B, T′, N, C_g·p·q)}."""
        streams = {
            name: self.dropout(self.positions[name](tokenizer(patches)))
            for name, tokenizer in self.tokenizers.items()
        }
        for layer in self.layers:
            streams = layer(streams)
        return {name: self.norms[name](tokens) for name, tokens in streams.items()}


class Head(nn.Sequential):
    """Three-layer MLP from a token (..., D) to the p·q cells of its patch (..., p·q)."""

    def __init__(self, width: int, cells: int, *, zero: bool) -> None:
        super().__init__(
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, cells),
        )
        if zero:
            for parameter in self[-1].parameters():
                nn.init.zeros_(parameter)


def initialise_linear(module: nn.Module) -> None:
    """Give each linear layer inside `module` truncated normal weights of spread 0.02, no bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def fuse(hidden: Mapping[str, Tensor], *, average: bool) -> Tensor:
    """Add the streams (B, T′, N, D); with `average` take the mean over time, (B, 1, N, D)."""
    total = torch.stack(list(hidden.values())).sum(dim=0)
    return total.mean(dim=1, keepdim=True) if average else total
