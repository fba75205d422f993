"""`co2phys data inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from co2net_phys.cli import console
from co2net_phys.errors import DataError

_MANY = 50
"""Files from which on progress is shown."""


def command(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Files, folders or patterns in quotes.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Say what files are, what is wrong with them, and what can be done with them.

    Any gridded or station file: CarbonTracker, CMIP6, GEOS-Chem, ECMWF and other CF grids, ObsPack,
    NOAA text, station tables, stores of co2phys. Files of one series are reported together. Nothing
    is written; the exit code is 3 if a file cannot be read.
    """
    from co2net_phys.inspection import as_text, inspect
    from co2net_phys.inspection.sources import expand

    sources = expand(files)
    if len(sources.files) < _MANY:
        reports = inspect(sources)
    else:
        with console.progress("inspect", len(sources.files)) as bar:
            reports = inspect(sources, bar.update)
    console.give([report.as_dict() for report in reports], as_json, as_text(reports))
    bad = [report for report in reports if report.kind == "unreadable"]
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise DataError(f"{bad[0].files[0]}: {bad[0].problems[0].text}{more}")
