"""The list of what was fetched into a folder, with checksums: `co2phys-fetch.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from co2net_phys.data.atomic import atomic_write_text
from co2net_phys.errors import DataError
from co2net_phys.json_text import json_text

NAME = "co2phys-fetch.json"


@dataclass(frozen=True)
class Entry:
    """What is noted about one file.

    Attributes:
        address: it came from.
        bytes: its size.
        sha256: its checksum, hexadecimal.
        etag: of the server, "" if it gave none.
        last_modified: likewise.
        fetched: when it was complete, UTC.
    """

    address: str
    bytes: int
    sha256: str
    etag: str
    last_modified: str
    fetched: str


class Manifest:
    """What was fetched into a folder; a mapping of file names to entries."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.entries = self._read()

    def note(self, name: str, entry: Entry) -> None:
        """Add or replace an entry, on the disk at once."""
        self.entries[name] = entry
        files = {name: asdict(self.entries[name]) for name in sorted(self.entries)}
        atomic_write_text(self.path, json_text({"files": files}) + "\n")

    def _read(self) -> dict[str, Entry]:
        try:
            files = json.loads(self.path.read_text(encoding="utf-8"))["files"]
            return {str(name): Entry(**entry) for name, entry in files.items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"{self.path}: is not a list of fetched files; remove it, and they will be "
                "compared with the server again"
            ) from error
