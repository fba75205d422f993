"""What every learned network is told: its window, its inputs, and the units of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from co2net_phys.data.schema import AUXILIARIES, CO2, TARGETS, VARIABLES
from co2net_phys.learned_model import ModelConfig
from co2net_phys.nn.embeddings import Embedding
from co2net_phys.nn.tokenizer import EXPECTED_STATIONS, Group

WIND = ("uas", "vas")
"""Eastward and northward wind, the pair that CO2-Net's probe recovers."""


class NetworkConfig(ModelConfig):
    """What the training engine, the losses and the files read of any network.

    A `target_variable` other than CO2 (CO2-Net paper, table 13) is reconstructed in the same way
    from values at the same stations, the wind and the other auxiliaries. The stations of a store
    observe CO2 only, so the values are those of the target's own gridded field at the sites,
    without noise, at the times at which the station reports; see `co2net_phys.targets`. The gridded
    target is then no input, whether `auxiliaries` name it or not, and CO2 is none either.
    """

    statistics: Mapping[str, tuple[float, float]]
    """Mean and standard deviation of the target and each auxiliary in its unit, from training
    frames."""
    target_variable: str = CO2
    """What is reconstructed: CO2, surface pressure, humidity or temperature."""
    frames: int = 8
    grid: tuple[int, int] = (90, 120)
    auxiliaries: tuple[str, ...] = AUXILIARIES
    mask_channel: bool = True
    """Whether a channel says where stations report (`False`: paper)."""
    embedding: Literal["wind", "climode", "none"] = "wind"
    wind_scaling: Literal["physical", "index"] = "physical"
    frame_spacing_s: float = 10800.0
    """Seconds between frames; a day or more leaves out the daily terms of the embedding."""
    withhold_wind: bool = False
    """Keep the wind out of the input, so that a probe cannot copy it."""

    own_losses: ClassVar[Mapping[str, float]] = MappingProxyType({})
    """Names and weights of the loss terms that `Network.own_losses` adds to the engine's."""

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
        return (self.target_variable,)

    @property
    def predicts_variance(self) -> bool:
        """Whether the network states a standard error."""
        return len(self.outputs) > 1

    @property
    def probes_wind(self) -> bool:
        """Whether the network gives the wind as well, for the wind-recovery loss."""
        return False

    @property
    def frames_read(self) -> int:
        """Frames of the window that the network reads, the last ones: 1 of a static method."""
        return self.frames

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

    def channels(self, *, background: bool) -> int:
        """Number C of input channels of a frame."""
        return sum(group.channels for group in self.groups(background=background).values())

    def _problems(self) -> list[str]:
        found = super()._problems()
        for axis, cells in zip(("rows", "columns"), self.grid, strict=True):
            if cells < 1:
                found.append(f"grid: {cells} {axis} are none")
        found += self._statistics_problems()
        if self.frames < 2 or self.frames % 2:
            found.append(f"frames: {self.frames} is not an even number of at least 2")
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
        needed = [target, *self.inputs, *(WIND if self.probes_wind or index else ())]
        for name in needed:
            if name not in self.statistics:
                return [f"statistics: no mean and spread of {name!r}; compute them from the store"]
            if not self.statistics[name][1] > 0:
                return [f"statistics: the spread of {name!r} is not positive; drop the variable"]
        return []
