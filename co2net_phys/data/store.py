"""A training store opened for reading: fields, observations and times by frame index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.frame_cache import FrameCache
from co2net_phys.data.kinds import SURFACE
from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2, validate_store
from co2net_phys.data.stations import Station, checked_code
from co2net_phys.data.store_units import in_schema_units
from co2net_phys.errors import DataError

Frames = Sequence[int] | NDArray[np.int64]

MEMORY_LIMIT_BYTES = 6 * 2**30
"""Stores smaller than this are read once and kept; larger ones are read in blocks of frames."""

CACHE_BYTES = 2**29
"""Blocks of frames kept of a larger store, for the next window that needs them."""


class TrainingStore:
    """Read access to a validated store.

    Attributes
    ----------
    latitude, longitude
        (H,), (W,) degrees, ascending.
    seconds
        (N,) seconds of every frame since the first.
    day_phase, year_phase
        (N,) fractions of the UTC day and of the calendar year, in [0, 1).
    auxiliaries
        Names of the auxiliary variables present, in the order of the schema.
    stations
        The stations of the store, in its order.

    With `need_target` false the gridded `CO2`, which only training and scoring read, may be absent.
    Threads may read from one store at once.
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        source: str,
        memory_limit: int = MEMORY_LIMIT_BYTES,
        *,
        need_target: bool = True,
        cache_bytes: int = CACHE_BYTES,
    ):
        valid = validate_store(dataset, source, need_target=need_target)
        self.dataset = in_schema_units(valid, source)
        self.source = source
        self.latitude = self.dataset["latitude"].values.astype(np.float64)
        self.longitude = self.dataset["longitude"].values.astype(np.float64)
        self.auxiliaries = tuple(name for name in AUXILIARIES if name in self.dataset)
        self.times = self.dataset["time"]
        self.seconds = _seconds(self.times)
        self.day_phase, self.year_phase = _phases(self.times)
        self.stations = _stations(self.dataset, source)
        self.in_memory = self.dataset.nbytes <= memory_limit
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._loading = Lock()
        self._cache = FrameCache(lambda array: _read(array, source), cache_bytes)
        # Of the file as it is: a conversion of units forgets how the file is chunked.
        self._chunks = {str(name): _frames_in_chunk(valid[name]) for name in valid.data_vars}

    def __len__(self) -> int:
        return int(self.dataset.sizes["time"])

    @property
    def time_step(self) -> float:
        """Seconds between frames (the shortest interval, where there are gaps)."""
        return float(np.diff(self.seconds).min())

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return len(self.latitude), len(self.longitude)

    def field(self, name: str, frames: Frames) -> NDArray[np.float32]:
        """Values of a gridded variable at `frames`, (n, H, W), or (H, W) if it is static."""
        array = self._array(name)
        if "time" not in array.dims:
            return self._whole(array)
        return self._frames(array, np.asarray(frames))

    def observations(self, frames: Frames, stations: Frames) -> NDArray[np.float32]:
        """Observed CO2 (n, S) in µmol mol-1, NaN where missing, for station indices `stations`."""
        return self._frames(self._array(STATION_CO2), np.asarray(frames))[:, np.asarray(stations)]

    def read_once(self, name: str, first: int, stop: int) -> NDArray[np.float32]:
        """Values of a variable in frames [first, stop), all stations of `STATION_CO2`; not kept.

        For a reader that wants every frame once.
        """
        array = self._array(name)
        if name in self._kept:
            return self._kept[name][first:stop]
        return _checked(_read(array.isel(time=slice(first, stop)), self.source), name, self.source)

    def frames_per_read(self, name: str) -> int:
        """Frames of a variable that its file holds in one piece."""
        return self._cache.block_length(self._array(name), self._chunks[name])

    def release(self) -> None:
        """Forget the values kept in memory; they are read again when they are asked for."""
        with self._loading:
            self._kept = {}
            self._cache.clear()

    def _array(self, name: str) -> xr.DataArray:
        """The variable in the file, its first dimension time unless it is static."""
        if name not in self.dataset:
            lack = ", so no observations" if name == STATION_CO2 else ""
            raise DataError(f"{self.source}: no variable {name!r}{lack}")
        array = self.dataset[name]
        return array.transpose("time", "station") if name == STATION_CO2 else array

    def _frames(self, array: xr.DataArray, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        """Values at `frames` of an array whose first dimension is time."""
        if self.in_memory:
            return self._whole(array)[frames]
        name = str(array.name)
        values = self._cache.frames(array, frames, self.frames_per_read(name))
        return _checked(values, name, self.source)

    def _whole(self, array: xr.DataArray) -> NDArray[np.float32]:
        """All values of a variable, read at the first call."""
        name = str(array.name)
        with self._loading:
            kept = self._kept
            if name not in kept:
                kept[name] = _checked(_read(array, self.source), name, self.source)
            return kept[name]

    def station_indices(self, codes: Sequence[str]) -> NDArray[np.int64]:
        """Positions of the stations with these codes in the store."""
        position = {station.code: index for index, station in enumerate(self.stations)}
        missing = [code for code in codes if code not in position]
        if missing:
            raise DataError(
                f"{self.source}: no observations at {', '.join(missing[:6])}; "
                "the store must hold the stations the run was trained with"
            )
        return np.array([position[code] for code in codes], dtype=np.int64)


def open_store(
    path: str | Path,
    memory_limit: int = MEMORY_LIMIT_BYTES,
    *,
    need_target: bool = True,
    cache_bytes: int = CACHE_BYTES,
) -> TrainingStore:
    """Open a NetCDF file or Zarr folder as a `TrainingStore`."""
    dataset = open_dataset(path, SURFACE)
    return TrainingStore(
        dataset, str(path), memory_limit, need_target=need_target, cache_bytes=cache_bytes
    )


def _checked(values: NDArray[np.float32], name: str, source: str) -> NDArray[np.float32]:
    """Return `values`, or refuse weather with holes; CO2 may have some."""
    if name not in (CO2, STATION_CO2) and not np.isfinite(values).all():
        raise DataError(
            f"{source}: variable {name!r} has {np.count_nonzero(~np.isfinite(values))} "
            "missing or infinite values; fill them before training"
        )
    return values


def _frames_in_chunk(array: xr.DataArray) -> int | None:
    """Frames that a file holds in one piece; None where it does not say."""
    chunk = array.encoding.get("preferred_chunks", {}).get("time")
    return int(chunk) if isinstance(chunk, int) else None


def _read(array: xr.DataArray, source: str) -> NDArray[np.float32]:
    with explained_reading_errors(f"{source}: variable {array.name!r}"):
        return np.asarray(array.values, dtype=np.float32)


def _seconds(times: xr.DataArray) -> NDArray[np.float64]:
    first = times.values[0]
    if np.issubdtype(times.dtype, np.datetime64):
        return np.asarray((times.values - first) / np.timedelta64(1, "s"), dtype=np.float64)
    return np.array([(moment - first).total_seconds() for moment in times.values])


def _phases(times: xr.DataArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    date = times.dt
    day = (date.hour.values * 3600.0 + date.minute.values * 60.0 + date.second.values) / 86400.0
    days_in_year = np.asarray(date.days_in_year.values, dtype=np.float64)
    return day, (date.dayofyear.values - 1.0 + day) / days_in_year


def _stations(dataset: xr.Dataset, source: str) -> tuple[Station, ...]:
    if STATION_CO2 not in dataset:
        return ()
    names = ("station_code", "station_name", "station_latitude", "station_longitude")
    for name in (*names, "station_elevation"):
        if name not in dataset.coords:
            raise DataError(f"{source}: {STATION_CO2!r} has no coordinate {name!r}")
    columns: list[Any] = [dataset[name].values for name in (*names, "station_elevation")]
    codes = [checked_code(_text(code), f"{source}: 'station_code'") for code in columns[0]]
    repeated = [code for code in codes if codes.count(code) > 1]
    if repeated:
        raise DataError(
            f"{source}: 'station_code' repeats {repeated[0]!r}: give each site a code of its own"
        )
    return tuple(
        Station(code, _text(label), float(latitude), float(longitude), float(elevation))
        for code, label, latitude, longitude, elevation in zip(codes, *columns[1:], strict=True)
    )


def _text(value: Any) -> str:
    """A code or name of a file, which may be an array of characters padded with blanks."""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
