"""A Zarr store of known length that fills up while a run goes on, and can be read meanwhile.

Shapes, coordinates and attributes are written once, at the start, for all records to come; records
then arrive in whole chunks. So the store can be opened at any moment, what is not there yet reads
as missing, and its final bytes do not depend on when and how often the run was interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from co2net_phys.data.atomic import flush_entry, remove
from co2net_phys.data.output_layout import (
    CONVENTIONS,
    OutputVariable,
    Time,
    TimeEncoding,
    coverage_attributes,
)
from co2net_phys.data.writer_backends import Backend, filled, write_zarr, zarr_variable

Records = Mapping[str, NDArray[Any]]
"""Values by variable, records along the first axis."""


@dataclass(frozen=True)
class Layout:
    """Everything about an output but its values.

    Attributes:
        template: static coordinates, bounds and fields, without a time dimension.
        variables: name and description of every data variable.
        static: values of those without time.
        times: of all records.
        encoding: origin and calendar of the time axis.
        attributes: global attributes; Conventions and coverage are added.
    """

    template: xr.Dataset
    variables: Mapping[str, OutputVariable]
    static: Records
    times: Sequence[Time]
    encoding: TimeEncoding
    attributes: Mapping[str, str | float]

    @cached_property
    def hours(self) -> NDArray[np.float64]:
        """(records,) hours since the start of the encoding."""
        return np.array([self.encoding.hours(time) for time in self.times])

    @property
    def all_attributes(self) -> dict[str, str | float]:
        """Global attributes, complete."""
        first, last = self.times[0], self.times[-1]
        coverage = coverage_attributes(self.template, self.encoding, first, last)
        own = {str(name): value for name, value in self.template.attrs.items()}
        return {**coverage, **self.attributes, **own, "Conventions": CONVENTIONS}


class PartialStore:
    """The store at ``folder``, made by `create`.

    Args:
        folder: of the store.
        layout: what it was made with.
        records_per_chunk: records in one chunk along time.
    """

    def __init__(self, folder: Path, layout: Layout, records_per_chunk: int) -> None:
        self.folder, self.layout, self.records_per_chunk = folder, layout, records_per_chunk
        self._group = zarr.open_group(folder, mode="r+")

    @classmethod
    def create(cls, folder: Path, layout: Layout, records_per_chunk: int) -> PartialStore:
        """Make the store, all of its records missing; it appears in one step."""
        beginning = folder.with_name(f"{folder.name}.new")
        try:
            cls._fill(beginning, layout, records_per_chunk)
            remove(folder)
            os.rename(beginning, folder)
        finally:
            remove(beginning)
        flush_entry(folder.parent)
        return cls(folder, layout, records_per_chunk)

    @staticmethod
    def _fill(beginning: Path, layout: Layout, records_per_chunk: int) -> None:
        remove(beginning)  # left by a killed process
        sizes = {"time": records_per_chunk}
        write_zarr(
            _missing(layout, records_per_chunk), beginning, mode="w", chunk_sizes=sizes,
            dtypes={name: variable.dtype for name, variable in layout.variables.items()},
            compute=False,
        )  # fmt: skip
        group = zarr.open_group(beginning, mode="r+")
        for name, values in layout.static.items():
            _array(group, name)[...] = filled(np.asarray(values, layout.variables[name].dtype))
        for path in (*beginning.rglob("*"), beginning):
            flush_entry(path)

    @property
    def attributes(self) -> dict[str, Any]:
        """Global attributes, those of the first start."""
        return dict(self._group.attrs)

    def write(self, first: int, records: Records) -> None:
        """Write one chunk, from record ``first`` on; what it does not fill becomes missing.

        The values have reached the disk when this returns.
        """
        number = first // self.records_per_chunk
        for name, values in records.items():
            array = _array(self._group, name)
            end = min(first + self.records_per_chunk, array.shape[0])
            # A whole chunk at a time, so that nothing is read back that may be half written.
            block = np.full((end - first, *array.shape[1:]), np.nan, array.dtype)
            block[: len(values)] = values
            array[first:end] = filled(block)
            self._flush_chunk(name, number, array.ndim)

    def clean(self) -> None:
        """Remove what a killed process left behind in the middle of writing a chunk."""
        for stray in self.folder.rglob("*.partial"):
            remove(stray)

    def copy_to(self, backend: Backend) -> None:
        """Hand everything, record by record, to the writer of another format."""
        for name, values in self.layout.static.items():
            backend.write_static(name, np.asarray(values, self.layout.variables[name].dtype))
        for first in range(0, len(self.layout.times), self.records_per_chunk):
            for offset, record in enumerate(self._records(first)):
                backend.append(float(self.layout.hours[first + offset]), record)
        backend.close(self.attributes)

    def _records(self, first: int) -> Iterator[dict[str, NDArray[Any]]]:
        end = min(first + self.records_per_chunk, len(self.layout.times))
        names = [name for name, variable in self.layout.variables.items() if variable.has_time]
        chunk = {name: np.asarray(_array(self._group, name)[first:end]) for name in names}
        for offset in range(end - first):
            yield {name: values[offset] for name, values in chunk.items()}

    def _flush_chunk(self, name: str, number: int, dimensions: int) -> None:
        """Make sure that a chunk, and the folders that name it, have reached the disk."""
        path = self.folder / name / "c"
        for part in ("", str(number), *["0"] * (dimensions - 1)):
            path = path / part
            with suppress(FileNotFoundError):  # chunks in which everything is missing
                flush_entry(path)


def _missing(layout: Layout, records_per_chunk: int) -> xr.Dataset:
    """The dataset to be, with lazy data that are never computed."""
    time = xr.Variable(("time",), layout.hours, dict(layout.encoding.attributes))
    data = layout.template.assign_coords(time=time).assign_attrs(layout.all_attributes)
    sizes = {str(name): size for name, size in data.sizes.items()}
    for name, variable in layout.variables.items():
        shape = tuple(sizes[dimension] for dimension in variable.dimensions)
        chunks = tuple(
            records_per_chunk if dimension == "time" else sizes[dimension]
            for dimension in variable.dimensions
        )
        values = dask.array.full(  # type: ignore[no-untyped-call]
            shape, np.nan, dtype=variable.dtype, chunks=chunks
        )
        method = layout.encoding.cell_method
        data[name] = zarr_variable(variable, layout.template, method, values)
    return data


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array
