"""Write the store, block of frames by block of frames, so that it can be stopped and continued.

Order of the work: read and regrid a block lazily, gather the moments of its training frames, hand
its frames to `ResumableWriter`, which compresses one chunk while the next block is computed. Memory
holds a block and two chunks, however long the record.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray

from co2net_phys.data.atomic import explained_writing_errors, flush_entry
from co2net_phys.data.coordinates import shown_time
from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.data.output_layout import (
    OutputVariable,
    latitude_longitude_template,
    station_coordinates,
)
from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.splits import SPLIT_ATTRIBUTE, intervals
from co2net_phys.data.writer_identity import attributes_of
from co2net_phys.data.writer_messages import saying_what_is_kept
from co2net_phys.data.writer_partial import Layout
from co2net_phys.data.writer_restart import Restart
from co2net_phys.data.writer_resumable import ResumableWriter
from co2net_phys.errors import DataError
from co2net_phys.regridding import LatLonGrid
from co2net_phys.store_building.computing import scheduler
from co2net_phys.store_building.planning import RECORDS_PER_CHUNK, StorePlan
from co2net_phys.store_building.statistics import (
    STATISTICS_ATTRIBUTE,
    RunningMoments,
    UnfitValuesError,
)
from co2net_phys.store_building.twin_stations import TWIN_COMMENT, TwinStations

LOG = logging.getLogger(__name__)

Frame = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Built:
    """A finished store.

    Attributes
    ----------
    statistics
        Mean and standard deviation of each variable over the training frames.
    """

    output: Path
    plan: StorePlan
    statistics: Mapping[str, Sequence[float]]


def build_store(
    plan: StorePlan,
    output: Path,
    *,
    attributes: Mapping[str, str | float],
    overwrite: bool = False,
    resume: bool = False,
    workers: int = 1,
    scheduler_address: str | None = None,
    progress: Callable[[int], None] = lambda frames: None,
    say: Callable[[str], None] = LOG.info,
) -> Built:
    """Read, regrid and write what `plan_store` has planned.

    Parameters
    ----------
    output
        Folder ending in .zarr; it appears, complete, by a rename at the end.
    attributes
        Provenance of the run, from `co2net_phys.provenance.provenance_attributes`.
    resume
        Go on where the same build was stopped; the store gets the same bytes.
    workers, scheduler_address
        Threads of this machine, or a dask cluster.

    Raises
    ------
    DataError
        The data are unfit, unreadable, or the output cannot be written or is being written.
    UsageError
        An earlier build had other options or inputs, or the cluster does not answer.
    """
    with scheduler(scheduler_address, workers) as place:
        statics = _static_values(plan)
        layout = _layout(plan, statics, attributes)
        writer = ResumableWriter(
            output, layout, resume=resume, overwrite=overwrite,
            expected_bytes=plan.expected_bytes // 2,  # compression saves at least this much
            records_per_chunk=RECORDS_PER_CHUNK,
        )  # fmt: skip
        if resume and writer.is_finished():
            say(f"{output}: is complete already, nothing to do")
            return Built(output, plan, json.loads(attributes_of(output)[STATISTICS_ATTRIBUTE]))
        say(f"{plan.where}: {len(plan)} frames on {place}")
        with _saying_that_values_stay_unfit(writer), saying_what_is_kept(writer), writer:
            moments = _append_all(plan, writer, progress, say)
            moments.add(statics)
            statistics = moments.result(plan.where)
            with explained_writing_errors(output):
                _add_attributes(writer.partial, {STATISTICS_ATTRIBUTE: json.dumps(statistics)})
    return Built(output, plan, statistics)


@contextmanager
def _saying_that_values_stay_unfit(writer: ResumableWriter) -> Iterator[None]:
    """Do not advise to go on where the same values would end the next run too."""
    try:
        yield
    except UnfitValuesError as error:
        if not writer.kept:
            raise
        raise DataError(
            f"{error.__cause__}, and pass --overwrite ({writer.kept})"
        ) from error.__cause__


def _append_all(
    plan: StorePlan,
    writer: ResumableWriter,
    progress: Callable[[int], None],
    say: Callable[[str], None],
) -> RunningMoments:
    """Write the frames that are not there yet; return the moments of all training frames."""
    earlier = writer.restart
    done = 0 if earlier is None else earlier.done
    moments = RunningMoments(plan.variables, None if earlier is None else earlier.arrays["moments"])
    if done:
        say(f"{plan.where}: go on after {done} of {len(plan)} frames")
    for number, frame in enumerate(_frames(plan, done), start=done):
        if plan.training[number]:
            moments.add(frame)
        writer.append(frame, Restart(number + 1, {"moments": moments.state}))
        progress(number + 1)
    return moments


def _frames(plan: StorePlan, first: int) -> Iterator[Frame]:
    """Frames from `first` on, computed block by block; blocks lie where an unbroken build's do."""
    length = plan.frames_per_block
    while first < len(plan):
        stop = min((first // length + 1) * length, len(plan))
        with explained_reading_errors(plan.where):
            block = plan.fields(slice(first, stop)).astype(np.float32).compute()
        observed = _observed(plan, block, slice(first, stop))
        _refuse_holes(plan, block, first)
        for offset in range(stop - first):
            frame = {str(name): array.values[offset] for name, array in block.items()}
            yield frame if observed is None else frame | {STATION_CO2: observed[offset]}
        first = stop


def _observed(plan: StorePlan, block: xr.Dataset, frames: slice) -> NDArray[Any] | None:
    if isinstance(plan.stations, TwinStations):
        return plan.stations(block[CO2].values)
    if plan.stations is None:
        return None
    chosen = plan.stations[STATION_CO2].isel(time=frames).transpose("time", "station")
    return np.asarray(chosen.values, dtype=np.float32)


def _refuse_holes(plan: StorePlan, block: xr.Dataset, first: int) -> None:
    """Weather with holes cannot be read by a network; CO2 may have some."""
    for name, array in block.items():
        if name == CO2:
            continue
        holes = ~np.isfinite(array.values)
        if holes.any():
            number = int(np.argmax(holes.reshape(len(holes), -1).any(axis=1)))
            raise UnfitValuesError(
                f"{plan.where}: {name}: {np.count_nonzero(holes[number])} values are missing or "
                f"infinite at {shown_time(plan.times.values[first + number])}; fill them, or leave "
                "the variable out with --variables"
            )


def _static_values(plan: StorePlan) -> Frame:
    with explained_reading_errors(plan.where):
        fields = plan.static_fields().astype(np.float32).compute()
    for name, array in fields.items():
        if not np.isfinite(array.values).all():
            raise DataError(
                f"{plan.where}: {name}: has missing or infinite values; fill them, or leave the "
                "variable out with --variables"
            )
    return {str(name): array.values for name, array in fields.items()}


def _layout(plan: StorePlan, statics: Frame, attributes: Mapping[str, str | float]) -> Layout:
    """Everything about the store but its values."""
    grid = plan.grid
    template = latitude_longitude_template(
        grid.latitude, grid.longitude, grid.latitude_edges, grid.longitude_edges
    )
    variables = {name: _output_variable(plan, name) for name in plan.variables}
    if plan.stations is not None:
        template = template.assign_coords(_station_coordinates(plan.stations))
        variables[STATION_CO2] = _observed_variable(plan)
    split = {name: [list(part) for part in intervals(plan.split[name])] for name in plan.split}
    own = {
        "original_grid": LatLonGrid.of(plan.parts[0][0], plan.where).describe(),
        "comment": f"Regridded and put together from files of a product. Split: {plan.split_name}.",
        "processing_level": "model output, regridded",
        SPLIT_ATTRIBUTE: json.dumps(split),
        "co2phys_split_name": plan.split_name,
    }
    if "source" in plan.attributes:
        own["source"] = str(plan.attributes["source"])
    if isinstance(plan.stations, TwinStations):
        own["comment"] += f" {TWIN_COMMENT}"
    return Layout(
        template, variables, statics, list(plan.times.values), plan.encoding,
        {**attributes, **own},
    )  # fmt: skip


def _output_variable(plan: StorePlan, name: str) -> OutputVariable:
    given = plan.array(name).attrs
    kept = {
        key: str(given[key]) for key in ("original_name", "original_units", "comment", "level")
        if key in given
    }  # fmt: skip
    dimensions = ("latitude", "longitude")
    known = {**kept, **VARIABLES[name].attributes}
    if VARIABLES[name].static:
        return OutputVariable(known, dimensions)
    return OutputVariable(known, ("time", *dimensions))


def _observed_variable(plan: StorePlan) -> OutputVariable:
    twin = isinstance(plan.stations, TwinStations)
    attributes = VARIABLES[CO2].attributes | {
        "long_name": "Surface CO2 at stations (ppm, dry air)",
        "coverage_content_type": "modelResult" if twin else "physicalMeasurement",
    }
    if twin:
        attributes["comment"] = TWIN_COMMENT
    return OutputVariable(attributes, ("time", "station"))


def _station_coordinates(stations: xr.Dataset | TwinStations) -> dict[str, xr.Variable]:
    if isinstance(stations, TwinStations):
        return station_coordinates(stations.stations)
    found = {}
    for name in stations.coords:
        array = stations[name].variable
        if name != "time" and array.dims == ("station",):
            text = array.dtype.kind in "OSU"
            found[str(name)] = array.astype(object) if text else array
    return found


def _add_attributes(folder: Path, attributes: Mapping[str, str]) -> None:
    """Add global attributes to a Zarr store, and make sure that they have reached the disk."""
    zarr.open_group(folder, mode="r+").attrs.update(dict(attributes))
    flush_entry(folder / "zarr.json")
    flush_entry(folder)
