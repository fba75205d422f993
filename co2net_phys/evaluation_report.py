"""The report of `co2phys evaluate`: scores by region and at stations, stated errors if any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from co2net_phys.data.schema import CO2, VARIABLES
from co2net_phys.figures import CO2_UNITS, calibration_figure
from co2net_phys.report import Heading, Paragraph, Picture, Section, Table, write_report

Scores = Mapping[str, Any]


def write_evaluation_report(path: Path, prediction: str, truth: str, scores: Scores) -> None:
    """Write the scores that `co2net_phys.evaluate.evaluate` gave for two files as one page.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    write_report(path, f"Scores of {Path(prediction).name}", sections(prediction, truth, scores))


def sections(prediction: str, truth: str, scores: Scores) -> list[Section]:
    """What the page holds."""
    variable, times, units = scores["variable"], scores["times"], units_of(scores)
    found: list[Section] = [
        Paragraph(
            f"{VARIABLES[variable].long_name} in {prediction} against {truth}: {times['count']} "
            f"times, {times['first']} to {times['last']}. Means over the globe and over regions "
            "are weighted by area; anomalies are from the mean of the truth over these times."
        ),
        Heading("Globe and regions"),
        Table(
            columns=["region", f"RMSE ({units})", "ACC", f"bias ({units})"],
            rows=[
                [name, row["rmse"], row["acc"], row["bias"]]
                for name, row in {"global": scores, **scores["regions"]}.items()
            ],
            decimals=3,
        ),
    ]
    if scores["stations"]:
        found += [Heading("Stations"), _stations(scores["stations"], units)]
    if "probabilistic" in scores:
        found += [Heading("Stated standard errors"), *_calibration(scores, units)]
    return found


def units_of(scores: Scores) -> str:
    """Unit of the scored variable as people write it."""
    return CO2_UNITS if scores["variable"] == CO2 else str(scores["unit"])


def with_standard_error(scores: Scores) -> dict[str, Mapping[str, Any]]:
    """The probabilistic scores of the globe and of each group of stations, by name."""
    found = {"globe": scores["probabilistic"]}
    for name, group in scores["stations"].items():
        found[f"stations, {name.replace('_', ' ')}"] = group["probabilistic"]
    return found


def _stations(groups: Scores, units: str) -> Table:
    pooled = {name.replace("_", " "): group["pooled"] for name, group in groups.items()}
    return Table(
        columns=["stations", f"RMSE ({units})", f"bias ({units})", "correlation", "observations"],
        rows=[
            [name, row["rmse"], row["bias"], row["correlation"], row["n"]]
            for name, row in pooled.items()
        ],
        caption="Observations against bilinear values at the sites, all sites together.",
        decimals=3,
    )


def _calibration(scores: Scores, units: str) -> list[Section]:
    stated = with_standard_error(scores)
    coverage = {name: row["coverage"] for name, row in stated.items()}
    levels = list(coverage["globe"])
    ratio = stated["globe"]["spread_skill_ratio"]
    title = f"Stated standard error: {ratio:.2f} of the RMS error on the globe"
    figure = calibration_figure(coverage, stated["globe"]["spread_skill"], title, units)
    return [
        Paragraph(
            f"On the globe the stated standard error is {ratio:.2f} times the RMS error; 1 is "
            "calibrated, less is overconfident. Errors at stations include the noise of the "
            "observations, which the standard error of a field need not."
        ),
        Table(
            columns=[
                *("where", f"CRPS ({units})", f"spread ({units})", "spread/error"),
                *(f"inside {level} % (%)" for level in levels),
            ],
            rows=[
                [
                    *(name, row["crps"], row["spread"], row["spread_skill_ratio"]),
                    *(100 * row["coverage"][level] for level in levels),
                ]
                for name, row in stated.items()
            ],
        ),
        Picture(
            figure,
            "Coverage of central intervals against their level, and RMS error against spread",
            "Classes of spread have equal area; both curves of a calibrated prediction follow "
            "the dashed line.",
        ),
    ]
