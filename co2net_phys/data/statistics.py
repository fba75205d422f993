"""Means and standard deviations of the training frames, for normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError

CHUNK = 64
"""Frames read at a time."""


def field_statistics(
    store: TrainingStore, frames: NDArray[np.int64], stations: NDArray[np.int64] | None = None
) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of CO2 and every auxiliary over `frames`, in their own units.

    Where the store has no gridded CO2, those of CO2 are of the observations at `stations`, (S,)
    indices; None takes all stations.

    Raises
    ------
    DataError
        A variable does not vary, so that it cannot be normalised.
    """
    statistics = {}
    for name in (CO2, *store.auxiliaries):
        count, total, square = 0, 0.0, 0.0
        offset: float | None = None  # keeps the sum of squares small: ps is near 1e5
        for first in range(0, len(frames), CHUNK):
            values = _values(store, name, frames[first : first + CHUNK], stations)
            if np.isnan(values).all():
                continue
            offset = float(np.nanmean(values)) if offset is None else offset
            valid = values[np.isfinite(values)] - offset
            count, total = count + valid.size, total + valid.sum()
            square += np.square(valid).sum()
        mean = total / max(count, 1)
        deviation = float(np.sqrt(max(square / max(count, 1) - mean**2, 0)))
        if not deviation > 0:
            raise DataError(f"{store.source}: {_problem(store, name)}")
        statistics[name] = ((offset or 0.0) + float(mean), deviation)
    return statistics


def _values(
    store: TrainingStore, name: str, frames: NDArray[np.int64], stations: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    if name in store.dataset:
        return store.field(name, frames).astype(np.float64)
    every = np.arange(len(store.stations))
    return store.observations(frames, every if stations is None else stations).astype(np.float64)


def _problem(store: TrainingStore, name: str) -> str:
    """What to do about a variable that does not vary."""
    if name in store.dataset:
        return f"variable {name!r} does not vary; leave it out of the store"
    return "the training stations see no CO2 that varies in the training frames; give more reports"
