"""Figures of the numerics: orders of convergence, the mass in two forms, the Taylor test."""

import numpy as np
from matplotlib.figure import Figure

from co2net_phys.plotting import (
    LABEL_SIZE,
    add_colour_bar,
    declutter,
    draw_map,
    set_titles,
)
from co2net_phys.solvers import SECONDS_PER_DAY, Grid
from co2net_phys.validation.adjoint import PERTURBATIONS, taylor_remainders
from co2net_phys.validation.conservation import carried_cylinders, cell_grid, mass_changes
from co2net_phys.validation.convergence import (
    DURATION,
    SCHEMES,
    TRUNCATIONS,
    errors_in_space,
    errors_in_time,
)
from co2net_phys.validation.illustration import Illustration


def convergence_figure() -> Figure:
    """Error against the time step of every scheme, and against the truncation."""
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    in_time, in_space = figure.subplots(1, 2)
    for name, (_, order, steps) in SCHEMES.items():
        hours = DURATION / 3600.0 / np.array(steps)
        errors = errors_in_time(name)
        (line,) = in_time.loglog(hours, errors, "o", ms=5, label=f"{name}, order {order}")
        fitted = errors[-1] * (hours / hours[-1]) ** order
        in_time.loglog(hours, fitted, color=line.get_color(), lw=1.0)
    in_time.set_xlabel("time step, hours", fontsize=LABEL_SIZE)
    in_time.set_ylabel("largest modal error", fontsize=LABEL_SIZE)
    in_time.set_xticks([1, 2, 4, 6], labels=["1", "2", "4", "6"])
    in_time.minorticks_off()
    set_titles(in_time, "In time: the promised orders (lines)")
    in_space.semilogy(TRUNCATIONS, errors_in_space(), "o-", color="#0072b2", lw=1.0)
    in_space.set_xticks(TRUNCATIONS)
    in_space.set_xlabel("truncation T", fontsize=LABEL_SIZE)
    in_space.set_ylabel("largest error, peak = 1", fontsize=LABEL_SIZE)
    set_titles(in_space, "In space: faster than any power")
    for axes in (in_time, in_space):
        declutter(axes)
    in_time.legend(fontsize=LABEL_SIZE, frameon=False)
    return figure


def conservation_figure() -> Figure:
    """Mass in a divergent wind by form, and cylinders by the monotone and spectral scheme."""
    figure = Figure(figsize=(12.6, 3.3), layout="constrained")
    mass, left, right = figure.subplots(1, 3, width_ratios=(1.0, 1.3, 1.3))
    for form, colour in (("advective", "#c1272d"), ("flux", "#0072b2")):
        changes = 100.0 * mass_changes(form)
        mass.plot(changes, "o-", color=colour, lw=1.0, ms=4, label=form)
    mass.set_xlabel("time, days", fontsize=LABEL_SIZE)
    mass.set_ylabel("change of mass, %", fontsize=LABEL_SIZE)
    set_titles(mass, "Divergent wind: only flux keeps mass")
    declutter(mass)
    mass.legend(fontsize=LABEL_SIZE, frameon=False)
    grid: Grid = cell_grid()
    _, monotone, spectral = carried_cylinders()
    for panel, field, title in (
        (left, monotone, "Monotone: within 0.1 to 1"),
        (right, spectral, "Series at T21: rings"),
    ):
        mesh = draw_map(panel, field, grid.latitude, grid.longitude, (-0.2, 1.3))
        set_titles(panel, title, f"{field.min():.2f} to {field.max():.2f}")
    both = np.stack([monotone, spectral])
    add_colour_bar(figure, mesh, [left, right], "tracer, 1", both, vertical=True)
    return figure


def gradient_figure() -> Figure:
    """Remainder of the misfit with and without the gradient."""
    remainder, difference = taylor_remainders()
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    axes.loglog(PERTURBATIONS, difference, "s-", color="#e69f00", lw=1.0, label="without gradient")
    axes.loglog(PERTURBATIONS, remainder, "o-", color="#0072b2", lw=1.0, label="with gradient")
    square = remainder[0] * (PERTURBATIONS / PERTURBATIONS[0]) ** 2
    axes.loglog(PERTURBATIONS, square, color="0.3", lw=1.0, ls="--", label="ε²")
    axes.set_xlabel("size ε of the perturbation", fontsize=LABEL_SIZE)
    axes.set_ylabel("remainder of the misfit", fontsize=LABEL_SIZE)
    set_titles(axes, "The gradient leaves a remainder of second order")
    declutter(axes)
    axes.legend(fontsize=LABEL_SIZE, frameon=False)
    return figure


ILLUSTRATIONS: dict[str, tuple[Illustration, ...]] = {
    "convergence": (
        Illustration(
            "numerics-convergence",
            convergence_figure,
            "Left: errors of four schemes against the time step lie on lines of slope 2, 3 and 4. "
            "Right: the error against the truncation bends downwards on a logarithmic axis.",
            f"Errors after {DURATION / SECONDS_PER_DAY:g} days in an unsteady deforming wind with "
            "diffusion and a source, and of smooth hills turned about a tilted axis.",
        ),
    ),
    "conservation": (
        Illustration(
            "numerics-conservation",
            conservation_figure,
            "The mass falls by a third in the advective form and stays in the flux form; maps of "
            "deformed cylinders, clean by the monotone scheme and with ripples by the series.",
            "Equation (1) keeps the mass only if the wind has no divergence. Right: cylinders on "
            "the 44 × 88 grid after six days of deformation.",
        ),
    ),
    "adjoint": (
        Illustration(
            "numerics-gradient",
            gradient_figure,
            "The remainder of the misfit falls with the square of the perturbation if the gradient "
            "is taken off, and with its first power otherwise.",
            "Taylor test of the gradient of a misfit to six stations by initial field, source and "
            "diffusivity together.",
        ),
    ),
}
"""By topic: convergence, conservation and gradients."""
