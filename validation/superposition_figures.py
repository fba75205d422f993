"""Figures of Proposition 1: the particular solution of a balanced and of a net source."""

from matplotlib.figure import Figure

from co2net_phys.plotting import (
    LABEL_SIZE,
    add_colour_bar,
    declutter,
    draw_map,
    robust_limits,
    set_titles,
    symmetric_limits,
)
from co2net_phys.solvers import SECONDS_PER_DAY, Grid
from co2net_phys.validation.illustration import Illustration
from co2net_phys.validation.superposition import DURATION, particular_solution, steady_problem


def growth_figure() -> Figure:
    """Global mean of the particular solution with a balanced and with a net source."""
    harmonics, _, _ = steady_problem(divergent=False)
    figure = Figure(figsize=(7.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for net, label, colour in ((True, "net source", "#c1272d"), (False, "balanced", "#0072b2")):
        days, states = particular_solution(net)
        axes.plot(days, harmonics.global_mean(states), "o", color=colour, ms=5, label=label)
    rate = SECONDS_PER_DAY / DURATION  # a mean of one per duration
    axes.plot(days, rate * days, color="0.3", lw=1.0, zorder=1, label="s̄ t")
    axes.set_xlabel("time, days", fontsize=LABEL_SIZE)
    axes.set_ylabel("global mean, µmol mol⁻¹", fontsize=LABEL_SIZE)
    set_titles(axes, "With a net source there is no time-invariant particular solution")
    declutter(axes)
    axes.legend(fontsize=LABEL_SIZE, frameon=False)
    return figure


def maps_figure() -> Figure:
    """The source, the steady field of its balanced part, and both particular solutions later."""
    harmonics, _, source = steady_problem(divergent=False)
    grid = Grid("cell-centre", 60, 120)
    latitude, longitude = grid.latitude, grid.longitude
    balanced, grown = (
        harmonics.synthesise(particular_solution(net)[1], grid).numpy() for net in (False, True)
    )
    rate = harmonics.synthesise(source, grid).numpy() * SECONDS_PER_DAY
    figure = Figure(figsize=(10.0, 5.6), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    shown = draw_map(axes[0, 0], rate, latitude, longitude, robust_limits(rate))
    add_colour_bar(figure, shown, [axes[0, 0]], "µmol mol⁻¹ per day", rate, vertical=True)
    limits = symmetric_limits(grown[-1])
    days = f"{DURATION / SECONDS_PER_DAY:g} days later"
    panels = (
        (axes[0, 1], balanced[0], "Steady field of s − s̄", ""),
        (axes[1, 0], balanced[-1], "Balanced source: unchanged", days),
        (axes[1, 1], grown[-1], "Net source: grown by s̄ t everywhere", days),
    )
    set_titles(axes[0, 0], "Source s")
    for panel, field, title, remark in panels:
        mesh = draw_map(panel, field, latitude, longitude, limits, difference=True)
        add_colour_bar(figure, mesh, [panel], "µmol mol⁻¹", field, vertical=True)
        set_titles(panel, title, remark)
    return figure


ILLUSTRATIONS = (
    Illustration(
        "superposition-growth",
        growth_figure,
        "The global mean stays at zero with a balanced source and grows along a straight line "
        "with a net source.",
        "Global mean of the particular solution that starts as the steady field of s − s̄ in a "
        "frozen deformational wind: the growth s̄ t is what a time-invariant solution leaves out.",
    ),
    Illustration(
        "superposition-maps",
        maps_figure,
        "Maps of the source, the steady field, and the fields ten days later: the same with the "
        "balanced source, higher everywhere with the net source.",
        "The same experiment as maps. With a net source the pattern stays and the level rises.",
    ),
)
"""Of Proposition 1."""
