"""From the words of `co2phys simulate` to a world to integrate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.data.stations import Station
    from co2net_phys.simulation.config import SimulationConfig
    from co2net_phys.simulation.world import World

ANALYTIC_WINDS = ("solid-body", "deformational", "divergent")
FREE = ("output", "preset", "days", "resume", "overwrite", "dry_run", "as_json")
"""Options that do not change the problem."""
ANALYTIC_INITIAL = ("uniform", "zonal", "hills", "coordinates")


@dataclass(frozen=True)
class Problem:
    """A world with all that belongs to its run.

    Attributes
    ----------
    subject
        Where the winds come from, for the title of the output.
    inputs
        Files that were read.
    choices
        What was read from them: with `config` and the files, everything the result depends on.
    attributes
        Further global attributes of the output.
    """

    subject: str
    world: World
    config: SimulationConfig
    stations: tuple[Station, ...]
    inputs: tuple[Path, ...]
    choices: Mapping[str, Any]
    attributes: Mapping[str, str] = field(default_factory=dict)


def refuse_ignored(
    given: set[str], winds: str | None, initial: str | None, has_sources: bool, scheme: str
) -> None:
    """Refuse options that would have no effect: they are a mistake.

    Raises
    ------
    UsageError
        naming the first of them and what makes it idle.
    """
    of_fields = {name for name in given if name.startswith("--initial-")}
    of_files = {"--level", "--u-name", "--v-name", "--steady", "--select"} & given
    of_twin = {"--spin-up", "--components"}
    of_spectral = {"--integrator", "--hyperdiffusivity"} & given
    of_any = {"--integrator", "--hyperdiffusivity", "--no-exchange"}
    if winds is None:
        without_effect = {"--preset twin": given - of_twin - of_any}
    else:
        without_effect = {"--winds": given & of_twin}
    if winds in ANALYTIC_WINDS:
        without_effect[f"--winds {winds}"] = of_files
    if winds is not None and initial in (None, *ANALYTIC_INITIAL):
        without_effect[f"--initial {initial or 'zonal'}"] = of_fields
    if winds is not None and not has_sources:
        without_effect["--winds without --sources"] = {"--no-exchange"} & given
    if scheme == "monotone":
        without_effect["--scheme monotone"] = of_spectral
    for other, names in without_effect.items():
        if names:
            raise UsageError(f"{min(names)} has no effect with {other}; leave it out")


def components_of(text: str | None, default: str) -> tuple[str, ...]:
    """Names of the sources in `--sources`."""
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


def twin(
    config: SimulationConfig, days: float | None, duration: str | None, stations: str
) -> Problem:
    """The invented Earth."""
    length = 60.0 if days is None and duration is None else days
    return _invented(_frames(config, length, duration, None), stations)


def _invented(config: SimulationConfig, stations: str) -> Problem:
    from co2net_phys.simulation.world import twin_world

    return Problem(
        "an invented Earth",
        twin_world(config),
        config,
        _stations(stations),
        _listed(stations),
        {"stations": Path(stations).name},
    )


def benchmark(name: str, days: float | None) -> Problem:
    """A twin with a version, or its first `days`, which have no blocks to train and test on."""
    import json

    from co2net_phys.data.splits import SPLIT_ATTRIBUTE
    from co2net_phys.simulation.benchmarks import BENCHMARKS

    config, attributes = BENCHMARKS[name].config, {"co2phys_benchmark": name}
    if days is None:
        attributes[SPLIT_ATTRIBUTE] = json.dumps(BENCHMARKS[name].split)
    else:
        config = _frames(config, days, None, None)
    problem = _invented(config, "built-in")
    return replace(problem, subject=f"an invented Earth ({name})", attributes=attributes)


def refuse_changes(context: typer.Context, preset: str) -> None:
    """Refuse options of a problem whose every option is fixed by its version.

    Raises
    ------
    UsageError
        naming the first.
    """
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in FREE and source is not None and source.name != "DEFAULT":
            raise UsageError(
                f"--{name.replace('_', '-')} would change {preset}, which is fixed by its version; "
                "leave it out, or use --preset twin"
            )


def from_files(
    config: SimulationConfig,
    winds: tuple[str, dict[str, Any]],
    initial: tuple[str, list[str], dict[str, Any]],
    length: tuple[float | None, str | None],
    start: datetime | None,
    stations: str,
) -> Problem:
    """A field carried by given winds."""
    import numpy as np

    from co2net_phys.data.winds import read_wind
    from co2net_phys.simulation.clock import Clock
    from co2net_phys.simulation.from_files import analytic_wind, covered, file_world, start_of
    from co2net_phys.simulation.initial import ANALYTIC, analytic_tracers, tracers_from_file
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
        fields = analytic_tracers(name, harmonics, clock)
    elif not variables:
        raise UsageError(f"--initial {name}: say which variable holds the tracer (--initial-var)")
    else:
        select = console.selection(options["select"] or [])
        fields = tracers_from_file(
            Path(name), variables, harmonics, **{**options, "select": select}
        )
    files = [Path(path) for path in (winds[0], name) if path not in (*ANALYTIC_WINDS, *ANALYTIC)]
    world = file_world(config, harmonics, carrier, fields, clock)
    choices = {
        "winds": {"from": Path(winds[0]).name, **winds[1]},
        "initial": {"from": Path(name).name, "variables": variables, **options},
        "stations": Path(stations).name,
    }
    return Problem(
        ", ".join(path.name for path in files) or "the sphere by an analytic wind",
        world,
        config,
        _stations(stations),
        (*files, *_listed(stations)),
        _plain(choices),
    )


def _listed(stations: str) -> tuple[Path, ...]:
    return () if stations in ("built-in", "none") else (Path(stations),)


def _plain(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not said."""
    plain: dict[str, Any] = {}
    for name, value in choices.items():
        if isinstance(value, Mapping):
            plain[name] = _plain(value)
        elif value is not None and value is not False and value != []:
            plain[name] = value
    return plain
