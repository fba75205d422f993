"""Prior surface fluxes by component, invented or from a file, on the transport grid."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.fields import LatLonField, field_from_dataset, open_dataset
from co2net_phys.data.units import unit_conversion
from co2net_phys.errors import DataError
from co2net_phys.regridding import ConservativeRegridder, LatLonGrid
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Field, Geography
from co2net_phys.simulation.sources import COMPONENTS, SurfaceSources
from co2net_phys.solvers import Grid

MEAN_CLOUDINESS = 0.5
"""Dims photosynthesis; a store says nothing of clouds."""

FLUX_UNIT = "umol m-2 s-1"


class PriorFlux(Protocol):
    """Fluxes into the air, one map for each component and time."""

    @property
    def components(self) -> tuple[str, ...]:
        """Names."""

    def at(self, seconds: float) -> NDArray[np.float64]:
        """(C, nlat, nlon) in µmol m-2 s-1, `seconds` after the clock's start."""


class InventedFlux:
    """The sources of the twin world, its clouds and the days on which fires flare up unknown."""

    components = COMPONENTS

    def __init__(self, geography: Geography, clock: Clock) -> None:
        self._sources = SurfaceSources(geography, clock, seed=None)

    def at(self, seconds: float) -> NDArray[np.float64]:
        """See `PriorFlux`."""
        maps: list[Field] = [
            self._sources.flux(name, seconds, MEAN_CLOUDINESS) for name in self.components
        ]
        return np.stack(maps)


class FileFlux:
    """Every mole flux of a CF file, averaged by area onto the grid and linear in time.

    Before the first and after the last record the nearest one holds; a field without time holds
    always.

    Raises
    ------
    DataError
        The file cannot be read, holds no mole flux on a global grid, or ends more than an interval
        of its records before a time that is asked for.
    """

    def __init__(self, path: Path, grid: Grid, clock: Clock) -> None:
        self._source = path
        dataset = open_dataset(path)
        found = {str(name): self._field(dataset, name) for name in dataset.data_vars}
        chosen = {name: entry for name, entry in found.items() if entry is not None}
        if not chosen:
            raise DataError(
                f"{path}: no surface flux of CO2 by latitude and longitude with units such as "
                "'mol m-2 s-1'; convert the flux and give its units attribute"
            )
        self.components = tuple(chosen)
        self._fields = [field for field, _ in chosen.values()]
        self._factors = [factor for _, factor in chosen.values()]
        self._times = [_seconds(field, clock) for field in self._fields]
        self._regridders = [
            ConservativeRegridder(
                LatLonGrid.of(field.data, field.where), LatLonGrid.of_solver(grid)
            )
            for field in self._fields
        ]
        self._kept: dict[tuple[int, int], NDArray[np.float64]] = {}

    def at(self, seconds: float) -> NDArray[np.float64]:
        """See `PriorFlux`."""
        return np.stack([self._component(number, seconds) for number in range(len(self._fields))])

    def _field(self, dataset: object, name: Hashable) -> tuple[LatLonField, float] | None:
        """The field and its factor to µmol m-2 s-1, or None for what is no mole flux."""
        units = str(dataset[name].attrs.get("units", ""))  # type: ignore[index]
        try:
            factor, _ = unit_conversion(units, FLUX_UNIT, where=f"{self._source}: '{name}'")
        except DataError:
            return None
        return field_from_dataset(dataset, self._source, str(name)), factor  # type: ignore[arg-type]

    def _component(self, number: int, seconds: float) -> NDArray[np.float64]:
        times = self._times[number]
        if len(times) == 1:
            return self._record(number, 0)
        step = float(np.diff(times).max())
        if not times[0] - step <= seconds <= times[-1] + step:
            raise DataError(
                f"{self._fields[number].where}: no flux for this period; give a file that covers it"
            )
        position = float(np.interp(seconds, times, np.arange(len(times))))
        before = min(int(position), len(times) - 2)
        share = position - before
        return (1 - share) * self._record(number, before) + share * self._record(number, before + 1)

    def _record(self, number: int, index: int) -> NDArray[np.float64]:
        key = (number, index)
        if key not in self._kept:
            self._kept = {
                k: v for k, v in self._kept.items() if k[0] != number or k[1] >= index - 1
            }
            values = self._factors[number] * self._fields[number].record(index)
            self._kept[key] = self._regridders[number](values)
        return self._kept[key]


def _seconds(field: LatLonField, clock: Clock) -> NDArray[np.float64]:
    """Times of the records in seconds after the clock's start."""
    if field.times is None:
        return np.zeros(1)
    if not np.issubdtype(field.times.dtype, np.datetime64):
        raise DataError(f"{field.where}: its calendar is not Gregorian; convert the time axis")
    return np.asarray((field.times - clock.start) / np.timedelta64(1, "s"), dtype=np.float64)
