"""Write a synthetic satellite world: its truth, its covariates, and what satellites report of it.

truth.zarr                   daily XCO2, µmol mol-1
covariates/*.zarr            one store for each grid and time axis
oco2/, oco3/, gosat/         daily Lite files, none for a day without clear soundings
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from co2net_phys.data.atomic import (
    explained_writing_errors,
    prepare_target,
    publish,
    remove,
    require_writable_folder,
)
from co2net_phys.data.output_layout import (
    OutputVariable,
    TimeEncoding,
    latitude_longitude_template,
)
from co2net_phys.data.writer import StreamingWriter
from co2net_phys.provenance import provenance_attributes
from co2net_phys.satellite.covariate_world import CovariateStore, covariate_stores
from co2net_phys.satellite.footprints import Instrument, footprints, instruments
from co2net_phys.satellite.instrument import observe
from co2net_phys.satellite.landscape import Landscape
from co2net_phys.satellite.lite_writer import lite_name, write_lite
from co2net_phys.satellite.orbits import EPOCH
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.schema import COVARIATES, Floats
from co2net_phys.satellite.simulation_options import OFFSET_REFERENCE, SatelliteSimulationConfig
from co2net_phys.satellite.synthetic_weather import Weather
from co2net_phys.satellite.truth import Truth

TRUTH = "truth.zarr"
COVARIATE_FOLDER = "covariates"

BYTES_PER_CHUNK = 32e6
"""Of one variable; a store keeps as many days of a map in memory as fit."""

BYTES_PER_SOUNDING = 420
"""Before compression: four profiles of 20 levels and some 25 numbers."""

XCO2 = OutputVariable(
    {
        "long_name": "True column-averaged dry-air mole fraction of CO2",
        "units": "umol mol-1",
        "comment": "The map of 13:30 local mean solar time; it stands for the UTC day.",
    }
)


@dataclass
class Tally:
    """What has been written.

    Attributes:
        files: number of Lite files by sensor.
        soundings: of these, by sensor.
        good_soundings: those with quality flag 0, by sensor.
    """

    files: dict[str, int] = field(default_factory=dict)
    soundings: dict[str, int] = field(default_factory=dict)
    good_soundings: dict[str, int] = field(default_factory=dict)

    def add(self, sensor: str, quality_flag: np.ndarray) -> None:
        """Count one file."""
        for counts, number in (
            (self.files, 1),
            (self.soundings, len(quality_flag)),
            (self.good_soundings, int((quality_flag == 0).sum())),
        ):
            counts[sensor] = counts.get(sensor, 0) + number

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SatellitePlan:
    """What a run will write; for a dry run."""

    days: int
    grid: tuple[int, int]
    footprints_by_sensor: dict[str, int]
    """On the first 16 days, before clouds."""
    expected_bytes: int
    """Before compression."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def world(config: SatelliteSimulationConfig) -> Truth:
    """Return the world of a configuration, without computing any of its days."""
    region = config.region
    return Truth(config, Landscape(region, config.seed), Weather(region, config.seed))


def plan(config: SatelliteSimulationConfig) -> SatellitePlan:
    """Count footprints and bytes without writing anything."""
    dates = config.dates[:16]
    counts = {
        sensor: sum(len(footprints(instrument, config.region, day)) for day in dates)
        for sensor, instrument in _flying(config).items()
    }
    stores = covariate_stores(world(config))
    maps = config.days * np.prod(config.region.shape) + sum(
        max(len(store.times), 1) * len(store.variables) * np.prod(store.region.shape)
        for store in stores
    )
    clear = sum(counts.values()) * config.days / len(dates) * (1 - config.cloud_fraction)
    size = int(4 * maps + BYTES_PER_SOUNDING * clear)
    return SatellitePlan(config.days, config.region.shape, counts, size)


def simulate_satellites(
    config: SatelliteSimulationConfig,
    output_folder: str | Path,
    progress: Callable[[int], None] = lambda day: None,
    *,
    command: str | Sequence[str] = "",
    overwrite: bool = False,
) -> Tally:
    """Write a world into one folder, which appears when it is complete.

    Args:
        config: from `co2net_phys.satellite.simulation_options.satellite_simulation_config`.
        output_folder: must not exist, or be an earlier output of this function and `overwrite`.
        progress: called with the number of days done.
        command: the command line, for the provenance attributes.
        overwrite: whether an earlier output is replaced.

    Returns:
        The numbers of files and soundings.

    Raises:
        DataError: the folder exists and may not be replaced, or cannot be written.
    """
    truth, tally = world(config), Tally()
    attributes = _attributes(config, command)
    with _whole_folder(Path(output_folder), overwrite) as folder:
        for store in covariate_stores(truth):
            _write_store(folder / COVARIATE_FOLDER / store.name, store, attributes)
        with _writer(
            folder / TRUTH, truth.region, {"xco2": XCO2}, config.dates[0], attributes
        ) as truths:
            for number, day in enumerate(config.dates):
                xco2 = truth.xco2(day)
                truths.append(day, {"xco2": xco2})
                _observe_day(folder, truth, day, xco2, attributes, tally)
                progress(number + 1)
    return tally


def _observe_day(
    folder: Path,
    truth: Truth,
    day: np.datetime64,
    xco2: Floats,
    attributes: Mapping[str, str | float],
    tally: Tally,
) -> None:
    """Write the Lite files of a day."""
    for sensor, instrument in _flying(truth.config).items():
        if day < instrument.first_day:
            continue
        retrievals = observe(instrument, truth, day, xco2)
        if len(retrievals.soundings):
            path = folder / sensor / lite_name(sensor, day)
            write_lite(path, instrument, retrievals, attributes)
            tally.add(sensor, retrievals.soundings.quality_flag)


def _write_store(path: Path, store: CovariateStore, attributes: Mapping[str, str | float]) -> None:
    """Write all records of a store of covariates."""
    with_time = ("time",) if store.times else ()
    variables = {
        name: OutputVariable(
            {"long_name": COVARIATES[name].long_name, "units": COVARIATES[name].units},
            (*with_time, "latitude", "longitude"),
        )
        for name in store.variables
    }
    start = store.times[0] if store.times else EPOCH
    with _writer(path, store.region, variables, start, attributes) as writer:
        for time in store.times:
            writer.append(time, store.fields(time))
        if not store.times:
            for name, values in store.fields(start).items():
                writer.write_static(name, values)


def _writer(
    path: Path,
    region: Region,
    variables: Mapping[str, OutputVariable],
    start: np.datetime64,
    attributes: Mapping[str, str | float],
) -> StreamingWriter:
    """A writer of maps on a region's grid that keeps a bounded number of them in memory."""
    template = latitude_longitude_template(
        region.latitude, region.longitude, region.latitude_edges, region.longitude_edges
    )
    records = int(np.clip(BYTES_PER_CHUNK / (4 * np.prod(region.shape)), 1, 64))
    return StreamingWriter(
        path,
        template=template,
        variables=variables,
        attributes=attributes,
        encoding=TimeEncoding(start),
        records_per_chunk=records,
    )


@contextmanager
def _whole_folder(target: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `target` if the block succeeds.

    Raises:
        DataError: `target` is there and no earlier world, or `overwrite` is false.
    """
    if overwrite and (target / TRUTH).is_dir():
        require_writable_folder(target)
        temporary = target.with_name(f"{target.name}.tmp-{os.getpid()}")
        remove(temporary)
    else:
        temporary = prepare_target(target, overwrite=False)
    try:
        with explained_writing_errors(target):
            temporary.mkdir()
            yield temporary
            publish(temporary, target)
    finally:
        remove(temporary)


def _flying(config: SatelliteSimulationConfig) -> dict[str, Instrument]:
    """Instruments of the satellites that take part, by sensor."""
    return {sensor: found for sensor, found in instruments().items() if sensor in config.satellites}


def _attributes(
    config: SatelliteSimulationConfig, command: str | Sequence[str]
) -> dict[str, str | float]:
    """Provenance, and what a test of a fusion may want to know of the truth."""
    provenance = provenance_attributes(
        "Synthetic satellite XCO2 with known truth",
        "An invented world: XCO2 with growth, season, weather, plumes of towns and uptake by "
        "plants, its covariates, and what OCO-2, OCO-3 and GOSAT would report of it.",
        command,
        config.seed,
        (),
        config.model_dump(mode="json"),
    )
    known = config.model_dump(include={"gosat_slope", "gosat_offset", "growth", "season_range"})
    return {
        **provenance,
        **known,
        "gosat_bias": f"GOSAT = {OFFSET_REFERENCE:g} + gosat_slope (OCO - {OFFSET_REFERENCE:g}) "
        "+ gosat_offset, in umol mol-1",
        "region": config.region.as_json(),
    }
