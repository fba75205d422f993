"""Where a prediction errs: maps of mean errors on the grid and at stations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from co2net_phys.plotting import (
    TICK_SIZE,
    add_colour_bar,
    draw_frame,
    draw_map,
    set_titles,
    symmetric_limits,
)

Floats = NDArray[np.float64]
Sites = Mapping[str, Mapping[str, Any]]
"""Scores of sites by code, each with its "latitude" and "longitude"."""

_MARKERS = ("o", "^", "s", "D")
_SIZES = (34, 40, 30, 28)  # points² that look equally large


def error_maps_figure(
    bias: ArrayLike, rmse: ArrayLike, latitude: ArrayLike, longitude: ArrayLike, units: str
) -> Figure:
    """Mean error and RMSE (lat, lon) of every cell, side by side.

    Args:
        bias: mean of prediction minus truth.
        rmse: root of the mean squared error.
        latitude: cell centres (lat,) in degrees north.
        longitude: cell centres (lon,) in degrees east, either convention.
        units: of both.
    """
    fields = [np.asarray(field, dtype=np.float64) for field in (bias, rmse)]
    figure = Figure(figsize=(13.0, 4.3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    limits = symmetric_limits(fields[0]), (0.0, _robust_top(fields[1]))
    for panel, field, ends, title, difference in zip(
        panels, fields, limits, ("Mean of prediction − truth", "RMSE"), (True, False), strict=True
    ):
        mesh = draw_map(panel, field, latitude, longitude, ends, difference)
        set_titles(panel, title)
        add_colour_bar(figure, mesh, [panel], units, field, vertical=False)
    return figure


def site_maps_figure(groups: Mapping[str, Sites], units: str) -> Figure:
    """Mean error and RMSE at sites, side by side, each group with its own marker.

    Args:
        groups: sites with "bias" and "rmse" by the name that the legend shows.
        units: of both.
    """
    every = [site for sites in groups.values() for site in sites.values()]
    figure = Figure(figsize=(13.0, 4.3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, score, title in zip(
        panels, ("bias", "rmse"), ("Mean of prediction − observation", "RMSE"), strict=True
    ):
        values = np.array([site[score] for site in every], dtype=np.float64)
        ends = symmetric_limits(values) if score == "bias" else (0.0, _robust_top(values))
        draw_frame(panel)
        marks = _draw_sites(panel, groups, score, Normalize(*ends))
        set_titles(panel, title)
        add_colour_bar(figure, marks, [panel], units, values, vertical=False)
    if len(groups) > 1:
        panels[0].legend(
            loc="lower left", fontsize=TICK_SIZE, framealpha=0.9, borderpad=0.4, handletextpad=0.2
        )
    return figure


def _draw_sites(
    axes: Axes, groups: Mapping[str, Sites], score: str, scale: Normalize
) -> PathCollection:
    """Draw the sites of every group, those with the largest values on top."""
    for i, (name, sites) in enumerate(groups.items()):
        rows = sorted(sites.values(), key=lambda site: abs(site[score]))
        marks = axes.scatter(
            [row["longitude"] for row in rows],
            [row["latitude"] for row in rows],
            c=[row[score] for row in rows],
            cmap="RdBu_r" if score == "bias" else "viridis",
            norm=scale,
            s=_SIZES[i % len(_SIZES)],
            marker=_MARKERS[i % len(_MARKERS)],
            edgecolor="0.15",
            linewidth=0.6,
            zorder=3,
            clip_on=False,  # a site at the pole lies on the frame
            label=name,
        )
    return marks


def _robust_top(values: Floats) -> float:
    """99th percentile, so that a few extremes do not bleach the map; 1 where there is none."""
    known = values[np.isfinite(values)]
    top = float(np.percentile(known, 99)) if known.size else 0.0
    return top if top > 0 else 1.0
