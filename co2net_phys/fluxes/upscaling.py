"""NEE of all land and days from an ensemble of flux networks, streamed to disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from co2net_phys.data.output_layout import latitude_longitude_template
from co2net_phys.data.writer import OutputVariable, StreamingWriter, TimeEncoding
from co2net_phys.errors import DataError
from co2net_phys.fluxes.drivers import DriverStore
from co2net_phys.fluxes.network import FluxNetwork
from co2net_phys.fluxes.regions import cell_areas, region_fractions
from co2net_phys.fluxes.schema import CELL_AREA, LAND_FRACTION, NEE, QUANTITIES

SPREAD = "nee_spread"
"""Standard deviation of NEE between members, g m-2 d-1."""

BLOCK = 32
"""Days worked on at a time."""

Progress = Callable[[int], None]


def upscale(
    models: Sequence[FluxNetwork],
    drivers: DriverStore,
    path: Path,
    *,
    attributes: Mapping[str, str | float] | None = None,
    overwrite: bool = False,
    progress: Progress = lambda days: None,
) -> None:
    """Write the NEE store of an ensemble: the mean, and the spread of two or more members.

    Memory holds `BLOCK` days, whatever the length of the record; `progress` is told how many days
    are done.

    Raises
    ------
    DataError
        A model has other drivers, a driver is missing on land, or the output cannot be written.
    """
    for model in models:
        if model.config.drivers != drivers.names:
            raise DataError(
                f"{drivers.source}: drivers: a model has learned from "
                f"{', '.join(model.config.drivers)}; read the same ones"
            )
    fields = (NEE, SPREAD) if len(models) > 1 else (NEE,)
    grid, pixels = drivers.grid, np.argwhere(drivers.land)
    fractions = region_fractions(grid)
    writer = StreamingWriter(
        path,
        template=latitude_longitude_template(
            grid.latitude, grid.longitude, grid.latitude_edges, grid.longitude_edges
        ),
        variables={name: _variable(name) for name in (*fields, LAND_FRACTION, CELL_AREA)},
        attributes={"title": "Net ecosystem exchange of carbon", **(attributes or {})},
        encoding=TimeEncoding(drivers.days[0].astype("datetime64[s]"), "mean"),
        overwrite=overwrite,
        expected_bytes=4 * len(fields) * len(drivers.days) * len(pixels) // 2,
    )
    with writer:
        writer.write_static(LAND_FRACTION, fractions.sum(axis=0))
        writer.write_static(CELL_AREA, cell_areas(grid))
        for first in range(0, len(drivers.days), BLOCK):
            days = np.arange(first, min(first + BLOCK, len(drivers.days)))
            values = _ensemble(models, drivers.at(days, pixels))
            for place, day in enumerate(days):
                maps = {name: np.full(grid.shape, np.nan) for name in fields}
                for name in fields:
                    maps[name][tuple(pixels.T)] = values[name][place]
                writer.append(drivers.days[day].astype("datetime64[s]"), maps)
            progress(int(days[-1]) + 1)


@torch.no_grad()
def _ensemble(
    models: Sequence[FluxNetwork], drivers: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Mean and spread (D, N) at drivers (D, N, drivers)."""
    inputs = torch.from_numpy(drivers)
    members = []
    for model in models:
        model.eval()
        members.append(model(inputs.to(next(model.parameters()).device)).float().cpu())
    stacked = torch.stack(members)
    return {
        NEE: stacked.mean(0).numpy(),
        SPREAD: stacked.std(0, correction=min(1, len(models) - 1)).numpy(),
    }


def _variable(name: str) -> OutputVariable:
    if name == SPREAD:
        of = {"long_name": "Standard deviation of NEE between members", "units": "g m-2 d-1"}
        return OutputVariable({**of, "coverage_content_type": "qualityInformation"})
    attributes = QUANTITIES[name].attributes
    if name == NEE:
        return OutputVariable(attributes)
    return OutputVariable(attributes, ("latitude", "longitude"), "float64")
