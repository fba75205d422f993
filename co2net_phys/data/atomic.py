"""Write files so that a failure leaves the old file, or nothing, but never half a file.

Everything is written to ``<name>.tmp-<process id>`` beside the target, flushed to the disk and
renamed over it. Failures of the disk come out as a one-line `DataError`.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from co2net_phys.errors import DataError, UsageError

_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class CannotWriteError(DataError):
    """The operating system refuses an output: best take another one.

    Attributes:
        problem: the message without that advice, for a run that can go on at the same place.
        mending: what must be done there first.
    """

    def __init__(self, problem: str, mending: str = "mend that") -> None:
        super().__init__(f"{problem}; choose another --output")
        self.problem, self.mending = problem, mending


def atomic_write_bytes(path: str | Path, content: bytes, *, overwrite: bool = True) -> None:
    """Write ``content`` to ``path``, creating parent folders.

    Raises:
        DataError: the target exists and ``overwrite`` is false, or it cannot be written.
    """
    with atomic_target(path, overwrite=overwrite, expected_bytes=len(content)) as temporary:
        temporary.write_bytes(content)


def atomic_write_text(path: str | Path, content: str, *, overwrite: bool = True) -> None:
    """Write ``content`` as UTF-8 to ``path``; see `atomic_write_bytes`."""
    atomic_write_bytes(path, content.encode("utf-8"), overwrite=overwrite)


@contextmanager
def atomic_target(
    path: str | Path, *, overwrite: bool = False, expected_bytes: int = 0
) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to ``path`` if the block succeeds.

    On any exception the temporary file or folder is removed and ``path`` stays as it was.

    Raises:
        DataError: see `prepare_target` and `explained_writing_errors`.
    """
    target = Path(path)
    temporary = prepare_target(target, overwrite=overwrite, expected_bytes=expected_bytes)
    try:
        with explained_writing_errors(target, expected_bytes):
            yield temporary
            publish(temporary, target)
    finally:
        remove(temporary)


def prepare_target(target: Path, *, overwrite: bool, expected_bytes: int = 0) -> Path:
    """Check that ``target`` may be written, create its parents, return the temporary path.

    Raises:
        DataError: the target exists and ``overwrite`` is false; it is a folder other than a Zarr
            store; its parent cannot be created or written; the disk has too little space.
    """
    with explained_writing_errors(target, expected_bytes):
        if target.is_dir() and not is_zarr_store(target):
            raise DataError(f"{target}: is a folder; choose another --output")
        if target.exists() and not (target.is_dir() or target.is_file()):
            raise DataError(f"{target}: is a device, not a file; choose another --output")
        if os.path.lexists(target) and not overwrite:
            raise DataError(f"{target}: already exists; pass --overwrite to replace it")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no write permission")
        if expected_bytes > shutil.disk_usage(target.parent).free:
            raise OSError(errno.ENOSPC, "too little space")
        temporary = target.with_name(f"{target.name}.tmp-{os.getpid()}")
        remove(temporary)  # left by a killed process that had the same number
    return temporary


def require_writable_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written or made, before any work is done.

    Raises:
        DataError: it or its parent is no folder, or must not be written.
    """
    with explained_writing_errors(folder):
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise DataError(
            f"{folder}: cannot be written, {there} is not a folder; choose another --output"
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(f"{folder}: cannot be written, permission denied; choose another --output")


def refuse_replacing_input(output: Path, *inputs: Path | None, apart: bool = False) -> None:
    """Raise unless ``output`` is another file than each of ``inputs``.

    With ``apart``, for a folder that is filled file by file, neither may lie in the other.

    Raises:
        UsageError: it is one of them, perhaps by another name, or lies in it or around it.
    """
    target = output.resolve()
    for source in (path.resolve() for path in inputs if path is not None):
        if source == target:
            raise UsageError(f"--output {output}: is an input of this command; choose another name")
        if apart and (source in target.parents or target in source.parents):
            where = "lies in" if source in target.parents else "is a folder with"
            raise UsageError(
                f"--output {output}: {where} an input of this command, {source.name}; choose "
                "another folder"
            )


@contextmanager
def explained_writing_errors(target: Path, expected_bytes: int = 0) -> Iterator[None]:
    """Turn an `OSError` while writing ``target`` into a one-line `DataError`."""
    try:
        yield
    except OSError as error:
        raise _explained(target, error, expected_bytes) from error


def publish(temporary: Path, target: Path, *, is_flushed: bool = False) -> None:
    """Flush ``temporary`` (a file or a folder) to the disk and rename it to ``target``.

    ``is_flushed`` says that every file of it has reached the disk already.

    A file replaces a file in one step. A folder cannot replace anything in one step: the old
    target is moved aside first, and moved back if the rename fails.
    """
    if not is_flushed:
        _flush(temporary)
    if (temporary.is_dir() and os.path.lexists(target)) or target.is_dir():
        aside = target.with_name(f"{target.name}.old-{os.getpid()}")
        os.rename(target, aside)
        try:
            os.rename(temporary, target)
        except BaseException:
            os.rename(aside, target)
            raise
        remove(aside)
    else:
        os.replace(temporary, target)
    flush_entry(target.parent)


def remove(path: Path) -> None:
    """Remove a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def is_zarr_store(folder: Path) -> bool:
    """Tell whether a folder is a Zarr store (and so may be replaced as a whole)."""
    return any((folder / marker).is_file() for marker in ("zarr.json", ".zgroup", ".zmetadata"))


def _explained(target: Path, error: OSError, expected_bytes: int) -> CannotWriteError:
    """Return the one-line explanation of an operating-system error."""
    if error.errno in _FULL:
        free = _free_megabytes(target)
        needs = f"needs about {expected_bytes / 1e6:.0f} MB, " if expected_bytes else ""
        limit = "; a quota or file-size limit applies" if error.errno != errno.ENOSPC else ""
        return CannotWriteError(
            f"{target}: no space left on device ({needs}{free:.0f} MB free{limit})", "make room"
        )
    if error.errno in _FORBIDDEN:
        return CannotWriteError(f"{target}: cannot be written, permission denied")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return CannotWriteError(f"{target}: cannot be written, a parent is not a folder")
    reason = error.strerror or " ".join(str(error).split())
    return CannotWriteError(f"{target}: cannot be written ({reason})")


def _free_megabytes(target: Path) -> float:
    """Return the free space of the nearest existing parent, in 1e6 bytes."""
    existing = next((p for p in target.absolute().parents if p.is_dir()), Path("/"))
    return shutil.disk_usage(existing).free / 1e6


def _flush(path: Path) -> None:
    """Make sure that a file, or every file of a folder, has reached the disk."""
    if path.is_dir():
        for entry in path.rglob("*"):
            flush_entry(entry)
    flush_entry(path)


def flush_entry(path: Path) -> None:
    """Call fsync on one file or folder; some file systems refuse it for folders."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)
