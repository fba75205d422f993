"""`co2phys bench loader`: whether windows reach the network as fast as it takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from co2net_phys.cli import console


def loader(
    data: Annotated[Path, typer.Option(help="Training store, .zarr or .nc.")],
    frames: Annotated[int, typer.Option(min=2, help="Frames in a window.")] = 8,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a batch.")] = 4,
    windows: Annotated[int, typer.Option(min=1, help="Windows in an epoch, at most.")] = 200,
    epochs: Annotated[
        int, typer.Option(min=2, help="Of each way of reading; the first is not counted.")
    ] = 4,
    threads: Annotated[int, typer.Option(min=1, help="Threads that read ahead.")] = 2,
    cache: Annotated[
        int,
        typer.Option(
            min=0,
            help="MB kept of what was read last; few stand for a record longer than --data.",
        ),
    ] = 512,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    size: Annotated[
        Literal["XS", "S", "B", "L", "none"],
        typer.Option(help="Network whose training step is fed; none leaves it out."),
    ] = "S",
    steps: Annotated[int, typer.Option(min=1, help="Training steps fed by each way.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Count windows a second from a store, by every way of reading it, beside a training step.

    The growth of memory is that of all epochs but the first together. Waiting is the share of the
    time of a training step in which the network has no windows to work on.
    """
    from co2net_phys.validation.loader_speed import measure_loader

    with console.progress("loader", 1) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        measured = measure_loader(
            data, length=frames, batch=batch_size, windows=windows, epochs=epochs, threads=threads,
            cache_bytes=cache * 2**20, device=device, size=None if size == "none" else size,
            steps=steps, progress=report,
        )  # fmt: skip
    found = [speed.as_dict() for speed in measured]
    console.give(found, as_json, _table(found))


def _table(found: list[dict[str, Any]]) -> str:
    """One line for each way of reading."""
    lines = [
        f"{'way':<10}{'windows/s':>10}{'ready s':>9}{'growth MB':>11}{'step windows/s':>16}"
        f"{'waiting':>9}{'× step':>8}"
    ]
    for row in found:
        if row["windows_per_second"] is None:
            lines.append(f"{row['way']:<10}  not measured: {row['note']}")
            continue
        lines.append(
            f"{row['way']:<10}{row['windows_per_second']:>10.4g}{row['ready_seconds']:>9.2f}"
            f"{_cell(row['growth_megabytes'], '.1f'):>11}"
            f"{_cell(row['step_windows_per_second'], '.3g'):>16}"
            f"{_cell(row['waiting'], '.1%'):>9}{_cell(row['times_step'], '.4g'):>8}"
        )
    return "\n".join(lines)


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
