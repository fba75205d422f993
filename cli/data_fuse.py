"""`co2phys data fuse`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console

if TYPE_CHECKING:
    import numpy as np

    from co2net_phys.satellite.fusing import FusionOptions
    from co2net_phys.satellite.region import Region


def command(
    files: Annotated[
        list[Path],
        typer.Argument(help="XCO2 Lite files of OCO-2, OCO-3 and GOSAT, or folders of them."),
    ],
    covariates: Annotated[
        list[Path],
        typer.Option(help="Store of covariates, or a folder of stores; may be repeated."),
    ],
    region: Annotated[str, typer.Option(help="west,south,east,north in degrees.")],
    output: Annotated[Path, typer.Option(help="Store of samples to write, .zarr.")],
    spacing: Annotated[float, typer.Option(help="Degrees between cells.")] = 0.01,
    weighting: Annotated[
        Literal["equal", "precision"],
        typer.Option(help="Of the soundings of a cell: alike (the paper's), or by their errors."),
    ] = "equal",
    coincidence_distance: Annotated[
        float, typer.Option(help="Kilometres between a GOSAT and an OCO cell that are a pair.")
    ] = 25.0,
    regression: Annotated[
        Literal["ordinary", "deming"],
        typer.Option(help="Of OCO on GOSAT; deming counts the noise of both."),
    ] = "ordinary",
    unmapped_gosat: Annotated[
        bool, typer.Option("--unmapped-gosat", help="Take GOSAT as it is.")
    ] = False,
    accept_unflagged: Annotated[
        bool, typer.Option("--accept-unflagged", help="Take files without quality flags as good.")
    ] = False,
    first: Annotated[str, typer.Option(help="First day; default that of the files.")] = "",
    last: Annotated[str, typer.Option(help="Last day, included.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check options and one file of each satellite.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Make samples of XCO2 for the fusion network from satellites and covariates.

    Good soundings are averaged in the cells of a region, OCO-2 with OCO-3; GOSAT is mapped onto
    their scale by a line fitted where both saw the same place on one day.
    """
    from co2net_phys.data.atomic import prepare_target, refuse_replacing_input
    from co2net_phys.satellite.covariate_store import covariate_files
    from co2net_phys.satellite.fusing import FusionOptions
    from co2net_phys.satellite.lite_file import lite_files
    from co2net_phys.satellite.region import Region

    grid = Region.parsed(region, spacing)
    options = FusionOptions(
        weighting, coincidence_distance, regression, unmapped_gosat, accept_unflagged, first, last
    )
    found, stores = lite_files(files), covariate_files(*covariates)
    refuse_replacing_input(output, *found, *stores)
    prepare_target(output, overwrite=overwrite or dry_run)
    if dry_run:
        _say_plan(found, stores, grid, options, as_json)
        return
    _fuse(found, stores, grid, output, options, overwrite, as_json)


def _say_plan(
    files: list[Path], stores: list[Path], region: Region, options: FusionOptions, as_json: bool
) -> None:
    from co2net_phys.satellite.covariate_store import open_covariates
    from co2net_phys.satellite.fusing import SoundingRecord
    from co2net_phys.satellite.schema import feature_names

    record = SoundingRecord(files, region, options)
    record.require_readable()
    rows, columns = region.shape
    plan: dict[str, Any] = {
        **record.described(),
        "cells": [rows, columns],
        "features": len(feature_names(open_covariates(*stores, region=region).names)),
    }
    text = {name.replace("_", " "): value for name, value in plan.items()}
    text |= {"cells": f"{rows} × {columns}", "written": "nothing (dry run)"}
    console.give(plan, as_json, console.rows(text))


def _fuse(
    files: list[Path],
    stores: list[Path],
    region: Region,
    output: Path,
    options: FusionOptions,
    overwrite: bool,
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from co2net_phys.satellite.fusing import fuse

    def watch(days: Sequence[np.datetime64]) -> Iterator[np.datetime64]:
        with console.progress("fuse", len(days)) as bar:
            for number, day in enumerate(days, start=1):
                yield day
                bar.update(number, str(day))

    found = fuse(
        files, stores, region, output, options,
        command=console.command_line(), overwrite=overwrite, watch=watch,
    )  # fmt: skip
    answer = {
        "output": str(output),
        "samples": found.samples,
        "soundings": asdict(found.tally),
        "gosat": asdict(found.gosat),
    }
    line = found.gosat
    text = (
        f"wrote {output}: {found.samples} samples of {found.tally.kept} good soundings in the "
        f"region, of {found.tally.total} in all"
    )
    if line.count:
        text += (
            f"\nGOSAT to OCO: slope {line.slope:.3f} ± {line.slope_error:.3f}, residual "
            f"{line.residual:.2f} ppm, {line.count} coincidences"
        )
    console.give(answer, as_json, text)
