"""`co2phys invert`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from co2net_phys.data.store import TrainingStore
    from co2net_phys.inversion.experiment import Inversion
    from co2net_phys.inversion.settings import InversionSettings


AS_GIVEN = (
    "method", "truncation", "iterations", "members", "exchange", "diffusivity", "factors",
    "ocean_error", "land_error", "observation_error", "representation", "relaxation", "seed",
)  # fmt: skip
IN_KILOMETRES = ("factor_length", "initial_length", "localisation")
DURATIONS = ("window", "observation_window", "factor_memory", "flux_period", "error_memory")
"""Options that are settings of the same name, by what is written."""


def command(
    context: typer.Context,
    method: Annotated[Literal["4dvar", "letkf"], typer.Option(help="Way of assimilation.")],
    data: Annotated[Path, typer.Option(help="Store with winds and station observations.")],
    output: Annotated[Path, typer.Option(help="File to write, .nc or .zarr.")],
    split: Annotated[
        Literal["train", "validation", "test", "all"], typer.Option(help="Block of time.")
    ] = "test",
    start: Annotated[str | None, typer.Option(help="First time (ISO), instead of --split.")] = None,
    end: Annotated[str | None, typer.Option(help="Last time (ISO).")] = None,
    spin_up: Annotated[str, typer.Option(help="Assimilated before the period.")] = "4d",
    truncation: Annotated[int, typer.Option(min=5, help="T of the transport.")] = 42,
    window: Annotated[
        str | None, typer.Option(help="Assimilation window; default 8d, of letkf 1d.")
    ] = None,
    observation_window: Annotated[
        str | None, typer.Option(help="letkf: how far ahead a window looks; default itself.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="4dvar: most of L-BFGS in a window; default 30.")
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(min=0, help="letkf: ensemble (40). 4dvar: for standard errors (0)."),
    ] = None,
    flux: Annotated[
        Path | None, typer.Option(help="CF file of prior fluxes; default those of the twin world.")
    ] = None,
    factors: Annotated[
        Literal["global", "regional", "gridded"] | None,
        typer.Option(help="Flux factors in space; default regional, of letkf gridded."),
    ] = None,
    flux_period: Annotated[
        str | None, typer.Option(help="4dvar: time for which factors hold; default the window.")
    ] = None,
    factor_memory: Annotated[
        str, typer.Option(help="Time in which factors return to their prior.")
    ] = "30d",
    factor_error: Annotated[
        list[str] | None, typer.Option(help="Prior standard error: biosphere=0.5; repeat.")
    ] = None,
    prior: Annotated[
        list[str] | None, typer.Option(help="Prior factor other than 1: fires=0.5; repeat.")
    ] = None,
    first_guess: Annotated[
        str, typer.Option(help="uniform, or a baseline fitted in the training block.")
    ] = "uniform",
    ocean_error: Annotated[
        float, typer.Option(min=0, help="Of the first guess over the sea, ppm.")
    ] = 1.5,
    land_error: Annotated[
        float, typer.Option(min=0, help="Of the first guess over land, ppm.")
    ] = 6.0,
    initial_length: Annotated[
        float, typer.Option(min=1, help="Correlation length of that error, km.")
    ] = 1000.0,
    factor_length: Annotated[
        float, typer.Option(min=1, help="Correlation length of gridded factors, km.")
    ] = 1500.0,
    observation_error: Annotated[
        float, typer.Option(min=0.01, help="Smallest error of an observation, ppm.")
    ] = 0.5,
    representation: Annotated[
        float, typer.Option(min=0, help="Share of a station's daily variation added to it.")
    ] = 1.0,
    error_memory: Annotated[
        str, typer.Option(help="Time within which a station's reports count as one.")
    ] = "1d",
    localisation: Annotated[
        float, typer.Option(min=1, help="letkf: distance without influence, km.")
    ] = 6000.0,
    relaxation: Annotated[
        float, typer.Option(min=0, max=1, help="letkf: share of lost spread given back.")
    ] = 0.6,
    exchange: Annotated[bool, typer.Option(help="Exchange with the free troposphere.")] = True,
    diffusivity: Annotated[float, typer.Option(min=0, help="Horizontal, m2 s-1.")] = 1e5,
    training_stations: Annotated[
        int, typer.Option(min=1, help="Stations to assimilate; the others are held out.")
    ] = 72,
    station_seed: Annotated[
        int | None, typer.Option(min=0, help="Of the draw of stations; default --seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every random number.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Map CO2 and its surface fluxes from stations and transport, by 4D-Var or an LETKF.

    The winds of the store carry CO2, factors of prior fluxes and the initial field are sought that
    agree with the training stations. The store's gridded CO2 is not read.
    """
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.data.store import open_store
    from co2net_phys.data.writer import is_zarr_path
    from co2net_phys.inversion.attributes import inversion_attributes
    from co2net_phys.inversion.experiment import Inversion
    from co2net_phys.inversion.run import invert
    from co2net_phys.preparation import chosen_stations

    is_zarr_path(output)
    refuse_replacing_input(output, data, flux)
    _refuse_ignored(
        method,
        iterations=iterations,
        flux_period=flux_period,
        observation_window=observation_window,
    )
    settings = _settings(context.params)
    store = open_store(data, need_target=first_guess != "uniform")
    training, held_out = chosen_stations(
        store, training_stations, seed if station_seed is None else station_seed
    )
    frames = _frames(store, split, start, end)
    inversion = Inversion(
        store,
        settings,
        frames,
        training,
        held_out,
        spin_up=round(console.duration(spin_up, "--spin-up", zero=True) / store.time_step),
        flux_file=flux,
    )
    if dry_run:
        _report_plan(inversion, as_json)
        return
    inputs = [data] if flux is None else [data, flux]
    period = split if start is None else f"{start} to {end}"
    attributes = inversion_attributes(inversion, inputs, period, console.command_line())
    with console.progress("invert", len(inversion.spans) * inversion.pieces) as bar:
        found = invert(
            inversion,
            output,
            attributes=attributes,
            overwrite=overwrite,
            resume=resume,
            progress=bar.update,
        )
    if found is None:
        console.give({"output": str(output)}, as_json, f"{output}: is complete already")
        return
    result = {"output": str(output), "method": method, "frames": len(frames), **found}
    console.give(result, as_json, f"wrote {output}: {len(frames)} frames\n{_table(found)}")


def _refuse_ignored(method: str, **given: Any) -> None:
    of = {"iterations": "4dvar", "flux_period": "4dvar", "observation_window": "letkf"}
    for name, value in given.items():
        if value is not None and of[name] != method:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} has no effect with --method {method}; leave it out")


def _settings(given: Mapping[str, Any]) -> InversionSettings:
    """Options of the command as settings, in seconds and metres; what is not given is usual."""
    from co2net_phys.inversion.settings import inversion_settings

    options = {name: given[name] for name in AS_GIVEN}
    options |= {name: 1e3 * given[name] for name in IN_KILOMETRES}
    for name in DURATIONS:
        if given[name] is not None:
            option = f"--{name.replace('_', '-')}"
            options[name] = console.duration(given[name], option, zero=name == "error_memory")
    options |= {
        "first_guess": _known_first_guess(given["first_guess"]),
        "factor_errors": _numbers(given["factor_error"] or [], "--factor-error"),
        "prior": _numbers(given["prior"] or [], "--prior"),
    }
    return inversion_settings({name: v for name, v in options.items() if v is not None})


def _numbers(pairs: list[str], option: str) -> dict[str, float]:
    """Values of NAME=NUMBER options."""
    found = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = -1.0
        if not (name and 0 <= found[name] < float("inf")):
            raise UsageError(f"{option} {pair!r} is not NAME=NUMBER, for example biosphere=0.5")
    return found


def _known_first_guess(name: str) -> str:
    from co2net_phys.baselines import BASELINES

    if name not in ("uniform", *BASELINES):
        raise UsageError(
            f"--first-guess {name!r} is not known; choose uniform or one of {', '.join(BASELINES)}"
        )
    return name


def _frames(
    store: TrainingStore, split: str, start: str | None, end: str | None
) -> NDArray[np.int64]:
    """Frames to write: those of a block, or from `start` to `end`, both included."""
    from co2net_phys.data.splits import split_frames, split_of, time_labels

    if (start is None) != (end is None):
        raise UsageError("--start and --end belong together; give both or neither")
    if start is None or end is None:
        from co2net_phys.inversion.experiment import FIRST_GUESS_WINDOW

        return split_frames(store, split_of(store, FIRST_GUESS_WINDOW), split)
    # The rules of a split's block: an end cut short holds for that whole day, month or year.
    try:
        return split_frames(store, {"test": (start, end)}, "test")
    except UsageError as error:
        labels = time_labels(store)
        raise UsageError(
            f"--start {start} --end {end}: not ISO 8601 times in order; the store covers "
            f"{labels[0]} to {labels[-1]}"
        ) from error


def _report_plan(inversion: Inversion, as_json: bool) -> None:
    plan = inversion.plan()
    text = {
        **{name.replace("_", " "): value for name, value in plan.items()},
        "transport grid": " × ".join(map(str, plan["transport_grid"])),
        "components": ", ".join(plan["components"]),
        "time step s": f"{plan['time_step_s']:g}",
        "memory bytes": console.megabytes(plan["memory_bytes"]),
        "expected seconds": console.hours_minutes(plan["expected_seconds"]),
        "written": "nothing (dry run)",
    }
    console.give(plan, as_json, console.rows(text))


def _table(found: dict[str, Any]) -> str:
    lines = [f"{'stations':<12}{'prior RMSE':>14}{'posterior RMSE':>18}{'reports':>12}"]
    for group, runs in found["stations"].items():
        shown = [
            "–" if runs[run]["rmse"] is None else f"{runs[run]['rmse']:.2f} ppm"
            for run in ("prior", "posterior")
        ]
        label = group.replace("_", " ")
        lines.append(f"{label:<12}{shown[0]:>14}{shown[1]:>18}{runs['posterior']['n']:>12}")
    values = [window["chi_square"] for window in found["windows"]]
    lines.append(f"chi-square  {sum(values) / len(values):.2f}, mean of {len(values)} windows")
    return "\n".join(lines)
