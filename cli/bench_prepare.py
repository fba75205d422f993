"""`co2phys bench prepare`: how fast files become a training store, and on what the time goes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from co2net_phys.cli import console


def command(
    days: Annotated[int, typer.Option(min=2, help="Daily files to make and read.")] = 4,
    levels: Annotated[int, typer.Option(min=1, help="Layers in a file.")] = 34,
    grid: Annotated[
        list[str] | None,
        typer.Option(help="Of the store, repeatable; default 2x3, that of the files, and 3x4."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads that read and regrid.")] = 1,
    folder: Annotated[
        Path | None, typer.Option(help="Disk to measure; a temporary folder is made there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Time `co2phys data prepare` on invented files like CarbonTracker's, stage by stage.

    The shares are those of the seconds that reading (with decompression), regridding and writing
    (with compression) take, added up over threads. Checksums of the inputs are not taken.
    """
    from co2net_phys.data.atomic import explained_writing_errors, require_writable_folder
    from co2net_phys.validation.prepare_speed import measure_prepare

    if folder is not None:
        require_writable_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
    grids = grid or ["2x3", "3x4"]
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="co2phys-bench-") as place,
        explained_writing_errors(Path(place)),
        console.progress("prepare", days + len(grids)) as bar,
    ):
        measured = measure_prepare(
            Path(place), days=days, levels=levels, grids=grids, workers=workers,
            progress=lambda done, total: bar.update(done),
        )  # fmt: skip
    found = [speed.as_dict() for speed in measured]
    console.give(found, as_json, _table(found))


def _table(found: list[dict[str, Any]]) -> str:
    """One line for each grid."""
    stages = list(found[0]["stage_shares"])
    lines = [
        f"{'grid':<8}{'frames':>7}{'seconds':>9}{'frames/s':>10}{'MB/s':>8}"
        + "".join(f"{stage:>12}" for stage in stages)
        + f"{'peak MB':>9}"
    ]
    for row in found:
        peak = row["peak_megabytes"]
        lines.append(
            f"{row['grid']:<8}{row['frames']:>7}{row['seconds']:>9.3g}"
            f"{row['frames_per_second']:>10.4g}{row['megabytes_per_second']:>8.3g}"
            + "".join(f"{row['stage_shares'][stage]:>12.1%}" for stage in stages)
            + f"{'–' if peak is None else format(peak, '.0f'):>9}"
        )
    return "\n".join(lines)
