"""What an emulator learns from: histories of the tracer, the forcing, and what came of them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.columns.store import ColumnStore
from co2net_phys.data.prefetch import prefetch
from co2net_phys.data.windows import Indices, Positions, window_ends


class ColumnItem(NamedTuple):
    """B windows of k predicted frames each, for a network that reads T frames."""

    surface: Tensor
    """(B, T + k − 1, 6, H, W) two-dimensional inputs, up to the last frame predicted."""
    forcing: Tensor
    """(B, T + k − 1, 7, L, H, W) profiles but the tracer, at the same frames."""
    history: Tensor
    """(B, T, L, H, W) tracer of the T frames before the first predicted, kg kg-1."""
    target: Tensor
    """(B, k, L, H, W) tracer of the frames predicted, kg kg-1."""
    air: Tensor
    """(B, k, L, H, W) mass of air per area at these frames, kg m-2."""

    def to(self, device: torch.device | str) -> ColumnItem:
        """Return the item on `device`."""
        return ColumnItem(*(part.to(device, non_blocking=True) for part in self))


@dataclass(frozen=True)
class ColumnWindows:
    """All windows of one block of a store, as items.

    Attributes
    ----------
    ends
        Last frame of each window.
    frames
        Frames T that the network reads.
    steps
        Frames k predicted one from another: 1 is one-step training, more are rolled out.
    """

    store: ColumnStore
    ends: Indices
    frames: int
    steps: int = 1

    def __len__(self) -> int:
        return len(self.ends)

    def stream(self, groups: Iterable[Positions]) -> Generator[ColumnItem, None, None]:
        """Yield the item of each group of positions in `ends`; the next is read meanwhile."""
        yield from prefetch(self.batch, groups, threads=1, ahead=1)

    def batch(self, positions: Positions) -> ColumnItem:
        """Assemble the windows at these positions of `ends`."""
        last = self.ends[np.asarray(positions)][:, None]  # (B, 1)
        first = last - self.steps + 1
        predicted = first + np.arange(self.steps)  # (B, k)
        forced = first + np.arange(1 - self.frames, self.steps)  # (B, T + k − 1)
        known = first + np.arange(-self.frames, 0)  # (B, T)
        store = self.store
        return ColumnItem(
            surface=_tensor(store.surface(forced.ravel()), forced),
            forcing=_tensor(store.forcing(forced.ravel()), forced),
            history=_tensor(store.tracer(known.ravel()), known),
            target=_tensor(store.tracer(predicted.ravel()), predicted),
            air=_tensor(store.air_mass(predicted.ravel()).astype(np.float32), predicted),
        )


def column_windows(
    store: ColumnStore, block: Indices, frames: int, steps: int = 1
) -> ColumnWindows:
    """Return all windows inside the frames of a block that have no gap in time.

    `block` is what `co2net_phys.data.splits.split_frames` gives; a window never leaves it.

    Raises
    ------
    DataError
        There is none.
    """
    return ColumnWindows(store, window_ends(store, block, frames + steps), frames, steps)


def _tensor(values: NDArray[np.float32], frames: Indices) -> Tensor:
    """Values (n, ...) of frames (B, n/B) as a tensor (B, n/B, ...)."""
    return torch.from_numpy(values).reshape(*frames.shape, *values.shape[1:])
