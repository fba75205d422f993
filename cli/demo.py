"""`co2phys demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from co2net_phys.cli import console


def command(
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    days: Annotated[int | None, typer.Option(min=12, help="Length of the twin.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of training.")] = None,
    windows_per_epoch: Annotated[
        int | None, typer.Option(min=1, help="Windows in an epoch.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Weather, stations, weights.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a simulation that was interrupted.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Reconstruct an invented Earth from its stations, and compare with simple rivals.

    Writes the simulation, the checkpoint, the reconstruction, metrics.json and report.html. A
    simulation that is there already, made with the same options, is used again.
    """
    console.say(f"twin experiment in {output}")
    from co2net_phys.demo import DemoConfig, run_demo

    given = {"days": days, "epochs": epochs, "windows_per_epoch": windows_per_epoch, "seed": seed}
    config = DemoConfig(**{name: value for name, value in given.items() if value is not None})
    result = run_demo(
        config, output, console.progress, console.say, console.command_line(), resume=resume
    )
    lines = [f"{'method':<22}{'RMSE':>8}{'ACC':>8}   (µmol mol-1, final block, whole globe)"]
    ranked = sorted(result["methods"].items(), key=lambda item: float(item[1]["rmse"]))
    lines += [f"{name:<22}{row['rmse']:8.3f}{row['acc']:8.3f}" for name, row in ranked]
    lines.append(f"open {output / 'report.html'}")
    console.give(result, as_json, "\n".join(lines))
