"""`co2phys simulate`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.data.stations import Station
    from co2net_phys.simulation.config import SimulationConfig
    from co2net_phys.simulation.world import World

ANALYTIC_WINDS = ("solid-body", "deformational", "divergent")
ANALYTIC_INITIAL = ("uniform", "zonal", "hills")


def command(
    output: Annotated[Path, typer.Option(help="File to write, .nc or .zarr.")],
    preset: Annotated[
        Literal["twin"] | None, typer.Option(help="An invented but believable Earth.")
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
        typer.Option(help="CF file with the tracer, or uniform, zonal (default), hills."),
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
    truncation: Annotated[int, typer.Option(help="Triangular truncation T.")] = 63,
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
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Carry CO2 with the wind: an invented Earth (--preset twin) or your own --winds and --initial.

    The output is a CF-1.11 file. That of the twin is a training store for `co2phys train`.
    """
    if (preset is None) == (winds is None):
        raise UsageError("give either --preset twin or --winds (a file or an analytic wind)")
    wind_options = {
        "level": level,
        "u_name": u_name,
        "v_name": v_name,
        "steady": steady or None,
        "select": select,
    }
    initial_options = {
        "units": initial_units,
        "time": initial_time,
        "level": initial_level,
        "select": initial_select,
    }
    given = {f"--{name.replace('_', '-')}": value for name, value in wind_options.items()}
    given |= {f"--initial-{name}": value for name, value in initial_options.items()}
    given |= {"--initial": initial, "--initial-var": initial_var}
    given |= {"--spin-up": spin_up, "--components": components or None}
    _refuse_ignored({name for name, value in given.items() if value is not None}, winds, initial)
    from co2net_phys.simulation.config import simulation_config

    config = simulation_config(
        truncation=truncation,
        output_every=console.duration(output_every, "--output-every"),
        time_step=None if time_step is None else console.duration(time_step, "--time-step"),
        diffusivity=diffusivity,
        grid=grid,
        components=_components(sources, default="all" if preset else "none"),
        exchange=exchange,
        separate=components,
        seed=seed,
        **({} if start is None else {"start": start}),
        **(
            {}
            if spin_up is None
            else {"spin_up": console.duration(spin_up, "--spin-up", zero=True)}
        ),
    )
    if preset is not None:
        world, config, inputs = _twin(config, days, duration)
        network = _stations(stations or "built-in")
    else:
        world, config, inputs = _from_files(
            config, (str(winds), wind_options),
            (initial or "zonal", initial_var or [], initial_options),
            (days, duration), start,
        )  # fmt: skip
        network = _stations(stations or "none")
    _run(world, config, network, output, inputs, preset, overwrite, dry_run, as_json)


def _refuse_ignored(given: set[str], winds: str | None, initial: str | None) -> None:
    """Options that would have no effect are a mistake."""
    of_fields = {name for name in given if name.startswith("--initial-")}
    of_files = {"--level", "--u-name", "--v-name", "--steady", "--select"} & given
    of_twin = {"--spin-up", "--components"}
    if winds is None:
        without_effect = {"--preset twin": given - of_twin}
    else:
        without_effect = {"--winds": given & of_twin}
    if winds in ANALYTIC_WINDS:
        without_effect[f"--winds {winds}"] = of_files
    if winds is not None and initial in (None, *ANALYTIC_INITIAL):
        without_effect[f"--initial {initial or 'zonal'}"] = of_fields
    for other, names in without_effect.items():
        if names:
            raise UsageError(f"{min(names)} has no effect with {other}; leave it out")


def _components(text: str | None, default: str) -> tuple[str, ...]:
    from co2net_phys.simulation.sources import COMPONENTS

    chosen = text or default
    if chosen in ("all", "none"):
        return COMPONENTS if chosen == "all" else ()
    return tuple(part.strip() for part in chosen.split(","))


def _stations(text: str) -> tuple[Station, ...]:
    if text == "none":
        return ()
    from co2net_phys.data.stations import load_stations

    return load_stations(None if text == "built-in" else text)


def _frames(
    config: SimulationConfig, days: float | None, duration: str | None, default: float | None
) -> SimulationConfig:
    """Days are filled without repeating midnight; a duration is written with both ends."""
    if days is not None and duration is not None:
        raise UsageError("give --days or --duration, not both")
    every = config.output_every
    if days is not None:
        frames = round(days * 86400 / every) if 0 < days < 1e6 else 0
        if frames < 1:
            raise UsageError(f"--days {days:g} does not hold one --output-every")
        return config.model_copy(update={"frames": frames})
    length = default if duration is None else console.duration(duration, "--duration")
    if length is None:
        raise UsageError("say how long with --days or --duration")
    if duration is not None and abs(length / every - round(length / every)) > 1e-6:
        raise UsageError(f"--duration {duration} is not a multiple of --output-every")
    return config.model_copy(update={"frames": int(length / every + 1e-6) + 1})


def _twin(
    config: SimulationConfig, days: float | None, duration: str | None
) -> tuple[World, SimulationConfig, list[Path]]:
    from co2net_phys.simulation.world import twin_world

    length = 60.0 if days is None and duration is None else days
    config = _frames(config, length, duration, None)
    return twin_world(config), config, []


def _from_files(
    config: SimulationConfig,
    winds: tuple[str, dict[str, Any]],
    initial: tuple[str, list[str], dict[str, Any]],
    length: tuple[float | None, str | None],
    start: datetime | None,
) -> tuple[World, SimulationConfig, list[Path]]:
    import numpy as np

    from co2net_phys.data.winds import read_wind
    from co2net_phys.simulation.clock import Clock
    from co2net_phys.simulation.from_files import analytic_wind, covered, file_world, start_of
    from co2net_phys.simulation.initial import ANALYTIC, analytic_tracer, tracers_from_file
    from co2net_phys.solvers import Grid, SphericalHarmonics

    harmonics = SphericalHarmonics(Grid.gaussian(config.truncation), config.truncation)
    clock, cover, wind = Clock(np.datetime64(config.start)), None, None
    if winds[0] not in ANALYTIC_WINDS:
        select = console.selection(winds[1]["select"] or [])
        steady = bool(winds[1]["steady"])
        wind = read_wind(winds[0], **{**winds[1], "select": select, "steady": steady})
        if start is not None and not wind.is_steady:
            raise UsageError("--start is for winds without time; these begin at their first time")
        clock, cover = Clock(start_of(wind, clock.start)), covered(wind)
    config = _frames(config, *length, cover)
    begins = clock.start.astype("datetime64[us]").item()  # the configuration records what was done
    config = config.model_copy(update={"start": begins, "spin_up": 0.0})
    carrier = analytic_wind(winds[0], harmonics) if wind is None else wind
    name, variables, options = initial
    if name in ANALYTIC:
        fields = [analytic_tracer(name, harmonics, clock)]
    elif not variables:
        raise UsageError(f"--initial {name}: say which variable holds the tracer (--initial-var)")
    else:
        select = console.selection(options["select"] or [])
        fields = tracers_from_file(
            Path(name), variables, harmonics, **{**options, "select": select}
        )
    files = [Path(path) for path in (winds[0], name) if path not in (*ANALYTIC_WINDS, *ANALYTIC)]
    return file_world(config, harmonics, carrier, fields, clock), config, files


def _run(
    world: World,
    config: SimulationConfig,
    stations: tuple[Station, ...],
    output: Path,
    inputs: list[Path],
    preset: str | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from co2net_phys.data.writer import is_zarr_path
    from co2net_phys.provenance import provenance_attributes
    from co2net_phys.simulation.run import plan, simulate

    is_zarr_path(output)  # refuse a wrong suffix before any work
    if dry_run:
        planned = plan(world, config, stations)
        text = console.rows(
            {
                "truncation": f"T{planned.truncation}",
                "tracers": planned.tracers,
                "time step": f"{planned.time_step:g} s, {planned.steps} steps",
                "frames": f"{planned.frames} of " + " × ".join(map(str, planned.output_grid)),
                "variables": " ".join(planned.variables),
                "size": f"about {console.megabytes(planned.expected_bytes)} before compression",
                "time": f"about {console.hours_minutes(planned.expected_seconds)}",
                "written": "nothing (dry run)",
            }
        )
        console.give(planned.as_dict(), as_json, text)
        return
    subject = "an invented Earth" if preset else f"{', '.join(path.name for path in inputs)}"
    attributes = provenance_attributes(
        f"Surface CO2 transported over {subject or 'the sphere by an analytic wind'}",
        "Spherical-harmonic advection-diffusion of CO2 in a surface layer, with the fields that "
        "drove it. Synthetic: for method development, not an estimate of the real atmosphere.",
        console.command_line(),
        config.seed,
        inputs,
        config.model_dump(mode="json"),
    )
    total = config.frames + round(-world.first_second / config.output_every)
    with console.progress("simulate", total) as bar:
        summary = simulate(
            world, config, output,
            attributes=attributes, stations=stations, overwrite=overwrite, progress=bar.update,
        )  # fmt: skip
    text = "\n".join(
        [
            f"wrote {output}: {config.frames} frames",
            *(
                f"{name}: {low:.2f} to {high:.2f}, last mean {mean:.3f} {unit}"
                for name, (low, mean, high, unit) in summary.items()
            ),
        ]
    )
    console.give(
        {
            "output": str(output),
            "frames": config.frames,
            "variables": {
                name: {"minimum": low, "last_mean": mean, "maximum": high, "units": unit}
                for name, (low, mean, high, unit) in summary.items()
            },
        },
        as_json,
        text,
    )
