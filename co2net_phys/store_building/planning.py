"""What will be built, worked out from coordinates alone: frames, grid, variables, stations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import shown_time
from co2net_phys.data.output_layout import TimeEncoding
from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES, validate_store
from co2net_phys.data.splits import Split, split_frames
from co2net_phys.data.stations import Station
from co2net_phys.data.store_units import in_schema_units
from co2net_phys.errors import DataError, UsageError
from co2net_phys.regridding import LatLonGrid, regrid_dataset
from co2net_phys.store_building.alignment import TimeWeights, time_weights
from co2net_phys.store_building.options import SOURCE_GRID, BuildOptions
from co2net_phys.store_building.splitting import StoreFrames, chosen_split
from co2net_phys.store_building.twin_stations import TwinStations

LOG = logging.getLogger(__name__)

StationSource = xr.Dataset | Sequence[Station] | Callable[[xr.DataArray], xr.Dataset]
"""Observations `co2s_station` (time, station); or a function that puts them on given times; or
sites alone, whose observations are then taken from the gridded CO2 (an identical twin)."""

RECORDS_PER_CHUNK = 16
"""Frames in one chunk of the store: two days of CarbonTracker, 0.7 MB a variable."""

BLOCK_BYTES = 2**26
"""Bytes of the source's variables that are worked on at a time (one chunk of frames at least)."""


@dataclass(frozen=True)
class StorePlan:
    """A store to be; nothing of it has been read but coordinates.

    Attributes
    ----------
    where
        Name of the product's files, for errors.
    parts
        Lazy datasets on their own grids, each with the weights that bring it to the frames.
    times
        (N,) of the frames.
    split, split_name
        Blocks, and what they are called.
    stations
        Observations on `times`, a sampler of the gridded CO2, or None.
    """

    where: str
    options: BuildOptions
    parts: tuple[tuple[xr.Dataset, TimeWeights], ...]
    times: xr.DataArray
    grid: LatLonGrid
    split: Split
    split_name: str
    stations: xr.Dataset | TwinStations | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.times.size)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Gridded variables in the order of the schema."""
        return tuple(name for name in VARIABLES if any(name in part for part, _ in self.parts))

    @cached_property
    def training(self) -> NDArray[np.bool_]:
        """(N,) whether a frame belongs to the training block."""
        inside = np.zeros(len(self), dtype=bool)
        inside[split_frames(StoreFrames(self.times, self.where), self.split, "train")] = True
        return inside

    @property
    def station_count(self) -> int:
        """Stations of the store."""
        if isinstance(self.stations, TwinStations):
            return len(self.stations.stations)
        return 0 if self.stations is None else int(self.stations.sizes["station"])

    @property
    def encoding(self) -> TimeEncoding:
        """Origin and calendar of the time axis, and whether CO2 is a mean or a point in time."""
        methods = str(self.array(CO2).attrs.get("cell_methods", ""))
        return TimeEncoding(self.times.values[0], "mean" if "time: mean" in methods else "point")

    @property
    def expected_bytes(self) -> int:
        """Size of the values before compression."""
        cells = self.grid.shape[0] * self.grid.shape[1]
        moving = sum(not VARIABLES[name].static for name in self.variables)
        return 4 * (len(self) * (moving * cells + self.station_count) + cells)

    @property
    def frames_per_block(self) -> int:
        """Frames worked on at a time: whole chunks of the store and, if they fit, of the source."""
        part = self.parts[0][0]
        moving = [array for array in part.data_vars.values() if "time" in array.dims]
        frame = sum(array.nbytes // max(array.sizes["time"], 1) for array in moving)
        longest = max((max(array.chunksizes.get("time", (1,))) for array in moving), default=1)
        count = max(BLOCK_BYTES // max(frame, 1), longest, 1)
        return int(-(-count // RECORDS_PER_CHUNK) * RECORDS_PER_CHUNK)

    def array(self, name: str) -> xr.DataArray:
        """The variable as it is in its product."""
        return next(part[name] for part, _ in self.parts if name in part)

    def fields(self, frames: slice) -> xr.Dataset:
        """Variables with time at `frames` on the grid of the store, lazily."""
        return self._regridded(frames, static=False)

    def static_fields(self) -> xr.Dataset:
        """Variables without time on the grid of the store, lazily."""
        return self._regridded(slice(0, 1), static=True)

    def _regridded(self, frames: slice, *, static: bool) -> xr.Dataset:
        found: dict[str, xr.DataArray] = {}
        for part, weights in self.parts:
            names = [str(n) for n in part.data_vars if n in VARIABLES]
            names = [name for name in names if ("time" in part[name].dims) is not static]
            if not names:
                continue
            chosen = part[names]
            if not static:
                chosen = weights.take(chosen, frames)
            done = regrid_dataset(
                chosen, self.grid, method=self.options.method, coverage=self.options.coverage,
                where=self.where,
            )  # fmt: skip
            found |= {name: done[name] for name in names}
        return xr.Dataset(found)

    def as_dict(self) -> dict[str, Any]:
        """What will be done, for machines."""
        first, last = (shown_time(time) for time in self.times.values[[0, -1]])
        return {
            "source": self.where,
            "frames": len(self),
            "first": first,
            "last": last,
            "calendar": self.encoding.calendar,
            "variables": list(self.variables),
            "grid": list(self.grid.shape),
            "original_grid": LatLonGrid.of(self.parts[0][0], self.where).describe(),
            "method": self.options.method,
            "split": self.split_name,
            "training_frames": int(self.training.sum()),
            "stations": self.station_count,
            "identical_twin": isinstance(self.stations, TwinStations),
            "expected_bytes": self.expected_bytes,
        }


def plan_store(
    dataset: xr.Dataset,
    options: BuildOptions,
    *,
    where: str,
    stations: StationSource | None = None,
    auxiliaries: Sequence[xr.Dataset] = (),
) -> StorePlan:
    """Work out the store from one lazy product, and further variables with times of their own.

    Raises
    ------
    DataError
        The product has no CO2, is not global, has no frame in the period or in the training block,
        or an auxiliary repeats a variable or has another calendar.
    UsageError
        An option makes no sense.
    """
    main = _chosen(validate_store(in_schema_units(dataset, where), where), options)
    main = _within(main, options, where)
    extra = [_chosen(in_schema_units(other, where), options) for other in auxiliaries]
    _refuse_repeated([main, *extra], where)
    times, weights = _common_frames(main, extra, options, where)
    source = LatLonGrid.of(main, where)
    grid = source if options.grid == SOURCE_GRID else LatLonGrid.parse(options.grid)
    for other in extra:
        LatLonGrid.of(other, where)
    timeline = StoreFrames(times, where)
    name, split = chosen_split(timeline, options.split, options.product_split)
    plan = StorePlan(
        where, options, tuple(zip([main, *extra], weights, strict=True)), times, grid, split, name,
        _stations(stations, times, grid, where), dict(dataset.attrs),
    )  # fmt: skip
    if not plan.training.any():
        raise DataError(f"{where}: no training frame in split {name!r}; choose another --split")
    return plan


def _bounds_of(part: xr.Dataset) -> list[str]:
    return [n for n in ("latitude_bounds", "longitude_bounds") if n in part.data_vars]


def _chosen(dataset: xr.Dataset, options: BuildOptions) -> xr.Dataset:
    """The variables to keep, and the bounds of the grid."""
    wanted = set(VARIABLES if options.variables is None else (CO2, *options.variables))
    unknown = sorted(wanted - set(VARIABLES))
    if unknown:
        raise UsageError(f"--variables {unknown[0]}: choose from {', '.join(VARIABLES)}")
    names = [name for name in dataset.data_vars if name in wanted]
    return dataset.set_coords(_bounds_of(dataset))[names]


def _within(dataset: xr.Dataset, options: BuildOptions, where: str) -> xr.Dataset:
    """The frames from --start to --end."""
    try:
        chosen = dataset.sel(time=slice(options.start, options.end))
    except (ValueError, TypeError, KeyError) as error:
        given = {"--start": options.start, "--end": options.end}
        named = " ".join(f"{option} {text}" for option, text in given.items() if text is not None)
        raise UsageError(f"{named}: no ISO 8601 times; write 2018-12-31") from error
    if chosen.sizes["time"] < 2:
        first, last = (shown_time(time) for time in dataset["time"].values[[0, -1]])
        raise DataError(
            f"{where}: time: {chosen.sizes['time']} frames from {options.start} to {options.end}; "
            f"the files go from {first} to {last}"
        )
    return chosen


def _refuse_repeated(parts: Sequence[xr.Dataset], where: str) -> None:
    names = [str(n) for part in parts for n in part.data_vars if n in VARIABLES]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataError(f"{where}: {repeated[0]}: is in two inputs; leave one of them out")


def _common_frames(
    main: xr.Dataset, extra: Sequence[xr.Dataset], options: BuildOptions, where: str
) -> tuple[xr.DataArray, list[TimeWeights]]:
    """Times of CO2 that every auxiliary covers, and the weights of each dataset there."""
    own = main["time"]
    moving = [part for part in extra if "time" in part.dims]
    weights = [time_weights(own, own, options.alignment, where)]
    weights += [
        time_weights(part["time"], own, options.alignment, f"{where}: {_names(part)}")
        for part in moving
    ]
    covered = np.logical_and.reduce([each.covered for each in weights])
    if covered.sum() < 2:
        raise DataError(
            f"{where}: {', '.join(map(_names, moving))}: no value at the times of CO2; give files "
            "of the same period"
        )
    if not covered.all():
        LOG.warning(
            "%s: %d of %d frames are left out: the other variables have no value there",
            where, np.count_nonzero(~covered), covered.size,
        )  # fmt: skip
    kept = [
        TimeWeights(w.before[covered], w.after[covered], w.fraction[covered], w.covered[covered])
        for w in weights
    ]
    in_order = iter(kept[1:])
    fixed = [next(in_order) if "time" in part.dims else kept[0] for part in extra]
    return own.isel(time=np.flatnonzero(covered)), [kept[0], *fixed]


def _names(part: xr.Dataset) -> str:
    return ", ".join(str(name) for name in part.data_vars if name in VARIABLES)


def _stations(
    source: StationSource | None, times: xr.DataArray, grid: LatLonGrid, where: str
) -> xr.Dataset | TwinStations | None:
    """Observations on the frames, or what makes them."""
    if source is None:
        return None
    if callable(source):
        source = source(times)
    if not isinstance(source, xr.Dataset):
        return TwinStations(source, grid)
    if STATION_CO2 not in source:
        raise DataError(f"{where}: stations: no variable {STATION_CO2!r}; prepare them again")
    observed = in_schema_units(source[[STATION_CO2]], where)
    return observed.reindex(time=times.values)
