"""`co2phys evaluate` for what is no map of surface CO2: columns, XCO2, NEE."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from co2net_phys.cli import console
from co2net_phys.cli.train_options import is_given
from co2net_phys.errors import ThresholdError, UsageError

KNOWN = {"prediction", "truth", "more", "fail_if", "report", "overwrite", "as_json"}
"""Options of the command that have a meaning here."""


def system_of_prediction(path: Path) -> str | None:
    """Name of the system that wrote a file, None for a map of surface CO2."""
    from co2net_phys.data.fields import open_dataset
    from co2net_phys.system import SYSTEM_ATTRIBUTE

    with open_dataset(path) as data:
        name = data.attrs.get(SYSTEM_ATTRIBUTE)
    return None if name is None else str(name)


def refuse_useless(context: typer.Context) -> None:
    """Refuse options that say how maps of surface CO2 are compared.

    Raises
    ------
    UsageError
        naming the option.
    """
    for name in sorted(context.params):
        if name not in KNOWN and is_given(context, name):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} has no effect with this prediction; leave it out")


def evaluate(
    name: str,
    predictions: list[Path],
    truth: Path | None,
    report: Path | None,
    conditions: list[str],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Score predictions of the system called `name` against its truth."""
    from co2net_phys.assessed import write_assessed
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.evaluation_report import require_free
    from co2net_phys.systems import system

    scorer = system(name)
    if truth is None:
        raise UsageError("--truth: needed to score this prediction; give the store of the truth")
    limits = [limit(text) for text in conditions]
    if report is not None:
        refuse_replacing_input(report, truth, *predictions)
        require_free(report, overwrite=overwrite)
    found = scorer.assess(predictions, truth)
    if report is not None:
        for path in write_assessed(report, f"{predictions[0]} against {truth}", found):
            console.say(f"wrote {path}")
    console.give(found.scores, as_json, found.table)
    for score, sign, bound in limits:
        value = _value(found.scores, score)
        if not (value <= bound if sign == ">" else value >= bound):
            forbidden = f"{score}{sign}{bound:g}"
            raise ThresholdError(
                f"{predictions[0]}: {score} is {value:.4g}; --fail-if forbids {forbidden}"
            )


def limit(text: str) -> tuple[str, str, float]:
    """Name of a score, sign and limit of a condition.

    Raises
    ------
    UsageError
        It is no condition.
    """
    match = re.fullmatch(r"\s*([^<>]+?)\s*([<>])\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*", text)
    if match is None:
        raise UsageError(f"--fail-if {text!r}: write NAME>VALUE or NAME<VALUE, NAME as in --json")
    return match[1], match[2], float(match[3])


def _value(scores: dict[str, Any], name: str) -> float:
    """A number in the scores, its names from the outermost to its own joined by points."""
    found: Any = scores
    rest = f"{name}."
    while rest:
        # A name may hold points itself, as that of a file does: the longest that fits is meant.
        names = found if isinstance(found, dict) else ()
        key = max((key for key in names if rest.startswith(f"{key}.")), key=len, default=None)
        if key is None:
            raise UsageError(f"--fail-if {name}: there is no such score; --json shows all names")
        found, rest = found[key], rest[len(key) + 1 :]
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise UsageError(f"--fail-if {name}: is no number; --json shows all names")
    return float(found)
