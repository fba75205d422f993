"""Picture of the probe experiment: skill by arm, and the true and the probed wind at one time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from co2net_phys.plotting import (
    LABEL_SIZE,
    TITLE_SIZE,
    add_colour_bar,
    declutter,
    draw_map,
    set_titles,
    symmetric_limits,
)
from co2net_phys.validation.wind_probe import ARMS
from co2net_phys.validation.wind_probe_scores import RIVALS, Example

COLUMNS = 3
"""Maps in a row at most."""

BARS = {"u": ("eastward", "#1b6ca8"), "v": ("northward", "#7fb2d6")}
"""Label and colour of the bars of each component."""

_TRUTH = "truth"

LOWEST_SHOWN = -0.3
"""The axis ends here: how much worse than a climatology a probe is does not matter."""


def probe_figure(means: Mapping[str, Mapping[str, float]], example: Example) -> Figure:
    """Bars of R² for every arm above maps of the eastward wind.

    Args:
        means: scores by arm and of `RIVALS`, see `mean_scores`.
        example: the maps.
    """
    maps = 1 + len(example.probed)
    columns = min(COLUMNS, maps)
    rows = -(-maps // columns)
    size = COLUMNS / columns  # of a map, relative to one of `COLUMNS`
    figure = Figure(figsize=(10.0, 3.4 + 1.8 * rows * size), layout="constrained")
    heights = [2.6, *[1.9 * size] * rows]
    layout = GridSpec(1 + rows, columns, figure=figure, height_ratios=heights)
    _draw_bars(figure.add_subplot(layout[0, :]), means)
    places = [
        figure.add_subplot(layout[1 + n // columns, n % columns]) for n in range(rows * columns)
    ]
    _draw_maps(figure, places, example)
    figure.suptitle(_finding(means), fontsize=TITLE_SIZE + 2, fontweight="bold")
    return figure


def _finding(means: Mapping[str, Mapping[str, float]]) -> str:
    parts = [
        f"{_signed(means[arm]['r2_pooled'])} {words}"
        for arm, words in (
            ("given", "with the wind at the input"),
            ("withheld", "without it"),
            ("co2-only", "from CO₂ alone"),
        )
        if arm in means
    ]
    return f"R² of the probed wind: {', '.join(parts)}" if parts else "R² of the probed wind"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")  # + 0 makes −0 a plain 0


def _draw_bars(axes: Axes, means: Mapping[str, Mapping[str, Any]]) -> None:
    places, width = np.arange(len(means)), 0.36
    for n, (name, (label, colour)) in enumerate(BARS.items()):
        heights = np.array([scores[f"r2_{name}"] for scores in means.values()])
        bars = axes.bar(
            places + (n - 0.5) * width, np.maximum(heights, LOWEST_SHOWN), width,
            color=colour, label=f"{label} wind, about each cell's training mean",
        )  # fmt: skip
        axes.bar_label(bars, [_signed(h) for h in heights], fontsize=LABEL_SIZE, padding=2)
    plain = [scores["r2_about_mean_pooled"] for scores in means.values()]
    axes.plot(
        places, np.maximum(plain, LOWEST_SHOWN), "D",
        markerfacecolor="none", color="#c1440e", markersize=7, label="both, about the global mean",
    )  # fmt: skip
    names = [ARMS[arm].description if arm in ARMS else RIVALS[arm] for arm in means]
    axes.set_xticks(places, [name.replace(", ", ",\n") for name in names])
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(ylim=(LOWEST_SHOWN - 0.12, 1.15))
    axes.set_ylabel("R² (1)", fontsize=LABEL_SIZE)
    axes.legend(frameon=False, fontsize=LABEL_SIZE, loc="upper center")
    declutter(axes)
    shown = [scores[f"r2_{name}"] for scores in means.values() for name in BARS]
    cut = [
        word
        for word, values in (("bars", shown), ("diamonds", plain))
        if min(values) < LOWEST_SHOWN
    ]
    remark = f"{' and '.join(cut)} are cut at −{-LOWEST_SHOWN:g}" if cut else ""
    set_titles(axes, "Skill in a block never trained on", remark)


def _draw_maps(figure: Figure, places: list[Axes], example: Example) -> None:
    fields = {_TRUTH: example.truth, **example.probed}
    limits = symmetric_limits(example.truth)
    for axes, (arm, field) in zip(places, fields.items(), strict=False):
        mesh = draw_map(axes, field, example.latitude, example.longitude, limits, difference=True)
        if arm == _TRUTH:
            set_titles(axes, "Truth", example.time)
        else:
            set_titles(axes, ARMS[arm].description)
        axes.label_outer()
    for axes in places[len(fields) :]:
        axes.set_axis_off()
    add_colour_bar(
        figure, mesh, places, "u − training mean (m s⁻¹)",
        np.stack(list(fields.values())), vertical=True,
    )  # fmt: skip
