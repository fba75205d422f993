"""A training store opened for reading: fields, observations and times by frame index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2, validate_store
from co2net_phys.data.stations import Station, checked_code
from co2net_phys.data.store_units import in_schema_units
from co2net_phys.errors import DataError

Frames = Sequence[int] | NDArray[np.int64]

MEMORY_LIMIT_BYTES = 6 * 2**30
"""Stores smaller than this are read once and kept; larger ones are read frame by frame."""


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
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        source: str,
        memory_limit: int = MEMORY_LIMIT_BYTES,
        *,
        need_target: bool = True,
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
        self._memory: dict[str, NDArray[np.float32]] | None = (
            {} if self.dataset.nbytes <= memory_limit else None
        )

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
        if name not in self.dataset:
            raise DataError(f"{self.source}: no variable {name!r}")
        static = "time" not in self.dataset[name].dims
        if self._memory is not None:
            if name not in self._memory:
                self._memory[name] = _load(self.dataset[name], self.source)
            return self._memory[name] if static else self._memory[name][np.asarray(frames)]
        array = self.dataset[name]
        return _load(array if static else array.isel(time=np.asarray(frames)), self.source)

    def observations(self, frames: Frames, stations: Frames) -> NDArray[np.float32]:
        """Observed CO2 (n, S) in µmol mol-1, NaN where missing, for station indices `stations`."""
        if STATION_CO2 not in self.dataset:
            raise DataError(f"{self.source}: no variable {STATION_CO2!r}, so no observations")
        if self._memory is not None:
            if STATION_CO2 not in self._memory:
                array = self.dataset[STATION_CO2].transpose("time", "station")
                self._memory[STATION_CO2] = _read(array, self.source)
            table = self._memory[STATION_CO2][np.asarray(frames)]
        else:
            array = self.dataset[STATION_CO2].transpose("time", "station")
            table = _read(array.isel(time=np.asarray(frames)), self.source)
        return table[:, np.asarray(stations)]

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
    path: str | Path, memory_limit: int = MEMORY_LIMIT_BYTES, *, need_target: bool = True
) -> TrainingStore:
    """Open a NetCDF file or Zarr folder as a `TrainingStore`."""
    return TrainingStore(open_dataset(Path(path)), str(path), memory_limit, need_target=need_target)


def _load(array: xr.DataArray, source: str) -> NDArray[np.float32]:
    values = _read(array, source)
    if not np.isfinite(values).all() and array.name != CO2:
        raise DataError(
            f"{source}: variable {array.name!r} has {np.count_nonzero(~np.isfinite(values))} "
            "missing or infinite values; fill them before training"
        )
    return values


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
