"""What was found, as plain values and as a folder with a page, figures and JSON."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from co2net_phys.data.atomic import (
    CannotWriteError,
    explained_writing_errors,
    flush_entry,
    remove,
)
from co2net_phys.errors import DataError
from co2net_phys.figures import picture_bytes
from co2net_phys.json_text import json_text
from co2net_phys.report import Heading, Paragraph, Picture, Section, Table, render_report
from co2net_phys.validation import (
    harmonic_series_figures,
    network_representation_figures,
    numerics_figures,
    stations_figures,
    superposition_figures,
    wind_identifiability_figures,
)
from co2net_phys.validation.finding import Finding
from co2net_phys.validation.illustration import Illustration
from co2net_phys.validation.statement import READINGS, Verdict, tally
from co2net_phys.validation.statements import Topic

ILLUSTRATIONS: Mapping[str, tuple[Illustration, ...]] = {
    "superposition": superposition_figures.ILLUSTRATIONS,
    "harmonic-series": harmonic_series_figures.ILLUSTRATIONS,
    **stations_figures.ILLUSTRATIONS,
    "wind-identifiability": wind_identifiability_figures.ILLUSTRATIONS,
    "network-representation": network_representation_figures.ILLUSTRATIONS,
    **numerics_figures.ILLUSTRATIONS,
}
"""Figures of each topic that has some."""

DPI = 110
"""Dots per inch of the figures."""

_NO_BRACES = str.maketrans("", "", '{}"')

PAGE, NUMBERS, FIGURES = "report.html", "findings.json", "figures"
"""What a report consists of: two files and a folder."""

MADE_BY = {
    "co2phys_command": "command",
    "co2phys_version": "co2phys",
    "co2phys_git_commit": "commit",
    "co2phys_libraries": "libraries",
    "date_created": "date",
}
"""Attributes of the provenance that the page shows, and what it calls them; JSON has them all."""

INTRODUCTION = (
    "Each row sets a statement of the CO2-Net paper beside the statement that holds. Both were "
    "measured by this installation just now: an error of at most the bound means that the claim "
    "holds. The reading says what was measured of the paper: what it prints; what that implies, or "
    "what its method needs in order to be used; or what its authors' code does. There is a dash "
    "where it says the same as the corrected statement, the plain opposite, or nothing."
)


def summary(verdict: Verdict) -> dict[str, Any]:
    """The row of a statement for machines: error and bound are those of the corrected claim."""
    printed = verdict.printed
    return {
        "name": verdict.statement.name,
        "claim": verdict.statement.claim,
        "printed_holds": None if printed is None else printed.holds,
        "corrected_holds": verdict.corrected.holds,
        "measured": verdict.corrected.measured,
        "bound": verdict.corrected.bound,
    }


def details(topic: str, verdict: Verdict) -> dict[str, Any]:
    """Everything known of a statement, as plain values."""
    return {
        "topic": topic,
        "result": verdict.statement.result,
        **summary(verdict),
        "reading": None if verdict.printed is None else verdict.statement.reading,
        "as_documented": verdict.is_as_documented,
        "corrected": asdict(verdict.corrected),
        "printed": None if verdict.printed is None else asdict(verdict.printed),
    }


def check_report_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Find out whether a report can be written, before anything is measured.

    Args:
        folder: of the report; it need not be there.
        overwrite: whether a report that is there may be replaced.

    Raises:
        CannotWriteError: the folder, or what is in its place, forbids it.
        DataError: there is a report, and ``overwrite`` is false.
    """
    there = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
    if not there.is_dir():
        raise CannotWriteError(f"{folder}: cannot be written, {there} is not a folder")
    pictures = folder / FIGURES
    if os.path.lexists(pictures) and not pictures.is_dir():
        raise CannotWriteError(f"{pictures}: cannot be written, it is not a folder")
    for path in _files_of_report(folder):
        if path.is_dir():
            raise CannotWriteError(f"{path}: cannot be written, it is a folder")
        if os.path.lexists(path) and not overwrite:
            raise DataError(f"{path}: already exists; pass --overwrite to replace it")
    for place in filter(Path.is_dir, (there, pictures)):
        with explained_writing_errors(place), NamedTemporaryFile(dir=place, prefix=".co2phys-"):
            pass


def write_findings(
    folder: Path,
    topics: Mapping[str, Topic],
    verdicts: Sequence[tuple[str, Verdict]],
    provenance: Mapping[str, str],
    progress: Callable[[int], None] = lambda done: None,
    *,
    overwrite: bool = False,
) -> None:
    """Write report.html, findings.json and the figures.

    All of it is drawn and on the disk before anything of an older report is touched; report.html
    is the last to appear. Files that belong to no report are left alone.

    Args:
        folder: made if need be.
        topics: that were judged.
        verdicts: topic and verdict of every statement.
        provenance: attributes that say what made this.
        progress: told how many figures are drawn.
        overwrite: replace a report that is there.

    Raises:
        DataError: see :func:`check_report_folder`; or the disk is full.
    """
    check_report_folder(folder, overwrite=overwrite)
    files = _drawn(topics, verdicts, provenance, progress)
    with explained_writing_errors(folder, sum(map(len, files.values()))):
        folder.mkdir(parents=True, exist_ok=True)
        _put(folder, files)


def _drawn(
    topics: Mapping[str, Topic],
    verdicts: Sequence[tuple[str, Verdict]],
    provenance: Mapping[str, str],
    progress: Callable[[int], None],
) -> dict[str, bytes]:
    """Content of each file of the report by its path in the folder, the page last."""
    found = [details(topic, verdict) for topic, verdict in verdicts]
    content = {"provenance": provenance, "findings": found}
    files = {NUMBERS: (json_text(content) + "\n").encode()}
    sections: list[Section] = [Paragraph(INTRODUCTION), _overview(verdicts)]
    for name, topic in topics.items():
        own = [verdict for other, verdict in verdicts if other == name]
        sections += [Heading(topic.title), _table(own), *_notes(own)]
        for illustration in ILLUSTRATIONS.get(name, ()):
            figure = illustration.draw()
            files[f"{FIGURES}/{illustration.name}.png"] = picture_bytes(figure, dpi=DPI)
            sections.append(Picture(figure, illustration.alternative, illustration.caption, DPI))
            progress(len(files) - 1)
    made_by = [f"{word}: {provenance[key]}" for key, word in MADE_BY.items() if key in provenance]
    sections.append(Paragraph("; ".join(made_by).translate(_NO_BRACES)))
    return files | {PAGE: render_report("The theorems, checked", sections).encode()}


def _put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` aside, remove the report in ``folder``, move them to their places."""
    aside = folder / f".report.tmp-{os.getpid()}"
    try:
        for name, content in files.items():
            path = aside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            flush_entry(path)
        for old in _files_of_report(folder):
            old.unlink(missing_ok=True)
        with suppress(OSError):  # it holds other files, or is not there
            (folder / FIGURES).rmdir()
        for name in files:
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            os.replace(aside / name, path)
    finally:
        remove(aside)


def _files_of_report(folder: Path) -> list[Path]:
    """Every file that a report in this folder can have, the page first."""
    names = [i.name for illustrations in ILLUSTRATIONS.values() for i in illustrations]
    pictures = [folder / FIGURES / f"{name}.png" for name in names]
    return [folder / PAGE, folder / NUMBERS, *pictures]


def figure_count(topics: Mapping[str, Topic]) -> int:
    """Number of figures that a report on these topics has."""
    return sum(len(ILLUSTRATIONS.get(name, ())) for name in topics)


def _overview(verdicts: Sequence[tuple[str, Verdict]]) -> Paragraph:
    odd = [v.statement.name for _, v in verdicts if not v.is_as_documented]
    last = f"Not as documented: {', '.join(odd)}." if odd else "All of it is as documented."
    return Paragraph(f"{tally([verdict for _, verdict in verdicts])}. {last}")


def _table(verdicts: Sequence[Verdict]) -> Table:
    paper, found = ("the paper", "reading", "error"), ("corrected", "error ", "bound")
    columns = ("statement", "result", *paper, *found)
    rows = [
        (
            verdict.statement.name,
            verdict.statement.result,
            *_paper(verdict),
            *_judged(verdict.corrected),
            f"{verdict.corrected.bound:.2g}",
        )
        for verdict in verdicts
    ]
    return Table(columns, rows)


def _paper(verdict: Verdict) -> tuple[str | None, str | None, str | None]:
    if verdict.printed is None:
        return None, None, None
    holds, error = _judged(verdict.printed)
    return holds, verdict.statement.reading, error


def _judged(finding: Finding) -> tuple[str, str]:
    return "holds" if finding.holds else "fails", f"{finding.measured:.2g}"


def _notes(verdicts: Sequence[Verdict]) -> list[Section]:
    """The claims in words, with what was done."""
    texts: list[Section] = []
    for verdict in verdicts:
        statement, corrected, printed = verdict.statement, verdict.corrected, verdict.printed
        text = f"{statement.name} ({corrected.source}): {corrected.claim}. {corrected.note}."
        if printed is not None:
            state, reading = _judged(printed)[0], READINGS[statement.reading].capitalize()
            text += f" {reading}, “{printed.claim}”, it {state}: {printed.note}."
        texts.append(Paragraph(text))
    return texts
