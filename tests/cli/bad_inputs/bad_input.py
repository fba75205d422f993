"""One list of bad inputs, read twice: by the tests, and by the page of the documentation.

A case writes its files into an empty folder, where `co2phys` is then run. What it says is in
`said.json`, line by line; "…" stands there for words of a library, which differ between versions.
"""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

SAID = json.loads(Path(__file__).with_name("said.json").read_text())

Check = Callable[[xr.Dataset, xr.Dataset], None]
"""Takes the store that was made and the one of clean files, and fails if it is wrong."""


@dataclass(frozen=True)
class BadInput:
    """An input, the command that is given it, and what becomes of it.

    Attributes:
        title: the input in words.
        write: makes the files.
        command: after ``co2phys``.
        code: exit code.
        becomes: what is done with the input where the command succeeds.
        check: of the store, where the command succeeds.
        disturb: changes the process before the command runs, to imitate what a test cannot cause.
    """

    title: str
    write: Callable[[Path], Any]
    command: str
    code: int
    becomes: str = ""
    check: Check | None = None
    disturb: Callable[[Any, Path], None] | None = None

    @property
    def words(self) -> list[str]:
        return shlex.split(self.command)

    @property
    def says(self) -> list[str]:
        """Warnings and errors, each one line."""
        return SAID[self.title]

    def agrees(self, lines: list[str]) -> bool:
        """Whether these lines are what should be said."""
        pattern = re.escape("\n".join(self.says)).replace("…", "[^\n]*")
        return re.fullmatch(pattern, "\n".join(lines)) is not None


@dataclass
class Group:
    """Cases of one section of the page, with the command that most of them are given to."""

    name: str
    command: str
    cases: list[BadInput] = field(default_factory=list)

    def refused(self, title, *, more="", code=3, command=None, disturb=None):
        """Decorate the function that writes an input which ends the command."""

        def add(write):
            words = f"{command or self.command} {more}".strip()
            self.cases.append(BadInput(title, write, words, code, disturb=disturb))
            return write

        return add

    def handled(self, title, becomes, check, *, more="", command=None):
        """Decorate the function that writes an input which becomes a store all the same."""

        def add(write):
            words = f"{command or self.command} {more}".strip()
            self.cases.append(BadInput(title, write, words, 0, becomes, check))
            return write

        return add
