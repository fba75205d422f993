"""What the rivals have in common: channels in, one field out, both without units."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.batch import Batch
from co2net_phys.network import Network
from co2net_phys.network_config import NetworkConfig
from co2net_phys.nn.tokenizer import tiling_problems
from co2net_phys.targets import observations_of, target_field

LARGEST_WIDTH, LARGEST_DEPTH = 2**14, 200
"""Bounds of sizes in a configuration, which may come from a stranger's checkpoint."""


class RivalConfig(NetworkConfig):
    """What a rival is told beside its own sizes; its paper's rows have no embedding."""

    embedding: Literal["wind", "climode", "none"] = "none"


class StaticConfig(RivalConfig):
    """Of a method that reconstructs from the last frame alone.

    Its windows still have `frames` frames, so that it is trained and scored on the same ones as
    the methods that read them all.
    """

    @property
    def frames_read(self) -> int:
        """The last frame only."""
        return 1


class Rival(Network):
    """A network that turns what is seen into a field, both in units of the spread of the data.

    The output is first guess (or mean) + σ·`estimate`, as in CO2-Net.
    """

    def forward(self, batch: Batch) -> Batch:
        """Return a batch with the target (B, 1, H, W) at the last frame, in its unit."""
        self._check(batch)
        inputs, base = self._prepared(batch)
        field = self.estimate(*inputs).to(self.centre.dtype)
        target = self.config.target_variable
        return Batch({target: base + self.scale * field}, batch.observations, batch.coordinates)

    @abstractmethod
    def estimate(self, *inputs: Tensor) -> Tensor:
        """Return the field (B, 1, H, W), less its first guess and over σ, of `inputs`.

        Those are the normalised channels (B, T′, C, H, W) of the frames that are read, unless the
        rival has an `inputs` of its own.
        """

    def inputs(self, batch: Batch, background: Tensor | None) -> tuple[Tensor, ...]:
        """Return the tensors that `estimate` takes; `background` as in `Network`."""
        groups = self._channels(batch, background)
        if self.embedding.channels:
            groups["embedding"] = self._embedding(batch)
        channels = torch.cat(list(groups.values()), dim=2)  # (B, T, C, H, W)
        return (channels[:, -self.config.frames_read :],)

    def example(self, size: int) -> tuple[Tensor, ...]:
        """Return zeros of the shapes that `estimate` takes of so many windows."""
        channels = self.config.channels(background=self.background is not None)
        return (torch.zeros(size, self.config.frames_read, channels, *self.config.grid),)

    def own_losses(self, seen: Batch, output: Batch, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of `compared`, of the field in `output` and the truth in `batch`."""
        if not self.config.own_losses:
            return {}
        target = self.config.target_variable
        inputs, base = self._prepared(seen)
        field = (output.fields[target] - base) / self.scale
        truth = (target_field(batch, target) - base) / self.scale
        return self.compared(field, truth, *inputs)

    def compared(self, field: Tensor, truth: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Return the rival's own loss terms of two normalised fields (B, 1, H, W).

        `truth` is NaN where it is missing; `inputs` are those that `field` was estimated from.
        """
        return {}

    def _prepared(self, batch: Batch) -> tuple[tuple[Tensor, ...], Tensor | float]:
        """Inputs of `estimate`, and what it corrects, (B, 1, H, W) in the target's unit."""
        batch = replace(batch, observations=observations_of(batch, self.config.target_variable))
        background = self._first_guess(batch)  # (B, 1 or T, H, W) or None
        base = self.mean if background is None else background[:, -1:]
        return self.inputs(batch, background), base

    def _embedding(self, batch: Batch) -> Tensor:
        """Return the embedding channels (B, T, E, H, W)."""
        u, v = self._embedded_wind(batch)
        cells = self.embedding(batch.coordinates, u, v, (1, 1))  # (2, B, T/2, H·W, E)
        height = batch.coordinates.shape[0]
        channels = rearrange(cells, "s b t (h w) e -> b (t s) e h w", h=height)
        return channels.to(self.centre.dtype)


def patches_problems(grid: tuple[int, int], patch: tuple[int, int]) -> list[str]:
    """Say why patches do not tile the grid, as `NetworkConfig._problems` does."""
    return [f"patch: {text}" for text in tiling_problems(grid, patch)]


def zero(layer: nn.Linear | nn.Conv2d) -> None:
    """Let a last layer give nothing, so that training starts from the first guess."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
