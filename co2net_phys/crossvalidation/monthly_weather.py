"""The sites of a monthly table in the weather of a monthly store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.crossvalidation.method import Task
from co2net_phys.crossvalidation.records import Floats, Integers, Months
from co2net_phys.data.opening import explained_reading_errors, open_dataset
from co2net_phys.data.output_layout import station_coordinates
from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2, VARIABLES, validate_store
from co2net_phys.data.stations import Station
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError


@dataclass(frozen=True)
class Places:
    """Where there are records: P stations, each with all series of a site at one place.

    Attributes:
        stations: their codes and places.
        groups: (P,) number of the group that each is left out with.
        of_series: (S,) station of each series.
        values: (P, M) ppm, the mean of its series in each month, NaN where none has a value.
    """

    stations: tuple[Station, ...]
    groups: Integers
    of_series: Integers
    values: Floats


def places_of(task: Task) -> Places:
    """Gather the series of each site, so that two heights of a tower are one station.

    A map has one value for both, and one must not tell a network the other in training.
    """
    records = task.records
    number: dict[tuple[object, ...], int] = {}
    of_series, groups, stations = [], [], []
    for series, group in zip(records.series, task.groups.tolist(), strict=True):
        key = (series.site, group, series.site_latitude, series.site_longitude)
        if key not in number:
            number[key] = len(number)
            code = "_".join(f"{number[key]:04d} {series.site}".split())
            stations.append(Station(code, series.site_name, *key[2:], series.elevation))
            groups.append(group)
        of_series.append(number[key])
    rows = np.array(of_series, dtype=np.int64)
    total, count = (np.zeros((len(stations), records.months.size)) for _ in range(2))
    np.add.at(total, rows, np.nan_to_num(records.table))
    np.add.at(count, rows, np.isfinite(records.table))
    values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return Places(tuple(stations), np.array(groups, dtype=np.int64), rows, values)


@dataclass(frozen=True)
class MonthlyWeather:
    """The weather of a store in the months of a table, and in some before.

    Attributes:
        dataset: auxiliary fields (time, latitude, longitude), one step a month, in memory.
        months: (N,) month of each step.
        source: the store.
    """

    dataset: xr.Dataset
    months: Months
    source: str

    def columns(self, months: Months) -> Integers:
        """Position (N,) of the month of each step in consecutive `months`, or −1."""
        column = (self.months - months[0]).astype(np.int64)
        return np.where((column >= 0) & (column < months.size), column, -1)

    def store(self, places: Places, months: Months, chosen: NDArray[np.bool_]) -> TrainingStore:
        """The weather with the chosen (P,) stations and no others, whose values are of `months`."""
        inside, column = np.flatnonzero(chosen), self.columns(months)
        values = np.where(column[:, None] >= 0, places.values[inside].T[column], np.nan)
        observed = xr.Variable(
            ("time", "station"), values.astype(np.float32), VARIABLES[CO2].attributes
        )
        coordinates = station_coordinates([places.stations[index] for index in inside])
        dataset = self.dataset.assign({STATION_CO2: observed}).assign_coords(coordinates)
        return TrainingStore(dataset, self.source, need_target=False)


def monthly_weather(path: Path, months: Months, before: int) -> MonthlyWeather:
    """Read the weather of a monthly store in `months` (M,), and up to so many months before.

    Nothing else is read: neither CO2 on the grid nor at stations, if the store has any.

    Raises
    ------
    DataError
        The store cannot be read, has several steps in a month, no weather, or other months.
    """
    valid = validate_store(open_dataset(path), str(path), need_target=False)
    names = [name for name in AUXILIARIES if name in valid]
    if not names:
        raise DataError(f"{path}: has none of {', '.join(AUXILIARIES)}; give a store with weather")
    dates = valid["time"].dt
    number = 12 * (dates.year.values - 1970) + dates.month.values - 1
    steps = number.astype("datetime64[M]")
    repeated = steps[1:][steps[1:] == steps[:-1]]
    if repeated.size:
        raise DataError(f"{path}: several time steps in {repeated[0]}; give monthly means")
    used = (steps >= months[0] - before) & (steps <= months[-1])
    if not np.isin(months, steps).any():
        raise DataError(
            f"{path}: has {steps[0]} to {steps[-1]}, the table {months[0]} to {months[-1]}; give "
            "the weather of its months"
        )
    axes = valid[["time", "latitude", "longitude", *names]]
    with explained_reading_errors(path):
        kept = axes.drop_attrs(deep=False).isel(time=np.flatnonzero(used)).load()
    return MonthlyWeather(kept.drop_vars(set(kept.coords) - set(kept.dims)), steps[used], str(path))
