"""The covariates of one store at any places on any day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import correlate1d

from co2net_phys.data.coordinates import is_time_like
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.units import unit_conversion
from co2net_phys.errors import DataError
from co2net_phys.satellite.schema import COVARIATES, NEIGHBOURHOOD_CELLS, Floats

_SNAP = 1e-6
"""In cells: a place this close to a centre is the centre, so that its neighbours do not matter."""

Window = tuple[slice, slice]


class CovariateMap:
    """The covariates of one store: one grid, at most one time axis.

    Args:
        dataset: see `co2net_phys.satellite.schema`.
        source: its name in errors.
        middle: longitude in the middle of all places that will be asked for, degrees; a map of the
            whole circle is read from opposite it on, so that its seam does not lie among them.

    Raises:
        DataError: an axis is missing, not equally spaced, or a unit cannot be converted.
    """

    def __init__(self, dataset: xr.Dataset, source: str, middle: float | None = None) -> None:
        self.source = source
        self.names = tuple(name for name in COVARIATES if name in dataset)
        self._latitude = _axis(dataset, "latitude", source)
        self._longitude, self._skipped = _turned(_axis(dataset, "longitude", source), middle)
        self._columns = len(self._longitude)  # of the file
        self._dataset = dataset
        self._days = _days(dataset, source)
        self._conversion = {name: self._units(name) for name in self.names}
        self._held: dict[str, tuple[object, Floats]] = {}
        for name in self.names:
            dims = dataset[name].dims
            if dims not in (("latitude", "longitude"), ("time", "latitude", "longitude")):
                raise DataError(
                    f"{source}: {name}: has dimensions {dims}, expected ([time,] latitude, "
                    "longitude); transpose it"
                )

    def window(self, latitude: Floats, longitude: Floats) -> Window:
        """Rows and columns that surround places (n,), with room for the means around cells.

        Raises:
            DataError: a place lies outside the grid's cells.
        """
        found = []
        positions = self._positions(latitude, longitude)
        for name, size, position in zip(
            ("latitude", "longitude"), self._shape, positions, strict=True
        ):
            if position.min() < -0.5 - _SNAP or position.max() > size - 0.5 + _SNAP:
                raise DataError(
                    f"{self.source}: {name}: the grid does not cover the region; give covariates "
                    "of the whole region"
                )
            # One cell more than the surroundings, so that two centres bracket each place.
            margin = NEIGHBOURHOOD_CELLS // 2 + 1
            first = max(0, int(np.floor(position.min())) - margin)
            found.append(slice(first, min(size, int(np.ceil(position.max())) + margin + 1)))
        return found[0], found[1]

    def at(self, name: str, day: np.datetime64, window: Window) -> Floats:
        """The field of a day (rows, columns) in the schema's unit; NaN is missing.

        Raises:
            DataError: the store has no value for that day.
        """
        step = self._step(name, day)
        key = (step, window[0].start, window[0].stop, window[1].start, window[1].stop)
        held = self._held.get(name)
        if held is None or held[0] != key:
            steps = None if step is None else slice(step, step + 1)
            held = key, self._read(name, steps, window)[0]
            self._held[name] = held  # static and slow fields stay the same for many days
        return held[1]

    def around(self, name: str, day: np.datetime64, window: Window) -> Floats:
        """Mean over the surroundings of each cell (rows, columns), of what is not missing there."""
        values = self.at(name, day, window)
        missing = np.isnan(values)
        total = _box_sum(np.where(missing, 0.0, values))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / _box_sum((~missing).astype(np.float64)))

    def trailing_mean(self, name: str, day: np.datetime64, days: int, window: Window) -> Floats:
        """Mean over the `days` days that end with `day`, or as many as the record has by then."""
        step = self._step(name, day)
        if step is None:
            return self.at(name, day, window)
        assert self._days is not None
        first = int(np.searchsorted(self._days, day - np.timedelta64(days - 1, "D")))
        return np.asarray(self._read(name, slice(first, step + 1), window).mean(axis=0))

    def interpolated(
        self, fields: Sequence[Floats], window: Window, latitude: Floats, longitude: Floats
    ) -> Floats:
        """Fields of the window bilinearly at places (n,): (n, fields); missing ones are ignored."""
        stack = np.stack(fields, axis=-1)
        missing = np.isnan(stack)
        axes = [np.arange(part.start, part.stop, dtype=np.float64) for part in window]
        places = np.stack(
            [
                np.clip(_snapped(position), axis[0], axis[-1])
                for position, axis in zip(self._positions(latitude, longitude), axes, strict=True)
            ],
            axis=-1,
        )
        total: Floats = RegularGridInterpolator(axes, np.where(missing, 0.0, stack))(places)
        if not missing.any():
            return total
        known: Floats = RegularGridInterpolator(axes, np.where(missing, 0.0, 1.0))(places)
        return np.where(known >= 0.5, total / np.where(known > 0, known, 1.0), np.nan)

    @property
    def spacing(self) -> float:
        """Degrees between its centres, the smaller of those in both directions."""
        return float(min(axis[1] - axis[0] for axis in (self._latitude, self._longitude)))

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self._latitude), len(self._longitude)

    def _positions(self, latitude: Floats, longitude: Floats) -> tuple[Floats, Floats]:
        """Rows and columns (n,) of places, as real numbers; whole ones at the centres of cells."""
        step = self._longitude[1] - self._longitude[0]
        border = self._longitude[0] - step / 2 - _SNAP * step
        eastward = border + np.mod(np.asarray(longitude) - border, 360.0)
        north = self._latitude[1] - self._latitude[0]
        return (
            (np.asarray(latitude) - self._latitude[0]) / north,
            (eastward - self._longitude[0]) / step,
        )

    def _step(self, name: str, day: np.datetime64) -> int | None:
        """Step in time that counts on a day; None for a field without time."""
        if "time" not in self._dataset[name].dims:
            return None
        assert self._days is not None
        step = int(np.searchsorted(self._days, day, side="right")) - 1
        is_daily = COVARIATES[name].cadence == "daily"
        if step < 0 or (is_daily and self._days[step] != day):
            raise DataError(
                f"{self.source}: {name}: no value for {day}, the record goes from {self._days[0]} "
                f"to {self._days[-1]}; give covariates of all days, or fewer days"
            )
        return step

    def _read(self, name: str, steps: slice | None, window: Window) -> Floats:
        """A part of a covariate (steps, rows, columns) in the schema's unit."""
        field = self._dataset[name].isel(latitude=window[0])
        if steps is not None:
            field = field.isel(time=steps)
        parts = [field.isel(longitude=columns) for columns in self._in_file(window[1])]
        with explained_reading_errors(self.source):
            values = np.concatenate([np.asarray(p.values, dtype=np.float64) for p in parts], -1)
        factor, summand = self._conversion[name]
        return (values if steps is not None else values[None]) * factor + summand

    def _in_file(self, columns: slice) -> list[slice]:
        """Columns as the file counts them: two parts where its seam lies between."""
        first, last = columns.start + self._skipped, columns.stop + self._skipped
        if last <= self._columns:
            return [slice(first, last)]
        rest = slice(max(first - self._columns, 0), last - self._columns)
        return [slice(first, self._columns), rest] if first < self._columns else [rest]

    def _units(self, name: str) -> tuple[float, float]:
        units = str(self._dataset[name].attrs.get("units", ""))
        wanted = COVARIATES[name].units
        if units == wanted:
            return 1.0, 0.0
        return unit_conversion(units, wanted, where=f"{self.source}: variable {name!r}")


def _axis(dataset: xr.Dataset, name: str, source: str) -> Floats:
    """An ascending, equally spaced axis of two cells or more."""
    if name not in dataset.coords or dataset[name].ndim != 1 or dataset[name].size < 2:
        raise DataError(f"{source}: no axis {name!r} of two cells or more; give a gridded store")
    values = np.asarray(dataset[name].values, dtype=np.float64)
    steps = np.diff(values)
    if not (steps > 0).all() or np.ptp(steps) > 0.01 * steps.mean():
        raise DataError(f"{source}: {name}: not ascending in equal steps; resample it first")
    return values


def _turned(longitude: Floats, middle: float | None) -> tuple[Floats, int]:
    """An axis of the whole circle from opposite `middle` on, and how many columns it skips.

    Any other axis stays as it is.
    """
    count = len(longitude)
    step = 360.0 / count
    if middle is None or abs(longitude[-1] - longitude[0] + step - 360.0) > 0.01 * step:
        return longitude, 0
    skipped = int(np.ceil((middle - 180.0 - longitude[0]) / step))
    return longitude[0] + step * np.arange(skipped, skipped + count), skipped % count


def _days(dataset: xr.Dataset, source: str) -> NDArray[np.datetime64] | None:
    """Days of the time axis, or None if there is none."""
    if "time" not in dataset.dims:
        return None
    times = dataset["time"] if "time" in dataset.coords else None
    if times is None or not is_time_like(times) or times.dtype.kind != "M":
        raise DataError(
            f"{source}: time: no dates of the standard calendar; give it CF units such as "
            "'days since 2000-01-01'"
        )
    days: NDArray[np.datetime64] = times.values.astype("datetime64[D]")
    if not (np.diff(days) > np.timedelta64(0, "D")).all():
        raise DataError(f"{source}: time: days do not ascend; take daily means and sort them first")
    return days


def _box_sum(values: Floats) -> Floats:
    """Sum over the surroundings of each cell, the values at the border repeated beyond it."""
    ones = np.ones(NEIGHBOURHOOD_CELLS)
    return np.asarray(
        correlate1d(correlate1d(values, ones, axis=0, mode="nearest"), ones, mode="nearest")
    )


def _snapped(position: Floats) -> Floats:
    whole = np.round(position)
    return np.where(np.abs(position - whole) < _SNAP, whole, position)
