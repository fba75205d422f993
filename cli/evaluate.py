"""`co2phys evaluate`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from co2net_phys.cli import console
from co2net_phys.errors import ThresholdError, UsageError


def command(
    prediction: Annotated[Path, typer.Option(help="File of `co2phys reconstruct`.")],
    truth: Annotated[Path, typer.Option(help="Store with the true field and the observations.")],
    fail_if: Annotated[
        list[str] | None, typer.Option(help="Exit with 5 if true: 'rmse>4', 'acc<0.6'.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be compared.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Score a reconstruction: area-weighted RMSE and ACC, by region, and at stations."""
    from co2net_phys.data.fields import open_dataset
    from co2net_phys.data.store import open_store
    from co2net_phys.evaluate import comparison, evaluate

    conditions = [_condition(text) for text in fail_if or []]
    predicted, store = open_dataset(prediction), open_store(truth)
    if dry_run:
        plan = comparison(predicted, str(prediction), store)
        text = {name.replace("_", " "): value for name, value in plan.items()}
        console.give(plan, as_json, console.rows({**text, "written": "nothing (dry run)"}))
        return
    scores = evaluate(predicted, str(prediction), store)
    console.give(scores, as_json, _table(scores))
    for name, sign, limit in conditions:
        value = scores[name]
        if not (value <= limit if sign == ">" else value >= limit):
            raise ThresholdError(
                f"{prediction}: {name} is {value:.4g}; --fail-if forbids {name}{sign}{limit:g}"
            )


def _condition(text: str) -> tuple[str, str, float]:
    names = ("rmse", "acc", "mae", "bias", "correlation", "r2")
    match = re.fullmatch(rf"\s*({'|'.join(names)})\s*([<>])\s*(-?\d+(?:\.\d+)?)\s*", text)
    if match is None:
        raise UsageError(f"--fail-if {text!r}: write NAME>VALUE or NAME<VALUE, NAME one of {names}")
    return match[1], match[2], float(match[3])


def _table(scores: dict[str, Any]) -> str:
    unit = "µmol mol-1"
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
    return "\n".join(lines)
