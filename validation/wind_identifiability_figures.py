"""Figures of Theorem 3: two winds with one tracer, and errors of winds recovered from tracers."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver
from matplotlib.ticker import FixedLocator, NullLocator

from co2net_phys.plotting import (
    LABEL_SIZE,
    TICK_SIZE,
    add_colour_bar,
    declutter,
    draw_map,
    set_titles,
)
from co2net_phys.solvers import SECONDS_PER_DAY, Grid
from co2net_phys.validation.illustration import Illustration
from co2net_phys.validation.wind_identifiability_pairs import (
    DURATION,
    Pair,
    same_tracer,
    slopes_near_summits,
)
from co2net_phys.validation.wind_identifiability_recovery import (
    LARGEST_CONDITION,
    LEVELS,
    NOISE,
    NOISE_SEEDS,
    NOISE_STRIDE,
    ORDERS,
    WINDOW_NOISE,
    WINDOWS,
    Array,
    Recovery,
    interval_errors,
    measured_order,
    noisy_recovery,
    pooled_errors,
    recovery,
    weighted_quantiles,
    window_errors,
    window_recovery,
)
from co2net_phys.validation.wind_twin import ANOMALY, OUTPUT_INTERVAL

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Okabe and Ito's, of lines."""

MAP_GRID = Grid("cell-centre", 90, 180)
"""Nodes at which coarse fields are drawn."""

STRIDES = (1, 2, 4, 6, 8)
"""Output intervals that are drawn, in units of five minutes."""

KEY_SPEED = 20.0
"""Of the arrow that shows the scale, m s⁻¹."""

SIGMAS = np.linspace(0.0, 3.0, 61)
"""Multiples of the claimed standard deviation."""


def two_winds_figure() -> Figure:
    """A tracer in two winds, the wind between them, and that wind turned across the level lines."""
    along, across = same_tracer("stream"), same_tracer("stream", across=True)
    change = along.wind_difference(0.5 * DURATION)  # when the finding takes it
    figure = Figure(figsize=(10.0, 6.0), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    maps = [
        _draw_tracer(panels[0, 0], along, along.tracer),
        _draw_tracer(panels[0, 1], along, along.other_tracer),
        _draw_tracer(panels[1, 0], along, along.tracer),
        _draw_tracer(panels[1, 1], across, across.other_tracer),
    ]
    arrows = _draw_arrows(panels[0, 0], along, *along.wind(DURATION))
    _draw_arrows(panels[0, 1], along, *along.other(DURATION))
    _draw_arrows(panels[1, 0], along, *along.other.addition(DURATION))
    _draw_arrows(panels[1, 1], across, *across.other.addition(DURATION))
    days, half = (f"{t / SECONDS_PER_DAY:g}" for t in (DURATION, 0.5 * DURATION))
    set_titles(panels[0, 0], f"A wind and its tracer after {days} days")
    panels[0, 0].quiverkey(
        arrows, 0.86, 1.06, KEY_SPEED, f"{KEY_SPEED:g} m s⁻¹", labelpos="E",
        fontproperties={"size": LABEL_SIZE},
    )  # fmt: skip
    same = f"tracers differ by {_figure(along.tracer_difference)}"
    set_titles(panels[0, 1], f"Another wind, {change:.0%} off at {half} d", same)
    set_titles(panels[1, 0], "Their difference: along the level lines")
    another = f"tracers differ by {_figure(across.tracer_difference)}"
    set_titles(panels[1, 1], "Turned across them", another)
    values = along.harmonics.synthesise(along.tracer, MAP_GRID).numpy()
    add_colour_bar(figure, maps[0], [*panels.flat], "tracer / its initial std", values, True)
    return figure


def vanishing_gradient_figure() -> Figure:
    """|∇φ| near the highest points of random tracers."""
    distances, slopes = slopes_near_summits()
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for slope in slopes:
        axes.loglog(np.rad2deg(distances), slope, color=COLOURS[0], linewidth=0.9, alpha=0.7)
    declutter(axes)
    axes.set_xlabel("distance from the highest point (degrees)", fontsize=LABEL_SIZE)
    axes.set_ylabel("|∇φ| / its rms over the sphere", fontsize=LABEL_SIZE)
    set_titles(axes, f"All {len(slopes)} random tracers have a point without a gradient", "T10")
    return figure


def recovery_maps_figure() -> Figure:
    """Errors of the wind from one, two and three tracers."""
    figure = Figure(figsize=(10.0, 6.0), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    one, two, three = (recovery(count) for count in (1, 2, 3))
    drawn = (
        ("One tracer: half of the wind is missing", one, one.error),
        ("One, along its gradient: known", one, one.parallel_error),
        ("Two: known, less so where parallel", two, two.error),
        ("Three: known nearly everywhere", three, three.error),
    )
    for axes, (title, found, error) in zip(panels.flat, drawn, strict=True):
        grid = found.twin.harmonics.grid
        values = np.log10(np.maximum(error, 1e-12))
        mesh = draw_map(axes, values, grid.latitude, grid.longitude, (-11.0, 0.5))
        set_titles(axes, title, f"median {_figure(found.quantiles(error, [0.5])[0])}")
    label = "log₁₀ (error / rms wind)"
    add_colour_bar(figure, mesh, list(panels.flat), label, values, vertical=True)
    return figure


def error_by_condition_figure() -> Figure:
    """Error against cond(G), with and without noise."""
    figure = Figure(figsize=(8.0, 4.8), layout="constrained")
    axes = figure.add_subplot()
    series = [
        ("two tracers, 1 % noise", [noisy_recovery(2, seed) for seed in NOISE_SEEDS]),
        ("three tracers, 1 % noise", [noisy_recovery(3, seed) for seed in NOISE_SEEDS]),
        ("two tracers, no noise", [recovery(2)]),
        ("three tracers, no noise", [recovery(3)]),
    ]
    for colour, (label, found) in zip(COLOURS, series, strict=True):
        centres, (low, middle, high) = _by_condition(found)
        axes.loglog(centres, middle, color=colour, marker="o", markersize=3, label=label)
        axes.fill_between(centres, low, high, color=colour, alpha=0.15, linewidth=0)
    reach = np.array([1.0, LARGEST_CONDITION])
    axes.loglog(reach, 2e-9 * np.sqrt(reach), color="0.4", linestyle="--", label="∝ √cond(G)")
    axes.axvline(LARGEST_CONDITION, color="0.6", linewidth=0.8)
    text = "largest cond(G) at which\nthe wind counts as determined"
    axes.annotate(text, (1.15 * LARGEST_CONDITION, 1.5e-3), fontsize=TICK_SIZE, color="0.3")
    declutter(axes)
    axes.set_xlabel("cond(G), weighted by the tracers' errors", fontsize=LABEL_SIZE)
    axes.set_ylabel("error / rms wind (median, 10–90 %)", fontsize=LABEL_SIZE)
    axes.legend(fontsize=TICK_SIZE, frameon=False, ncols=2, loc="center right")
    set_titles(axes, "The error grows at most as √cond(G)")
    return figure


def error_by_interval_figure() -> Figure:
    """Error against the output interval for three orders of the time difference."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.add_subplot()
    minutes = np.array(STRIDES) * OUTPUT_INTERVAL / 60.0
    for colour, order in zip(COLOURS, ORDERS, strict=False):
        label = f"difference of order {order}: measured {measured_order(order):.2f}"
        errors = interval_errors(order, STRIDES)
        axes.loglog(minutes, errors, color=colour, marker="o", markersize=4, label=label)
    axes.set_xticks(minutes, [f"{value:g}" for value in minutes])
    axes.minorticks_off()
    declutter(axes)
    axes.set_xlabel("output interval (minutes)", fontsize=LABEL_SIZE)
    axes.set_ylabel("rms error / rms wind", fontsize=LABEL_SIZE)
    axes.legend(fontsize=TICK_SIZE, frameon=False)
    set_titles(axes, "Three tracers: the error has the order of the time difference", "T42")
    return figure


def calibration_figure() -> Figure:
    """Errors within multiples of the claimed standard deviation, and against it."""
    errors = np.abs(pooled_errors(3))
    shares = np.array([(errors <= limit).mean() for limit in SIGMAS])
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    normal = [math.erf(limit / math.sqrt(2.0)) for limit in SIGMAS]
    left.plot(SIGMAS, 100.0 * np.array(normal), color="0.4", linestyle="--", label="normal")
    left.plot(SIGMAS, 100.0 * shares, color=COLOURS[1], label="found")
    left.legend(fontsize=TICK_SIZE, frameon=False)
    left.set_xlabel("multiple of the claimed standard deviation", fontsize=LABEL_SIZE)
    left.set_ylabel("errors within it (%)", fontsize=LABEL_SIZE)
    within = float((errors <= 1.0).mean())
    set_titles(left, f"{within:.0%} within one claimed σ")
    claimed, found = _claimed_and_found()
    right.loglog(claimed, claimed, color="0.4", linestyle="--", label="claimed")
    right.loglog(claimed, found, color=COLOURS[1], marker="o", markersize=4, label="found")
    right.legend(fontsize=TICK_SIZE, frameon=False)
    right.set_xlabel("claimed standard deviation (m s⁻¹)", fontsize=LABEL_SIZE)
    right.set_ylabel("rms error where it is claimed (m s⁻¹)", fontsize=LABEL_SIZE)
    remark = f"noise {NOISE / ANOMALY:.0%}, every {NOISE_STRIDE * OUTPUT_INTERVAL / 60:g} min"
    set_titles(right, "Large where large is claimed", remark)
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_locator(FixedLocator([0.5, 1.0, 2.0, 4.0, 8.0]))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    for axes in (left, right):
        declutter(axes)
    return figure


def windows_figure() -> Figure:
    """One tracer over windows of steady wind: error, and where both components are known."""
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    labels = (f"{WINDOW_NOISE / ANOMALY:.1%} noise", "no noise")
    for colour, noise, label in zip(COLOURS, (WINDOW_NOISE, 0.0), labels, strict=False):
        low, middle, high = window_errors(noise).T
        left.loglog(WINDOWS, middle, color=colour, marker="o", markersize=4, label=label)
        left.fill_between(WINDOWS, low, high, color=colour, alpha=0.15, linewidth=0)
        found = [window_recovery(window, noise) for window in WINDOWS]
        shares = [100.0 * each.share(each.wind.determined[0].numpy()) for each in found]
        right.semilogx(WINDOWS, shares, color=colour, marker="o", markersize=4, label=label)
    left.set_ylabel("error / rms wind (median, 10–90 %)", fontsize=LABEL_SIZE)
    right.set_ylabel("area with both components determined (%)", fontsize=LABEL_SIZE)
    for axes in (left, right):
        axes.set_xticks(WINDOWS, [str(window) for window in WINDOWS])
        axes.minorticks_off()
        axes.set_xlabel("window of steady wind (hours)", fontsize=LABEL_SIZE)
        axes.legend(fontsize=TICK_SIZE, frameon=False)
        declutter(axes)
    set_titles(left, "With noise, a longer window, a smaller error")
    set_titles(right, "Its gradient turns nearly everywhere")
    return figure


def _draw_tracer(axes: Axes, pair: Pair, tracer: torch.Tensor) -> QuadMesh:
    field = pair.harmonics.synthesise(tracer, MAP_GRID).numpy()
    return draw_map(
        axes, field, MAP_GRID.latitude, MAP_GRID.longitude, (-2.5, 2.5), difference=True
    )


def _draw_arrows(axes: Axes, pair: Pair, u: torch.Tensor, v: torch.Tensor) -> Quiver:
    grid = pair.harmonics.grid
    longitude = (grid.longitude + 180.0) % 360.0 - 180.0
    return axes.quiver(
        longitude, grid.latitude, u.numpy(), v.numpy(), scale=700.0, width=0.0022, color="black"
    )


def _figure(value: float) -> str:
    """One digit."""
    return f"{value:.1f}" if value >= 0.1 else f"{value:.0e}".replace("e-0", "e-")


def _by_condition(found: Sequence[Recovery]) -> tuple[Array, Array]:
    """Centres of classes of cond(G), half a decade each, and quantiles 10, 50, 90 % (3, classes).

    Classes that less than a thousandth of the sphere belongs to are left out.
    """
    condition = np.concatenate([each.condition.ravel() for each in found])
    error = np.concatenate([each.error.ravel() for each in found])
    area = np.concatenate([each.area.ravel() for each in found]) / len(found)
    centres, quantiles = [], []
    for power in np.arange(0.0, 8.0, 0.5):
        inside = (condition >= 10.0**power) & (condition < 10.0 ** (power + 0.5))
        if area[inside].sum() >= 1e-3:
            centres.append(10.0 ** (power + 0.25))
            quantiles.append(weighted_quantiles(error[inside], area[inside], LEVELS))
    return np.array(centres), np.array(quantiles).T


def _claimed_and_found(classes: int = 12) -> tuple[Array, Array]:
    """Claimed standard deviations of u and v in classes of equal size, and rms errors in them."""
    claims, errors = [], []
    for seed in NOISE_SEEDS:
        found = noisy_recovery(3, seed)
        known = found.wind.determined[0]
        variance = torch.diagonal(found.wind.covariance[0][known], dim1=-2, dim2=-1)
        claims.append(variance.sqrt().flatten().numpy())
        errors.append(found.departure[known].flatten().numpy())
    claim, error = np.concatenate(claims), np.concatenate(errors)
    parts = np.array_split(np.argsort(claim), classes)
    claimed = [math.sqrt(float((claim[part] ** 2).mean())) for part in parts]
    return np.array(claimed), np.array([np.sqrt((error[part] ** 2).mean()) for part in parts])


ILLUSTRATIONS = (
    Illustration(
        "wind-two-winds",
        two_winds_figure,
        "Four maps: the same tracer with two different winds, with their difference, and the "
        "tracer changed by that difference turned by 90 degrees.",
        "A tracer in solid-body rotation, and with k×∇F(φ) added to the wind. The added wind has "
        "no divergence and runs along the level lines, so that the tracer stays the same to "
        "round-off; with the addition turned across them it does not. The winds are compared "
        "halfway, where the tracer is steep.",
    ),
    Illustration(
        "wind-vanishing-gradient",
        vanishing_gradient_figure,
        "Twelve curves that fall in proportion to the distance from a point, down to round-off.",
        "Size of the gradient along the meridian through the highest point of twelve random "
        "tracers. It falls in proportion to the distance: at the point itself there is none.",
    ),
    Illustration(
        "wind-recovery-maps",
        recovery_maps_figure,
        "Four maps of the error: large nearly everywhere for the whole wind from one tracer, small "
        "for its component along the gradient, and for the wind from two and three tracers.",
        "Error of the recovered wind relative to the rms wind, without noise, from fields every "
        "five minutes.",
    ),
    Illustration(
        "wind-error-condition",
        error_by_condition_figure,
        "Error against the condition number of the Gram matrix: rising lines without noise, and "
        "many decades above them those with noise, which are level from a condition of 100 on.",
        "Medians and 10–90 % ranges in classes of cond(G). Noise of 1 % with fields every "
        "40 minutes, none with fields every five. With noise the error levels off where only one "
        "component is left, as the missing one counts as calm.",
    ),
    Illustration(
        "wind-error-interval",
        error_by_interval_figure,
        "Error against the output interval, three lines of slopes two, four and six.",
        "Root mean square error where cond(G) < 1e4. With order six and short intervals the "
        "truncation of the twin is all that is left.",
    ),
    Illustration(
        "wind-calibration",
        calibration_figure,
        "Left: the share of errors within multiples of the claimed standard deviation lies on the "
        "normal curve. Right: errors against what is claimed lie on the diagonal.",
        "Three tracers with noise of 1 % of their standard deviation at every node and instant, "
        "three draws.",
    ),
    Illustration(
        "wind-windows",
        windows_figure,
        "Left: with noise the error of one tracer's wind falls with the length of the window; "
        "without, it is smallest at two to four hours. Right: the area where both components are "
        "determined, rising to all of the sphere.",
        "One tracer in a steady wind, hourly fields. Where only one component is determined, the "
        "missing one counts as an error. Without noise the error of long windows rises again, as "
        "the tracer becomes too fine for the truncation.",
    ),
)
"""Theorem 3."""
