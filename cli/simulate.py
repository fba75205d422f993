"""`co2phys simulate`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.cli.simulate_options import (
    ANALYTIC_WINDS,
    Problem,
    benchmark,
    components_of,
    from_files,
    refuse_changes,
    refuse_ignored,
    twin,
)
from co2net_phys.cli.simulate_worlds import (
    WORLDS,
    refuse_options_of_worlds,
    simulate_world,
)
from co2net_phys.errors import UsageError


def command(
    context: typer.Context,
    output: Annotated[Path, typer.Option(help="File to write, .nc or .zarr.")],
    preset: Annotated[
        Literal["twin", "twin-v1", "columns", "satellites", "carbon-world"] | None,
        typer.Option(help="An invented but believable Earth; twin-v1 is fixed, to compare on."),
    ] = None,
    levels: Annotated[
        int | None, typer.Option(help="Columns: layers of the atmosphere; default 20.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Columns, satellites, carbon-world: any option, years=3."),
    ] = None,
    days: Annotated[float | None, typer.Option(help="Length of the product in days.")] = None,
    duration: Annotated[
        str | None, typer.Option(help="Length of the integration, both ends written (48h).")
    ] = None,
    output_every: Annotated[str, typer.Option(help="Interval between frames.")] = "3h",
    winds: Annotated[
        str | None,
        typer.Option(help=f"CF file with both wind components, or {', '.join(ANALYTIC_WINDS)}."),
    ] = None,
    level: Annotated[float | None, typer.Option(help="Level of the winds, in their units.")] = None,
    u_name: Annotated[str | None, typer.Option(help="Variable of the eastward wind.")] = None,
    v_name: Annotated[str | None, typer.Option(help="Variable of the northward wind.")] = None,
    steady: Annotated[bool, typer.Option(help="Hold a single wind record for ever.")] = False,
    select: Annotated[
        list[str] | None, typer.Option(help="Entry of a further wind dimension: month=7.")
    ] = None,
    initial: Annotated[
        str | None,
        typer.Option(
            help="CF file with the tracer, or uniform, zonal (default), hills, coordinates."
        ),
    ] = None,
    initial_var: Annotated[
        list[str] | None, typer.Option(help="Variable of --initial; repeat for several tracers.")
    ] = None,
    initial_units: Annotated[
        str | None, typer.Option(help="Units that replace a wrong attribute (ppm).")
    ] = None,
    initial_time: Annotated[
        str | None, typer.Option(help="Time of the initial field; default the first.")
    ] = None,
    initial_level: Annotated[float | None, typer.Option(help="Level of the initial field.")] = None,
    initial_select: Annotated[
        list[str] | None, typer.Option(help="Entry of a further dimension of --initial.")
    ] = None,
    sources: Annotated[
        str | None,
        typer.Option(help="Comma-separated: fossil, biosphere, ocean, fires; all; or none."),
    ] = None,
    exchange: Annotated[
        bool, typer.Option(help="Exchange surface air with the free troposphere (with sources).")
    ] = True,
    components: Annotated[
        bool, typer.Option("--components", help="Twin: also write each source's own tracer.")
    ] = False,
    diffusivity: Annotated[float, typer.Option(help="Horizontal diffusivity, m2 s-1.")] = 1e5,
    hyperdiffusivity: Annotated[
        float | None, typer.Option(help="Damping of the smallest scales, m4 s-1; default 0.")
    ] = None,
    lifetime: Annotated[
        str | None, typer.Option(help="Time in which tracers decay by a factor e (30d).")
    ] = None,
    form: Annotated[
        Literal["advective", "flux"],
        typer.Option(help="In divergent winds keep constants, or keep the mass."),
    ] = "advective",
    scheme: Annotated[
        Literal["spectral", "monotone"],
        typer.Option(help="For smooth fields, or for sharp ones without new extremes."),
    ] = "spectral",
    integrator: Annotated[
        Literal[
            "auto",
            "rk4",
            "low-storage",
            "semi-lagrangian",
            "chebyshev",
            "exact-zonal",
            "exact-solid-body",
        ]
        | None,
        typer.Option(help="Time stepping of the spectral scheme; default rk4, auto picks."),
    ] = None,
    truncation: Annotated[
        int,
        typer.Option(
            help="Triangular truncation T.",
            show_default="63; of the presets columns 21, carbon-world 15",
        ),
    ] = 63,
    time_step: Annotated[str | None, typer.Option(help="Default: the longest stable one.")] = None,
    start: Annotated[
        datetime | None, typer.Option(help="First frame (UTC), where the winds have no time.")
    ] = None,
    spin_up: Annotated[
        str | None, typer.Option(help="Twin: integrated before the first frame; default 12d.")
    ] = None,
    grid: Annotated[
        Literal["carbontracker", "model"], typer.Option(help="2° × 3° cells, or Gaussian.")
    ] = "carbontracker",
    stations: Annotated[
        str | None, typer.Option(help="CSV of stations to observe at, built-in, or none.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Weather, fires, noise, outages.")] = 0,
    diagnostics: Annotated[
        bool,
        typer.Option("--diagnostics", help="Also write mean, variance, extremes, spectrum, CFL."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same command was stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing or unfinished output.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Carry CO2 with the wind: an invented Earth (--preset twin) or your own --winds and --initial.

    The output is a CF-1.11 file. That of the twin is a training store for `co2phys train`. Other
    presets make a world of tracer columns, or a folder: satellites over a region, or towers,
    inversions and stations over land with a known exchange of carbon.
    """
    if preset in WORLDS and winds is None:
        simulate_world(context, preset, output, settings or [])
        return
    refuse_options_of_worlds(levels=levels, set=settings)
    if preset is not None and preset != "twin" and winds is None:
        refuse_changes(context, preset)
        _finish(benchmark(preset, days), output, resume, overwrite, dry_run, as_json)
        return
    if (preset is None) == (winds is None):
        raise UsageError("give either --preset twin or --winds (a file or an analytic wind)")
    wind_options = {
        "level": level, "u_name": u_name, "v_name": v_name, "steady": steady or None,
        "select": select,
    }  # fmt: skip
    initial_options = {
        "units": initial_units, "time": initial_time, "level": initial_level,
        "select": initial_select,
    }  # fmt: skip
    given = wind_options | {f"initial_{name}": value for name, value in initial_options.items()}
    given |= {"initial": initial, "initial_var": initial_var}
    given |= {"spin_up": spin_up, "components": components or None}
    given |= {"integrator": integrator, "hyperdiffusivity": hyperdiffusivity}
    given |= {"no_exchange": not exchange or None}
    chosen = components_of(sources, default="all" if preset else "none")
    names = {f"--{name.replace('_', '-')}" for name in _given(given)}
    refuse_ignored(names, winds, initial, bool(chosen), scheme)
    from co2net_phys.simulation.config import simulation_config

    config = simulation_config(
        truncation=truncation,
        output_every=console.duration(output_every, "--output-every"),
        time_step=_seconds(time_step, "--time-step"),
        diffusivity=diffusivity,
        hyperdiffusivity=hyperdiffusivity or 0.0,
        lifetime=_seconds(lifetime, "--lifetime"),
        scheme=scheme,
        integrator=integrator or "rk4",
        form=form,
        diagnostics=diagnostics,
        grid=grid,
        components=chosen,
        exchange=exchange,
        separate=components,
        seed=seed,
        **_given({"start": start, "spin_up": _seconds(spin_up, "--spin-up", zero=True)}),
    )
    if preset is not None:
        problem = twin(config, days, duration, stations or "built-in")
    else:
        problem = from_files(
            config, (str(winds), wind_options),
            (initial or "zonal", initial_var or [], initial_options),
            (days, duration), start, stations or "none",
        )  # fmt: skip
    _finish(problem, output, resume, overwrite, dry_run, as_json)


def _finish(
    problem: Problem, output: Path, resume: bool, overwrite: bool, dry_run: bool, as_json: bool
) -> None:
    _check_output(output, problem)
    if dry_run:
        _plan(problem, as_json)
    else:
        _run(problem, output, resume, overwrite, as_json)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were said."""
    return {name: value for name, value in options.items() if value is not None}


def _seconds(text: str | None, option: str, zero: bool = False) -> float | None:
    return None if text is None else console.duration(text, option, zero=zero)


def _check_output(output: Path, problem: Problem) -> None:
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.data.writer import is_zarr_path

    is_zarr_path(output)  # refuse a wrong suffix before any work
    refuse_replacing_input(output, *problem.inputs)


def _plan(problem: Problem, as_json: bool) -> None:
    from co2net_phys.simulation.run import plan

    planned = plan(problem.world, problem.config, problem.stations)
    text = console.rows(
        {
            "truncation": f"T{planned.truncation}",
            "tracers": planned.tracers,
            "integrator": f"{planned.integrator} ({planned.reason})",
            "time step": f"{planned.time_step:g} s, {planned.steps} steps",
            "frames": f"{planned.frames} of " + " × ".join(map(str, planned.output_grid)),
            "variables": " ".join(planned.variables),
            "size": f"about {console.megabytes(planned.expected_bytes)} before compression",
            "time": f"about {console.hours_minutes(planned.expected_seconds)}",
            "written": "nothing (dry run)",
        }
    )
    console.give(planned.as_dict(), as_json, text)


def _run(problem: Problem, output: Path, resume: bool, overwrite: bool, as_json: bool) -> None:
    from co2net_phys.provenance import provenance_attributes
    from co2net_phys.simulation.run import simulate

    config, world = problem.config, problem.world
    attributes = dict(problem.attributes) | provenance_attributes(
        f"Surface CO2 transported over {problem.subject}",
        "Numerical advection-diffusion of CO2 in a surface layer, with the fields that drove it. "
        "Synthetic: for method development, not an estimate of the real atmosphere.",
        console.command_line(),
        config.seed,
        problem.inputs,
        config.model_dump(mode="json") | dict(problem.choices),
    )
    total = config.frames + round(-world.first_second / config.output_every)
    with console.progress("simulate", total) as bar:
        summary = simulate(
            world, config, output,
            attributes=attributes, stations=problem.stations, overwrite=overwrite, resume=resume,
            progress=bar.update, say=console.say,
        )  # fmt: skip
    lines = [f"wrote {output}: {config.frames} frames"]
    lines += [
        f"{name}: {low:.2f} to {high:.2f}, last mean {mean:.3f} {unit}"
        for name, (low, mean, high, unit) in summary.items()
    ]
    variables = {
        name: {"minimum": low, "last_mean": mean, "maximum": high, "units": unit}
        for name, (low, mean, high, unit) in summary.items()
    }
    answer = {"output": str(output), "frames": config.frames, "variables": variables}
    console.give(answer, as_json, "\n".join(lines))
