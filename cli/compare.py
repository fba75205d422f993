"""`co2phys compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from co2net_phys.cli import console
from co2net_phys.cli.stopping import stopping
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.comparison.experiment import Experiment, Run


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
    _check_folder(output, resume, overwrite)
    experiment = plan(comparison, open_store(comparison.data), output).only(only)
    if dry_run:
        _report_plan(experiment, resume, as_json)
    else:
        _run(experiment, output, resume, as_json)


def _check_folder(output: Path, resume: bool, overwrite: bool) -> None:
    from co2net_phys.data.atomic import require_writable_folder

    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other")
    require_writable_folder(output)
    if not (resume or overwrite) and any((output / "runs").glob("*/seed-*")):
        raise UsageError(f"{output}: already holds runs; pass --resume or --overwrite")


def _report_plan(experiment: Experiment, resume: bool, as_json: bool) -> None:
    rows = [_planned(run, resume) for run in experiment.runs_wanted]
    total = sum(row["expected_seconds"] for row in rows)
    shown: dict[str, Any] = {
        f"{row['method']}, seed {row['seed']}": f"{row['steps']} steps, {row['state']}"
        for row in rows
    }
    shown |= {label: f"not possible: {why}" for label, why in experiment.impossible.items()}
    shown |= {
        "scored": f"{len(experiment.ends)} times of the test block",
        "time": f"about {console.hours_minutes(total)} of training for what is left",
        "written": "nothing (dry run)",
    }
    value = {
        "runs": rows,
        "impossible": dict(experiment.impossible),
        "scored_times": len(experiment.ends),
        "expected_seconds": total,
    }
    console.give(value, as_json, console.rows(shown))


def _planned(run: Run, resume: bool) -> dict[str, Any]:
    from co2net_phys.run_folder import has_state

    state = "to be made"
    if resume and run.known_scores() is not None:
        state = "complete"
    elif resume and has_state(run.folder):
        state = "to be finished"
    return {
        "method": run.label,
        "seed": run.seed,
        "steps": run.steps,
        "parameters": run.cost.get("parameters"),
        "state": state,
        "expected_seconds": 0.0 if state == "complete" else run.cost["expected_seconds"],
    }


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
