"""CO2-Net: from a window of stations, weather and wind to the CO2 field at its last frame."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import torch
from einops import rearrange
from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from torch import Tensor, nn

from co2net_phys.batch import Batch
from co2net_phys.data.schema import AUXILIARIES, BACKGROUND, CO2, VARIABLES
from co2net_phys.errors import DataError, UsageError
from co2net_phys.nn.blocks import Dimensions, Experts, Head, Stream, fuse, initialise_linear
from co2net_phys.nn.embeddings import Embedding
from co2net_phys.nn.rasterise import innovations
from co2net_phys.nn.tokenizer import (
    EXPECTED_STATIONS,
    Group,
    Tokenizer,
    compute_dtype,
    patchify,
    tiling_problems,
    unpatchify,
)

WIND = ("uas", "vas")
"""Eastward and northward wind, the pair that the probe recovers."""

PARTICULAR, HOMOGENEOUS = f"{CO2}_particular", f"{CO2}_homogeneous"
"""Fields of the additive head, whose sum is `CO2`. The first guess belongs to the homogeneous one,
which carries the initial state."""

DECODED = f"{CO2}_decoded"
"""CO2 at the odd frames (B, T/2, H, W), µmol mol-1, when `decode_times` is set."""


class Size(NamedTuple):
    """Dimensions and default regularisation of one size of the network."""

    width: int
    depth: int
    heads: int
    hidden: int
    regularisation: float


SIZES: Mapping[str, Size] = MappingProxyType(
    {
        "XS": Size(192, 2, 3, 768, 0.0),
        "S": Size(768, 1, 12, 3072, 0.2),
        "B": Size(768, 4, 12, 3072, 0.2),
        "L": Size(768, 12, 12, 3072, 0.2),
    }
)
"""S, B, L as in the paper (38, 95, 247 M parameters); XS for CPUs, tests and the demo."""


class CO2NetConfig(BaseModel):
    """Everything that fixes the network's structure and the units of its inputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    statistics: Mapping[str, tuple[float, float]]
    """Mean and standard deviation of CO2 and each auxiliary in its unit, from training frames."""
    size: Literal["XS", "S", "B", "L"] = "S"
    frames: int = 8
    grid: tuple[int, int] = (90, 120)
    patch: tuple[int, int] = (9, 12)
    auxiliaries: tuple[str, ...] = AUXILIARIES
    mask_channel: bool = True
    """Whether a channel says where stations report (`False`: paper)."""
    conditioned: bool = True
    """Whether groups of inputs get gains (`False`: paper); see `co2net_phys.nn.tokenizer`."""
    embedding: Literal["wind", "climode", "none"] = "wind"
    wind_scaling: Literal["physical", "index"] = "physical"
    frame_spacing_s: float = 10800.0
    """Seconds between frames; a day or more leaves out the daily terms of the embedding."""
    experts: Literal["both", "spatial", "temporal"] = "both"
    connection: Literal["bcast", "none"] = "bcast"
    head: Literal["mlp", "additive"] = "mlp"
    decode_times: bool = False
    """Decode each token time (field `DECODED`; the last is the prediction), not their mean."""
    spatial_frames: Literal["odd", "even"] = "odd"
    """Frames that the spatial expert sees; the newest one is odd (`even`: paper)."""
    withhold_wind: bool = False
    """Keep the wind out of the input, so that the probe cannot copy it."""
    wind_probe: bool = True
    drop_path: float | None = None
    dropout: float | None = None

    @property
    def dimensions(self) -> Dimensions:
        """Dimensions of the transformer layers."""
        size = SIZES[self.size]
        places = (self.grid[0] // self.patch[0]) * (self.grid[1] // self.patch[1])
        return Dimensions(
            times=self.frames // 2,
            places=places,
            width=size.width,
            depth=size.depth,
            heads=size.heads,
            hidden=size.hidden,
            dropout=size.regularisation if self.dropout is None else self.dropout,
            drop_path=size.regularisation if self.drop_path is None else self.drop_path,
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        """Auxiliaries the network sees: all of them but a withheld wind."""
        withheld = WIND if self.withhold_wind else ()
        return tuple(name for name in self.auxiliaries if name not in withheld)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Names of the experts."""
        return ("spatial", "temporal") if self.experts == "both" else (self.experts,)

    def make_embedding(self) -> Embedding:
        """Return the module that makes the embedding channels."""
        kind, scaling, spacing = self.embedding, self.wind_scaling, self.frame_spacing_s
        return Embedding(kind, scaling, spacing, wind_withheld=self.withhold_wind)

    def groups(self, *, background: bool) -> dict[str, Group]:
        """Return the groups of input channels, in order; see `co2net_phys.nn.tokenizer`."""
        seen = 2 if self.mask_channel else 1
        occupied = min(1.0, EXPECTED_STATIONS / (self.grid[0] * self.grid[1]))
        embedding = self.make_embedding()
        groups = {
            "observations": Group(seen, seen * occupied),
            "background": Group(int(background), 1.0),
            "auxiliaries": Group(len(self.inputs), float(len(self.inputs))),
            "embedding": Group(embedding.channels, embedding.mean_square),
        }
        return {name: group for name, group in groups.items() if group.channels}

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[CO2NetConfig]) -> CO2NetConfig:
        try:
            config = handler(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "configuration"
            raise UsageError(f"model.{where}: {first['msg']}") from error
        for problem in config._problems():
            raise UsageError(f"model.{problem}")
        return config

    def _problems(self) -> list[str]:
        found = [f"patch: {text}" for text in tiling_problems(self.grid, self.patch)]
        found += self._statistics_problems()
        if self.frames < 2 or self.frames % 2:
            found.append(f"frames: {self.frames} is not an even number of at least 2")
        if len(self.streams) == 1 and self.connection != "none":
            found.append("connection: one expert has nothing to connect to; set connection=none")
        if len(self.streams) == 1 and self.head == "additive":
            found.append("head: 'additive' adds two experts; set experts=both or head=mlp")
        if self.wind_probe and "temporal" not in self.streams:
            found.append("wind_probe: reads the temporal expert; set wind_probe=false")
        for name in ("dropout", "drop_path"):
            if not 0 <= (getattr(self, name) or 0.0) < 1:
                found.append(f"{name}: must be at least 0 and less than 1")
        return found

    def _statistics_problems(self) -> list[str]:
        unknown = [name for name in self.auxiliaries if name not in VARIABLES or name == CO2]
        if unknown:
            known = ", ".join(name for name in VARIABLES if name != CO2)
            return [f"auxiliaries: {unknown[0]!r} is not one of {known}"]
        if len(set(self.auxiliaries)) < len(self.auxiliaries):
            return ["auxiliaries: name each variable once"]
        index = self.wind_scaling == "index" and self.make_embedding().needs_wind
        needed = [CO2, *self.inputs, *(WIND if self.wind_probe or index else ())]
        for name in needed:
            if name not in self.statistics:
                return [f"statistics: no mean and spread of {name!r}; compute them from the store"]
            if not self.statistics[name][1] > 0:
                return [f"statistics: the spread of {name!r} is not positive; drop the variable"]
        return []


class CO2Net(nn.Module):
    """CO2-Net as a map from a `Batch` to a `Batch`.

    Without a background the network predicts mean + σ·(its output). With one (a module that maps
    a batch to a batch with the field `CO2`, (B, 1, H, W) at the last frame, or (B, T, H, W)) it
    predicts a correction, background + σ·(its output), which is exactly zero before training. The
    background, normalised, is then an input, and the observation channel holds innovations as in
    data assimilation: (observation − background in the station's cell)/σ. A background given at the
    last frame only serves all frames, so that the innovations of earlier frames contain the change
    of the background since. A batch that carries the field `BACKGROUND` uses it instead of calling
    the module, so that training can cache it; without a module that field is ignored.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, config: CO2NetConfig, background: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.background = background
        self.embedding = config.make_embedding()
        size, cells = config.dimensions, config.patch[0] * config.patch[1]
        self.experts = Experts(self._tokenizers(), size, connected=config.connection == "bcast")
        initialise_linear(self.experts)
        zero = background is not None
        roles = config.streams if config.head == "additive" else ("all",)
        self.heads = nn.ModuleDict({role: Head(size.width, cells, zero=zero) for role in roles})
        self.probe = nn.Linear(size.width, 4 * cells) if config.wind_probe else None
        self.mean, self.scale = config.statistics[CO2]
        moments = [config.statistics[name] for name in config.inputs]
        for part, name in enumerate(("centre", "spread")):
            values = torch.tensor([pair[part] for pair in moments])
            self.register_buffer(name, rearrange(values, "k -> k 1 1"), persistent=False)

    def forward(self, batch: Batch) -> Batch:
        """Return a batch with the fields the network predicts, in physical units.

        `CO2` (B, 1, H, W) at the last frame, µmol mol-1; with the wind probe "uas" and "vas"
        (B, T, H, W), m/s; with the additive head `PARTICULAR` and `HOMOGENEOUS` (B, 1, H, W); with
        `decode_times` also `DECODED`. Fields of the input are not passed on, and its `CO2`, the
        target, is not read.
        """
        self._check(batch)
        background = self._first_guess(batch)  # (B, 1 or T, H, W) or None
        hidden = self.experts(self._patches(batch, background))  # {stream: (B, T/2, N, D)}
        fields = self._decode(hidden, background)
        if self.probe is not None:
            fields |= self._winds(hidden["temporal"])
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

    def _check(self, batch: Batch) -> None:
        expected = (self.config.frames, *self.config.grid)
        found = (batch.frames, *batch.coordinates.shape)
        if found != expected:
            raise UsageError(
                f"the batch has (frames, rows, columns) {found}, the model {expected}; "
                "set model.frames and model.grid to those of the data"
            )

    @torch.no_grad()
    def _first_guess(self, batch: Batch) -> Tensor | None:
        if self.background is None:
            return None
        if BACKGROUND in batch.fields:
            return batch.fields[BACKGROUND]
        guess: Batch = self.background(batch)
        return guess.fields[CO2]

    def _patches(self, batch: Batch, background: Tensor | None) -> dict[str, Tensor]:
        """Return {group: (2, B, T/2, N, C_g·p·q)}, normalised; made once for both experts."""
        reference = self.mean if background is None else background
        innovation, mask = innovations(batch, reference, self.scale)  # (B, T, H, W) each
        seen = [innovation, mask] if self.config.mask_channel else [innovation]
        groups = {"observations": torch.stack(seen, dim=2)}  # (B, T, C_g, H, W)
        if background is not None:
            level = ((background - self.mean) / self.scale).expand(-1, batch.frames, -1, -1)
            groups["background"] = rearrange(level, "b t h w -> b t 1 h w")
        if self.config.inputs:
            fields = [self._field(batch, name) for name in self.config.inputs]
            groups["auxiliaries"] = torch.stack(fields, dim=2).sub_(self.centre).div_(self.spread)
        patch = self.config.patch
        patches = {name: patchify(x.to(compute_dtype(x)), patch) for name, x in groups.items()}
        if self.embedding.channels:
            u, v = self._embedded_wind(batch)
            embedded = self.embedding(batch.coordinates, u, v, patch)
            # Phases of the calendar are in double precision.
            patches["embedding"] = embedded.to(compute_dtype(self.centre))
        return patches

    def _embedded_wind(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """Return u and v (B, T, H, W) in m/s, or z-scored for the index scaling."""
        if not self.embedding.needs_wind:
            return None, None
        u, v = (self._field(batch, name) for name in WIND)
        if self.config.wind_scaling == "index":
            mean, deviation = self.config.statistics["vas"]
            v = (v - mean) / deviation
        return u, v

    @staticmethod
    def _field(batch: Batch, name: str) -> Tensor:
        if name not in batch.fields:
            raise DataError(
                f"the batch has no field {name!r}; add it to the store or drop it from the model"
            )
        return batch.fields[name].expand(-1, batch.frames, -1, -1)  # (B, T, H, W)

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
        fields = {CO2: total[:, -1:]}
        if self.config.head == "additive":
            fields[PARTICULAR] = parts["spatial"][:, -1:]
            fields[HOMOGENEOUS] = (base + parts["temporal"])[:, -1:]
        if self.config.decode_times:
            fields[DECODED] = total
        return fields

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
