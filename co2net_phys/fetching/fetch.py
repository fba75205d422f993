"""Fetch many files into one folder, one after the other; check those that are there."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

from co2net_phys.data.atomic import explained_writing_errors
from co2net_phys.data.writer_lock import locked
from co2net_phys.errors import DataError
from co2net_phys.fetching.connection import MissingError, answer_of
from co2net_phys.fetching.download import Report, complaint, digest_of, download, silent
from co2net_phys.fetching.manifest import Entry, Manifest
from co2net_phys.fetching.manners import Manners, persist
from co2net_phys.fetching.remote_file import RemoteFile

logger = logging.getLogger(__name__)

MISSING_IN_A_ROW = 3
"""So many files not on the server, one after the other, and nothing else is asked for."""


@dataclass
class Plan:
    """What a fetch would do: names of files.

    Attributes:
        there: complete already.
        begun: of which a part is there.
        new: nothing is there.
    """

    there: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    """What a fetch did: names of files.

    Attributes:
        fetched: by this run.
        there: complete already.
        missing: not on the server.
        bytes: of the files fetched by this run.
    """

    fetched: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    bytes: int = 0


@dataclass
class Check:
    """What a check found: names of files.

    Attributes:
        intact: with the checksum noted when they were fetched.
        damaged: with another one.
        absent: noted or asked for, but not there.
    """

    intact: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def plan(files: Sequence[RemoteFile], folder: Path) -> Plan:
    """Say what `fetch` would do; nothing is written, and no server is asked."""
    entries, result = Manifest(folder).entries, Plan()
    for file in files:
        target = folder / file.name
        if target.is_file() and _is_noted(target, entries):
            result.there.append(file.name)
        elif target.with_name(f"{file.name}.part").is_file():
            result.begun.append(file.name)
        else:
            result.new.append(file.name)
    return result


def fetch(
    files: Sequence[RemoteFile],
    folder: Path,
    manners: Manners | None = None,
    report: Report = silent,
) -> Outcome:
    """Bring `files` into `folder`; what is there and complete is left alone.

    Raises:
        DataError: another process fetches into the folder; a file cannot be fetched or written; a
            file of that name is there that is not the one on the server; `MISSING_IN_A_ROW` files
            in a row are not on the server.
    """
    manners = manners or Manners()
    with explained_writing_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = locked(folder)
    try:
        manifest, result, in_a_row = Manifest(folder), Outcome(), 0
        for file in files:
            if _is_there(file, folder, manifest, manners):
                result.there.append(file.name)
                continue
            if result.fetched or result.missing:
                manners.sleep(manners.pause)
            try:
                entry = download(file, folder, manners, report)
            except MissingError as error:
                in_a_row += 1
                if in_a_row == MISSING_IN_A_ROW:
                    raise
                logger.warning("%s", error)
                result.missing.append(file.name)
                continue
            manifest.note(file.name, entry)
            result.fetched.append(file.name)
            result.bytes, in_a_row = result.bytes + entry.bytes, 0
        return result
    finally:
        os.close(lock)


def check(folder: Path, names: Sequence[str] | None = None) -> Check:
    """Compare files with the checksums noted when they were fetched; no server is asked.

    Args:
        folder: where they are.
        names: of the files to look for; all that are noted if None.

    Raises:
        DataError: nothing was ever fetched into the folder.
    """
    manifest, result = Manifest(folder), Check()
    if not manifest.entries:
        raise DataError(f"{manifest.path}: no file is noted; fetch first, without --verify")
    for name in manifest.entries if names is None else names:
        target = folder / name
        if name not in manifest.entries or not target.is_file():
            result.absent.append(name)
        elif digest_of(target) == manifest.entries[name].sha256:
            result.intact.append(name)
        else:
            result.damaged.append(name)
    return result


def free_bytes(folder: Path) -> int:
    """Space on the disk that `folder` is on, or will be on."""
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.is_dir())
    return shutil.disk_usage(existing).free


def _is_noted(target: Path, entries: dict[str, Entry]) -> bool:
    entry = entries.get(target.name)
    return entry is not None and target.stat().st_size == entry.bytes


def _is_there(file: RemoteFile, folder: Path, manifest: Manifest, manners: Manners) -> bool:
    """Whether a file need not be fetched.

    A file that is noted is judged by its size; one that came by another way is compared with the
    server, and noted if it is complete.

    Raises:
        DataError: something else is there under that name.
    """
    target = folder / file.name
    if not os.path.lexists(target):
        return False
    if not target.is_file():
        raise DataError(f"{target}: is not a file; move it away")
    if _is_noted(target, manifest.entries):
        return True
    size = target.stat().st_size
    if file.name in manifest.entries:
        logger.warning(
            "%s: has %d bytes where %d were fetched; fetching it again",
            target, size, manifest.entries[file.name].bytes,
        )  # fmt: skip
        return False
    entry = _adopted(file, target, manners)
    manifest.note(file.name, entry)
    return True


def _adopted(file: RemoteFile, target: Path, manners: Manners) -> Entry:
    """What to note about a file that was not fetched by co2phys.

    Raises:
        DataError: it is not the one on the server.
    """
    address, size = file.addresses[0], target.stat().st_size

    def ask() -> Message:
        with answer_of(address, manners.timeout, method="HEAD") as answer:
            return answer.headers

    headers = persist(ask, address, manners)
    problem = complaint(target, file)
    total = headers.get("Content-Length", str(size))
    if not problem and total != str(size):
        problem = f"has {size} bytes where the server has {total}"
    if problem:
        raise DataError(f"{target}: {problem}; it was not fetched by co2phys, move it away")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    etag, changed = headers.get("ETag", ""), headers.get("Last-Modified", "")
    return Entry(address, size, digest_of(target), etag, changed, now)
