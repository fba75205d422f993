"""Figures of modelled exchange: the course of the year, efficiency by region, maps of the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from co2net_phys.plotting import (
    LABEL_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    add_colour_bar,
    declutter,
    draw_map,
    set_titles,
    symmetric_limits,
)
from co2net_phys.regridding import LatLonGrid

Array = NDArray[np.float64]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe-Ito
_DASHES = ("-", "--", "-.", ":")
_REFERENCE_COLOUR = "#1a1a1a"
_MONTHS = "JFMAMJJASOND"


def seasonal_cycle_figure(
    reference: Array, methods: Mapping[str, Array], places: Sequence[str], name: str
) -> Figure:
    """Mean seasonal cycles, one panel a place.

    Parameters
    ----------
    reference
        (12, K) PgC in each month, of the K places.
    methods
        The same by name of the method.
    places
        Their names.
    name
        Of the reference.
    """
    figure = Figure(figsize=(4.0 * len(places), 3.6), layout="constrained")
    panels = figure.subplots(1, len(places), squeeze=False)[0]
    months = np.arange(len(_MONTHS))
    for column, (panel, place) in enumerate(zip(panels, places, strict=True)):
        panel.axhline(0.0, color="0.7", linewidth=0.8)
        panel.plot(months, reference[:, column], color=_REFERENCE_COLOUR, linewidth=2.2, label=name)
        for number, (label, cycle) in enumerate(methods.items()):
            panel.plot(
                months, cycle[:, column], color=_COLOURS[number % len(_COLOURS)], linewidth=1.6,
                linestyle=_DASHES[number % len(_DASHES)], label=label,
            )  # fmt: skip
        panel.set_xticks(months, list(_MONTHS), fontsize=TICK_SIZE)
        set_titles(panel, place)
        declutter(panel)
    panels[0].set_ylabel("NEE (PgC month⁻¹)", fontsize=LABEL_SIZE)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False,
        fontsize=LABEL_SIZE,
    )  # fmt: skip
    figure.suptitle("Mean seasonal cycle", fontsize=TITLE_SIZE + 2, fontweight="bold")
    return figure


def efficiency_figure(methods: Mapping[str, Mapping[str, float]]) -> Figure:
    """Bars of the normalised Nash–Sutcliffe efficiency by region; the last method gives the order.

    Parameters
    ----------
    methods
        Efficiency, 0 to 1, by name of the method and of the region.
    """
    *_, last = methods.values()
    regions = sorted(last, key=lambda region: -last[region])
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(methods)
    for number, (name, values) in enumerate(methods.items()):
        left = np.arange(len(regions)) + (number - (len(methods) - 1) / 2) * width
        colour = _COLOURS[number % len(_COLOURS)]
        axes.bar(left, [values[region] for region in regions], width, color=colour, label=name)
    axes.axhline(0.5, color="0.3", linewidth=0.8, linestyle="--", label="mean of the reference")
    axes.set_xticks(
        range(len(regions)), regions, rotation=60, ha="right", rotation_mode="anchor",
        fontsize=TICK_SIZE,
    )  # fmt: skip
    axes.set_ylim(0.0, 1.0)
    axes.set_ylabel("normalised Nash–Sutcliffe efficiency", fontsize=LABEL_SIZE)
    axes.legend(frameon=False, fontsize=LABEL_SIZE, loc="upper right", ncols=len(methods) + 1)
    set_titles(axes, "Monthly exchange by region")
    declutter(axes)
    return figure


def mean_maps_figure(maps: Mapping[str, Array], grid: LatLonGrid) -> Figure:
    """Maps (nlat, nlon) of mean NEE in g m-2 d-1 on one scale, one below the other; NaN is grey."""
    figure = Figure(figsize=(7.4, 0.6 + 3.3 * len(maps)), layout="constrained")
    panels = figure.subplots(len(maps), 1, squeeze=False)[:, 0]
    together = np.stack(list(maps.values()))
    limits = symmetric_limits(together)
    for panel, (name, field) in zip(panels, maps.items(), strict=True):
        mesh = draw_map(panel, field, grid.latitude, grid.longitude, limits, difference=True)
        set_titles(panel, name)
    add_colour_bar(
        figure, mesh, list(panels), "NEE (g m⁻² d⁻¹ of carbon)", together, vertical=False
    )
    figure.suptitle("Mean exchange", fontsize=TITLE_SIZE + 2, fontweight="bold")
    return figure
