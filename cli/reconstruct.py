"""`co2phys reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from co2net_phys.cli import console


def command(
    checkpoint: Annotated[Path, typer.Option(help="Folder of a run, or of one checkpoint.")],
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
    """Map CO2 with a trained network, from the stations it was trained with."""
    from co2net_phys.checkpoint import WEIGHTS, find_checkpoint, load_model
    from co2net_phys.cost import EFFICIENCY, count_parameters, forward_flops, product_speed
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.data.store import open_store
    from co2net_phys.data.writer import is_zarr_path
    from co2net_phys.devices import choose_device
    from co2net_phys.reconstruct import reconstruct, reconstruction_attributes, windows_of

    is_zarr_path(output)
    refuse_replacing_input(output, data)
    place = find_checkpoint(checkpoint)
    chosen = choose_device(device)
    model, metadata = load_model(place)
    windows = windows_of(model, metadata, open_store(data, need_target=False), split)
    if dry_run:
        has_background = model.background is not None
        work = forward_flops(model.config, background=has_background) * len(windows)
        plan: dict[str, Any] = {
            "checkpoint": str(place),
            "parameters": count_parameters(model),
            "frames": len(windows),
            "grid": list(model.config.grid),
            "stations": len(windows.stations),
            "output_bytes": 4 * len(windows) * model.config.grid[0] * model.config.grid[1],
            "expected_seconds": work / (EFFICIENCY * product_speed(chosen, precision)),
        }
        text = {
            **{name.replace("_", " "): value for name, value in plan.items()},
            "output bytes": console.megabytes(plan["output_bytes"]),
            "expected seconds": console.hours_minutes(plan["expected_seconds"]),
            "written": "nothing (dry run)",
        }
        console.give(plan, as_json, console.rows(text))
        return
    weights = Path(metadata["folder"]) / WEIGHTS  # not always in `place`, if that is damaged
    attributes = reconstruction_attributes(metadata, console.command_line(), [data, weights], split)
    with console.progress("reconstruct", len(windows)) as bar:
        count = reconstruct(
            model.to(chosen), windows, output,
            attributes=attributes, batch_size=batch_size, device=chosen, precision=precision,
            overwrite=overwrite, progress=bar.update,
        )  # fmt: skip
    result = {"output": str(output), "frames": count, "split": split, "checkpoint": str(place)}
    console.give(result, as_json, f"wrote {output}: {count} frames of the {split} block")
