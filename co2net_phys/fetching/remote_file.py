"""A file that can be fetched: its name here, where it is, and what is known about its contents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from co2net_phys.errors import DataError, UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.nc")


@dataclass(frozen=True)
class RemoteFile:
    """A NetCDF file on one or more servers.

    Attributes:
        name: of the file in the output folder; a bare name, never a path.
        addresses: where the same bytes are, best first.
        size: in bytes, as a catalogue states it.
        digest: algorithm of `hashlib` and hexadecimal digest, as a catalogue states them.
    """

    name: str
    addresses: tuple[str, ...]
    size: int | None = None
    digest: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or ".." in self.name:
            raise DataError(f"{self.name!r}: is not a plain name of a NetCDF file; not fetched")


def checked_base(address: str) -> str:
    """Return the base of addresses without its last slash.

    Raises:
        UsageError: it is not a plain http or https address.
    """
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        extra = bool(parts.query or parts.fragment or parts.username or parts.port == 0)
    except ValueError:  # a port that is no number, a bracket that is not closed
        usable, extra = False, False
    if not usable or extra or re.search(r"[\s\x00-\x1f]", address):
        raise UsageError(
            f"--base-url {address!r}: is not an address such as https://server/folder, without "
            "user name, query or fragment"
        )
    return address.rstrip("/")
