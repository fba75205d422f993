"""`co2phys data periods`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from co2net_phys.cli import console

if TYPE_CHECKING:
    from co2net_phys.satellite.map_store import DailyMaps
    from co2net_phys.satellite.statistics import DailyMeans


def command(
    maps: Annotated[Path, typer.Argument(help="Daily maps of XCO2 of `co2phys reconstruct`.")],
    output: Annotated[
        Path | None, typer.Option(help="Store for the maps of all means, .zarr.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Page (.html) or folder; needs --output.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing outputs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Means of daily maps of XCO2 by year, season and month, and the growth from year to year."""
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.errors import UsageError
    from co2net_phys.evaluation_report import require_free
    from co2net_phys.satellite.map_store import DailyMaps
    from co2net_phys.satellite.statistics import daily_means, summary
    from co2net_phys.satellite.statistics_text import statistics_lines

    if report is not None:
        if output is None:
            raise UsageError("--report: shows the maps of --output; give that as well")
        require_free(report, overwrite=overwrite)
    daily = DailyMaps.open(maps)
    if output is not None:
        refuse_replacing_input(output, maps)
        _write_maps(daily, maps, output, overwrite)
    series = daily_means(daily)
    found = summary(series)
    if report is not None and output is not None:
        _write_report(report, maps, output, series)
    console.give(found, as_json, statistics_lines(found))


def _write_maps(daily: DailyMaps, maps: Path, output: Path, overwrite: bool) -> None:
    from co2net_phys.provenance import provenance_attributes
    from co2net_phys.satellite.period_maps import write_period_maps
    from co2net_phys.satellite.tiles import TileSize, tile_count

    attributes = provenance_attributes(
        "Means of XCO2 by year, season and month", "Means of daily maps over the known days.",
        console.command_line(), None, [maps], {},
    )  # fmt: skip
    with console.progress("periods", tile_count((1, *daily.shape[1:]), TileSize())) as bar:
        write_period_maps(
            daily, output, attributes=attributes, overwrite=overwrite, progress=bar.update
        )
    console.say(f"wrote {output}")


def _write_report(report: Path, maps: Path, periods: Path, series: DailyMeans) -> None:
    from co2net_phys.assessed import Assessed, write_assessed
    from co2net_phys.data.opening import open_dataset
    from co2net_phys.report import Heading, Picture, Section
    from co2net_phys.satellite.figures import growth_figure, period_figure, thinned
    from co2net_phys.satellite.statistics import summary
    from co2net_phys.satellite.statistics_text import KINDS, statistics_lines, statistics_tables

    found = summary(series)
    with open_dataset(periods) as data:
        pictures = [
            Picture(
                period_figure(thinned(data[kind]), f"{kind.capitalize()} mean XCO₂"),
                f"Map of the mean of each {period}",
            )
            for kind, period in KINDS.items()
        ]
    sections: list[Section] = [
        *statistics_tables({"maps": found}),
        Heading("Course"),
        Picture(growth_figure(series, "Mean of the region"), "Daily and monthly means"),
        Heading("Maps"),
        *pictures,
    ]
    for path in write_assessed(
        report, f"XCO2 of {maps}", Assessed(found, statistics_lines(found), sections)
    ):
        console.say(f"wrote {path}")
