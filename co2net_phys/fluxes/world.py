"""The synthetic carbon world in memory: its land, drivers and true exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from co2net_phys.fluxes.biosphere import Biosphere, breathe
from co2net_phys.fluxes.config import CarbonWorldConfig
from co2net_phys.fluxes.regions import region_fractions
from co2net_phys.fluxes.world_weather import daily_weather, lushness
from co2net_phys.regridding import LatLonGrid
from co2net_phys.simulation.geography import Geography
from co2net_phys.solvers import Grid

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CarbonWorld:
    """Everything that is true in the synthetic world."""

    config: CarbonWorldConfig
    grid: LatLonGrid
    areas: Array
    """(nlat, nlon) m2."""
    fractions: Array
    """(18, nlat, nlon) share of each cell that is land of each region."""
    days: NDArray[np.datetime64]
    """(time,) datetime64[D]."""
    cells: NDArray[np.bool_]
    """(nlat, nlon) True where there is land of a region."""
    biosphere: Biosphere
    """Drivers and exchange by day and cell; cells in the order of the grid."""

    @property
    def land(self) -> Array:
        """Share (nlat, nlon) of each cell that is land of a region."""
        return self.fractions.sum(axis=0)

    def on_grid(self, values: Array) -> NDArray[np.float32]:
        """Values (..., cell) on the grid (..., nlat, nlon) in the precision of files, else NaN."""
        field = np.full((*values.shape[:-1], *self.cells.shape), np.nan, dtype=np.float32)
        field[..., self.cells] = values
        return field

    def latitude_of_cells(self) -> Array:
        """Degrees north (cell,)."""
        return np.broadcast_to(self.grid.latitude[:, None], self.cells.shape)[self.cells]

    def longitude_of_cells(self) -> Array:
        """Degrees east (cell,)."""
        return np.broadcast_to(self.grid.longitude, self.cells.shape)[self.cells]


def carbon_world(config: CarbonWorldConfig, on_day: Callable[[int], None]) -> CarbonWorld:
    """Make the world; `on_day` is called with the number of each day of weather made."""
    rows = round(180 / config.grid_step)
    solver_grid = Grid("cell-centre", rows, 2 * rows, first_longitude=-180.0 + config.grid_step / 2)
    grid = LatLonGrid.of_solver(solver_grid)
    fractions = region_fractions(grid)
    geography = Geography(solver_grid)
    cells = fractions.sum(axis=0) > 0
    days = np.arange(
        np.datetime64(f"{config.start_year}-01-01"),
        np.datetime64(f"{config.start_year + config.years}-01-01"),
    )
    weather = daily_weather(geography, config.truncation, cells, days, config.seed, on_day)
    years = days.astype("datetime64[Y]")
    area = (fractions.sum(axis=0) * solver_grid.cell_area)[cells]
    biosphere = breathe(
        weather, lushness(geography, cells), area, (days - years).astype(np.int64), config.seed
    )
    return CarbonWorld(config, grid, solver_grid.cell_area, fractions, days, cells, biosphere)
