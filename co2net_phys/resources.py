"""What a piece of work takes of the machine: time and memory."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

STATUS, HIGH_WATER = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Usage:
    """Filled when the work is over."""

    seconds: float = 0.0
    memory_bytes: int | None = None
    """Most memory beyond what was taken before, None where the system does not tell."""


@contextmanager
def measured(device: torch.device) -> Iterator[Usage]:
    """Measure the block: on a GPU what torch allocates there, else resident memory (Linux).

    Resident memory does not grow where the block finds memory that earlier work has given back
    to the process only, so the first work of a process is measured best.
    """
    usage = Usage()
    before = _start(device)
    began = time.perf_counter()
    try:
        yield usage
    finally:
        usage.seconds = time.perf_counter() - began
        peak = _peak(device)
        usage.memory_bytes = None if before is None or peak is None else max(0, peak - before)


def _start(device: torch.device) -> int | None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        HIGH_WATER.write_text("5")  # the mark is that of now (Linux, proc(5))
    except OSError:
        return None
    return _resident("VmRSS")


def _peak(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _resident("VmHWM")


def _resident(field: str) -> int | None:
    """Memory of this process, now ("VmRSS") or at most since the mark was set ("VmHWM")."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field)), None)
