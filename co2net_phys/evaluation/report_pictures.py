"""The figures of a report on scores, chosen and captioned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from co2net_phys.errors import UsageError
from co2net_phys.evaluation.assess import Assessment
from co2net_phys.evaluation.map_figures import error_maps_figure, site_maps_figure
from co2net_phys.evaluation.series_figures import Panel, panels_figure, spectrum_figure
from co2net_phys.evaluation.taylor import Comparison, taylor_figure
from co2net_phys.report import Paragraph, Picture, Section

SHOWN_SITES = 9
"""Sites of a group whose series are drawn: the worst, the middle and the best three."""

FEWEST_SHOWN = 10
"""Observations of a site, below which its series and its correlation say little."""

LONGEST_TITLE = 34
"""Letters above a panel."""


def map_pictures(found: Assessment, units: str) -> list[Section]:
    """Where the prediction errs, on the grid and at stations."""
    pictures: list[Section] = []
    if found.grid is not None:
        grid = found.grid
        figure = error_maps_figure(
            grid.errors.bias, grid.errors.rmse, grid.latitude, grid.longitude, units
        )
        pictures.append(
            Picture(figure, "Maps of the mean error and of the RMSE of every cell",
                    "Over all compared times; colours end at the 99th percentile.")
        )  # fmt: skip
    if found.scores["stations"]:
        groups = {
            name.replace("_", " "): group["sites"]
            for name, group in found.scores["stations"].items()
        }
        pictures.append(
            Picture(site_maps_figure(groups, units),
                    "Maps of the mean error and of the RMSE at stations",
                    "Stations by group; the largest errors lie on top.")
        )  # fmt: skip
    return pictures


def series_pictures(found: Assessment, units: str, gas: str) -> list[Section]:
    """Area means of the globe and the regions, and series of chosen stations."""
    drawn: list[Section] = []
    label = f"{gas} ({units})"
    if found.grid is not None:
        grid = found.grid
        rows = {"global": found.scores, **found.scores["regions"]}
        panels = [
            Panel(name, f"RMSE of maps {rows[name]['rmse']:.2f}", grid.times,
                  *reversed(grid.sums.mean_series(name)))
            for name in grid.sums.regions
        ]  # fmt: skip
        drawn.append(
            _drawn(panels, "Means over regions", label, "truth",
                   "Area means over the cells whose truth is known.", marks=False)
        )  # fmt: skip
    for name, group in found.scores["stations"].items() if found.pairs else ():
        title = f"Stations: {name.replace('_', ' ')}"
        drawn.append(
            _drawn(_station_panels(found, group["sites"]), title, label, "observed",
                   f"{len(group['sites'])} stations; those with the largest, the middle and the "
                   "smallest RMSE.", marks=True)
        )  # fmt: skip
    return drawn


def taylor_pictures(found: Assessment) -> list[Section]:
    """Taylor diagrams over regions and over stations."""
    drawn: list[Section] = []
    caption = (
        "Radius: standard deviation over that of the truth. Angle: correlation. Yellow circles: "
        "RMS error without bias, in standard deviations of the truth."
    )
    if found.grid is not None:
        rows = {"global": found.scores, **found.scores["regions"]}
        points = [
            Comparison(name, row["standard_deviation_ratio"], row["correlation"])
            for name, row in rows.items()
        ]
        drawn += _taylor({"regions": points}, "Regions, over time and area", caption)
    if found.scores["stations"]:
        groups = {
            name.replace("_", " "): [
                Comparison(code, row["standard_deviation_ratio"], row["correlation"])
                for code, row in _telling(group["sites"]).items()
            ]
            for name, group in found.scores["stations"].items()
        }
        drawn += _taylor(groups, "Stations, over time", caption)
    return drawn


def spectrum_pictures(found: Assessment, units: str) -> list[Section]:
    """Zonal spectra of truth and prediction."""
    spectrum = found.scores.get("spectrum")
    if not spectrum:
        return []
    return [
        Picture(spectrum_figure(spectrum, units), "Zonal power spectra of truth and prediction",
                "Mean over area and over the times without missing values.")
    ]  # fmt: skip


def event_pictures(found: Assessment, units: str, gas: str) -> list[Section]:
    """Curves of truth and prediction over the box of each event."""
    if found.grid is None or not found.grid.events:
        return []
    panels = [
        Panel(name, f"RMSE {event['scores']['rmse']:.2f}", event["times"], event["truth"],
              event["prediction"])
        for name, event in found.grid.events.items()
    ]  # fmt: skip
    caption = "Area means over the box of each event."
    return [_drawn(panels, "Events", f"{gas} ({units})", "truth", caption, marks=False)]


def _drawn(
    panels: Sequence[Panel], title: str, label: str, truth: str, caption: str, *, marks: bool
) -> Section:
    """The figure, or why there is none: a plot knows no 30 February."""
    try:
        figure = panels_figure(panels, title, label, truth, marks)
    except UsageError as error:
        return Paragraph(f"{title}: {error}.")
    return Picture(figure, f"{title}: time series of {truth} and prediction", caption)


def _taylor(groups: dict[str, list[Comparison]], title: str, caption: str) -> list[Section]:
    try:
        figure = taylor_figure(groups, title)
    except UsageError as error:
        return [Paragraph(f"{title}: {error}.")]
    return [Picture(figure, f"Taylor diagram: {title}", caption)]


def _telling(sites: dict[str, Any]) -> dict[str, Any]:
    """The sites with enough observations, or all where none has."""
    enough = {code: site for code, site in sites.items() if site["n"] >= FEWEST_SHOWN}
    return enough or sites


def _station_panels(found: Assessment, sites: dict[str, Any]) -> list[Panel]:
    """Series of the sites with the largest, the middle and the smallest RMSE."""
    assert found.pairs is not None
    codes = sorted(_telling(sites), key=lambda code: -sites[code]["rmse"])
    shown = chosen(codes, SHOWN_SITES)
    panels = []
    for code in shown:
        own = found.pairs.at([code])
        name, rmse = sites[code]["name"], sites[code]["rmse"]
        name = code if name in (code, "") else f"{code}  {name}"
        short = name if len(name) <= LONGEST_TITLE else name[: LONGEST_TITLE - 1] + "…"
        panels.append(Panel(short, f"RMSE {rmse:.2f}", own.time, own.observed, own.predicted))
    return panels


def chosen(ordered: Sequence[str], most: int) -> list[str]:
    """The first, the middle and the last third of `most` entries of a sorted list."""
    if len(ordered) <= most:
        return list(ordered)
    third = most // 3
    middle = (len(ordered) - third) // 2
    spans = (range(third), range(middle, middle + third), range(len(ordered) - third, len(ordered)))
    return [ordered[index] for index in sorted({*np.concatenate(spans).tolist()})]
