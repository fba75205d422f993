"""What verbs share that make many runs in one folder: its check, and the plan of a dry run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from co2net_phys.cli import console
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Run(Protocol):
    """One run of an experiment."""

    @property
    def folder(self) -> Path:
        """Its own."""

    @property
    def seed(self) -> int:
        """Of its random numbers."""

    @property
    def steps(self) -> int:
        """Of its work."""

    @property
    def expected_seconds(self) -> float:
        """From its beginning."""

    def known_scores(self) -> Mapping[str, Any] | None:
        """Those of an earlier session."""


def check_folder(output: Path, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, or holds runs that nothing is said about."""
    from co2net_phys.data.atomic import require_writable_folder

    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other")
    require_writable_folder(output)
    if not (resume or overwrite) and any((output / "runs").glob("*/seed-*")):
        raise UsageError(f"{output}: already holds runs; pass --resume or --overwrite")


def report_plan(
    runs: Sequence[tuple[str, Run]],
    kind: str,
    impossible: Mapping[str, str],
    scored: NDArray[Any],
    resume: bool,
    as_json: bool,
) -> None:
    """Print what would run, each with the name of its `kind` (variant, method), and how long."""
    rows = [_planned(run, kind, name, resume) for name, run in runs]
    total = sum(row["expected_seconds"] for row in rows)
    shown: dict[str, Any] = {
        f"{row[kind]}, seed {row['seed']}": f"{row['steps']} steps, {row['state']}" for row in rows
    }
    shown |= {name: f"not possible: {why}" for name, why in impossible.items()}
    shown |= {
        "scored": f"{len(scored)} times of the test block",
        "time": f"about {console.hours_minutes(total)} of training for what is left",
        "written": "nothing (dry run)",
    }
    value = {
        "runs": rows,
        "impossible": dict(impossible),
        "scored_times": len(scored),
        "expected_seconds": total,
    }
    console.give(value, as_json, console.rows(shown))


def _planned(run: Run, kind: str, name: str, resume: bool) -> dict[str, Any]:
    from co2net_phys.run_folder import has_state

    state = "to be made"
    if resume and run.known_scores() is not None:
        state = "complete"
    elif resume and has_state(run.folder):
        state = "to be finished"
    return {
        kind: name,
        "seed": run.seed,
        "steps": run.steps,
        "state": state,
        "expected_seconds": 0.0 if state == "complete" else run.expected_seconds,
    }
