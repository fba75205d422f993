"""`co2phys reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.cli.train_options import is_given
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    import torch

    from co2net_phys.data.windows import Windows
    from co2net_phys.ensemble import Ensemble


OF_SYSTEMS = ("split", "region", "spacing", "start", "end", "resume", "batch_size", "precision")
"""Options that depend on what the network makes."""


def command(
    context: typer.Context,
    checkpoint: Annotated[
        Path, typer.Option(help="Folder of a run, of an ensemble, or of one checkpoint.")
    ],
    data: Annotated[Path, typer.Option(help="Store with observations and weather.")],
    output: Annotated[Path, typer.Option(help="File to write, .nc or .zarr.")],
    split: Annotated[
        Literal["train", "validation", "test", "all"], typer.Option(help="Block of time.")
    ] = "test",
    region: Annotated[
        str | None, typer.Option(help="Satellite maps: west,south,east,north in degrees.")
    ] = None,
    spacing: Annotated[
        float | None, typer.Option(help="Satellite maps: degrees between cells, such as 0.01.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Satellite maps: first day.")] = None,
    end: Annotated[str | None, typer.Option(help="Satellite maps: last day.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Satellite maps: go on where it was stopped.")
    ] = False,
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
    """Apply a trained network or ensemble: map CO2 from the stations it was trained with.

    An ensemble, or a network that predicts its variance, gives the standard error as well. An
    emulator of columns is rolled out, a fusion network fills daily maps of XCO2 from covariates, a
    flux network gives NEE from drivers.
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
    given = {name for name in OF_SYSTEMS if is_given(context, name)}
    if not is_of_surface(places[0]):
        if dry_run:
            raise UsageError("--dry-run is for maps of surface fields; leave it out")
        choices = {name: context.params[name] for name in given}
        apply_system(places, data, output, choices, device, overwrite, as_json)
        return
    for name in sorted(given - {"split", "batch_size", "precision"}):
        raise UsageError(f"--{name} has no effect with this network; leave it out")
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


def is_of_surface(checkpoint: Path) -> bool:
    """Whether a checkpoint holds a network of surface fields."""
    from co2net_phys.architectures import ARCHITECTURES
    from co2net_phys.checkpoint import load_metadata

    return load_metadata(checkpoint).get("architecture", "co2net") in ARCHITECTURES


def apply_system(
    checkpoints: list[Path],
    data: Path,
    output: Path,
    choices: dict[str, Any],
    device: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Apply models of a system that makes something else than surface fields."""
    from co2net_phys.checkpoint import WEIGHTS, load
    from co2net_phys.families import title_of
    from co2net_phys.provenance import provenance_attributes
    from co2net_phys.system import SYSTEM_ATTRIBUTE, Request, Trained
    from co2net_phys.systems import system, system_name

    loaded = [load(place) for place in checkpoints]
    metadata = loaded[0][1]
    kind = metadata["architecture"]
    for place, (_, other) in zip(checkpoints, loaded, strict=True):
        if other["architecture"] != kind:
            raise UsageError(f"{place}: is no {kind}; give members of one ensemble")
    weights = [Path(found["folder"]) / WEIGHTS for _, found in loaded]
    options, name = metadata["config"], system_name(kind)
    attributes = provenance_attributes(
        f"Output of {title_of(options)}", "Made by a trained network.", console.command_line(),
        options["seed"], weights, options,
    ) | {SYSTEM_ATTRIBUTE: name}  # fmt: skip
    trained = Trained([model for model, _ in loaded], metadata)
    with console.progress("reconstruct", 1) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        request = Request(attributes, choices, device, overwrite, progress)
        found = system(name).reconstruct(trained, data, output, request)
    result = {"output": str(output), "members": len(loaded), **found}
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in found.items())
    console.give(result, as_json, f"wrote {output}: {told}")


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
