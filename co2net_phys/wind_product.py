"""Write the wind that `co2net_phys.wind_estimate` recovers, and sum up how well it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.output_layout import TimeEncoding, latitude_longitude_template
from co2net_phys.data.wind_layout import wind_record, wind_variables
from co2net_phys.data.writer import StreamingWriter
from co2net_phys.errors import DataError
from co2net_phys.solvers import Grid
from co2net_phys.wind_estimate import MORE, WindEstimate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Determined:
    """How well the wind is known where 0, 1 or 2 components are determined."""

    components: int
    area: float
    """Share of the globe, mean over the instants."""
    standard_error: float
    """Median over the area, then over the instants, m s-1: of the components of the wind, or of
    the one that is determined. NaN where there is none."""
    condition: float
    """Median likewise, of the condition number of the Gram matrix."""


def write_wind(
    estimate: WindEstimate,
    path: Path,
    *,
    attributes: Mapping[str, str | float],
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Determined]:
    """Write the wind of every instant; return how well it is known, two components first.

    Raises
    ------
    DataError
        The output cannot be written, a record cannot be read, or two components are asked for and
        determined nowhere. Nothing is left behind.
    """
    grid, count = estimate.grid, estimate.count
    level = estimate.series.fields[0].level_description
    variables = wind_variables(level)
    rows: list[list[tuple[float, float, float]]] = []
    with StreamingWriter(
        path,
        template=latitude_longitude_template(
            grid.latitude, grid.longitude, grid.latitude_bounds, grid.longitude_bounds
        ),
        variables=variables,
        attributes=attributes,
        encoding=TimeEncoding(estimate.time(0)),  # as in the tracers' file, to the last bit
        overwrite=overwrite,
        expected_bytes=expected_bytes(estimate) // 2,  # compression saves at least this much
    ) as writer:
        for done, (time, wind, place) in enumerate(estimate.winds(), start=1):
            record = wind_record(wind, place)
            writer.append(time, record)
            rows.append([_known(record, grid, number) for number in (2, 1, 0)])
            progress(done)
        areas = np.mean([[area for area, _, _ in row] for row in rows], axis=0)
        if estimate.settings.components > 1 and not areas[0] > 0:
            raise DataError(
                f"{estimate.series.source}: both components of the wind are determined nowhere "
                f"in {count} instants; {MORE}"
            )
    table = np.array(rows)
    medians = [_median_of_finite(table[:, column, 1:]) for column in range(3)]
    return [
        Determined(number, float(area), *median)
        for number, area, median in zip((2, 1, 0), areas, medians, strict=True)
    ]


def expected_bytes(estimate: WindEstimate) -> int:
    """Size of the output before compression."""
    return 4 * len(wind_variables("")) * estimate.count * estimate.grid.nlat * estimate.grid.nlon


def _known(record: Mapping[str, Array], grid: Grid, number: int) -> tuple[float, float, float]:
    """Share of the area with `number` components, and there medians of error and condition."""
    places = record["determined_components"] == number
    weights = grid.area_weights[places]
    error = np.hypot(record["u_standard_error"], record["v_standard_error"]) / np.sqrt(2.0)
    if number == 1:
        error = record["best_component_standard_error"]
    parts = (error[places], record["condition_number"][places])
    share = weights.sum() / grid.area_weights.sum()
    median, condition = (_weighted_median(part, weights) for part in parts)
    return float(share), median, condition


def _weighted_median(values: Array, weights: Array) -> float:
    """Value that half of the weight is below; what is not a number is left out."""
    valid = np.isfinite(values)
    if not valid.any():
        return float("nan")
    order = np.argsort(values[valid])
    reached = np.cumsum(weights[valid][order])
    return float(values[valid][order][np.searchsorted(reached, reached[-1] / 2)])


def _median_of_finite(pairs: Array) -> tuple[float, float]:
    """Medians over the instants (n, 2) of error and condition."""
    columns = [column[np.isfinite(column)] for column in pairs.T]
    error, condition = (float(np.median(c)) if c.size else float("nan") for c in columns)
    return error, condition
