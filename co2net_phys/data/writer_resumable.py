"""Write a long run so that it can be continued after being killed at any moment.

Beside the target ``<name>`` two things exist while the run goes on, or after it failed:

* ``<name>.partial.zarr``, all frames so far; readable at any moment (`PartialStore`);
* ``<name>.restart``, what the run needs to go on (`Restart`).

At the end the partial store becomes the target, renamed or, for NetCDF, converted. The restart is
saved whenever a chunk of frames is complete and at least once a minute, after the frames it counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.atomic import explained_writing_errors, prepare_target, publish, remove
from co2net_phys.data.output_layout import checked
from co2net_phys.data.writer import is_zarr_path
from co2net_phys.data.writer_backends import NetcdfBackend
from co2net_phys.data.writer_identity import attributes_of, is_same_run, refuse_another_run
from co2net_phys.data.writer_lock import locked, one_at_a_time
from co2net_phys.data.writer_partial import Layout, PartialStore
from co2net_phys.data.writer_restart import Restart, WritingPoint, read_restart, write_restart
from co2net_phys.errors import DataError, NumericalError

RECORDS_PER_CHUNK = 16
"""Records in one chunk along time."""

SAVE_SECONDS = 60.0
"""Longest time between two restarts, however slowly frames arrive."""

Record = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class _Position:
    """How far a run is: one object, so that an interrupt finds all of it or none."""

    restart: Restart | None = None
    written: int = 0
    pending: tuple[Record, ...] = ()

    @property
    def frames(self) -> int:
        return self.written + len(self.pending)


class ResumableWriter:
    """A context manager that takes outputs in order and can begin where a killed run stopped.

    The target appears, complete, when the block ends without an exception. After an exception what
    was written stays beside it, and `kept` says so; if there was nothing, nothing stays.

    Args:
        path: the target, ``*.nc``, ``*.nc4`` or ``*.zarr``; missing parent folders are created.
        layout: everything about the output but its values.
        resume: go on where an earlier run of the same configuration stopped, if there is one.
        overwrite: whether an existing target, and without ``resume`` the remains of an earlier run,
            may be replaced.
        expected_bytes: size of the output; the disk must have this much free at the start.
        records_per_chunk: records in one Zarr chunk.

    Raises:
        DataError: the target or the remains of a run exist; cannot be written; another process is
            writing them; the restart file is damaged.
        UsageError: the earlier run had another configuration, inputs or version.
    """

    def __init__(
        self,
        path: str | Path,
        layout: Layout,
        *,
        resume: bool = False,
        overwrite: bool = False,
        expected_bytes: int = 0,
        records_per_chunk: int = RECORDS_PER_CHUNK,
    ) -> None:
        self._target, self._layout = Path(path), layout
        self._is_zarr = is_zarr_path(self._target)
        self._resume, self._overwrite = resume, overwrite
        self._expected_bytes = expected_bytes
        self._records_per_chunk = min(records_per_chunk, len(layout.times))
        self.partial = self._target.with_name(f"{self._target.name}.partial.zarr")
        self._restart_file = self._target.with_name(f"{self._target.name}.restart")
        self._store: PartialStore | None = None
        self._lock: int | None = None
        self._position = _Position()
        self._saved_at = 0.0
        # One chunk is compressed and flushed to the disk while the next one is computed.
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._writing: Future[None] | None = None
        self.kept = ""
        """After a failure: what stays and where, in one clause; empty if nothing does."""

    def is_finished(self) -> bool:
        """Whether the target is already what this run would write, so that nothing is to do.

        The remains of a run that was killed after its target had appeared are removed.

        Raises:
            UsageError: the target is of another configuration, inputs or version.
            DataError: the target cannot be read and may not be replaced.
        """
        if not self._target.exists():
            return False
        try:
            there = attributes_of(self._target)
        except DataError:
            if self._overwrite:
                return False
            raise
        if self._is_unfinished():
            if not self._has_become(there):
                return False
        elif not self._overwrite:
            refuse_another_run(self._target, there, self._layout.attributes)
        elif not is_same_run(there, self._layout.attributes):
            return False
        remove(self.partial)
        remove(self._restart_file)
        return True

    def _has_become(self, there: Mapping[str, Any]) -> bool:
        """Whether the partial store is that of the target, not of a run that would replace it."""
        try:
            return bool(attributes_of(self.partial).get("id") == there.get("id", self.partial))
        except DataError:  # half removed
            return is_same_run(there, self._layout.attributes)

    @property
    def restart(self) -> Restart | None:
        """What the run stopped at, or None at a first start."""
        return self._position.restart

    def __enter__(self) -> Self:
        """Find what an earlier run left, or begin."""
        # The space of a run that goes on is largely taken already.
        needed = 0 if self._resume and self.partial.exists() else self._expected_bytes
        if self._is_unfinished() and self._target.exists() and not self._overwrite:
            raise DataError(
                f"{self._target}: already exists; pass --overwrite to replace it, with --resume to "
                f"go on with the unfinished run in {self.partial.name}"
            )
        prepare_target(self._target, overwrite=self._overwrite, expected_bytes=needed)
        with explained_writing_errors(self._target, self._expected_bytes):
            try:
                # Two that start together must see each other, not the other's half-made store.
                with one_at_a_time(self._target.parent):
                    self._begin()
            except BaseException:
                self._unlock()
                raise
        self._saved_at = time.monotonic()
        return self

    def append(self, record: Record | None, restart: Restart) -> None:
        """Take one output.

        Args:
            record: one array for each variable with a time dimension; None for an output of the
                spin-up, which is not written.
            restart: the run at this output.

        Raises:
            ValueError: names or shapes are wrong.
            DataError: the disk is full or fails.
        """
        before = self._position
        records = before.pending if record is None else (*before.pending, self._checked(record))
        self._position = replace(before, restart=restart, pending=records)
        is_full = len(records) == self._records_per_chunk
        is_last = self._position.frames == len(self._layout.times)
        if is_full or is_last or time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self._save()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish, or keep what there is if the block failed."""
        try:
            if error is None:
                self._finish()
            else:
                self._keep(error)
        except BaseException as failure:
            self._keep(failure)
            raise
        finally:
            self._thread.shutdown()
            self._unlock()

    def _is_unfinished(self) -> bool:
        """Whether there is a run to go on with."""
        return self.partial.exists() and self._restart_file.exists()

    def _begin(self) -> None:
        if self.partial.exists():
            self._lock = locked(self.partial)
        unfinished = self._is_unfinished()
        if unfinished and self._resume:
            self._continue()
            return
        if unfinished and not self._overwrite:
            frames = read_restart(self._restart_file)
            raise DataError(
                f"{self.partial}: holds {_frames(frames, self._layout)} of an unfinished run; "
                "go on with --resume, or begin again with --overwrite"
            )
        remove(self._restart_file)  # first, so that it never speaks of another store
        self._unlock()
        try:
            self._store = PartialStore.create(self.partial, self._layout, self._records_per_chunk)
        except BaseException:
            remove(self.partial)  # it holds nothing yet
            raise
        self._lock = locked(self.partial)

    def _continue(self) -> None:
        try:
            store = PartialStore(self.partial, self._layout, self._records_per_chunk)
        except FileNotFoundError as error:
            raise DataError(
                f"{self.partial}: damaged, no Zarr store; begin again with --overwrite"
            ) from error
        refuse_another_run(self.partial, store.attributes, self._layout.attributes)
        point = read_restart(self._restart_file)
        store.clean()
        for stray in self._target.parent.glob(f"{self._restart_file.name}.tmp-*"):
            remove(stray)  # of a killed process
        count = len(next(iter(point.pending.values()))) if point.pending else 0
        pending = tuple(
            {name: values[number] for name, values in point.pending.items()}
            for number in range(count)
        )
        self._store = store
        self._position = _Position(point.restart, point.written, pending)

    def _checked(self, record: Record) -> Record:
        variables, template = self._layout.variables, self._layout.template
        expected = {name for name, variable in variables.items() if variable.has_time}
        if set(record) != expected:
            raise ValueError(f"a record needs {sorted(expected)}, got {sorted(record)}")
        # Copies, because a model may use its arrays again before they are written.
        return {
            name: checked(name, values, variables[name], template).copy()
            for name, values in record.items()
        }

    def _save(self) -> None:
        """Hand the pending records to the writing thread, the chunk before being done."""
        if self._writing is not None:
            self._writing.result()
        position, next_one = self._position, self._position
        if len(position.pending) == self._records_per_chunk:
            next_one = replace(position, written=position.frames, pending=())
        # In this order: an interrupt in between makes the chunk be written twice, never lost.
        self._writing = self._thread.submit(self._write, position)
        self._position, self._saved_at = next_one, time.monotonic()

    def _write(self, position: _Position) -> None:
        """Write records and then the restart that counts them."""
        store, restart, pending = self._store, position.restart, position.pending
        if store is None or restart is None:
            return
        names = list(pending[0]) if pending else []
        stacked = {name: np.stack([record[name] for record in pending]) for name in names}
        with explained_writing_errors(self._target, self._expected_bytes):
            store.write(position.written, stacked)
            if len(pending) == self._records_per_chunk:
                point = WritingPoint(restart, position.frames, {})
            else:
                point = WritingPoint(restart, position.written, stacked)
            write_restart(self._restart_file, point)

    def _finish(self) -> None:
        if self._writing is not None:
            self._writing.result()
        if self._position.frames != len(self._layout.times):
            raise ValueError(
                f"{self._target}: {self._position.frames} records of {len(self._layout.times)}"
            )
        if self._store is None:
            return
        with explained_writing_errors(self._target, self._expected_bytes):
            if self._is_zarr:
                publish(self.partial, self._target, is_flushed=True)
            else:
                self._convert(self._store)
            self._store = None  # the target is there: whatever happens now, nothing is to be kept
            # In this order: a partial store without a restart is known to be waste.
            remove(self._restart_file)
            remove(self.partial)

    def _convert(self, store: PartialStore) -> None:
        """Write the NetCDF file from the store: the same bytes whenever it is done."""
        file = self._target.with_name(f"{self._target.name}.partial.nc")
        layout = self._layout
        backend = NetcdfBackend(file, layout.template, layout.variables, layout.encoding)
        try:
            store.copy_to(backend)
            publish(file, self._target)
        finally:
            backend.abandon()
            remove(file)

    def _keep(self, error: BaseException) -> None:
        """After a failure: save what is pending; leave nothing behind if there is nothing."""
        self._thread.shutdown()
        if self._store is None:
            return
        if isinstance(error, NumericalError) and not self._position.frames:
            remove(self._restart_file)  # it would only fail again
            remove(self.partial)
            return
        if self._writing is None or self._writing.exception() is None:
            with suppress(Exception):  # a full disk: the restart before this one still holds
                self._write(self._position)
        if not self.partial.exists():
            return
        if not self._restart_file.exists():
            remove(self.partial)
            return
        with suppress(DataError):
            point = read_restart(self._restart_file)
            self.kept = f"{_frames(point, self._layout)} are in {self.partial}"

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _frames(point: WritingPoint, layout: Layout) -> str:
    pending = next(iter(point.pending.values()), np.empty(0))
    return f"{point.written + len(pending)} of {len(layout.times)} frames"
