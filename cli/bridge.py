"""`co2phys bridge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from co2net_phys.cli import console
from co2net_phys.cli.train_options import is_given
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.data.store import TrainingStore
    from co2net_phys.fluxes.bridges import Bridge

OF_KIND = {
    "regional": {"nee", "candidates", "clusters", "threshold", "seed"},
    "physics": {"data", "stations", "truncation", "memory_days", "months"},
}
"""Options that only one kind of bridge has."""


def command(
    context: typer.Context,
    kind: Annotated[
        Literal["regional", "physics"],
        typer.Option(help="From pixels to regional sums, or through transport to stations."),
    ],
    output: Annotated[
        Path, typer.Option(help="File to write: .json if regional, else .nc or .zarr.")
    ],
    nee: Annotated[
        list[Path] | None,
        typer.Option(help="Regional: NEE of all land to fit to; repeat for more of one grid."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Physics: folder with stations.zarr, with winds, and background.nc."),
    ] = None,
    candidates: Annotated[
        int, typer.Option(min=2, help="Regional: pixels of a region to choose from.")
    ] = 100,
    clusters: Annotated[
        int, typer.Option(min=1, help="Regional: kinds of pixels in a region.")
    ] = 8,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Regional: R² that a bridge must reach.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Regional: of the draw of candidates.")] = 0,
    stations: Annotated[
        str | None, typer.Option(help="Physics: CODE,… of the stations; default all.")
    ] = None,
    truncation: Annotated[
        int | None,
        typer.Option(min=5, max=127, help="Physics: T; default that of the winds, at most 21."),
    ] = None,
    memory_days: Annotated[
        float, typer.Option(min=1, help="Physics: days before a month that it still knows of.")
    ] = 20.0,
    months: Annotated[
        int | None, typer.Option(min=1, help="Physics: the first so many; default all there are.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Make the bridge from land to air that `train --model ec-atm` or `ec-stations` needs.

    A regional bridge is a sparse sum over a few pixels, fitted to the NEE of another model. A
    physics bridge holds what the winds make of a flux at stations, month by month.
    """
    from co2net_phys.data.atomic import prepare_target, refuse_replacing_input

    for other, names in OF_KIND.items():
        useless = sorted(name for name in names if other != kind and is_given(context, name))
        if useless:
            option = useless[0].replace("_", "-")
            raise UsageError(f"--{option} has no effect with --kind {kind}; leave it out")
    refuse_replacing_input(output, data, *(nee or []))
    if not dry_run:
        prepare_target(output, overwrite=overwrite)
    if kind == "regional":
        _regional(nee or [], output, context.params)
    else:
        _physics(data, output, context.params)


def _regional(nee: list[Path], output: Path, params: dict[str, Any]) -> None:
    from co2net_phys.data.kinds import NEE
    from co2net_phys.data.opening import open_dataset
    from co2net_phys.fluxes.bridge_fitting import BridgeSettings, fit_bridges
    from co2net_phys.fluxes.bridges import write_bridges
    from co2net_phys.fluxes.prior_nee import PriorNee
    from co2net_phys.fluxes.schema import REGION_CODES

    if not nee:
        raise UsageError("--nee: give the NEE to fit to, such as that of `--model ec`")
    if output.suffix != ".json":
        raise UsageError(f"--output {output}: regional bridges are a .json file")
    prior = PriorNee([open_dataset(path, NEE) for path in nee], " ".join(map(str, nee)))
    names = ("candidates", "clusters", "threshold", "seed")
    settings = BridgeSettings(**{name: params[name] for name in names})
    if params["dry_run"]:
        days = sum(store.sizes["time"] for store in prior.stores)
        _plan({"regions": len(REGION_CODES), "days": days}, params["as_json"])
        return
    with console.progress("bridge", len(REGION_CODES)) as bar:
        bridges = fit_bridges(prior, settings, bar.update)
    write_bridges(output, bridges, overwrite=params["overwrite"])
    result = {"output": str(output), "regions": {one.region: _facts(one) for one in bridges}}
    lines = [f"{'':<6}{'pixels':>8}{'of':>6}{'R²':>8}{'test R²':>9}"]
    lines += [
        f"{one.region:<6}{len(one.coefficients):8d}{one.candidates:6d}{one.training_r2:8.3f}"
        f"{one.test_r2:9.3f}"
        for one in bridges
    ]
    console.give(result, params["as_json"], "\n".join([*lines, f"wrote {output}"]))


def _facts(bridge: Bridge) -> dict[str, Any]:
    return {
        "pixels": len(bridge.coefficients),
        "candidates": bridge.candidates,
        "training_r2": bridge.training_r2,
        "test_r2": bridge.test_r2,
    }


def _physics(data: Path | None, output: Path, params: dict[str, Any]) -> None:
    from co2net_phys.data.writer import is_zarr_path
    from co2net_phys.fluxes.physics_bridge import bridged_months, physics_bridge
    from co2net_phys.fluxes.physics_bridge_file import write_physics_bridge
    from co2net_phys.fluxes.transport import known_transport
    from co2net_phys.fluxes.world_folder import WorldFolder

    if data is None:
        raise UsageError("--data: give the folder with stations.zarr and background.nc")
    is_zarr_path(output)
    folder = WorldFolder(data)
    model, known = known_transport(folder.stations(), folder.background(), params["truncation"])
    chosen = model.store.station_indices(_codes(params["stations"], model.store))
    months = bridged_months(model.store, params["memory_days"])[: params["months"]]
    plan = {"months": len(months), "stations": len(chosen)}
    plan |= {"truncation": model.harmonics.truncation}
    if params["dry_run"]:
        _plan(plan, params["as_json"])
        return
    with console.progress("bridge", len(months)) as bar:
        bridge = physics_bridge(
            model, chosen, known, memory_days=params["memory_days"], months=len(months),
            progress=bar.update,
        )  # fmt: skip
    write_physics_bridge(output, bridge, overwrite=params["overwrite"])
    text = f"wrote {output}: {len(months)} months at {len(chosen)} stations"
    console.give({"output": str(output), **plan}, params["as_json"], text)


def _codes(stations: str | None, store: TrainingStore) -> list[str]:
    """Codes of the stations that are asked for; default all."""
    known = [one.code for one in store.stations]
    codes = [code.strip() for code in (stations or "").split(",") if code.strip()]
    for code in codes:
        if code not in known:
            raise UsageError(
                f"--stations {code}: {store.source} has no such station; choose from "
                f"{', '.join(known)}"
            )
    return codes or known


def _plan(plan: dict[str, Any], as_json: bool) -> None:
    console.give(plan, as_json, console.rows({**plan, "written": "nothing (dry run)"}))
