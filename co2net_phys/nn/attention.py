"""Multi-head attention within one stream of tokens and between two."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, bias: Tensor | None = None
) -> Tensor:
    """Scaled dot-product attention of tokens (n, L, D) on tokens (n, M, D); returns (n, L, D).

    A `bias` that broadcasts to (n, heads, L, M) is added to the scaled products, −∞ where a token
    is not to be attended to.
    """
    split = "n l (h c) -> n h l c"
    by_head = (
        rearrange(query, split, h=heads),  # (n, heads, L, D / heads)
        rearrange(key, split, h=heads),  # (n, heads, M, D / heads)
        rearrange(value, split, h=heads),  # (n, heads, M, D / heads)
    )
    if bias is not None:
        bias = bias.to(query.dtype)
    mixed = _fused_on_processor(*by_head, bias) if query.is_cpu else _fused(*by_head, bias)
    return rearrange(mixed, "n h l c -> n l (h c)")  # (n, L, D)


_fused = functional.scaled_dot_product_attention


def _fused_on_processor(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """Fused attention in at least 32-bit arithmetic.

    The 16-bit kernel of processors takes up to five times as long backward (PyTorch 2.14).
    """
    exact = torch.promote_types(query.dtype, torch.float32)
    bias = None if bias is None else bias.to(exact)
    with torch.autocast("cpu", enabled=False):
        mixed = _fused(query.to(exact), key.to(exact), value.to(exact), bias)
    return mixed.to(query.dtype)


class SelfAttention(nn.Module):
    """Each token (n, L, D) attends to all L tokens of its sequence; returns (n, L, D)."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the attended tokens (n, L, D)."""
        query, key, value = self.query_key_value(tokens).chunk(3, dim=-1)
        mixed: Tensor = self.dropout(self.out(attend(query, key, value, self.heads)))
        return mixed


class CrossAttention(nn.Module):
    """Each token of `receiver` (n, L, D) attends to the tokens of `source` (n, M, D).

    The heads together have the width `inner`, by default D.
    """

    def __init__(
        self, width: int, heads: int, dropout: float = 0.0, *, inner: int | None = None
    ) -> None:
        super().__init__()
        self.heads = heads
        inner = width if inner is None else inner
        self.query = nn.Linear(width, inner)
        self.key_value = nn.Linear(width, 2 * inner)
        self.out = nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, receiver: Tensor, source: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return what the receiver reads from the source, (n, L, D); `bias` as in `attend`."""
        key, value = self.key_value(source).chunk(2, dim=-1)
        mixed = attend(self.query(receiver), key, value, self.heads, bias)
        read: Tensor = self.dropout(self.out(mixed))
        return read
