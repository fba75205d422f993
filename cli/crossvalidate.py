"""`co2phys crossvalidate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.errors import DataError

if TYPE_CHECKING:
    from co2net_phys.crossvalidation.method import Task


def command(
    observations: Annotated[
        Path, typer.Option(help="Monthly table in CSV: one row a dataset, one column a month.")
    ],
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
    seed: Annotated[int, typer.Option(min=0, help="Folds and bootstrap.")] = 1,
    report: Annotated[
        Path | None, typer.Option(help="Folder for a page, scores.csv and scores.json.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing report.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Predict CO2 at every site from all other sites, by several methods, and score them.

    What is left out is used for nothing, not even for the hyper-parameters. Scores come with
    intervals, paired differences from the best simple method, and the sites that decide them.
    """
    from co2net_phys.crossvalidation.methods import chosen_methods
    from co2net_phys.crossvalidation.running import crossvalidate, prepared
    from co2net_phys.crossvalidation.scoring import summary

    chosen = chosen_methods(None if methods is None else methods.split(","))
    if report is not None:
        _require_free(report, overwrite)
    task, names = prepared(observations, by, folds, (start, end), seed)
    if dry_run:
        _report_plan(task, chosen, reference, as_json)
        return
    with console.progress("crossvalidate", 1000) as bar:
        outcome = crossvalidate(
            task, names, chosen, reference, lambda share: bar.update(round(1000 * share))
        )
    scores = summary(outcome, seed)
    if report is not None:
        from co2net_phys.crossvalidation.page import PAGE, write_page

        write_page(report, outcome, scores)
        console.say(f"wrote {report / PAGE}")
    console.give(scores, as_json, _table(scores))


def _require_free(report: Path, overwrite: bool) -> None:
    from co2net_phys.crossvalidation.page import FILES
    from co2net_phys.data.atomic import require_writable_folder

    require_writable_folder(report)
    there = [report / name for name in FILES if (report / name).exists()]
    if there and not overwrite:
        raise DataError(f"{there[0]}: already exists; pass --overwrite or choose another --report")


def _report_plan(task: Task, methods: list[str], reference: Path | None, as_json: bool) -> None:
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
    text = {name.replace("_", " "): item for name, item in value.items()}
    text["methods"] = ", ".join(methods)
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
