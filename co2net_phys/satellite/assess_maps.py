"""Maps against true maps: errors, coverage, the gain over each satellite alone, statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from co2net_phys.assessed import Assessed
from co2net_phys.report import Heading, Paragraph, Picture, Section, Table
from co2net_phys.satellite.figures import growth_figure
from co2net_phys.satellite.gain import FUSION, Field, field_of, gain_rows
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.points import Samples
from co2net_phys.satellite.schema import SENSORS
from co2net_phys.satellite.single_satellite import GriddedSoundings, InverseDistance, of_sensor
from co2net_phys.satellite.statistics import daily_means, summary
from co2net_phys.satellite.statistics_text import statistics_tables


def assess(maps: DailyMaps, truth: DailyMaps, stores: Mapping[str, Samples]) -> Assessed:
    """Score maps, and what satellites alone say, against a truth of the same cells.

    Args:
        maps: daily maps of a fusion.
        truth: true maps, perhaps of a larger region and more days.
        stores: samples of satellites by the name of their store.

    Raises
    ------
    DataError
        The truth lacks cells or days of the maps.
    """
    true = truth.where(maps)
    fields: dict[str, Field] = {FUSION: maps, **_alone(stores, maps)}
    rows = gain_rows(true, fields, maps.tile_size)
    series = {FUSION: daily_means(maps), "truth": daily_means(true, maps.tile_size)}
    statistics = {name: summary(means) for name, means in series.items()}
    by_field = {row.pop("field"): row for row in rows}
    main = by_field[FUSION]
    scores = {
        **dict(zip(("days", "rows", "columns"), maps.shape, strict=True)),
        "rmse": main["rmse"]["value"],
        "bias": main["bias"],
        "coverage": main["coverage"],
        "fields": by_field,
        "statistics": statistics,
    }
    sections = [
        Paragraph(f"{maps.shape[0]} days of {maps.shape[1]} × {maps.shape[2]} cells."),
        _table(by_field),
        Paragraph(
            "Soundings stand in the cells and days where they are; interpolated are maps of one "
            "satellite alone. The last columns compare in the cells of the row: equal coverage."
        ),
        Heading("Means and growth"),
        *statistics_tables(statistics),
        Heading("Course"),
        Picture(growth_figure(series[FUSION], "Fusion"), "Daily and monthly mean of the maps"),
        Picture(growth_figure(series["truth"], "Truth"), "Daily and monthly mean of the truth"),
    ]
    return Assessed(scores, _text(scores), sections)


def _alone(stores: Mapping[str, Samples], maps: DailyMaps) -> dict[str, Field]:
    """What each satellite of each store says alone: its soundings, and their simplest map."""
    found: dict[str, Field] = {}
    region = maps.region
    for store, samples in stores.items():
        for sensor, code in SENSORS.items():
            alone = of_sensor(samples, code)
            if len(alone) == 0:
                continue
            name = sensor if f"{sensor} soundings" not in found else f"{store} {sensor}"
            found[f"{name} soundings"] = GriddedSoundings(alone, region, maps.days)
            interpolated = InverseDistance().fit(alone)
            found[f"{name} interpolated"] = field_of(interpolated, region, maps.days)
    return found


def _table(rows: Mapping[str, Mapping[str, Any]]) -> Section:
    columns = ["field", "coverage, %", "RMSE, ppm", "95 %", "bias, ppm"]
    columns += ["fusion there, ppm", "gain, %", "95 % of the gain"]
    return Table(
        columns,
        [
            [
                name,
                100 * row["coverage"],
                row["rmse"]["value"],
                _between(row["rmse"], 1),
                row["bias"],
                row["fusion_rmse"],
                100 * row["gain"]["value"],
                _between(row["gain"], 100),
            ]
            for name, row in rows.items()
        ],
        caption="Errors against the truth, cells weighted by area",
        decimals=3,
    )


def _between(interval: Mapping[str, float], factor: float) -> str:
    return f"{factor * interval['low']:.3g} to {factor * interval['high']:.3g}"


def _text(scores: Mapping[str, Any]) -> str:
    lines = [
        f"{scores['days']} days of {scores['rows']} × {scores['columns']} cells",
        f"{'':<22}{'coverage':>9}{'RMSE':>8}{'95 %':>15}{'bias':>8}{'fusion':>8}{'gain':>8}",
        f"{'':<22}{'%':>9}{'ppm':>8}{'':>15}{'ppm':>8}{'there':>8}{'%':>8}",
    ]
    for name, row in scores["fields"].items():
        lines.append(
            f"{name:<22}{100 * row['coverage']:9.2f}{row['rmse']['value']:8.3f}"
            f"{_between(row['rmse'], 1):>15}{row['bias']:8.3f}{row['fusion_rmse']:8.3f}"
            f"{100 * row['gain']['value']:8.1f}"
        )
    means = (f"{name} {found['mean']:.2f}" for name, found in scores["statistics"].items())
    lines.append(f"mean, ppm: {', '.join(means)}")
    growth = {
        name: found["growth"]["daily_means"]["value"]
        for name, found in scores["statistics"].items()
    }
    if np.isfinite(list(growth.values())).all():
        rates = (f"{name} {value:.2f}" for name, value in growth.items())
        lines.append(f"growth, ppm a year: {', '.join(rates)}")
    return "\n".join(lines)
