"""What was found, as plain values and as a folder with a page, figures and JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from co2net_phys.data.atomic import atomic_write_bytes, atomic_write_text
from co2net_phys.figures import picture_bytes
from co2net_phys.json_text import json_text
from co2net_phys.report import Heading, Paragraph, Picture, Section, Table, write_report
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


def write_findings(
    folder: Path,
    topics: Mapping[str, Topic],
    verdicts: Sequence[tuple[str, Verdict]],
    provenance: Mapping[str, str],
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write report.html, findings.json and the figures; what is there is replaced.

    Args:
        folder: made if need be.
        topics: that were judged.
        verdicts: topic and verdict of every statement.
        provenance: attributes that say what made this.
        progress: told how many figures are drawn.

    Raises:
        DataError: the folder cannot be written.
    """
    found = [details(topic, verdict) for topic, verdict in verdicts]
    content = {"provenance": provenance, "findings": found}
    atomic_write_text(folder / "findings.json", json_text(content) + "\n")
    sections: list[Section] = [Paragraph(INTRODUCTION), _overview(verdicts)]
    drawn = 0
    for name, topic in topics.items():
        own = [verdict for other, verdict in verdicts if other == name]
        sections += [Heading(topic.title), _table(own), *_notes(own)]
        for illustration in ILLUSTRATIONS.get(name, ()):
            figure = illustration.draw()
            atomic_write_bytes(
                folder / "figures" / f"{illustration.name}.png", picture_bytes(figure, dpi=DPI)
            )
            sections.append(Picture(figure, illustration.alternative, illustration.caption, DPI))
            drawn += 1
            progress(drawn)
    sections.append(Paragraph("; ".join(f"{key}: {value}" for key, value in provenance.items())))
    write_report(folder / "report.html", "The theorems, checked", sections)


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
