"""The tables of a report on scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from co2net_phys.report import Cell, Table

Scores = Mapping[str, Any]

SHOWN_SITES = 400
"""Lines of the table of sites; the CSV file has them all."""


def region_table(scores: Scores, units: str) -> Table:
    """Scores of the globe and the regions with their intervals."""
    shown = ("rmse", "acc", "bias", "mae", "correlation")
    header = (f"RMSE ({units})", "ACC", f"bias ({units})", f"MAE ({units})", "correlation")
    return Table(
        columns=["region", *_with_intervals(header)],
        rows=[
            [name, *_values(row, shown)]
            for name, row in {"global": scores, **scores["regions"]}.items()
        ],
        caption="Area-weighted; intervals hold 95 % of bootstrap replicates by blocks of time.",
        decimals=3,
    )


def station_table(groups: Scores, units: str) -> Table:
    """Pooled scores of each group of stations."""
    shown = ("rmse", "median_abs_error", "bias", "correlation", "r2")
    header = (
        *(f"RMSE ({units})", f"median |error| ({units})", f"bias ({units})"),
        *("correlation", "R²"),
    )
    return Table(
        columns=["stations", *_with_intervals(header), "sites", "observations"],
        rows=[
            [
                name.replace("_", " "),
                *_values(group["pooled"], shown),
                len(group["sites"]),
                group["pooled"]["n"],
            ]
            for name, group in groups.items()
        ],
        caption="All observations of a group together; intervals hold 95 % of bootstrap replicates "
        "that draw whole sites.",
        decimals=3,
    )


def site_table(groups: Scores, units: str) -> Table:
    """Scores of every site, the worst of each group first."""
    shown = ("rmse", "median_abs_error", "bias")
    header = (f"RMSE ({units})", f"median |error| ({units})", f"bias ({units})")
    rows: list[list[Cell]] = []
    for name, group in groups.items():
        sites = group["sites"]
        for code in sorted(sites, key=lambda code: -sites[code]["rmse"]):
            site = sites[code]
            place = f"{_degrees(site['latitude'], 'NS')} {_degrees(site['longitude'], 'EW')}"
            rows.append(
                [
                    *(code, site["name"], place, name.replace("_", " ")),
                    *_values(site, shown),
                    *(site["correlation"], site["r2"], site["n"]),
                ]
            )
    left_out = f" The first {SHOWN_SITES} of {len(rows)}." if len(rows) > SHOWN_SITES else ""
    return Table(
        columns=[
            *("site", "name", "place", "stations"),
            *_with_intervals(header),
            *("correlation", "R²", "observations"),
        ],
        rows=rows[:SHOWN_SITES],
        caption="Intervals by blocks of time; none below 20 observations." + left_out,
        decimals=2,
    )


def trend_table(trends: Mapping[str, Scores], units: str) -> Table:
    """Growth and yearly cycle of truth and prediction, by the name of the place."""
    per_year = f"{units} a⁻¹"
    return Table(
        columns=[
            *("place", f"growth, truth ({per_year})", "±", f"prediction ({per_year})", "±"),
            *(f"amplitude, truth ({units})", f"prediction ({units})"),
            *("maximum, truth (day of year)", "prediction comes later by (days)"),
        ],
        rows=[
            [
                name,
                *(row["truth"]["growth"], row["truth"]["growth_error"]),
                *(row["prediction"]["growth"], row["prediction"]["growth_error"]),
                *(row["truth"]["amplitude"], row["prediction"]["amplitude"]),
                *(row["truth"]["day_of_maximum"], row["phase_difference"]),
            ]
            for name, row in trends.items()
        ],
        caption="A straight line and two harmonics of the year, fitted to the means; ± is one "
        "standard error.",
        decimals=2,
    )


def event_table(events: Mapping[str, Scores], units: str) -> Table:
    """How the prediction follows the change that each event is about."""
    return Table(
        columns=[
            *("event", "times", f"RMSE ({units})", f"bias ({units})", "correlation"),
            *(f"change of the truth ({units})", "predicted share of it", "late by (time steps)"),
        ],
        rows=[
            [
                *(name, row["times"], row["rmse"], row["bias"], row["correlation"]),
                *(row["amplitude"], row["amplitude_ratio"], row["timing_error"]),
            ]
            for name, row in events.items()
        ],
        caption="Of the mean over the box.",
    )


def stated_error_table(stated: Mapping[str, Scores], units: str) -> Table:
    """Quality of stated standard errors, by the name of the place."""
    levels = list(next(iter(stated.values()))["coverage"])
    return Table(
        columns=[
            *("where", f"CRPS ({units})", f"spread ({units})", "spread/error"),
            *(f"inside {level} % (%)" for level in levels),
        ],
        rows=[
            [
                *(name, row["crps"], row["spread"], row["spread_skill_ratio"]),
                *(100 * row["coverage"][level] for level in levels),
            ]
            for name, row in stated.items()
        ],
    )


def _with_intervals(header: tuple[str, ...]) -> list[str]:
    return [column for name in header for column in (name, "95 %")]


def _values(row: Scores, shown: tuple[str, ...]) -> list[Cell]:
    """Each score and its interval."""
    cells: list[Cell] = []
    for name in shown:
        ends = row.get("intervals", {}).get(name)
        low_high = "{:.2f} … {:.2f}".format(*ends).replace("-", "−") if ends else None
        cells += [row[name], low_high]
    return cells


def _degrees(value: float, sides: str) -> str:
    return f"{abs(value):.1f}°{sides[value < 0]}"
