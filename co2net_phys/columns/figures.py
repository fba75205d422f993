"""Figures of long roll-outs: all methods beside the truth on one picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from co2net_phys.columns.stability import Course, Stability
from co2net_phys.figures import standard_dates
from co2net_phys.plotting import (
    LABEL_SIZE,
    TITLE_SIZE,
    add_colour_bar,
    declutter,
    draw_map,
    robust_limits,
    set_titles,
    symmetric_limits,
)

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe-Ito
_DASHES = ("-", "--", "-.", ":")
_TRUTH_COLOUR = "#1a1a1a"

_KG_PER_GG = 1e6
_MG_PER_KG = 1e6


def stability_figure(stability: Stability, title: str = "Roll-outs of tracer columns") -> Figure:
    """Burden, error growth, mean profiles and zonal spectra of all methods and of the truth.

    A curve ends where its method blew up.
    """
    figure = Figure(figsize=(11.0, 7.0), layout="constrained")
    burden, growth, profile, spectrum = figure.subplots(2, 2).ravel()
    _draw_burden(burden, stability)
    _draw_growth(growth, stability)
    _draw_profile(profile, stability)
    _draw_spectrum(spectrum, stability)
    handles, labels = burden.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False,
        fontsize=LABEL_SIZE,
    )  # fmt: skip
    figure.suptitle(title, fontsize=TITLE_SIZE + 2, fontweight="bold")
    return figure


def column_maps_figure(stability: Stability, title: str = "Mean column burden") -> Figure:
    """Mean column burden of the truth and of every method, on one scale, and their differences.

    Methods that blew up have no mean, and no map.
    """
    methods = {name: course for name, course in stability.methods.items() if not course.blown_up}
    truth = _MG_PER_KG * stability.truth.column
    figure = Figure(figsize=(10.0, 2.9 * (1 + len(methods))), layout="constrained")
    panels = figure.subplots(1 + len(methods), 2, squeeze=False)
    panels[0, 1].set_axis_off()
    where = stability.latitude, stability.longitude
    shared = robust_limits(truth)
    mesh = draw_map(panels[0, 0], truth, *where, shared)
    set_titles(panels[0, 0], "Truth", f"mean of {stability.days[-1]:.0f} days")
    fields = {name: _MG_PER_KG * course.column for name, course in methods.items()}
    errors = {name: field - truth for name, field in fields.items()}
    everything = np.stack([truth, *fields.values()])
    for row, name in zip(panels[1:], methods, strict=True):
        draw_map(row[0], fields[name], *where, shared)
        set_titles(row[0], name)
    add_colour_bar(figure, mesh, list(panels[:, 0]), "mg m⁻²", everything, vertical=False)
    if errors:
        together = np.stack(list(errors.values()))
        limits = symmetric_limits(together)
        for row, name in zip(panels[1:], methods, strict=True):
            difference = draw_map(row[1], errors[name], *where, limits, difference=True)
            set_titles(row[1], f"{name} − truth")
        bars = list(panels[1:, 1])
        add_colour_bar(figure, difference, bars, "mg m⁻²", together, vertical=False)
    figure.suptitle(title, fontsize=TITLE_SIZE + 2, fontweight="bold")
    return figure


def _draw_burden(axes: Axes, stability: Stability) -> None:
    dates = standard_dates(stability.times)
    for name, course, style in _courses(stability):
        axes.plot(dates, course.burden / _KG_PER_GG, label=name, **style)  # type: ignore[arg-type]
    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    _label(axes, "Global burden", "", "Burden (Gg)")


def _draw_growth(axes: Axes, stability: Stability) -> None:
    for name, course, style in _courses(stability):
        if name in stability.methods:
            axes.plot(stability.days, course.rmse, **style)  # type: ignore[arg-type]
    axes.set(xscale="log", yscale="log")
    _label(axes, "Error growth", "Lead time (days)", "RMSE (kg kg⁻¹)")


def _draw_profile(axes: Axes, stability: Stability) -> None:
    for _, course, style in _courses(stability):
        axes.plot(course.profile, stability.pressure / 100, **style)  # type: ignore[arg-type]
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())  # numbers of minor ticks would overlap
    axes.invert_yaxis()
    _label(axes, "Mean profile", "Mass fraction (kg kg⁻¹)", "Pressure (hPa)")


def _draw_spectrum(axes: Axes, stability: Stability) -> None:
    wavenumbers = np.arange(1, len(stability.truth.power))
    for _, course, style in _courses(stability):
        power = _MG_PER_KG**2 * course.power[1:]
        axes.plot(wavenumbers, power, **style)  # type: ignore[arg-type]
    axes.set(xscale="log", yscale="log")
    _label(axes, "Column burden by scale", "Zonal wavenumber", "Power (mg² m⁻⁴)")


def _courses(stability: Stability) -> list[tuple[str, Course, Mapping[str, object]]]:
    """Name, course and line of the truth and each method; lines differ in more than colour."""
    lines: list[tuple[str, Course, Mapping[str, object]]] = [
        ("Truth", stability.truth, {"color": _TRUTH_COLOUR, "linewidth": 2.2})
    ]
    for number, (name, course) in enumerate(stability.methods.items()):
        line = {
            "color": _COLOURS[number % len(_COLOURS)],
            "linestyle": _DASHES[number % len(_DASHES)],
            "linewidth": 1.6,
        }
        lines.append((name, course, line))
    return lines


def _label(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_xlabel(across, fontsize=LABEL_SIZE)
    axes.set_ylabel(up, fontsize=LABEL_SIZE)
    set_titles(axes, title)
    declutter(axes)
