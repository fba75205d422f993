"""The one container every method reads and returns.

File → validated Dataset → `Batch` → method → `Batch` → Dataset: a network, a kriging system and a
station mean are all maps from one `Batch` to another, so that they can be trained, compared and
written by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Coordinates:
    """Where and when the frames of a batch are; validated on construction.

    Phases rather than dates, so that every calendar (standard, noleap, 360_day) looks alike.
    """

    latitude: Tensor
    """(H,) degrees north, ascending."""
    longitude: Tensor
    """(W,) degrees east, ascending."""
    elapsed: Tensor
    """(B, T) seconds since the first frame of each window."""
    day_phase: Tensor
    """(B, T) fraction of the UTC day, in [0, 1)."""
    year_phase: Tensor
    """(B, T) fraction of the calendar year, in [0, 1)."""

    def __post_init__(self) -> None:
        for name in ("latitude", "longitude"):
            axis = getattr(self, name)
            if axis.ndim != 1 or bool((torch.diff(axis) <= 0).any()):
                raise ValueError(f"{name} must be one-dimensional and strictly ascending")
        if bool((self.latitude.abs() > 90).any()):
            raise ValueError("latitude must lie in [-90, 90] degrees")
        for name in ("elapsed", "day_phase", "year_phase"):
            if getattr(self, name).shape != self.elapsed.shape or self.elapsed.ndim != 2:
                raise ValueError(f"{name} must have the shape (batch, frames)")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W): number of latitudes and longitudes."""
        return len(self.latitude), len(self.longitude)


@dataclass(frozen=True)
class Observations:
    """CO2 seen at stations during the frames of a batch."""

    value: Tensor
    """(B, T, S) µmol mol-1, NaN where a station does not report."""
    latitude: Tensor
    """(S,) degrees north."""
    longitude: Tensor
    """(S,) degrees east."""

    def __post_init__(self) -> None:
        count = self.value.shape[-1]
        if self.value.ndim != 3:
            raise ValueError("observed values must have the shape (batch, frames, stations)")
        if self.latitude.shape != (count,) or self.longitude.shape != (count,):
            raise ValueError("each station needs one latitude and one longitude")


@dataclass(frozen=True)
class Batch:
    """Gridded fields and station observations of B windows of T frames.

    Fields have the shape (B, n, H, W) where n is T for what changes from frame to frame and 1 for
    what belongs to the whole window (orography, a background, the target at the last frame). Names
    and units are those of `co2net_phys.data.schema`; nothing in a batch is normalised.
    """

    fields: Mapping[str, Tensor]
    observations: Observations
    coordinates: Coordinates

    def __post_init__(self) -> None:
        size = len(self)
        for name, field in self.fields.items():
            expected = (size, field.shape[1] if field.ndim == 4 else -1, *self.coordinates.shape)
            if tuple(field.shape) != expected:
                raise ValueError(f"field {name!r} is {tuple(field.shape)}, expected {expected}")
        if tuple(self.observations.value.shape[:2]) != tuple(self.coordinates.elapsed.shape):
            raise ValueError("observations and coordinates disagree about (batch, frames)")

    def __len__(self) -> int:
        return int(self.coordinates.elapsed.shape[0])

    @property
    def frames(self) -> int:
        """Number of frames T in each window."""
        return int(self.coordinates.elapsed.shape[1])

    def with_fields(self, **fields: Tensor) -> Batch:
        """Return a copy with these fields (B, n, H, W) added or replaced."""
        return replace(self, fields={**self.fields, **fields})

    def windows(self, chosen: Tensor) -> Batch:
        """Return the batch of the chosen windows; `chosen` is a boolean (B,)."""
        coordinates = self.coordinates
        return Batch(
            fields={name: field[chosen] for name, field in self.fields.items()},
            observations=replace(self.observations, value=self.observations.value[chosen]),
            coordinates=replace(
                coordinates,
                elapsed=coordinates.elapsed[chosen],
                day_phase=coordinates.day_phase[chosen],
                year_phase=coordinates.year_phase[chosen],
            ),
        )

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with every tensor on `device`."""
        coordinates = self.coordinates
        return Batch(
            fields={
                name: field.to(device, non_blocking=True) for name, field in self.fields.items()
            },
            observations=Observations(
                value=self.observations.value.to(device, non_blocking=True),
                latitude=self.observations.latitude.to(device),
                longitude=self.observations.longitude.to(device),
            ),
            coordinates=Coordinates(
                latitude=coordinates.latitude.to(device),
                longitude=coordinates.longitude.to(device),
                elapsed=coordinates.elapsed.to(device),
                day_phase=coordinates.day_phase.to(device),
                year_phase=coordinates.year_phase.to(device),
            ),
        )
