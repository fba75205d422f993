"""The report of `co2phys evaluate`: tables and figures of everything that was compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from co2net_phys.data.atomic import atomic_write_text, require_writable_folder
from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.errors import DataError, UsageError
from co2net_phys.evaluation import report_pictures as pictures
from co2net_phys.evaluation import report_tables as tables
from co2net_phys.evaluation.assess import Assessment
from co2net_phys.evaluation.tables import csv_text
from co2net_phys.figures import CO2_UNITS, calibration_figure
from co2net_phys.json_text import json_text
from co2net_phys.report import Heading, Paragraph, Picture, Section, Table, write_report

Scores = Mapping[str, Any]

PAGE, JSON, CSV = "report.html", "scores.json", "scores.csv"
"""Files of a report that is a folder."""


def require_free(report: Path, *, overwrite: bool) -> None:
    """Refuse a report that cannot be written, before any work is done.

    It is one page where its name ends in .html, and a folder where its name has no ending.

    Raises
    ------
    UsageError
        The name ends in anything else.
    DataError
        It is there already and is not to be replaced, or cannot be written.
    """
    if is_page(report):
        if report.is_dir():
            raise DataError(f"{report}: is a folder; name a file")
        there = [report]
    elif report.suffix and not report.is_dir():
        raise UsageError(f"--report {report}: end it in .html, or name a folder")
    else:
        require_writable_folder(report)
        there = [report / name for name in (PAGE, JSON, CSV)]
    existing = [path for path in there if path.exists()]
    if existing and not overwrite:
        raise DataError(f"{existing[0]}: already exists; pass --overwrite or choose another name")


def is_page(report: Path) -> bool:
    """Whether a report is a single page."""
    return report.suffix.lower() in (".html", ".htm")


def write_evaluation_report(report: Path, compared: str, found: Assessment) -> list[Path]:
    """Write what was found as a page, or as a folder of a page, a JSON and a CSV file.

    Args:
        report: see `require_free`.
        compared: the files, in words, such as "rec.nc against twin.zarr".
        found: by `co2net_phys.evaluation.assess.assess`.

    Returns:
        The files that were written.

    Raises
    ------
    DataError
        A file cannot be written.
    """
    page = report if is_page(report) else report / PAGE
    if page is not report:
        atomic_write_text(report / JSON, json_text(found.scores) + "\n")
        atomic_write_text(report / CSV, csv_text(found.scores))
    write_report(page, f"Scores of {compared.split()[0]}", sections(compared, found))
    return [page] if page is report else [page, report / JSON, report / CSV]


def sections(compared: str, found: Assessment) -> list[Section]:
    """What the page holds."""
    scores, units = found.scores, units_of(found.scores)
    gas = "CO₂" if scores["variable"] == CO2 else VARIABLES[scores["variable"]].long_name
    page: list[Section] = [Paragraph(_opening(compared, scores))]
    if "regions" in scores:
        page += [Heading("Globe and regions"), tables.region_table(scores, units)]
    if scores["stations"]:
        page += [Heading("Stations"), tables.station_table(scores["stations"], units)]
        page += [Paragraph(text) for text in _about_observations(scores)]
    page += [Heading("Where it errs"), *pictures.map_pictures(found, units)]
    page += [Heading("In time"), *pictures.series_pictures(found, units, gas)]
    page += [Heading("Spread and correlation"), *pictures.taylor_pictures(found)]
    if spectrum := pictures.spectrum_pictures(found, units):
        page += [Heading("Scales"), *spectrum]
    if events := pictures.event_pictures(found, units, gas):
        page += [Heading("Events"), *events, tables.event_table(scores["events"], units)]
    page += [Heading("Growth and yearly cycle"), _trends(scores, units)]
    if "probabilistic" in scores:
        page += [Heading("Stated standard errors"), *_calibration(scores, units)]
    if scores["stations"]:
        page += [Heading("Every station"), tables.site_table(scores["stations"], units)]
    return page


def units_of(scores: Scores) -> str:
    """Unit of the scored variable as people write it."""
    return CO2_UNITS if scores["variable"] == CO2 else str(scores["unit"])


def with_standard_error(scores: Scores) -> dict[str, Mapping[str, Any]]:
    """The probabilistic scores of the globe and of each group of stations, by name."""
    found = {"globe": scores["probabilistic"]}
    for name, group in scores["stations"].items():
        if "probabilistic" in group:
            found[f"stations, {name.replace('_', ' ')}"] = group["probabilistic"]
    return found


def _opening(compared: str, scores: Scores) -> str:
    text = f"{VARIABLES[scores['variable']].long_name}: {compared}."
    if "times" in scores:
        times, together = scores["times"], scores["climatology"] == "scalar"
        text += (
            f" {times['count']} maps from {times['first']} to {times['last']}; means over the "
            "globe and over regions are weighted by area, anomalies are from the mean of the "
            f"truth over these times{' and the globe' if together else ' in each cell'}."
        )
    if "observations" in scores:
        seen = scores["observations"]
        text += (
            f" {seen['observations']} observations at {seen['sites']} stations from "
            f"{seen['first']} to {seen['last']}."
        )
    return text


def _about_observations(scores: Scores) -> list[str]:
    """How observations and prediction were paired, and what was left out."""
    seen = scores.get("observations")
    if seen is None:
        return ["Observations of the store against the values of the maps at the stations."]
    found = []
    months = seen.get("months")
    if months and months["count"]:
        found.append(
            f"Monthly means are compared with those of the prediction over {months['count']} "
            f"months, of each of which maps cover {100 * months['least_coverage']:.0f} % or more."
        )
    if seen["left_out"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in seen["left_out"].items())
        found.append(f"Left out: {reasons}.")
    return found


def _trends(scores: Scores, units: str) -> Section:
    rows = {"global": scores, **scores["regions"]} if "regions" in scores else {}
    for group in scores["stations"].values():
        rows |= group["sites"]
    trends = {name: row["trend"] for name, row in rows.items() if row.get("trend")}
    if not trends:
        return Paragraph(
            "The record is too short for growth and yearly cycle: they take at least two years, "
            "with twenty values or more."
        )
    table: Table = tables.trend_table(trends, units)
    return table


def _calibration(scores: Scores, units: str) -> list[Section]:
    stated = with_standard_error(scores)
    coverage = {name: row["coverage"] for name, row in stated.items()}
    ratio = stated["globe"]["spread_skill_ratio"]
    title = f"Stated standard error: {ratio:.2f} of the RMS error on the globe"
    figure = calibration_figure(coverage, stated["globe"]["spread_skill"], title, units)
    return [
        Paragraph(
            f"On the globe the stated standard error is {ratio:.2f} times the RMS error; 1 is "
            "calibrated, less is overconfident. Errors at stations include the noise of the "
            "observations, which the standard error of a field need not."
        ),
        tables.stated_error_table(stated, units),
        Picture(
            figure,
            "Coverage of central intervals against their level, and RMS error against spread",
            "Classes of spread have equal area; both curves of a calibrated prediction follow "
            "the dashed line.",
        ),
    ]
