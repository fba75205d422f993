"""The whole series on the device that trains: every frame once, windows are gathered there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.data.free_memory import free_memory
from co2net_phys.data.prefetch import PrefetchedWindows, prefetch
from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Indices, Positions, Windows
from co2net_phys.errors import UsageError

SeriesMode = Literal["auto", "always", "never"]
"""When the series is kept on the device: if it fits, always, never."""

SHARE = 0.4
"""Of the device's free memory that the series may take with "auto"; the rest is the network's. On
80 GB it is 32 GB, and 49,600 frames of the paper's CarbonTracker data take 15 GB."""

READ_BYTES = 2**23
"""Read at once while a series is loaded."""

Progress = Callable[[int, int], None]
"""Told the bytes that are loaded, and those to load."""


@dataclass(frozen=True)
class SeriesPlan:
    """Bytes that a series needs, and those free on its device; None where it does not say."""

    needed: int
    free: int | None

    @property
    def fits(self) -> bool:
        """Whether the series takes no more than `SHARE` of the free memory."""
        return self.free is not None and self.needed <= SHARE * self.free


@dataclass(frozen=True)
class DeviceSeries:
    """Frames of a store on a device, each once.

    Attributes
    ----------
    store
        Where the frames are from.
    place
        (N,) where each frame of the store is in the series, -1 where it is not.
    fields
        (n, H, W) of each variable, or (1, H, W) of a static one, in the units of the schema.
    observed
        (n, S) at all stations of the store, µmol mol-1, NaN where missing.
    seconds, day_phase, year_phase
        (n,) as in the store, float64.
    latitude, longitude
        (H,), (W,) degrees, float64.
    """

    store: TrainingStore
    place: Indices
    fields: dict[str, Tensor]
    observed: Tensor
    seconds: Tensor
    day_phase: Tensor
    year_phase: Tensor
    latitude: Tensor
    longitude: Tensor

    @property
    def device(self) -> torch.device:
        """Where the series is."""
        return self.observed.device

    @property
    def nbytes(self) -> int:
        """Bytes of the fields and observations."""
        return sum(values.nbytes for values in (*self.fields.values(), self.observed))


@dataclass(frozen=True)
class SeriesWindows(Windows):
    """Windows gathered from a series on the device; the same bits as those of the store.

    Raises
    ------
    ValueError
        A window, or the target, is not in the series.
    """

    series: DeviceSeries = field(kw_only=True)

    def __post_init__(self) -> None:
        needed = self.frames(np.arange(len(self)))
        if self.series.store is not self.store or (self.series.place[needed] < 0).any():
            raise ValueError("the series does not hold all frames of the windows")
        if self.with_target and CO2 not in self.series.fields:
            raise ValueError("the series was loaded without the target")

    def batch(self, positions: Positions) -> Batch:
        """Gather the windows at these positions of `ends`; everything is on the device."""
        series = self.series
        index = torch.from_numpy(series.place[self.frames(positions)])
        index = index.to(series.device, non_blocking=True)  # (B, T)
        fields = {name: self._gathered(name, index) for name in self.store.auxiliaries}
        if self.with_target:
            fields[CO2] = _take(series.fields[CO2], index[:, -1:])
        seconds = _take(series.seconds, index)
        coordinates = Coordinates(
            latitude=series.latitude,
            longitude=series.longitude,
            elapsed=seconds - seconds[:, :1],
            day_phase=_take(series.day_phase, index),
            year_phase=_take(series.year_phase, index),
        )
        chosen, latitude, longitude = self._places
        value = _take(series.observed, index).index_select(2, chosen)
        return Batch(fields, Observations(value, latitude, longitude), coordinates)

    def _gathered(self, name: str, index: Tensor) -> Tensor:
        values = self.series.fields[name]
        if VARIABLES[name].static:
            return values.expand(len(index), *values.shape)
        return _take(values, index)

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor, Tensor]:
        """Indices, latitudes and longitudes of the stations, on the device."""
        device, chosen = self.series.device, [self.store.stations[n] for n in self.stations]
        return (
            torch.from_numpy(np.array(self.stations, dtype=np.int64)).to(device),
            torch.tensor([station.latitude for station in chosen], device=device),
            torch.tensor([station.longitude for station in chosen], device=device),
        )


def windows_on(
    device: torch.device,
    blocks: Sequence[Windows],
    mode: SeriesMode = "auto",
    *,
    processes: int = 1,
    progress: Progress | None = None,
) -> list[Windows]:
    """Return the windows of each block as batches on `device`, by the fastest way that fits.

    Either their frames are loaded there once and windows are gathered (`SeriesWindows`), or windows
    are read in the background (`PrefetchedWindows`). The batches are the same, bit for bit.

    Parameters
    ----------
    device
        Where batches are delivered.
    blocks
        Of one store, for example the training and the validation windows.
    mode
        "auto" loads the series where it takes at most `SHARE` of the free memory.
    processes
        That load a series into the same memory: those of this machine where the device is the CPU.
    progress
        Told the bytes loaded and those to load.

    Raises
    ------
    UsageError
        "always", and the series does not fit.
    DataError
        The store cannot be read.
    """
    if mode != "never":
        plan = plan_series(device, blocks, processes)
        if mode == "always" and plan.free is not None and plan.needed > plan.free:
            raise _too_large(device, plan)
        if mode == "always" or plan.fits:
            series = load_series(device, blocks, progress)
            return [SeriesWindows(*_parts(block), series=series) for block in blocks]
    return [PrefetchedWindows(*_parts(block), device=device) for block in blocks]


def plan_series(device: torch.device, blocks: Sequence[Windows], processes: int = 1) -> SeriesPlan:
    """Memory that the series of these windows needs, and that `device` has, for each process."""
    store, count = blocks[0].store, len(_frames_of(blocks))
    cells = store.shape[0] * store.shape[1]
    varying = sum(not VARIABLES[name].static for name in _names(blocks))
    static = len(_names(blocks)) - varying
    needed = 4 * ((count * varying + static) * cells + count * len(store.stations))
    free = free_memory(device)
    return SeriesPlan(needed, None if free is None else free // processes)


def load_series(
    device: torch.device, blocks: Sequence[Windows], progress: Progress | None = None
) -> DeviceSeries:
    """Read the frames of these windows, of one store, to `device`; the store then forgets its own.

    The host holds a few reads of `READ_BYTES` at a time.

    Raises
    ------
    UsageError
        The memory of the device is exhausted.
    DataError
        The store cannot be read, has no observations, or weather with holes.
    """
    store, frames = blocks[0].store, _frames_of(blocks)
    place = np.full(len(store), -1, dtype=np.int64)
    place[frames] = np.arange(len(frames))
    plan, loaded = plan_series(device, blocks), 0
    fields: dict[str, Tensor] = {}
    try:
        for name in (*_names(blocks), STATION_CO2):
            static = name in VARIABLES and VARIABLES[name].static
            width = (len(store.stations),) if name == STATION_CO2 else store.shape
            fields[name] = torch.empty((1 if static else len(frames), *width), device=device)
            pieces = _static(store, name) if static else _pieces(store, name, frames)
            for start, values in pieces:
                fields[name][start : start + len(values)] = torch.from_numpy(values)
                loaded += values.nbytes
                if progress is not None:
                    progress(loaded, plan.needed)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _too_large(device, plan) from error
    store.release()
    observed = fields.pop(STATION_CO2)
    return DeviceSeries(store, place, fields, observed, *_axes(store, frames, device))


def _take(values: Tensor, index: Tensor) -> Tensor:
    """Rows of `values` (n, …) at an index of any shape, as (*index.shape, …)."""
    if values.device.type == "cpu":
        # In this thread alone: torch's wait for each other where the cores are busy training.
        return torch.from_numpy(values.numpy()[index.numpy()])
    return values.index_select(0, index.reshape(-1)).reshape(*index.shape, *values.shape[1:])


def _parts(block: Windows) -> tuple[TrainingStore, Indices, Indices, int, bool, int]:
    """What any kind of windows is made of."""
    return (
        block.store, block.ends, block.stations, block.length, block.with_target, block.spacing,
    )  # fmt: skip


def _names(blocks: Sequence[Windows]) -> tuple[str, ...]:
    target = (CO2,) if any(block.with_target for block in blocks) else ()
    return (*blocks[0].store.auxiliaries, *target)


def _frames_of(blocks: Sequence[Windows]) -> Indices:
    """All frames of the windows of all blocks, ascending, each once."""
    used = [block.frames(np.arange(len(block))).ravel() for block in blocks]
    return np.unique(np.concatenate(used))


def _static(store: TrainingStore, name: str) -> Iterator[tuple[int, NDArray[np.float32]]]:
    yield 0, store.field(name, [])[None]


def _pieces(
    store: TrainingStore, name: str, frames: Indices
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Consecutive frames of a variable, read in the background, with the place of the first.

    Pieces end where chunks of the file do, so that each chunk is read once.
    """
    chunk = store.frames_per_read(name)
    cells = 1 if name == STATION_CO2 else store.shape[0] * store.shape[1]
    many = chunk * max(1, READ_BYTES // (4 * cells * chunk))
    ends = (np.diff(frames) != 1) | (np.diff(frames // many) != 0)
    starts = np.concatenate([[0], np.flatnonzero(ends) + 1])
    counts = np.diff([*starts, len(frames)])

    def read(piece: tuple[int, int]) -> tuple[int, NDArray[np.float32]]:
        start, count = piece
        first = int(frames[start])
        return start, store.read_once(name, first, first + count)

    return prefetch(read, zip(starts.tolist(), counts.tolist(), strict=True))


def _axes(store: TrainingStore, frames: Indices, device: torch.device) -> tuple[Tensor, ...]:
    of_frames = (store.seconds[frames], store.day_phase[frames], store.year_phase[frames])
    axes = (*of_frames, store.latitude, store.longitude)
    return tuple(torch.tensor(axis, device=device) for axis in axes)


def _too_large(device: torch.device, plan: SeriesPlan) -> UsageError:
    free = "not enough is" if plan.free is None else f"{plan.free / 2**30:.1f} GB are"
    return UsageError(
        f"--series-on-device: the series takes {plan.needed / 2**30:.1f} GB and {free} free on "
        f"{device}; use never, which reads from the store"
    )
