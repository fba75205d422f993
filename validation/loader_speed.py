"""Windows a second that reach a training step from a store, by each way of reading it.

The ways take turns, epoch after epoch in one process, so that whatever else the machine does falls
on all of them, and the medians are compared. Every epoch has another order, as in training. Files
that the system has in its cache are not read from the disk, so the first epoch is not counted.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import torch

from co2net_phys.batch import Batch
from co2net_phys.data.device_series import SHARE, plan_series, windows_on
from co2net_phys.data.prefetch import THREADS, PrefetchedWindows
from co2net_phys.data.statistics import field_statistics
from co2net_phys.data.store import CACHE_BYTES, MEMORY_LIMIT_BYTES, open_store
from co2net_phys.data.windows import Windows, shuffled, window_ends
from co2net_phys.devices import choose_device
from co2net_phys.errors import UsageError
from co2net_phys.model import WIND, CO2Net, CO2NetConfig
from co2net_phys.validation.training_speed import Step

Size = Literal["XS", "S", "B", "L"]

WAYS = {
    "memory": "variables kept in the host's memory, one window after the other",
    "store": "read from the file, one batch after the other",
    "prefetch": "read from the file in the background",
    "series": "gathered from the series on the device",
}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LoaderSpeed:
    """What one way of reading gives; numbers are None where the way is not possible."""

    way: str
    note: str
    """What the way does, or why it is not possible."""
    windows_per_second: float | None = None
    """Median of the epochs after the first, nothing else running."""
    ready_seconds: float | None = None
    """Opening, and loading what is loaded first."""
    growth_megabytes: float | None = None
    """Resident memory at the ends of these epochs less that at their beginnings, summed."""
    step_windows_per_second: float | None = None
    """Of training steps fed in this way."""
    waiting: float | None = None
    """Share of the time of these steps spent waiting for windows."""
    times_step: float | None = None
    """Windows that are made in the time in which a step takes one."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass
class _Run:
    """A way that is being measured."""

    way: str
    windows: Windows
    ready_seconds: float
    seconds: list[float] = field(default_factory=list)
    """Of each epoch."""
    growth: list[float] = field(default_factory=list)
    step_seconds: float | None = None
    waiting_seconds: float = 0.0


def measure_loader(
    path: Path,
    *,
    length: int = 8,
    batch: int = 4,
    windows: int = 200,
    epochs: int = 4,
    threads: int = THREADS,
    cache_bytes: int = CACHE_BYTES,
    device: str = "auto",
    size: Size | None = "S",
    steps: int = 4,
    progress: Progress | None = None,
) -> list[LoaderSpeed]:
    """Measure every way of reading the windows of a store.

    Args:
        path: the training store.
        length: frames in a window.
        batch: windows in a batch.
        windows: windows in an epoch, at most; drawn anew for each.
        epochs: of each way; the first is not counted.
        threads: that read in the background.
        cache_bytes: kept of what was read last by the ways that read from the file.
        device: "auto", "cpu", "cuda".
        size: of the network whose step is measured too; None leaves it out.
        steps: training steps fed by each way, after one that is not counted.
        progress: told the epochs done and those to do.

    Raises:
        UsageError: fewer than two epochs, no such device, or a network that needs another store.
        DataError: the store cannot be read.
    """
    if min(batch, windows, threads, steps) < 1 or epochs < 2:
        raise UsageError("batch, windows, threads and steps are at least 1, epochs at least 2")
    where = choose_device(device)
    runs, absent = _opened(path, length, threads, cache_bytes, where)
    for epoch in range(epochs):
        for done, run in enumerate(runs, 1):
            order = shuffled(len(run.windows), 0, epoch)[:windows]
            _epoch(run, run.windows.batches(batch, order), where)
            if progress is not None:
                progress(epoch * len(runs) + done, epochs * len(runs))
    if size is not None:
        step = _step(size, runs[0].windows, where)
        for run in runs:
            _feed(run, step, batch, steps, where)
    count = min(windows, len(runs[0].windows))
    found = {run.way: _result(run, count, batch, steps) for run in runs}
    return [found[way] if way in found else LoaderSpeed(way, absent[way]) for way in WAYS]


def resident_megabytes() -> float | None:
    """Memory of this process, MB; None where the system does not say."""
    statistics = Path("/proc/self/statm")
    if not statistics.is_file():
        return None
    return int(statistics.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _opened(
    path: Path, length: int, threads: int, cache_bytes: int, device: torch.device
) -> tuple[list[_Run], dict[str, str]]:
    """Each possible way, and why the others are not."""
    runs, absent = [], {}
    for way in WAYS:
        started = time.perf_counter()
        limit = MEMORY_LIMIT_BYTES if way == "memory" else 0
        store = open_store(path, limit, cache_bytes=cache_bytes)
        ends = window_ends(store, np.arange(len(store)), length)
        plain = Windows(store, ends, np.arange(len(store.stations)), length)
        plan = plan_series(device, [plain])
        if way == "memory" and not store.in_memory:
            absent[way] = f"the store is larger than {MEMORY_LIMIT_BYTES / 2**30:.0f} GB"
            continue
        if way == "series" and not plan.fits:
            absent[way] = f"larger than {SHARE:.0%} of the free memory of {device}"
            continue
        runs.append(_Run(way, _ways(way, plain, threads, device), time.perf_counter() - started))
    return runs, absent


def _ways(way: str, plain: Windows, threads: int, device: torch.device) -> Windows:
    if way == "prefetch":
        parts = plain.store, plain.ends, plain.stations, plain.length
        return PrefetchedWindows(*parts, device=device, threads=threads, ahead=2 * threads)
    return windows_on(device, [plain], "always")[0] if way == "series" else plain


def _epoch(run: _Run, batches: Iterable[Batch], device: torch.device) -> None:
    before, started = resident_megabytes(), time.perf_counter()
    for made in batches:
        made.to(device)
    _finish(device)
    run.seconds.append(time.perf_counter() - started)
    after = resident_megabytes()
    run.growth.append(float("nan") if before is None or after is None else after - before)


def _feed(run: _Run, step: Step, batch: int, steps: int, device: torch.device) -> None:
    """Take training steps with what the way gives."""
    positions = shuffled(len(run.windows), 1, 0)
    chosen = np.resize(positions, (steps + 1, batch))
    batches: Iterator[Batch] = run.windows.stream(chosen)
    step(next(batches).to(device))
    _finish(device)
    started = time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        made = next(batches).to(device)
        run.waiting_seconds += time.perf_counter() - asked
        step(made)
        _finish(device)
    run.step_seconds = time.perf_counter() - started


def _step(size: Size, windows: Windows, device: torch.device) -> Step:
    store = windows.store
    if not set(WIND) <= set(store.auxiliaries):
        raise UsageError(f"{store.source}: no wind, which the network needs; use --size none")
    torch.manual_seed(0)
    config = CO2NetConfig(
        size=size, grid=store.shape, frames=windows.length, auxiliaries=store.auxiliaries,
        frame_spacing_s=store.time_step,
        statistics=field_statistics(store, np.arange(min(len(store), 64))),
    )  # fmt: skip
    return Step(CO2Net(config).to(device), config, "bf16")


def _result(run: _Run, windows: int, batch: int, steps: int) -> LoaderSpeed:
    rate, growth = windows / median(run.seconds[1:]), float(np.sum(run.growth[1:]))
    result = LoaderSpeed(
        run.way, WAYS[run.way], rate, run.ready_seconds, None if np.isnan(growth) else growth
    )
    if run.step_seconds is None:
        return result
    alone = steps * batch / (run.step_seconds - run.waiting_seconds)
    return LoaderSpeed(
        *(result.way, result.note, rate, result.ready_seconds, result.growth_megabytes),
        steps * batch / run.step_seconds, run.waiting_seconds / run.step_seconds, rate / alone,
    )  # fmt: skip


def _finish(device: torch.device) -> None:
    """Wait for what a GPU still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
