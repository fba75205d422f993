"""How prediction and truth go on in time, and at which scales they vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from co2net_phys.errors import UsageError
from co2net_phys.figures import standard_dates
from co2net_phys.plotting import LABEL_SIZE, TITLE_SIZE, declutter, set_titles

Floats = NDArray[np.floating[Any]]

_TRUTH_COLOUR, _PREDICTED_COLOUR = "#1a1a1a", "#d55e00"  # near-black, Okabe-Ito vermillion
_PANELS_IN_ROW = 3
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_FORMATS = ["%Y", "%b\n%Y", "%d %b", "%H:%M", "%H:%M", "%S"]
_ZERO_FORMATS = ["", "%b\n%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
"""Of ticks at years, months, days, …, and of the first of each."""

_MOST_MARKS = 400
"""Observations of a panel, above which they are drawn small and pale."""


class Panel(NamedTuple):
    """Two series of one place.

    Attributes:
        title, remark: above the panel, left and right.
        times: (n,) datetime64 or cftime.
        truth: (n,), NaN where unknown.
        prediction: (n,).
    """

    title: str
    remark: str
    times: NDArray[Any]
    truth: Floats
    prediction: Floats


def panels_figure(
    panels: Sequence[Panel], title: str, label: str, truth: str = "truth", marks: bool = False
) -> Figure:
    """Truth and prediction of several places, one panel each.

    Args:
        panels: at least one.
        title: above all.
        label: of the vertical axes, with the unit.
        truth: what the legend calls the truth.
        marks: whether the truth is single observations, drawn as points.

    Raises:
        UsageError: no panel.
    """
    if not panels:
        raise UsageError("no series to draw: give at least one")
    columns = min(_PANELS_IN_ROW, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(4.2 * columns, 7.0), 2.3 * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for empty in axes[len(panels) :]:
        empty.set_axis_off()
    for one, panel in zip(axes, panels, strict=False):
        _draw(one, panel, truth, marks)
    figure.supylabel(label, fontsize=LABEL_SIZE)
    figure.suptitle(f"{title}, {_span(panels)}", fontsize=TITLE_SIZE + 2, fontweight="bold")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=LABEL_SIZE
    )
    return figure


def spectrum_figure(spectrum: Mapping[str, ArrayLike], units: str) -> Figure:
    """Zonal spectra of truth and prediction, and the share of the power that is predicted.

    Args:
        spectrum: "wavenumber" from 1, and the power of "prediction" and of "truth".
        units: of the field.
    """
    wavenumber, predicted, true = (
        np.asarray(spectrum[name], dtype=np.float64)
        for name in ("wavenumber", "prediction", "truth")
    )
    figure = Figure(figsize=(10.0, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.loglog(wavenumber, true, color=_TRUTH_COLOUR, linewidth=1.6, label="truth")
    left.loglog(wavenumber, predicted, color=_PREDICTED_COLOUR, linewidth=1.6, label="prediction")
    left.set_ylabel(f"Power (({units})²)", fontsize=LABEL_SIZE)
    left.legend(frameon=False, fontsize=LABEL_SIZE)
    set_titles(left, "Power by zonal wavenumber")
    share = np.divide(predicted, true, out=np.full_like(true, np.nan), where=true > 0)
    right.semilogx(wavenumber, share, color=_PREDICTED_COLOUR, linewidth=1.6)
    right.axhline(1.0, color="0.5", linestyle="--", linewidth=1.0)
    right.set_ylim(bottom=0)
    right.set_ylabel("Prediction over truth", fontsize=LABEL_SIZE)
    set_titles(right, "Share of the power", "below 1: too smooth")
    for axes in (left, right):
        axes.set_xlabel("Zonal wavenumber (waves around the globe)", fontsize=LABEL_SIZE)
        axes.set_xticks([n for n in _TICKS if n <= wavenumber[-1]])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        declutter(axes)
    return figure


def _span(panels: Sequence[Panel]) -> str:
    """First and last day of all panels."""
    known = [standard_dates(panel.times) for panel in panels if len(panel.times)]
    first, last = min(dates.min() for dates in known), max(dates.max() for dates in known)
    return f"{str(first)[:10]} to {str(last)[:10]}"


def _draw(axes: Axes, panel: Panel, truth: str, marks: bool) -> None:
    order = np.argsort(panel.times, kind="stable")
    dates = standard_dates(panel.times[order])
    true, predicted = panel.truth[order], panel.prediction[order]
    if marks:
        few = len(dates) <= _MOST_MARKS
        axes.plot(
            dates, true, ".", color=_TRUTH_COLOUR, markersize=4 if few else 2,
            alpha=0.75 if few else 0.4, label=truth,
        )  # fmt: skip
    else:
        axes.plot(dates, true, color=_TRUTH_COLOUR, linewidth=1.4, label=truth)
    axes.plot(
        *_with_gaps(dates, predicted), color=_PREDICTED_COLOUR, linewidth=1.2, label="prediction"
    )
    locator = AutoDateLocator(  # type: ignore[no-untyped-call]
        minticks=3, maxticks=8, interval_multiples=False
    )
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator, formats=_FORMATS, zero_formats=_ZERO_FORMATS, show_offset=False
    )
    axes.xaxis.set_major_formatter(formatter)
    set_titles(axes, panel.title, panel.remark)
    declutter(axes)


def _with_gaps(dates: NDArray[Any], values: Floats) -> tuple[NDArray[Any], Floats]:
    """The same with NaN in long intervals, so that no line crosses what was not compared."""
    steps = np.diff(dates)
    later = steps[steps > np.timedelta64(0)]
    if not later.size:
        return dates, values
    wide = np.flatnonzero(steps > 8 * np.median(later)) + 1
    return np.insert(dates, wide, dates[wide]), np.insert(values, wide, np.nan)
