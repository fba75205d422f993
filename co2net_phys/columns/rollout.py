"""An emulator run for years: every tracer it makes is the start of the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from co2net_phys.columns.schema import TRACER
from co2net_phys.columns.store import ColumnStore, Fields
from co2net_phys.errors import DataError, NumericalError

Frame = tuple[Any, Fields]
"""Time (numpy or cftime) and tracer (L, H, W), kg kg-1."""

GROWTH_LIMIT = 1e3
"""How many times the largest tracer of the start a roll-out may reach before it has blown up."""


class ColumnModel(Protocol):
    """An emulator or a rival of one."""

    @property
    def frames(self) -> int:
        """Frames T that it reads."""

    def __call__(self, surface: Tensor, profiles: Tensor) -> Tensor:
        """Tracer (B, 1, L, H, W) of inputs (B, T, 6, H, W) and (B, T, 8, L, H, W)."""


def rollout(
    model: ColumnModel,
    store: ColumnStore,
    start: int,
    steps: int,
    device: torch.device | str = "cpu",
) -> Iterator[Frame]:
    """Yield time and tracer (L, H, W), kg kg-1, of `steps` frames from frame `start` on.

    The tracer is known before `start` and predicted from there; the forcing is the store's. No
    more than T frames are held, whatever the length.

    Parameters
    ----------
    model
        In the mode that it is to run in, on `device`.
    store
        Where the start and the forcing come from.
    start
        First frame predicted, at least T.
    steps
        Frames to predict.

    Raises
    ------
    DataError
        The store has fewer frames or a gap in time among them.
    NumericalError
        A tracer is not finite, or larger than `GROWTH_LIMIT` allows.
    """
    require_frames(store, model.frames, start, steps)
    past = deque(_tensors(store.tracer(range(start - model.frames, start)), device), model.frames)
    # From no tracer at all there is nothing to compare with but what is infinite.
    largest = max(float(field.max()) for field in past)
    limit = GROWTH_LIMIT * largest or torch.finfo(torch.float32).max
    before = range(start + 1 - model.frames, start)
    surface = deque(_tensors(store.surface(before), device), model.frames)
    forcing = deque(_tensors(store.forcing(before), device), model.frames)
    for frame in range(start, start + steps):
        surface.extend(_tensors(store.surface([frame]), device))
        forcing.extend(_tensors(store.forcing([frame]), device))
        profiles = torch.cat([torch.stack(list(past))[:, None], torch.stack(list(forcing))], dim=1)
        with torch.no_grad():
            field = model(torch.stack(list(surface))[None], profiles[None])[0, 0]
        past.append(field)
        time = store.times.values[frame]
        _require_bounded(field, limit, f"{frame - start + 1} frames, at {str(time)[:19]}")
        yield time, field.cpu().numpy().copy()  # `past` keeps the field itself


def require_frames(store: ColumnStore, frames: int, start: int, steps: int) -> None:
    """Refuse a roll-out that the store has no history or forcing for.

    Raises
    ------
    DataError
        Fewer than `frames` frames before `start`, than `steps` from it on, or a gap among them.
    """
    if steps < 1 or start < frames or start + steps > len(store):
        raise DataError(
            f"{store.source}: a roll-out of {steps} frames from frame {start} needs {frames} "
            f"before it and {steps} from it on, the store has {len(store)}; choose another start"
        )
    seconds = store.seconds[start - frames : start + steps]
    gaps = np.flatnonzero(np.diff(seconds) > 1.5 * store.time_step)
    if gaps.size:
        time = store.times.values[start - frames + gaps[0]]
        raise DataError(
            f"{store.source}: variable 'time' has a gap after {str(time)[:19]}; a roll-out needs "
            "every frame, choose another start or fewer steps"
        )


def _tensors(values: Fields, device: torch.device | str) -> Tensor:
    return torch.from_numpy(values).to(device)


def _require_bounded(field: Tensor, limit: float, when: str) -> None:
    largest = float(field.max())  # NaN if any value is
    if not largest <= limit:
        raise NumericalError(
            f"{TRACER}: the roll-out blew up after {when} ({largest:.3g} kg kg-1); train with "
            "more roll-out steps or a lower learning rate"
        )
