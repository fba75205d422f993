"""Run an inversion window after window and stream it to disk, or go on with one that stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.data.writer_messages import saying_what_is_kept
from co2net_phys.data.writer_restart import Restart
from co2net_phys.data.writer_resumable import ResumableWriter
from co2net_phys.inversion.cycling import Belief, Window
from co2net_phys.inversion.experiment import FREE, Inversion
from co2net_phys.inversion.output import Record, Recorder, expected_bytes, output_layout

Progress = Callable[[int], None]


def invert(
    inversion: Inversion,
    path: Path,
    *,
    attributes: Mapping[str, str | float],
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress = lambda done: None,
) -> dict[str, Any] | None:
    """Invert and write; return scores at stations and the diagnostics of every window.

    A run that ends early keeps the frames it has done beside the target, for `resume`; None if
    that finds the output complete. `progress` is told how many of
    ``len(inversion.spans) * inversion.pieces`` pieces of work are done.

    Raises
    ------
    NumericalError
        The transport is not finite.
    DataError
        The output cannot be written, or holds an unfinished run and `resume` is false.
    UsageError
        `resume`, and the earlier run had other settings.
    """
    store, several = inversion.store, inversion.settings.members > 0
    layout = output_layout(store, inversion.frames, inversion.flux.components, several, attributes)
    writer = ResumableWriter(
        path,
        layout,
        resume=resume,
        overwrite=overwrite,
        expected_bytes=expected_bytes(layout) // 2,  # compression saves at least this much
    )
    if resume and writer.is_finished():
        return None
    with saying_what_is_kept(writer), writer:
        march = _March(inversion, writer.restart)
        while march.number < len(inversion.spans):
            for record, restart in march.window(progress):
                writer.append(record, restart)
    return {"stations": march.scores.result(), "windows": march.diagnostics}


class _March:
    """Where a run is: the next window, what is believed there, and what was learned so far."""

    def __init__(self, inversion: Inversion, point: Restart | None) -> None:
        self.inversion = inversion
        facts = {} if point is None else point.facts
        self.number: int = facts.get("window", 0)
        self.diagnostics: list[dict[str, Any]] = list(facts.get("windows", []))
        self.scores = inversion.scores(facts.get("sums"))
        self.belief = _laid_out(inversion.begin() if point is None else _belief(point))
        self._done = 0 if point is None else point.done
        transport = inversion.transport
        self._recorder = Recorder(transport.harmonics, transport.store_grid)

    def window(self, progress: Progress) -> Iterator[tuple[Record | None, Restart]]:
        """Analyse the next window; give its records, None in the spin-up, and how to go on."""
        inversion, window = self.inversion, self.inversion.window(self.number)
        behind = self.number * inversion.pieces
        # Until its last record is taken, a run that stops does the window again.
        again = self._position()
        outcome = inversion.cycle.assimilate(
            window,
            {name: value for name, value in self.belief.items() if name != FREE},
            lambda done: progress(behind + done),
        )
        free = inversion.without_assimilation(window, self.belief[FREE])
        frames = self._frames(window)
        for place, frame in enumerate(frames):
            if frame >= inversion.frames[0]:
                self.scores.add(free[place], outcome.mean[place], inversion.reported(frame))
        self.diagnostics.append(outcome.diagnostics)
        self.belief = _laid_out({**outcome.belief, FREE: free[window.advance]})
        self.number += 1
        progress(self.number * inversion.pieces)
        for place, frame in enumerate(frames):
            count = int(frame - inversion.spans[0][0]) + 1
            if count <= self._done:
                continue
            position = self._position() if frame == frames[-1] else again
            is_written = frame >= inversion.frames[0]
            record = self._recorder.record(window, outcome, free, place) if is_written else None
            yield record, Restart(count, *position)
            self._done = count

    def _frames(self, window: Window) -> NDArray[np.int64]:
        """Those that the window answers for; the first of the next one is the next one's."""
        first, following, last = self.inversion.spans[window.number]
        is_last = window.number == len(self.inversion.spans) - 1
        return np.arange(first, last + 1 if is_last else following)

    def _position(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and facts of a restart, copied."""
        arrays = {
            name: (torch.view_as_real(value) if value.is_complex() else value).numpy().copy()
            for name, value in self.belief.items()
        }
        facts = {
            "window": self.number,
            "windows": list(self.diagnostics),
            "sums": {name: list(sums) for name, sums in self.scores.sums.items()},
            "complex": [name for name, value in self.belief.items() if value.is_complex()],
        }
        return arrays, facts


def _laid_out(belief: Belief) -> Belief:
    """The same in the order of memory that a restart has, on which last digits depend."""
    return {name: value.resolve_conj().contiguous() for name, value in belief.items()}


def _belief(point: Restart) -> Belief:
    """What `_position` has made arrays of."""
    tensors = {name: torch.from_numpy(array.copy()) for name, array in point.arrays.items()}
    modal = point.facts["complex"]
    return {
        name: torch.view_as_complex(value) if name in modal else value
        for name, value in tensors.items()
    }
