"""`co2phys validate`: which claims of the theory hold, measured here and now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from co2net_phys.cli import console
from co2net_phys.errors import DataError, ThresholdError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from co2net_phys.validation.finding import Finding
    from co2net_phys.validation.statement import Verdict
    from co2net_phys.validation.statements import Topic


def command(
    only: Annotated[
        list[str] | None, typer.Option(help="A topic or a statement, repeatable; default all.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for report.html, findings.json and figures.")
    ] = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="Name the topics and statements, measure nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Measure the claims of the theory, as the paper has them and as corrected.

    Ends with 0 if everything is as documented, the known mistakes of the printed theorems included,
    and with 5 otherwise. Takes up to three minutes on two cores.
    """
    from co2net_phys.validation.findings_report import summary
    from co2net_phys.validation.statements import judge, selected_topics

    topics = selected_topics(only or [])
    if show_list:
        names = {name: [s.name for s in topic.statements] for name, topic in topics.items()}
        console.give(names, as_json, console.rows({k: ", ".join(v) for k, v in names.items()}))
        return
    if report is not None:
        _make_folder(report)  # now: nobody should learn in three minutes that it cannot be written
    verdicts = []
    with console.progress("validate", sum(len(t.statements) for t in topics.values())) as bar:
        for topic, verdict in judge(topics):
            verdicts.append((topic, verdict))
            bar.update(len(verdicts), verdict.statement.name)
    if report is not None:
        _write(report, topics, verdicts)
    console.give([summary(v) for _, v in verdicts], as_json, _table(topics, verdicts))
    odd = [verdict.statement.name for _, verdict in verdicts if not verdict.is_as_documented]
    if odd:
        raise ThresholdError(
            f"{len(odd)} of {len(verdicts)} statements are not as documented: {', '.join(odd)}; "
            "--report DIR writes what was measured"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: the folder cannot be made ({error.strerror}); choose another --report"
        ) from error


def _write(
    folder: Path, topics: Mapping[str, Topic], verdicts: Sequence[tuple[str, Verdict]]
) -> None:
    from co2net_phys.provenance import provenance_attributes
    from co2net_phys.validation.findings_report import figure_count, write_findings

    attributes = provenance_attributes(
        "The theorems, checked",
        "Errors of the statements of the theory, measured.",
        console.command_line(), 0, [], {},
    )  # fmt: skip
    with console.progress("figures", figure_count(topics)) as bar:
        write_findings(folder, topics, verdicts, attributes, bar.update)
    console.say(f"open {folder / 'report.html'}")


def _table(topics: Mapping[str, Topic], verdicts: Sequence[tuple[str, Verdict]]) -> str:
    from co2net_phys.validation.statement import tally

    lines = [f"{'':<30}{'the paper':>14}  {'reading':<7}{'corrected':>16}{'bound':>9}  result"]
    for name, topic in topics.items():
        lines += ["", topic.title]
        for own, verdict in verdicts:
            if own == name:
                lines += _lines(verdict)
    return "\n".join([*lines, "", tally([verdict for _, verdict in verdicts])])


def _lines(verdict: Verdict) -> list[str]:
    statement, corrected = verdict.statement, verdict.corrected
    printed = "–" if verdict.printed is None else _judged(verdict.printed)
    reading = "" if verdict.printed is None else statement.reading
    held = _judged(corrected)
    mark = "" if verdict.is_as_documented else "  NOT AS DOCUMENTED"
    return [
        f"  {statement.name:<28}{printed:>14}  {reading:<7}{held:>16}{corrected.bound:>9.1e}"
        f"  {statement.result}{mark}",
        f"    {statement.claim}",
    ]


def _judged(finding: Finding) -> str:
    return f"{'holds' if finding.holds else 'fails'} {finding.measured:.1e}"
