"""A cross-validation to be read: in lines of text, and as sections of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from co2net_phys.report import Heading, Paragraph, Picture, Section, Table
from co2net_phys.satellite.figures import SPLITS, leak_figure

COLUMNS = "left out", "method", "n", "RMSE, ppm", "95 %", "MAE, ppm", "bias, ppm", "R²", "slope"

Rows = Sequence[Mapping[str, Any]]


def text_of(scores: Rows, leaks: Rows) -> str:
    """The scores of every scheme and method, then what random splits leak.

    Args:
        scores: see `crossvalidation.score_rows`.
        leaks: see `crossvalidation.leak_rows`; may be empty.
    """
    lines = [
        f"{'left out':<26}{'method':<18}{'n':>7}{'RMSE':>8}{'95 %':>15}{'bias':>8}{'R2':>7}"
        f"{'slope':>7}   (ppm)"
    ]
    for row in scores:
        lines.append(
            f"{SPLITS[row['scheme']]:<26}{row['method']:<18}{row['n']:>7}"
            f"{row['rmse']['value']:8.3f}{_between(row['rmse']):>15}{row['bias']['value']:8.3f}"
            f"{row['r2']['value']:7.3f}{row['slope']['value']:7.3f}"
        )
    if leaks:
        lines.append(f"{'error that random samples hide':<44}{'ratio':>7}{'ppm':>8}{'95 %':>16}")
    for row in leaks:
        lines.append(
            f"{SPLITS[row['scheme']]:<26}{row['method']:<18}{row['ratio']:7.2f}"
            f"{row['difference']['value']:8.3f}{_between(row['difference']):>16}"
        )
    return "\n".join(lines)


def sections_of(scores: Rows, leaks: Rows) -> list[Section]:
    """The same as tables with a picture."""
    sections: list[Section] = [
        Paragraph(
            "Neighbours of one day share weather and track: a method that is tested on random "
            "samples has seen theirs. Blocks leave neighbours out together."
        ),
        Picture(leak_figure(scores), "RMSE of each method by what is left out"),
        Table(
            COLUMNS,
            [_cells(row) for row in scores],
            caption="Scores; intervals draw whole weeks",
            decimals=3,
        ),
    ]
    if leaks:
        columns = ["left out", "method", "random, ppm", "blocked, ppm", "ratio", "difference, 95 %"]
        cells = [
            [
                SPLITS[row["scheme"]],
                row["method"],
                row["random_rmse"],
                row["blocked_rmse"],
                row["ratio"],
                _between(row["difference"]),
            ]
            for row in leaks
        ]
        table = Table(columns, cells, caption="The same samples in both", decimals=3)
        sections += [Heading("What random samples hide"), table]
    return sections


def _cells(row: Mapping[str, Any]) -> list[str | int | float | None]:
    values = {name: row[name]["value"] for name in ("rmse", "mae", "bias", "r2", "slope")}
    return [
        SPLITS[row["scheme"]], row["method"], row["n"], values["rmse"], _between(row["rmse"]),
        values["mae"], values["bias"], values["r2"], values["slope"],
    ]  # fmt: skip


def _between(interval: Mapping[str, float]) -> str:
    return f"{interval['low']:.3f} to {interval['high']:.3f}"
