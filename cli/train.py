"""`co2phys train`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.config import TrainingConfig
    from co2net_phys.preparation import Prepared

SMALL_BATCH = 4
"""Batch size of XS, the size for CPUs; the paper's 32 otherwise."""


def command(
    data: Annotated[Path, typer.Option(help="Training store (Zarr or NetCDF).")],
    output: Annotated[Path, typer.Option(help="Folder of the run.")],
    size: Annotated[Literal["XS", "S", "B", "L"], typer.Option(help="Size of the network.")] = "S",
    epochs: Annotated[int, typer.Option(help="Passes over the training windows.")] = 250,
    windows_per_epoch: Annotated[
        int | None, typer.Option(help="Windows drawn in an epoch; default all.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help=f"Windows in a step; default 32, XS {SMALL_BATCH}.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Peak of the cosine schedule.")] = 5e-4,
    weight_decay: Annotated[float, typer.Option(help="Of AdamW.")] = 8e-4,
    wind_weight: Annotated[float, typer.Option(help="Weight λ of the wind loss; 0 = off.")] = 0.2,
    target: Annotated[
        Literal["dense", "stations"], typer.Option(help="Learn from the field or from stations.")
    ] = "dense",
    background: Annotated[
        Literal["none", "station-mean", "climatology", "climatology-offset", "climatology-kriging"],
        typer.Option(help="First guess the network corrects (paper: none)."),
    ] = "climatology-kriging",
    frames: Annotated[int, typer.Option(help="Frames in a window, even.")] = 8,
    embedding: Annotated[
        Literal["wind", "climode", "none"], typer.Option(help="Space and time input channels.")
    ] = "wind",
    experts: Annotated[
        Literal["both", "spatial", "temporal"],
        typer.Option(help="A single one has no connection; spatial alone no wind loss."),
    ] = "both",
    connection: Annotated[
        Literal["bcast", "none"], typer.Option(help="Exchange between the experts in each layer.")
    ] = "bcast",
    head: Annotated[
        Literal["mlp", "additive"], typer.Option(help="One field, or one from each expert, added.")
    ] = "mlp",
    spatial_frames: Annotated[
        Literal["odd", "even"], typer.Option(help="Frames the spatial expert sees (paper: even).")
    ] = "odd",
    mask_channel: Annotated[
        bool, typer.Option(help="Tell the network where stations report (paper: no).")
    ] = True,
    withhold_wind: Annotated[
        bool, typer.Option("--withhold-wind", help="Keep wind from the input: an honest probe.")
    ] = False,
    training_stations: Annotated[
        int, typer.Option(help="Stations given to the network; the others are held out.")
    ] = 72,
    validate_every: Annotated[int, typer.Option(help="Epochs between validations.")] = 5,
    seed: Annotated[
        int, typer.Option(min=0, help="Weights, order of windows, choice of stations.")
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    precision: Annotated[
        Literal["bf16", "fp32"], typer.Option(help="Arithmetic of the network.")
    ] = "bf16",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other option: model.wind_scaling=index, warm_up=0."),
    ] = None,
    resume: Annotated[
        Literal["auto", "never"], typer.Option(help="auto continues an interrupted run.")
    ] = "never",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start the run again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check data and options; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Train CO2-Net on a store; checkpoints and a log go to the folder of the run."""
    from co2net_phys.config import validated_config
    from co2net_phys.data.store import open_store
    from co2net_phys.preparation import prepare

    default_batch = SMALL_BATCH if size == "XS" else 32
    experts_options = {} if experts == "both" else {"connection": "none"}
    options: dict[str, Any] = {
        "size": size,
        "model": {
            "frames": frames,
            "embedding": embedding,
            "experts": experts,
            "connection": connection,
            "head": head,
            "spatial_frames": spatial_frames,
            "mask_channel": mask_channel,
            "withhold_wind": withhold_wind,
            **experts_options,
        },
        "background": background,
        "epochs": epochs,
        "windows_per_epoch": windows_per_epoch,
        "batch_size": default_batch if batch_size is None else batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "wind_weight": 0.0 if experts == "spatial" else wind_weight,
        "target": target,
        "validate_every": validate_every,
        "training_stations": training_stations,
        "seed": seed,
        "device": device,
        "precision": precision,
    }
    config = validated_config(console.with_settings(options, settings or []))
    continued = _check_output(output, resume, overwrite, dry_run)
    prepared = prepare(config, open_store(data), fit=not dry_run)
    if dry_run:
        _report_plan(prepared, config, as_json)
    else:
        _train(prepared, config, data, output, continued, as_json)


def _check_output(output: Path, resume: str, overwrite: bool, dry_run: bool) -> bool:
    """Return whether to continue a run that is there."""
    if not (output / "last").exists() and not (output / "last.previous").exists():
        return False
    if resume == "auto":
        return True
    if not overwrite and not dry_run:
        raise UsageError(f"{output}: already holds a run; pass --resume auto or --overwrite")
    return False


def _report_plan(prepared: Prepared, config: TrainingConfig, as_json: bool) -> None:
    from co2net_phys.cost import training_plan

    plan = training_plan(prepared, config)
    text = console.rows(
        {
            "size": plan["size"],
            "parameters": f"{plan['parameters'] / 1e6:.2f} M",
            "input": " × ".join(map(str, plan["input_shape"])) + " (batch, channels, frames, H, W)",
            "training": f"{plan['train_windows']} windows, {plan['training_stations']} stations",
            "validation": f"{plan['validation_windows']} windows",
            "held out": f"{plan['held_out_stations']} stations",
            "steps": plan["steps"],
            "memory": f"about {console.megabytes(plan['memory_bytes'])}",
            "time": f"about {console.hours_minutes(plan['expected_seconds'])} on {plan['device']}",
            "written": "nothing (dry run)",
        }
    )
    console.give(plan, as_json, text)


def _train(
    prepared: Prepared,
    config: TrainingConfig,
    data: Path,
    output: Path,
    continued: bool,
    as_json: bool,
) -> None:
    from co2net_phys.training import Callbacks, Interrupted, start

    stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, frame: stop.append(received))
    steps = 0
    with console.progress("train", 1) as bar:

        def on_step(step: int, total: int, values: dict[str, float]) -> None:
            bar.total = total
            bar.update(step, f"loss {values['supervised']:.4f}")

        def on_epoch(row: dict[str, Any]) -> None:
            if "validation_rmse" in row:
                console.say(
                    f"epoch {row['epoch']}: loss {row['supervised']:.4f}, "
                    f"validation RMSE {row['validation_rmse']:.3f} µmol mol-1"
                )

        callbacks = Callbacks(on_step, on_epoch, lambda: bool(stop))
        trainer = start(
            prepared, config, output, [data], console.command_line(), callbacks, continued
        )
        steps = trainer.steps
        try:
            progress = trainer.run()
        except Interrupted:
            console.say(f"stopped; continue with --resume auto (state in {output / 'last'})")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise (KeyboardInterrupt if stop[0] == signal.SIGINT else console.Terminated) from None
    result = {
        "output": str(output),
        "epochs": progress.epoch,
        "steps": steps,
        "validation_rmse": progress.best,
        "unit": "umol mol-1",
    }
    console.give(
        result,
        as_json,
        f"trained {progress.epoch} epochs ({steps} steps); best validation RMSE "
        f"{progress.best:.3f} µmol mol-1; checkpoints in {output}",
    )
