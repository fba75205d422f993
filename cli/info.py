"""`co2phys info`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError


def command(
    size: Annotated[
        list[str] | None, typer.Option(help="Of CO2-Net: XS, S, B or L, repeatable.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="vit, swin-lstm, cyclegan or senseiver, repeatable; default all, and "
            "all sizes of CO2-Net."
        ),
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
    three times as much, and that of CycleGAN's four networks nineteen times. The memory is a rough
    estimate for training in bf16, with AdamW.
    """
    from co2net_phys.architectures import ARCHITECTURES
    from co2net_phys.cost import describe_rival, describe_size
    from co2net_phys.model import SIZES

    rivals = [name for name in ARCHITECTURES if name != "co2net"]
    _require_known("--size", size or [], list(SIZES))
    _require_known("--model", model or [], rivals)
    everything = not size and not model
    sizes, names = (list(SIZES), rivals) if everything else (size or [], model or [])
    found = [describe_size(name, dataset, batch_size) for name in sizes]
    found += [describe_rival(name, dataset, batch_size) for name in names]
    result = found[0] if len(found) == 1 else found
    console.give(result, as_json, _table(found, batch_size))


def _require_known(option: str, given: list[str], known: list[str]) -> None:
    for name in given:
        if name not in known:
            raise UsageError(f"{option} {name!r}: choose from {', '.join(known)}")


def _table(found: list[dict[str, Any]], batch_size: int) -> str:
    lines = [
        f"{'network':<11}{'parameters':>12}{'paper':>9}{'ratio':>7}{'GFLOP per sample':>18}"
        f"{'memory, batch ' + str(batch_size):>20}"
    ]
    for row in found:
        paper, beside = row["paper_parameters"], f"{'–':>9}{'–':>7}"
        if paper is not None:
            beside = f"{paper / 1e6:>7.3g} M{row['parameters'] / paper:>7.2f}"
        lines.append(
            f"{row['size'] or row['model']:<11}{row['parameters'] / 1e6:>10.2f} M{beside}"
            f"{row['flops_per_sample'] / 1e9:>18.1f}{console.megabytes(row['memory_bytes']):>20}"
        )
    return "\n".join(lines)
