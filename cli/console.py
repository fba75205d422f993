"""What the commands share: messages, progress, durations, tables."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from co2net_phys.errors import UsageError
from co2net_phys.json_text import json_text

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}

PLAIN_UPDATES = 10
"""Lines of progress in a log, where there is no terminal to draw a bar on."""


class Terminated(BaseException):
    """The process was asked to end (SIGTERM); cleaned up like an interrupt, exit code 143."""


def say(text: str, *, always: bool = False) -> None:
    """Print a message for people to standard error."""
    if always or not os.environ.get("CO2PHYS_QUIET"):
        print(text, file=sys.stderr, flush=True)


def give(value: Mapping[str, Any] | list[Any], as_json: bool, text: str) -> None:
    """Print a result to standard output: JSON for machines or text for people."""
    typer.echo(json_text(value) if as_json else text)


def rows(pairs: Mapping[str, Any]) -> str:
    """Format names and values as two aligned columns."""
    width = max(len(name) for name in pairs)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in pairs.items())


def duration(text: str, option: str, *, zero: bool = False) -> float:
    """Seconds in a duration such as 48h, 3h, 60d, 90min or 600s; 0 only where `zero` allows it.

    Raises
    ------
    UsageError
        naming `option`.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*", text)
    if match is None or not (float(match[1]) > 0 or zero):
        raise UsageError(f"{option} {text!r} is not a duration; write 48h, 3h, 60d, 90min or 600s")
    return float(match[1]) * _UNITS[match[2]]


def selection(pairs: list[str]) -> dict[str, str]:
    """Parse `--select name=value` options."""
    parsed = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"--select {pair!r} is not NAME=VALUE, for example month=7")
        parsed[name] = value
    return parsed


def with_settings(options: dict[str, Any], pairs: list[str]) -> dict[str, Any]:
    """Return `options` with each `--set a.b=value` put in; values are read as YAML.

    Raises
    ------
    UsageError
        A pair is not NAME=VALUE.
    """
    import yaml

    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {pair!r} is not NAME=VALUE, for example model.dropout=0.1")
        *groups, last = name.split(".")
        target = options
        for group in groups:
            target = target.setdefault(group, {})
            if not isinstance(target, dict):
                raise UsageError(f"--set {pair!r}: {group!r} has no parts")
        try:
            target[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"--set {pair!r}: the value is not valid YAML") from error
    return options


def hours_minutes(seconds: float) -> str:
    """Format a time span for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def megabytes(count: float) -> str:
    """Format a number of bytes for people."""
    return f"{count / 2**20:.0f} MB" if count < 2**30 else f"{count / 2**30:.1f} GB"


def command_line() -> list[str]:
    """The command as typed, with the program's name instead of its path."""
    return ["co2phys", *sys.argv[1:]]


class Progress:
    """Progress of one long task: a bar on a terminal, plain lines in a log."""

    def __init__(self, label: str, total: int, bar: Any = None):
        self.label, self.total, self.started = label, max(total, 1), time.monotonic()
        self._bar = bar
        self._task = bar.add_task(label, total=self.total, note="") if bar is not None else None
        self._said = 0

    def update(self, done: int, note: str = "") -> None:
        """Say that `done` of the total is done."""
        if self._bar is not None:
            self._bar.update(self._task, total=self.total, completed=done, note=note)
            return
        tenth = done * PLAIN_UPDATES // self.total
        if tenth > self._said:
            self._said = tenth
            spent = time.monotonic() - self.started
            say(f"{self.label}: {100 * done // self.total} % after {hours_minutes(spent)} {note}")


@contextmanager
def progress(label: str, total: int) -> Iterator[Progress]:
    """Show the progress of a task while the block runs."""
    if os.environ.get("CO2PHYS_QUIET") or not sys.stderr.isatty():
        yield Progress(label, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        yield Progress(label, total, bar)
