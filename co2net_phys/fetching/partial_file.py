"""A file while it comes in: `name.part`, and `name.part.json` that says what it is a part of.

Only bytes that have been flushed to the disk count as there. So a process may be killed, or the
power fail, at any moment: the next run cuts the part to the bytes that are certain and goes on.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from co2net_phys.data.atomic import (
    atomic_write_text,
    explained_writing_errors,
    flush_entry,
    publish,
    remove,
)
from co2net_phys.errors import DataError
from co2net_phys.json_text import json_text


@dataclass
class Origin:
    """What a part is a part of.

    Attributes:
        address: where it comes from.
        etag: of the server, "" if it gave none.
        last_modified: likewise.
        total: bytes of the complete file; None if the server does not say.
        certain: bytes of the part that have reached the disk.
    """

    address: str
    etag: str = ""
    last_modified: str = ""
    total: int | None = None
    certain: int = 0

    @property
    def validator(self) -> str:
        """What `If-Range` needs: a strong ETag or a date; "" if the server gave neither."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified

    @property
    def is_complete(self) -> bool:
        """Whether every byte is certain."""
        return self.total is not None and self.certain == self.total


class PartialFile:
    """The part of one file; a context manager that keeps what has come in when it is left."""

    def __init__(self, target: Path, address: str, checkpoint: int) -> None:
        self.target, self.checkpoint = target, checkpoint
        self.path = target.with_name(f"{target.name}.part")
        self._notes = target.with_name(f"{target.name}.part.json")
        self.origin = self._noted(address)
        self.size = self.origin.certain
        self.was_resumed = self.size > 0
        self._stream: BinaryIO | None = None

    def __enter__(self) -> PartialFile:
        with explained_writing_errors(self.target):
            # A link is not followed: nothing outside the output folder is ever written.
            options = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            self._stream = os.fdopen(os.open(self.path, options, 0o666), "r+b")
            self._cut(self.size)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._stream is None:
            return
        try:
            if kind is None or not issubclass(kind, DataError):
                self.secure()
        finally:
            stream, self._stream = self._stream, None
            with suppress(OSError):  # a full disk refuses the last bytes once more
                stream.close()

    def restart(self, origin: Origin) -> None:
        """Forget all bytes; what comes now is from `origin`."""
        self.origin, self.size, self.was_resumed = origin, 0, False
        with explained_writing_errors(self.target):
            self._cut(0)
            remove(self._notes)  # they tell of other bytes

    def write(self, data: bytes) -> None:
        """Append bytes."""
        assert self._stream is not None
        with explained_writing_errors(self.target, len(data)):
            self._stream.write(data)
        self.size += len(data)
        if self.size - self.origin.certain >= self.checkpoint:
            self.secure()

    def secure(self) -> None:
        """Bring all bytes to the disk, and note that they are there."""
        assert self._stream is not None
        with explained_writing_errors(self.target):
            self._stream.flush()
            os.fsync(self._stream.fileno())
        self.origin.certain = self.size
        atomic_write_text(self._notes, json_text(asdict(self.origin)))

    def publish(self) -> None:
        """Give the complete file its name."""
        with explained_writing_errors(self.target):
            publish(self.path, self.target)
            remove(self._notes)
            flush_entry(self.target.parent)

    def discard(self) -> None:
        """Remove the part; the context must have been left."""
        remove(self.path)
        remove(self._notes)

    def _cut(self, size: int) -> None:
        assert self._stream is not None
        self._stream.truncate(size)
        self._stream.seek(size)

    def _noted(self, address: str) -> Origin:
        """What an earlier run noted, if a part of this very address is there."""
        try:
            origin = Origin(**json.loads(self._notes.read_text(encoding="utf-8")))
            there = self.path.stat().st_size
            fits = origin.address == address and 0 < origin.certain <= there
            if fits and (origin.validator or origin.is_complete):
                return origin
        except (OSError, ValueError, TypeError):
            pass  # no notes, or none that can be used: the file is started again
        return Origin(address)
