"""First guesses for training frames that were not fitted to those very frames.

A climatology knows the frames it was averaged over, so what stations see beyond it is smaller in
training than it will ever be again: a variogram fitted to such residuals is too short-sighted, and
a network trained on such first guesses has never met the errors it is there to correct. Both are
cured by leaving out, for each block of training frames, that block and a gap on either side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from co2net_phys.batch import Batch
from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import GAP_DAYS, GAP_SHARE
from co2net_phys.data.store import TrainingStore
from co2net_phys.solvers.constants import SECONDS_PER_DAY

Frames = NDArray[np.int64]

FOLDS = 5
"""Blocks the training record is cut into."""


def blocks_left_out(
    store: TrainingStore, frames: Frames, count: int
) -> list[tuple[Frames, Frames]]:
    """(frames to fit to, frames left out) for each of `count` blocks of consecutive frames.

    Frames within a gap of the block, as between the blocks of a split, belong to neither.
    """
    seconds = store.seconds
    span = seconds[frames[-1]] - seconds[frames[0]]
    gap = min(GAP_DAYS * SECONDS_PER_DAY, GAP_SHARE * span)
    folds = []
    for block in np.array_split(frames, count):
        first, last = seconds[block[0]] - gap, seconds[block[-1]] + gap
        kept = frames[(seconds[frames] < first) | (seconds[frames] > last)]
        folds.append((kept, block))
    return folds


@dataclass(frozen=True)
class CrossFitted:
    """One method fitted several times, each to all but one block of the training frames.

    Attributes
    ----------
    ends
        Last frame of every block, ascending.
    methods
        The method that has not seen that block.
    """

    ends: Frames
    methods: nn.ModuleList

    @torch.no_grad()
    def first_guess(self, batch: Batch, frames: Frames) -> Tensor:
        """CO2 (B, 1, H, W) in µmol mol-1 of windows that end at training `frames` (B,)."""
        bare = replace(batch, fields={})  # a first guess reads no fields
        owner = torch.from_numpy(np.searchsorted(self.ends, frames))
        guess = torch.empty(len(batch), 1, *batch.coordinates.shape)
        guess = guess.to(batch.observations.value.device)
        for index in owner.unique():
            chosen = (owner == index).to(guess.device)
            guess[chosen] = self.methods[int(index)](bare.windows(chosen)).fields[CO2]
        return guess
