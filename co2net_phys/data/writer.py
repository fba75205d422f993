"""Write model output while the model runs, as NetCDF-4 or Zarr v3, all or nothing.

The suffix of the path decides the format: ``.nc`` or ``.nc4`` for NetCDF-4, ``.zarr`` for Zarr.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.atomic import (
    atomic_target,
    explained_writing_errors,
    prepare_target,
    publish,
    remove,
)
from co2net_phys.data.output_layout import (
    CONVENTIONS,
    OutputVariable,
    Time,
    TimeEncoding,
    checked,
    coverage_attributes,
    is_data,
)
from co2net_phys.data.writer_backends import (
    COMPRESSION_LEVEL,
    Backend,
    NetcdfBackend,
    ZarrBackend,
    true_errno,
    value_encoding,
    write_zarr,
)
from co2net_phys.errors import UsageError

__all__ = ["OutputVariable", "StreamingWriter", "TimeEncoding", "write_dataset"]


class StreamingWriter:
    """A context manager that writes one record at a time beside the target and renames at the end.

    The target appears, complete, when the block ends without an exception. After an exception the
    temporary file is removed and an existing target is what it was.

    Args:
        path: the target, ``*.nc``, ``*.nc4`` or ``*.zarr``; missing parent folders are created.
        template: static coordinates, bounds and fields, without a time dimension, for example
            from `co2net_phys.data.output_layout.latitude_longitude_template`.
        variables: name and description of every variable to come.
        attributes: global attributes, for example `co2net_phys.provenance.provenance_attributes`;
            Conventions, geospatial_* and time_coverage_* are added.
        encoding: origin and calendar of the time axis.
        overwrite: whether an existing target may be replaced.
        expected_bytes: size of the output; the disk must have this much free at the start.
        records_per_chunk: records in one Zarr chunk (NetCDF chunks hold one record).

    Raises:
        DataError: the target exists, cannot be written, or does not fit on the disk.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        template: xr.Dataset,
        variables: Mapping[str, OutputVariable],
        attributes: Mapping[str, str | float],
        encoding: TimeEncoding,
        overwrite: bool = False,
        expected_bytes: int = 0,
        records_per_chunk: int = 16,
    ) -> None:
        self._target = Path(path)
        self._is_zarr = is_zarr_path(self._target)
        self._template = template
        self._variables = dict(variables)
        self._attributes = dict(attributes)
        self._encoding = encoding
        self._overwrite = overwrite
        self._expected_bytes = expected_bytes
        self._records_per_chunk = records_per_chunk
        self._times: list[Time] = []
        self._temporary: Path | None = None
        self._backend: Backend | None = None

    def __enter__(self) -> Self:
        """Check the target and create the temporary file."""
        self._temporary = prepare_target(
            self._target, overwrite=self._overwrite, expected_bytes=self._expected_bytes
        )
        try:
            with explained_writing_errors(self._target, self._expected_bytes):
                self._backend = self._new_backend(self._temporary)
        except BaseException:
            remove(self._temporary)
            raise
        return self

    def append(self, time: Time, values: Mapping[str, NDArray[Any]]) -> None:
        """Write one record.

        Args:
            time: later than the record before, in the calendar of the encoding.
            values: one array for each variable with a time dimension, in the shape of its other
                dimensions and its declared units; NaN is missing.

        Raises:
            ValueError: names, shapes or the order of times are wrong.
            DataError: the disk is full or fails.
        """
        expected = {name for name, variable in self._variables.items() if variable.has_time}
        if set(values) != expected:
            raise ValueError(f"a record needs {sorted(expected)}, got {sorted(values)}")
        hours = self._encoding.hours(time)
        if self._times and hours <= self._encoding.hours(self._times[-1]):
            raise ValueError(f"time {time} is not later than the record before")
        arrays = {name: self._checked(name, array) for name, array in values.items()}
        with explained_writing_errors(self._target, self._expected_bytes):
            self._open_backend().append(hours, arrays)
        # Only the ends are needed, so memory does not grow with the run.
        self._times = [self._times[0] if self._times else time, time]

    def write_static(self, name: str, values: NDArray[Any]) -> None:
        """Write a variable without time, in the shape of its dimensions and declared units.

        Raises:
            ValueError: unknown name, a variable with time, or a wrong shape.
            DataError: the disk is full or fails.
        """
        if name not in self._variables or self._variables[name].has_time:
            raise ValueError(f"'{name}' was not declared as a variable without time")
        with explained_writing_errors(self._target, self._expected_bytes):
            self._open_backend().write_static(name, self._checked(name, values))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish and rename, or remove everything if the block failed."""
        if self._temporary is None:
            return
        try:
            if error is None:
                self._finish(self._temporary)
        except BaseException:
            self._open_backend().abandon()
            raise
        else:
            if error is not None:
                self._open_backend().abandon()
        finally:
            remove(self._temporary)
            self._temporary = self._backend = None

    def _finish(self, temporary: Path) -> None:
        if not self._times and any(variable.has_time for variable in self._variables.values()):
            raise ValueError(f"{self._target}: no record was appended")
        first, last = (self._times[0], self._times[-1]) if self._times else (None, None)
        coverage = coverage_attributes(self._template, self._encoding, first, last)
        static = {str(name): value for name, value in self._template.attrs.items()}
        attributes = {**coverage, **self._attributes, **static, "Conventions": CONVENTIONS}
        with explained_writing_errors(self._target, self._expected_bytes):
            self._open_backend().close(attributes)
            publish(temporary, self._target)

    def _new_backend(self, temporary: Path) -> Backend:
        layout = (temporary, self._template, self._variables, self._encoding)
        return (
            ZarrBackend(*layout, self._records_per_chunk)
            if self._is_zarr
            else NetcdfBackend(*layout)
        )

    def _open_backend(self) -> Backend:
        if self._backend is None:
            raise ValueError("the writer is used outside its `with` block")
        return self._backend

    def _checked(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        return checked(name, values, self._variables[name], self._template)


def write_dataset(
    dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False, expected_bytes: int = 0
) -> None:
    """Write a whole in-memory dataset with the same promise and encoding rules.

    Data variables become float32 with ``_FillValue``; coordinates and bounds keep their type.

    Raises:
        DataError: the target exists and ``overwrite`` is false, or it cannot be written.
    """
    target = Path(path)
    is_zarr = is_zarr_path(target)
    prepared = dataset.drop_encoding().assign_attrs(Conventions=CONVENTIONS)
    with atomic_target(target, overwrite=overwrite, expected_bytes=expected_bytes) as temporary:
        if is_zarr:
            write_zarr(prepared, temporary, mode="w")
        else:
            with true_errno(temporary):
                _write_netcdf(prepared, temporary)


def is_zarr_path(path: Path) -> bool:
    """Tell whether the suffix asks for Zarr (True) or NetCDF (False).

    Raises:
        UsageError: neither.
    """
    if path.suffix.lower() in (".nc", ".nc4", ".zarr"):
        return path.suffix.lower() == ".zarr"
    raise UsageError(f"--output {path}: unknown format; end it in .nc or .zarr")


def _write_netcdf(dataset: xr.Dataset, path: Path) -> None:
    """Write a dataset as NetCDF-4, one time per chunk."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        encoding[str(name)] = value_encoding(str(name), dataset)
        if is_data(str(name), dataset) and variable.ndim and variable.dtype.kind in "fiu":
            chunks = tuple(1 if d == "time" else max(1, variable.sizes[d]) for d in variable.dims)
            encoding[str(name)] |= {
                "chunksizes": chunks,
                "complevel": COMPRESSION_LEVEL,
                "zlib": True,
                "shuffle": True,
            }
    unlimited = ["time"] if "time" in dataset.dims else []
    dataset.to_netcdf(
        path, engine="netcdf4", format="NETCDF4", encoding=encoding, unlimited_dims=unlimited
    )
