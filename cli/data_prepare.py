"""`co2phys data prepare`: from the files of a product to a training store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

    from co2net_phys.store_building import BuildOptions, StorePlan
    from co2net_phys.store_building.planning import StationSource

app = typer.Typer(help="Make a training store of the files of a product.")

MOST_WORKERS = 4
"""Threads by default; more wait for the disk, or for the lock of the NetCDF library."""

Input = Annotated[
    list[str], typer.Option("--input", help="File, folder or pattern in quotes; repeat for more.")
]
More = Annotated[
    list[str] | None, typer.Argument(help="Further files, as a shell makes them of a pattern.")
]
Output = Annotated[Path, typer.Option(help="Store to write, .zarr.")]
Stations = Annotated[
    list[str] | None,
    typer.Option(
        help="Observations (ObsPack folder, station files, observations.nc), or a list of sites, "
        "whose observations are then taken from CO2 itself; repeat for more."
    ),
]
GridText = Annotated[
    str, typer.Option(help="Degrees of latitude x longitude, or source: that of the files.")
]
Way = Annotated[
    Literal["auto", "conservative", "bilinear"],
    typer.Option(help="Of regridding; auto: wind bilinear, all else conservative."),
]
SplitText = Annotated[
    Literal["carbontracker", "cmip6", "blocks"] | None,
    typer.Option(
        help="Training, validation and test years of the paper, or three blocks with gaps. "
        "Default: that of the product if the record holds all its blocks, else blocks."
    ),
]
Start = Annotated[str | None, typer.Option(help="First time kept: 2001, 2001-03 or 2001-03-01.")]
End = Annotated[str | None, typer.Option(help="Last time kept; 2018 includes that whole year.")]
Variables = Annotated[
    str | None, typer.Option(help="To keep beside CO2: ps,huss,tas,uas,vas,gph,oro. Default all.")
]
Units = Annotated[
    list[str] | None,
    typer.Option(help="True units of a variable with a wrong attribute: co2=ppm; repeat."),
]
Alignment = Annotated[
    Literal["linear", "nearest"],
    typer.Option(help="How variables with other times are brought to the times of CO2."),
]
Checksums = Annotated[
    bool,
    typer.Option(help="Record the SHA-256 of every input; without, their sizes."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help=f"Threads; default the CPUs, at most {MOST_WORKERS}.")
]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a dask cluster, for example tcp://host:8786.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the same command was stopped.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an existing or unfinished output.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable result.")]


@app.command()
def carbontracker(
    inputs: Input,
    output: Output,
    more: More = None,
    stations: Stations = None,
    level: Annotated[int, typer.Option(min=0, help="Layer, counted from the ground.")] = 0,
    grid: GridText = "2x3",
    method: Way = "auto",
    split: SplitText = None,
    start: Start = None,
    end: End = None,
    variables: Variables = None,
    units: Units = None,
    alignment: Alignment = "linear",
    checksums: Checksums = True,
    workers: Workers = None,
    scheduler: Scheduler = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a store of NOAA's CarbonTracker mole fractions (CT2022.molefrac_glb3x2_*.nc)."""
    from co2net_phys.products import carbontracker as product

    paths = _source_files([*inputs, *(more or [])], output)
    true_units = _units(units or [], "co2")
    _prepare(
        _Job(
            "carbontracker", "CarbonTracker", paths, stations or [],
            {"level": level, "units": true_units}, output, workers or _cpus(), scheduler,
            resume, overwrite, dry_run, as_json, checksums,
        ),
        product.read(paths, level=level, units=true_units),
        _options(grid, method, split, "carbontracker", start, end, variables, alignment),
    )  # fmt: skip


@app.command()
def cmip6(
    inputs: Input,
    output: Output,
    more: More = None,
    auxiliary: Annotated[
        list[str] | None,
        typer.Option(help="Variables of another frequency, brought to the times of CO2; repeat."),
    ] = None,
    stations: Stations = None,
    level: Annotated[
        float | None, typer.Option(help="Of variables on levels, in the file's unit; lowest.")
    ] = None,
    grid: GridText = "2x3",
    method: Way = "auto",
    split: SplitText = None,
    start: Start = None,
    end: End = None,
    variables: Variables = None,
    units: Units = None,
    alignment: Alignment = "linear",
    checksums: Checksums = True,
    workers: Workers = None,
    scheduler: Scheduler = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make a store of CMIP6 output of one model, experiment and member (co2s, tas, uas, …)."""
    from co2net_phys.products import cmip6 as product

    paths = _source_files([*inputs, *(more or [])], output)
    others = _source_files(auxiliary, output) if auxiliary else []
    true_units = _units(units or [], "co2s")
    further = [product.read(others, level=level, units=true_units)] if others else []
    _prepare(
        _Job(
            "cmip6", "CMIP6", [*paths, *others], stations or [],
            {"level": level, "units": true_units}, output, workers or _cpus(), scheduler,
            resume, overwrite, dry_run, as_json, checksums,
        ),
        product.read(paths, level=level, units=true_units),
        _options(grid, method, split, "cmip6", start, end, variables, alignment),
        further,
    )  # fmt: skip


@dataclass(frozen=True)
class _Job:
    """What both verbs were asked, beside `BuildOptions`."""

    product: str
    title: str
    paths: Sequence[Path]
    stations: Sequence[str]
    choices: dict[str, Any]
    output: Path
    workers: int
    scheduler: str | None
    resume: bool
    overwrite: bool
    dry_run: bool
    as_json: bool
    checksums: bool

    @property
    def where(self) -> str:
        """Name of the input in messages."""
        first = str(self.paths[0])
        return first if len(self.paths) == 1 else f"{first} and {len(self.paths) - 1} more files"


def _prepare(
    job: _Job, dataset: xr.Dataset, options: BuildOptions, auxiliaries: Sequence[xr.Dataset] = ()
) -> None:
    """Plan, then build or only say what would be built."""
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.store_building import plan_store

    if job.output.suffix.lower() != ".zarr":
        raise UsageError(f"--output {job.output}: a store is a Zarr folder; end the name in .zarr")
    source, station_paths = _stations(job.stations)
    refuse_replacing_input(job.output, *job.paths, *station_paths)
    plan = plan_store(dataset, options, where=job.where, stations=source, auxiliaries=auxiliaries)
    if job.dry_run:
        text = console.rows({**_in_words(plan), "written": "nothing (dry run)"})
        console.give({"output": str(job.output), **plan.as_dict()}, job.as_json, text)
        return
    _build(job, plan, [*job.paths, *station_paths])


def _build(job: _Job, plan: StorePlan, inputs: Sequence[Path]) -> None:
    from co2net_phys.store_building import build_store

    attributes = _provenance(job, plan.options, inputs)
    console.say("; ".join(f"{name} {value}" for name, value in _in_words(plan).items()))
    with console.progress("prepare", len(plan)) as bar:
        built = build_store(
            plan, job.output,
            attributes=attributes, overwrite=job.overwrite, resume=job.resume, workers=job.workers,
            scheduler_address=job.scheduler, progress=bar.update, say=console.say,
        )  # fmt: skip
    result = {"output": str(job.output), **plan.as_dict(), "statistics": built.statistics}
    lines = [f"wrote {job.output}: {len(plan)} frames, {plan.station_count} stations"]
    lines += [
        f"{name}: mean {mean:.6g}, standard deviation {deviation:.4g} (training frames)"
        for name, (mean, deviation) in built.statistics.items()
    ]
    console.give(result, job.as_json, "\n".join(lines))


def _provenance(job: _Job, options: BuildOptions, paths: Sequence[Path]) -> dict[str, str]:
    """Attributes of the store, with checksums of all inputs."""
    from co2net_phys.provenance import provenance_attributes
    from co2net_phys.store_building.checksums import as_attribute, input_digests, input_sizes

    attributes = provenance_attributes(
        f"Training store of {job.title}",
        f"Surface CO2 and the weather beside it from {job.title} files, regridded, aligned in time "
        "and split into training, validation and test frames.",
        console.command_line(),
        None,
        [],
        {"product": job.product, **vars(options), **job.choices, "checksums": job.checksums},
    )
    if job.checksums:
        with console.progress("checksums", len(paths)) as bar:
            listed = input_digests(paths, workers=job.workers, progress=bar.update)
    else:
        listed = input_sizes(paths)
    return attributes | {"co2phys_input_sha256": as_attribute(listed)}


def _source_files(inputs: Sequence[str], output: Path) -> list[Path]:
    """Files of the inputs, none of which may hold the output: it would be an input itself."""
    from co2net_phys.products.files import source_files

    files = source_files(inputs)
    for place in (*map(Path, inputs), *files):
        if place.is_dir() and place.resolve() in output.resolve().parents:
            raise UsageError(
                f"--output {output}: lies in the input {place}; choose a place outside"
            )
    return files


def _stations(inputs: Sequence[str]) -> tuple[StationSource | None, list[Path]]:
    """Observations to put on the frames, or sites alone; and the files they are from."""
    if not inputs:
        return None, []
    from co2net_phys.products.observation_raster import at_times, stations_of
    from co2net_phys.products.station_files import read, station_files

    paths = station_files(inputs)
    table = read(paths)
    if table.sizes["observation"] == 0:
        return stations_of(table), paths
    return (lambda times: at_times(table, times.values)), paths


def _options(
    grid: str,
    method: Literal["auto", "conservative", "bilinear"],
    split: str | None,
    product: str,
    start: str | None,
    end: str | None,
    variables: str | None,
    alignment: Literal["linear", "nearest"],
) -> BuildOptions:
    from co2net_phys.store_building import BuildOptions

    names = None if variables is None else tuple(n.strip() for n in variables.split(",") if n)
    return BuildOptions(
        grid=grid, method=method, split=split, product_split=product, start=start, end=end,
        variables=names, alignment=alignment,
    )  # fmt: skip


def _units(pairs: Sequence[str], bare: str) -> dict[str, str]:
    """Parse `--units name=units`; units alone are those of CO2, the variable `bare`."""
    parsed = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name, text = (name, text) if equals else (bare, pair)
        if not name.strip() or not text.strip():
            raise UsageError(f"--units {pair!r} is not NAME=UNITS, for example co2=ppm")
        parsed[name.strip()] = text.strip()
    return parsed


def _in_words(plan: StorePlan) -> dict[str, str]:
    """The plan for people."""
    facts = plan.as_dict()
    stations = f"{facts['stations']}" + (", sampled from CO2" if facts["identical_twin"] else "")
    return {
        "frames": f"{facts['frames']}, {facts['first']} to {facts['last']} ({facts['calendar']})",
        "variables": ", ".join(facts["variables"]),
        "grid": f"{facts['original_grid']} to {facts['grid'][0]} × {facts['grid'][1]}",
        "method": facts["method"],
        "split": f"{facts['split']}, {facts['training_frames']} frames to train on",
        "stations": stations,
        "size": f"about {console.megabytes(facts['expected_bytes'])} before compression",
    }


def _cpus() -> int:
    return min(os.cpu_count() or 1, MOST_WORKERS)
