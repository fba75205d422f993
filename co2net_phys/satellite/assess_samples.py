"""Maps against samples of satellites: those learned from, and those that ended the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from co2net_phys.assessed import Assessed
from co2net_phys.errors import DataError
from co2net_phys.report import Heading, Paragraph, Picture, Section, Table
from co2net_phys.satellite.crossvalidation import JUDGED_BY
from co2net_phys.satellite.figures import agreement_figure, growth_figure
from co2net_phys.satellite.folds import block_labels
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.points import Floats, Integers, Samples
from co2net_phys.satellite.scores import SCORES, scores
from co2net_phys.satellite.statistics import DailyMeans, daily_means, summary
from co2net_phys.satellite.statistics_text import statistics_tables

OPTIMISTIC = (
    "Validation samples chose the best epoch, so their errors are optimistic; the error on days "
    "that a network has not seen at all comes from co2phys crossvalidate --samples"
)


def assess(maps: DailyMaps, samples: Samples, parts: Mapping[str, Integers]) -> Assessed:
    """Score maps at samples.

    Args:
        maps: daily maps of a fusion.
        samples: what satellites saw; those outside the maps are left out.
        parts: positions of samples by the name of their part, the main one first.

    Raises
    ------
    DataError
        No sample lies on the maps.
    """
    found = at_samples(maps, samples)
    if not np.isfinite(found).any():
        raise DataError(
            f"{maps.source}: no sample of {samples.origin} lies on the maps; reconstruct the "
            "region and days of the samples"
        )
    by_part = {name: _scores(samples, found, positions) for name, positions in parts.items()}
    series = daily_means(maps)
    statistics = summary(series)
    main = next(iter(by_part.values()))
    values: dict[str, Any] = {
        **{name: main[name]["value"] for name in SCORES},
        "coverage": statistics["coverage"],
        "samples": by_part,
        "statistics": statistics,
    }
    return Assessed(values, _text(by_part), _sections(samples, found, values, series))


def at_samples(maps: DailyMaps, samples: Samples) -> Floats:
    """XCO2 (n,) of the maps in the cells and days of samples, NaN where the maps have none."""
    row, column, inside = maps.region.cells(samples.latitude, samples.longitude)
    day = np.searchsorted(maps.days, samples.time).clip(0, len(maps.days) - 1)
    inside &= maps.days[day] == samples.time
    place = np.stack([day, row, column])
    found = np.full(len(samples), np.nan)
    for tile in maps.tiles():
        first = np.array([part.start for part in tile])[:, None]
        last = np.array([part.stop for part in tile])[:, None]
        here = np.flatnonzero(inside & ((place >= first) & (place < last)).all(axis=0))
        if here.size:
            found[here] = maps(tile)[tuple(place[:, here] - first)]
    return found


def _scores(samples: Samples, found: Floats, positions: Integers) -> dict[str, Any]:
    """Scores of a part, of the samples where the maps have a value."""
    known = positions[np.isfinite(found[positions])]
    nothing = {"value": float("nan"), "low": float("nan"), "high": float("nan")}
    if known.size == 0:
        return {"n": 0, **dict.fromkeys(SCORES, nothing)}
    weeks = block_labels(samples, JUDGED_BY)[known]
    return scores(samples.xco2[known], found[known], weeks)


def _sections(
    samples: Samples, found: Floats, values: Mapping[str, Any], series: DailyMeans
) -> list[Section]:
    table = Table(
        ["samples", "n", *SCORES],
        [
            [name, row["n"], *(row[score]["value"] for score in SCORES)]
            for name, row in values["samples"].items()
        ],
        caption="Maps against samples (RMSE, MAE and bias in ppm)",
        decimals=3,
    )
    warning = [Paragraph(f"{OPTIMISTIC}.")] if "validation" in values["samples"] else []
    return [
        *warning,
        Paragraph("The noise of the soundings is part of all errors."),
        table,
        Picture(agreement_figure(samples.xco2, found, "All samples"), "Maps against samples"),
        Heading("Means and growth"),
        *statistics_tables({"maps": values["statistics"]}),
        Picture(growth_figure(series, "Mean of the maps"), "Daily and monthly means"),
    ]


def _text(parts: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"{'samples':<14}{'n':>8}" + "".join(f"{name:>9}" for name in SCORES) + "   (ppm)"]
    for name, row in parts.items():
        numbers = "".join(f"{row[score]['value']:9.3f}" for score in SCORES)
        lines.append(f"{name:<14}{row['n']:>8}{numbers}")
    if "validation" in parts:
        lines.append(f"{OPTIMISTIC}.")
    return "\n".join(lines)
