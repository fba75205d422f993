"""SwinLSTM (Tang et al. 2023, arXiv 2308.09891): a recurrent network whose cells are Swin layers.

Frame by frame, tokens pass an encoder and a decoder of two cells each, on the full grid of patches
and on one of half as many rows and columns. The hidden state after the last frame is the field.

Sizes: CO2-Net paper, table 11, which contradicts itself: a width of 126 cannot be shared by 4 or 8
heads, and twelve layers with an MLP of 2048 have 7.8 M parameters at that width, not 3.3 M. Here
the width is 128 throughout, the MLP has the usual fourfold width, the twelve layers are 4 + 2 of
the encoder and 2 + 4 of the decoder, with 4 heads on the fine and 8 on the coarse grid: 3.0 M. Of
the coarse grid of 5 × 5 tokens, which windows of 2 × 2 do not tile, the whole is one window.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from co2net_phys.nn.tokenizer import unpatchify
from co2net_phys.rivals.base import (
    LARGEST_DEPTH,
    LARGEST_WIDTH,
    Rival,
    RivalConfig,
    patches_problems,
    zero,
)
from co2net_phys.rivals.swin_layer import SwinLayer, Tokens

State = tuple[Tensor, Tensor]
"""Hidden state and memory of a cell, (B, Y, X, D) each."""


class SwinLSTMConfig(RivalConfig):
    """Sizes of the network; defaults of table 11, as far as it can be followed."""

    patch: tuple[int, int] = (9, 12)
    width: int = Field(default=128, ge=1, le=LARGEST_WIDTH)
    """Of a token."""
    fine_layers: int = Field(default=4, ge=1, le=LARGEST_DEPTH)
    """In the cell of the encoder on all patches, and in that of the decoder."""
    coarse_layers: int = Field(default=2, ge=1, le=LARGEST_DEPTH)
    fine_heads: int = Field(default=4, ge=1, le=LARGEST_WIDTH)
    coarse_heads: int = Field(default=8, ge=1, le=LARGEST_WIDTH)
    hidden: int = Field(default=512, ge=1, le=LARGEST_WIDTH)
    """Of the MLP in each layer."""
    window: int = Field(default=2, ge=1, le=LARGEST_WIDTH)
    """Rows and columns of tokens that attend to one another."""
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @property
    def tokens(self) -> Tokens:
        """Rows and columns of patches."""
        return self.grid[0] // self.patch[0], self.grid[1] // self.patch[1]

    def _problems(self) -> list[str]:
        found = patches_problems(self.grid, self.patch)
        if not found and any(n % 2 for n in self.tokens):
            rows, columns = self.tokens
            found.append(f"patch: makes {rows} × {columns} tokens, which cannot be halved")
        for heads in (self.fine_heads, self.coarse_heads):
            if self.width % heads:
                found.append(f"width: {heads} heads do not divide {self.width}")
        return found + super()._problems()


class SwinLSTMCell(nn.Module):
    """A recurrent cell with one gate, made by Swin layers from the input and the hidden state.

    With f the output of the layers, as in section 3 of Tang et al.: gate = sigmoid(f),
    memory ← gate · (memory + tanh(f)), hidden ← gate · tanh(memory).
    """

    def __init__(self, config: SwinLSTMConfig, *, coarse: bool) -> None:
        super().__init__()
        rows, columns = config.tokens
        tokens = (rows // 2, columns // 2) if coarse else (rows, columns)
        self.layers = nn.ModuleList(
            SwinLayer(
                tokens,
                config.width,
                config.coarse_heads if coarse else config.fine_heads,
                config.hidden,
                config.window,
                config.dropout,
                shifted=bool(number % 2),
            )
            for number in range(config.coarse_layers if coarse else config.fine_layers)
        )

    def forward(self, tokens: Tensor, state: State | None) -> State:
        """Return the state after tokens (B, Y, X, D); None is the state before the first."""
        hidden, memory = (torch.zeros_like(tokens),) * 2 if state is None else state
        for layer in self.layers:
            tokens = layer(tokens, hidden)
        gate = torch.sigmoid(tokens)
        memory = gate * (memory + torch.tanh(tokens))
        return gate * torch.tanh(memory), memory


class Merging(nn.Module):
    """Four neighbouring tokens become one: (B, Y, X, D) to (B, Y/2, X/2, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(4 * width), nn.Linear(4 * width, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the coarse tokens."""
        merged: Tensor = self.linear(
            self.norm(rearrange(tokens, "b (y p) (x q) d -> b y x (p q d)", p=2, q=2))
        )
        return merged


class Expanding(nn.Module):
    """Each token becomes four: (B, Y, X, D) to (B, 2 Y, 2 X, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(width, 4 * width, bias=False), nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the fine tokens."""
        apart = rearrange(self.linear(tokens), "b y x (p q d) -> b (y p) (x q) d", p=2, q=2)
        expanded: Tensor = self.norm(apart)
        return expanded


class SwinLSTM(Rival):
    """From the channels of all frames to the field at the last one."""

    config: SwinLSTMConfig

    def __init__(self, config: SwinLSTMConfig, background: nn.Module | None = None) -> None:
        super().__init__(config, background)
        p, q = config.patch
        channels = config.channels(background=background is not None)
        self.tokenizer = nn.Linear(channels * p * q, config.width)
        self.cells = nn.ModuleList(
            SwinLSTMCell(config, coarse=coarse) for coarse in (False, True, True, False)
        )
        self.merging, self.expanding = Merging(config.width), Expanding(config.width)
        self.head = nn.Linear(config.width, p * q)
        if background is not None:
            zero(self.head)

    def repeated_layers(self) -> Iterable[nn.Module]:
        """Return the Swin layers of all cells."""
        return [layer for cell in self.cells for layer in cell.get_submodule("layers").children()]

    def estimate(self, *inputs: Tensor) -> Tensor:
        """Return the normalised field (B, 1, H, W) of channels (B, T, C, H, W)."""
        (channels,) = inputs
        p, q = self.config.patch
        patches = rearrange(channels, "b t c (y p) (x q) -> t b y x (c p q)", p=p, q=q)
        states: list[State | None] = [None] * len(self.cells)
        for tokens in self.tokenizer(patches):  # (B, Y, X, D)
            for number, cell in enumerate(self.cells):
                state = cell(tokens, states[number])
                states[number], tokens = state, state[0]
                if number == 0:
                    tokens = self.merging(tokens)
                elif number == 2:
                    tokens = self.expanding(tokens)
        cells = rearrange(self.head(tokens), "b y x c -> b 1 (y x) c")  # (B, 1, N, p·q)
        return unpatchify(cells, self.config.grid, self.config.patch)
