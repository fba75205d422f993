"""What fixes CO2-Net: its size, its inputs and their units, and which parts are switched on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from co2net_phys.data.schema import AUXILIARIES, CO2, TARGETS, VARIABLES, standard_error_name
from co2net_phys.errors import UsageError
from co2net_phys.nn.blocks import Dimensions, Stream
from co2net_phys.nn.embeddings import Embedding
from co2net_phys.nn.tokenizer import EXPECTED_STATIONS, Group, tiling_problems

WIND = ("uas", "vas")
"""Eastward and northward wind, the pair that the probe recovers."""


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
    """Everything that fixes the network's structure and the units of its inputs.

    A `target_variable` other than CO2 (CO2-Net paper, table 13) is reconstructed in the same way
    from values at the same stations, the wind and the other auxiliaries. The stations of a store
    observe CO2 only, so the values are those of the target's own gridded field at the sites,
    without noise, at the times at which the station reports; see `co2net_phys.targets`. The gridded
    target is then no input, whether `auxiliaries` name it or not, and CO2 is none either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    statistics: Mapping[str, tuple[float, float]]
    """Mean and standard deviation of the target and each auxiliary in its unit, from training
    frames."""
    target_variable: str = CO2
    """What is reconstructed: CO2, surface pressure, humidity or temperature."""
    predict_variance: bool = False
    """Predict a standard error for each cell as well (a second head; `gaussian_loss` trains it)."""
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
        """Auxiliaries the network sees: all of them but the target and a withheld wind."""
        withheld = (self.target_variable, *(WIND if self.withhold_wind else ()))
        return tuple(name for name in self.auxiliaries if name not in withheld)

    @property
    def embedded_wind(self) -> tuple[str, ...]:
        """Wind components that the embedding reads: what is no input is not read there either."""
        return tuple(name for name in WIND if name in self.inputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Fields of a reconstruction: the target, and its standard error if it is predicted."""
        error = (standard_error_name(self.target_variable),) if self.predict_variance else ()
        return (self.target_variable, *error)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Names of the experts."""
        return ("spatial", "temporal") if self.experts == "both" else (self.experts,)

    def make_embedding(self) -> Embedding:
        """Return the module that makes the embedding channels."""
        kind, scaling, spacing = self.embedding, self.wind_scaling, self.frame_spacing_s
        return Embedding(kind, scaling, spacing, wind_withheld=not self.embedded_wind)

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
        target = self.target_variable
        if target not in TARGETS:
            return [f"target_variable: {target!r} is not one of {', '.join(TARGETS)}"]
        unknown = [name for name in self.auxiliaries if name not in VARIABLES or name == CO2]
        if unknown:
            known = ", ".join(name for name in VARIABLES if name != CO2)
            return [f"auxiliaries: {unknown[0]!r} is not one of {known}"]
        if len(set(self.auxiliaries)) < len(self.auxiliaries):
            return ["auxiliaries: name each variable once"]
        index = self.wind_scaling == "index" and self.make_embedding().needs_wind
        needed = [target, *self.inputs, *(WIND if self.wind_probe or index else ())]
        for name in needed:
            if name not in self.statistics:
                return [f"statistics: no mean and spread of {name!r}; compute them from the store"]
            if not self.statistics[name][1] > 0:
                return [f"statistics: the spread of {name!r} is not positive; drop the variable"]
        return []
