"""What the commands do with flux models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from co2net_phys.assessed import Assessed
from co2net_phys.data.atomic import is_zarr_store
from co2net_phys.devices import choose_device
from co2net_phys.distributed import Team
from co2net_phys.errors import DataError, UsageError
from co2net_phys.fluxes.assessing import (
    BRIDGES,
    INVERSIONS,
    TOWERS,
    TRUTH,
    Exchange,
    Reference,
    mean_cycles,
    open_all,
)
from co2net_phys.fluxes.drivers import open_drivers
from co2net_phys.fluxes.figures import (
    efficiency_figure,
    mean_maps_figure,
    seasonal_cycle_figure,
)
from co2net_phys.fluxes.models import FluxOptions
from co2net_phys.fluxes.network import FluxNetwork
from co2net_phys.fluxes.schema import EXTRATROPICS, GLOBE, REGION_CODES, TROPICS
from co2net_phys.fluxes.scores import score_table
from co2net_phys.fluxes.task import FluxTask
from co2net_phys.fluxes.upscaling import upscale
from co2net_phys.fluxes.world_folder import WorldFolder
from co2net_phys.report import Heading, Paragraph, Picture, Section, Table
from co2net_phys.system import Request, Trained

EXAMPLES = ("BRA", "EU")
"""Regions of the figure of seasonal cycles, as in figure 3 of the paper."""

Scores = Mapping[str, Mapping[str, Any]]


def task_of(options: FluxOptions, data: Path, team: Team) -> FluxTask:
    """Return what a flux model learns from a folder; see `co2net_phys.fluxes.world_folder`."""
    return FluxTask(options, data, team)


def reconstruct(trained: Trained, data: Path, output: Path, request: Request) -> dict[str, Any]:
    """Write the NEE of all land and days of a folder, or of a store of drivers.

    Raises
    ------
    UsageError
        An option without meaning here, or models that are no flux models.
    DataError
        The drivers do not suit the models, or the output cannot be written.
    """
    request.refuse_all_but((), "a flux model")
    device = choose_device(request.device)
    models = [model.to(device) for model in trained.models if isinstance(model, FluxNetwork)]
    if len(models) < len(trained.models):
        raise UsageError("--checkpoint: no flux model; give a run of ec, ec-atm or ec-stations")
    names = models[0].config.drivers
    is_folder = data.is_dir() and not is_zarr_store(data)
    drivers = WorldFolder(data).drivers(names) if is_folder else open_drivers(data, names)
    total = len(drivers.days)
    upscale(
        models, drivers, output, attributes=request.attributes, overwrite=request.overwrite,
        progress=lambda days: request.progress(days, total),
    )  # fmt: skip
    return {"days": total, "cells": int(drivers.land.sum())}


def assess(predictions: Sequence[Path], truth: Path) -> Assessed:
    """Compare NEE with the truth, inversions, towers and bridges, as far as there are any.

    Of days, those that all predictions and the truth have.

    Raises
    ------
    DataError
        A file cannot be read, or grids or times do not agree.
    """
    reference, methods = Reference(truth), open_all(predictions)
    for method in methods[1:]:
        if not method.nee.grid.is_like(methods[0].nee.grid):
            raise DataError(
                f"{method.nee.source}: latitude, longitude: differ from {predictions[0]}; "
                "compare NEE of one grid"
            )
    methods = reference.of_same_time(methods)
    scores = {method.name: reference.scores(method) for method in methods}
    months = methods[0].monthly[1]
    period = {"first_month": str(months[0]), "last_month": str(months[-1]), "methods": scores}
    return Assessed(period, _text(scores), _sections(reference, methods, scores))


def _text(scores: Scores) -> str:
    against = TRUTH if TRUTH in next(iter(scores.values())) else INVERSIONS
    names = (GLOBE, TROPICS, EXTRATROPICS)
    lines = [
        f"against the {'true NEE' if against == TRUTH else 'mean of the inversions'}",
        f"{'':<22}" + "".join(f"{name.lower():>27}" for name in names) + f"{'towers':>9}",
        f"{'':<22}" + 3 * f"{'mean':>9}{'bias':>9}{'RMSE':>9}" + f"{'r':>9}",
        f"{'':<22}" + 3 * f"{'PgC/a':>9}{'PgC/a':>9}{'PgC/mon':>9}",
    ]
    for name, found in scores.items():
        row = f"{name:<22}"
        for place in names:
            annual, monthly = found[against][place]["annual"], found[against][place]["monthly"]
            bias = annual["mean"] - annual["reference_mean"]
            row += f"{annual['mean']:9.2f}{bias:9.2f}{monthly['rmse']:9.3f}"
        if "other" in found.get(TOWERS, {}):
            row += f"{found[TOWERS]['other']['pooled']['r']:9.3f}"
        lines.append(row)
    return "\n".join(lines)


def _sections(reference: Reference, methods: Sequence[Exchange], scores: Scores) -> list[Section]:
    first = next(iter(scores.values()))
    sections: list[Section] = [
        Paragraph("Positive NEE goes into the air. Sums are over land, PgC of carbon."),
        *_figures(reference, methods, scores),
    ]
    for kind in (TRUTH, INVERSIONS):
        if kind in first:
            title = {TRUTH: "true NEE", INVERSIONS: "the mean of the inversions"}[kind]
            by_region = {name: found[kind] for name, found in scores.items()}
            sections += [Heading(f"Against {title}"), _budget_table(by_region)]
            sections += [
                score_table(by_region, period)
                for period in ("monthly", "annual", "mean_seasonal_cycle")
            ]
    if TOWERS in first:
        sections += [
            Heading("At towers"),
            Paragraph(
                "NEE is that of the tower's cell. Towers that a model was shown in training count "
                "as well: this is how well it fits them, not how well it does without them."
            ),
            _tower_table(scores),
        ]
    if BRIDGES in first:
        sections += [
            Heading("Bridges"),
            Paragraph(
                "What bridges.json makes of a model's NEE against the sums over all of it: the "
                "uniform response is one where a bridge follows a change of the mean."
            ),
            *(_bridge_table(name, found[BRIDGES]) for name, found in scores.items()),
        ]
    return sections


def _figures(reference: Reference, methods: Sequence[Exchange], scores: Scores) -> list[Section]:
    kind = TRUTH if reference.truth is not None else INVERSIONS
    name, sums, months = reference.monthly
    common = np.isin(months, methods[0].monthly[1])  # inversions may be of a longer time
    cycle = _example_cycles(sums[common], months[common])
    cycles = {method.name: _example_cycles(*method.monthly) for method in methods}
    efficiency = {
        method: {region: found[kind][region]["normalised_nse"] for region in (GLOBE, *REGION_CODES)}
        for method, found in scores.items()
    }
    known = [] if reference.truth is None else [reference.truth]
    grid = methods[0].nee.grid
    maps = {one.name: one.mean for one in (*known, *methods) if one.nee.grid.is_like(grid)}
    places = (*EXAMPLES, GLOBE)
    return [
        Picture(
            seasonal_cycle_figure(cycle, cycles, places, name),
            f"Mean seasonal cycle of NEE in {', '.join(places)}",
        ),
        Picture(efficiency_figure(efficiency), "Efficiency of monthly NEE by region"),
        Picture(mean_maps_figure(maps, grid), "Maps of mean NEE of each method"),
    ]


def _example_cycles(
    sums: np.ndarray[Any, np.dtype[np.float64]], months: np.ndarray[Any, np.dtype[np.datetime64]]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Mean seasonal cycles (12, K) of the examples and the globe."""
    columns = [sums[:, REGION_CODES.index(code)] for code in EXAMPLES]
    return mean_cycles(np.column_stack([*columns, sums.sum(axis=1)]), months)


def _budget_table(methods: Scores) -> Table:
    """Mean exchange a year, and how much of it varies from year to year."""
    columns = ["region", "reference, PgC a-1", *(f"{name}, PgC a-1" for name in methods)]
    columns += ["IAV of the reference", *(f"IAV, {name}" for name in methods)]
    first = next(iter(methods.values()))
    rows: list[list[str | float]] = []
    for region, scores in first.items():
        found = [method[region] for method in methods.values()]
        varies = [one["interannual_variability"] for one in found]
        means = [scores["annual"]["reference_mean"], *(one["annual"]["mean"] for one in found)]
        variability = [varies[0]["reference"], *(one["predicted"] for one in varies)]
        rows.append([region, *means, *variability])
    caption = "Mean annual exchange and its interannual variability (PgC a-1)"
    return Table(columns, rows, caption, decimals=3)


def _tower_table(scores: Scores) -> Table:
    rows: list[list[str | float]] = []
    for name, found in scores.items():
        for group, towers in found[TOWERS].items():
            pooled, median = towers["pooled"], towers["median"]
            of_all = [pooled[score] for score in ("n", "r", "rmse", "bias")]
            rows.append([f"{name}, {group}", *of_all, median["r"], median["nse"]])
    columns = ["method, towers", "days", "R", "RMSE, g m-2 d-1", "bias, g m-2 d-1"]
    return Table([*columns, "median R", "median NSE"], rows, "Daily NEE at towers", decimals=3)


def _bridge_table(name: str, bridges: Mapping[str, Mapping[str, float]]) -> Table:
    rows: list[list[str | float]] = [
        [region, found["r2"], found["bias"], found["uniform_response"]]
        for region, found in bridges.items()
    ]
    columns = ["region", "R²", "bias, PgC a-1", "uniform response"]
    return Table(columns, rows, f"Bridges and the NEE of {name}", decimals=3)
