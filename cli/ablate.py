"""`co2phys ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.cli.choices import FirstGuess
from co2net_phys.cli.option_sources import flags_given, naming_source
from co2net_phys.cli.several_runs import check_folder, report_plan
from co2net_phys.cli.stopping import stopping
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.ablation.experiment import Experiment
    from co2net_phys.config import TrainingConfig


FLAGS = ("size", "epochs", "windows_per_epoch", "batch_size", "background")
"""Options of the command that are options of every run."""


def command(
    context: typer.Context,
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="5a, 5b, 5c, 6a, 6b, 6c, 16a, 16b, 16c, losses; 5 is 5a, 5b, 5c."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Training store.")] = None,
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("ablation"),
    size: Annotated[Literal["XS", "S", "B", "L"], typer.Option(help="Size of the network.")] = "XS",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every variant.")] = 3,
    seed: Annotated[
        int, typer.Option(min=0, help="Weights, stations, order of windows of the first.")
    ] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of every run.")] = 250,
    windows_per_epoch: Annotated[
        int | None, typer.Option(min=1, help="Windows drawn in an epoch; default all.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Windows in a step; default 32, XS 4.")
    ] = None,
    background: Annotated[
        FirstGuess,
        typer.Option(help="First guess of every variant (paper: none)."),
    ] = "climatology-kriging",
    file: Annotated[
        Path | None, typer.Option("--config", help="YAML or TOML file of options of every run.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any other option: learning_rate=3e-4.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on; complete runs are not trained again.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Train anew what the folder holds of these tables.")
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Name tables and rows.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Run the paper's ablation tables on a store: one change at a time, over several seeds.

    Writes ablation.md, ablation.csv, ablation.json and a checkpoint of every run. Every run is
    scored at the same times of the test block. A variant that two tables share is trained once.
    """
    from co2net_phys.ablation.experiment import plan
    from co2net_phys.ablation.tables import chosen
    from co2net_phys.data.store import open_store

    if show_list:
        _list(as_json)
        return
    if not tables or data is None:
        raise UsageError("name a table and its --data, such as: ablate 5 --data twin.zarr")
    asked = chosen(tables)
    with naming_source(file, settings or [], flags_given(context, dict.fromkeys(FLAGS, ""))):
        base = _base(context, file, settings or [])
    check_folder(output, resume, overwrite)
    experiment = plan(asked, base, open_store(data), output, [seed + n for n in range(seeds)])
    if dry_run:
        runs = [(run.variant.key, run) for run in experiment.runs]
        report_plan(runs, "variant", experiment.impossible, experiment.ends, resume, as_json)
        return
    _run(experiment, base, output, resume, as_json)


def _base(context: typer.Context, file: Path | None, settings: list[str]) -> TrainingConfig:
    """Options of every run: those given over those of the file over the defaults, as in `train`."""
    from co2net_phys.config import TrainingConfig, usual_batch
    from co2net_phys.config_file import read_options

    options = {name: context.params[name] for name in FLAGS}
    sources = {name: context.get_parameter_source(name) for name in FLAGS}
    given = {name for name, source in sources.items() if source and source.name != "DEFAULT"}
    in_file = read_options(file) if file is not None else {}
    options |= {name: value for name, value in in_file.items() if name not in given}
    options = console.with_settings(options, settings)
    if options["batch_size"] is None:
        options["batch_size"] = usual_batch(options["size"])
    return TrainingConfig.validated(options)


def _list(as_json: bool) -> None:
    from co2net_phys.ablation.tables import ABLATIONS

    value = {
        name: {"title": table.title, "variants": [variant.label for variant in table.variants]}
        for name, table in ABLATIONS.items()
    }
    lines = {
        f"{name}, {table['title']}": "; ".join(table["variants"]) for name, table in value.items()
    }
    console.give(value, as_json, console.rows(lines))


def _run(
    experiment: Experiment, base: TrainingConfig, output: Path, resume: bool, as_json: bool
) -> None:
    from co2net_phys.ablation.experiment import run_all
    from co2net_phys.ablation.results import PAGE, as_markdown, summary, write_results

    for key, why in experiment.impossible.items():
        console.say(f"left out {key}: {why}")
    with console.progress("ablate", 1) as bar, stopping(output) as should_stop:

        def report(done: int, total: int, note: str) -> None:
            bar.total = total
            bar.update(done, note)

        results = run_all(
            experiment, console.command_line(),
            continued=resume, progress=report, should_stop=should_stop,
        )  # fmt: skip
    found = summary(experiment, results, base)
    write_results(output, found)
    console.give(found, as_json, f"{as_markdown(found)}\nwrote {output / PAGE}")
