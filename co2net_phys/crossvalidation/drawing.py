"""Figures of a cross-validation: a map of errors, the floor, kinds of sites, and some series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from co2net_phys.crossvalidation.records import Floats
from co2net_phys.crossvalidation.running import Outcome
from co2net_phys.figures import CO2_UNITS
from co2net_phys.plotting import (
    LABEL_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    declutter,
    draw_map,
    set_titles,
)

_LARGEST_BIAS = 5.0
"""ppm at the ends of the colour bar of the map."""

_AREA_PER_PPM = 14.0
"""Square points of a mark for 1 ppm of RMSE."""

_OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours that colour-blind readers can tell apart."""

_DASHES = ("-", "--", ":", "-.")


def error_map(outcome: Outcome, name: str) -> Figure:
    """Mean error (colour) and RMSE (area) of a method at every site."""
    errors, count = outcome.errors(name), len(outcome.records.series)
    bias, rmse = np.full(count, np.nan), np.full(count, np.nan)
    for row in range(count):
        mine = errors[outcome.records.rows == row]
        mine = mine[np.isfinite(mine)]
        if mine.size:
            bias[row], rmse[row] = mine.mean(), np.sqrt((mine**2).mean())
    figure = Figure(figsize=(9.4, 5.0), layout="constrained")
    axes = figure.add_subplot()
    nothing = np.full((90, 180), np.nan)
    draw_map(axes, nothing, np.arange(-89.0, 90, 2), np.arange(-179.0, 180, 2), (0.0, 1.0))
    axes.set_facecolor("white")
    order = np.argsort(-np.nan_to_num(rmse))  # small marks on top of large ones
    marks = axes.scatter(
        outcome.records.longitude[order],
        outcome.records.latitude[order],
        s=6 + _AREA_PER_PPM * np.nan_to_num(rmse)[order],
        c=bias[order],
        cmap="RdBu_r",
        vmin=-_LARGEST_BIAS,
        vmax=_LARGEST_BIAS,
        edgecolor="black",
        linewidth=0.5,
        zorder=3,
        clip_on=False,
    )
    bar = figure.colorbar(marks, ax=axes, extend="both", shrink=0.82, aspect=28, pad=0.02)
    bar.set_label(f"mean of predicted − observed ({CO2_UNITS})", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    keys = [
        Line2D([], [], marker="o", linestyle="", markerfacecolor="white", markeredgecolor="black",
               markersize=np.sqrt(6 + _AREA_PER_PPM * size), label=f"{size:g}")
        for size in (1, 3, 6)
    ]  # fmt: skip
    axes.legend(
        handles=keys, title="RMSE (ppm)", loc="lower left", ncols=3, fontsize=TICK_SIZE,
        title_fontsize=TICK_SIZE, framealpha=0.9,
    )  # fmt: skip
    set_titles(axes, f"Sites left out: {outcome.labels[name]}")
    return figure


def floor_figure(shares: Sequence[Mapping[str, object]], curves: Mapping[str, Floats]) -> Figure:
    """Shares of the squared error of the worst sites, and RMSE without the worst n sites.

    Args:
        shares: "site" and "share_of_squared_error", worst first.
        curves: by label, the RMSE (n + 1,) without the 0, 1, … n worst sites.
    """
    figure = Figure(figsize=(10.0, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    sites = [str(row["site"]) for row in shares]
    percent = [100 * float(str(row["share_of_squared_error"])) for row in shares]
    left.bar(sites, percent, color=_OKABE_ITO[0])
    left.tick_params(axis="x", rotation=70)
    left.set_ylabel("share of squared error (%)", fontsize=LABEL_SIZE)
    set_titles(left, "Sites that hold the floor")
    for i, (label, curve) in enumerate(curves.items()):
        colour, dash = _OKABE_ITO[i % len(_OKABE_ITO)], _DASHES[i % len(_DASHES)]
        right.plot(np.arange(curve.size), curve, dash, color=colour, linewidth=1.6, label=label)
    right.set_xlabel("worst sites not counted", fontsize=LABEL_SIZE)
    right.set_ylabel(f"RMSE of the others ({CO2_UNITS})", fontsize=LABEL_SIZE)
    right.set_ylim(bottom=0)
    right.legend(frameon=False, fontsize=TICK_SIZE)
    set_titles(right, "Without the worst sites")
    for axes in (left, right):
        declutter(axes)
    return figure


def kinds_figure(kinds: Mapping[str, Mapping[str, float]], labels: Sequence[str]) -> Figure:
    """Median absolute error by kind of site, one mark for each method.

    Args:
        kinds: by kind, the score of each method by its label.
        labels: the methods to show.
    """
    names = list(kinds)
    figure = Figure(figsize=(8.6, 0.34 * len(names) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(len(names))[::-1]
    markers = "osD^vP"
    for i, label in enumerate(labels):
        values = [kinds[name].get(label, np.nan) for name in names]
        axes.plot(
            values, place, markers[i % len(markers)], color=_OKABE_ITO[i % len(_OKABE_ITO)],
            markersize=6, label=label,
        )  # fmt: skip
    axes.set_yticks(place, names)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"median absolute error ({CO2_UNITS})", fontsize=LABEL_SIZE)
    axes.legend(frameon=False, fontsize=TICK_SIZE, loc="best")
    set_titles(axes, "By kind of site")
    declutter(axes)
    return figure


def series_figure(outcome: Outcome, rows: Sequence[int], names: Sequence[str]) -> Figure:
    """Measured and predicted CO2 of some series, one panel each; stated errors of ±1 shaded."""
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.3 * lines + 0.8), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, squeeze=False).ravel()
    for panel in panels[len(rows) :]:
        panel.set_axis_off()
    year = outcome.records.months.astype("datetime64[M]").astype(int) / 12 + 1970
    for panel, row in zip(panels, rows, strict=False):
        panel.plot(year, outcome.records.table[row], ".", color="#1a1a1a", markersize=4,
                   label="observed")  # fmt: skip
        for i, name in enumerate(names):
            found, colour = outcome.predictions[name], _OKABE_ITO[i % len(_OKABE_ITO)]
            guess = _by_month(outcome, row, found.values)
            panel.plot(year, guess, _DASHES[i % len(_DASHES)], color=colour, linewidth=1.3,
                       label=outcome.labels[name])  # fmt: skip
            if found.standard_errors is not None:
                spread = _by_month(outcome, row, found.standard_errors)
                panel.fill_between(year, guess - spread, guess + spread, color=colour, alpha=0.15)
        series = outcome.records.series[row]
        name = "" if series.site_name == series.site else series.site_name[:24]
        set_titles(panel, f"{series.site}  {name}".rstrip())
        declutter(panel)
    figure.supylabel(f"CO₂ ({CO2_UNITS})", fontsize=LABEL_SIZE)
    figure.suptitle("Sites that were left out", fontsize=TITLE_SIZE + 2, fontweight="bold")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=LABEL_SIZE
    )
    return figure


def _by_month(outcome: Outcome, row: int, values: Floats) -> Floats:
    """Values (M,) of one series, of those (n,) of all records; NaN where it has no record."""
    records = outcome.records
    found = np.full(records.months.size, np.nan)
    mine = records.rows == row
    found[records.columns[mine]] = values[mine]
    return found
