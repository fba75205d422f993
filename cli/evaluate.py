"""`co2phys evaluate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console, evaluate_options, evaluate_system
from co2net_phys.errors import ThresholdError, UsageError

if TYPE_CHECKING:
    import xarray as xr

    from co2net_phys.data.store import TrainingStore
    from co2net_phys.evaluation.assess import Choices


def command(
    context: typer.Context,
    prediction: Annotated[Path, typer.Option(help="File of `co2phys reconstruct`.")],
    truth: Annotated[
        Path | None, typer.Option(help="Store with the true field and the observations.")
    ] = None,
    stations: Annotated[
        list[str] | None,
        typer.Option(help="Station files, folders or 'patterns' to score against; repeat."),
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILES]...", help="Further station files, or rival predictions."),
    ] = None,
    selection: Annotated[
        str,
        typer.Option(help="Of station files: representative, all-hours, assimilated or valid."),
    ] = "representative",
    units: Annotated[
        str | None, typer.Option(help="Of station files, where their attribute is wrong.")
    ] = None,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="Value of the nearest cell at stations.")
    ] = False,
    nearest_time: Annotated[
        bool, typer.Option("--nearest-time", help="Nearest map at the time of a measurement.")
    ] = False,
    held_out: Annotated[
        str | None, typer.Option(help="CODE,… in place of what the prediction says.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="First time: 2008, 2008-06, …")] = None,
    end: Annotated[str | None, typer.Option(help="Last time, included.")] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(help="Preset, or 'name:south,north,west,east:2019-08-01,2019-08-15'; repeat."),
    ] = None,
    climatology: Annotated[
        Literal["cell", "scalar"],
        typer.Option(help="ACC: anomalies from the mean of the truth of each cell, or of all."),
    ] = "cell",
    fail_if: Annotated[
        list[str] | None,
        typer.Option(help="Exit with 5 if true: 'rmse>4', 'acc<0.6', 'held_out.rmse>3'."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for page, JSON and CSV; or a page, .html.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing report.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be compared.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Score a reconstruction against true maps, against observations at stations, or both.

    Area-weighted scores of the globe and regions; scores of held-out, training and other stations;
    95 % intervals; with a standard error also CRPS, spread against error, coverage of intervals.
    Roll-outs of columns, maps of XCO2 and NEE are known by their file and scored in their own way.
    """
    from co2net_phys.data.kinds import PREDICTION
    from co2net_phys.data.opening import open_dataset
    from co2net_phys.data.store import open_store
    from co2net_phys.evaluation.assess import Choices, assess

    for text in fail_if or []:
        evaluate_system.limit(text)  # before anything is read
    if system := evaluate_system.system_of_prediction(prediction):
        evaluate_system.refuse_useless(context)
        others = [Path(name) for name in more or []]
        evaluate_system.evaluate(
            system, [prediction, *others], truth, report, fail_if or [], overwrite, as_json
        )
        return
    conditions = [_condition(text) for text in fail_if or []]
    files = [*(stations or []), *(more or [])]
    evaluate_options.refuse_useless(truth, files, selection, units, nearest_time, climatology)
    choices = Choices(
        place="nearest" if nearest else "bilinear",
        moment="nearest" if nearest_time else "linear",
        held_out=evaluate_options.codes(held_out),
        period=evaluate_options.period(start, end),
        events=evaluate_options.events(event or [], truth),
        climatology=climatology,
    )
    if report is not None:
        _require_free(report, overwrite, prediction, truth)
    given = open_dataset(prediction, PREDICTION)
    store = open_store(truth) if truth is not None else None
    table = evaluate_options.observations(files, selection, units) if files else None
    if dry_run:
        _say_plan(given, str(prediction), store, table, choices, as_json)
        return
    found = assess(given, str(prediction), store, table, choices)
    found.scores["compared"] = {
        "prediction": str(prediction),
        "truth": None if truth is None else str(truth),
        "stations": files,
        "selection": selection if files else None,
    }
    if report is not None:
        from co2net_phys.evaluation_report import write_evaluation_report

        against = " and ".join([*([str(truth)] if truth else []), *files[:3]])
        for path in write_evaluation_report(report, f"{prediction} against {against}", found):
            console.say(f"wrote {path}")
    console.give(found.scores, as_json, _table(found.scores))
    for place, name, sign, limit in conditions:
        _check(found.scores, str(prediction), place, name, sign, limit)


def _require_free(report: Path, overwrite: bool, prediction: Path, truth: Path | None) -> None:
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.evaluation_report import require_free

    refuse_replacing_input(report, prediction, truth)
    require_free(report, overwrite=overwrite)


def _say_plan(
    prediction: xr.Dataset,
    source: str,
    truth: TrainingStore | None,
    table: xr.Dataset | None,
    choices: Choices,
    as_json: bool,
) -> None:
    from co2net_phys.evaluate import comparison
    from co2net_phys.evaluation.assess import in_period

    plan: dict[str, Any] = {}
    if truth is not None:
        plan = comparison(in_period(prediction, source, choices.period), source, truth)
    if table is not None:
        from co2net_phys.evaluation.sampling import maps_of

        maps_of(prediction, source)  # raises where it cannot be sampled
        plan["observations"] = table.sizes["observation"]
        plan["datasets"] = table.sizes["series"]
        plan["sites"] = len(set(table["site"].values.tolist()))
    text = {name.replace("_", " "): value for name, value in plan.items()}
    console.give(plan, as_json, console.rows({**text, "written": "nothing (dry run)"}))


NAMES = (
    *("rmse", "acc", "mae", "median_abs_error", "bias", "correlation", "r2"),
    *("crps", "spread_skill_ratio"),
)
"""Scores that --fail-if knows."""


def _condition(text: str) -> tuple[str, str, str, float]:
    """Place (empty for the main one), score, sign and limit of a condition."""
    match = re.fullmatch(
        rf"\s*(?:([a-z_-]+)\.)?({'|'.join(NAMES)})\s*([<>])\s*(-?\d+(?:\.\d+)?)\s*", text
    )
    if match is None:
        raise UsageError(
            f"--fail-if {text!r}: write NAME>VALUE or NAME<VALUE, NAME one of {NAMES}, perhaps "
            "after held_out., training., other., all. or a region such as europe."
        )
    return match[1] or "", match[2], match[3], float(match[4])


def _check(
    scores: dict[str, Any], source: str, place: str, name: str, sign: str, limit: float
) -> None:
    """Raise where a condition is true, or where its score is not known."""
    label = f"{place}.{name}" if place else name
    row = _row(scores, place, label)
    value = {**row.get("probabilistic", {}), **row}.get(name)
    if value is None:
        why = "no standard error to score" if name in ("crps", "spread_skill_ratio") else "none"
        raise UsageError(f"--fail-if {label}: {source} has {why}; leave it out")
    if not (value <= limit if sign == ">" else value >= limit):
        raise ThresholdError(
            f"{source}: {label} is {value:.4g}; --fail-if forbids {label}{sign}{limit:g}"
        )


def _row(scores: dict[str, Any], place: str, label: str) -> dict[str, Any]:
    """The scores of a place: the globe, a region, or all stations of a group together."""
    stations = {
        name: {**group["pooled"], "probabilistic": group.get("probabilistic", {})}
        for name, group in scores["stations"].items()
    }
    if not place and "regions" in scores:
        return scores
    main = next((name for name in ("held_out", "all") if name in stations), "held_out")
    rows = {**scores.get("regions", {}), **stations}
    found: dict[str, Any] | None = rows.get(place or main)
    if found is None:
        raise UsageError(
            f"--fail-if {label}: nothing is known of {place or main}; there are {', '.join(rows)}"
        )
    return found


def _table(scores: dict[str, Any]) -> str:
    unit = scores["unit"].replace("umol", "µmol")
    lines = []
    if "regions" in scores:
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
    elif "observations" in scores:
        seen = scores["observations"]
        lines = [
            f"{seen['observations']} observations, {seen['first']} to {seen['last']}",
            f"{'':<24}{'RMSE':>8}{'median':>8}{'bias':>8}   ({unit})",
        ]
    for name, group in scores["stations"].items():
        pooled = group["pooled"]
        label = f"stations, {name.replace('_', ' ')}"
        middle = "" if "regions" in scores else f"{pooled['median_abs_error']:.3f}"
        lines.append(
            f"{label:<24}{pooled['rmse']:8.3f}{middle:>8}{pooled['bias']:8.3f}   "
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
