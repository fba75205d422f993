"""Runs the commands of docs/how-to/fluxes.md on worlds of several seeds; prints a table.

Members and epochs are those of `STAGES`, mostly fewer than there; docs/results/fluxes.md says in
what its table differs. Bridges are not checked.

    python docs/scripts/flux_worlds.py FOLDER --seeds 0 1 2

A file that is there already is not made again, so that a run can go on.
"""

import argparse
import json
import subprocess
from pathlib import Path
from typing import NamedTuple


class Stage(NamedTuple):
    """A run, and the NEE that its regional bridges are fitted to, if it has such."""

    name: str
    model: str
    members: int
    epochs: int
    priors: tuple[str, ...] = ()


STAGES = (
    Stage("ec", "ec", 5, 40),
    Stage("ec-atm", "ec-atm", 5, 100, ("ec",)),
    Stage("ec-atm-again", "ec-atm", 3, 60, ("ec", "ec-atm")),
    Stage("ec-stations", "ec-stations", 2, 40),
)
PLACES = ("GLOBAL", "TROPICS", "EXTRATROPICS")
MONTHS, TRANSPORT_DAYS = 6, 396


def co2phys(made: Path, *words: object) -> None:
    if not made.exists():
        subprocess.run(["co2phys", "--quiet", *map(str, words)], check=True)


def made(folder: Path, stage: Stage, physics: Path) -> Path:
    """NEE of a stage."""
    nee, world, more = folder / f"{stage.name}.zarr", folder / "world", []
    if stage.priors:
        bridges = folder / f"{stage.name}.json"
        priors = [word for name in stage.priors for word in ("--nee", folder / f"{name}.zarr")]
        co2phys(bridges, "bridge", "--kind", "regional", *priors, "--output", bridges)
        more = ["--set", f"bridges={bridges}"]
    elif stage.model == "ec-stations":
        more = ["--set", f"bridges={physics}"]
    run = folder / stage.name
    co2phys(
        nee, "train", "--model", stage.model, "--data", world, "--output", run, "--ensemble",
        stage.members, "--epochs", stage.epochs, "--resume", "auto", *more,
    )  # fmt: skip
    co2phys(nee, "reconstruct", "--checkpoint", run, "--data", world, "--output", nee)
    return nee


def scores(folder: Path, seed: int) -> dict[str, dict]:
    """Scores of every stage in the world of one seed."""
    world, physics = folder / "world", folder / "physics.nc"
    co2phys(
        world, "simulate", "--preset", "carbon-world", "--truncation", 10, "--seed", seed,
        "--set", "years=5", "--set", f"transport_days={TRANSPORT_DAYS}", "--output", world,
    )  # fmt: skip
    co2phys(
        physics, "bridge", "--kind", "physics", "--data", world, "--months", MONTHS,
        "--output", physics,
    )  # fmt: skip
    found = {}
    for stage in STAGES:
        nee = made(folder, stage, physics)
        words = ["co2phys", "evaluate", "--json", "--truth", world, "--prediction", nee]
        answer = subprocess.run(words, check=True, capture_output=True)
        (found[stage.name],) = json.loads(answer.stdout)["methods"].values()
    return found


def row(seed: int, name: str, found: dict) -> str:
    """A line of the table: what is missing from the true sums, and errors at towers."""
    cells = [str(seed), name]
    for place in PLACES:
        annual = found["truth"][place]["annual"]
        cells.append(f"{annual['mean'] - annual['reference_mean']:+.2f}")
    cells += [f"{found['truth'][place]['monthly']['rmse']:.3f}" for place in PLACES]
    cells += [f"{found['truth'][place]['normalised_nse']:.2f}" for place in PLACES[1:]]
    cells += [f"{found['towers'][group]['pooled']['rmse']:.3f}" for group in ("other", "tropical")]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    for seed in given.seeds:
        folder = given.folder / str(seed)
        folder.mkdir(parents=True, exist_ok=True)
        for name, found in scores(folder, seed).items():
            print(row(seed, name, found), flush=True)


if __name__ == "__main__":
    main()
