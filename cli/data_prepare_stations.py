"""`co2phys data prepare stations`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr


def command(
    inputs: Annotated[
        list[str], typer.Option("--input", help="Station files, folders or 'patterns'; repeat.")
    ],
    output: Annotated[Path, typer.Option(help="File to write, .nc.")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[FILES]...", help="Further station files.")
    ] = None,
    selection: Annotated[
        str,
        typer.Option(
            help="representative: large-scale air at hours of well-mixed air; all-hours: at any; "
            "assimilated: what CarbonTracker assimilated; valid: all that is not rejected."
        ),
    ] = "representative",
    tracer: Annotated[str, typer.Option(help="The measured gas, such as co2 or ch4.")] = "co2",
    units: Annotated[
        str | None, typer.Option(help="Of the values, where the files' attribute is wrong.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Bring station files of any kind into one file of observations.

    ObsPack and NOAA NetCDF (one dataset or one day a file), NOAA text (events, hours, months) and
    CSV tables of monthly means are recognised by their contents. Flags are honoured, several
    selections and repeated records become one, several heights stay apart.
    """
    from co2net_phys.data.atomic import prepare_target, refuse_replacing_input
    from co2net_phys.products import observation_file, station_files
    from co2net_phys.products.observation_flags import SELECTIONS

    if selection not in SELECTIONS:
        raise UsageError(f"--selection {selection!r} is unknown; choose {', '.join(SELECTIONS)}")
    observation_file.refuse_other_endings(output)
    files = station_files.station_files([*inputs, *(more or [])])
    refuse_replacing_input(output, *files)
    if not dry_run:
        prepare_target(output, overwrite=overwrite)  # an obstacle shows before a long reading
    table = station_files.read(
        files, tracer=tracer.lower(), selection=SELECTIONS[selection], units=units
    )
    plan = _plan(table, len(files), selection)
    if dry_run:
        text = console.rows({**_in_words(plan), "written": "nothing (dry run)"})
        console.give(plan, as_json, text)
        return
    choices = {"selection": selection, "tracer": tracer.lower(), "units": units}
    attributes = _attributes(files, choices)
    observation_file.write(table, output, attributes, overwrite=overwrite)
    text = f"wrote {output}: {plan['observations']} observations\n{console.rows(_in_words(plan))}"
    console.give({"output": str(output), **plan}, as_json, text)


def _plan(table: xr.Dataset, files: int, selection: str) -> dict[str, Any]:
    """What was found, for machines."""
    sizes, tracer = table.sizes, str(table.attrs["tracer"])
    time = table["time"].values
    return {
        "files": files,
        "selection": selection,
        "tracer": tracer,
        "units": table[tracer].attrs["units"],
        "datasets": sizes["series"],
        "sites": len(set(table["site"].values.tolist())),
        "without_position": int(table["site_latitude"].isnull().sum()),
        "mobile": int(table["is_mobile"].sum()),
        "observations": sizes["observation"],
        "first": f"{time.min()}Z" if time.size else None,
        "last": f"{time.max()}Z" if time.size else None,
        "left_out": {k: v for k, v in json.loads(table.attrs["dropped"]).items() if v},
    }


def _in_words(plan: dict[str, Any]) -> dict[str, str]:
    """The same for people."""
    left_out = ", ".join(f"{count} {reason}" for reason, count in plan["left_out"].items())
    apart = ", ".join(
        f"{plan[key]} {name}"
        for key, name in (("without_position", "without position"), ("mobile", "moving"))
        if plan[key]
    )
    datasets = f"{plan['datasets']} at {plan['sites']} sites" + (f" ({apart})" if apart else "")
    return {
        "files": str(plan["files"]),
        "datasets": datasets,
        "observations": f"{plan['observations']} of {plan['tracer'].upper()}, {plan['units']}",
        "times": f"{plan['first']} to {plan['last']}" if plan["first"] else "none",
        "selection": plan["selection"],
        "left out": left_out or "nothing",
    }


def _attributes(files: list[Path], choices: dict[str, Any]) -> dict[str, str]:
    """Global attributes: where the measurements came from, and that they are measurements."""
    from co2net_phys.provenance import package_version, provenance_attributes

    name = choices["tracer"].upper()
    attributes = provenance_attributes(
        f"{name} observed at stations",
        f"Dry-air mole fractions of {name} measured at surface stations, joined from the files of "
        "their providers. Values that a provider rejected are not in the file.",
        console.command_line(),
        None,
        files,
        choices,
    )
    observed = {
        "source": f"station measurements, joined by co2phys {package_version()}",
        "comment": "Measurements; the terms of use of every provider apply.",
        "processing_level": "as provided, flags applied",
    }
    return attributes | observed
