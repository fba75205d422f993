"""`co2phys data fetch`: bring public data to this machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.errors import DataError

if TYPE_CHECKING:
    from co2net_phys.fetching.fetch import Outcome
    from co2net_phys.fetching.remote_file import RemoteFile

logger = logging.getLogger(__name__)

app = typer.Typer(
    help="Fetch public data: resumable, checked, one file after the other. "
    "The only command of co2phys that uses the network."
)

Output = Annotated[Path, typer.Option(help="Folder to fetch into; made if need be.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be fetched; write nothing.")
]
Verify = Annotated[
    bool,
    typer.Option("--verify", help="Fetch nothing: compare what is there with its checksums."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable result.")]


@app.command()
def carbontracker(
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.")],
    end: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day.")],
    output: Output,
    release: Annotated[str, typer.Option(help="Release of CarbonTracker.")] = "CT2022",
    kind: Annotated[
        Literal["molefractions", "fluxes"],
        typer.Option(help="3-hourly CO2 and weather on 2° × 3°, or fluxes on 1° × 1°."),
    ] = "molefractions",
    base_url: Annotated[
        str | None, typer.Option(help="Address of a mirror, of the folder of the releases.")
    ] = None,
    dry_run: DryRun = False,
    verify: Verify = False,
    as_json: AsJson = False,
) -> None:
    """Fetch daily files of NOAA's CarbonTracker, each about 97 MB.

    An interrupted run is gone on with by the same command; complete files are skipped.
    """
    from co2net_phys.fetching.carbontracker import BASE, TYPICAL_BYTES, carbontracker_files

    files = carbontracker_files(start.date(), end.date(), release, kind, base_url or BASE)
    if verify:
        _verify(output, [file.name for file in files], as_json)
        return
    _fetch(files, output, dry_run, as_json, TYPICAL_BYTES[kind])


@app.command()
def cmip6(
    output: Output,
    model: Annotated[str, typer.Option(help="CMIP6's source_id.")] = "CanESM5",
    experiment: Annotated[str, typer.Option(help="CMIP6's experiment_id.")] = "esm-hist",
    variant: Annotated[str, typer.Option(help="CMIP6's variant_label.")] = "r1i1p1f1",
    variable: Annotated[
        list[str] | None,
        typer.Option(help="CMIP6's name, repeatable; default co2s, ps, huss, tas, uas, vas."),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Table of CMIP6; default Emon for co2s, else Amon.")
    ] = None,
    grid: Annotated[
        str, typer.Option(help="CMIP6's grid_label; needed where there is more than one.")
    ] = "",
    start: Annotated[str, typer.Option(help="Year, month or day; default all.")] = "",
    end: Annotated[str, typer.Option(help="Year, month or day; default all.")] = "",
    base_url: Annotated[
        str | None, typer.Option(help="Address of the search of another index of ESGF.")
    ] = None,
    dry_run: DryRun = False,
    verify: Verify = False,
    as_json: AsJson = False,
) -> None:
    """Fetch files of CMIP6 from the Earth System Grid Federation.

    The files that overlap the time asked for are found in a public index, with their checksums.
    """
    from co2net_phys.fetching.cmip6 import INDEXES, TABLES, VARIABLES, Query, cmip6_files

    if verify:
        _verify(output, None, as_json)
        return
    files = []
    indexes = (base_url,) if base_url else INDEXES
    for name in dict.fromkeys(variable or VARIABLES):
        where = table or TABLES.get(name, "Amon")
        query = Query(name, where, model, experiment, variant, grid)
        files += cmip6_files(query, start, end, indexes)
    _fetch(files, output, dry_run, as_json, None)


@app.command()
def obspack(as_json: AsJson = False) -> None:
    """Say where to ask for ObsPack, which may not be passed on."""
    from co2net_phys.fetching.obspack import STEPS, WHERE, WHY

    steps = "\n".join(f"{number}. {step}" for number, step in enumerate(STEPS, 1))
    console.give({"where": WHERE, "steps": STEPS, "why": WHY}, as_json, f"{steps}\n\n{WHY}")


def _fetch(
    files: Sequence[RemoteFile], output: Path, dry_run: bool, as_json: bool, typical: int | None
) -> None:
    """Fetch, or say what would be; `typical` is the size in bytes of a file that tells none."""
    from co2net_phys.fetching.fetch import free_bytes, plan

    planned = plan(files, output)
    sizes = [file.size or typical for file in files if file.name not in planned.there]
    size = sum(each for each in sizes if each) if all(sizes) else None
    free = free_bytes(output)
    if dry_run:
        details = [{"name": f.name, "addresses": f.addresses, "bytes": f.size} for f in files]
        result = {"files": details, **vars(planned), "bytes": size, "free": free}
        words = {
            "files": f"{len(files)}, {files[0].name} to {files[-1].name}",
            "from": files[0].addresses[0] if files[0].addresses else "no server",
            "complete already": len(planned.there),
            "begun": len(planned.begun),
            "to fetch": "unknown size" if size is None else f"about {console.megabytes(size)}",
            "free": console.megabytes(free),
            "written": "nothing (dry run)",
        }
        console.give(result, as_json, console.rows(words))
        return
    if size is not None and size > free:
        logger.warning(
            "%s: %s are missing and only %s are free; files come until the disk is full",
            output, console.megabytes(size), console.megabytes(free),
        )  # fmt: skip
    outcome = _fetched(files, output)
    size_there = console.megabytes(outcome.bytes)
    text = f"fetched {len(outcome.fetched)} files, {size_there}; {len(outcome.there)} were there"
    console.give({"output": output, **vars(outcome)}, as_json, f"{text}: {output}")
    if outcome.missing:
        raise DataError(
            f"{outcome.missing[0]}: is not on the server, with {len(outcome.missing) - 1} others; "
            "all else was fetched"
        )


def _fetched(files: Sequence[RemoteFile], output: Path) -> Outcome:
    from co2net_phys.fetching.fetch import fetch

    place = {file.name: number for number, file in enumerate(files)}
    with console.progress("fetch", len(files)) as bar:

        def report(name: str, there: int, total: int | None) -> None:
            of = f" of {console.megabytes(total)}" if total else ""
            bar.update(place[name], f"{name} {console.megabytes(there)}{of}")

        try:
            return fetch(files, output, report=report)
        except (KeyboardInterrupt, console.Terminated):
            console.say(
                f"{output}: what has come in is kept; run the same command again to go on",
                always=True,
            )
            raise


def _verify(output: Path, names: Sequence[str] | None, as_json: bool) -> None:
    from co2net_phys.fetching.fetch import check

    found = check(output, names)
    counts: dict[str, Any] = {name: len(files) for name, files in vars(found).items()}
    console.give({"output": output, **vars(found)}, as_json, console.rows(counts))
    if found.damaged:
        raise DataError(
            f"{output / found.damaged[0]}: does not have its checksum any more, with "
            f"{len(found.damaged) - 1} others; remove and fetch again"
        )
    if found.absent:
        raise DataError(
            f"{output / found.absent[0]}: is not there, with {len(found.absent) - 1} others; "
            "run without --verify to fetch it"
        )
