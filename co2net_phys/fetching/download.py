"""Fetch one file: resumed where it can be, checked before it gets its name."""

from __future__ import annotations

import hashlib
import http.client
import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from co2net_phys.data.atomic import CannotWriteError, prepare_target
from co2net_phys.errors import DataError
from co2net_phys.fetching.connection import MissingError, RangeRefusedError, answer_of
from co2net_phys.fetching.manifest import Entry
from co2net_phys.fetching.manners import Manners, TransientError, persist
from co2net_phys.fetching.partial_file import Origin, PartialFile
from co2net_phys.fetching.remote_file import RemoteFile

logger = logging.getLogger(__name__)

_MAGIC = (b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05")
"""How NetCDF-4 (HDF5) and the three classic formats of NetCDF begin."""

_BLOCK = 1 << 16

Report = Callable[[str, int, int | None], None]
"""Told the name of a file, its bytes that are there, and all its bytes if they are known."""


def silent(name: str, there: int, total: int | None) -> None:
    """Report nothing."""


def download(file: RemoteFile, folder: Path, manners: Manners, report: Report = silent) -> Entry:
    """Fetch `file` into `folder` and return what is noted about it.

    The servers that have it are tried one after the other.

    Raises:
        MissingError: no server has it.
        DataError: it cannot be fetched or written, or is not what it should be. What has come in
            is kept in `name.part`, unless it is useless.
    """
    for position, address in enumerate(file.addresses):
        try:
            return _download_from(address, file, folder / file.name, manners, report)
        except CannotWriteError:
            raise
        except DataError as error:
            if position == len(file.addresses) - 1:
                raise
            logger.warning("%s; trying the next server", error)
    raise MissingError(f"{file.name}: no server offers it over HTTP")


def complaint(path: Path, file: RemoteFile) -> str:
    """What shows that `path` is not the complete `file`; "" if nothing does."""
    import netCDF4

    size = path.stat().st_size
    if file.size not in (None, size):
        return f"has {size} bytes where the catalogue says {file.size}"
    try:
        netCDF4.Dataset(path, "r").close()
    except (OSError, RuntimeError) as error:
        return f"is not a complete NetCDF file ({' '.join(str(error.args[-1]).split())[:80]})"
    if file.digest is not None:
        algorithm, expected = file.digest
        if digest_of(path, algorithm) != expected.lower():
            return f"does not have the {algorithm} checksum of the catalogue"
    return ""


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _download_from(
    address: str, file: RemoteFile, target: Path, manners: Manners, report: Report
) -> Entry:
    with PartialFile(target, address, manners.checkpoint) as part:

        def attempt() -> None:
            try:
                if not part.origin.is_complete:
                    _receive(part, file, manners, report)
            except TransientError:
                part.secure()
                raise
            _check(part, file)

        try:
            persist(attempt, address, manners, lambda: part.size)
        except _UselessError:
            part.discard()
            raise
        entry = Entry(
            address=address,
            bytes=part.size,
            sha256=digest_of(part.path),
            etag=part.origin.etag,
            last_modified=part.origin.last_modified,
            fetched=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
    part.publish()
    return entry


class _UselessError(DataError):
    """What has come in is no part of the file, and is thrown away."""


def _receive(part: PartialFile, file: RemoteFile, manners: Manners, report: Report) -> None:
    """Bring in the bytes that are not there yet."""
    address, headers = part.origin.address, {}
    if part.size and part.origin.validator:
        headers = {"Range": f"bytes={part.size}-", "If-Range": part.origin.validator}
    try:
        with answer_of(address, manners.timeout, headers) as answer:
            if answer.status == http.client.PARTIAL_CONTENT:
                _refuse_other_range(part, answer)
            else:
                _begin(part, file, answer)
            total = part.origin.total
            _refuse_full_disk(part)
            for block in _blocks(answer, None if total is None else total - part.size, manners):
                part.write(block)
                report(file.name, part.size, total)
    except RangeRefusedError:
        part.restart(Origin(address))
        raise
    if total is not None and part.size < total:
        raise TransientError(f"the connection ended after {part.size} of {total} bytes")
    part.origin.total = part.size
    part.secure()


def _refuse_other_range(part: PartialFile, answer: http.client.HTTPResponse) -> None:
    """Raise unless a partial answer goes on exactly where the part ends, in the same file."""
    text = answer.headers.get("Content-Range", "")
    match = re.fullmatch(r"\s*bytes\s+(\d+)-(\d+)/(\d+|\*)\s*", text)
    fits = match is not None and int(match[1]) == part.size
    if match is not None and match[3] != "*":
        fits &= part.origin.total in (None, int(match[3])) and int(match[2]) == int(match[3]) - 1
    for noted, header in ((part.origin.etag, "ETag"), (part.origin.last_modified, "Last-Modified")):
        fits &= not noted or answer.headers.get(header, noted) == noted
    if not fits:
        part.restart(Origin(part.origin.address))
        raise TransientError("the file has changed on the server, or it sends another part of it")
    part.was_resumed = True


def _begin(part: PartialFile, file: RemoteFile, answer: http.client.HTTPResponse) -> None:
    """Start from the first byte, if the answer is a NetCDF file at all."""
    address = part.origin.address
    encoding = answer.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise DataError(f"{address}: comes {encoding}-encoded though it must not; try a mirror")
    total = answer.length
    if total is not None and file.size not in (None, total):
        raise DataError(
            f"{address}: has {total} bytes on the server where the catalogue says {file.size}; "
            "it has changed, try later"
        )
    etag, changed = (answer.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    part.restart(Origin(address, etag, changed, total))
    start = answer.read(8)
    if len(start) < 8 and (total is None or len(start) < total):
        raise TransientError(f"the connection ended after {len(start)} bytes")
    if not start.startswith(_MAGIC):
        kind = answer.headers.get_content_type()
        page = kind == "text/html" or start.lstrip().startswith(b"<")
        sent = "a web page" if page else f"{'something else' if start else 'nothing'} ({kind})"
        raise _UselessError(
            f"{address}: the server sends {sent} instead of NetCDF; look at it in a browser, "
            "then try again or give another --base-url"
        )
    part.write(start)


def _refuse_full_disk(part: PartialFile) -> None:
    if part.origin.total is not None:
        missing = part.origin.total - part.size
        prepare_target(part.target, overwrite=True, expected_bytes=missing)


def _blocks(
    answer: http.client.HTTPResponse, missing: int | None, manners: Manners
) -> Iterator[bytes]:
    """The bytes of an answer as they come in, up to the number missing.

    Raises:
        TransientError: they come too slowly.
    """
    since, counted = time.monotonic(), 0
    while missing is None or missing > 0:
        block = answer.read1(_BLOCK if missing is None else min(_BLOCK, missing))
        if not block:
            return
        yield block
        missing = None if missing is None else missing - len(block)
        counted, spent = counted + len(block), time.monotonic() - since
        if spent > manners.timeout:
            if counted < manners.least_rate * spent:
                raise TransientError(f"the server sends only {counted / spent:.0f} bytes a second")
            since, counted = time.monotonic(), 0


def _check(part: PartialFile, file: RemoteFile) -> None:
    """Raise unless the part is the complete file.

    A part that was gone on with may have been put together wrongly: it is started again, once.
    """
    problem = complaint(part.path, file)
    if not problem:
        return
    if part.was_resumed:
        part.restart(Origin(part.origin.address))
        raise TransientError(f"what was put together {problem}")
    raise _UselessError(f"{part.origin.address}: what came {problem}; tell the operators")
