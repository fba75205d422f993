"""Files as words of a command line: one path, or the pattern that stands for exactly these."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import escape, glob
from itertools import takewhile
from pathlib import Path

MOST_NAMED = 4
"""Files that are named one by one where no pattern stands for them alone."""


def pattern_of(paths: Sequence[Path], allowed: Sequence[Path] = ()) -> tuple[tuple[str, ...], str]:
    """Patterns or paths for files, and a note where they stand for more than these.

    Args:
        paths: the files.
        allowed: further files that a pattern may stand for, too.
    """
    if len(paths) == 1:
        return (str(paths[0]),), ""
    folders = {path.parent for path in paths}
    if len(folders) == 1:
        names = [path.name for path in paths]
        start, end = _common_start(names), _common_start([name[::-1] for name in names])[::-1]
        end = end[max(0, len(start) + len(end) - min(map(len, names))) :]
        (folder,) = folders
        pattern = str(Path(escape(str(folder))) / f"{escape(start)}*{escape(end)}")
        known = {os.path.realpath(path) for path in (*paths, *allowed)}
        if {os.path.realpath(name) for name in glob(pattern)} <= known:
            return (pattern,), ""
        if len(paths) > MOST_NAMED:
            return (pattern,), "the pattern stands for further files too: move them away"
    if len(paths) > MOST_NAMED:
        return tuple(f"{folder}" for folder in sorted(folders)), "the folders hold further files"
    return tuple(map(str, paths)), ""


def _common_start(names: Sequence[str]) -> str:
    """The characters with which all names begin."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in alike)
