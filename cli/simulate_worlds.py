"""`co2phys simulate --preset columns`, `satellites` and `carbon-world`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from co2net_phys.cli import console
from co2net_phys.cli.option_sources import flags_given, naming_source
from co2net_phys.cli.train_options import is_given
from co2net_phys.errors import UsageError

WORLDS = {
    "columns": {"levels", "days", "truncation", "seed", "start", "resume"},
    "satellites": {"days", "seed", "start"},
    "carbon-world": {"truncation", "seed"},
}
"""Presets with the options of the command that each understands; `--set` has the others."""

PLUMBING = {"output", "preset", "settings", "overwrite", "dry_run", "as_json"}


def simulate_world(context: typer.Context, preset: str, output: Path, settings: list[str]) -> None:
    """Make the world of a preset.

    Raises
    ------
    UsageError
        An option has no meaning for it, or a wrong value.
    """
    given = {name for name in context.params if is_given(context, name)}
    for name in sorted(given - WORLDS[preset] - PLUMBING):
        raise UsageError(
            f"--{name.replace('_', '-')} has no effect with --preset {preset}; leave it out"
        )
    named = given & WORLDS[preset] - {"resume"}
    options = {name: context.params[name] for name in named}
    make = {"columns": _columns, "satellites": _satellites, "carbon-world": _carbon_world}[preset]
    with naming_source(None, settings, flags_given(context, dict.fromkeys(named, ""))):
        make(console.with_settings(options, settings), output, context.params)


def refuse_options_of_worlds(**given: Any) -> None:
    """Refuse options that only these worlds have.

    Raises
    ------
    UsageError
        naming the first that was given.
    """
    for name, value in given.items():
        if value is not None:
            presets = ", ".join(WORLDS if name == "set" else ["columns"])
            raise UsageError(f"--{name} has no effect without --preset {presets}; leave it out")


def _columns(options: dict[str, Any], output: Path, params: dict[str, Any]) -> None:
    from co2net_phys.columns.simulate import columns_layout, simulate_columns
    from co2net_phys.columns.world import ColumnWorld, columns_config
    from co2net_phys.data.writer import is_zarr_path
    from co2net_phys.simulation.output import output_bytes

    is_zarr_path(output)
    config, command = columns_config(**options), console.command_line()
    plan: dict[str, Any] = {"frames": config.frames, "levels": config.levels}
    if params["dry_run"]:
        layout = columns_layout(ColumnWorld(config), config, command)
        plan["expected_bytes"] = output_bytes(layout)
        _say_plan(plan, params["as_json"])
        return
    with console.progress("simulate", config.skipped + config.frames) as bar:
        simulate_columns(
            config, output, command=command, overwrite=params["overwrite"],
            resume=params["resume"], progress=bar.update, say=console.say,
        )  # fmt: skip
    text = f"wrote {output}: {config.frames} frames of {config.levels} layers"
    console.give({"output": str(output), **plan}, params["as_json"], text)


def _satellites(options: dict[str, Any], output: Path, params: dict[str, Any]) -> None:
    from co2net_phys.satellite.simulate import plan, simulate_satellites
    from co2net_phys.satellite.simulation_options import satellite_simulation_config

    config = satellite_simulation_config(**options)
    if params["dry_run"]:
        _say_plan(plan(config).as_dict(), params["as_json"])
        return
    with console.progress("simulate", config.days) as bar:
        tally = simulate_satellites(
            config, output, bar.update, command=console.command_line(),
            overwrite=params["overwrite"],
        ).as_dict()  # fmt: skip
    text = f"wrote {output}: {tally['files']} files, good soundings {tally['good_soundings']}"
    console.give({"output": str(output), **tally}, params["as_json"], text)


def _carbon_world(options: dict[str, Any], output: Path, params: dict[str, Any]) -> None:
    from co2net_phys.fluxes.config import carbon_world_config
    from co2net_phys.fluxes.simulate import simulate_carbon_world

    config = carbon_world_config(**options)
    if params["dry_run"]:
        _say_plan(config.model_dump(mode="json"), params["as_json"])
        return
    with console.progress("simulate", 1) as bar:

        def progress(stage: str, done: int, total: int) -> None:
            bar.total = total
            bar.update(done, stage)

        facts = simulate_carbon_world(
            config, output, progress, command=console.command_line(), overwrite=params["overwrite"]
        )
    text = f"wrote {output}: {config.years} years, {config.towers} towers"
    console.give({"output": str(output), **facts}, params["as_json"], text)


def _say_plan(plan: dict[str, Any], as_json: bool) -> None:
    text = {name.replace("_", " "): value for name, value in plan.items()}
    console.give(plan, as_json, console.rows({**text, "written": "nothing (dry run)"}))
