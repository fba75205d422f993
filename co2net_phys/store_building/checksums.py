"""Digests of many large input files: streamed, several at once, listed or condensed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from co2net_phys.errors import DataError
from co2net_phys.provenance import sha256_of

MOST_LISTED = 400
"""Digests listed one by one in an attribute; of more files, the digest of the list is kept."""


def input_digests(
    paths: Sequence[Path],
    *,
    workers: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, str]:
    """SHA-256 of every file, by its path from the folder that all share.

    Size and date would not tell a damaged copy from a good one, so every byte is read, a mebibyte
    at a time. More than `MOST_LISTED` files give one entry: the digest of the text with one line
    "<digest>  <path>" a file, in the order of the paths (what `sha256sum` prints).

    Raises
    ------
    DataError
        A file cannot be read.
    """
    named = _named(paths)
    digests = []
    with ThreadPoolExecutor(max_workers=max(workers, 1)) as pool:
        for digest in pool.map(sha256_of, named.values()):
            digests.append(digest)
            progress(len(digests))
    return _condensed(dict(zip(named, digests, strict=True)))


def input_sizes(paths: Sequence[Path]) -> dict[str, str]:
    """Size of every file, as `input_digests` names them; it only tells a truncated copy.

    Raises
    ------
    DataError
        A file cannot be read.
    """
    try:
        sizes = {name: f"not taken, {_bytes_of(p)} bytes" for name, p in _named(paths).items()}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
    return _condensed(sizes)


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Each file once, in order, by its path from the folder that all share."""
    unique = sorted({path.resolve() for path in paths})
    if not unique:
        return {}
    top = Path(os.path.commonpath([path.parent for path in unique]))
    return {path.relative_to(top).as_posix(): path for path in unique}


def _bytes_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _condensed(listed: dict[str, str]) -> dict[str, str]:
    if len(listed) <= MOST_LISTED:
        return listed
    text = "".join(f"{digest}  {name}\n" for name, digest in listed.items())
    names = list(listed)
    name = f"{len(listed)} files, {names[0]} to {names[-1]}"
    return {name: hashlib.sha256(text.encode()).hexdigest()}


def as_attribute(digests: dict[str, str]) -> str:
    """Text of the attribute `co2phys_input_sha256`."""
    return json.dumps(digests)
