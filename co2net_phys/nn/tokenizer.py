"""From normalised fields to tokens and back: patches, conditioned input groups, linear tokenizers.

Tokens are ordered (t, y, x): place n = y·(W/q) + x within a frame, rows from south to north. The
inputs of a patch are ordered (channel, row, column).

Conditioning. A tokenizer adds up groups of inputs that differ wildly in number: a token sees about
one station but 108 × 45 embedding values per frame, mostly of one sign. Adam moves every weight by
about the learning rate η whatever its gradient, so one step moves the token by up to η Σ|x|: with
2 × 4860 coherent inputs that is several units, many times the token itself, while the stations
barely move it. Hence each group g enters as

    token = bias + s Σ_g W_g x_g / √n_g,    n_g = expected Σ x² over the group's inputs to a token.

* At initialisation W ~ N(0, 1/(s² G)), so that each of G groups gives 1/G of a unit variance.
* An Adam step moves the token by η s Σ_g Σ|x_g|/√n_g ≤ η s Σ_g √(number of inputs in g)
  (Cauchy–Schwarz): for η = 5e-4 and s = 5 at most 0.25 from the embedding and 0.004 from each
  reporting station, against 2 and 0.001 without gains. The imbalance between groups falls from
  the ratio of their numbers of inputs to its square root.
* s = `TOKEN_SCALE` sets how fast the tokenizer learns as a whole: a step changes a weight by η s √G
  of its initial spread, half a per cent here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

TOKEN_SCALE = 5.0
"""The one scale s common to all groups of inputs."""

EXPECTED_STATIONS = 72
"""Stations that report at a time: the paper's training sites, 72 of 96."""

Patch = tuple[int, int]


@dataclass(frozen=True)
class Group:
    """A group of input channels that is conditioned together."""

    channels: int
    mean_square: float
    """Expected sum over the channels of x², averaged over the cells of a frame."""


def compute_dtype(x: Tensor) -> torch.dtype:
    """Return the type that matrix products of `x` run in: autocast's if on, else that of `x`."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype


def patchify(fields: Tensor, patch: Patch) -> Tensor:
    """Cut fields (B, T, C, H, W) into patches (2, B, T/2, N, C·p·q): even frames, then odd ones."""
    p, q = patch
    return rearrange(fields, "b (t s) c (y p) (x q) -> s b t (y x) (c p q)", s=2, p=p, q=q)


def unpatchify(patches: Tensor, grid: tuple[int, int], patch: Patch) -> Tensor:
    """Put patches (B, T′, N, p·q) back where they belong: (B, T′, H, W)."""
    p, q = patch
    rows = grid[0] // p
    return rearrange(patches, "b t (y x) (p q) -> b t (y p) (x q)", y=rows, p=p, q=q)


def tiling_problems(grid: tuple[int, int], patch: Patch) -> list[str]:
    """Say which axes of `grid` patches of this size do not tile, and which sizes would do."""
    found = []
    for axis, cells, size in zip(("rows", "columns"), grid, patch, strict=True):
        if min(cells, size) < 1:
            found.append(f"grid and patch need a positive number of {axis}")
        elif cells % size:
            fitting = ", ".join(str(n) for n in range(1, cells + 1) if cells % n == 0)
            whole = cells - cells % size
            sizes = " or ".join(str(n) for n in (whole, whole + size) if n)
            found.append(
                f"{size} {axis} do not divide the grid's {cells}; take a patch of one of "
                f"{fitting} {axis}, or a grid of {sizes}"
            )
    return found


def group_gains(groups: Mapping[str, Group], inputs_per_channel: int) -> dict[str, float]:
    """Return s/√n_g for each group, given the values of one channel a token sees (p·q × frames)."""
    return {
        name: TOKEN_SCALE / math.sqrt(group.mean_square * inputs_per_channel)
        for name, group in groups.items()
    }


class Tokenizer(nn.Module):
    """Linear map of the patches of one frame, or of two (a tubelet), to tokens of width D.

    `frames` are the parities it reads: (1,) the odd frames, (0, 1) tubelets of an even frame and
    the odd one after it. One weight per group and frame, so that nothing is concatenated.
    `conditioned=False` gives every input the gain 1 and the usual initialisation of a linear layer
    (the paper's tokenizer).
    """

    def __init__(
        self,
        groups: Mapping[str, Group],
        patch: Patch,
        width: int,
        frames: tuple[int, ...],
        *,
        conditioned: bool = True,
    ) -> None:
        super().__init__()
        self.frames = frames
        cells = patch[0] * patch[1]
        self.gains = dict.fromkeys(groups, 1.0)
        if conditioned:
            self.gains = group_gains(groups, cells * len(frames))
        self.weights = nn.ParameterDict(
            {
                name: nn.Parameter(torch.empty(len(frames), width, group.channels * cells))
                for name, group in groups.items()
            }
        )
        self.bias = nn.Parameter(torch.zeros(width))
        inputs = len(frames) * cells * sum(group.channels for group in groups.values())
        variance = 1 / (TOKEN_SCALE**2 * len(groups)) if conditioned else 1 / (3 * inputs)
        for weight in self.weights.values():
            nn.init.normal_(weight, std=math.sqrt(variance))

    def forward(self, patches: Mapping[str, Tensor]) -> Tensor:
        """Return tokens (B, T/2, N, D) of patches {group: (2, B, T/2, N, C_g·p·q)}."""
        tokens: Tensor = self.bias
        for name, weight in self.weights.items():
            for parity, matrix in zip(self.frames, weight, strict=True):
                part = functional.linear(patches[name][parity], matrix)  # (B, T/2, N, D)
                tokens = torch.add(tokens, part, alpha=self.gains[name])
        return tokens
