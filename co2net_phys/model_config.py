"""What fixes CO2-Net: its size, its inputs and their units, and which parts are switched on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from co2net_phys.data.schema import standard_error_name
from co2net_phys.network_config import WIND, NetworkConfig
from co2net_phys.nn.blocks import Dimensions, Stream
from co2net_phys.nn.tokenizer import tiling_problems

__all__ = ["SIZES", "WIND", "CO2NetConfig", "Size"]


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


class CO2NetConfig(NetworkConfig):
    """Everything that fixes CO2-Net's structure, beside what it has in common with any network."""

    predict_variance: bool = False
    """Predict a standard error for each cell as well (a second head; `gaussian_loss` trains it)."""
    size: Literal["XS", "S", "B", "L"] = "S"
    patch: tuple[int, int] = (9, 12)
    conditioned: bool = True
    """Whether groups of inputs get gains (`False`: paper); see `co2net_phys.nn.tokenizer`."""
    experts: Literal["both", "spatial", "temporal"] = "both"
    connection: Literal["bcast", "none"] = "bcast"
    head: Literal["mlp", "additive"] = "mlp"
    decode_times: bool = False
    """Decode each token time (field `DECODED`; the last is the prediction), not their mean."""
    spatial_frames: Literal["odd", "even"] = "odd"
    """Frames that the spatial expert sees; the newest one is odd (`even`: paper)."""
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
    def outputs(self) -> tuple[str, ...]:
        """Fields of a reconstruction: the target, and its standard error if it is predicted."""
        error = (standard_error_name(self.target_variable),) if self.predict_variance else ()
        return (self.target_variable, *error)

    @property
    def probes_wind(self) -> bool:
        """Whether the network gives the wind as well, for the wind-recovery loss."""
        return self.wind_probe

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Names of the experts."""
        return ("spatial", "temporal") if self.experts == "both" else (self.experts,)

    def _problems(self) -> list[str]:
        found = [f"patch: {text}" for text in tiling_problems(self.grid, self.patch)]
        found += super()._problems()
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
