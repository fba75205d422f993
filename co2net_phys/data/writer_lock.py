"""Claims on folders, so that two processes never write one output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from co2net_phys.errors import DataError

if sys.platform != "win32":
    import fcntl


def locked(folder: Path) -> int:
    """Return the descriptor of a folder that no other process may write; closing it ends the claim.

    Raises:
        DataError: another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    if sys.platform == "win32":
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise DataError(
            f"{folder}: another process is writing it; wait for it, or choose another --output"
        ) from error
    except OSError:
        pass  # a file system without locks
    return descriptor


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process after the other run the block, for what takes a moment."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if sys.platform != "win32":
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
