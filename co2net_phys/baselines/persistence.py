"""The last known field of the training block at the same time of day."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.baselines.base import WINDOW, chunks, require_training_data
from co2net_phys.baselines.climatology import (
    day_slots,
    nearest_slot,
    no_complete_target,
    target_fields,
)
from co2net_phys.baselines.climatology_offset import ClimatologyOnly
from co2net_phys.data.store import TrainingStore


class Persistence(ClimatologyOnly):
    """The newest complete training field of the same time of day, whatever has happened since.

    In forecasting, persistence repeats the field of a moment ago. Here there is no such field: at
    test time only stations report. What persists is therefore the end of the training block, days
    to years before, so that this measures how fast fields move away from the last one known and
    not how well they could be forecast. It is kept as a climatology of one frame for each time of
    day, without a cycle of the year.
    """

    name = "persistence"

    @classmethod
    def fit(
        cls,
        store: TrainingStore,
        frames: NDArray[np.int64],
        stations: NDArray[np.int64],
        *,
        window: int = WINDOW,
    ) -> Self:
        """Keep the last complete field of every time of day; see `Baseline.fit`."""
        require_training_data(store, frames, stations, cls.minimum_stations)
        last = _last_complete(store, np.sort(frames))
        if len(last) == 0:
            raise no_complete_target(store)
        height, width = store.shape
        module = cls(height=height, width=width, slots=len(last), harmonics=0)
        kept = module.climatology
        kept.slots.copy_(torch.from_numpy(store.day_phase[last]))
        kept.coefficients.copy_(target_fields(store, last).view_as(kept.coefficients))
        kept.latitude.copy_(torch.from_numpy(store.latitude))
        kept.longitude.copy_(torch.from_numpy(store.longitude))
        return module


def _last_complete(store: TrainingStore, frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last of the ascending `frames` with a complete target in every slot of the day."""
    slots = day_slots(store, frames)
    last: dict[int, int] = {}
    for chunk in reversed(list(chunks(frames))):
        complete = torch.isfinite(target_fields(store, chunk)).all(dim=1).numpy()
        phase = torch.from_numpy(store.day_phase[chunk[complete]])
        newest_last = zip(nearest_slot(phase, slots).tolist(), chunk[complete], strict=True)
        last = {**{slot: int(frame) for slot, frame in newest_last}, **last}
        if len(last) == len(slots):
            break
    return np.array(sorted(last.values()), dtype=np.int64)
