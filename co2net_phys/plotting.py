"""The parts that figures are made of: maps with coastlines, station marks, colour bars, titles.

All drawing goes through axes that the caller owns, never through pyplot's global state.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import FuncFormatter, MultipleLocator
from numpy.typing import ArrayLike, NDArray

from co2net_phys.data.cells import cell_bounds, latitude_bounds
from co2net_phys.data.regions import OCEAN_CODE, continent_raster
from co2net_phys.data.stations import Station

Floats = NDArray[np.float64]
Limits = tuple[float, float]
"""Values at the lowest and the highest colour."""

Stations = Sequence[Station] | Mapping[str, Sequence[Station]]
"""Sites to mark, or several groups by the name that the legend shows."""

TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 11, 9, 8
"""Points."""

_CONCENTRATION_MAP, _DIFFERENCE_MAP = "viridis", "RdBu_r"
_MARKERS = ("o", "^", "s", "D")
_FACES = ("white", "#ff9f1c", "#ff5da2", "#7bdff2")


def draw_map(
    axes: Axes,
    field: Floats,
    latitude: ArrayLike,
    longitude: ArrayLike,
    limits: Limits,
    difference: bool = False,
) -> QuadMesh:
    """Draw a field (lat, lon) with coastlines on an equirectangular map from −180 to 180.

    Args:
        axes: where to draw.
        field: (lat, lon); NaN cells are grey.
        latitude: cell centres (lat,) in degrees north, ascending or descending.
        longitude: cell centres (lon,) in degrees east around the globe, either convention.
        limits: values at the lowest and the highest colour.
        difference: use a diverging colour map.
    """
    edges, columns = _display_columns(longitude)
    mesh = axes.pcolormesh(
        edges,
        latitude_bounds(latitude),
        field[:, columns],
        cmap=_DIFFERENCE_MAP if difference else _CONCENTRATION_MAP,
        vmin=limits[0],
        vmax=limits[1],
        rasterized=True,  # keeps vector formats small
    )
    draw_frame(axes)
    axes.set_facecolor("0.85")
    return mesh


def draw_frame(axes: Axes) -> None:
    """Draw an equirectangular map from −180 to 180 with nothing on it but coastlines."""
    _draw_coastlines(axes)
    axes.set(xlim=(-180, 180), ylim=(-90, 90), aspect="equal")
    axes.xaxis.set_major_locator(MultipleLocator(60))
    axes.yaxis.set_major_locator(MultipleLocator(30))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _degrees(x, "E", "W")))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _degrees(y, "N", "S")))
    axes.tick_params(labelsize=TICK_SIZE, length=3, color="0.4")
    axes.spines[:].set(linewidth=0.6, color="0.4")


def mark_stations(axes: Axes, stations: Stations | None) -> None:
    """Mark sites on a map, each group with its own marker, named groups in a legend."""
    groups = stations if isinstance(stations, Mapping) else {"": stations or ()}
    for i, (name, members) in enumerate(groups.items()):
        axes.scatter(
            [station.longitude for station in members],
            [station.latitude for station in members],
            s=16,
            marker=_MARKERS[i % len(_MARKERS)],
            facecolor=_FACES[i % len(_FACES)],
            edgecolor="black",
            linewidth=0.7,
            zorder=3,
            clip_on=False,  # a site at the pole lies on the frame
            label=name or None,
        )
    if any(groups):
        axes.legend(
            loc="lower left", fontsize=TICK_SIZE, framealpha=0.9, borderpad=0.4, handletextpad=0.2
        )


def add_colour_bar(
    figure: Figure,
    mesh: ScalarMappable,
    axes: list[Axes],
    units: str,
    values: Floats,
    vertical: bool,
) -> None:
    """Add a colour bar beside or below the axes that share it.

    An end is an arrow where some of the values lie beyond it.
    """
    low, high = mesh.get_clim()
    known = values[np.isfinite(values)]
    ends = (bool((known < low).any()), bool((known > high).any()))
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max"}
    bar = figure.colorbar(
        mesh,
        ax=axes,
        extend=extend.get(ends, "both"),
        location="right" if vertical else "bottom",
        shrink=0.86 if vertical else 0.8,
        aspect=28 * len(axes),  # the same thickness beside one map and below two
        pad=0.02 if vertical else 0.04,
    )
    bar.set_label(units, fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE, length=3, color="0.4")
    bar.outline.set(linewidth=0.6, edgecolor="0.4")


def set_titles(axes: Axes, left: str, right: str = "") -> None:
    """Set a title above the left end of the axes and a remark above the right end."""
    axes.set_title(left, loc="left", fontsize=TITLE_SIZE)
    axes.set_title(right, loc="right", fontsize=LABEL_SIZE, color="0.3")


def declutter(axes: Axes) -> None:
    """Leave a faint grid and two spines."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=TICK_SIZE, length=3, color="0.4")


def robust_limits(values: Floats) -> Limits:
    """1st and 99th percentile, so that a few extreme cells do not bleach the map."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(known, [1, 99])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def symmetric_limits(values: Floats) -> Limits:
    """The 99th percentile of the absolute values, on both sides of 0."""
    known = np.abs(values[np.isfinite(values)])
    bound = float(np.percentile(known, 99)) if known.size else 0.0
    return (-bound, bound) if bound > 0 else (-1.0, 1.0)


def _display_columns(longitude: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    """Edges from −180 to 180 and the column to show between each pair of them."""
    wrapped = (np.asarray(longitude, dtype=np.float64) + 180.0) % 360.0 - 180.0
    order = np.argsort(wrapped)
    # One more column at either end, since a cell may lie across the date line.
    columns = np.concatenate([order[-1:], order, order[:1]])
    turns = np.concatenate([[-360.0], np.zeros(order.size), [360.0]])
    return cell_bounds(wrapped[columns] + turns), columns


def _draw_coastlines(axes: Axes) -> None:
    raster = continent_raster()
    latitude = np.linspace(-89.75, 89.75, raster.shape[0])
    longitude = np.linspace(-179.75, 179.75, raster.shape[1])
    land = (raster != OCEAN_CODE).astype(np.float64)
    # A pale halo keeps the dark line visible on dark colours.
    halo: list[AbstractPathEffect] = [withStroke(linewidth=1.4, foreground=(1, 1, 1, 0.45))]
    axes.contour(
        longitude, latitude, land, levels=[0.5], colors="0.1", linewidths=0.6
    ).set_path_effects(halo)


def _degrees(value: float, positive: str, negative: str) -> str:
    """Label of a tick, such as 30°N; the equator, Greenwich and the date line have no side."""
    side = "" if value in (0, 180, -180) else positive if value > 0 else negative
    return f"{abs(value):g}°{side}"
