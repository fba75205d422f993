"""Blocks of frames read lately, so that one read of a file's chunk serves neighbouring windows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from threading import Lock

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Values = NDArray[np.float32]


LARGEST_READ = 2**25
"""Bytes of one variable that a thread reads at once; a file in larger chunks is read in parts."""


class FrameCache:
    """Reads frames of variables block by block and keeps the blocks used last.

    Threads may share one: a block that several of them want is read once. Besides `budget` bytes
    each thread holds up to twice `LARGEST_READ` while it reads.

    Parameters
    ----------
    read
        Returns the values of a slice of a variable.
    budget
        Bytes of all blocks kept.
    """

    def __init__(self, read: Callable[[xr.DataArray], Values], budget: int) -> None:
        self.budget = budget
        self._read = read
        self._lock = Lock()
        self._blocks: OrderedDict[tuple[str, int], Future[Values]] = OrderedDict()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes kept now."""
        return self._bytes

    def block_length(self, array: xr.DataArray, chunk: int | None) -> int:
        """Frames in a block of a variable whose file has `chunk` frames in one piece."""
        return max(1, min(chunk or 1, LARGEST_READ // _frame_bytes(array)))

    def frames(self, array: xr.DataArray, frames: NDArray[np.int64], length: int) -> Values:
        """Values (n, …) at `frames` of an array whose first dimension is time.

        Raises
        ------
        Exception
            What `read` raises, in every thread that waits for the same block.
        """
        result = np.empty((len(frames), *array.shape[1:]), np.float32)
        numbers, inside = np.divmod(frames, length)
        wanted = np.unique(numbers)
        at_once = max(1, LARGEST_READ // (length * _frame_bytes(array)))
        for first in range(0, len(wanted), at_once):
            part = wanted[first : first + at_once].tolist()
            for number, block in self._fetch(array, part, length).items():
                places = np.flatnonzero(numbers == number)
                result[places] = block[inside[places]]
        return result

    def clear(self) -> None:
        """Drop all blocks."""
        with self._lock:
            self._drop_to(0)

    def _fetch(self, array: xr.DataArray, numbers: list[int], length: int) -> dict[int, Values]:
        """The blocks of these numbers; those that no thread has asked for yet are read here."""
        name, futures, mine = str(array.name), {}, {}
        with self._lock:
            for number in numbers:
                future = self._blocks.get((name, number))
                if future is None:
                    future = mine[number] = self._blocks[name, number] = Future()
                self._blocks.move_to_end((name, number))
                futures[number] = future
        # First what nobody else reads, then wait for the others: no two threads wait in a circle.
        try:
            for first, stop in _runs(list(mine)):
                values = self._read(array.isel(time=slice(first * length, stop * length)))
                for number in range(first, stop):
                    start = (number - first) * length
                    # A copy: a view would keep the whole run alive after the others are dropped.
                    block = values if stop == first + 1 else values[start : start + length].copy()
                    self._keep(mine[number], block)
        except BaseException as error:
            self._give_up(name, mine, error)
            raise
        return {number: future.result() for number, future in futures.items()}

    def _keep(self, future: Future[Values], block: Values) -> None:
        """Hand a new block to all who wait for it, and drop the ones used longest ago."""
        with self._lock:
            future.set_result(block)
            self._bytes += block.nbytes
            self._drop_to(self.budget)

    def _drop_to(self, limit: int) -> None:
        """Drop the blocks used longest ago until no more than `limit` bytes are kept."""
        while self._bytes > limit:
            oldest = next(key for key, known in self._blocks.items() if known.done())
            self._bytes -= self._blocks.pop(oldest).result().nbytes

    def _give_up(self, name: str, mine: dict[int, Future[Values]], error: BaseException) -> None:
        """Tell the threads that wait for blocks of this call, and let a later call try again."""
        with self._lock:
            for number, future in mine.items():
                if not future.done():
                    del self._blocks[name, number]
                    future.set_exception(error)


def _frame_bytes(array: xr.DataArray) -> int:
    return max(4, 4 * int(np.prod(array.shape[1:])))  # a table may have no stations


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and one past the last of each run of consecutive numbers."""
    start = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield numbers[start], numbers[place - 1] + 1
            start = place
