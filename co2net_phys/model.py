"""CO2-Net: from a window of stations, weather and wind to the CO2 field at its last frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.batch import Batch
from co2net_phys.data.schema import CO2, standard_error_name
from co2net_phys.model_config import SIZES, WIND, CO2NetConfig, Size
from co2net_phys.network import Network
from co2net_phys.nn.blocks import Experts, Head, Stream, fuse, initialise_linear
from co2net_phys.nn.tokenizer import Tokenizer, compute_dtype, patchify, unpatchify
from co2net_phys.targets import observations_of

__all__ = [
    "DECODED",
    "HOMOGENEOUS",
    "PARTICULAR",
    "SIZES",
    "WIND",
    "CO2Net",
    "CO2NetConfig",
    "Size",
    "part_name",
]


def part_name(target: str, part: Literal["particular", "homogeneous", "decoded"]) -> str:
    """Name of a part of the field `target` in the network's output."""
    return f"{target}_{part}"


PARTICULAR, HOMOGENEOUS = part_name(CO2, "particular"), part_name(CO2, "homogeneous")
"""Fields of the additive head, whose sum is `CO2`. The first guess belongs to the homogeneous one,
which carries the initial state."""

DECODED = part_name(CO2, "decoded")
"""CO2 at the odd frames (B, T/2, H, W), µmol mol-1, when `decode_times` is set."""

LARGEST_LOG_VARIANCE = 2 * math.log(1000)
"""Bound of the logarithm of variance over σ², above and below: errors of σ/1000 to 1000 σ."""


class CO2Net(Network):
    """CO2-Net as a map from a `Batch` to a `Batch`; background and inputs as in `Network`.

    With `predict_variance` a second head gives the logarithm of the variance of each cell's error
    over σ², zero before training and bounded smoothly by `LARGEST_LOG_VARIANCE`.
    """

    config: CO2NetConfig

    def __init__(self, config: CO2NetConfig, background: nn.Module | None = None) -> None:
        super().__init__(config, background)
        size, cells = config.dimensions, config.patch[0] * config.patch[1]
        self.experts = Experts(self._tokenizers(), size, connected=config.connection == "bcast")
        initialise_linear(self.experts)
        zero = background is not None
        roles = config.streams if config.head == "additive" else ("all",)
        self.heads = nn.ModuleDict({role: Head(size.width, cells, zero=zero) for role in roles})
        self.probe = nn.Linear(size.width, 4 * cells) if config.wind_probe else None
        # Made last, so that the other weights are those of the network without it.
        self.variance_head = Head(size.width, cells, zero=True) if config.predict_variance else None

    def repeated_layers(self) -> Iterable[nn.Module]:
        """Return the layers of the experts."""
        return self.experts.layers

    def forward(self, batch: Batch) -> Batch:
        """Return a batch with the fields the network predicts, in physical units.

        `CO2` (B, 1, H, W) at the last frame, µmol mol-1; with the wind probe "uas" and "vas"
        (B, T, H, W), m/s; with the additive head `PARTICULAR` and `HOMOGENEOUS` (B, 1, H, W); with
        `decode_times` also `DECODED`; with `predict_variance` the standard error of the CO2 of the
        last frame (B, 1, H, W), µmol mol-1, by the name of `standard_error_name`. Fields of the
        input are not passed on, and its `CO2`, the target, is not read.
        """
        self._check(batch)
        target = self.config.target_variable
        batch = replace(batch, observations=observations_of(batch, target))
        background = self._first_guess(batch)  # (B, 1 or T, H, W) or None
        hidden = self.experts(self._patches(batch, background))  # {stream: (B, T/2, N, D)}
        fields = self._decode(hidden, background)
        if self.probe is not None:
            fields |= self._winds(hidden["temporal"])
        if self.variance_head is not None:
            fields[standard_error_name(target)] = self._standard_error(hidden, self.variance_head)
        return Batch(fields, batch.observations, batch.coordinates)

    def _tokenizers(self) -> dict[Stream, nn.Module]:
        config = self.config
        spatial = (1,) if config.spatial_frames == "odd" else (0,)
        frames: dict[Stream, tuple[int, ...]] = {"spatial": spatial, "temporal": (0, 1)}
        groups = config.groups(background=self.background is not None)
        width = config.dimensions.width
        return {
            name: Tokenizer(
                groups, config.patch, width, frames[name], conditioned=config.conditioned
            )
            for name in config.streams
        }

    def _patches(self, batch: Batch, background: Tensor | None) -> dict[str, Tensor]:
        """Return {group: (2, B, T/2, N, C_g·p·q)}, normalised; made once for both experts."""
        groups = self._channels(batch, background)
        patch = self.config.patch
        patches = {name: patchify(x.to(compute_dtype(x)), patch) for name, x in groups.items()}
        if self.embedding.channels:
            u, v = self._embedded_wind(batch)
            embedded = self.embedding(batch.coordinates, u, v, patch)
            # Phases of the calendar are in double precision.
            patches["embedding"] = embedded.to(compute_dtype(self.centre))
        return patches

    def _decode(self, hidden: Mapping[str, Tensor], background: Tensor | None) -> dict[str, Tensor]:
        """Return the CO2 fields (B, 1, H, W) in µmol mol-1, and the parts they consist of."""
        average = not self.config.decode_times
        parts = {}
        for role, head in self.heads.items():
            streams = hidden if role == "all" else {role: hidden[role]}
            cells = head(fuse(streams, average=average))  # (B, 1 or T/2, N, p·q)
            parts[role] = self.scale * self._on_grid(cells)
        base = self._base(background)
        total = base + torch.stack(list(parts.values())).sum(dim=0)  # (B, 1 or T/2, H, W)
        target = self.config.target_variable
        fields = {target: total[:, -1:]}
        if self.config.head == "additive":
            fields[part_name(target, "particular")] = parts["spatial"][:, -1:]
            fields[part_name(target, "homogeneous")] = (base + parts["temporal"])[:, -1:]
        if self.config.decode_times:
            fields[part_name(target, "decoded")] = total
        return fields

    def _standard_error(self, hidden: Mapping[str, Tensor], head: nn.Module) -> Tensor:
        """Return the standard error (B, 1, H, W) of the last frame's field, in its unit."""
        tokens = fuse(hidden, average=not self.config.decode_times)[:, -1:]  # (B, 1, N, D)
        free = self._on_grid(head(tokens))  # (B, 1, H, W)
        bounded = LARGEST_LOG_VARIANCE * torch.tanh(free / LARGEST_LOG_VARIANCE)
        return self.scale * torch.exp(0.5 * bounded)

    def _base(self, background: Tensor | None) -> Tensor | float:
        """Return what the network corrects: (B, 1 or T/2, H, W) or the mean, µmol mol-1."""
        if background is None:
            return self.mean
        every = self.config.decode_times and background.shape[1] > 1
        return background[:, 1::2] if every else background[:, -1:]

    def _winds(self, temporal: Tensor) -> dict[str, Tensor]:
        """Return the probe's wind (B, T, H, W) in m/s from hidden tokens (B, T/2, N, D)."""
        assert self.probe is not None
        winds = rearrange(self.probe(temporal), "b t n (s v m) -> v b (t s) n m", s=2, v=2)
        moments = (self.config.statistics[name] for name in WIND)
        return {
            name: mean + deviation * self._on_grid(wind)
            for name, wind, (mean, deviation) in zip(WIND, winds, moments, strict=True)
        }

    def _on_grid(self, patches: Tensor) -> Tensor:
        """Return (B, n, H, W) in the type of the statistics, of (B, n, N, p·q) in autocast's."""
        return unpatchify(patches.to(self.centre.dtype), self.config.grid, self.config.patch)
