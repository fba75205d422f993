"""Taylor diagrams: spread, correlation and centred error of many comparisons in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from co2net_phys.errors import UsageError
from co2net_phys.plotting import LABEL_SIZE, TICK_SIZE, set_titles

_CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0)
_LARGEST_RATIO = 2.0
_MARKERS = ("o", "^", "s", "D", "v", "P")
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe-Ito
_MOST_NAMED = 12


class Comparison(NamedTuple):
    """One point of the diagram."""

    name: str
    standard_deviation_ratio: float
    """Standard deviation of the prediction over that of the truth."""
    correlation: float


def taylor_figure(groups: Mapping[str, Sequence[Comparison]], title: str) -> Figure:
    """Points at radius σ_y/σ_u and angle arccos(correlation), by group.

    The distance from the point "truth" is the centred RMS error over the standard deviation of the
    truth, E² = σ_y² + σ_u² − 2 σ_y σ_u R (Taylor 2001, doi:10.1029/2000JD900719, eq. 1). Where a
    correlation is negative the diagram has two quadrants. A point beyond the outermost circle is
    drawn on it as an open marker. Up to a dozen points have a style and a name each.

    Args:
        groups: points by the name that the legend shows where there are more.
        title: above the diagram.

    Raises:
        UsageError: no point has a spread and a correlation.
    """
    known = {
        name: [p for p in points if np.isfinite([p.standard_deviation_ratio, p.correlation]).all()]
        for name, points in groups.items()
    }
    every = [point for points in known.values() for point in points]
    if not every:
        raise UsageError("no comparison has a correlation: nothing to draw")
    reach = min(_LARGEST_RATIO, 1.15 * max(1.25, *(p.standard_deviation_ratio for p in every)))
    both = min(p.correlation for p in every) < 0
    figure = Figure(figsize=(10.6, 5.2) if both else (7.8, 5.8), layout="constrained")
    axes = figure.add_subplot()
    _draw_frame(axes, reach, both)
    if len(every) <= _MOST_NAMED:
        looks = [(colour, marker) for marker in _MARKERS[:2] for colour in _COLOURS]
        known = {point.name: [point] for point in every}
    else:
        looks = list(zip(_COLOURS, _MARKERS, strict=False))
    for (name, points), look in zip(known.items(), looks, strict=False):
        _draw_points(axes, points, reach, look, name)
    figure.legend(loc="outside right upper", fontsize=LABEL_SIZE, frameon=False, handletextpad=0.3)
    set_titles(axes, title)
    return figure


def place(point: Comparison) -> tuple[float, float]:
    """Abscissa and ordinate of a point; the truth is at (1, 0)."""
    angle = np.arccos(np.clip(point.correlation, -1, 1))
    ratio = point.standard_deviation_ratio
    return float(ratio * np.cos(angle)), float(ratio * np.sin(angle))


def _draw_points(
    axes: Axes, points: Sequence[Comparison], reach: float, look: tuple[str, str], name: str
) -> None:
    """Draw points of one colour and marker, those beyond the outermost circle open and on it."""
    colour, marker = look
    beyond = [point.standard_deviation_ratio > reach for point in points]
    for is_beyond in (False, True):
        chosen = [
            point._replace(standard_deviation_ratio=min(point.standard_deviation_ratio, reach))
            for point, far in zip(points, beyond, strict=True)
            if far is is_beyond
        ]
        if chosen:
            along, up = np.array([place(point) for point in chosen]).T
            axes.scatter(
                along, up, s=38, marker=marker, linewidth=0.8, clip_on=False,
                zorder=4 + 1 / len(points),  # the few lie on the many
                facecolor="white" if is_beyond else colour,
                edgecolor=colour if is_beyond else "white",
                label=f"{name}, beyond {reach:.2g}" if is_beyond else name,
            )  # fmt: skip


def _draw_frame(axes: Axes, reach: float, both: bool) -> None:
    """Circles of spread about the origin, of error about the truth, and rays of correlation."""
    last = np.pi if both else np.pi / 2
    turn = np.linspace(0, last, 181)
    for ratio in np.arange(0.5, reach, 0.5):
        strong = ratio == 1
        axes.plot(
            ratio * np.cos(turn), ratio * np.sin(turn), "--" if strong else ":",
            color="0.35" if strong else "0.75", linewidth=0.9, zorder=1,
        )  # fmt: skip
    axes.plot(reach * np.cos(turn), reach * np.sin(turn), color="0.2", linewidth=0.9, zorder=1)
    signs = (1, -1) if both else (1,)
    for correlation in sorted({sign * value for sign in signs for value in _CORRELATIONS}):
        angle = np.arccos(correlation)
        along, up = np.cos(angle), np.sin(angle)
        axes.plot([0, reach * along], [0, reach * up], color="0.88", linewidth=0.6, zorder=0)
        axes.text(
            1.025 * reach * along, 1.025 * reach * up, f"{correlation:g}".replace("-", "−"),
            fontsize=TICK_SIZE, ha="right" if along < -0.1 else "left", va="center",
            rotation=np.degrees(angle) if along >= 0 else np.degrees(angle) - 180,
            rotation_mode="anchor",
        )  # fmt: skip
    _draw_error_circles(axes, reach, both)
    middle = np.pi / 4
    axes.text(
        1.13 * reach * np.cos(middle), 1.13 * reach * np.sin(middle), "Correlation",
        rotation=-45, ha="center", va="center", fontsize=LABEL_SIZE,
    )  # fmt: skip
    axes.plot(1, 0, "*", color="#1a1a1a", markersize=13, clip_on=False, zorder=5, label="truth")
    axes.set(
        xlim=(-1.1 * reach if both else 0, 1.12 * reach), ylim=(0, 1.12 * reach), aspect="equal"
    )
    axes.spines[["top", "right", *([] if not both else ["left"])]].set_visible(False)
    axes.spines["bottom"].set_bounds(-reach if both else 0, reach)
    ticks = np.arange(0, reach + 1e-9, 0.5)
    axes.set_xticks(ticks)
    if both:
        axes.set_yticks([])
    else:
        axes.set_yticks(ticks)
        axes.spines["left"].set_bounds(0, reach)
    axes.tick_params(labelsize=TICK_SIZE, length=3)
    axes.set_xlabel("Standard deviation over that of the truth", fontsize=LABEL_SIZE)


def _draw_error_circles(axes: Axes, reach: float, both: bool) -> None:
    """Circles of centred RMS error about the truth, cut at the frame."""
    turn = np.linspace(0, np.pi, 181)
    for error in (0.5, 1.0, 1.5):
        x, y = 1 + error * np.cos(turn), error * np.sin(turn)
        inside = (np.hypot(x, y) <= reach) & ((x >= 0) | both)
        if not inside.any():
            continue
        axes.plot(
            np.where(inside, x, np.nan), np.where(inside, y, np.nan), color="#b58900",
            linewidth=0.7, alpha=0.7, zorder=1,
        )  # fmt: skip
        middle = int(np.median(np.flatnonzero(inside)))
        axes.text(
            x[middle], y[middle], f"{error:g}", fontsize=TICK_SIZE, color="#8a6d00", ha="center",
            va="center", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8}, zorder=2,
        )  # fmt: skip
