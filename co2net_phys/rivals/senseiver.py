"""Senseiver (Santos et al. 2023, doi:10.1038/s42256-023-00746-x): stations as a set.

After Perceiver IO (Jaegle et al. 2021, arXiv 2107.14795): a few latent tokens read all reporting
stations, think, and read again; every cell of the grid then asks them for its value. A station is
its innovation, where it is, and the weather there; a cell is where it is and the weather there. So
the order of the stations does not matter, nor their number, and a silent one is not there at all.

Positions are the sines and cosines of N_f multiples of each angle, spread up to what the grid can
resolve. Those of longitude are whole numbers of waves around the Earth, so that it has no seam.

Sizes: CO2-Net paper, table 10, which does not say what shares weights: here, as in Perceiver, the
blocks do (the same one is gone through `depth` times), N_s = 8 is the number of latent tokens (a
network of 72 stations does not have 8 observations), attention has two heads, MLPs the width N_c,
and only self-attention layers have one: 0.12 M parameters, 0.11 M in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from co2net_phys.batch import Batch
from co2net_phys.nn.attention import CrossAttention
from co2net_phys.nn.blocks import initialise_linear
from co2net_phys.nn.rasterise import nearest_cells
from co2net_phys.nn.tokenizer import EXPECTED_STATIONS
from co2net_phys.rivals.base import LARGEST_DEPTH, LARGEST_WIDTH, Rival, StaticConfig, zero
from co2net_phys.rivals.vit import TransformerLayer


class SenseiverConfig(StaticConfig):
    """Sizes of the network; defaults of table 10."""

    latents: int = Field(default=8, ge=1, le=LARGEST_WIDTH)
    """N_s, tokens that read the stations."""
    bands: int = Field(default=32, ge=1, le=LARGEST_WIDTH)
    """N_f, frequencies of each angle in a position."""
    width: int = Field(default=64, ge=1, le=LARGEST_WIDTH)
    """N_c, of all tokens."""
    depth: int = Field(default=3, ge=1, le=LARGEST_DEPTH)
    """Times that the stations are read."""
    layers_per_block: int = Field(default=3, ge=1, le=LARGEST_DEPTH)
    """L, self-attention layers after each reading."""
    heads: int = Field(default=2, ge=1, le=LARGEST_WIDTH)

    def _problems(self) -> list[str]:
        found = super()._problems()
        if self.width % self.heads:
            found.append(f"width: {self.heads} heads do not divide {self.width}")
        if not self.mask_channel:
            found.append("mask_channel: stations that report are a set here; leave it out")
        return found


def position_terms(
    latitude: Tensor, longitude: Tensor, bands: int, grid: tuple[int, int]
) -> Tensor:
    """Sines and cosines (n, 4 · bands) of multiples of the angles of n places, in degrees.

    The highest multiples are the largest that a grid of so many rows and columns resolves.
    """
    north = torch.linspace(1, max(grid[0] / 2, 1), bands, dtype=torch.float64)
    east = torch.linspace(1, max(grid[1] // 2, 1), bands, dtype=torch.float64).round()
    angles = [
        angle[:, None] * multiples.to(angle.device)
        for angle, multiples in (
            (latitude.double() * (math.pi / 90), north),
            (longitude.double() * (math.pi / 180), east),
        )
    ]
    terms = [part for angle in angles for part in (angle.sin(), angle.cos())]
    return torch.cat(terms, dim=-1).to(latitude.dtype)


class Reading(nn.Module):
    """Tokens (n, L, D) read others (n, M, D), both normalised first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.receiver_norm, self.source_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CrossAttention(width, heads)

    def forward(self, receiver: Tensor, source: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return what is read, (n, L, D)."""
        read: Tensor = self.attention(self.receiver_norm(receiver), self.source_norm(source), bias)
        return read


class Senseiver(Rival):
    """From the set of stations to the field, cell by cell."""

    config: SenseiverConfig

    def __init__(self, config: SenseiverConfig, background: nn.Module | None = None) -> None:
        super().__init__(config, background)
        width, heads = config.width, config.heads
        self.value = nn.Linear(1, width)
        self.place = nn.Linear(4 * config.bands, width, bias=False)
        self.features = nn.Linear(self._features, width, bias=False) if self._features else None
        self.latents = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(config.latents, width), std=0.02)
        )
        self.encoder = Reading(width, heads)
        self.layers = nn.ModuleList(
            TransformerLayer(width, heads, width) for _ in range(config.layers_per_block)
        )
        self.decoder = Reading(width, heads)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1)
        initialise_linear(self)
        nn.init.normal_(self.value.weight)  # one input, not a sum of many
        if background is not None:
            zero(self.head)

    @property
    def _features(self) -> int:
        """Channels of a cell that do not come from stations."""
        groups = self.config.groups(background=self.background is not None)
        return sum(group.channels for name, group in groups.items() if name != "observations")

    def repeated_layers(self) -> Iterable[nn.Module]:
        """Return the self-attention layers."""
        return self.layers

    def inputs(self, batch: Batch, background: Tensor | None) -> tuple[Tensor, ...]:
        """Return innovations (B, S), NaN where silent, then what stations and cells are.

        Positions are (S, 4 N_f) and (H·W, 4 N_f), features (B, S, C′) and (B, H·W, C′).
        """
        groups = self._channels(batch, background)
        del groups["observations"]
        if self.embedding.channels:
            groups["embedding"] = self._embedding(batch)
        seen, where = batch.observations, batch.coordinates
        cells = nearest_cells(seen.latitude, seen.longitude, where)  # (S,)
        value = seen.value[:, -1]  # (B, S)
        reference: Tensor | float = self.mean
        if background is not None:
            reference = background[:, -1].flatten(1)[:, cells]
        features = [rearrange(x[:, -1], "b c h w -> b (h w) c") for x in groups.values()]
        of_cells = torch.cat(features, -1) if features else value.new_zeros(len(batch), 1, 0)
        of_cells = of_cells.expand(-1, where.shape[0] * where.shape[1], -1)
        return (
            (value - reference) / self.scale,
            self._positions(seen.latitude, seen.longitude),
            self._positions(
                where.latitude.repeat_interleave(where.shape[1]),
                where.longitude.repeat(where.shape[0]),
            ),
            of_cells[:, cells],
            of_cells,
        )

    def example(self, size: int) -> tuple[Tensor, ...]:
        """Return zeros of the shapes that `inputs` has with the paper's number of stations."""
        count, cells = EXPECTED_STATIONS, self.config.grid[0] * self.config.grid[1]
        terms, features = 4 * self.config.bands, self._features
        return (
            torch.zeros(size, count),
            torch.zeros(count, terms),
            torch.zeros(cells, terms),
            torch.zeros(size, count, features),
            torch.zeros(size, cells, features),
        )

    def estimate(self, *inputs: Tensor) -> Tensor:
        """Return the normalised field (B, 1, H, W) of what `inputs` returns."""
        value, stations, cells, at_stations, at_cells = inputs
        known = self.value(value.nan_to_num()[..., None])  # (B, S, D)
        bias, reports = _silence(value)
        sensors = known + self._tokens(stations, at_stations)
        latents = self.latents.expand(len(value), -1, -1)  # (B, N_s, D)
        for _ in range(self.config.depth):
            latents = latents + reports * self.encoder(latents, sensors, bias)
            for layer in self.layers:
                latents = layer(latents)
        queries = self._tokens(cells, at_cells)  # (B, H·W, D)
        answers = self.head(self.norm(queries + self.decoder(queries, latents)))
        return rearrange(answers, "b (h w) 1 -> b 1 h w", h=self.config.grid[0])

    def _positions(self, latitude: Tensor, longitude: Tensor) -> Tensor:
        terms = position_terms(latitude, longitude, self.config.bands, self.config.grid)
        return terms.to(self.centre.dtype)

    def _tokens(self, places: Tensor, features: Tensor) -> Tensor:
        """Tokens (B, n, D) of places (n, 4 N_f) with features (B, n, C′)."""
        tokens: Tensor = self.place(places).expand(len(features), -1, -1)
        return tokens if self.features is None else tokens + self.features(features)


def _silence(value: Tensor) -> tuple[Tensor, Tensor]:
    """Bias (B, 1, 1, S) that hides silent stations, and whether any reports, (B, 1, 1).

    Where none does the bias hides nothing, as an attention to nobody is not a number.
    """
    silent = value.isnan()
    nobody = silent.all(dim=1)
    hidden = silent & ~nobody[:, None]
    bias = torch.zeros_like(value).masked_fill(hidden, -torch.inf)
    return rearrange(bias, "b s -> b 1 1 s"), rearrange(~nobody, "b -> b 1 1").to(value.dtype)
