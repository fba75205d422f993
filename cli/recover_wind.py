"""`co2phys recover-wind`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.wind_estimate import WindEstimate
    from co2net_phys.wind_product import Determined


def command(
    file: Annotated[Path, typer.Argument(help="CF NetCDF or Zarr with tracers at equal steps.")],
    output: Annotated[Path, typer.Option(help="File to write, .nc or .zarr.")],
    tracer: Annotated[
        list[str] | None, typer.Option(help="Variable of a tracer; repeat. Default: all found.")
    ] = None,
    level: Annotated[
        float | None, typer.Option(help="Level of the tracers, in their units.")
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(help="Entry of a further dimension: member=3.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Variable of a tracer's source, its unit per s; one each, or none."),
    ] = None,
    diffusivity: Annotated[
        float | None,
        typer.Option(min=0, help="Horizontal, m2 s-1; default that of the run in FILE, else 1e5."),
    ] = None,
    form: Annotated[
        Literal["advective", "flux"] | None,
        typer.Option(help="Of the tracers' equation; default that of the run, else advective."),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(help="Standard deviation of a tracer, or 1% of its spread. Default: told."),
    ] = None,
    method: Annotated[
        Literal["pointwise", "global"],
        typer.Option(help="Every place by itself, or one smooth wind for the globe."),
    ] = "pointwise",
    order: Annotated[
        int | None, typer.Option(help="Of the time difference, 2, 4 or 6; default 4.")
    ] = None,
    window: Annotated[
        int, typer.Option(min=1, help="Times in which the wind is taken to be steady.")
    ] = 1,
    truncation: Annotated[
        int | None,
        typer.Option(help="Of the tracers; default of the run, else by the grid."),
    ] = None,
    wind_truncation: Annotated[
        int | None,
        typer.Option(help="Of the wind (--method global); default the tracers', at most 42."),
    ] = None,
    components: Annotated[
        int, typer.Option(min=1, max=2, help="Components that must be determined somewhere.")
    ] = 1,
    largest_error: Annotated[
        float | None,
        typer.Option(help="Standard error up to which a component is told, m s-1; default 10."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Recover the wind from tracers that it carried, with its uncertainty.

    One tracer tells the wind along its gradient, two or more tell both components wherever their
    gradients cross. What is not determined is missing in the output, never guessed.
    """
    from co2net_phys.data.atomic import refuse_replacing_input
    from co2net_phys.data.tracers import read_sources, read_tracers
    from co2net_phys.data.writer import is_zarr_path
    from co2net_phys.wind_estimate import WindEstimate
    from co2net_phys.wind_settings import WindSettings

    is_zarr_path(output)
    refuse_replacing_input(output, file)
    if wind_truncation is not None and method == "pointwise":
        raise UsageError("--wind-truncation has no effect with --method pointwise; leave it out")
    if largest_error is not None and method == "global":
        raise UsageError("--largest-error has no effect with --method global; leave it out")
    settings = WindSettings(
        method=method,
        diffusivity=diffusivity,
        form=form,
        noise=tuple(_noise(text) for text in noise or []),
        order=order,
        window=window,
        truncation=truncation,
        wind_truncation=wind_truncation,
        largest_error=WindSettings.largest_error if largest_error is None else largest_error,
        components=components,
    )
    where: dict[str, Any] = {"level": level, "select": console.selection(select or [])}
    series = read_tracers(file, tracer or (), **where)
    rates = read_sources(series, source, **where) if source else None
    estimate = WindEstimate(series, settings, rates)
    console.say(f"tracers of {file}: {', '.join(series.names)}")
    plan = _plan(estimate)
    if dry_run:
        text = console.rows({**_plan_in_words(estimate), "written": "nothing (dry run)"})
        console.give(plan, as_json, text)
        return
    known = _write(estimate, output, file, plan | where | {"sources": source}, overwrite)
    result = {"output": str(output), **plan, "determined": [vars(row) for row in known]}
    console.give(result, as_json, f"wrote {output}: {estimate.count} instants\n{_table(known)}")


def _noise(text: str) -> tuple[float, bool]:
    """Value, and whether it is a share of the tracer's spread."""
    number, per_cent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"--noise {text!r} is not a standard deviation; write 0.1 or 1%")
    return (value / 100, True) if per_cent else (value, False)


def _plan(estimate: WindEstimate) -> dict[str, Any]:
    """What will be done, for machines."""
    series, settings = estimate.series, estimate.settings
    return {
        "tracers": list(series.names),
        "units": list(series.units),
        "method": settings.method,
        "grid": list(estimate.grid.shape),
        "truncation": estimate.harmonics.truncation,
        "wind_truncation": estimate.wind_truncation,
        "diffusivity": estimate.diffusivity,
        "form": estimate.form,
        "time_step": series.step,
        "order": estimate.order,
        "window": settings.window,
        "instants": estimate.count,
        "noise": None if estimate.noise is None else estimate.noise.tolist(),
        "largest_error": settings.largest_error,
    }


def _plan_in_words(estimate: WindEstimate) -> dict[str, str]:
    """The same for people."""
    from co2net_phys.wind_product import expected_bytes

    plan = _plan(estimate)
    noise = ["told from the residuals"] * len(plan["tracers"])
    if plan["noise"] is not None:
        noise = [
            f"{value:.2g} {unit}" for value, unit in zip(plan["noise"], plan["units"], strict=True)
        ]
    wind = plan["wind_truncation"]
    return {
        "tracers": ", ".join(plan["tracers"]),
        "noise": ", ".join(dict.fromkeys(noise)),
        "grid": " × ".join(map(str, plan["grid"])),
        "truncation": f"T{plan['truncation']}" + (f", of the wind T{wind}" if wind else ""),
        "instants": f"{plan['instants']}, every {plan['time_step']:g} s",
        "equation": f"{plan['form']}, diffusivity {plan['diffusivity']:g} m2 s-1",
        "method": f"{plan['method']}, order {plan['order']} in time, window {plan['window']}",
        "size": f"about {console.megabytes(expected_bytes(estimate))} before compression",
    }


def _write(
    estimate: WindEstimate, output: Path, file: Path, choices: dict[str, Any], overwrite: bool
) -> list[Determined]:
    from co2net_phys.provenance import provenance_attributes
    from co2net_phys.wind_product import write_wind

    attributes = provenance_attributes(
        f"Wind recovered from {len(estimate.series.names)} tracers",
        "Wind that explains how tracers changed, by least squares over their transport equations, "
        "with its standard error. Missing where the tracers do not determine it.",
        console.command_line(),
        None,
        [file],
        choices,
    )
    with console.progress("recover-wind", estimate.count) as bar:
        return write_wind(
            estimate, output, attributes=attributes, overwrite=overwrite, progress=bar.update
        )


def _table(known: list[Determined]) -> str:
    lines = [f"{'components':<12}{'area':>8}{'standard error':>18}{'condition':>12}"]
    for row in known:
        error = f"{row.standard_error:.2g} m s-1" if row.standard_error >= 0 else "–"
        condition = f"{row.condition:.2g}" if row.condition >= 1 else "–"
        lines.append(f"{row.components:<12}{row.area:>8.1%}{error:>18}{condition:>12}")
    return "\n".join(lines)
