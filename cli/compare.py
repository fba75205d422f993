"""`co2phys compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from co2net_phys.cli import console
from co2net_phys.cli.several_runs import check_folder, report_plan
from co2net_phys.cli.stopping import stopping

if TYPE_CHECKING:
    from co2net_phys.comparison.experiment import Experiment


def command(
    config: Annotated[Path, typer.Argument(help="YAML or TOML file: data, methods, seeds.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    data: Annotated[
        Path | None, typer.Option(help="Training store, instead of that in the file.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A method to run by its label; repeat for several.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on; complete runs are not made again.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make anew what the folder holds of these methods.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Fit or train many methods on one store, and score them at the same times and stations.

    Writes compare.md, compare.csv, compare.json and compare.png anew after every run, and a folder
    for each run. Scores are of the test block, with intervals, significance and cost.
    """
    from co2net_phys.comparison.config import read_comparison
    from co2net_phys.comparison.experiment import plan
    from co2net_phys.data.store import open_store

    comparison = read_comparison(config, {} if data is None else {"data": data})
    check_folder(output, resume, overwrite)
    experiment = plan(comparison, open_store(comparison.data), output).only(only)
    if dry_run:
        runs = [(run.label, run) for run in experiment.runs_wanted]
        report_plan(runs, "method", experiment.impossible, experiment.ends, resume, as_json)
    else:
        _run(experiment, output, resume, as_json)


def _run(experiment: Experiment, output: Path, resume: bool, as_json: bool) -> None:
    from co2net_phys.comparison.experiment import run_all
    from co2net_phys.comparison.pages import PAGE, as_markdown, write_comparison
    from co2net_phys.comparison.results import summary

    for label, why in experiment.impossible.items():
        console.say(f"left out {label}: {why}")
    results: list[dict[str, Any]] = []
    with console.progress("compare", 1) as bar, stopping(output) as should_stop:

        def report(done: int, total: int, note: str) -> None:
            bar.total = total
            bar.update(done, note)

        for result in run_all(
            experiment, console.command_line(),
            continued=resume, progress=report, should_stop=should_stop,
        ):  # fmt: skip
            results.append(result)
            write_comparison(output, summary(experiment, results))
    found = summary(experiment, results)
    console.give(found, as_json, f"{as_markdown(found)}\nwrote {output / PAGE}")
