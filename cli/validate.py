"""`co2phys validate`: which claims of the theory hold, measured here and now."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from co2net_phys.cli import console
from co2net_phys.errors import DataError, ThresholdError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from co2net_phys.validation.finding import Finding
    from co2net_phys.validation.statement import Verdict
    from co2net_phys.validation.statements import Topic


def _folder(text: str) -> Path:
    if not text:  # Path("") would be the current folder
        raise UsageError("--report '': names no folder; write --report DIR")
    return Path(text)


def command(
    only: Annotated[
        list[str] | None, typer.Option(help="A topic or a statement, repeatable; default all.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report.html, findings.json and figures.",
            parser=_folder,
            metavar="<path>",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the report in the folder.")
    ] = False,
    show_list: Annotated[
        bool,
        typer.Option("--list", help="Name what would be measured, and measure nothing (dry run)."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Measure the claims of the theory, as the paper has them and as corrected.

    Ends with 0 if everything is as documented, the known mistakes of the printed theorems included,
    and with 5 otherwise. Takes up to three minutes on two cores; --list says what it would do.
    """
    from co2net_phys.validation.statements import judge, selected_topics

    topics = selected_topics(only or [])
    if show_list:
        names = {name: [s.name for s in topic.statements] for name, topic in topics.items()}
        console.give(names, as_json, console.rows({k: ", ".join(v) for k, v in names.items()}))
        return
    from co2net_phys.validation.findings_report import check_report_folder, summary

    if report is not None:  # now: nobody should learn in three minutes that it cannot be written
        with _naming_report():
            check_report_folder(report, overwrite=overwrite)
    verdicts = []
    with console.progress("validate", sum(len(t.statements) for t in topics.values())) as bar:
        for topic, verdict in judge(topics):
            verdicts.append((topic, verdict))
            bar.update(len(verdicts), verdict.statement.name)
    if report is not None:
        _write(report, topics, verdicts, overwrite)
    console.give([summary(v) for _, v in verdicts], as_json, _table(topics, verdicts))
    odd = [verdict.statement.name for _, verdict in verdicts if not verdict.is_as_documented]
    if odd:
        raise ThresholdError(
            f"{len(odd)} of {len(verdicts)} statements are not as documented: {', '.join(odd)}; "
            "--report DIR writes what was measured"
        )


@contextmanager
def _naming_report() -> Iterator[None]:
    """Let the advice of a refused output name the option of this command."""
    from co2net_phys.data.atomic import CannotWriteError

    try:
        yield
    except CannotWriteError as error:
        raise DataError(f"{error.problem}; choose another --report") from error


def _write(
    folder: Path,
    topics: Mapping[str, Topic],
    verdicts: Sequence[tuple[str, Verdict]],
    overwrite: bool,
) -> None:
    from co2net_phys.provenance import provenance_attributes
    from co2net_phys.validation.findings_report import figure_count, write_findings

    attributes = provenance_attributes(
        "The theorems, checked",
        "Errors of the statements of the theory, measured.",
        console.command_line(), 0, [], {},
    )  # fmt: skip
    with console.progress("figures", figure_count(topics)) as bar, _naming_report():
        write_findings(folder, topics, verdicts, attributes, bar.update, overwrite=overwrite)
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
