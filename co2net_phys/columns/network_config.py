"""What fixes an emulator of tracer columns: its sizes, its grid, and how its inputs are scaled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain

from pydantic import Field

from co2net_phys.columns.schema import (
    EMISSION,
    PROFILE_INPUTS,
    SURFACE_INPUTS,
    TRACER,
    VARIABLES,
)
from co2net_phys.learned_model import ModelConfig

COMPRESSED = (TRACER, EMISSION, "pr", "prc", "hus", "edt", "mc")
"""Inputs that are never negative and span decades; they enter as arsinh(x/scale)."""

WIND = ("ua", "va")
"""Components of a horizontal vector, which change sign beyond a pole. Their mean counts as 0, so
that this is so for the scaled ones as well."""

Scaling = tuple[float, float, float]
"""Scale (unit of the variable), then mean and spread of what enters: of arsinh(x/scale), or of
x/scale where the variable is not `COMPRESSED`."""

LARGEST_GRID, LARGEST_WIDTH = 4096, 4096
"""Bounds of sizes in a configuration, which may come from a stranger's checkpoint."""


class ColumnConfig(ModelConfig):
    """Everything needed to make the network again without data; defaults of the paper.

    What the slides of the paper do not say, and is chosen here: the number of frames, the kernel
    of the ConvLSTM, activations, scaling, and what is read out (see `Exchange`).
    """

    latitude: tuple[float, ...] = Field(min_length=2, max_length=LARGEST_GRID)
    """Degrees north of the rows, ascending."""
    columns: int = Field(ge=2, le=LARGEST_GRID)
    """Longitudes around the globe: an even number, so that a meridian has an opposite one."""
    levels: int = Field(ge=1, le=200)
    """Layers L, from the ground up."""
    statistics: Mapping[str, tuple[Scaling, ...]]
    """Of each two-dimensional input (one), and of each profile (one per level)."""
    increment: tuple[float, ...]
    """Root mean square of the tracer's change from frame to frame at each level, kg kg-1."""
    thickness: tuple[tuple[float, float], ...]
    """Δap (Pa) and Δb of each layer: its air weighs |Δap + Δb ps| / g."""
    interval: float = Field(gt=0, allow_inf_nan=False)
    """Seconds between frames."""
    frames: int = Field(default=4, ge=2, le=64)
    """Frames T that the network reads."""
    width: int = Field(default=64, ge=1, le=LARGEST_WIDTH)
    """Features of the encoders and of the ConvLSTM."""
    encoder_kernel: int = Field(default=5, ge=1, le=15)
    depth: int = Field(default=3, ge=1, le=32)
    """Layers of the ConvLSTM."""
    kernel: int = Field(default=3, ge=1, le=15)
    """Of the ConvLSTM, odd; 3 as in the networks of its paper with 64 features a layer."""
    reach: int = Field(default=2, ge=1, le=8)
    """Cells in each direction that the tracer of a cell may come from between two frames."""

    @property
    def encoder_margin(self) -> int:
        """Cells that an encoder's inputs are padded by, for its two convolutions together."""
        return 2 * (self.encoder_kernel // 2)

    @property
    def rows_at_poles(self) -> bool:
        """Whether the outermost rows are the poles themselves."""
        return max(abs(self.latitude[0]), abs(self.latitude[-1])) > 90 - 1e-3

    def _problems(self) -> list[str]:
        found = [
            f"{name}: {size} is even; a convolution needs a middle, choose an odd number"
            for name, size in (("encoder_kernel", self.encoder_kernel), ("kernel", self.kernel))
            if size % 2 == 0
        ]
        margin = max(self.encoder_margin, self.kernel // 2, self.reach)
        if margin > min(len(self.latitude) - 1, self.columns):
            found.append("latitude: fewer rows or columns than kernels reach; choose a finer grid")
        if self.columns % 2:
            found.append(f"columns: {self.columns} longitudes have no opposite meridians")
        steps = zip(self.latitude[1:], self.latitude, strict=False)
        if any(north <= south for north, south in steps) or max(map(abs, self.latitude)) > 90:
            found.append("latitude: does not ascend between -90 and 90 degrees")
        return found + self._statistics_problems()

    def _statistics_problems(self) -> list[str]:
        for name in (*SURFACE_INPUTS, *PROFILE_INPUTS):
            wanted = 1 if name in SURFACE_INPUTS else self.levels
            given = self.statistics.get(name, ())
            if len(given) != wanted:
                return [f"statistics: {len(given)} of {name!r} where {wanted} are needed"]
            if not all(map(math.isfinite, chain.from_iterable(given))):
                return [f"statistics: a number of {name!r} is not finite"]
            if not all(scale > 0 and spread > 0 for scale, _, spread in given):
                return [f"statistics: a scale or spread of {name!r} is not positive"]
            if name in WIND and any(mean != 0 for _, mean, _ in given):
                return [f"statistics: the mean of {name!r} must be 0, it changes sign at the poles"]
        unknown = [name for name in self.statistics if name not in VARIABLES]
        if unknown:
            return [f"statistics: {unknown[0]!r} is no input"]
        for name, sizes in (("increment", self.increment), ("thickness", self._air())):
            if len(sizes) != self.levels or not all(0 < size < math.inf for size in sizes):
                return [f"{name}: needs {self.levels} positive numbers, one per level"]
        return []

    def _air(self) -> tuple[float, ...]:
        """What each layer weighs, in Pa."""
        return tuple(abs(offset + share * 1e5) for offset, share in self.thickness)


class PlainConfig(ColumnConfig):
    """Of the rival without fusion; a checkpoint knows its network by the kind of configuration."""
