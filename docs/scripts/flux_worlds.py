"""Runs the commands of docs/how-to/fluxes.md on worlds of several seeds; prints a table.

    python docs/scripts/flux_worlds.py FOLDER --seeds 0 1 2 --members 5 --months 6

A file that is there already is not made again, so that a run can go on.
"""

import argparse
import json
import subprocess
from pathlib import Path

MODELS = {"ec": None, "ec-atm": "bridges.json", "ec-stations": "physics.nc"}
EPOCHS = {"ec": 40, "ec-atm": 100, "ec-stations": 100}
PLACES = ("GLOBAL", "TROPICS", "EXTRATROPICS")


def co2phys(made: Path, *words: object) -> None:
    if not made.exists():
        subprocess.run(["co2phys", "--quiet", *map(str, words)], check=True)


def scores(folder: Path, seed: int, members: int, months: int) -> dict:
    """Scores of all models in the world of one seed."""
    world, transport = folder / "world", 31 * (months + 1) + 1
    co2phys(
        world, "simulate", "--preset", "carbon-world", "--truncation", 10, "--seed", seed,
        "--set", "years=5", "--set", f"transport_days={transport}", "--output", world,
    )  # fmt: skip
    physics = folder / MODELS["ec-stations"]
    co2phys(
        physics, "bridge", "--kind", "physics", "--data", world, "--months", months,
        "--output", physics,
    )  # fmt: skip
    for model, bridges in MODELS.items():
        run, nee = folder / model, folder / f"{model}.zarr"
        more = ["--set", f"bridges={folder / bridges}"] if bridges else []
        words = ["--ensemble", members, "--epochs", EPOCHS[model], "--resume", "auto"]
        co2phys(nee, "train", "--model", model, "--data", world, "--output", run, *words, *more)
        co2phys(nee, "reconstruct", "--checkpoint", run, "--data", world, "--output", nee)
        if model == "ec":
            regional = folder / MODELS["ec-atm"]
            co2phys(regional, "bridge", "--kind", "regional", "--nee", nee, "--output", regional)
    found = subprocess.run(
        ["co2phys", "evaluate", "--json", "--truth", world, "--prediction"]
        + [folder / f"{model}.zarr" for model in MODELS],
        check=True, capture_output=True,
    )  # fmt: skip
    return json.loads(found.stdout)["methods"]


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
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--months", type=int, default=6)
    given = parser.parse_args()
    for seed in given.seeds:
        folder = given.folder / str(seed)
        folder.mkdir(parents=True, exist_ok=True)
        for name, found in scores(folder, seed, given.members, given.months).items():
            print(row(seed, name, found), flush=True)


if __name__ == "__main__":
    main()
