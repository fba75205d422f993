"""The methods of a comparison at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from co2net_phys.figures import CO2_UNITS

GLOBE, SITES = "#0072b2", "#d55e00"  # Okabe–Ito blue and vermillion
ROW_INCHES = 0.34


def comparison_figure(found: Mapping[str, Any]) -> Figure:
    """RMSE of every method on the globe and at held-out stations, the best one on top.

    Bars are standard deviations over the seeds.

    Args:
        found: from `co2net_phys.comparison.results.summary`.
    """
    rows = [row for row in found["rows"] if "regions" in row]
    rows.sort(key=lambda row: -row["regions"]["global"]["rmse"]["mean"])
    figure = Figure(figsize=(8.6, 1.6 + ROW_INCHES * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    globe = [row["regions"]["global"]["rmse"] for row in rows]
    sites = [row["stations"]["held_out"]["rmse"] for row in rows]
    _points(axes, globe, 0.08, GLOBE, "o", "globe")
    _points(axes, sites, -0.08, SITES, "s", "held-out stations")
    axes.set_yticks(range(len(rows)), [row["method"] for row in rows])
    axes.set_xlabel(f"RMSE ({CO2_UNITS})")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    times = found["times"]
    axes.set_title(f"{times['count']} maps, {times['first'][:10]} to {times['last'][:10]}")
    return figure


def _points(
    axes: Axes,
    values: list[Mapping[str, Any]],
    offset: float,
    colour: str,
    marker: str,
    label: str,
) -> None:
    heights = [number + offset for number in range(len(values))]
    spread = [value["spread"] or 0.0 for value in values]
    means = [value["mean"] for value in values]
    axes.errorbar(
        means, heights, xerr=spread, fmt=marker, color=colour, label=label, markersize=5, capsize=2
    )
