"""What the probe experiment leaves: scores as JSON and CSV, a table, a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from co2net_phys.data.atomic import atomic_write_bytes, atomic_write_text
from co2net_phys.figures import picture_bytes
from co2net_phys.json_text import json_text
from co2net_phys.validation.wind_probe import ARMS
from co2net_phys.validation.wind_probe_experiment import PICTURE, SUMMARY, TABLE
from co2net_phys.validation.wind_probe_figures import probe_figure
from co2net_phys.validation.wind_probe_scores import RIVALS, Example

COLUMNS = {
    "u": "r2_u",
    "v": "r2_v",
    "both": "r2_pooled",
    "about mean": "r2_about_mean_pooled",
    "own target": "r2_own_target",
    "training": "r2_own_training",
}
"""Columns of the table and the scores they show."""

DPI = 100


def mean_scores(summary: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Scores by arm, averaged over the seeds, and those of `RIVALS`."""
    runs = summary["runs"]
    means = {}
    for arm in dict.fromkeys(run["arm"] for run in runs):
        own = [run for run in runs if run["arm"] == arm]
        names = [name for name in own[0] if name.startswith("r2_")]
        means[arm] = {name: float(np.mean([run[name] for run in own])) for name in names}
    return means | {name: dict(summary["rivals"][name]) for name in RIVALS}


def table(summary: Mapping[str, Any]) -> str:
    """R² of every arm on the scored block, for people; several seeds as mean and range."""
    lines = [f"{'R² of the probed wind':<34}" + "".join(f"{name:>12}" for name in COLUMNS)]
    for arm, scores in mean_scores(summary).items():
        cells = [
            f"{scores[key]:12.3f}" if key in scores else f"{'–':>12}" for key in COLUMNS.values()
        ]
        name = ARMS[arm].description if arm in ARMS else RIVALS[arm]
        lines.append(f"{name:<34}{''.join(cells)}{_range(summary, arm)}")
    first, last = summary["block"]
    lines.append(
        f"block {first} to {last}; u, v, both: about each cell's training mean, 0 for a climatology"
    )
    return "\n".join(lines)


def write_results(folder: Path, summary: Mapping[str, Any], example: Example) -> None:
    """Write scores, table and picture, each whole or not at all.

    Raises:
        DataError: the folder cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(summary["runs"][0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(summary["runs"])
    picture = picture_bytes(probe_figure(mean_scores(summary), example), dpi=DPI)
    atomic_write_text(folder / TABLE, text.getvalue())
    atomic_write_bytes(folder / PICTURE, picture)
    atomic_write_text(folder / SUMMARY, json_text(summary) + "\n")


def _range(summary: Mapping[str, Any], arm: str) -> str:
    pooled = [run["r2_pooled"] for run in summary["runs"] if run["arm"] == arm]
    return f"   both {min(pooled):.3f} to {max(pooled):.3f}" if len(pooled) > 1 else ""
