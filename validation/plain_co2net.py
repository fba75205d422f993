"""CO2-Net written plainly, to be read: the same weights, the same output, none of the speed.

Where `co2net_phys.model` is made to be fast, this is made to be followed from top to bottom:
attention matrices are written out, softmax(Q Kᵀ/√c) V; each expert makes its own embedding, as the
published code does, and its own input; the tokenizers are convolutions whose kernel is the patch.
The tests load the weights of a `CO2Net` here and compare the outputs, and `co2phys bench train`
compares the cost.

Shapes: B windows of T frames of H × W cells; C input channels; T′ = T/2 token times; N patches of
p × q cells in a frame; D the width of a token; tokens are ordered (time, row, column).
"""

import math
import re
from collections.abc import Mapping

import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.batch import Batch, Coordinates
from co2net_phys.data.schema import CO2
from co2net_phys.errors import UsageError
from co2net_phys.model import HOMOGENEOUS, PARTICULAR, CO2Net, CO2NetConfig
from co2net_phys.nn.blocks import Dimensions, DropPath
from co2net_phys.nn.rasterise import innovations
from co2net_phys.nn.tokenizer import group_gains
from co2net_phys.solvers.constants import EARTH_RADIUS_M

POLE_CAP_DEGREES = 80.0
"""Latitude beyond which the wind turns by the angle that it turns by there."""

LEFT_OUT = {
    "experts": "both", "connection": "bcast", "wind_scaling": "physical", "target_variable": CO2,
    "decode_times": False, "withhold_wind": False, "predict_variance": False,
}  # fmt: skip
"""Options that would only make this longer, and the value they must have."""


def wind_embedding(u: Tensor, v: Tensor, coordinates: Coordinates) -> Tensor:
    """(cos, sin, 1)(latitude) × (cos, sin, 1)(longitude) × (cos a, sin a, cos b, sin b, 1).

    The angles a = u t/(R cosθ) and b = v t/R are those that the wind (B, T, H, W), m/s, turns by
    since the window began. Returns (B, 45, T, H, W).
    """
    latitude = coordinates.latitude.deg2rad()[:, None].to(u)  # (H, 1)
    longitude = coordinates.longitude.deg2rad().to(u)  # (W,)
    elapsed = coordinates.elapsed[:, :, None, None].to(u)  # (B, T, 1, 1)
    cosine = latitude.cos().clamp(min=math.cos(math.radians(POLE_CAP_DEGREES)))
    a = u * elapsed / EARTH_RADIUS_M / cosine
    b = v * elapsed / EARTH_RADIUS_M
    one = torch.ones_like(u)
    channels = [
        north * east * turn
        for north in (latitude.cos(), latitude.sin(), 1.0)
        for east in (longitude.cos(), longitude.sin(), 1.0)
        for turn in (a.cos(), a.sin(), b.cos(), b.sin(), one)
    ]
    return torch.stack(channels, dim=1)


def climode_embedding(coordinates: Coordinates, spacing_s: float) -> Tensor:
    """Seven terms of the place × (sin, cos)(day), (sin, cos)(year), 1: (B, 35, T, H, W)."""
    theta = coordinates.latitude.deg2rad()[:, None]  # (H, 1)
    lam = coordinates.longitude.deg2rad()  # (W,)
    day, year = (
        2 * math.pi * phase[:, :, None, None]  # (B, T, 1, 1)
        for phase in (coordinates.day_phase, coordinates.year_phase)
    )
    one = torch.ones(len(theta), len(lam)).to(theta)
    places = [theta.sin() * one, theta.cos() * one, lam.sin() * one, lam.cos() * one]
    places += [theta.sin() * lam.cos(), theta.sin() * lam.sin(), one]
    times = [year.sin(), year.cos(), torch.ones_like(year)]
    if spacing_s < 86400:  # frames a day apart do not see the hour
        times = [day.sin(), day.cos(), *times]
    return torch.stack([place * time for place in places for time in times], dim=1)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """softmax(Q Kᵀ/√c) V in each head of width c = D/heads; (n, L, D) reads (n, M, D)."""
    query, key, value = (rearrange(x, "n l (h c) -> n h l c", h=heads) for x in (query, key, value))
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # (n, heads, L, M)
    weights = scores.softmax(dim=-1)
    return rearrange(weights @ value, "n h l c -> n l (h c)")


class Positions(nn.Module):
    """Learned terms of time and of place, added to tokens (B, T′, N, D)."""

    def __init__(self, size: Dimensions, width: int) -> None:
        super().__init__()
        self.time = nn.Parameter(torch.zeros(size.times, 1, width))
        self.place = nn.Parameter(torch.zeros(size.places, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens in their places."""
        return tokens + self.time + self.place


class SelfAttention(nn.Module):
    """Tokens (n, L, D) are normalised and attend to all tokens of their sequence."""

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.heads = size.heads
        self.norm = nn.LayerNorm(size.width)
        self.query_key_value = nn.Linear(size.width, 3 * size.width)
        self.out = nn.Linear(size.width, size.width)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the residual branch (n, L, D)."""
        query, key, value = self.query_key_value(self.norm(tokens)).chunk(3, dim=-1)
        return self.dropout(self.out(attend(query, key, value, self.heads)))


class Bottleneck(nn.Module):
    """From tokens of width D to normalised ones of width D/2 that know their place."""

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.down = nn.Linear(size.width, size.width // 2)
        self.norm = nn.LayerNorm(size.width // 2)
        self.position = Positions(size, size.width // 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T′, N, D/2)."""
        return self.position(self.norm(self.down(tokens)))


class CrossAttention(nn.Module):
    """One direction of B-CAST: tokens of the receiver query those of the source.

    They are sequences along one axis: all times of a place ("time") or all places of a time.
    """

    def __init__(self, axis: str, size: Dimensions) -> None:
        super().__init__()
        half = size.width // 2
        self.axis, self.heads = axis, size.heads
        self.receiver, self.source = Bottleneck(size), Bottleneck(size)
        self.query, self.key_value = nn.Linear(half, half), nn.Linear(half, 2 * half)
        self.out, self.up = nn.Linear(half, half), nn.Linear(half, size.width)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, receiver: Tensor, source: Tensor) -> Tensor:
        """Return the residual branch (B, T′, N, D) for the receiver."""
        narrow, other = self.receiver(receiver), self.source(source)
        sequences = "b t n d -> (b n) t d" if self.axis == "time" else "b t n d -> (b t) n d"
        narrow, other = rearrange(narrow, sequences), rearrange(other, sequences)
        key, value = self.key_value(other).chunk(2, dim=-1)
        read = self.dropout(self.out(attend(self.query(narrow), key, value, self.heads)))
        back = "(b n) t d -> b t n d" if self.axis == "time" else "(b t) n d -> b t n d"
        return rearrange(self.up(nn.functional.gelu(read)), back, b=len(receiver))


class Layer(nn.Module):
    """Attention in each stream, B-CAST between the two, MLP in each stream."""

    def __init__(self, size: Dimensions, drop_path: float) -> None:
        super().__init__()
        streams = ("spatial", "temporal")
        self.drop_path = DropPath(drop_path)
        self.attention = nn.ModuleDict({name: SelfAttention(size) for name in streams})
        self.connection = nn.ModuleDict({
            "to_spatial": CrossAttention("time", size), "to_temporal": CrossAttention("space", size)
        })  # fmt: skip
        self.feed_forward = nn.ModuleDict({name: self._mlp(size) for name in streams})

    @staticmethod
    def _mlp(size: Dimensions) -> nn.Sequential:
        return nn.Sequential(
            nn.LayerNorm(size.width), nn.Linear(size.width, size.hidden), nn.GELU(),
            nn.Dropout(size.dropout), nn.Linear(size.hidden, size.width), nn.Dropout(size.dropout),
        )  # fmt: skip

    def forward(self, spatial: Tensor, temporal: Tensor) -> tuple[Tensor, Tensor]:
        """Return both streams (B, T′, N, D) after this layer."""
        shape = spatial.shape
        within_frames = self.attention["spatial"](rearrange(spatial, "b t n d -> (b t) n d"))
        spatial = spatial + self.drop_path(within_frames.view(shape))
        over_window = self.attention["temporal"](rearrange(temporal, "b t n d -> b (t n) d"))
        temporal = temporal + self.drop_path(over_window.view(shape))

        to_spatial = self.connection["to_spatial"](spatial, temporal)
        to_temporal = self.connection["to_temporal"](temporal, spatial)
        spatial = spatial + self.drop_path(to_spatial)
        temporal = temporal + self.drop_path(to_temporal)

        spatial = spatial + self.drop_path(self.feed_forward["spatial"](spatial))
        temporal = temporal + self.drop_path(self.feed_forward["temporal"](temporal))
        return spatial, temporal


class PlainCO2Net(nn.Module):
    """CO2-Net with both experts, connected, and without a first guess.

    Raises:
        UsageError: an option that is only in `co2net_phys.model`.
    """

    def __init__(self, config: CO2NetConfig) -> None:
        super().__init__()
        for name, value in LEFT_OUT.items():
            if getattr(config, name) != value:
                raise UsageError(f"the plain network needs {name}={value}; use CO2Net")
        self.config = config
        size, (p, q) = config.dimensions, config.patch
        channels = sum(group.channels for group in config.groups(background=False).values())
        self.tokenizers = nn.ModuleDict({
            "spatial": nn.Conv2d(channels, size.width, (p, q), (p, q)),
            "temporal": nn.Conv3d(channels, size.width, (2, p, q), (2, p, q)),
        })  # fmt: skip
        streams = ("spatial", "temporal")
        self.positions = nn.ModuleDict({name: Positions(size, size.width) for name in streams})
        self.dropout = nn.Dropout(size.dropout)
        deepest = max(1, size.depth - 1)
        self.layers = nn.ModuleList(
            Layer(size, size.drop_path * i / deepest) for i in range(size.depth)
        )
        self.norms = nn.ModuleDict({name: nn.LayerNorm(size.width) for name in streams})
        roles = streams if config.head == "additive" else ("all",)
        self.heads = nn.ModuleDict({role: self._head(size.width, p * q) for role in roles})
        self.probe = nn.Linear(size.width, 4 * p * q) if config.wind_probe else None

    @staticmethod
    def _head(width: int, cells: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU(),
            nn.Linear(width, cells),
        )  # fmt: skip

    def forward(self, batch: Batch) -> Batch:
        """Return CO2 (B, 1, H, W) at the last frame, µmol mol-1, and the probe's wind."""
        patches = self.tokenizers["spatial"](self._frames(batch))
        tokens = rearrange(patches, "(b t) d y x -> b t (y x) d", b=len(batch))
        spatial = self.dropout(self.positions["spatial"](tokens))

        patches = self.tokenizers["temporal"](self._input(batch))
        tokens = rearrange(patches, "b d t y x -> b t (y x) d")
        temporal = self.dropout(self.positions["temporal"](tokens))

        for layer in self.layers:
            spatial, temporal = layer(spatial, temporal)
        spatial, temporal = self.norms["spatial"](spatial), self.norms["temporal"](temporal)
        fields = self._decode(spatial, temporal)
        if self.probe is not None:
            fields |= self._winds(self.probe(temporal))
        return Batch(fields, batch.observations, batch.coordinates)

    def _input(self, batch: Batch) -> Tensor:
        """Everything the network sees, (B, C, T, H, W): stations, weather, embedding."""
        config = self.config
        mean, scale = config.statistics[CO2]
        observed, mask = innovations(batch, mean, scale)  # (B, T, H, W) each
        channels = [observed, mask] if config.mask_channel else [observed]
        for name in config.auxiliaries:
            mean, scale = config.statistics[name]
            field = batch.fields[name].expand(-1, config.frames, -1, -1)
            channels.append((field - mean) / scale)
        known = torch.stack(channels, dim=1)
        if config.embedding == "none":
            return known
        if config.embedding == "wind":
            embedded = wind_embedding(batch.fields["uas"], batch.fields["vas"], batch.coordinates)
        else:
            embedded = climode_embedding(batch.coordinates, config.frame_spacing_s).to(known)
        return torch.cat([known, embedded], dim=1)

    def _frames(self, batch: Batch) -> Tensor:
        """Every second frame of the input by itself, (B·T′, C, H, W)."""
        first = 1 if self.config.spatial_frames == "odd" else 0
        return rearrange(self._input(batch)[:, :, first::2], "b c t h w -> (b t) c h w")

    def _decode(self, spatial: Tensor, temporal: Tensor) -> dict[str, Tensor]:
        """CO2 of the mean token over time, (B, 1, H, W)."""
        mean, scale = self.config.statistics[CO2]
        if self.config.head == "mlp":
            cells = self.heads["all"]((spatial + temporal).mean(dim=1))  # (B, N, p·q)
            return {CO2: mean + scale * self._on_grid(cells)[:, None]}
        cells = self.heads["spatial"](spatial.mean(dim=1))
        particular = scale * self._on_grid(cells)[:, None]
        cells = self.heads["temporal"](temporal.mean(dim=1))
        homogeneous = mean + scale * self._on_grid(cells)[:, None]
        return {CO2: particular + homogeneous, PARTICULAR: particular, HOMOGENEOUS: homogeneous}

    def _winds(self, probed: Tensor) -> dict[str, Tensor]:
        """Eastward and northward wind (B, T, H, W) in m/s of (B, T′, N, 2·2·p·q)."""
        parts = rearrange(probed, "b t n (s v m) -> v b (t s) n m", s=2, v=2)
        winds = {}
        for name, part in zip(("uas", "vas"), parts, strict=True):
            mean, scale = self.config.statistics[name]
            winds[name] = mean + scale * self._on_grid(part)
        return winds

    def _on_grid(self, cells: Tensor) -> Tensor:
        """Put the cells of each patch (..., N, p·q) back where they belong, (..., H, W)."""
        p, q = self.config.patch
        rows = self.config.grid[0] // p
        whole = rearrange(cells, "... (y x) (p q) -> ... (y p) (x q)", y=rows, p=p, q=q)
        return whole.to(next(self.parameters()).dtype)  # autocast computes in 16 bits


def plain_copy(model: CO2Net) -> PlainCO2Net:
    """The plain network with the weights of `model`; its outputs agree to round-off.

    Raises:
        UsageError: `model` has a first guess, or an option that is left out here.
    """
    if model.background is not None:
        raise UsageError("the plain network has no first guess; use background=none")
    plain = PlainCO2Net(model.config).to(model.centre.device, model.centre.dtype)
    plain.load_state_dict(plain_weights(model.state_dict(), model.config))
    return plain


def plain_weights(weights: Mapping[str, Tensor], config: CO2NetConfig) -> dict[str, Tensor]:
    """Rename the weights of a `CO2Net`, and put those of its tokenizers into one kernel each.

    A fast tokenizer has for each group of inputs a matrix (frames, D, C_g·p·q) and a gain; the
    kernel of the convolution is all of them side by side, (D, C, frames, p, q).
    """
    renamed = {}
    for name, weight in weights.items():
        name = re.sub(r"(attention\.(spatial|temporal))\.attention\.", r"\1.", name)
        name = re.sub(r"(to_\w+)\.attention\.", r"\1.", name)
        if "tokenizers" not in name or name.endswith("bias"):
            renamed[name.removeprefix("experts.")] = weight
    groups, (p, q) = config.groups(background=False), config.patch
    for stream, frames in (("spatial", 1), ("temporal", 2)):
        gains = group_gains(groups, p * q * frames) if config.conditioned else {}
        kernels = []
        for name in groups:
            matrices = weights[f"experts.tokenizers.{stream}.weights.{name}"]
            parts = rearrange(matrices, "t d (c p q) -> d c t p q", p=p, q=q)
            kernels.append(gains.get(name, 1.0) * parts)
        kernel = torch.cat(kernels, dim=1)  # (D, C, 1 or 2, p, q)
        renamed[f"tokenizers.{stream}.weight"] = kernel[:, :, 0] if frames == 1 else kernel
    return renamed
