"""`co2phys crossvalidate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.cli.crossvalidate_samples import crossvalidate_samples
from co2net_phys.cli.option_sources import naming_source
from co2net_phys.cli.train_options import is_given
from co2net_phys.errors import DataError, UsageError

if TYPE_CHECKING:
    from co2net_phys.crossvalidation.method import Predictions, Progress, Task
    from co2net_phys.crossvalidation.methods import Entry
    from co2net_phys.crossvalidation.station_network import StationNetwork

NETWORKS = "networks"
"""Folder in that of the report, with the runs of the networks."""

OF_SAMPLES = {"schemes", "hold_out"}
"""Options that only samples of satellites have."""

NETWORK_EFFORT = 2000
"""Share of the running time, of which the Gaussian process has 200."""


def command(
    context: typer.Context,
    observations: Annotated[
        Path | None,
        typer.Option(help="Monthly table in CSV: one row a dataset, one column a month."),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(help="Instead: XCO2 of satellites, a store of `co2phys data fuse`."),
    ] = None,
    schemes: Annotated[
        str | None,
        typer.Option(help="Of samples, what is left out together: sample,pass,day,month,tile."),
    ] = None,
    hold_out: Annotated[
        float | None, typer.Option(help="Of samples: leave out this share, once; no folds.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Table of a model at the same sites, scored as it is.")
    ] = None,
    by: Annotated[
        Literal["site", "region", "block"],
        typer.Option(help="Left out together: a site code, a continent or the sea, 20° × 20°."),
    ] = "site",
    folds: Annotated[
        int | None, typer.Option(min=2, help="Leave out so many random sets; default one by one.")
    ] = None,
    start: Annotated[
        int | None, typer.Option(min=1900, max=2999, help="First year; default all.")
    ] = None,
    end: Annotated[
        int | None, typer.Option(min=1900, max=2999, help="Last year; default all.")
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Some methods by name: kriging-drift,gaussian-process.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Monthly store of weather: CO2-Net learns from the sites in it as well."),
    ] = None,
    size: Annotated[
        Literal["XS", "S", "B", "L"] | None, typer.Option(help="Of CO2-Net; default XS.")
    ] = None,
    network_config: Annotated[
        Path | None, typer.Option(help="YAML or TOML file of its options, as of `train --config`.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Folds, networks, bootstrap.")] = 1,
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for a page, scores.csv and scores.json, and the networks."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the networks where it was stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing report.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Predict CO2 at every site from all other sites, by several methods, and score them.

    What is left out is used for nothing, not even for the hyper-parameters. Scores come with
    intervals, paired differences from the best simple method, and the sites that decide them.
    With --store CO2-Net is one of the methods, trained anew for each of ten parts of the sites.
    With --samples the methods are those that fill maps of XCO2, and random samples are compared
    with blocks that keep neighbours together.
    """
    given = {name for name in context.params if is_given(context, name)}
    if samples is not None:
        crossvalidate_samples(context.params, given)
        return
    for name in sorted(given & OF_SAMPLES):
        raise UsageError(f"--{name.replace('_', '-')} is of --samples; give these as well")
    if observations is None:
        raise UsageError("give --observations, a table of sites, or --samples of satellites")
    from co2net_phys.crossvalidation.methods import chosen_methods
    from co2net_phys.crossvalidation.running import crossvalidate, prepared
    from co2net_phys.crossvalidation.scoring import summary

    chosen = chosen_methods(None if methods is None else methods.split(","))
    network = _network(store, size, network_config, report, seed)
    if resume and (overwrite or network is None):
        raise UsageError("--resume goes on with networks: give --store, and no --overwrite")
    if report is not None:
        _require_free(report, overwrite or resume)
    if network is not None and network.has_runs() and not (resume or overwrite or dry_run):
        raise UsageError(f"{network.folder}: already holds networks; pass --resume or --overwrite")
    task, names = prepared(observations, by, folds, (start, end), seed)
    if dry_run:
        _report_plan(task, chosen, reference, network, as_json)
        return
    with console.progress("crossvalidate", 1000) as bar:
        outcome = crossvalidate(
            task, names, chosen, reference, lambda share: bar.update(round(1000 * share)),
            _further(network, resume),
        )  # fmt: skip
    scores = summary(outcome, seed)
    if report is not None:
        from co2net_phys.crossvalidation.page import PAGE, write_page

        write_page(report, outcome, scores)
        console.say(f"wrote {report / PAGE}")
    console.give(scores, as_json, _table(scores))


def _network(
    store: Path | None, size: str | None, file: Path | None, report: Path | None, seed: int
) -> StationNetwork | None:
    """The networks that are asked for, or None."""
    if store is None:
        if size is not None or file is not None:
            raise UsageError("--size and --network-config are of a network: give --store as well")
        return None
    if report is None:
        raise UsageError("--store: the networks need a folder to be kept in; give --report")
    from co2net_phys.config_file import read_options
    from co2net_phys.crossvalidation.station_network import StationNetwork, network_config

    options = {} if file is None else read_options(file)
    with naming_source(file):
        config = network_config(options, size, seed)
    return StationNetwork(config, store, report / NETWORKS, console.command_line())


def _further(network: StationNetwork | None, resume: bool) -> dict[str, Entry]:
    """The networks as a method that ends with its state saved when Ctrl-C or SIGTERM comes."""
    if network is None:
        return {}
    from co2net_phys.architectures import network_title
    from co2net_phys.cli.stopping import stopping
    from co2net_phys.crossvalidation.methods import Entry

    def run(task: Task, progress: Progress) -> Predictions:
        with stopping(network.folder) as should_stop:
            return network.predict(task, progress, should_stop, continued=resume)

    label = f"{network_title(network.config.model_dump())} from stations and weather"
    return {network.config.architecture: Entry(run, label, NETWORK_EFFORT, is_simple=False)}


def _require_free(report: Path, overwrite: bool) -> None:
    from co2net_phys.crossvalidation.page import FILES
    from co2net_phys.data.atomic import require_writable_folder

    require_writable_folder(report)
    there = [report / name for name in FILES if (report / name).exists()]
    if there and not overwrite:
        raise DataError(f"{there[0]}: already exists; pass --overwrite or choose another --report")


def _report_plan(
    task: Task,
    methods: list[str],
    reference: Path | None,
    network: StationNetwork | None,
    as_json: bool,
) -> None:
    from co2net_phys.crossvalidation.records import read_alongside

    records = task.records
    value: dict[str, Any] = {
        "records": records.values.size,
        "series": len(records.series),
        "groups": len(set(task.groups.tolist())),
        "first_month": str(records.months[0]),
        "last_month": str(records.months[-1]),
        "methods": methods,
    }
    if reference is not None:
        shared = read_alongside(reference, records)[records.rows, records.columns]
        value["records_of_the_reference"] = int((shared == shared).sum())
    if network is not None:
        value["methods"] = [*methods, network.config.architecture]
        value |= network.plan(task)
    text = {name.replace("_", " "): item for name, item in value.items()}
    text["methods"] = ", ".join(value["methods"])
    if network is not None:
        text["time"] = f"about {console.hours_minutes(text.pop('expected seconds'))} of training"
    console.give(value, as_json, console.rows({**text, "written": "nothing (dry run)"}))


def _table(scores: dict[str, Any]) -> str:
    lines = [
        f"{scores['records']} monthly means of {scores['series']} series, "
        f"{scores['first_month']} to {scores['last_month']}, {scores['groups']} groups",
        f"{'':<26}{'RMSE':>7}{'95 %':>13}{'median |e|':>12}{'95 %':>13}{'bias':>8}{'n':>7}   (ppm)",
    ]
    for name, row in scores["methods"].items():
        ends = {
            key: "{:.2f}–{:.2f}".format(*row["intervals"][key])
            for key in ("rmse", "median_abs_error")
        }
        lines.append(
            f"{name:<26}{row['rmse']:7.2f}{ends['rmse']:>13}{row['median_abs_error']:12.2f}"
            f"{ends['median_abs_error']:>13}{row['bias']:8.2f}{row['n']:7d}"
        )
    worst = ", ".join(
        f"{row['site']} {100 * row['share_of_squared_error']:.0f} %" for row in scores["floor"][:8]
    )
    return "\n".join([*lines, f"most of the squared error of {scores['best']}: {worst}"])
