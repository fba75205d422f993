"""The demo's report: maps, held-out stations, skill, in one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows
from co2net_phys.evaluate import station_series
from co2net_phys.figures import (
    loss_curve_figure,
    map_figure,
    station_series_figure,
    three_maps_figure,
)
from co2net_phys.metrics import latitude_weights, rmse
from co2net_phys.report import Heading, Paragraph, Picture, Section, Table, write_report

Fields = Mapping[str, NDArray[np.float32]]
Results = Mapping[str, Mapping[str, Any]]

SHOWN_STATIONS = 6
"""Held-out stations drawn: those whose observations vary most."""


def write_demo_report(
    path: Path,
    store: TrainingStore,
    windows: Windows,
    fields: Fields,
    results: Results,
    metadata: Mapping[str, Any],
    curve: list[dict[str, Any]],
) -> None:
    """Write the report; the first of `fields` is the network."""
    network = next(iter(fields))
    first, last = metadata["split"]["test"]
    sections = [
        Paragraph(
            f"An invented Earth was observed at {len(metadata['training_stations'])} stations; "
            f"every method below saw the same observations and none of them the final block, "
            f"{first} to {last}, which comes after a gap. Synthetic data: the figures compare "
            "methods, they say nothing about the real atmosphere."
        ),
        Heading("Skill on the final block"),
        _skill_table(results),
        Paragraph(_verdict(network, results)),
        Heading("Maps"),
        *_maps(store, windows, fields[network], metadata),
        Heading("Held-out stations"),
        _station_picture(store, windows, fields[network], metadata),
        Heading("Regions"),
        _region_table(results),
        Heading("Training"),
        _curve(curve),
    ]
    write_report(path, "co2phys demo: CO2 from sparse stations", sections)


def _skill_table(results: Results) -> Table:
    rows = [
        [
            name,
            result["rmse"],
            result["acc"],
            result["bias"],
            result["stations"]["held_out"]["pooled"]["rmse"],
        ]
        for name, result in results.items()
    ]
    return Table(
        columns=["method", "RMSE", "ACC", "bias", "RMSE at held-out stations"],
        rows=rows,
        caption="Area-weighted over the globe, µmol mol⁻¹; the best of each column is bold.",
        best=(None, "min", "max", "zero", "min"),
        decimals=3,
    )


def _verdict(network: str, results: Results) -> str:
    ours = results[network]["rmse"]
    rivals = {name: result["rmse"] for name, result in results.items() if name != network}
    best = min(rivals, key=lambda name: rivals[name])
    change = 100 * (ours / rivals[best] - 1)
    relation = "below" if change < 0 else "above"
    return (
        f"{network} starts from a first guess made of the same observations and claims only what "
        f"it adds: its RMSE is {abs(change):.1f} % {relation} that of the best rival, {best}."
    )


def _maps(
    store: TrainingStore, windows: Windows, field: NDArray[np.float32], metadata: Mapping[str, Any]
) -> list[Section]:
    """Truth, reconstruction, difference at the median error; and where the error is."""
    truth = store.field(CO2, windows.ends)
    weights = latitude_weights(store.latitude)
    errors = [rmse(a[None], b[None], weights) for a, b in zip(field, truth, strict=True)]
    chosen = int(np.argsort(errors)[len(errors) // 2])
    moment = str(store.times.values[windows.ends[chosen]])[:16]
    groups = {
        "training": [s for s in store.stations if s.code in metadata["training_stations"]],
        "held out": [s for s in store.stations if s.code in metadata["held_out_stations"]],
    }
    three = three_maps_figure(
        truth[chosen], field[chosen], store.latitude, store.longitude,
        "Surface CO2", stations=groups, time=moment,
    )  # fmt: skip
    size = np.sqrt(np.square(field - truth).mean(axis=0))
    error = map_figure(size, store.latitude, store.longitude, "RMS error over the final block")
    return [
        Picture(
            three,
            "Maps of the true field, its reconstruction and their difference",
            f"The time of median error, {moment} UTC.",
        ),
        Picture(error, "Map of the root-mean-square error", "Where the reconstruction errs."),
    ]


def _station_picture(
    store: TrainingStore, windows: Windows, field: NDArray[np.float32], metadata: Mapping[str, Any]
) -> Picture:
    codes = list(metadata["held_out_stations"])
    predicted, observed = station_series(field, store, windows.ends, codes)
    spread = np.nan_to_num(np.nanstd(observed, axis=0))
    shown = [int(index) for index in np.argsort(-spread)[:SHOWN_STATIONS]]
    names = {station.code: station.name for station in store.stations}
    figure = station_series_figure(
        store.times.values[windows.ends],
        {codes[index]: observed[:, index] for index in shown},
        {codes[index]: predicted[:, index] for index in shown},
        {codes[index]: names[codes[index]] for index in shown},
    )
    return Picture(
        figure,
        "Time series of observed and reconstructed CO2 at held-out stations",
        "The held-out stations that vary most; the network has never seen them.",
    )


def _region_table(results: Results) -> Table:
    regions = list(next(iter(results.values()))["regions"])
    methods = list(results)
    return Table(
        columns=["RMSE in", *methods],
        rows=[
            [region, *(results[method]["regions"][region]["rmse"] for method in methods)]
            for region in regions
        ],
        caption="µmol mol⁻¹.",
        decimals=2,
    )


def _curve(curve: list[dict[str, Any]]) -> Picture:
    rows = [row for row in curve if "validation_rmse" in row]
    figure = loss_curve_figure(
        [row["epoch"] for row in rows],
        {"validation": [row["validation_rmse"] for row in rows]},
        label="RMSE (µmol mol⁻¹)",
    )
    return Picture(figure, "Validation error by epoch", "RMSE on the validation block.")
