"""`co2phys reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console

if TYPE_CHECKING:
    import torch

    from co2net_phys.data.windows import Windows
    from co2net_phys.ensemble import Ensemble


def command(
    checkpoint: Annotated[
        Path, typer.Option(help="Folder of a run, of an ensemble, or of one checkpoint.")
    ],
    data: Annotated[Path, typer.Option(help="Store with observations and weather.")],
    output: Annotated[Path, typer.Option(help="File to write, .nc or .zarr.")],
    split: Annotated[
        Literal["train", "validation", "test", "all"], typer.Option(help="Block of time.")
    ] = "test",
    batch_size: Annotated[int, typer.Option(min=1, help="Windows at a time.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    precision: Annotated[
        Literal["bf16", "fp32"], typer.Option(help="Arithmetic of the network.")
    ] = "fp32",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Map CO2 with a trained network or ensemble, from the stations it was trained with.

    An ensemble, or a network that predicts its variance, gives the standard error as well.
    """
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.data.store import open_store
    from co2net_phys.data.writer import is_zarr_path
    from co2net_phys.devices import choose_device
    from co2net_phys.ensemble import Ensemble, find_checkpoints
    from co2net_phys.reconstruct import reconstruction_attributes, windows_of, write_records

    is_zarr_path(output)
    refuse_replacing_input(output, data)
    places = find_checkpoints(checkpoint)
    chosen = choose_device(device)
    ensemble = Ensemble(places)
    store = open_store(data, need_target=False)
    windows = windows_of(ensemble.first, ensemble.metadata, store, split)
    if dry_run:
        _report_plan(ensemble, windows, chosen, precision, as_json)
        return
    attributes = reconstruction_attributes(
        ensemble.metadata, console.command_line(), [data, *ensemble.weights], split, len(ensemble)
    )
    with console.progress("reconstruct", len(ensemble) * len(windows)) as bar:
        found = ensemble.records(windows, batch_size, chosen, precision, bar.update)
        count = write_records(
            found, windows, output, ensemble.names, attributes=attributes, overwrite=overwrite
        )
    result = {
        "output": str(output),
        "frames": count,
        "split": split,
        "checkpoint": str(places[0] if len(places) == 1 else checkpoint),
        "members": len(ensemble),
        "variables": list(ensemble.names),
    }
    console.give(result, as_json, f"wrote {output}: {count} frames of the {split} block")


def _report_plan(
    ensemble: Ensemble, windows: Windows, device: torch.device, precision: str, as_json: bool
) -> None:
    from co2net_phys.cost import EFFICIENCY, count_parameters, forward_flops, product_speed

    model = ensemble.first
    work = forward_flops(model.config, background=model.background is not None)
    work *= len(windows) * len(ensemble)
    height, width = model.config.grid
    plan: dict[str, Any] = {
        "checkpoint": " ".join(map(str, ensemble.checkpoints)),
        "members": len(ensemble),
        "variables": list(ensemble.names),
        "parameters": count_parameters(model),
        "frames": len(windows),
        "grid": [height, width],
        "stations": len(windows.stations),
        "output_bytes": 4 * len(windows) * height * width * len(ensemble.names),
        "expected_seconds": work / (EFFICIENCY * product_speed(device, precision)),
    }
    text = {
        **{name.replace("_", " "): value for name, value in plan.items()},
        "variables": ", ".join(ensemble.names),
        "output bytes": console.megabytes(plan["output_bytes"]),
        "expected seconds": console.hours_minutes(plan["expected_seconds"]),
        "written": "nothing (dry run)",
    }
    console.give(plan, as_json, console.rows(text))
