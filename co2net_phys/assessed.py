"""What `co2phys evaluate` finds of a prediction, and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from co2net_phys.data.atomic import atomic_write_text
from co2net_phys.json_text import json_text
from co2net_phys.report import Section, write_report

PAGE, JSON = "report.html", "scores.json"
"""Files of a report that is a folder."""


@dataclass(frozen=True)
class Assessed:
    """Scores of a prediction.

    Attributes
    ----------
    scores
        Plain values for JSON.
    table
        The main ones, to be read on a terminal.
    sections
        All of them, for a page.
    """

    scores: dict[str, Any]
    table: str
    sections: Sequence[Section]


def write_assessed(report: Path, title: str, found: Assessed) -> list[Path]:
    """Write a page (`report` ends in .html), or a folder of a page and a JSON file.

    Returns
    -------
        The files that were written.

    Raises
    ------
    DataError
        They cannot be written.
    """
    if report.suffix.lower() in (".html", ".htm"):
        write_report(report, title, found.sections)
        return [report]
    report.mkdir(parents=True, exist_ok=True)
    write_report(report / PAGE, title, found.sections)
    atomic_write_text(report / JSON, json_text(found.scores) + "\n", overwrite=True)
    return [report / PAGE, report / JSON]
