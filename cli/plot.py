"""`co2phys plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from co2net_phys.cli import console
from co2net_phys.errors import DataError, UsageError


def command(
    file: Annotated[Path, typer.Argument(help="CF NetCDF or Zarr on a global grid.")],
    output: Annotated[Path, typer.Option(help="Picture to write: .png, .pdf or .svg.")],
    variable: Annotated[str, typer.Option(help="Variable to draw.")] = "co2s",
    time: Annotated[
        str | None, typer.Option(help="Time to draw, ISO 8601; default the last.")
    ] = None,
    level: Annotated[float | None, typer.Option(help="Level to draw, in its own units.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Draw truth, FILE and difference side by side.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing picture.")
    ] = False,
) -> None:
    """Draw a map of one time of a file."""
    from co2net_phys.data.atomic import atomic_write_bytes, refuse_replacing_input
    from co2net_phys.figures import picture_bytes
    from co2net_phys.maps import picture_of

    if output.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"--output {output}: end it in .png, .pdf or .svg")
    refuse_replacing_input(output, file, truth)
    if output.is_dir():
        raise DataError(f"{output}: is a folder; name a file")
    figure = picture_of(file, variable, time=time, level=level, truth=truth)
    atomic_write_bytes(
        output, picture_bytes(figure, output.suffix.lower()[1:]), overwrite=overwrite
    )
    console.give({}, False, f"wrote {output}")
