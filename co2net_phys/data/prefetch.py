"""Batches made in background threads, ahead of the step that takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch

from co2net_phys.batch import Batch
from co2net_phys.data.windows import Positions, Windows

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 2
"""Threads that read; each waits for the file most of the time, or decompresses."""

AHEAD = 4
"""Batches that are made or ready beyond the one in use."""


def prefetch(
    make: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int = THREADS,
    ahead: int = AHEAD,
) -> Iterator[Result]:
    """Yield make(item) for every item, in order, with up to `ahead` of them made in advance.

    What comes out does not depend on the threads. When the caller stops early (closes the iterator
    or is interrupted) nothing new is started, and the threads end before it returns.

    Raises
    ------
    Exception
        What `make` raises, in the place of its result.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="co2phys-prefetch")
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class PrefetchedWindows(Windows):
    """Windows read from the store in the background, delivered on a device.

    Attributes
    ----------
    device
        Where batches are delivered; for a GPU they wait in pinned memory.
    threads, ahead
        See `prefetch`.
    """

    device: torch.device = field(default=torch.device("cpu"), kw_only=True)
    threads: int = field(default=THREADS, kw_only=True)
    ahead: int = field(default=AHEAD, kw_only=True)

    def batch(self, positions: Positions) -> Batch:
        """Assemble the windows at these positions of `ends`, now, on the device."""
        return super().batch(positions).to(self.device)

    def stream(self, groups: Iterable[Positions]) -> Iterator[Batch]:
        """Yield the batch of each group of positions, on the device.

        Raises
        ------
        DataError
            The store cannot be read.
        """
        for batch in prefetch(self._ready, groups, threads=self.threads, ahead=self.ahead):
            yield batch.to(self.device)

    def _ready(self, positions: Positions) -> Batch:
        batch = super().batch(positions)
        return pinned(batch) if self.device.type == "cuda" else batch


def pinned(batch: Batch) -> Batch:
    """Return the batch with what is large in page-locked memory, which a GPU fetches by itself."""
    value = batch.observations.value.pin_memory()
    return replace(
        batch,
        fields={name: values.pin_memory() for name, values in batch.fields.items()},
        observations=replace(batch.observations, value=value),
    )
