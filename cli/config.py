"""`co2phys config`: the options of a training run in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from co2net_phys.cli import console
from co2net_phys.cli.choices import Model

app = typer.Typer(help="Options of a training run: what they are, in a file, and in a run.")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable result.")]


@app.command()
def generate(
    model: Annotated[Model, typer.Option(help="Model whose options are meant.")] = "co2net",
    output: Annotated[
        Path | None, typer.Option(help="File to write, .yaml; default standard output.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
) -> None:
    """Write all options with their defaults, each explained, ready to be edited."""
    from co2net_phys.config_file import template
    from co2net_phys.data.atomic import atomic_write_text

    if output is None:
        typer.echo(template(model))
        return
    atomic_write_text(output, template(model), overwrite=overwrite)
    typer.echo(f"wrote {output}: use it with co2phys train --config {output}")


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="YAML or TOML file of options.")],
    as_json: AsJson = False,
) -> None:
    """Check a file of options, and say which are not the defaults."""
    from co2net_phys.config_file import read_config, validated_options

    config = read_config(file)
    usual = validated_options({"architecture": config.architecture})
    plain = usual.model_dump(mode="json") | {"architecture": "co2net"}
    chosen = {
        name: value
        for name, value in config.model_dump(mode="json").items()
        if value != plain[name]
    }
    text = console.rows(chosen) if chosen else "all options have their defaults"
    console.give({"file": str(file), "chosen": chosen}, as_json, text)


@app.command()
def show(
    source: Annotated[
        Path | None,
        typer.Argument(help="File of options, or folder of a run; default the defaults."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print every option as a file or a run has it."""
    from co2net_phys.checkpoint import load_metadata
    from co2net_phys.config_file import as_yaml, read_config, validated_options
    from co2net_phys.ensemble import find_checkpoints

    if source is None:
        config = validated_options({})
    elif source.is_dir():
        config = validated_options(load_metadata(find_checkpoints(source)[0])["config"])
    else:
        config = read_config(source)
    console.give(config.model_dump(mode="json"), as_json, as_yaml(config).rstrip())
