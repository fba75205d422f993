"""`co2phys probe`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from co2net_phys.cli import console
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
        bool, typer.Option("--resume", help="Go on; arms that are complete are not trained again.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Train every arm again.")] = False,
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

    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other")
    names = tuple(ARMS) if arms is None else tuple(name.strip() for name in arms.split(","))
    config = ProbeConfig(names, epochs, windows_per_epoch, seed, seeds)
    if dry_run:
        _report_plan(config, data, as_json)
        return
    _check_output(config, output, resume or overwrite)
    _run(config, _store(data, output), output, resume, as_json)


def _check_output(config: ProbeConfig, output: Path, allowed: bool) -> None:
    from co2net_phys.validation.wind_probe import run_folder

    taken = [run_folder(output, arm, seed) for seed, arm in config.runs]
    if not allowed and any(folder.exists() for folder in taken):
        raise UsageError(f"{output}: already holds an experiment; pass --resume or --overwrite")


def _store(data: Path | None, output: Path) -> TrainingStore:
    from co2net_phys.data.store import open_store

    if data is not None:
        return open_store(data)
    from co2net_phys.demo import DemoConfig, twin_store

    path = output / "twin.zarr"
    return twin_store(DemoConfig(), path, console.progress, console.say, console.command_line())


def _report_plan(config: ProbeConfig, data: Path | None, as_json: bool) -> None:
    from co2net_phys.data.store import open_store
    from co2net_phys.validation.wind_probe import ARMS, plan

    rows = plan(config, None if data is None else open_store(data))
    total = sum(row["expected_seconds"] for row in rows)
    shown: dict[str, Any] = {
        f"{row['arm']}, seed {row['seed']}": f"{ARMS[row['arm']].description}, {row['steps']} "
        f"steps, about {console.hours_minutes(row['expected_seconds'])}"
        for row in rows
    }
    shown |= {
        "data": "the twin of the demo, simulated first (a minute)" if data is None else data,
        "time": f"about {console.hours_minutes(total)} at the speed this machine has now",
        "written": "nothing (dry run)",
    }
    console.give({"runs": rows, "expected_seconds": total}, as_json, console.rows(shown))


def _run(
    config: ProbeConfig, store: TrainingStore, output: Path, resume: bool, as_json: bool
) -> None:
    from co2net_phys.training import Interrupted
    from co2net_phys.validation.wind_probe import run_probe
    from co2net_phys.validation.wind_probe_results import remove_results, table, write_results

    stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, frame: stop.append(received))
    if not resume:
        remove_results(output)
    with console.progress("probe", 1) as bar:

        def report(done: int, total: int, note: str) -> None:
            bar.total = total
            bar.update(done, note)

        try:
            summary, example = run_probe(
                config, store, output, console.command_line(),
                continued=resume, progress=report, should_stop=lambda: bool(stop),
            )  # fmt: skip
        except Interrupted:
            console.say(f"stopped; go on with --resume (state in {output})")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise (KeyboardInterrupt if stop[0] == signal.SIGINT else console.Terminated) from None
    write_results(output, summary, example)
    console.give(summary, as_json, f"{table(summary)}\nopen {output / 'wind-probe.png'}")
