"""Figures of what a cap, a network of stations and a time window tell of the field."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from co2net_phys.data.stations import Station, load_stations
from co2net_phys.plotting import (
    LABEL_SIZE,
    TICK_SIZE,
    add_colour_bar,
    declutter,
    draw_map,
    mark_stations,
    set_titles,
)
from co2net_phys.solvers import Grid
from co2net_phys.validation import observability, slepian, station_matrix, station_sampling
from co2net_phys.validation.illustration import Illustration
from co2net_phys.validation.observability import degrees_of_freedom
from co2net_phys.validation.station_window import (
    DEGREE,
    DIFFUSIVITY,
    FRAME,
    observed_in_still_air,
    observed_in_twin,
)

Array = NDArray[np.float64]

BLUE, RED, GREEN, GREY = "#1f5fa8", "#c2410c", "#2f855a", "0.45"

WINDOWS = (1, 2, 4, 8, 16, 24, 40, 60, 80)
"""Frames at which the curves of the time window are worked out."""


def cap_eigenvalues() -> Figure:
    """Spectra of the cap beside its smallest eigenvalue by degree."""
    figure, (left, right) = _two_panels()
    for degree, colour in ((8, GREY), (16, BLUE), (24, RED)):
        values = slepian.concentration(degree)
        share = np.arange(1, values.size + 1) / values.size
        left.plot(share, values, color=colour, label=f"L = {degree}")
    shannon = slepian.shannon_number(0, slepian.RADIUS)
    left.axvline(shannon, color="black", linewidth=1, linestyle="--")
    left.annotate("Shannon number", (shannon + 0.01, 0.62), fontsize=TICK_SIZE)
    _label(left, "number of the eigenvalue / (L+1)²", "energy inside the cap λ (1)")
    left.legend(fontsize=TICK_SIZE, frameon=False)
    set_titles(left, "A 60° cap shows a quarter of the coefficients")
    degrees = np.arange(1, slepian.LARGEST_DEGREE + 1)
    for radius, colour in ((slepian.RADIUS, RED), (90.0, BLUE)):
        smallest = slepian.smallest_eigenvalues(radius)
        right.semilogy(degrees, smallest, "o-", color=colour, markersize=4, label=f"{radius:g}°")
        rate = np.tan(np.radians(radius) / 4.0) ** 4
        right.semilogy(degrees, smallest[-1] * rate ** (degrees - degrees[-1]), ":", color=colour)
    right.axhline(np.finfo(np.float64).eps, color="black", linewidth=1, linestyle="--")
    right.annotate("double precision", (1.0, 6e-18), fontsize=TICK_SIZE)
    _label(right, "degree L of the field", "smallest eigenvalue λ (1)")
    right.legend(fontsize=TICK_SIZE, frameon=False, title="cap", title_fontsize=TICK_SIZE)
    set_titles(right, "The worst one falls by tan⁴(Θ/4) a degree", "dotted: that rate")
    return figure


def cap_noise() -> Figure:
    """Error of a field continued from the cap, by degree and noise."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    degrees = np.arange(1, slepian.LARGEST_DEGREE + 1)
    for noise, colour in ((0.0, GREY), (slepian.NOISE, BLUE), (1e-2, RED)):
        errors = [slepian.recovery_error(int(degree), noise) for degree in degrees]
        name = f"{noise:g}" if noise else "rounding only"
        axes.semilogy(degrees, errors, "o-", color=colour, markersize=4, label=name)
    axes.axhline(1.0, color="black", linewidth=1, linestyle="--")
    axes.annotate("as wrong as no field at all", (12, 1.6), fontsize=TICK_SIZE, ha="right")
    _label(axes, "degree L of the field", "relative error of the field (1)")
    axes.legend(
        fontsize=TICK_SIZE, frameon=False, title="error of the data", title_fontsize=TICK_SIZE
    )
    best = slepian.resolved_on_cap(slepian.NOISE)
    set_titles(axes, f"Errors of a millionth on a 60° cap leave {best} degrees")
    return figure


def station_conditioning() -> Figure:
    """Singular values of the built-in network, and condition numbers by degree."""
    figure, (left, right) = _two_panels()
    for degree, colour in ((4, GREY), (6, GREEN), (8, BLUE), (9, RED)):
        values = station_matrix.singular_values(load_stations(), degree)
        name = f"L = {degree}: {(degree + 1) ** 2} coefficients"
        left.semilogy(np.arange(1, values.size + 1), values, color=colour, label=name)
    _label(left, "number of the singular value", "singular value of the sampling matrix (1)")
    left.legend(fontsize=TICK_SIZE, frameon=False, loc="lower left")
    set_titles(left, "96 stations see the last directions dimly")
    degrees = np.arange(station_sampling.LARGEST_DEGREE + 1)
    low, middle, high = np.percentile(station_sampling.random_conditions(), (5, 50, 95), axis=0)
    right.fill_between(degrees, low, high, color=BLUE, alpha=0.2, linewidth=0)
    count = station_sampling.RANDOM_NETWORKS
    right.semilogy(degrees, middle, "s-", color=BLUE, markersize=4, label=f"{count} random ones")
    right.semilogy(
        degrees, station_sampling.built_in(), "o-", color=RED, markersize=4, label="built-in"
    )
    right.axvline(8.5, color="black", linewidth=1, linestyle="--")
    right.annotate("more coefficients\nthan stations", (8.7, 1.5), fontsize=TICK_SIZE, va="bottom")
    _label(right, "degree L of the field", "condition number of the matrix (1)")
    right.legend(
        fontsize=TICK_SIZE,
        frameon=False,
        loc="upper left",
        title="network (band: 5–95 %)",
        title_fontsize=TICK_SIZE,
    )
    set_titles(right, "Towards the limit, decades a degree")
    return figure


def invisible_field() -> Figure:
    """The field that no station sees, with the stations."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.add_subplot()
    grid = Grid.carbontracker()
    latitude, longitude = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    harmonics = station_matrix.real_harmonics(
        latitude.ravel(), longitude.ravel(), station_sampling.INVISIBLE_DEGREE
    )
    field = (harmonics @ station_sampling.invisible_field()).reshape(grid.shape)
    bound = float(np.abs(field).max())
    mesh = draw_map(axes, field, grid.latitude, grid.longitude, (-bound, bound), difference=True)
    mark_stations(axes, load_stations())
    add_colour_bar(figure, mesh, [axes], "field in units of its root mean square", field, False)
    set_titles(
        axes,
        "A field that is zero at all 96 stations",
        f"degree ≤ {station_sampling.INVISIBLE_DEGREE}",
    )
    return figure


def resolved_degree() -> Figure:
    """Degree that least squares resolves, by noise, for the built-in and random networks."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    noises = np.logspace(-5, 1, 61)
    random = np.array(
        [_resolved(station_matrix.random_network(seed), noises) for seed in range(20)]
    )
    axes.fill_between(
        noises, random.min(axis=0), random.max(axis=0), step="mid", color=BLUE, alpha=0.2, lw=0
    )
    middle = np.median(random, axis=0).astype(int)
    axes.step(noises, middle, where="mid", color=BLUE, label="20 random networks (band: all)")
    axes.step(
        noises, _resolved(load_stations(), noises), where="mid", color=RED, label="built-in network"
    )
    axes.axhline(8, color="black", linewidth=1, linestyle="--")
    axes.annotate("limit by the number of stations", (12, 8.12), fontsize=TICK_SIZE, ha="right")
    axes.set(xscale="log", ylim=(0, 8.8))
    _label(axes, "error of a measurement / rms of the field (1)", "resolved degree")
    axes.legend(fontsize=TICK_SIZE, frameon=False, loc="lower left")
    noise = station_sampling.NOISE
    degree = station_sampling.resolved_degree(load_stations(), noise)
    set_titles(axes, f"With errors of {noise:.0%} the built-in stations resolve degree {degree}")
    return figure


def time_window() -> Figure:
    """Degrees of freedom by length of the window, and the error of the recovered field."""
    figure, (left, right) = _two_panels()
    cases = (
        ("wind of the twin", observed_in_twin(), RED, "o-"),
        ("still air, diffusion", observed_in_still_air(DIFFUSIVITY), BLUE, "s-"),
        ("still air", observed_in_still_air(0.0), GREY, "^-"),
    )
    days = np.array(WINDOWS) * FRAME / 86400.0
    for name, observed, colour, style in cases:
        known = [degrees_of_freedom(observed, frames) for frames in WINDOWS]
        left.plot(days, known, style, color=colour, markersize=4, label=name)
        errors = [observability.recovery_error(observed, frames) for frames in WINDOWS]
        right.plot(days, errors, style, color=colour, markersize=4, label=name)
    stations, unknowns = len(load_stations()), (DEGREE + 1) ** 2
    for level, text in ((stations, f"{stations} stations"), (unknowns, f"{unknowns} coefficients")):
        left.axhline(level, color="black", linewidth=1, linestyle="--")
        left.annotate(text, (10.0, level + 3), fontsize=TICK_SIZE, ha="right")
    left.set(ylim=(0, 280))
    _label(left, "length of the window (days)", "effective degrees of freedom")
    left.legend(fontsize=TICK_SIZE, frameon=False, loc="lower right")
    set_titles(left, "Moving air shows what one look cannot")
    right.set(ylim=(0, 1))
    _label(right, "length of the window (days)", "relative error of the initial field (1)")
    first, last = (observability.recovery_error(cases[0][1], n) for n in (1, WINDOWS[-1]))
    fall = f"In wind the error falls from {first:.0%} to {last:.0%}"
    set_titles(right, fall, f"data: ±{observability.NOISE:.0%}")
    return figure


def _resolved(stations: tuple[Station, ...], noises: Array) -> list[int]:
    return [station_sampling.resolved_degree(stations, float(noise)) for noise in noises]


def _two_panels() -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    return figure, (left, right)


def _label(axes: Axes, horizontal: str, vertical: str) -> None:
    axes.set_xlabel(horizontal, fontsize=LABEL_SIZE)
    axes.set_ylabel(vertical, fontsize=LABEL_SIZE)
    declutter(axes)


ILLUSTRATIONS: dict[str, tuple[Illustration, ...]] = {
    "slepian": (
        Illustration(
            "cap-eigenvalues",
            cap_eigenvalues,
            "Left: the concentration eigenvalues of a 60° cap drop from one to zero at a quarter "
            "of their number. Right: the smallest one falls on straight lines of a logarithmic "
            "scale.",
            "Concentration eigenvalues of a cap by number (left), the smallest by degree (right).",
        ),
        Illustration(
            "cap-noise",
            cap_noise,
            "The error of a field continued from a 60° cap grows by more than tenfold with each "
            "degree and passes one at degree 3 for data errors of 1 %, at 7 for a millionth.",
            "Error of random fields of degree L found by least squares from data on a 60° cap.",
        ),
    ),
    "station-sampling": (
        Illustration(
            "station-conditioning",
            station_conditioning,
            "Left: singular values of the built-in network fall steeply at the end for degrees 8 "
            "and 9. Right: its condition number grows from 6 at degree 4 to 3000 at degree 8.",
            "The sampling matrix of 96 stations: singular values (left), condition number (right).",
        ),
        Illustration(
            "invisible-field",
            invisible_field,
            "World map of a smooth field that is zero at each of the 96 stations and large over "
            "the South Pacific, where there is none.",
            "The smoothest field of degree 9 or less in the null space of the sampling matrix.",
        ),
        Illustration(
            "resolved-degree",
            resolved_degree,
            "A staircase that falls with the noise: degree 8 below 0.6 %, 7 below 9.5 %, 6 up to "
            "33 %.",
            "Largest degree up to which the error variance of least squares is below the field's.",
        ),
    ),
    "observability": (
        Illustration(
            "time-window",
            time_window,
            "Left: degrees of freedom grow from 90 to 255 in ten days under moving air and stay "
            "below 96 in still air without diffusion. Right: the error of the recovered field "
            "falls to 7 %.",
            "What 96 stations tell of the initial field in windows of up to ten days.",
        ),
    ),
}
"""R8, R12 and R13, by topic."""
