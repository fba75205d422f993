"""`co2phys evaluate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from co2net_phys.cli import console
from co2net_phys.errors import DataError, ThresholdError, UsageError


def command(
    prediction: Annotated[Path, typer.Option(help="File of `co2phys reconstruct`.")],
    truth: Annotated[Path, typer.Option(help="Store with the true field and the observations.")],
    fail_if: Annotated[
        list[str] | None, typer.Option(help="Exit with 5 if true: 'rmse>4', 'acc<0.6'.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="HTML page to write, with figures of stated errors.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing report.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be compared.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Score a reconstruction: area-weighted RMSE and ACC, by region, and at stations.

    With a standard error also CRPS, spread against error, and coverage of intervals.
    """
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.data.fields import open_dataset
    from co2net_phys.data.store import open_store
    from co2net_phys.evaluate import comparison, evaluate

    conditions = [_condition(text) for text in fail_if or []]
    if report is not None:
        refuse_replacing_input(report, prediction, truth)
        _require_free(report, overwrite)
    predicted, store = open_dataset(prediction), open_store(truth)
    if dry_run:
        plan = comparison(predicted, str(prediction), store)
        text = {name.replace("_", " "): value for name, value in plan.items()}
        console.give(plan, as_json, console.rows({**text, "written": "nothing (dry run)"}))
        return
    scores = evaluate(predicted, str(prediction), store)
    if report is not None:
        from co2net_phys.evaluation_report import write_evaluation_report

        write_evaluation_report(report, str(prediction), str(truth), scores)
        console.say(f"wrote {report}")
    console.give(scores, as_json, _table(scores))
    for name, sign, limit in conditions:
        value = {**scores.get("probabilistic", {}), **scores}.get(name)
        if value is None:
            raise UsageError(f"--fail-if {name}: {prediction} has no standard error to score")
        if not (value <= limit if sign == ">" else value >= limit):
            raise ThresholdError(
                f"{prediction}: {name} is {value:.4g}; --fail-if forbids {name}{sign}{limit:g}"
            )


def _condition(text: str) -> tuple[str, str, float]:
    names = ("rmse", "acc", "mae", "bias", "correlation", "r2", "crps", "spread_skill_ratio")
    match = re.fullmatch(rf"\s*({'|'.join(names)})\s*([<>])\s*(-?\d+(?:\.\d+)?)\s*", text)
    if match is None:
        raise UsageError(f"--fail-if {text!r}: write NAME>VALUE or NAME<VALUE, NAME one of {names}")
    return match[1], match[2], float(match[3])


def _require_free(report: Path, overwrite: bool) -> None:
    if report.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--report {report}: end it in .html")
    if report.is_dir():
        raise DataError(f"{report}: is a folder; name a file")
    if report.exists() and not overwrite:
        raise DataError(f"{report}: already exists; pass --overwrite or choose another name")


def _table(scores: dict[str, Any]) -> str:
    unit = scores["unit"].replace("umol", "µmol")
    times = scores["times"]
    lines = [
        f"{times['count']} times, {times['first']} to {times['last']}",
        f"{'':<24}{'RMSE':>8}{'ACC':>8}{'bias':>8}   ({unit})",
    ]
    regions = {"global": scores, **scores["regions"]}
    lines += [
        f"{name:<24}{row['rmse']:8.3f}{row['acc']:8.3f}{row['bias']:8.3f}"
        for name, row in regions.items()
    ]
    for name, group in scores["stations"].items():
        pooled = group["pooled"]
        label = f"stations, {name.replace('_', ' ')}"
        lines.append(
            f"{label:<24}{pooled['rmse']:8.3f}{'':>8}{pooled['bias']:8.3f}   "
            f"{len(group['sites'])} sites, {pooled['n']} observations"
        )
    if "probabilistic" in scores:
        lines += _stated_errors(scores)
    return "\n".join(lines)


def _stated_errors(scores: dict[str, Any]) -> list[str]:
    from co2net_phys.evaluation_report import with_standard_error

    stated = with_standard_error(scores)
    levels = list(stated["globe"]["coverage"])
    lines = [
        f"{'stated standard error':<24}{'CRPS':>8}{'spread':>8}{'/error':>8}"
        + "".join(f"{level + ' %':>8}" for level in levels)
    ]
    for name, row in stated.items():
        inside = "".join(f"{100 * row['coverage'][level]:8.1f}" for level in levels)
        lines.append(
            f"{name:<24}{row['crps']:8.3f}{row['spread']:8.3f}{row['spread_skill_ratio']:8.3f}"
            + inside
        )
    return lines
