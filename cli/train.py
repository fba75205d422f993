"""`co2phys train`."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.cli.choices import FirstGuess, Model
from co2net_phys.cli.option_sources import flags_given, naming_source
from co2net_phys.cli.train_options import OPTIONS, options_of
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.distributed import Team
    from co2net_phys.run_options import RunOptions
    from co2net_phys.task import Task


def command(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="Training store (Zarr or NetCDF).")],
    output: Annotated[Path, typer.Option(help="Folder of the run.")],
    architecture: Annotated[
        Model,
        typer.Option("--model", help="CO2-Net, a rival as its paper trains it, or another system."),
    ] = "co2net",
    size: Annotated[Literal["XS", "S", "B", "L"], typer.Option(help="Size of CO2-Net.")] = "S",
    epochs: Annotated[int, typer.Option(help="Passes over the training windows.")] = 250,
    windows_per_epoch: Annotated[
        int | None, typer.Option(help="Windows drawn in an epoch; default all.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Windows in a step; default 32, XS 4.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Peak of the cosine schedule.")] = 5e-4,
    weight_decay: Annotated[float, typer.Option(help="Of AdamW.")] = 8e-4,
    wind_weight: Annotated[float, typer.Option(help="Weight λ of the wind loss; 0 = off.")] = 0.2,
    target: Annotated[
        Literal["dense", "stations"], typer.Option(help="Learn from the field or from stations.")
    ] = "dense",
    background: Annotated[
        FirstGuess,
        typer.Option(help="First guess the network corrects (paper: none)."),
    ] = "climatology-kriging",
    frames: Annotated[int, typer.Option(help="Frames in a window, even.")] = 8,
    sample_every: Annotated[
        int, typer.Option(min=1, help="Steps of the store from one frame to the next.")
    ] = 1,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", help="Auxiliary not to read, such as huss; may be repeated."),
    ] = None,
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
    station_dropout: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of stations hidden from a window at random."),
    ] = None,
    validate_every: Annotated[int, typer.Option(help="Epochs between validations.")] = 5,
    seed: Annotated[
        int, typer.Option(min=0, help="Weights, order of windows, choice of stations.")
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    precision: Annotated[
        Literal["bf16", "fp32"], typer.Option(help="Arithmetic of the network.")
    ] = "bf16",
    predict_variance: Annotated[
        bool, typer.Option("--predict-variance", help="Predict the error of every cell as well.")
    ] = False,
    target_variable: Annotated[
        Literal["co2s", "ps", "huss", "tas"],
        typer.Option(help="Variable to reconstruct; any but co2s needs --background none."),
    ] = "co2s",
    residual_weight: Annotated[
        float, typer.Option(help="Weight λ of the residual of the transport equation; 0 = off.")
    ] = 0.0,
    mass_weight: Annotated[
        float, typer.Option(help="Weight λ of the loss of global mass; 0 = off.")
    ] = 0.0,
    ensemble: Annotated[
        int, typer.Option(min=1, help="Networks to train, each from its own seed.")
    ] = 1,
    series_on_device: Annotated[
        Literal["auto", "always", "never"],
        typer.Option(help="Keep all frames where the network trains; auto: if they fit."),
    ] = "auto",
    file: Annotated[
        Path | None,
        typer.Option("--config", help="YAML or TOML file of options; those given here go first."),
    ] = None,
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
    """Train a model on its data; checkpoints and a log go to the folder of the run.

    The defaults listed are CO2-Net's. Another model takes those of its paper instead, which
    --dry-run shows; what is given here goes before them.
    """
    from co2net_phys.config_file import validated_options
    from co2net_phys.data.atomic import refuse_replacing_input, remove
    from co2net_phys.devices import choose_device
    from co2net_phys.distributed import team_of
    from co2net_phys.systems import plan_of, task_of

    sources = (file, settings or [], flags_given(context, OPTIONS))
    with naming_source(*sources):
        config = validated_options(options_of(context, file, settings or []))
        # All at once: a member that cannot be is refused before the first is trained.
        members = [config] if ensemble == 1 else [config.member(n) for n in range(ensemble)]
    bridges = getattr(config, "bridges", None)
    refuse_replacing_input(output, data, Path(bridges) if bridges else None, apart=True)
    folders, extra = _folders(output, ensemble, overwrite)
    continued = [_check_output(folder, resume, overwrite, dry_run) for folder in folders]
    with naming_source(*sources), team_of(choose_device(config.device)) as team:
        if not team.leads:
            os.environ["CO2PHYS_QUIET"] = "1"  # one voice is enough
        if dry_run:
            if team.leads:
                _report_plan(plan_of(config, data), config, ensemble, as_json)
            return
        results = []
        for number, folder in enumerate(folders):
            if ensemble > 1:
                console.say(f"member {number + 1} of {ensemble}: {folder}")
            task = task_of(members[number], data, team)
            while extra and team.leads:
                remove(extra.pop())
            results.append(_train(task, data, folder, continued[number], team))
        if team.leads:
            _report(results, output, as_json)


def _folders(output: Path, ensemble: int, overwrite: bool) -> tuple[list[Path], list[Path]]:
    """Folders of the members of a run, or of the only one, and those of members too many.

    Refuses to mix runs in one folder.
    """
    from co2net_phys.ensemble import member_folder, member_folders

    alone, there = (output / "last").exists(), member_folders(output)
    if (ensemble > 1 and alone) or (ensemble == 1 and there):
        kind = "a run of one network" if alone else f"an ensemble of {len(there)}"
        raise UsageError(f"{output}: holds {kind}; choose another --output, or remove it")
    if ensemble == 1:
        return [output], []
    folders = [member_folder(output, number) for number in range(1, ensemble + 1)]
    extra = [folder for folder in there if folder not in folders]
    if extra and not overwrite:
        raise UsageError(
            f"{output}: holds an ensemble of {len(there)}, not of {ensemble}; pass "
            f"--ensemble {len(there)}, or --overwrite"
        )
    return folders, extra


def _check_output(output: Path, resume: str, overwrite: bool, dry_run: bool) -> bool:
    """Return whether to continue a run that is there."""
    from co2net_phys.run_folder import has_state

    if not has_state(output):
        return False
    if resume == "auto":
        return True
    if not overwrite and not dry_run:
        raise UsageError(f"{output}: already holds a run; pass --resume auto or --overwrite")
    return False


def _report_plan(plan: dict[str, Any], config: RunOptions, ensemble: int, as_json: bool) -> None:
    from co2net_phys.families import title_of

    plan |= {"networks": ensemble}
    if "expected_seconds" in plan:
        plan["expected_seconds"] *= ensemble
    console.give(plan, as_json, console.rows(_plan_text(plan, title_of(config.model_dump()))))


def _plan_text(plan: dict[str, Any], title: str) -> dict[str, Any]:
    """A plan in words: what every model has, and more of the networks of surface fields."""
    options = (f"{name.replace('_', ' ')} {value}" for name, value in plan["options"].items())
    text = {"network": title, "parameters": f"{plan['parameters'] / 1e6:.4g} M"}
    if "train_windows" in plan:
        shape = " × ".join(map(str, plan["input_shape"]))
        text |= {
            "input": f"{shape} (batch, channels, frames, H, W)",
            "training": f"{plan['train_windows']} windows, {plan['training_stations']} stations",
            "validation": f"{plan['validation_windows']} windows",
            "held out": f"{plan['held_out_stations']} stations",
        }
    text |= {"networks": plan["networks"], "options": ", ".join(options), "steps": plan["steps"]}
    if "expected_seconds" in plan:
        time = console.hours_minutes(plan["expected_seconds"])
        text |= {
            "memory": f"about {console.megabytes(plan['memory_bytes'])}",
            "time": f"about {time} on {plan['device']}",
        }
    return text | {"written": "nothing (dry run)"}


def _train(task: Task, data: Path, output: Path, continued: bool, team: Team) -> dict[str, Any]:
    """Train one network; what came of it."""
    from co2net_phys.trainer import Callbacks, Interrupted, begin

    stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, frame: stop.append(received))
    unit = task.unit.replace("umol", "µmol")
    with console.progress("train", 1) as bar:

        def on_step(step: int, total: int, values: dict[str, float]) -> None:
            bar.total = total
            bar.update(step, f"loss {next(iter(values.values())):.4f}")

        def on_epoch(row: dict[str, Any]) -> None:
            if "validation_rmse" in row:
                loss = next(
                    value for name, value in row.items() if name not in ("epoch", "seconds")
                )
                console.say(
                    f"epoch {row['epoch']}: loss {loss:.4f}, "
                    f"validation RMSE {row['validation_rmse']:.4g} {unit}"
                )

        callbacks = Callbacks(on_step, on_epoch, lambda: bool(stop))
        command = console.command_line()
        trainer = begin(task, output, [data], command, callbacks, continued, team)
        try:
            progress = trainer.run()
        except Interrupted:
            console.say(f"stopped; continue with --resume auto (state in {output / 'last'})")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise (KeyboardInterrupt if stop[0] == signal.SIGINT else console.Terminated) from None
    return {
        "output": str(output),
        "epochs": progress.epoch,
        "steps": progress.epoch * task.batches_per_epoch,
        "validation_rmse": progress.best,
        "unit": task.unit,
    }


def _report(results: list[dict[str, Any]], output: Path, as_json: bool) -> None:
    lines = []
    for result in results:
        unit = result["unit"].replace("umol", "µmol")
        lines.append(
            f"trained {result['epochs']} epochs ({result['steps']} steps); best validation RMSE "
            f"{result['validation_rmse']:.4g} {unit}; checkpoints in {result['output']}"
        )
    answer = results[0] if len(results) == 1 else {"output": str(output), "members": results}
    console.give(answer, as_json, "\n".join(lines))
