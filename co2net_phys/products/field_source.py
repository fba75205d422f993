"""How one field is read from any file of a series: the same recipe for every file of one layout.

A recipe is small and can be sent to another process; a file is open only while it is read, so a
series of thousands of files needs as many open files as there are readers at work.
"""

from collections import Counter
from collections.abc import Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.products.axes import GridAxes
from co2net_phys.products.field_units import (
    refuse_incredible,
    warn_of_fill_values,
    without_fill_values,
)

SAMPLE_RECORDS = 8
"""Records of the first file whose values are checked when a series is opened."""

_NETCDF_LIBRARY = Lock()

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class FieldSource:
    """Recipe of a field (time, latitude, longitude), float32, in the schema's unit.

    Attributes:
        name: in the schema, or that of the file for other variables.
        variables: of the file; their sum is the field.
        axes: the horizontal grid.
        dimensions: names in the file of time (None for a static field), latitude and longitude.
        entries: positions along further dimensions; the mean over them is the field.
        column: a further dimension of which the first position without a missing value counts,
            in this order, in every column of air.
        factor, summand: from the file's units to those of the field.
        units: of the file, as its attribute says.
        stored_records: how many records the file keeps in one piece.
        attributes: of the file's variable that go with the field.
    """

    name: str
    variables: tuple[str, ...]
    axes: GridAxes
    dimensions: tuple[Hashable | None, Hashable, Hashable]
    entries: tuple[tuple[Hashable, tuple[int, ...]], ...] = ()
    column: tuple[Hashable, tuple[int, ...]] | None = None
    factor: float = 1.0
    summand: float = 0.0
    units: str = ""
    stored_records: int = 1
    attributes: tuple[tuple[str, str], ...] = ()

    def where(self, path: Path) -> str:
        """The beginning of an error message: ``"<file>: variable '<name>'"``."""
        return f"{path}: variable '{self.variables[0]}'"

    def read(
        self, path: Path, records: NDArray[np.int64], found: Counter[str] | None = None
    ) -> NDArray[np.float32]:
        """Return records of the file at ``path``, (n, latitude, longitude).

        Args:
            path: a file of this layout.
            records: positions along its time; ignored for a static field, which gives one.
            found: receives the undeclared fill values met.

        Raises:
            DataError: the file cannot be read any more.
        """
        where = f"{path}: variable '{self.variables[0]}'"
        # The NetCDF library may serve one thread at a time; xarray guards values, but not the
        # opening of files, whose attributes it reads: two at once end the process.
        alone = _NETCDF_LIBRARY if path.is_file() else nullcontext()
        with alone, explained_reading_errors(where), open_dataset(path) as dataset:
            total = sum(
                self._values(dataset.variables[name], records, found) for name in self.variables
            )
        if (self.factor, self.summand) != (1.0, 0.0):
            total = np.asarray(total, dtype=np.float64) * self.factor + self.summand
        return np.asarray(total, dtype=np.float32)

    def check_sample(self, path: Path, count: int) -> None:
        """Look at the first records of a series: refuse wrong units, tell of fill values.

        Args:
            path: its first file.
            count: how many records that file has.

        Raises:
            DataError: the values contradict the units attribute, or mole fractions are negative.
        """
        found: Counter[str] = Counter()
        records = np.arange(min(count, SAMPLE_RECORDS))
        values = self.read(path, records, found)
        where = self.where(path)
        warn_of_fill_values(found, where, f"its first {len(values)} records")
        refuse_incredible(
            values, self.name, units=self.units, where=where, option=self.variables[0]
        )

    def _values(
        self, variable: xr.Variable, records: NDArray[np.int64], found: Counter[str] | None
    ) -> Values:
        """Return one variable (n, latitude, longitude) in the units of the file."""
        time, _, _ = self.dimensions
        if time in variable.dims:
            variable = variable.isel({time: _slice_if_regular(records)})
        if self.column is None:
            return self._level(variable, found)
        dimension, order = self.column
        values = self._level(variable.isel({dimension: order[0]}), found)
        for position in order[1:]:
            absent = np.isnan(values)
            if not absent.any():
                break
            above = self._level(variable.isel({dimension: position}), found)
            values = np.where(absent, above, values)
        return values

    def _level(self, variable: xr.Variable, found: Counter[str] | None) -> Values:
        """Reduce the further dimensions and put the rest in order."""
        for dimension, positions in self.entries:
            variable = variable.isel({dimension: list(positions)})
        time, row, column = self.dimensions
        further = [dimension for dimension, _ in self.entries]
        dated = [time] if time in variable.dims else []
        variable = variable.transpose(*further, *dated, row, column)
        values = without_fill_values(_floating(variable.values), found)
        if further:
            values = values.mean(axis=tuple(range(len(further))))
        values = values if dated else values[None]
        return np.asarray(values[:, self.axes.rows][:, :, self.axes.columns])


def _floating(values: NDArray[Any]) -> Values:
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _slice_if_regular(records: NDArray[np.int64]) -> Any:
    """Return neighbouring records as a slice, which is read at once."""
    if len(records) and np.all(np.diff(records) == 1):
        return slice(int(records[0]), int(records[-1]) + 1)
    return records
