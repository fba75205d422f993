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
    store: TrainingStore, frames: NDArray[np.int64]
) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of CO2 and every auxiliary over `frames`, in their own units.

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
            values = store.field(name, frames[first : first + CHUNK]).astype(np.float64)
            offset = float(np.nanmean(values)) if offset is None else offset
            valid = values[np.isfinite(values)] - offset
            count, total = count + valid.size, total + valid.sum()
            square += np.square(valid).sum()
        mean = total / max(count, 1)
        deviation = float(np.sqrt(max(square / max(count, 1) - mean**2, 0)))
        if not deviation > 0:
            raise DataError(
                f"{store.source}: variable {name!r} does not vary; leave it out of the store"
            )
        statistics[name] = ((offset or 0.0) + float(mean), deviation)
    return statistics
