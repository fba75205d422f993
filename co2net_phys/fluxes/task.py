"""The task of a flux model: NEE at towers, and what inversions or stations say of the rest."""

from __future__ import annotations

import math
from collections.abc import Generator
from pathlib import Path
from typing import Any

from co2net_phys.devices import choose_device
from co2net_phys.distributed import Team
from co2net_phys.epoch import shares_of_epoch
from co2net_phys.errors import UsageError
from co2net_phys.fluxes.bridges import BridgeOperator, read_bridges
from co2net_phys.fluxes.constraints import RegionalYears, StationYears
from co2net_phys.fluxes.data import FluxData
from co2net_phys.fluxes.drivers import DriverStore
from co2net_phys.fluxes.folds import Fold, make_folds
from co2net_phys.fluxes.learner import FluxLearner
from co2net_phys.fluxes.models import EC_ATM, EC_STATIONS, MODELS, FluxOptions
from co2net_phys.fluxes.physics_bridge_file import read_physics_bridge
from co2net_phys.fluxes.samples import FluxSample
from co2net_phys.fluxes.schema import NEE, QUANTITIES
from co2net_phys.fluxes.tower_records import TowerRecords, tower_records
from co2net_phys.fluxes.world_folder import WorldFolder
from co2net_phys.task import Part, Positions, Task

KIND = {EC_ATM: "regional", EC_STATIONS: "physics"}
"""Bridge that a model needs, as `co2phys bridge --kind` calls it."""


class FluxTask(Task):
    """A flux network, the towers of one fold, and a further constraint.

    Raises
    ------
    UsageError
        The fold does not exist, or the bridges are missing or useless.
    DataError
        A file is missing or wrong, or there is too little in it.
    """

    options: FluxOptions
    learner: FluxLearner
    unit = QUANTITIES[NEE].units

    def __init__(self, options: FluxOptions, data: Path, team: Team) -> None:
        _require_consistent(options)
        self.options, self.team, self.source = options, team, str(data)
        self.device = choose_device(options.device)
        folder = WorldFolder(data)
        drivers = folder.drivers()
        records = tower_records(
            folder.towers(drivers), f"{data}/towers", least_quality=options.least_quality
        )
        bridges, regions, stations = _constraints(options, folder, drivers)
        fold = _fold(options, records, regions, stations)
        self.data = FluxData(
            records, fold, regions, stations, day_step=options.day_step, seed=options.seed
        )
        made = dict[str, Any](statistics=self.data.training.statistics(), initial_seed=options.seed)
        architecture = MODELS[options.architecture]
        model = architecture.network(architecture.config(**(made | options.model)))
        self.learner = FluxLearner(
            model, bridges, with_stations=stations is not None, unit_range=options.unit_range
        ).to(self.device)
        self.description = {
            "sites": {"train": fold.training_sites, "validation": fold.validation_sites},
            "years": {"train": fold.training_years, "validation": fold.validation_years},
            "validation_stations": fold.validation_stations,
            **(regions.digests if regions is not None else {}),
            **(stations.digests if stations is not None else {}),
        }

    @property
    def batches_per_epoch(self) -> int:
        """Steps in which every record is seen once."""
        return math.ceil(len(self.data.training) / self.options.batch_size)

    def steps(self, epoch: int, done: int) -> Generator[list[Part], None, None]:
        """Parts of this process at every step of an epoch but the first `done`."""
        shares = shares_of_epoch(len(self.data.training), self.options, self.team, epoch, done)
        for step, parts in enumerate(shares, start=done):
            yield [
                (weight, positions, self.data.sample(positions, epoch, step))
                for positions, weight in parts
            ]

    def arguments(self, positions: Positions, sample: FluxSample) -> tuple[FluxSample]:
        """The sample on the device that learns."""
        return (sample.to(self.device),)

    def validation_error(self) -> float:
        """See `co2net_phys.fluxes.data.FluxData.validation_error`."""
        return self.data.validation_error(self.learner)


def _require_consistent(options: FluxOptions) -> None:
    if options.fold >= options.folds:
        raise UsageError(
            f"fold: {options.fold} of {options.folds} folds; they count from 0, and --ensemble "
            "can have as many members as there are folds (--set folds=…)"
        )
    kind = KIND.get(options.architecture)
    if kind is None and options.bridges is not None:
        raise UsageError(f"bridges: no effect with --model {options.architecture}; leave it out")
    if kind is not None and options.bridges is None:
        raise UsageError(
            f"bridges: --model {options.architecture} needs them; make them with `co2phys bridge "
            f"--kind {kind}` and pass --set bridges=FILE"
        )


def _constraints(
    options: FluxOptions, folder: WorldFolder, drivers: DriverStore
) -> tuple[BridgeOperator | None, RegionalYears | None, StationYears | None]:
    """What a model has beside towers."""
    if options.bridges is None:
        return None, None, None
    path = Path(options.bridges)
    if options.architecture == EC_STATIONS:
        return None, None, StationYears(drivers, read_physics_bridge(path))
    grid = drivers.grid
    operator = BridgeOperator(read_bridges(path), grid.latitude, grid.longitude)
    return operator, RegionalYears(drivers, operator, folder.inversions()), None


def _fold(
    options: FluxOptions,
    records: TowerRecords,
    regions: RegionalYears | None,
    stations: StationYears | None,
) -> Fold:
    return make_folds(
        records.reporting,
        () if regions is None else regions.years,
        () if stations is None else stations.reporting,
        count=options.folds,
        held_out_years=options.held_out_years,
        seed=options.seed,
    )[options.fold]
