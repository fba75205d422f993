"""`co2phys probe`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from co2net_phys.cli import console
from co2net_phys.cli.stopping import stopping
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.data.store import TrainingStore
    from co2net_phys.validation.wind_probe import ProbeConfig


def command(
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("probe"),
    data: Annotated[
        Path | None, typer.Option(help="Training store with wind; default the twin of the demo.")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(help="Some of given,withheld,co2-only,shuffled,shuffled-given; default all."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of training of each arm.")] = 12,
    windows_per_epoch: Annotated[int, typer.Option(min=1, help="Windows in an epoch.")] = 192,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every arm.")] = 1,
    seed: Annotated[
        int, typer.Option(min=0, help="Weights, stations, order of windows of the first.")
    ] = 1,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on, or add arms; complete ones are not trained again."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the experiment in the folder.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Ask what the network's wind probe knows: with the wind at the input, and without.

    Trains the same small CO2-Net (XS) with wind inputs, with wind inputs withheld, from CO2 alone,
    and with a target shuffled in time. Writes probe.json, probe.csv, wind-probe.png and a
    checkpoint of every arm.
    """
    from co2net_phys.validation.wind_probe import ARMS, ProbeConfig
    from co2net_phys.validation.wind_probe_experiment import check_folder, require_twin

    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other")
    names = tuple(ARMS) if arms is None else tuple(name.strip() for name in arms.split(","))
    config = ProbeConfig(names, epochs, windows_per_epoch, seed, seeds)
    check_folder(output, may_hold_one=resume or overwrite)
    if resume and data is None:
        require_twin(output)
    if dry_run:
        _report_plan(config, data, output, resume, as_json)
        return
    _run(config, _store(data, output, resume), output, resume, as_json)


def _store(data: Path | None, output: Path, resume: bool) -> TrainingStore:
    from co2net_phys.data.store import open_store
    from co2net_phys.validation.wind_probe_experiment import TWIN

    if data is not None:
        return open_store(data)
    from co2net_phys.demo import DemoConfig, twin_store

    return twin_store(
        DemoConfig(), output / TWIN, console.progress, console.say, console.command_line(),
        resume=resume,
    )  # fmt: skip


def _report_plan(
    config: ProbeConfig, data: Path | None, output: Path, resume: bool, as_json: bool
) -> None:
    from co2net_phys.data.store import open_store
    from co2net_phys.validation.wind_probe import ARMS
    from co2net_phys.validation.wind_probe_experiment import TWIN
    from co2net_phys.validation.wind_probe_plan import plan

    if data is None and resume and (output / TWIN).exists():
        data = output / TWIN
    store = None if data is None else open_store(data)
    rows = plan(config, store, output if resume else None)
    total = sum(row["expected_seconds"] for row in rows)
    shown: dict[str, Any] = {
        f"{row['arm']}, seed {row['seed']}": f"{ARMS[row['arm']].description}, {_steps(row)}, "
        f"about {console.hours_minutes(row['expected_seconds'])}"
        for row in rows
    }
    shown |= {
        "data": "the twin of the demo, simulated first (another minute)" if data is None else data,
        "time": f"about {console.hours_minutes(total)} at the speed this machine has now, with "
        "validation and scoring; the start, reading and the picture take some 10 s more",
        "written": "nothing (dry run)",
    }
    console.give({"runs": rows, "expected_seconds": total}, as_json, console.rows(shown))


def _steps(row: Mapping[str, Any]) -> str:
    if row["done"] == row["steps"]:
        return f"all {row['steps']} steps done, to be scored"
    return f"{row['steps']} steps" + (f", {row['done']} of them done" if row["done"] else "")


def _run(
    config: ProbeConfig, store: TrainingStore, output: Path, resume: bool, as_json: bool
) -> None:
    from co2net_phys.validation.wind_probe import run_probe
    from co2net_phys.validation.wind_probe_results import table, write_results

    with console.progress("probe", 1) as bar, stopping(output) as should_stop:

        def report(done: int, total: int, note: str) -> None:
            bar.total = total
            bar.update(done, note)

        summary, example = run_probe(
            config, store, output, console.command_line(),
            continued=resume, progress=report, should_stop=should_stop,
        )  # fmt: skip
    write_results(output, summary, example)
    console.give(summary, as_json, f"{table(summary)}\nopen {output / 'wind-probe.png'}")
