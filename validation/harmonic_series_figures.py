"""Figures of Theorem 2: the sign of imU, the zonal wind, and the argument of P_n^m."""

import numpy as np
import torch
from matplotlib.figure import Figure

from co2net_phys.plotting import (
    LABEL_SIZE,
    TICK_SIZE,
    add_colour_bar,
    declutter,
    draw_map,
    set_titles,
)
from co2net_phys.solvers import SECONDS_PER_DAY, Grid
from co2net_phys.validation.harmonic_series import carried_tracer
from co2net_phys.validation.illustration import Illustration
from co2net_phys.validation.latitude_basis import variance_by_degree
from co2net_phys.validation.zonal_speed import (
    ANGULAR_SPEED,
    DURATION,
    TRUNCATION,
    carried_hill,
    coupling,
    solver_coupling,
)

DAYS = 3.0
"""Of the rotation that is shown."""


def direction_figure() -> Figure:
    """A hill, carried by the solver and by the series as printed."""
    harmonics, start, solved, printed = carried_tracer(DAYS)
    latitude, longitude = harmonics.grid.latitude, harmonics.grid.longitude
    figure = Figure(figsize=(12.6, 3.2), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    panels = (
        (start, "Start", ""),
        (solved, "Solver: eastward, with the wind", f"{DAYS:g} days later"),
        (printed, "As printed, $e^{+imUt}$: westward", f"{DAYS:g} days later"),
    )
    for panel, (field, title, remark) in zip(axes, panels, strict=True):
        mesh = draw_map(panel, field.numpy(), latitude, longitude, (0.0, 1.0))
        panel.axvline(0.0, color="white", lw=1.0, ls="--")
        set_titles(panel, title, remark)
    values = np.stack([start.numpy(), solved.numpy()])
    add_colour_bar(figure, mesh, list(axes), "tracer, 1", values, vertical=False)
    return figure


def coupling_figure() -> Figure:
    """How degree n' feeds degree n, order one, for constant angular and constant linear speed."""
    figure = Figure(figsize=(8.6, 4.1), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    degrees = np.arange(1, TRUNCATION + 1)
    angular = np.abs(solver_coupling()[1].numpy()) / ANGULAR_SPEED
    linear = np.abs(coupling(1)) / ANGULAR_SPEED
    panels = ((angular, "u = UR cos θ: diagonal"), (linear, "u = UR: couples the degrees"))
    for panel, (matrix, title) in zip(axes, panels, strict=True):
        shown = np.log10(np.maximum(matrix, 1e-16))
        mesh = panel.pcolormesh(degrees, degrees, shown, vmin=-3.0, vmax=0.5, cmap="viridis")
        panel.set(aspect="equal")
        panel.set_xlabel("degree n'", fontsize=LABEL_SIZE)
        panel.set_xticks(range(1, TRUNCATION + 1, 4))
        panel.set_yticks(range(1, TRUNCATION + 1, 4))
        panel.tick_params(labelsize=TICK_SIZE)
        set_titles(panel, title, "m = 1")
    axes[0].invert_yaxis()
    axes[0].set_ylabel("degree n", fontsize=LABEL_SIZE)
    bar = figure.colorbar(mesh, ax=list(axes), extend="min", shrink=0.86)
    bar.set_label("log₁₀ (coupling / U)", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    return figure


def zonal_wind_figure() -> Figure:
    """A hill in a wind of constant linear speed: the exact field, the series, their difference."""
    exact, series = (field.numpy() for field in carried_hill(linear=True))
    grid = Grid.gaussian(TRUNCATION)
    figure = Figure(figsize=(12.6, 3.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3, sharey=True)
    largest = float(np.abs(exact).max())
    for panel, field, title in (
        (left, exact, "Exact: sheared, fastest near the pole"),
        (middle, series, "Series: turned as a solid body"),
    ):
        mesh = draw_map(panel, field, grid.latitude, grid.longitude, (0.0, largest))
        set_titles(panel, title)
    error = series - exact
    bound = float(np.abs(error).max())
    errors = draw_map(right, error, grid.latitude, grid.longitude, (-bound, bound), True)
    share = bound / largest
    set_titles(right, f"Series in error by {share:.0%}", f"{DURATION / SECONDS_PER_DAY:g} days")
    add_colour_bar(figure, mesh, [left, middle], "tracer, 1", exact, vertical=False)
    add_colour_bar(figure, errors, [right], "series − exact, 1", error, vertical=False)
    return figure


def basis_figure() -> Figure:
    """Variance by degree of the functions of degree three, with sin θ and with cos θ."""
    degree, shown = 3, 13
    figure = Figure(figsize=(8.6, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    panels = (
        (torch.sin, "P₃ᵐ(sin θ): degree 3 only"),
        (torch.cos, "P₃ᵐ(cos θ): many degrees"),
    )
    for panel, (argument, title) in zip(axes, panels, strict=True):
        shares = variance_by_degree(degree, argument).numpy()
        for m, row in enumerate(shares):
            offset = (m - degree / 2) * 0.2
            panel.bar(np.arange(shown) + offset, row[:shown], 0.2, label=f"m = {m}")
        panel.set_xlabel("degree of the harmonics", fontsize=LABEL_SIZE)
        panel.set_xticks(range(shown))
        set_titles(panel, title)
        declutter(panel)
    axes[0].set_ylabel("share of the variance", fontsize=LABEL_SIZE)
    axes[1].legend(fontsize=LABEL_SIZE, frameon=False)
    return figure


ILLUSTRATIONS = (
    Illustration(
        "series-direction",
        direction_figure,
        "Three maps of a hill: at the start, moved eastward by the solver, and moved westward by "
        "the printed series.",
        "A hill in solid-body rotation, eastward with 32 m s⁻¹ at the equator. As printed, both "
        "signs of imU are reversed: the tracer turns against the wind. Dashed: where it started.",
    ),
    Illustration(
        "series-coupling",
        coupling_figure,
        "Coupling matrices of order one: diagonal for constant angular speed, full in every other "
        "diagonal for constant linear speed.",
        "Coupling of the degrees of order m = 1 by a zonal wind: the rate at which degree n' "
        "changes the coefficient of degree n. Where the linear speed is constant, 1/cos θ couples "
        "every degree with every other one of the same parity.",
    ),
    Illustration(
        "series-zonal-wind",
        zonal_wind_figure,
        "Maps of a hill after three days: sheared in truth, carried as a whole by the series, "
        "and their difference.",
        "A zonal wind of 32 m s⁻¹ at every latitude: the angular speed grows towards the poles, "
        "the tracer is sheared, and the closed form does not apply.",
    ),
    Illustration(
        "series-basis",
        basis_figure,
        "Bars of variance by degree: with the sine of latitude all at degree three, with the "
        "cosine spread over many degrees.",
        "What the functions of degree 3 consist of when θ is the latitude. With cos θ they are no "
        "eigenfunctions of the Laplacian, so that no coefficient decays at a single rate.",
    ),
)
"""Of Theorem 2."""
