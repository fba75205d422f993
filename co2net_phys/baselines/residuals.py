"""What fields and stations show beyond the climatology, from a thinned training record."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.baselines.base import chunks, station_positions
from co2net_phys.baselines.climatology import Climatology, phases, target_fields
from co2net_phys.baselines.sphere import nearest_cell
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError

MOST_SNAPSHOTS = 1000
"""Frames kept at most: 43 MB on the 90×120 grid. Frames hours apart tell nearly the same."""

ERROR_FLOOR = 1e-3
"""Smallest error variance of a station as a fraction of the mean variance at the stations."""

SMALLEST_ERROR = 1e-6
"""Smallest error variance of a station in (µmol mol-1)², where nothing varies."""


@dataclass(frozen=True)
class Residuals:
    """Fields and reports of n frames less the climatology, µmol mol-1."""

    frames: NDArray[np.int64]
    """(n,) frames of the store, ascending."""
    field: Tensor
    """(n, C) float32, complete, C = H·W."""
    reports: Tensor
    """(n, S) float64, NaN where missing."""
    cells: Tensor
    """(S,) cell nearest to each station."""

    @classmethod
    def of(
        cls,
        store: TrainingStore,
        frames: NDArray[np.int64],
        stations: NDArray[np.int64],
        climatology: Climatology,
    ) -> Residuals:
        """Of at most `MOST_SNAPSHOTS` of the ascending `frames`, the incomplete ones left out."""
        latitude, longitude = map(torch.from_numpy, station_positions(store, stations))
        rows, columns = nearest_cell(
            climatology.latitude, climatology.longitude, latitude, longitude
        )
        kept, field, reports = [], [], []
        for chunk in chunks(thinned(frames, len(climatology.slots))):
            times = phases(store, chunk)
            beyond = target_fields(store, chunk) - climatology(*times).flatten(1)
            complete = torch.isfinite(beyond).all(dim=1)
            seen = torch.from_numpy(store.observations(chunk, stations)).double()
            seen = seen - climatology.at_positions(*times, latitude, longitude)
            kept.append(chunk[complete.numpy()])
            field.append(beyond[complete].float())
            reports.append(seen[complete])
        cells = rows * store.shape[1] + columns
        return cls(np.concatenate(kept), torch.cat(field), torch.cat(reports), cells)

    def __len__(self) -> int:
        return len(self.frames)

    def between(self, first: int, last: int) -> Residuals:
        """Those of the frames `first` to `last`, inclusive."""
        start, stop = np.searchsorted(self.frames, [first, last + 1])
        part = slice(start, stop)
        return Residuals(self.frames[part], self.field[part], self.reports[part], self.cells)

    def centred(self, area: Tensor) -> Residuals:
        """With the global mean of each frame taken away, for cells with areas (C,)."""
        mean = (self.field @ (area / area.sum()).float())[:, None]
        return Residuals(self.frames, self.field - mean, self.reports - mean.double(), self.cells)

    def error_variance(self, source: str) -> Tensor:
        """Mean square (S,) of report − field in its cell, (µmol mol-1)².

        The error of the instrument and that of representing a cell by a point in it, together.
        A constant difference counts as error too. A station without any report takes the mean of
        the others.

        Raises
        ------
        DataError
            naming `source`, if no station reports in these frames.
        """
        at_stations = self.field[:, self.cells].double()
        errors = (self.reports - at_stations).square().nanmean(dim=0)
        if not torch.isfinite(errors).any():
            raise DataError(f"{source}: no training station reports in the training frames")
        errors = torch.where(torch.isfinite(errors), errors, errors.nanmean())
        floor = ERROR_FLOOR * float(at_stations.square().mean()) + SMALLEST_ERROR
        return errors.clamp(min=floor)


def thinned(frames: NDArray[np.int64], cycle: int, most: int = MOST_SNAPSHOTS) -> NDArray[np.int64]:
    """Every k-th of the frames, at most `most` of them, k sharing no factor with `cycle`.

    So that of a record with `cycle` frames a day all times of the day are kept alike.
    """
    step = -(-len(frames) // most)
    while gcd(step, cycle) > 1:
        step += 1
    return frames[::step]
