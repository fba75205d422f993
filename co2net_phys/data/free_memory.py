"""How much memory a device has left, as far as the system says."""

from __future__ import annotations

import os
from pathlib import Path

import torch

PROCESS = Path("/proc")
"""Where Linux tells of the machine and of this process."""

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux says how much memory a container or a batch job may use."""


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be used on a device; None where it does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    known = [_available_on_machine(), *_left_in_groups()]
    return min((count for count in known if count is not None), default=None)


def _available_on_machine() -> int | None:
    """Bytes that programs can still get; where only the total is known, that."""
    try:
        text = (PROCESS / "meminfo").read_text()
        return 1024 * int(text.partition("MemAvailable:")[2].split()[0])
    except (OSError, IndexError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _left_in_groups() -> list[int | None]:
    """Bytes below the limit of each control group this process belongs to, inner to outer."""
    try:
        lines = (PROCESS / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    inner = next((line[3:].strip("/") for line in lines if line.startswith("0::")), "")
    groups = [GROUPS / inner, *(GROUPS / inner).parents]
    return [_left_in_group(group) for group in groups if group.is_relative_to(GROUPS)]


def _left_in_group(group: Path) -> int | None:
    """Bytes below the limit of a control group; None where it has none."""
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        statistics = (group / "memory.stat").read_text().split()
        files = int(statistics[statistics.index("inactive_file") + 1])  # given back on demand
        return max(0, limit - used + files)
    except (OSError, ValueError, IndexError):
        return None
