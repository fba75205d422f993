"""`co2phys info`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError


def command(
    size: Annotated[
        list[str] | None, typer.Option(help="XS, S, B or L, repeatable; default all.")
    ] = None,
    dataset: Annotated[
        Literal["carbontracker", "cmip6"],
        typer.Option(help="Windows: 8 frames of 3 h and 7 auxiliaries, or 4 months and 5."),
    ] = "carbontracker",
    batch_size: Annotated[
        int, typer.Option(min=1, help="Windows in a step, for the memory; the paper's is 32.")
    ] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Say what a network costs before it is made: parameters, arithmetic, memory.

    The arithmetic is that of the matrix products of a forward pass of one window; training takes
    three times as much. The memory is a rough estimate for training in bf16, with AdamW.
    """
    from co2net_phys.cost import describe_size
    from co2net_phys.model import SIZES

    unknown = set(size or []) - SIZES.keys()
    if unknown:
        raise UsageError(f"--size {min(unknown)!r}: choose from {', '.join(SIZES)}")
    found = [describe_size(name, dataset, batch_size) for name in size or SIZES]
    result = found[0] if size and len(size) == 1 else found
    console.give(result, as_json, _table(found, batch_size))


def _table(found: list[dict[str, Any]], batch_size: int) -> str:
    from co2net_phys.cost import PAPER_PARAMETERS

    lines = [
        f"{'size':<6}{'parameters':>12}{'paper':>9}{'ratio':>7}{'GFLOP per sample':>18}"
        f"{'memory, batch ' + str(batch_size):>20}"
    ]
    for row in found:
        paper = PAPER_PARAMETERS.get(row["size"])
        beside = f"{'–':>9}{'–':>7}"
        if paper is not None:
            beside = f"{paper / 1e6:>7.0f} M{row['parameters'] / paper:>7.2f}"
        lines.append(
            f"{row['size']:<6}{row['parameters'] / 1e6:>10.2f} M{beside}"
            f"{row['flops_per_sample'] / 1e9:>18.1f}{console.megabytes(row['memory_bytes']):>20}"
        )
    return "\n".join(lines)
