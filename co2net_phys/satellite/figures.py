"""Pictures of the satellite fusion: what random splits leak, prediction, period maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from co2net_phys.data.cells import cell_bounds, latitude_bounds
from co2net_phys.errors import UsageError
from co2net_phys.figures import CO2_UNITS
from co2net_phys.plotting import (
    LABEL_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    add_colour_bar,
    declutter,
    robust_limits,
    set_titles,
)
from co2net_phys.satellite.points import Floats
from co2net_phys.satellite.statistics import DailyMeans, is_part_of_a_year

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1a1a1a")
_MARKERS = "osD^vP*"

MOST_CELLS = 400
"""Drawn of a map in one direction."""

SPLITS: Mapping[str, str] = {
    "sample": "random samples",
    "day": "whole days",
    "week": "whole weeks",
    "month": "whole months",
    "pass": "whole passes",
    "tile": "whole tiles of the map",
}
"""What each scheme leaves out, as axes say it."""


def leak_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """RMSE with its interval by what is left out, one mark for each method.

    Args:
        rows: of `crossvalidation.score_rows`.

    Raises
    ------
    UsageError
        There is no row.
    """
    if not rows:
        raise UsageError("no score to draw: cross-validate one method or more")
    schemes = list(dict.fromkeys(row["scheme"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure = Figure(figsize=(8.6, 0.7 * len(schemes) + 1.6), layout="constrained")
    axes = figure.add_subplot()
    for i, method in enumerate(methods):
        chosen = [row for row in rows if row["method"] == method]
        value, low, high = (
            np.array([row["rmse"][end] for row in chosen]) for end in ("value", "low", "high")
        )
        shift = 0.6 * ((i + 0.5) / len(methods) - 0.5)
        place = [len(schemes) - 1 - schemes.index(row["scheme"]) - shift for row in chosen]
        axes.errorbar(
            value, place, xerr=np.nan_to_num(np.stack([value - low, high - value]).clip(0)),
            fmt=_MARKERS[i % len(_MARKERS)], color=_COLOURS[i % len(_COLOURS)],
            markersize=5, linewidth=1.2, label=method,
        )  # fmt: skip
    axes.set_yticks(range(len(schemes))[::-1], [SPLITS[scheme] for scheme in schemes])
    axes.set_xlim(left=0)
    axes.set_xlabel(f"RMSE of XCO₂ ({CO2_UNITS}), 95 % interval", fontsize=LABEL_SIZE)
    axes.legend(frameon=False, fontsize=TICK_SIZE, loc="center left", bbox_to_anchor=(1.0, 0.5))
    set_titles(axes, "Error by what is left out of the training")
    declutter(axes)
    return figure


def agreement_figure(observed: Floats, predicted: Floats, title: str) -> Figure:
    """Number of samples by observed and predicted XCO2 (n,), with the line of equality."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    both = np.concatenate([observed, predicted])
    ends = float(np.nanmin(both)), float(np.nanmax(both))
    known = np.isfinite(predicted)
    counts, *edges = np.histogram2d(observed[known], predicted[known], 80, [ends, ends])
    shown = np.ma.masked_equal(counts.T, 0)
    mesh = axes.pcolormesh(*edges, shown, cmap="viridis", norm=LogNorm(1, max(2, counts.max())))
    axes.plot(ends, ends, "--", color="0.4", linewidth=1.0)
    bar = figure.colorbar(mesh, ax=axes)
    bar.set_label("samples", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    axes.set_xlabel(f"observed XCO₂ ({CO2_UNITS})", fontsize=LABEL_SIZE)
    axes.set_ylabel(f"predicted XCO₂ ({CO2_UNITS})", fontsize=LABEL_SIZE)
    axes.set_aspect("equal")
    set_titles(axes, title)
    declutter(axes)
    return figure


def period_figure(maps: xr.DataArray, title: str) -> Figure:
    """Maps (period, latitude, longitude) of a region on one colour scale, one panel each.

    Periods without a value are left out. A year has the number of its days in its title where the
    coordinate "annual_days" says that some are missing.

    Raises
    ------
    UsageError
        No period has a value.
    """
    periods = str(maps.dims[0])
    known = [part for _, part in maps.groupby(periods, squeeze=False) if part.notnull().any()]
    if not known:
        raise UsageError(f"no {periods} with a value to draw")
    order = [part for label in maps[periods].values for part in known if label in part[periods]]
    columns = min(4, len(order))
    lines = -(-len(order) // columns)
    height = 3.2 * maps.sizes["latitude"] / maps.sizes["longitude"] + 0.5
    figure = Figure(figsize=(3.2 * columns + 0.8, height * lines + 0.6), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    limits = robust_limits(maps.values)
    for panel, part in zip(panels, order, strict=False):
        mesh = _draw_region(panel, part[0], limits)
        set_titles(panel, _period_name(part))
    for panel in panels[len(order) :]:
        panel.set_axis_off()
    add_colour_bar(figure, mesh, list(panels), CO2_UNITS, maps.values, vertical=True)
    figure.suptitle(title, fontsize=TITLE_SIZE + 2, fontweight="bold")
    return figure


def _period_name(part: xr.DataArray) -> str:
    """Label of the only period of some maps."""
    label = part[part.dims[0]].values[0]
    days = int(part["annual_days"].values[0]) if "annual_days" in part.coords else None
    is_part = days is not None and is_part_of_a_year(int(label), days)
    return f"{label} ({days} days)" if is_part else str(label)


def thinned(maps: xr.DataArray) -> xr.DataArray:
    """Read every so many rows and columns of maps: a picture shows no more than its pixels."""
    step = -(-max(maps.sizes["latitude"], maps.sizes["longitude"]) // MOST_CELLS)
    start = step // 2
    part = {name: slice(start, None, step) for name in ("latitude", "longitude")}
    return maps.isel(part).load()


def growth_figure(series: DailyMeans, title: str) -> Figure:
    """The region's mean day by day, and the mean of every month."""
    figure = Figure(figsize=(8.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    months, index = np.unique(series.days.astype("datetime64[M]"), return_inverse=True)
    known = np.isfinite(series.mean)
    with np.errstate(invalid="ignore"):
        monthly = np.bincount(index[known], series.mean[known], len(months)) / np.bincount(
            index[known], minlength=len(months)
        )
    middle = months.astype("datetime64[D]") + np.timedelta64(14, "D")
    axes.plot(series.days, series.mean, color=_COLOURS[5], linewidth=0.7, label="day")
    axes.plot(middle, monthly, "o-", color=_COLOURS[0], markersize=3, linewidth=1.4, label="month")
    axes.set_ylabel(f"mean XCO₂ ({CO2_UNITS})", fontsize=LABEL_SIZE)
    axes.legend(frameon=False, fontsize=TICK_SIZE)
    set_titles(axes, title)
    declutter(axes)
    return figure


def _draw_region(axes: Axes, field: xr.DataArray, limits: tuple[float, float]) -> Any:
    """Draw a field of a region in degrees; cells without a value are grey."""
    mesh = axes.pcolormesh(
        cell_bounds(field["longitude"].values), latitude_bounds(field["latitude"].values),
        field.values, cmap="viridis", vmin=limits[0], vmax=limits[1], rasterized=True,
    )  # fmt: skip
    axes.set_facecolor("0.85")
    axes.set_aspect(1 / np.cos(np.radians(float(field["latitude"].mean()))))
    axes.tick_params(labelsize=TICK_SIZE, length=3, color="0.4")
    axes.xaxis.set_major_formatter("{x:g}°E")
    axes.yaxis.set_major_formatter("{x:g}°N")
    return mesh
