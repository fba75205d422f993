"""Figures of fields, station series and training, for reports and papers.

All figures are built from `matplotlib.figure.Figure`, never from pyplot's global state, so they
may be made in any thread and without a display. Colour maps are perceptually uniform and safe for
colour-blind readers. Coastlines are the outline of the packaged land raster: nothing is downloaded.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from co2net_phys.errors import UsageError
from co2net_phys.metrics import latitude_weights, rmse
from co2net_phys.plotting import (
    LABEL_SIZE,
    TITLE_SIZE,
    Floats,
    Limits,
    Stations,
    add_colour_bar,
    declutter,
    draw_map,
    mark_stations,
    robust_limits,
    set_titles,
    symmetric_limits,
)

CO2_UNITS = "µmol mol⁻¹"
"""Unit of the mole fraction of CO2 in dry air, as labels show it; the same as ppm."""

_OBSERVED_COLOUR, _PREDICTED_COLOUR = "#1a1a1a", "#d55e00"  # Okabe-Ito vermillion on near-black
_LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe-Ito
_MOST_PANELS = 9


def map_figure(
    field: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    title: str,
    units: str = CO2_UNITS,
    difference: bool = False,
    stations: Stations | None = None,
    limits: Limits | None = None,
    time: str = "",
) -> Figure:
    """Global map of one field.

    Args:
        field: (lat, lon); NaN cells are grey.
        latitude: cell centres (lat,) in degrees north, ascending or descending.
        longitude: cell centres (lon,) in degrees east around the globe, either convention.
        title: shown above the map on the left.
        units: label of the colour bar.
        difference: use a diverging colour map, symmetric about 0.
        stations: sites to mark, or several groups by the name that the legend shows.
        limits: lowest and highest colour; by default the 1st and 99th percentiles.
        time: shown above the map on the right.

    Raises:
        UsageError: the field does not fit its coordinates.
    """
    values = _checked(field, latitude, longitude)
    figure = Figure(figsize=(8.6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    chosen = limits or (symmetric_limits(values) if difference else robust_limits(values))
    mesh = draw_map(axes, values, latitude, longitude, chosen, difference)
    set_titles(axes, title, time)
    mark_stations(axes, stations)
    add_colour_bar(figure, mesh, [axes], units, values, vertical=True)
    return figure


def three_maps_figure(
    truth: ArrayLike,
    prediction: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    title: str,
    units: str = CO2_UNITS,
    stations: Stations | None = None,
    limits: Limits | None = None,
    time: str = "",
) -> Figure:
    """Truth and reconstruction on one colour scale, and their difference with its RMSE.

    Args:
        truth: (lat, lon).
        prediction: (lat, lon).
        latitude: cell centres (lat,) in degrees north.
        longitude: cell centres (lon,) in degrees east, either convention.
        title: shown above all.
        units: label of the colour bars.
        stations: sites to mark on the reconstruction, or groups by name.
        limits: colours of truth and reconstruction; by default the percentiles of the truth.
        time: shown above the truth on the right.

    Raises:
        UsageError: a field does not fit the coordinates.
    """
    known = _checked(truth, latitude, longitude)
    guess = _checked(prediction, latitude, longitude)
    error = guess - known
    figure = Figure(figsize=(14.0, 3.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3, sharey=True)
    shared = limits or robust_limits(known)
    mesh = draw_map(left, known, latitude, longitude, shared)
    draw_map(middle, guess, latitude, longitude, shared)
    errors = draw_map(right, error, latitude, longitude, symmetric_limits(error), difference=True)
    size = rmse(guess[None], known[None], latitude_weights(latitude))
    set_titles(left, "Truth", time)
    set_titles(middle, "Reconstruction")
    set_titles(right, "Reconstruction − truth", f"RMSE {size:.2f}")
    mark_stations(middle, stations)
    both = np.stack([known, guess])
    add_colour_bar(figure, mesh, [left, middle], units, both, vertical=False)
    add_colour_bar(figure, errors, [right], units, error, vertical=False)
    figure.suptitle(title, fontsize=TITLE_SIZE + 2, fontweight="bold")
    return figure


def station_series_figure(
    times: ArrayLike,
    observed: Mapping[str, ArrayLike],
    predicted: Mapping[str, ArrayLike],
    names: Mapping[str, str] | None = None,
    title: str = "Held-out stations",
    units: str = CO2_UNITS,
) -> Figure:
    """Observed and reconstructed CO2 at up to nine stations, one panel each.

    Args:
        times: (time,) datetime64, or dates of a calendar whose days all exist in the standard one.
        observed: series (time,) by station code; NaN where nothing was observed.
        predicted: series (time,) by station code, for each observed station.
        names: full names by station code.
        title: shown above all.
        units: label of the vertical axes.

    Raises:
        UsageError: no station or more than nine, a series is missing or has another length.
    """
    if not 1 <= len(observed) <= _MOST_PANELS:
        raise UsageError(f"{len(observed)} stations to draw: choose 1 to {_MOST_PANELS}")
    dates = standard_dates(times)
    columns = min(3, len(observed))
    rows = -(-len(observed) // columns)
    figure = Figure(figsize=(4.2 * columns, 2.3 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for panel in panels[len(observed) :]:
        panel.set_axis_off()
    for panel in panels[max(0, len(observed) - columns) : len(observed)]:
        panel.tick_params(labelbottom=True)  # the lowest of its column may not be in the last row
    for panel, code in zip(panels, observed, strict=False):
        series = [_series(source, code, dates.size) for source in (observed, predicted)]
        _draw_series(panel, dates, *series)
        name = (names or {}).get(code, "")
        set_titles(panel, f"{code}  {name}".rstrip())
    figure.supylabel(f"CO₂ ({units})", fontsize=LABEL_SIZE)
    figure.suptitle(title, fontsize=TITLE_SIZE + 2, fontweight="bold")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=LABEL_SIZE
    )
    return figure


def loss_curve_figure(
    epochs: ArrayLike,
    losses: Mapping[str, ArrayLike],
    title: str = "Training",
    label: str = "Loss",
) -> Figure:
    """Losses against epochs, on a logarithmic axis where they span more than a factor of ten.

    Args:
        epochs: (epoch,) numbers of the epochs.
        losses: curves (epoch,) by name; NaN where not evaluated.
        title: shown above on the left.
        label: of the vertical axis, with its unit if it has one.

    Raises:
        UsageError: no curve, or one of another length.
    """
    if not losses:
        raise UsageError("no loss to draw: give at least one curve")
    steps = np.asarray(epochs, dtype=np.float64)
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for i, name in enumerate(losses):
        curve = _series(losses, name, steps.size)
        known = np.isfinite(curve)  # a validation loss is known every few epochs: join these
        colour = _LINE_COLOURS[i % len(_LINE_COLOURS)]
        axes.plot(steps[known], curve[known], color=colour, linewidth=1.6, label=name)
    values = np.concatenate([_series(losses, name, steps.size) for name in losses])
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("Epoch", fontsize=LABEL_SIZE)
    axes.set_ylabel(label, fontsize=LABEL_SIZE)
    axes.legend(frameon=False, fontsize=LABEL_SIZE)
    set_titles(axes, title)
    declutter(axes)
    return figure


def calibration_figure(
    coverage: Mapping[str, Mapping[str, float]],
    spread_skill: Sequence[Mapping[str, float]],
    title: str = "Are the stated standard errors right?",
    units: str = CO2_UNITS,
) -> Figure:
    """Coverage of intervals, and error against spread; what is calibrated lies on the diagonal.

    Args:
        coverage: for each set of values, by the name that the legend shows, the share inside the
            central interval of each level in per cent (`co2net_phys.probabilistic.coverage`).
        spread_skill: "spread" and "error" of classes (`co2net_phys.probabilistic.spread_skill`).
        title: shown above both.
        units: of spread and error.

    Raises:
        UsageError: there is no coverage to draw.
    """
    if not coverage:
        raise UsageError("no coverage to draw: give at least one set of shares")
    figure = Figure(figsize=(10.0, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, (name, shares) in enumerate(coverage.items()):
        nominal = [float(level) for level in shares]
        inside = [100 * share for share in shares.values()]
        colour = _LINE_COLOURS[i % len(_LINE_COLOURS)]
        left.plot(nominal, inside, "o-", color=colour, linewidth=1.6, markersize=5, label=name)
    _draw_diagonal(left, 100.0)
    left.set_xlabel("Level of the central interval (%)", fontsize=LABEL_SIZE)
    left.set_ylabel("Share of truth inside (%)", fontsize=LABEL_SIZE)
    left.legend(frameon=False, fontsize=LABEL_SIZE, loc="upper left")
    set_titles(left, "Coverage", "below the line: overconfident")
    pairs = np.array([[row["spread"], row["error"]] for row in spread_skill]).reshape(-1, 2)
    right.plot(*pairs.T, "o-", color=_LINE_COLOURS[0], linewidth=1.6, markersize=5)
    known = pairs[np.isfinite(pairs)]
    _draw_diagonal(right, 1.08 * float(known.max()) if known.size and known.max() > 0 else 1.0)
    right.set_xlabel(f"Stated standard error ({units})", fontsize=LABEL_SIZE)
    right.set_ylabel(f"RMS error ({units})", fontsize=LABEL_SIZE)
    set_titles(right, "Error against spread", "above the line: overconfident")
    figure.suptitle(title, fontsize=TITLE_SIZE + 2, fontweight="bold")
    return figure


def picture_bytes(figure: Figure, kind: str = "png", dpi: int = 150) -> bytes:
    """Render a figure as "png", "pdf" or "svg"; the same figure gives the same PNG."""
    buffer = io.BytesIO()
    metadata = {"Software": None} if kind == "png" else None
    figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def figure_to_data_uri(figure: Figure, dpi: int = 150) -> str:
    """PNG image of a figure as a data URI, for HTML without further files."""
    return "data:image/png;base64," + base64.b64encode(picture_bytes(figure, dpi=dpi)).decode()


def _draw_diagonal(axes: Axes, end: float) -> None:
    """Draw where both axes are equal, on equal axes from 0 to `end`."""
    axes.plot([0, end], [0, end], "--", color="0.5", linewidth=1.0, zorder=0)
    axes.set(xlim=(0, end), ylim=(0, end), aspect="equal")
    declutter(axes)


def _checked(field: ArrayLike, latitude: ArrayLike, longitude: ArrayLike) -> Floats:
    values = np.asarray(field, dtype=np.float64)
    if values.shape != (np.size(latitude), np.size(longitude)):
        raise UsageError(
            f"field {values.shape} is not (lat, lon) = ({np.size(latitude)}, {np.size(longitude)}):"
            " select one time and transpose it if need be"
        )
    return values


def _draw_series(axes: Axes, dates: NDArray[Any], observed: Floats, predicted: Floats) -> None:
    axes.plot(
        dates, observed, ".", color=_OBSERVED_COLOUR, markersize=4, alpha=0.75, label="observed"
    )
    axes.plot(dates, predicted, color=_PREDICTED_COLOUR, linewidth=1.3, label="reconstructed")
    locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    declutter(axes)


def _series(source: Mapping[str, ArrayLike], name: str, length: int) -> Floats:
    values = np.asarray(source.get(name, ()), dtype=np.float64)
    if values.shape != (length,):
        raise UsageError(f"series {name!r} has shape {values.shape}: expected ({length},)")
    return values


def standard_dates(times: ArrayLike) -> NDArray[Any]:
    """Dates (time,) as datetime64, which is all that matplotlib can draw."""
    dates = np.asarray(times)
    if np.issubdtype(dates.dtype, np.datetime64):
        return dates
    try:
        return np.array([date.isoformat() for date in dates], dtype="datetime64[s]")
    except (AttributeError, ValueError) as error:
        raise UsageError(
            f"these times cannot be drawn ({error}): convert them to the standard calendar"
        ) from error
