"""Make the synthetic carbon world and write all that its observers would have."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.atomic import (
    atomic_write_text,
    explained_writing_errors,
    publish,
    remove,
    require_writable_folder,
)
from co2net_phys.data.output_layout import latitude_longitude_template, station_coordinates
from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.stations import Station, load_stations
from co2net_phys.data.store import TrainingStore, open_store
from co2net_phys.data.writer import write_dataset
from co2net_phys.errors import DataError
from co2net_phys.fluxes.config import CarbonWorldConfig
from co2net_phys.fluxes.inversions import Inversions, write_inversions
from co2net_phys.fluxes.regions import monthly_sums, region_areas, regional_sums
from co2net_phys.fluxes.schema import (
    CELL_AREA,
    DRIVERS,
    LAND_FRACTION,
    NEE,
    QUANTITIES,
    Quantity,
)
from co2net_phys.fluxes.simulated_inversions import simulate_inversions
from co2net_phys.fluxes.simulated_towers import SimulatedTower, simulate_towers
from co2net_phys.fluxes.towers import site_coordinates
from co2net_phys.fluxes.transport import (
    CarbonFluxes,
    station_mole_fractions,
    transport_model,
)
from co2net_phys.fluxes.world import CarbonWorld, carbon_world
from co2net_phys.fluxes.world_folder import (
    BACKGROUND_FILE,
    DRIVERS_FILE,
    INVERSIONS_FILE,
    NEE_FILE,
    SITES_FILE,
    STATIONS_FILE,
    TOWER_TRUTH_FILE,
    TOWERS_FOLDER,
)
from co2net_phys.fluxes.world_weather import RECORDS_PER_DAY
from co2net_phys.json_text import json_text
from co2net_phys.provenance import provenance_attributes
from co2net_phys.regridding import LatLonGrid
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.geography import Geography
from co2net_phys.simulation.observing import StationNetwork
from co2net_phys.simulation.sources import SurfaceSources
from co2net_phys.simulation.weather import Weather
from co2net_phys.solvers import Grid, SphericalHarmonics

CONFIG_FILE = "world.json"

GRID = ("latitude", "longitude")
Progress = Callable[[str, int, int], None]
"""Told the name of a stage, how much of it is done, and how much there is."""


def simulate_carbon_world(
    config: CarbonWorldConfig,
    output_folder: str | Path,
    progress: Progress = lambda stage, done, total: None,
    *,
    stations: tuple[Station, ...] | None = None,
    command: Sequence[str] = ("co2phys", "simulate", "--preset", "carbon-world"),
    overwrite: bool = False,
) -> dict[str, Any]:
    """Make a world and write it to a folder that appears when everything is there.

    Args:
        config: sizes, errors and seed.
        output_folder: to be made.
        progress: see `Progress`.
        stations: that measure mole fractions; the packaged network without them.
        command: for the provenance of the files.
        overwrite: whether a world that is there already may be replaced.

    Returns:
        Plain numbers that sum the world up: cells, towers, stations, mean annual exchange.

    Raises:
        DataError: the folder exists or cannot be written.
    """
    target = Path(output_folder)
    _refuse_folder(target, overwrite)
    temporary = target.with_name(f"{target.name}.tmp-{os.getpid()}")
    try:
        with explained_writing_errors(target):
            remove(temporary)
            temporary.mkdir(parents=True)
            summary = _Writer(config, temporary, progress, stations, command).write()
            publish(temporary, target)
    finally:
        remove(temporary)
    return summary


class _Writer:
    """Writes one world, file by file."""

    def __init__(
        self,
        config: CarbonWorldConfig,
        folder: Path,
        progress: Progress,
        stations: tuple[Station, ...] | None,
        command: Sequence[str],
    ) -> None:
        self.config, self.folder, self.progress, self.command = config, folder, progress, command
        self.stations = load_stations() if stations is None else stations

    def write(self) -> dict[str, Any]:
        """Make everything; return the summary."""
        days = config_days(self.config)
        world = carbon_world(
            self.config, lambda day: self.progress("weather and land", day + 1, days)
        )
        nee = world.on_grid(world.biosphere.nee)
        self._drivers(world)
        self._gridded(world, NEE_FILE, {NEE: nee}, dict(QUANTITIES), "True exchange of the land")
        towers = self._towers(world)
        monthly, months = monthly_sums(regional_sums(nee, world.fractions, world.areas), world.days)
        areas = region_areas(world.fractions, world.areas)
        members = simulate_inversions(monthly, areas, self.config.inversions, self.config.seed)
        write_inversions(Inversions(months, members), self.folder / INVERSIONS_FILE)
        self._background(world)
        self._stations(world, nee)
        summary = {
            "config": self.config.model_dump(),
            "cells": int(world.cells.sum()),
            "towers": len(towers),
            "stations": len(self.stations),
            "annual_nee_pgc": float(monthly.sum() / self.config.years),
        }
        atomic_write_text(self.folder / CONFIG_FILE, json_text(summary) + "\n")
        return summary

    def _attributes(self, title: str) -> dict[str, str]:
        return provenance_attributes(
            title,
            "Part of a synthetic world whose carbon exchange is known exactly; not an observation.",
            self.command,
            self.config.seed,
            [],
            self.config.model_dump(),
        )

    def _gridded(
        self,
        world: CarbonWorld,
        name: str,
        fields: dict[str, NDArray[Any]],
        quantities: dict[str, Quantity],
        title: str,
    ) -> None:
        data = _template(world.grid)
        for key, values in fields.items():
            axes = ("time", *GRID) if values.ndim == 3 else GRID
            data[key] = axes, values, quantities[key].attributes
        land = {LAND_FRACTION: world.land, CELL_AREA: world.areas}
        for key, values in land.items():
            data[key] = GRID, values, QUANTITIES[key].attributes
        data = data.assign_coords(time=("time", world.days.astype("datetime64[ns]")))
        write_dataset(data.assign_attrs(self._attributes(title)), self.folder / name)

    def _drivers(self, world: CarbonWorld) -> None:
        fields = {name: world.on_grid(v) for name, v in world.biosphere.drivers.items()}
        self._gridded(world, DRIVERS_FILE, fields, dict(DRIVERS), "Drivers of a flux model")

    def _towers(self, world: CarbonWorld) -> tuple[SimulatedTower, ...]:
        towers = simulate_towers(world)
        folder = self.folder / TOWERS_FOLDER
        lines = ["site_code,latitude,longitude"]
        for number, tower in enumerate(towers):
            atomic_write_text(folder / tower.file_name, tower.fluxnet_csv())
            site = tower.site
            lines.append(f"{site.code},{site.latitude:.4f},{site.longitude:.4f}")
            self.progress("towers", number + 1, len(towers))
        atomic_write_text(folder / SITES_FILE, "\n".join(lines) + "\n")
        _write_tower_truth(world, towers, self.folder / TOWER_TRUTH_FILE)
        return towers

    def _background(self, world: CarbonWorld) -> None:
        """Fossil and ocean fluxes, without their diurnal cycle, on the first of every month."""
        rows, columns = world.cells.shape
        grid = Grid("cell-centre", rows, columns, float(world.grid.longitude[0]))
        clock = Clock(world.days[0].astype("datetime64[s]"))
        sources = SurfaceSources(Geography(grid), clock, self.config.seed)
        ends = world.days[-1].astype("datetime64[M]") + 2
        dates = np.arange(world.days[0].astype("datetime64[M]"), ends).astype("datetime64[s]")
        data = _template(world.grid)
        for name in ("fossil", "ocean"):
            fields = [
                np.mean([sources.flux(name, start + 21600.0 * k) for k in range(4)], axis=0)
                for start in ((dates - clock.start) / np.timedelta64(1, "s"))
            ]
            data[name] = ("time", *GRID), np.stack(fields), QUANTITIES[name].attributes
        data = data.assign_coords(time=("time", dates.astype("datetime64[ns]")))
        attributes = self._attributes("Surface fluxes of CO2 other than those of the land")
        write_dataset(data.assign_attrs(attributes), self.folder / BACKGROUND_FILE)

    def _stations(self, world: CarbonWorld, nee: NDArray[np.float32]) -> None:
        """Winds, and mole fractions that stations measure in them."""
        store = self._winds(world.days[0])
        model = transport_model(
            TrainingStore(store, STATIONS_FILE, need_target=False), self.config.truncation
        )
        fluxes = CarbonFluxes(
            nee,
            world.land,
            world.grid,
            world.days[0],
            self.folder / BACKGROUND_FILE,
            model.harmonics.grid,
            model.clock,
        )
        total = store.sizes["time"]
        values = station_mole_fractions(
            model, fluxes, self.stations, lambda done: self.progress("transport", done, total)
        )
        grid = model.harmonics.grid
        step = 86400 / RECORDS_PER_DAY
        network = StationNetwork(
            self.stations, grid.latitude, grid.longitude, self.config.seed, step
        )
        # The network knows noise and outages; of the field it is given nothing but zeros.
        noise = np.stack([network.observe(np.zeros(grid.shape)) for _ in range(total)])
        store[STATION_CO2] = (
            ("time", "station"),
            values + noise,
            VARIABLES[CO2].attributes
            | {"long_name": "Surface CO2 at stations (noise and outages included)"},
        )
        attributes = self._attributes("Mole fractions of CO2 at stations, and the winds")
        write_dataset(store.assign_attrs(attributes), self.folder / STATIONS_FILE)

    def _winds(self, first_day: np.datetime64) -> xr.Dataset:
        """The same weather that made the drivers, as winds on the transport grid."""
        truncation = self.config.truncation
        harmonics = SphericalHarmonics(Grid.gaussian(truncation), truncation)
        interval = 86400 / RECORDS_PER_DAY
        clock = Clock(first_day.astype("datetime64[s]"))
        weather = Weather(harmonics, clock, self.config.seed, interval)
        count = self.config.transport_days * RECORDS_PER_DAY + 1
        u, v = np.zeros((2, count, *harmonics.grid.shape), dtype=np.float32)
        for record in range(count):
            state = weather.state()
            east, north = harmonics.wind(state.streamfunction, state.potential)
            u[record], v[record] = east.numpy(), north.numpy()
            weather.advance()
        times = [clock.moment(record * interval) for record in range(count)]
        data = _template(LatLonGrid.of_solver(harmonics.grid))
        axes = ("time", *GRID)
        data["uas"] = axes, u, VARIABLES["uas"].attributes
        data["vas"] = axes, v, VARIABLES["vas"].attributes
        data = data.assign_coords(time=("time", np.array(times)))
        return data.assign_coords(station_coordinates(self.stations))


def config_days(config: CarbonWorldConfig) -> int:
    """Days in the record of a world."""
    years = [np.datetime64(f"{config.start_year + offset}", "D") for offset in (0, config.years)]
    return int((years[1] - years[0]) / np.timedelta64(1, "D"))


def open_world_stations(folder: str | Path) -> TrainingStore:
    """Open the station store of a world."""
    return open_store(Path(folder) / STATIONS_FILE, need_target=False)


def _template(grid: LatLonGrid) -> xr.Dataset:
    return latitude_longitude_template(
        grid.latitude, grid.longitude, grid.latitude_edges, grid.longitude_edges
    )


def _write_tower_truth(world: CarbonWorld, towers: tuple[SimulatedTower, ...], path: Path) -> None:
    """What the towers should have reported, and by how much they are wrong."""
    shape = (len(towers), len(world.days))
    true, bias = np.full(shape, np.nan), np.full(shape, np.nan)
    for row, tower in enumerate(towers):
        first = int((tower.days[0] - world.days[0]).astype(int))
        true[row, first : first + len(tower.days)] = tower.true_nee
        bias[row, first : first + len(tower.days)] = tower.bias
    axes = ("site", "time")
    attributes = QUANTITIES[NEE].attributes
    data = xr.Dataset(
        {
            "true_nee": (axes, true, attributes | {"long_name": "True exchange at the tower"}),
            "bias": (axes, bias, attributes | {"long_name": "Systematic error of the report"}),
        },
        coords={"time": world.days.astype("datetime64[ns]")},
    )
    write_dataset(data.assign_coords(site_coordinates([tower.site for tower in towers])), path)


def _refuse_folder(target: Path, overwrite: bool) -> None:
    """Refuse a target that holds something else, or a world that must not be replaced."""
    require_writable_folder(target.parent)
    if not target.exists():
        return
    if not (target / CONFIG_FILE).is_file():
        raise DataError(f"{target}: exists and is no carbon world; choose another --output")
    if not overwrite:
        raise DataError(f"{target}: already exists; pass --overwrite to replace it")
