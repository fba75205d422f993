"""Annual, seasonal and monthly means and growth as tables to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from co2net_phys.report import Table
from co2net_phys.satellite.statistics import is_part_of_a_year

KINDS = {"annual": "year", "seasonal": "season", "monthly": "month"}


def statistics_tables(statistics: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """One table for each kind of period and one of the growth; a mean, days for each series.

    Args:
        statistics: of each series by name, see `statistics.summary`.
    """
    names = list(statistics)
    units = [title for name in names for title in (f"{name}, ppm", "days")]
    found = []
    for kind, period in KINDS.items():
        labels = dict.fromkeys(label for name in names for label in statistics[name][kind])
        rows = [
            [
                label,
                *(
                    statistics[name][kind].get(label, {}).get(entry)
                    for name in names
                    for entry in ("mean", "days")
                ),
            ]
            for label in labels
        ]
        found.append(Table([period, *units], rows, caption=f"{kind.capitalize()} means"))
    growth = {name: statistics[name]["growth"] for name in names}
    rows = [
        ["beside the cycle of the year", *(growth[n]["daily_means"]["value"] for n in names)],
        ["its standard error", *(growth[n]["daily_means"]["standard_error"] for n in names)],
        ["through means of whole years", *(growth[n]["annual_means"]["value"] for n in names)],
    ]
    columns = ["growth", *(f"{name}, ppm a year" for name in names)]
    return [*found, Table(columns, rows, caption="Growth", decimals=3)]


def statistics_lines(statistics: Mapping[str, Any]) -> str:
    """The statistics of one series in lines of text."""
    lines = [f"mean {statistics['mean']:.2f} ppm, {100 * statistics['coverage']:.1f} % known"]
    for kind in KINDS:
        means = (_shown(kind, name, row) for name, row in statistics[kind].items())
        lines.append(f"{kind:<10}{', '.join(means)}")
    growth = statistics["growth"]["daily_means"]
    is_known = np.isfinite(growth["value"])
    rate = f"{growth['value']:.2f} ± {growth['standard_error']:.2f} ppm a year"
    lines.append(f"growth    {rate if is_known else 'needs a longer record'}")
    return "\n".join(lines)


def _shown(kind: str, name: str, row: Mapping[str, Any]) -> str:
    """A mean, with the number of its days where it is of a part of a year."""
    is_part = kind == "annual" and is_part_of_a_year(int(name), row["days"])
    return f"{name} {row['mean']:.2f}" + (f" ({row['days']} days)" if is_part else "")
