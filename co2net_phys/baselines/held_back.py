"""The part of the training frames that tuning parameters are chosen on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.splits import GAP_DAYS
from co2net_phys.data.store import TrainingStore
from co2net_phys.solvers.constants import SECONDS_PER_DAY

HELD_BACK = 0.2
"""Last fraction of the training frames that parameters are chosen on."""

LARGEST_GAP = 0.1
"""Fraction of the time they span that the gap may take at most."""


def early_and_late(
    store: TrainingStore, frames: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Early frames to fit and late ones to judge, with a gap between them; `frames` ascend."""
    late = frames[-max(1, int(HELD_BACK * len(frames))) :]
    seconds = store.seconds[frames]
    gap = min(GAP_DAYS * SECONDS_PER_DAY, LARGEST_GAP * (seconds[-1] - seconds[0]))
    early = frames[: len(frames) - len(late)]
    return early[store.seconds[early] < store.seconds[late[0]] - gap], late
