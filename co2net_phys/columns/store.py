"""A store of tracer columns opened for reading: inputs, tracer and air mass by frame index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.columns.schema import (
    EMISSION,
    OFFSET_BOUNDS,
    PROFILE_INPUTS,
    SHARE_BOUNDS,
    SURFACE_INPUTS,
    TRACER,
    VARIABLES,
    air_mass,
    validate_columns,
)
from co2net_phys.data.frame_cache import FrameCache
from co2net_phys.data.global_grid import global_latitude_order, global_longitude_order
from co2net_phys.data.kinds import COLUMNS
from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.errors import DataError

Frames = Sequence[int] | NDArray[np.int64]
Fields = NDArray[np.float32]

CACHE_BYTES = 2**29
"""Blocks of frames kept for the next window that needs them; a store may be larger than memory."""

FORCING_PROFILES = tuple(name for name in PROFILE_INPUTS if name != TRACER)
"""The seven profiles that are not predicted."""


class ColumnStore:
    """Read access to a validated store of columns; it is a `Timeline`, and threads may share it.

    Attributes
    ----------
    latitude, longitude
        (H,), (W,) degrees, ascending, around the globe; W is even.
    seconds
        (N,) seconds of every frame since the first.
    bounds
        (L, 2) interfaces of the layers: ap in Pa, and b.

    Raises
    ------
    DataError
        The dataset contradicts the schema, has other units, or is not global.
    """

    def __init__(self, dataset: xr.Dataset, source: str, cache_bytes: int = CACHE_BYTES) -> None:
        self.dataset, self.source = validate_columns(dataset, source), source
        self.latitude = self.dataset["latitude"].values.astype(np.float64)
        self.longitude = self.dataset["longitude"].values.astype(np.float64)
        self.times = self.dataset["time"]
        index = self.times.to_index()
        self.seconds = np.asarray((index - index[0]).total_seconds(), dtype=np.float64)
        self.bounds = [self.dataset[name].values for name in (OFFSET_BOUNDS, SHARE_BOUNDS)]
        self._cache = FrameCache(self._read, cache_bytes)
        self._check_grid()
        self._check_units()

    def __len__(self) -> int:
        return int(self.dataset.sizes["time"])

    @property
    def time_step(self) -> float:
        """Seconds between frames (the shortest interval, where there are gaps)."""
        return float(np.diff(self.seconds).min())

    @property
    def levels(self) -> int:
        """Number of layers L."""
        return int(self.dataset.sizes["level"])

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return len(self.latitude), len(self.longitude)

    def surface(self, frames: Frames) -> Fields:
        """The two-dimensional inputs (n, 6, H, W)."""
        return np.stack([self.variable(name, frames) for name in SURFACE_INPUTS], axis=1)

    def forcing(self, frames: Frames) -> Fields:
        """The profiles that are not predicted, (n, 7, L, H, W)."""
        return np.stack([self.variable(name, frames) for name in FORCING_PROFILES], axis=1)

    def tracer(self, frames: Frames) -> Fields:
        """The tracer (n, L, H, W), kg kg-1."""
        return self.variable(TRACER, frames)

    def air_mass(self, frames: Frames) -> NDArray[np.float64]:
        """Mass of air per area of each layer (n, L, H, W), kg m-2."""
        return air_mass(self.variable("ps", frames), *self.bounds)

    def variable(self, name: str, frames: Frames) -> Fields:
        """Values of a variable, (n, [L,] H, W).

        Raises
        ------
        DataError
            The file is damaged, or values are missing, infinite or a negative mass or emission.
        """
        array = self.dataset[name]
        chunk = array.encoding.get("preferred_chunks", {}).get("time")
        length = self._cache.block_length(array, chunk if isinstance(chunk, int) else None)
        return self._cache.frames(array, np.asarray(frames, dtype=np.int64), length)

    def _read(self, array: xr.DataArray) -> Fields:
        where = f"{self.source}: variable {array.name!r}"
        with explained_reading_errors(where):
            values = np.asarray(array.values, dtype=np.float32)
        wrong = np.count_nonzero(~np.isfinite(values))
        if wrong:
            raise DataError(f"{where} has {wrong} missing or infinite values; fill them first")
        if array.name in (TRACER, EMISSION) and values.min() < 0:
            raise DataError(f"{where} is negative, at least {values.min():g}; set it to 0 there")
        return values

    def _check_grid(self) -> None:
        global_latitude_order(self.latitude, f"{self.source}: variable 'latitude'")
        global_longitude_order(self.longitude, f"{self.source}: variable 'longitude'")
        steps = np.diff(self.longitude, append=self.longitude[0] + 360)
        if len(self.longitude) % 2 or np.ptp(steps) > 0.01 * steps.mean():
            raise DataError(
                f"{self.source}: variable 'longitude': rows over the poles need an even number of "
                "longitudes at equal steps around the globe, none of them twice; regrid with "
                "`co2phys data regrid`"
            )

    def _check_units(self) -> None:
        for name, variable in VARIABLES.items():
            units = self.dataset[name].attrs.get("units")
            if units != variable.units:
                raise DataError(
                    f"{self.source}: variable {name!r} is in {units!r}, expected "
                    f"{variable.units!r}; convert it and its units attribute"
                )


def open_columns(path: str | Path, cache_bytes: int = CACHE_BYTES) -> ColumnStore:
    """Open a NetCDF file or Zarr folder as a `ColumnStore`; raises as that and `open_dataset`."""
    return ColumnStore(open_dataset(path, COLUMNS), str(path), cache_bytes)
