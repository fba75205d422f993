"""Many files as one lazy series: in time order, each time once, with what is missing told.

Every file is opened once, to learn its layout and its times, and closed. Its values are read when
a block of the series is computed, and only those of the block.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.coordinates import shown_time
from co2net_phys.data.schema import VARIABLES
from co2net_phys.errors import DataError
from co2net_phys.products.field_source import FieldSource
from co2net_phys.products.times import TimeAxis, shown_step, time_gaps

_logger = logging.getLogger(__name__)

BLOCK_BYTES = 2**24
"""Bytes of one block of one variable; more where a file keeps more records in one piece."""

_KEPT = ("cell_methods", "original_level")

_MOST_TOLD = 3
"""Gaps, repeated times or notes that are told one by one."""


@dataclass(frozen=True)
class FileLayout:
    """What one file of a series holds.

    Attributes:
        path: of the file.
        times: its records; None for a file of static fields.
        fields: recipe of each field with time, by name.
        static: recipe of each field without time, by name.
        notes: what the user should know, without the file's name.
        step: seconds between its records or that its name tells; None where unknown.
    """

    path: Path
    times: TimeAxis | None
    fields: Mapping[str, FieldSource]
    static: Mapping[str, FieldSource] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    step: float | None = None


class FieldSeries:
    """One field of many files, read like an array (time, latitude, longitude) of float32."""

    def __init__(
        self,
        paths: Sequence[Path],
        sources: Sequence[FieldSource],
        files: NDArray[np.int64],
        records: NDArray[np.int64],
    ) -> None:
        self.paths, self.sources = tuple(paths), tuple(sources)
        self.files, self.records = files, records
        axes = self.sources[0].axes
        self.shape = (len(files), axes.latitude.size, axes.longitude.size)
        self.dtype, self.ndim = np.dtype(np.float32), 3

    def __getitem__(self, key: tuple[Any, Any, Any]) -> NDArray[np.float32]:
        """Read the frames of ``key[0]`` and cut the rows and columns out of them."""
        time, rows, columns = key
        frames = np.atleast_1d(np.arange(self.shape[0])[time])
        values = np.empty((len(frames), *self.shape[1:]), np.float32)
        for file in np.unique(self.files[frames]):
            wanted = self.files[frames] == file
            records = self.records[frames[wanted]]
            values[wanted] = self.sources[file].read(self.paths[file], records)
        return (
            values[0][rows, columns]
            if np.ndim(time) == 0 and not isinstance(time, slice)
            else values[:, rows, columns]
        )

    def chunks(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Sizes of the blocks: none reaches over two files."""
        _, rows, columns = self.shape
        most = max(1, BLOCK_BYTES // (4 * rows * columns))
        starts = np.concatenate([[0], np.flatnonzero(np.diff(self.files)) + 1, [self.shape[0]]])
        sizes: list[int] = []
        for start, stop in pairwise(starts.tolist()):
            stored = self.sources[self.files[start]].stored_records
            length = max(stored, most - most % stored)
            whole, rest = divmod(int(stop - start), length)
            sizes += [length] * whole + [rest] * (rest > 0)
        return tuple(sizes), (rows,), (columns,)


def series(layouts: Sequence[FileLayout]) -> xr.Dataset:
    """Return the files as one Dataset: dims (time, latitude, longitude), dask arrays of float32.

    Its attribute ``coverage`` is "global" or "regional", ``original_grid`` describes the grid. A
    time that two files share is taken from the first if both hold the same values there.

    Raises:
        DataError: naming the files that differ in calendar, grid, step or variables, or that hold
            different values for one time.
    """
    layouts = _with_shared_sources(layouts)
    first = layouts[0]
    _tell_notes(layouts)
    for layout in layouts[1:]:
        _refuse_another_kind(layout, first)
    reference = next(iter({**first.fields, **first.static}.values()))
    dataset = xr.Dataset(coords=reference.axes.coordinates)
    dated = [layout for layout in layouts if layout.times is not None]
    if dated and first.fields:
        dataset = dataset.assign(_dated_fields(dated))
    for name, source in first.static.items():
        dataset[name] = _static_field(name, source, layouts)
    dataset.attrs["coverage"] = "global" if reference.axes.is_global else "regional"
    dataset.attrs["original_grid"] = reference.axes.description
    return dataset


def warn_of_gaps(dataset: xr.Dataset, where: Path | str) -> None:
    """Tell what a series leaves out, and note it in its attribute ``time_gaps``."""
    gaps = time_gaps(dataset["time"].values) if "time" in dataset.dims else ()
    dataset.attrs["time_gaps"] = "; ".join(map(str, gaps))
    for gap in gaps[:_MOST_TOLD]:
        _logger.warning("%s: the series that begins here is not complete: %s", where, gap)
    if len(gaps) > _MOST_TOLD:
        _logger.warning("%s: %d further gaps in the series", where, len(gaps) - _MOST_TOLD)


def _with_shared_sources(layouts: Sequence[FileLayout]) -> list[FileLayout]:
    """Let files of one layout hold the same recipes, so that a series of thousands is small."""
    known: dict[FieldSource, FieldSource] = {}

    def shared(sources: Mapping[str, FieldSource]) -> dict[str, FieldSource]:
        return {name: known.setdefault(source, source) for name, source in sources.items()}

    return [
        FileLayout(
            layout.path,
            layout.times,
            shared(layout.fields),
            shared(layout.static),
            layout.notes,
            layout.step,
        )
        for layout in layouts
    ]


def _tell_notes(layouts: Sequence[FileLayout]) -> None:
    """Warn of each note once, naming the first file that has it."""
    files: dict[str, list[Path]] = {}
    for layout in layouts:
        for note in layout.notes:
            files.setdefault(note, []).append(layout.path)
    for note, paths in files.items():
        more = f" (and so in {len(paths) - 1} more files)" if len(paths) > 1 else ""
        _logger.warning("%s: %s%s", paths[0], note, more)


def _refuse_another_kind(layout: FileLayout, first: FileLayout) -> None:
    """Raise if a file cannot continue the series that the first one begins."""
    for kind in ("fields", "static"):
        has, wanted = set(getattr(layout, kind)), set(getattr(first, kind))
        for name in sorted(wanted - has):
            source = getattr(first, kind)[name]
            raise DataError(
                f"{layout.path}: has no variable '{source.variables[0]}' ({name}), which "
                f"{first.path} has; leave out the files without it, or ask for other variables"
            )
        for name in sorted(has - wanted):
            raise DataError(
                f"{first.path}: has no {name}, which {layout.path} has; leave out the files "
                "without it, or ask for other variables"
            )
    for name, source in {**layout.fields, **layout.static}.items():
        other = {**first.fields, **first.static}[name]
        if not source.axes.same_places(other.axes):
            raise DataError(
                f"{source.where(layout.path)} is on the grid {source.axes.description}, but "
                f"{first.path} on {other.axes.description}; bring all files to one grid first"
            )
    if layout.times is None or first.times is None:
        return
    if layout.times.calendar != first.times.calendar:
        raise DataError(
            f"{layout.path}: time is in the calendar '{layout.times.calendar}', but in "
            f"{first.path} in '{first.times.calendar}'; give files of one calendar"
        )
    if layout.step and first.step and not 0.8 < layout.step / first.step < 1.25:
        raise DataError(
            f"{layout.path}: has a record every {shown_step(layout.step)}, but {first.path} every "
            f"{shown_step(first.step)}; give files of one time step"
        )


def _dated_fields(layouts: list[FileLayout]) -> dict[str, Any]:
    """Return the time coordinate and all fields with time."""
    axes = [layout.times for layout in layouts if layout.times is not None]
    files = np.repeat(np.arange(len(axes)), [len(axis.values) for axis in axes])
    records = np.concatenate([np.arange(len(axis.values)) for axis in axes])
    seconds = np.concatenate([axis.seconds for axis in axes])
    values = np.concatenate([axis.values for axis in axes])
    _warn_of_disorder(layouts)
    order = np.argsort(seconds, kind="stable")
    files, records, seconds, values = (part[order] for part in (files, records, seconds, values))
    repeated = np.concatenate([[False], np.diff(seconds) == 0])
    if repeated.any():
        _check_repeated(layouts, files, records, values, repeated)
        files, records, values = (part[~repeated] for part in (files, records, values))
    variables: dict[str, Any] = {
        "time": ("time", values, {"standard_name": "time", "axis": "T"}),
    }
    for name in layouts[0].fields:
        sources = [layout.fields[name] for layout in layouts]
        sources[0].check_sample(layouts[0].path, len(axes[0].values))
        array = FieldSeries([layout.path for layout in layouts], sources, files, records)
        variables[name] = _lazy(array, name, sources[0])
    return variables


def _lazy(array: FieldSeries, name: str, source: FieldSource) -> xr.Variable:
    blocks = dask.array.from_array(  # type: ignore[no-untyped-call]
        array, chunks=array.chunks(), name=False, meta=np.empty((0, 0, 0), np.float32)
    )
    return xr.Variable(("time", "latitude", "longitude"), blocks, _attributes(name, source))


def _attributes(name: str, source: FieldSource) -> dict[str, str]:
    """CF attributes of a field, with what it was in the file."""
    described = dict(source.attributes)
    if name in VARIABLES:
        known = VARIABLES[name].attributes
        described = {k: v for k, v in described.items() if k in _KEPT} | known
    originals = {"original_name": "+".join(source.variables), "original_units": source.units}
    return described | originals


def _static_field(name: str, source: FieldSource, layouts: Sequence[FileLayout]) -> xr.Variable:
    """Return a field that must be the same in the first and the last file."""
    source.check_sample(layouts[0].path, 1)
    values = source.read(layouts[0].path, np.array([0]))[0]
    for layout in layouts[1:][-1:]:
        other = layout.static[name].read(layout.path, np.array([0]))[0]
        if not np.allclose(values, other, rtol=1e-4, atol=1.0, equal_nan=True):
            raise DataError(
                f"{source.where(layout.path)} ({name}) differs from that of {layouts[0].path} by "
                f"up to {np.nanmax(np.abs(values - other)):.3g}, but it must not change in time; "
                "give files of one version"
            )
    return xr.Variable(("latitude", "longitude"), values, _attributes(name, source))


def _warn_of_disorder(layouts: list[FileLayout]) -> None:
    for layout in layouts:
        if layout.times is not None and np.any(np.diff(layout.times.seconds) < 0):
            _logger.warning("%s: its times are not in order; they are sorted", layout.path)


def _check_repeated(
    layouts: list[FileLayout],
    files: NDArray[np.int64],
    records: NDArray[np.int64],
    values: NDArray[Any],
    repeated: NDArray[np.bool_],
) -> None:
    """Warn of times held twice; raise if the first or the last of them has two values."""
    places = np.flatnonzero(repeated)
    for place in {int(places[0]), int(places[-1])}:
        one, two = layouts[files[place - 1]], layouts[files[place]]
        for name in one.fields:
            before = one.fields[name].read(one.path, records[place - 1 : place])
            after = two.fields[name].read(two.path, records[place : place + 1])
            if not np.array_equal(before, after, equal_nan=True):
                raise DataError(
                    f"{one.fields[name].where(two.path)} has other values at "
                    f"{shown_time(values[place])} than {one.path}; remove one of the two"
                )
    _logger.warning(
        "%s: %d times are there twice with equal values (the first is %s); each counts once",
        *(layouts[files[places[0]]].path, len(places), shown_time(values[places[0]])),
    )
