"""The two file formats of `co2net_phys.data.writer.StreamingWriter`, behind one small interface.

A backend creates the file, takes records in order, takes static fields, and closes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Protocol

import netCDF4
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from co2net_phys.data.output_layout import (
    FILL_VALUE,
    OutputVariable,
    TimeEncoding,
    data_attributes,
    is_data,
)

COMPRESSION_LEVEL: Literal[4] = 4
"""Deflate level of NetCDF-4 data variables; higher ones cost time and save under 1 %."""


_PROBE_BLOCKS = 64
"""Blocks of 64 KiB that `true_errno` adds: more than HDF5 could have found room for."""


class Backend(Protocol):
    """What the writer needs from a file format."""

    def append(self, hours: float, values: Mapping[str, NDArray[Any]]) -> None:
        """Add one record at ``hours`` since the start."""

    def write_static(self, name: str, values: NDArray[Any]) -> None:
        """Write a field without time."""

    def close(self, attributes: Mapping[str, str | float]) -> None:
        """Add global attributes and finish the file."""

    def abandon(self) -> None:
        """Let go of the file after a failure; never raises."""


class NetcdfBackend:
    """NetCDF-4 with an unlimited time dimension and one record per chunk."""

    def __init__(
        self,
        path: Path,
        template: xr.Dataset,
        variables: Mapping[str, OutputVariable],
        encoding: TimeEncoding,
    ) -> None:
        self._path = path
        with true_errno(path):
            self._file = netCDF4.Dataset(str(path), "w", format="NETCDF4")
        # The library's own masking and scaling would cost a copy of every record.
        self._file.set_auto_maskandscale(False)
        with true_errno(path):
            self._create(template, variables, encoding)

    def _create(
        self,
        template: xr.Dataset,
        variables: Mapping[str, OutputVariable],
        encoding: TimeEncoding,
    ) -> None:
        self._file.createDimension("time", None)
        for name, size in template.sizes.items():
            self._file.createDimension(str(name), size)
        time = self._file.createVariable("time", "f8", ("time",), fill_value=False)
        time.setncatts(encoding.attributes)
        for name, variable in template.variables.items():
            kind = str if variable.dtype == object else variable.dtype
            fill = FILL_VALUE if is_data(str(name), template) else None
            if fill is not None:
                kind = np.dtype(np.float32)
            created = self._file.createVariable(
                str(name), kind, tuple(map(str, variable.dims)), fill_value=fill
            )
            created.setncatts({str(key): value for key, value in variable.attrs.items()})
            created[...] = variable.values
        for output, description in variables.items():
            self._create_output(output, description, template, encoding)

    def _create_output(
        self, name: str, variable: OutputVariable, template: xr.Dataset, encoding: TimeEncoding
    ) -> None:
        chunks = [1 if d == "time" else template.sizes[d] for d in variable.dimensions]
        created = self._file.createVariable(
            name,
            variable.dtype,
            variable.dimensions,
            chunksizes=chunks,
            fill_value=FILL_VALUE if variable.dtype != "int8" else False,
            zlib=True,
            complevel=COMPRESSION_LEVEL,
            shuffle=True,
        )
        created.setncatts(data_attributes(variable, template, encoding.cell_method))

    def append(self, hours: float, values: Mapping[str, NDArray[Any]]) -> None:
        """Add one record at ``hours`` since the start."""
        with true_errno(self._path):
            index = len(self._file.dimensions["time"])
            self._file["time"][index] = hours
            for name, array in values.items():
                self._file[name][index] = filled(array)

    def write_static(self, name: str, values: NDArray[Any]) -> None:
        """Write a field without time."""
        with true_errno(self._path):
            self._file[name][...] = filled(values)

    def close(self, attributes: Mapping[str, str | float]) -> None:
        """Add global attributes and finish the file."""
        with true_errno(self._path):
            self._file.setncatts(dict(attributes))
            self._file.close()

    def abandon(self) -> None:
        """Let go of the file after a failure; never raises."""
        with suppress(Exception):
            self._file.close()


class ZarrBackend:
    """Zarr v3 in a folder, several records per chunk, each chunk written once when it is full."""

    def __init__(
        self,
        path: Path,
        template: xr.Dataset,
        variables: Mapping[str, OutputVariable],
        encoding: TimeEncoding,
        records_per_chunk: int,
    ) -> None:
        self._path = path
        self._template = template
        self._variables = variables
        self._encoding = encoding
        self._records_per_chunk = records_per_chunk
        self._hours: list[float] = []
        self._records: list[Mapping[str, NDArray[Any]]] = []
        self._static: dict[str, NDArray[Any]] = {}
        self._is_created = False

    def append(self, hours: float, values: Mapping[str, NDArray[Any]]) -> None:
        """Add one record at ``hours`` since the start."""
        self._hours.append(hours)
        self._records.append({name: array.copy() for name, array in values.items()})
        if len(self._hours) == self._records_per_chunk:
            self._flush()

    def write_static(self, name: str, values: NDArray[Any]) -> None:
        """Keep a field without time until the file is closed."""
        self._static[name] = values.copy()

    def close(self, attributes: Mapping[str, str | float]) -> None:
        """Write what is buffered, the static fields and the global attributes."""
        if self._hours or not self._is_created:
            self._flush()
        static = xr.Dataset(
            {name: self._array(name, array) for name, array in self._static.items()}
        )
        if static:
            write_zarr(static, self._path, mode="a", dtypes=self._dtypes())
        zarr.open_group(self._path, mode="r+").attrs.update(dict(attributes))

    def abandon(self) -> None:
        """Drop what is buffered."""
        self._records.clear()

    def _flush(self) -> None:
        """Write the buffered records as one chunk along time."""
        time = xr.Variable(("time",), np.asarray(self._hours, dtype=np.float64))
        time.attrs = dict(self._encoding.attributes)
        block = xr.Dataset(coords={"time": time})
        for name, variable in self._variables.items():
            if variable.has_time:
                stacked = np.stack([record[name] for record in self._records])
                block[name] = self._array(name, stacked)
        if self._is_created:
            block.to_zarr(
                self._path, append_dim="time", zarr_format=3, consolidated=False, align_chunks=False
            )
        else:
            sizes = {"time": self._records_per_chunk}
            # Bounds and static fields go in once, with the first records.
            whole = self._template.merge(block)
            write_zarr(whole, self._path, mode="w", chunk_sizes=sizes, dtypes=self._dtypes())
            self._is_created = True
        self._hours.clear()
        self._records.clear()

    def _array(self, name: str, values: NDArray[Any]) -> xr.Variable:
        variable, method = self._variables[name], self._encoding.cell_method
        return zarr_variable(variable, self._template, method, values)

    def _dtypes(self) -> dict[str, str]:
        return {name: variable.dtype for name, variable in self._variables.items()}


def zarr_variable(
    variable: OutputVariable, template: xr.Dataset, cell_method: str, values: Any
) -> xr.Variable:
    """Return values of the full dimensions with the attributes that go to Zarr."""
    attributes = data_attributes(variable, template, cell_method)
    attributes.pop("coordinates", None)  # xarray writes that one itself
    return xr.Variable(variable.dimensions, values, attributes)


def write_zarr(
    dataset: xr.Dataset,
    path: Path,
    *,
    mode: Literal["w", "a"],
    chunk_sizes: Mapping[str, int] | None = None,
    dtypes: Mapping[str, str] | None = None,
    compute: bool = True,
) -> None:
    """Write a dataset with the encoding rules of this project as Zarr v3.

    Args:
        dataset: what to write.
        path: folder of the store.
        mode: "w" makes it anew, "a" adds to it.
        chunk_sizes: by dimension; whole dimensions otherwise.
        dtypes: of data variables that are not float32.
        compute: whether values of dask arrays are written, or only their description.
    """
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        sizes: dict[Any, int] = dict(variable.sizes) | dict(chunk_sizes or {})
        rules: dict[str, Any] = {"chunks": tuple(max(1, sizes[d]) for d in variable.dims)}
        rules |= value_encoding(str(name), dataset)
        if "dtype" in rules:
            rules["dtype"] = (dtypes or {}).get(str(name), rules["dtype"])
            if not compute:
                rules["fill_value"] = FILL_VALUE  # what a chunk that is not there yet reads as
                rules["compressors"] = [ZstdCodec(level=1)]  # twice as fast as the default
        encoding[str(name)] = rules
    options: dict[str, Any] = {"mode": mode, "zarr_format": 3, "consolidated": False}
    options |= {"encoding": encoding, "compute": compute}
    dataset.drop_encoding().to_zarr(path, **options)


def value_encoding(name: str, dataset: xr.Dataset) -> dict[str, Any]:
    """Return dtype and fill value: float32 with a fill for data, none for flags, coordinates."""
    kind = dataset[name].dtype
    if is_data(name, dataset) and np.issubdtype(kind, np.floating):
        return {"dtype": "float32", "_FillValue": FILL_VALUE}
    return {} if kind.kind in "OUS" else {"_FillValue": None}


def filled(values: NDArray[Any]) -> NDArray[Any]:
    """Replace NaN by the fill value; whole numbers stay as they are."""
    if values.dtype.kind != "f":
        return values
    return np.where(np.isnan(values), FILL_VALUE, values)


@contextmanager
def true_errno(path: Path) -> Iterator[None]:
    """Turn netCDF's bare RuntimeError into the `OSError` that the system gave it.

    HDF5 hides the reason; adding a little to the doomed temporary file asks the system again.
    """
    try:
        yield
    except RuntimeError as error:
        with open(path, "ab", buffering=0) as stream:
            for _ in range(_PROBE_BLOCKS):
                stream.write(bytes(65536))
        raise OSError(None, " ".join(str(error).split())) from error
